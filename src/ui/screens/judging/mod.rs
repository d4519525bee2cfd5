//! Judging: other judges read an evaluation's answers, people label some of them blind, and the two are compared.

mod agreement;
mod answer;
mod blind;
mod disagreements;
mod drawing;
mod labels;
mod place;
mod probes;

use crate::evaluate::Calibration;
use crate::job::{JobSpec, JudgeAgainSpec};
use crate::judge::{Drawn, JudgeSpec, Label, Verdict};
use crate::ui::app::{JudgedAnswers, JudgingPart, JudgingReply, Request};
use crate::ui::screens::judges::{JudgeChoice, Plan};
use crate::ui::widgets::Parcel;
use blind::Blind;
use disagreements::Inbox;
use labels::Labels;
use probes::Probes;

/// What somebody agreed to.
pub enum Agreed {
    /// That judges read answers.
    Answers(Box<JobSpec>),
    /// That judges read so many probes of each kind.
    Probes(Vec<JudgeSpec>, usize),
}

/// What waits for somebody's consent.
struct Sending {
    parcels: Vec<Parcel>,
    what: Agreed,
}

/// What labels say of judges, and of which labels that was told.
#[derive(Default)]
struct Agreement {
    asked: Option<(u64, u64)>,
    serial: u64,
    found: Option<Box<Calibration>>,
    error: Option<String>,
}

/// The tab.
#[derive(Default)]
pub struct JudgingPanel {
    part: JudgingPart,
    evaluation: String,
    answers: Option<Result<Box<JudgedAnswers>, String>>,
    /// What was asked for last: the seed of the order.
    reading: Option<u64>,
    /// Changes with the answers.
    version: u64,
    /// Labels of this or another evaluation that are on their way to the disk.
    unsaved: usize,
    choice: JudgeChoice,
    plan: Plan,
    sending: Option<Sending>,
    labels: Labels,
    blind: Blind,
    inbox: Inbox,
    agreement: Agreement,
    comparison: agreement::Comparison,
    probes: Probes,
}

impl JudgingPanel {
    /// Goes to a part.
    pub fn turn_to(&mut self, part: JudgingPart) {
        self.part = part;
    }

    /// What the project holds may have changed: the answers are read again.
    pub fn project_changed(&mut self) {
        self.reading = None;
    }

