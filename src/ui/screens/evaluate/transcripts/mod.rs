//! The answers behind the numbers: a list that is filtered on the left, one conversation on the right.

mod conversation;
mod filter;
mod list;

use crate::evaluate::TranscriptFilter;
use crate::project::EvaluationInfo;
use crate::ui::app::{EvaluateCommand, EvaluateRequest, Found, Request, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, empty_state, icon_button, notice};
use conversation::Conversation;
use eframe::egui::{self, Frame, Key, Margin, Modifiers, Panel, RichText, Ui};
use egui_material_icons::icons;

/// The tab.
#[derive(Default)]
pub struct TranscriptsTab {
    filter: TranscriptFilter,
    serial: u64,
    asked: Option<(String, TranscriptFilter)>,
    found: Option<Found>,
    error: Option<String>,
    /// The place in the list.
    at: usize,
    /// Whether the list has to move so that this place can be seen.
    moved: bool,
    conversation: Conversation,
}

impl TranscriptsTab {
    /// Reads these answers.
    pub fn read(&mut self, filter: TranscriptFilter) {
        self.filter = filter;
        self.to(0);
    }

    /// Asks anew: a judge may have read more answers.
    pub fn ask_again(&mut self) {
        self.asked = None;
    }

    /// Goes on or back in the list.
    pub fn step(&mut self, by: isize) {
        let last = self.count().saturating_sub(1);
        self.to(self.at.saturating_add_signed(by).min(last));
    }

    /// Takes in what was found.
    pub fn found(&mut self, serial: u64, result: Result<Found, String>) {
        if serial != self.serial {
            return;
        }
        match result {
            Ok(found) => {
                // The answer that was open stays open if it is still in the list.
                let open = self.open_row();
                let other = self.found.as_ref().is_some_and(|old| old.evaluation != found.evaluation);
                self.at = found.rows.iter().position(|row| Some(*row) == open && !other).unwrap_or_default();
                if other || self.open_row() != found.rows.get(self.at).copied() {
                    self.conversation.close();
                }
                self.moved = true;
                self.found = Some(found);
                self.error = None;
            }
            Err(error) => {
                self.found = None;
                self.error = Some(error);
            }
        }
    }

    fn to(&mut self, at: usize) {
        if at != self.at {
            self.conversation.close();
        }
        self.at = at;
        self.moved = true;
    }

    fn count(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.rows.len())
    }

    fn open_row(&self) -> Option<u32> {
        self.found.as_ref()?.rows.get(self.at).copied()
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo) {
        let of_this = self.found.as_ref().is_some_and(|found| found.evaluation == info.id);
        if !of_this && self.asked.as_ref().is_some_and(|(id, _)| *id != info.id) {
            // Another evaluation has other models and attacks.
            self.asked = None;
        }
        let wanted = (info.id.clone(), self.filter.clone());
        if self.asked.as_ref() != Some(&wanted) {
            self.serial += 1;
            let (serial, evaluation) = (self.serial, info.id.clone());
            let filter = Box::new(self.filter.clone());
            view.loader.send(Request::Evaluate(EvaluateRequest::Find { serial, evaluation, filter }));
            self.asked = Some(wanted);
        }
        if let Some(error) = &self.error {
            notice(ui, Tone::Error, error);
            return;
        }
        let Some(found) = self.found.clone().filter(|found| found.evaluation == info.id) else {
            ui.label(RichText::new("Reading the answers…").color(theme::palette(ui).weak));
            return;
        };
        if found.transcripts.is_empty() {
            empty_state(
                ui,
                icons::ICON_FORUM,
                "No answers",
                "This evaluation generated none: it measured KL per token only.",
                None,
            );
            return;
        }
        filter::show(ui, &mut self.filter, &found.choices);
        ui.add_space(theme::GAP);
        if found.rows.is_empty() {
            let pressed = empty_state(
                ui,
                icons::ICON_FORUM,
                "No answer passes this filter",
                "Choose less above, or show all answers.",
                Some("Show all answers"),
            );
            if pressed {
                self.filter = TranscriptFilter::default();
            }
            return;
        }
        keys(ui, view);
        let width = (ui.available_width() * 0.36).clamp(280.0, 400.0);
        Panel::left("answers").frame(Frame::new()).resizable(false).exact_size(width).show(ui, |ui| {
            ui.label(theme::small(self.head(&found)).color(theme::palette(ui).weak));
            let moved = std::mem::take(&mut self.moved);
            if let Some(at) = list::show(ui, &found, self.filter.judge.as_deref(), self.at, moved) {
                self.to(at);
                self.moved = false;
            }
        });
        let right = Frame::new().inner_margin(Margin { left: theme::GROUP as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(right).show(ui, |ui| {
            let Some(row) = found.rows.get(self.at) else { return };
            let Some((response, verdicts)) = found.transcripts.get(*row as usize) else { return };
            let title = format!("{} of {}", self.at + 1, found.rows.len());
            let (first, last) = (self.at == 0, self.at + 1 == found.rows.len());
            let mut sent = None;
            self.conversation.show(ui, response, verdicts, view.preferences.uncovered, |ui| {
                ui.label(theme::strong(title.as_str()));
                for (command, end, why) in [
                    (EvaluateCommand::PreviousAnswer, first, "This is the first one."),
                    (EvaluateCommand::NextAnswer, last, "This is the last one."),
                ] {
                    if icon_button(ui, &command, end.then_some(why)) {
                        sent = Some(command);
                    }
                }
            });
            if let Some(command) = sent {
                view.send(command);
            }
        });
    }

    fn head(&self, found: &Found) -> String {
        let n = found.rows.len();
        if self.filter == TranscriptFilter::default() {
            format!("{n} answers · J and K go through them")
        } else {
            format!("{n} of {} answers · J and K go through them", found.transcripts.len())
        }
    }
}

/// J and K, unless somebody is writing.
fn keys(ui: &Ui, view: &mut View<'_>) {
    if ui.ctx().text_edit_focused() {
        return;
    }
    for (key, command) in [(Key::J, EvaluateCommand::NextAnswer), (Key::K, EvaluateCommand::PreviousAnswer)] {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            view.send(command);
        }
    }
}
