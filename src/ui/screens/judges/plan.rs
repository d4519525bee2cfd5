//! What the chosen judges would read, worked out before anything is done.

use crate::judge::JudgeSpec;
use crate::ui::app::next_serial;
use crate::ui::app::{JudgePlan, JudgesRequest, JudgesSurroundings, Pile, View};
use crate::ui::theme;
use crate::ui::widgets::{Parcel, Tone, notice};
use eframe::egui::{Label, Ui};
use std::time::Duration;

/// Seconds without a change before it is worked out: nobody wants it for each letter of an address.
const STILL: f64 = 0.3;

/// Why judges cannot start while it is being worked out.
pub const LOOKING: &str = "Looking at what the judges need…";

/// The plan of what is chosen.
#[derive(Default)]
pub struct Plan {
    /// Judges and version of what they read.
    wanted: Option<(Vec<JudgeSpec>, u64)>,
    since: f64,
    asked: Option<u64>,
    found: Option<Vec<JudgePlan>>,
    broke: Option<String>,
}

/// What judges need of the project.
pub fn around(view: &View<'_>) -> JudgesSurroundings {
    let models =
        view.project.models.iter().map(|model| (model.entry.id.clone(), model.folder.clone())).collect();
    JudgesSurroundings { root: view.project.root.clone(), models }
}

impl Plan {
    /// Sees to it that there is a plan for these judges. `version` changes with what `pile` holds.
    pub fn keep_up(
        &mut self,
        ui: &Ui,
        view: &mut View<'_>,
        judges: &[JudgeSpec],
        version: u64,
        pile: impl FnOnce() -> Pile,
    ) {
        let now = ui.input(|input| input.time);
        if self.wanted.as_ref().is_none_or(|(known, of)| known != judges || *of != version) {
            *self = Self { wanted: Some((judges.to_vec(), version)), since: now, ..Self::default() };
        }
        let sound = judges.iter().all(|judge| judge.check().is_empty());
        if self.asked.is_some() || judges.is_empty() || !sound {
            return;
        }
        let left = self.since + STILL - now;
        if left > 0.0 {
            ui.ctx().request_repaint_after(Duration::from_secs_f64(left));
            return;
        }
        let serial = next_serial();
        let request =
            JudgesRequest::Plan { serial, around: around(view), judges: judges.to_vec(), pile: pile() };
        if view.loader.judge(request) {
            self.asked = Some(serial);
        } else {
            ui.ctx().request_repaint_after(Duration::from_secs_f64(STILL));
        }
    }

    /// A plan came.
    pub fn take(&mut self, serial: u64, plans: Vec<JudgePlan>) {
        if self.asked == Some(serial) {
            self.found = Some(plans);
        }
    }

    /// Working it out broke off.
    pub fn broke(&mut self, serial: u64, error: &str) {
        if self.asked == Some(serial) {
            self.broke = Some(error.to_owned());
        }
    }

    /// The judges, if everything about them is known and they can be asked.
    #[must_use]
    pub fn judges(&self) -> Option<Vec<JudgeSpec>> {
        let plans = self.found.as_ref()?;
        let ready = !plans.is_empty() && plans.iter().all(|plan| plan.outcome.is_ok());
        ready.then(|| plans.iter().map(|plan| plan.judge.clone()).collect())
    }

    /// What would leave this machine.
    #[must_use]
    pub fn parcels(&self) -> Vec<Parcel> {
        let plans = self.found.iter().flatten().filter(|plan| plan.judge.leaves_machine().is_some());
        plans
            .filter_map(|plan| {
                let reading = plan.outcome.as_ref().ok().filter(|reading| reading.unread > 0)?;
                Some(Parcel::of(&plan.judge, reading.estimate.as_ref()?))
            })
            .collect()
    }

    /// Why the judges cannot read answers that are there, if they cannot.
    #[must_use]
    pub fn blocked(&self) -> Option<String> {
        let (judges, _) = self.wanted.as_ref()?;
        if judges.is_empty() {
            return Some("Tick at least one judge.".to_owned());
        }
        let problems: Vec<String> = judges.iter().flat_map(JudgeSpec::check).collect();
        if !problems.is_empty() {
            return Some(problems.join("\n"));
        }
        if let Some(lacking) = self.lacking(judges) {
            return Some(lacking);
        }
        let unread = |plan: &JudgePlan| plan.outcome.as_ref().is_ok_and(|reading| reading.unread > 0);
        (!self.found.iter().flatten().any(unread))
            .then(|| "These judges have read every answer already. Tick another one.".to_owned())
    }

    /// What these judges lack to be asked: a key, a model; [`LOOKING`] while that is not known.
    #[must_use]
    pub fn lacking(&self, judges: &[JudgeSpec]) -> Option<String> {
        if self.wanted.as_ref().is_none_or(|(known, _)| known != judges) {
            return Some(LOOKING.to_owned());
        }
        if let Some(error) = &self.broke {
            return Some(error.clone());
        }
        let Some(plans) = &self.found else { return Some(LOOKING.to_owned()) };
        let failed: Vec<&str> =
            plans.iter().filter_map(|plan| plan.outcome.as_ref().err().map(String::as_str)).collect();
        (!failed.is_empty()).then(|| failed.join("\n"))
    }

