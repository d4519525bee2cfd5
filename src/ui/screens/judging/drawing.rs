//! What the tab draws: its parts, and the question before something is sent.

use super::{Agreed, JudgingPanel, agreement};
use crate::project::EvaluationInfo;
use crate::ui::app::next_serial;
use crate::ui::app::{
    Command, JudgedAnswers, JudgesRequest, JudgingCommand, JudgingPart, JudgingRequest, Pile, Request, View,
};
use crate::ui::theme;
use crate::ui::widgets::{ANSWERS, PROBES, Tab, Tone, consent, inner_tabs, notice, primary_button};
use eframe::egui::{CentralPanel, Frame, Panel, ScrollArea, Ui};
use egui_material_icons::icons;

impl JudgingPanel {
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
        let tabs = JudgingPart::ALL.map(|part| Tab::new(part, part.label(), part.purpose()));
        if let Some(part) = inner_tabs(ui, &tabs, self.part) {
            view.send(JudgingCommand::Show(part));
        }
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
        let serial = next_serial();
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
                self.choice.ticks(ui);
                self.choice.settings(ui, &view.project.models);
                ui.add_space(theme::GAP);
                self.plan.show(ui);
            });
        });
    }
}