    /// Whether every label has reached the disk, or could not.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.unsaved == 0
    }

    /// Whether a label can be taken back, and one given again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        (self.labels.can_undo(), self.labels.can_redo())
    }

    /// The job of the chosen judges. Where answers would leave this machine, consent is asked for instead.
    pub fn start(&mut self) -> Option<JobSpec> {
        let judges = self.plan.judges().filter(|judges| *judges == self.choice.specs())?;
        let again = JudgeAgainSpec { evaluation: self.evaluation.clone(), judges, preference: None };
        let away = again.judges.iter().any(|judge| judge.leaves_machine().is_some());
        let job = JobSpec::Judge(again);
        let parcels = self.plan.parcels();
        // What is known from before is not sent again; then there is nothing to agree to.
        if away && !parcels.is_empty() {
            self.sending = Some(Sending { parcels, what: Agreed::Answers(Box::new(job)) });
            return None;
        }
        Some(job)
    }

    /// The judges to try. Where probes would leave this machine, consent is asked for instead.
    pub fn probe(&mut self) -> Option<(Vec<JudgeSpec>, usize)> {
        let judges = self.probes.plan.judges().filter(|judges| *judges == self.choice.specs())?;
        let parcels = self.probes.plan.parcels();
        if !parcels.is_empty() {
            self.sending = Some(Sending { parcels, what: Agreed::Probes(judges, self.probes.each) });
            return None;
        }
        Some((judges, self.probes.each))
    }

    /// What was agreed to, once.
    pub fn agree(&mut self) -> Option<Agreed> {
        self.sending.take().map(|sending| sending.what)
    }

    /// Nothing is sent.
    pub fn keep(&mut self) {
        self.sending = None;
    }

    /// Tries judges on probes.
    pub fn try_judges(&mut self, judges: Vec<JudgeSpec>, each: usize) {
        self.probes.start(judges, each);
    }

    /// Stops trying judges.
    pub fn stop_probing(&mut self) {
        self.probes.stop();
    }

    /// Gives a label; the request writes it down.
    pub fn label(
        &mut self,
        author: &str,
        response: &str,
        verdict: Verdict,
        drawn: Drawn,
        reason: String,
    ) -> Option<Request> {
        let Some(Ok(answers)) = &self.answers else { return None };
        if author.is_empty() || answers.get(response).is_none() {
            return None;
        }
        let label = Label {
            response: response.to_owned(),
            verdict,
            author: author.to_owned(),
            reason,
            drawn,
            at: now(),
            withdrawn: false,
        };
        let request = self.labels.give(&self.evaluation, label);
        self.unsaved += 1;
        match drawn {
            Drawn::ByChance => self.blind.labelled(answers, &self.labels, author),
            Drawn::Disputed => self.inbox.labelled(self.agreement.found.as_deref()),
        }
        Some(request)
    }

    /// Takes the last label back, or gives the last one again that was taken back, and goes to its answer.
    pub fn undo(&mut self, redo: bool) -> Option<Request> {
        let (labels, at) = (&mut self.labels, now());
        let done = if redo { labels.redo(&self.evaluation, &at) } else { labels.undo(&self.evaluation, &at) };
        let (response, request) = done?;
        self.unsaved += 1;
        match self.part {
            JudgingPart::Disagreements => self.inbox.place.go(response),
            _ => self.blind.place.go(response),
        }
        Some(request)
    }

    /// Goes to the next answer, or to the one before.
    pub fn step(&mut self, next: bool) {
        match (self.part, &self.answers, &self.agreement.found) {
            (JudgingPart::Disagreements, _, Some(found)) => {
                self.inbox.place.step(&disagreements::list(found), next);
            }
            (_, Some(Ok(answers)), _) => {
                let list = self.blind.list(answers);
                self.blind.place.step(list, next);
            }
            _ => {}
        }
    }

    /// Shows the covered answer, or covers it.
    pub fn uncover(&mut self) {
        let place = match self.part {
            JudgingPart::Disagreements => &mut self.inbox.place,
            _ => &mut self.blind.place,
        };
        place.cover.opened = !place.cover.opened;
    }

    /// Looks at an answer on which judges differ.
    pub fn look(&mut self, response: String) {
        self.part = JudgingPart::Disagreements;
        self.inbox.place.go(response);
    }

    /// Something came back. What went wrong with an evaluation that is no longer shown is given back.
    pub fn take(&mut self, reply: JudgingReply) -> Option<String> {
        if matches!(reply, JudgingReply::Labelled { .. }) {
            self.unsaved = self.unsaved.saturating_sub(1);
        }
        match reply {
            JudgingReply::Read { evaluation, result } if evaluation == self.evaluation => {
                if let Ok(answers) = &result {
                    self.labels.read(answers.labels.clone());
                }
                self.version += 1;
                self.answers = Some(result);
            }
            JudgingReply::Labelled { evaluation, result } if evaluation == self.evaluation => {
                if result.is_err() {
                    self.reading = None;
                }
                self.labels.written(result);
            }
            JudgingReply::Labelled { evaluation, result: Err(error) } => {
                return Some(format!("The last label of {evaluation} is not saved: {error}"));
            }
            JudgingReply::Read { .. } | JudgingReply::Labelled { .. } => {}
            JudgingReply::Planned { serial, plans } => {
                self.plan.take(serial, plans.clone());
                self.probes.plan.take(serial, plans);
            }
            JudgingReply::Calibrated { serial, found } => {
                if self.agreement.serial == serial {
                    self.agreement.found = Some(found);
                    self.agreement.error = None;
                }
            }
            JudgingReply::Probed { serial, judges } => self.probes.take(serial, judges),
            JudgingReply::Broke { serial, error } => {
                self.plan.broke(serial, &error);
                self.probes.plan.broke(serial, &error);
                self.probes.broke(serial, &error);
                if self.agreement.serial == serial {
                    self.agreement.error = Some(error);
                }
            }
        }
        None
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