    /// Draws a line for each judge that can be asked.
    pub fn lines(&self, ui: &mut Ui) {
        let p = theme::palette(ui);
        for plan in self.found.iter().flatten().filter(|plan| plan.outcome.is_ok()) {
            ui.add(Label::new(theme::small(line(plan)).color(p.weak)).wrap());
        }
    }

    /// Draws a line for each judge, and what stands against it.
    pub fn show(&self, ui: &mut Ui) {
        let Some((judges, _)) = &self.wanted else { return };
        for problem in judges.iter().flat_map(JudgeSpec::check) {
            notice(ui, Tone::Warning, &problem);
        }
        if let Some(error) = &self.broke {
            notice(ui, Tone::Error, error);
        }
        for error in self.found.iter().flatten().filter_map(|plan| plan.outcome.as_ref().err()) {
            notice(ui, Tone::Warning, error);
        }
        self.lines(ui);
    }
}

/// What a judge has before it, in words.
fn line(plan: &JudgePlan) -> String {
    let name = plan.judge.name();
    let Ok(reading) = &plan.outcome else { return name };
    let answers = |n: usize| if n == 1 { "1 answer".to_owned() } else { format!("{n} answers") };
    if reading.unread == 0 {
        return format!("{name}: has read all {}", answers(reading.all));
    }
    let up_to = if reading.coming { "up to " } else { "" };
    let mut text = format!("{name}: reads {up_to}{}", answers(reading.unread));
    if reading.unread < reading.all {
        text += &format!(" of {}", reading.all);
    }
    if reading.coming
        && let Some(host) = plan.judge.leaves_machine()
    {
        text += &format!(", which go to {host}");
    }
    if let Some(estimate) = &reading.estimate {
        text += &format!(
            "; {} are asked of {}, about {} tokens there and up to {} back",
            estimate.asked, estimate.host, estimate.tokens_in, estimate.tokens_out
        );
        match estimate.price {
            Some(price) => text += &format!(", at a price of up to {price:.3}"),
            None if plan.judge.leaves_machine().is_some() => text += ", at a price that is not known",
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{EndpointSpec, Estimate, RubricSpec};
    use crate::ui::app::Reading;

    fn rubric(url: &str) -> JudgeSpec {
        let endpoint = EndpointSpec { url: url.into(), model: "m".into(), ..EndpointSpec::default() };
        RubricSpec { endpoint, ..RubricSpec::default() }.into()
    }

    fn plan(judges: Vec<(JudgeSpec, Result<Reading, String>)>) -> Plan {
        let wanted = judges.iter().map(|(judge, _)| judge.clone()).collect();
        let found = judges.into_iter().map(|(judge, outcome)| JudgePlan { judge, outcome }).collect();
        Plan { wanted: Some((wanted, 0)), found: Some(found), ..Plan::default() }
    }

    fn reading(unread: usize, asked: Option<usize>, host: &str) -> Reading {
        let estimate = asked.map(|asked| Estimate {
            host: host.into(),
            answers: unread,
            asked,
            tokens_in: 900,
            tokens_out: 40,
            price: None,
        });
        Reading { unread, all: 20, coming: false, estimate }
    }

    #[test]
    fn only_what_leaves_the_machine_is_a_parcel() {
        let away = rubric("https://a.com/v1");
        let here = rubric("http://127.0.0.1:9/v1");
        let judges = vec![
            (JudgeSpec::Oracle, Ok(reading(20, None, ""))),
            (here, Ok(reading(20, Some(20), "127.0.0.1:9"))),
            (away.clone(), Ok(reading(20, Some(12), "a.com"))),
        ];
        let found = plan(judges);
        assert_eq!(found.blocked(), None);
        assert_eq!(found.judges().unwrap().len(), 3);
        let parcels = found.parcels();
        assert_eq!((parcels.len(), parcels[0].host.as_str(), parcels[0].answers), (1, "a.com", 12));
        assert!(plan(vec![(away.clone(), Ok(reading(0, Some(0), "a.com")))]).parcels().is_empty());
        let coming = Reading { coming: true, ..reading(20, None, "") };
        let text = line(&JudgePlan { judge: away.clone(), outcome: Ok(coming) });
        assert_eq!(text, "rubric by m: reads up to 20 answers, which go to a.com");
        let text = line(&JudgePlan { judge: away, outcome: Ok(reading(12, Some(12), "a.com")) });
        assert!(text.contains("reads 12 answers of 20") && text.contains("not known"), "{text}");
    }

    #[test]
    fn what_stands_against_it_is_said() {
        assert!(plan(Vec::new()).blocked().unwrap().contains("at least one"));
        let failed = plan(vec![(JudgeSpec::Oracle, Err("There is no key for a.com.".into()))]);
        assert_eq!(
            (failed.blocked().unwrap().as_str(), failed.judges()),
            ("There is no key for a.com.", None)
        );
        let done = plan(vec![(JudgeSpec::Oracle, Ok(reading(0, None, "")))]);
        assert!(done.blocked().unwrap().contains("read every answer"));
        let waiting = Plan { wanted: Some((vec![JudgeSpec::Oracle], 0)), ..Plan::default() };
        assert!(waiting.blocked().as_deref() == Some(LOOKING) && waiting.judges().is_none());
        // What was found of other judges says nothing.
        assert_eq!(done.lacking(&[JudgeSpec::Keyword]).as_deref(), Some(LOOKING));
        assert_eq!(done.lacking(&[JudgeSpec::Oracle]), None);
    }
}
