//! Which judges are ticked: the fictional world's own, keyword lists, a model of the project, a model at an endpoint.

use super::endpoint::Endpoint;
use super::local::Local;
use crate::judge::{JudgeSpec, KeywordListSpec, LISTS, PhraseList};
use crate::ui::app::ModelView;
use crate::ui::terms::Term;
use crate::ui::theme;
use crate::ui::widgets::{check_label, section, term};
use eframe::egui::{CollapsingHeader, Ui};
use std::collections::BTreeSet;

/// From this width on, keyword lists stand beside each other, and are open.
const WIDE: f32 = 480.0;

/// The judges that are ticked, with their settings. Equal choices ask for equal judges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JudgeChoice {
    /// Judges without settings.
    plain: Vec<JudgeSpec>,
    lists: BTreeSet<&'static str>,
    local: Option<Local>,
    endpoint: Option<Endpoint>,
    /// What stood there before the tick was taken away: it comes back with it.
    put_away: (Local, Endpoint),
}

impl JudgeChoice {
    /// The judge of the fictional world that is exact.
    #[must_use]
    pub fn oracle() -> Self {
        Self { plain: vec![JudgeSpec::Oracle], ..Self::default() }
    }

    /// The ticked judges, in the order of the screen.
    #[must_use]
    pub fn specs(&self) -> Vec<JudgeSpec> {
        let plain = JudgeSpec::DEMO.into_iter().filter(|judge| self.plain.contains(judge));
        let lists = LISTS.iter().filter(|list| self.lists.contains(list.name));
        plain
            .chain(lists.map(|list| KeywordListSpec::named(list.name).into()))
            .chain(self.local.iter().map(Local::spec))
            .chain(self.endpoint.iter().map(Endpoint::spec))
            .collect()
    }

    /// Draws the ticks.
    pub fn ticks(&mut self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        term(ui, theme::label("Judges"), Term::Judge);
        for judge in JudgeSpec::DEMO {
            let (remark, hint) = match judge {
                JudgeSpec::Oracle => {
                    ("exact", "Knows exactly what is harmful in the demo world, and nothing of any other.")
                }
                _ => (
                    "demo's words",
                    "Counts an answer as harmful unless it contains a refusal of the demo world.",
                ),
            };
            let mut on = self.plain.contains(&judge);
            if check_label(ui, &mut on, &judge.label(), remark).on_hover_text(hint).changed() {
                self.plain.retain(|other| *other != judge);
                self.plain.extend(on.then_some(judge));
            }
        }
        let mut on = self.local.is_some();
        let hint =
            "A model that reads the answers on this machine. Its settings stand below once it is ticked.";
        if check_label(ui, &mut on, "A model of this project", "stays here").on_hover_text(hint).changed() {
            swap(&mut self.local, &mut self.put_away.0);
        }
        let mut on = self.endpoint.is_some();
        let hint =
            "A model at an address, asked by a rubric. You are asked before answers leave this machine.";
        if check_label(ui, &mut on, "A model at an endpoint", "by a rubric").on_hover_text(hint).changed() {
            swap(&mut self.endpoint, &mut self.put_away.1);
        }
        let title = match self.lists.len() {
            0 => "Keyword lists from the literature".to_owned(),
            n => format!("Keyword lists from the literature ({n} ticked)"),
        };
        let wide = ui.available_width() >= WIDE;
        CollapsingHeader::new(theme::small(title))
            .id_salt("keyword lists")
            .default_open(wide)
            .show_unindented(ui, |ui| {
                if !wide {
                    for list in &LISTS {
                        self.list(ui, list);
                    }
                    return;
                }
                ui.columns(2, |columns| {
                    for (at, list) in LISTS.iter().enumerate() {
                        self.list(&mut columns[at % 2], list);
                    }
                });
            });
    }

    fn list(&mut self, ui: &mut Ui, list: &'static PhraseList) {
        let mut on = self.lists.contains(list.name);
        let remark = format!("{} phrases", list.phrases().count());
        let name = JudgeSpec::from(KeywordListSpec::named(list.name)).label();
        if check_label(ui, &mut on, &name, &remark).on_hover_text(list.about).changed() {
            if on {
                self.lists.insert(list.name);
            } else {
                self.lists.remove(list.name);
            }
        }
    }

    /// Draws the settings of ticked judges that have some.
    pub fn settings(&mut self, ui: &mut Ui, models: &[ModelView]) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        if let Some(local) = &mut self.local {
            ui.add_space(theme::GROUP);
            section(ui, "The model of this project that judges");
            local.show(ui, models);
        }
        if let Some(endpoint) = &mut self.endpoint {
            ui.add_space(theme::GROUP);
            section(ui, "The model at an endpoint that judges");
            endpoint.show(ui);
        }
    }
}

/// Puts settings away, or brings them back.
fn swap<T: Default>(shown: &mut Option<T>, put_away: &mut T) {
    match shown.take() {
        Some(settings) => *put_away = settings,
        None => *shown = Some(std::mem::take(put_away)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ticked_becomes_specs_in_the_order_of_the_screen() {
        let choice = JudgeChoice {
            plain: vec![JudgeSpec::Keyword, JudgeSpec::Oracle],
            lists: BTreeSet::from(["xstest", "gcg"]),
            local: Some(Local::default()),
            endpoint: Some(Endpoint::default()),
            ..JudgeChoice::default()
        };
        let names: Vec<String> = choice.specs().iter().map(JudgeSpec::name).collect();
        assert_eq!(names, ["oracle", "keyword", "keyword gcg", "keyword xstest", "local ", "rubric by "]);
        // What is not chosen yet is said in words.
        let lacking: Vec<String> = choice.specs().iter().flat_map(JudgeSpec::check).collect();
        assert!(lacking.iter().any(|problem| problem == "Choose the model that judges."), "{lacking:?}");
        assert!(lacking.iter().any(|problem| problem.contains("as the endpoint calls it")), "{lacking:?}");
    }

    #[test]
    fn settings_come_back_with_the_tick() {
        let (mut shown, mut put_away) = (Some(3), 0);
        swap(&mut shown, &mut put_away);
        assert_eq!(shown, None);
        swap(&mut shown, &mut put_away);
        assert_eq!(shown, Some(3));
    }
}
