//! Labelling by hand: one answer after the other, drawn by chance, blind to model, attack and judge.

use super::answer::{self, Labelling};
use super::labels::Labels;
use super::place::Place;
use crate::judge::{Drawn, Verdict};
use crate::ui::app::{AppCommand, JudgedAnswers, JudgingCommand, JudgingPart, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, icon_button, line, notice, progress_line};
use eframe::egui::{Align, CentralPanel, DragValue, Frame, Layout, Panel, Ui};

/// Answers of a sample, unless somebody wants more or fewer.
const SAMPLE: usize = 100;

/// The labelling desk.
pub struct Blind {
    /// Answers of the sample.
    pub size: usize,
    /// By which it is drawn.
    pub seed: u64,
    /// Where somebody is.
    pub place: Place,
    /// Whose labels are shown.
    author: String,
    name: String,
}

impl Default for Blind {
    fn default() -> Self {
        Self { size: SAMPLE, seed: 0, place: Place::default(), author: String::new(), name: String::new() }
    }
}

impl Blind {
    /// The answers of the sample, in the order in which they come.
    #[must_use]
    pub fn list<'a>(&self, answers: &'a JudgedAnswers) -> &'a [String] {
        &answers.order[..self.size.clamp(1, answers.order.len().max(1)).min(answers.order.len())]
    }

    /// Draws the desk.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, answers: &JudgedAnswers, labels: &Labels) {
        let p = theme::palette(ui);
        let author = view.preferences.author.trim().to_owned();
        if author.is_empty() {
            answer::author(ui, view, &mut self.name);
            return;
        }
        if self.author != author {
            // Somebody else begins at the beginning.
            self.author.clone_from(&author);
            self.place = Place::default();
        }
        self.sample(ui, view, answers, labels, &author);
        let list = self.list(answers);
        let said = |id: &str| labels.verdict(&author, id, Drawn::ByChance);
        let done = list.iter().filter(|id| said(id).is_some()).count();
        line(ui, 24.0, |ui| {
            let share = done as f32 / list.len().max(1) as f32;
            progress_line(ui, "Labelled", share, 120.0);
            ui.label(theme::small(format!("{done} of {} labelled", list.len())).color(p.weak));
            if let Some(index) = self.place.index(list) {
                ui.label(theme::small(format!("· this is the {}", ordinal(index + 1))).color(p.weak));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if done == list.len() {
                    let command = JudgingCommand::Show(JudgingPart::Agreement);
                    if command_button(ui, &command, None) {
                        view.send(command);
                    }
                }
            });
        });
        if done == list.len() && !list.is_empty() {
            notice(
                ui,
                Tone::Good,
                "You have labelled all of them. A second person with another name shows how well people agree.",
            );
        }
        if self.place.index(list).is_none() {
            self.place = Place::default();
            self.place.step_to_open(list, |id| said(id).is_some());
            if self.place.at.is_none() {
                self.place.step(list, true);
            }
        }
        let Some(response) = self.place.at.as_deref().and_then(|id| answers.get(id)) else { return };
        let blocked = blocked(view, &self.place);
        let labelling = Labelling {
            response: &response.id,
            drawn: Drawn::ByChance,
            given: said(&response.id),
            blocked: blocked.as_deref(),
        };
        let steps = self.place.steps(list);
        let plain = Frame::new();
        Panel::bottom("label bar").frame(plain).resizable(false).show_separator_line(false).show(ui, |ui| {
            answer::bar(ui, view, &labelling, &mut self.place.note, steps);
        });
        CentralPanel::no_frame()
            .show(ui, |ui| answer::answer(ui, view, response, &mut self.place.cover, |_| {}));
    }

    fn sample(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        answers: &JudgedAnswers,
        labels: &Labels,
        author: &str,
    ) {
        let p = theme::palette(ui);
        line(ui, theme::CONTROL, |ui| {
            let hint = "Drawn by chance from all answers to attacks, so that labels say how often a judge errs. A larger sample begins with the smaller one; a second person who takes the same numbers gets the same answers.";
            let label = ui.label(theme::small("Sample of")).on_hover_text(hint);
            let most = answers.order.len().max(1);
            self.size = self.size.clamp(1, most);
            ui.add(DragValue::new(&mut self.size).range(1..=most)).on_hover_text(hint).labelled_by(label.id);
            let label = ui.label(theme::small("Seed")).on_hover_text("Another seed draws another sample.");
            ui.add(DragValue::new(&mut self.seed).range(0..=u64::from(u32::MAX))).labelled_by(label.id);
            ui.label(theme::small(format!("as {author}")).color(p.weak))
                .on_hover_text("Your labels carry this name. Change it in the settings.");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                for (command, blocked) in [
                    (AppCommand::Redo, (!labels.can_redo()).then_some("No label was taken back.")),
                    (
                        AppCommand::Undo,
                        (!labels.can_undo()).then_some("No label was given since the window opened."),
                    ),
                ] {
                    if icon_button(ui, &command, blocked) {
                        view.send(command);
                    }
                }
            });
        });
    }

    /// A label was given: the next open answer comes.
    pub fn labelled(&mut self, answers: &JudgedAnswers, labels: &Labels, author: &str) {
        let list = self.list(answers);
        self.place.step_to_open(list, |id| labels.verdict(author, id, Drawn::ByChance).is_some());
    }
}

/// Why the open answer cannot be labelled.
pub fn blocked(view: &View<'_>, place: &Place) -> Option<String> {
    if let Some(why) = view.read_only() {
        return Some(why.to_owned());
    }
    (!place.cover.is_off(view)).then(|| "Show the answer first: a label is about what it says.".to_owned())
}

fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (1, m) if m != 11 => "st",
        (2, m) if m != 12 => "nd",
        (3, m) if m != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// What a verdict is called.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Harmful => "harmful",
        Verdict::Safe => "not harmful",
        Verdict::Refused => "refuses",
        Verdict::Unparsed => "cannot tell",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_people_do() {
        let said: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111].into_iter().map(ordinal).collect();
        assert_eq!(
            said,
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd", "111th"]
        );
    }
}
