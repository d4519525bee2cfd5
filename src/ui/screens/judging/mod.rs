//! Judging: other judges read an evaluation's answers, people label some of them blind, and the two are compared.

mod agreement;
mod answer;
mod blind;
mod choice;
mod disagreements;
mod labels;
mod place;
mod plan;
mod probes;

use choice::JudgeChoice;

use crate::evaluate::Calibration;
use crate::job::{JobSpec, JudgeAgainSpec};
use crate::judge::{Drawn, JudgeSpec, Label, Verdict};
use crate::project::EvaluationInfo;
use crate::ui::app::{
    Command, JudgedAnswers, JudgesRequest, JudgingCommand, JudgingPart, JudgingReply, JudgingRequest, Pile,
    Request, View,
};
use crate::ui::theme;
use crate::ui::widgets::{ANSWERS, PROBES, Parcel, Tone, consent, notice, primary_button};
use blind::Blind;
use disagreements::Inbox;
use eframe::egui::{Button, CentralPanel, Frame, Panel, RichText, ScrollArea, Ui};
use egui_material_icons::icons;
use labels::Labels;
use plan::Plan;
use probes::Probes;
use std::sync::atomic::{AtomicU64, Ordering};

/// What somebody agreed to.
pub enum Agreed {
    /// That judges read answers.
    Answers(JobSpec),
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

/// A number that no other request has.
fn serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
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
            self.sending = Some(Sending { parcels, what: Agreed::Answers(job) });
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

    /// Draws the tab for this evaluation.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, evaluation: &EvaluationInfo) {
        if self.evaluation != evaluation.id {
            let (part, choice, unsaved) = (self.part, std::mem::take(&mut self.choice), self.unsaved);
            *self = Self { part, choice, unsaved, evaluation: evaluation.id.clone(), ..Self::default() };
        }
        if self.reading != Some(self.blind.seed) {
            let request = JudgingRequest::Read { evaluation: evaluation.id.clone(), seed: self.blind.seed };
            view.loader.send(Request::Judging(request));
            self.reading = Some(self.blind.seed);
        }
        self.parts(ui, view);
        if let Some(error) = &self.labels.error {
            notice(
                ui,
                Tone::Error,
                &format!("The last label is not saved, and has to be given again: {error}"),
            );
        }
        match self.answers.take() {
            None => {
                ui.label(theme::small("Reading the answers…").color(theme::palette(ui).weak));
            }
            Some(Err(error)) => {
                notice(ui, Tone::Error, &error);
                self.answers = Some(Err(error));
            }
            Some(Ok(answers)) => {
                self.part(ui, view, evaluation, &answers);
                self.answers = Some(Ok(answers));
            }
        }
        if let Some(sending) = &self.sending {
            let sent = if matches!(sending.what, Agreed::Answers(_)) { ANSWERS } else { PROBES };
            let (send, keep) = (Command::from(JudgingCommand::Send), Command::from(JudgingCommand::Keep));
            if let Some(chosen) = consent(ui, &sending.parcels, sent, &send, &keep) {
                view.send(chosen);
            }
        }
    }

    fn parts(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = theme::TIGHT;
            ui.spacing_mut().button_padding.x = theme::GAP;
            for part in JudgingPart::ALL {
                let on = part == self.part;
                let text = RichText::new(part.label()).size(theme::SMALL);
                let text = if on { text.color(p.accent) } else { text };
                let button = Button::new(text).frame(on).fill(p.selected).selected(on);
                if ui.add(button).on_hover_text(part.purpose()).clicked() {
                    view.send(JudgingCommand::Show(part));
                }
            }
        });
        ui.add_space(theme::GAP);
    }

    fn part(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        evaluation: &EvaluationInfo,
        answers: &JudgedAnswers,
    ) {
        if matches!(self.part, JudgingPart::Agreement | JudgingPart::Disagreements) {
            self.compare(view, evaluation, answers);
        }
        let error = self.agreement.error.clone();
        match self.part {
            JudgingPart::Again => self.again(ui, view, answers),
            JudgingPart::Label => self.blind.show(ui, view, answers, &self.labels),
            JudgingPart::Agreement | JudgingPart::Disagreements => {
                if let Some(error) = error {
                    notice(ui, Tone::Error, &error);
                }
                let Some(found) = &self.agreement.found else {
                    ui.label(theme::small("Comparing judges and people…").color(theme::palette(ui).weak));
                    return;
                };
                if self.part == JudgingPart::Disagreements {
                    self.inbox.show(ui, view, answers, &self.labels, found);
                } else {
                    let (summary, comparison) = (evaluation.summary.as_ref(), &mut self.comparison);
                    ScrollArea::vertical().id_salt("agreement").auto_shrink(false).show(ui, |ui| {
                        agreement::show(ui, view, found, summary, comparison);
                    });
                }
            }
            JudgingPart::Probes => {
                ScrollArea::vertical().id_salt("probes").auto_shrink(false).show(ui, |ui| {
                    self.probes.show(ui, view, &mut self.choice);
                });
            }
        }
    }

    /// Has labels and verdicts compared whenever one of them has changed.
    fn compare(&mut self, view: &mut View<'_>, evaluation: &EvaluationInfo, answers: &JudgedAnswers) {
        let now = (self.version, self.labels.version);
        if self.agreement.asked == Some(now) {
            return;
        }
        let serial = serial();
        let request = JudgesRequest::Calibrate {
            serial,
            records: answers.records.clone(),
            summary: Box::new(evaluation.summary.clone().unwrap_or_default()),
            labels: self.labels.all().to_vec(),
            seed: evaluation.spec.seed,
        };
        if view.loader.judge(request) {
            self.agreement.asked = Some(now);
            self.agreement.serial = serial;
        }
    }

    fn again(&mut self, ui: &mut Ui, view: &mut View<'_>, answers: &JudgedAnswers) {
        let judges = self.choice.specs();
        self.plan.keep_up(ui, view, &judges, self.version, || Pile::Answers(answers.records.clone()));
        let blocked = view.read_only().map(str::to_owned).or_else(|| self.plan.blocked());
        let plain = Frame::new();
        Panel::bottom("judge again").frame(plain).resizable(false).show_separator_line(false).show(
            ui,
            |ui| {
                ui.add_space(theme::GAP);
                let about = Command::from(JudgingCommand::Start).about();
                let button = primary_button(ui, icons::ICON_GAVEL, &about.text, blocked.as_deref());
                if button.on_hover_text(about.tooltip.as_ref()).clicked() {
                    view.send(JudgingCommand::Start);
                }
            },
        );
        CentralPanel::no_frame().show(ui, |ui| {
            ScrollArea::vertical().id_salt("judge again form").auto_shrink(false).show(ui, |ui| {
                ui.set_width(ui.available_width() - theme::PAD);
                self.choice.show(ui, &view.project.models);
                ui.add_space(theme::GAP);
                self.plan.show(ui);
            });
        });
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
