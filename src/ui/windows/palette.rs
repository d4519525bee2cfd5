//! The list of actions: found by a few letters, taken with Enter.

use crate::ui::app::{Command, Offer};
use crate::ui::theme;
use crate::ui::widgets::{Tone, notice, row_button};
use eframe::egui::{self, Frame, Key, Margin, Modifiers, ScrollArea, TextEdit, Ui};

/// Rows that are shown at most.
const MOST: usize = 60;

/// The palette.
#[derive(Default)]
pub struct Palette {
    open: bool,
    words: String,
    at: usize,
}

impl Palette {
    /// Opens or closes it.
    pub fn toggle(&mut self) {
        *self = Self { open: !self.open, ..Self::default() };
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Draws it, if it is open, and gives back what was chosen.
    pub fn show(&mut self, ui: &mut Ui, offers: Vec<Offer>) -> Option<Command> {
        if !self.open {
            return None;
        }
        let found = found(offers, &self.words);
        let last = found.len().saturating_sub(1);
        let pressed = |key| ui.ctx().input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if pressed(Key::ArrowDown) {
            self.at += 1;
        }
        if pressed(Key::ArrowUp) {
            self.at = self.at.saturating_sub(1);
        }
        self.at = self.at.min(last);
        let mut chosen = pressed(Key::Enter).then_some(self.at);
        let modal = egui::Modal::new(egui::Id::unique("palette"))
            .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::GROUP as i8)))
            .show(ui.ctx(), |ui| {
                ui.set_width(560.0);
                let edit = TextEdit::singleline(&mut self.words)
                    .hint_text("What do you want to do?")
                    .desired_width(f32::INFINITY);
                let field = ui.add(edit);
                field.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::TextInput, true, "What do you want to do?")
                });
                field.request_focus();
                if field.changed() {
                    self.at = 0;
                }
                ui.add_space(theme::GAP);
                if found.is_empty() {
                    ui.label("No action has these words.");
                }
                // A person with a keyboard alone has to learn it too.
                if let Some(why) = found.get(self.at).and_then(|offer| offer.blocked.as_deref()) {
                    notice(ui, Tone::Plain, why);
                    ui.add_space(theme::GAP);
                }
                ScrollArea::vertical().id_salt("actions").max_height(380.0).auto_shrink([false, true]).show(
                    ui,
                    |ui| {
                        ui.spacing_mut().item_spacing.y = 2.0;
                        for (index, offer) in found.iter().enumerate() {
                            let about = offer.command.about();
                            let keys = about.keys.map(|keys| ui.ctx().format_shortcut(&keys));
                            let remark = match (&offer.blocked, keys) {
                                (Some(_), _) => "not now".to_owned(),
                                (None, Some(keys)) => keys,
                                (None, None) => offer.command.place().to_owned(),
                            };
                            let row = row_button(ui, index == self.at, about.icon, &about.text, &remark);
                            let row = row.on_hover_text(offer.blocked.as_deref().unwrap_or(&about.tooltip));
                            if row.clicked() {
                                chosen = Some(index);
                            }
                            if index == self.at {
                                row.scroll_to_me(None);
                            }
                        }
                    },
                );
            });
        if modal.should_close() {
            self.open = false;
            return None;
        }
        let offer = found.into_iter().nth(chosen?)?;
        if offer.blocked.is_some() {
            return None;
        }
        self.open = false;
        Some(offer.command)
    }
}

/// The offers whose text, sentence or place contains every word, those whose text begins with the words first.
fn found(offers: Vec<Offer>, words: &str) -> Vec<Offer> {
    let wanted: Vec<String> = words.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let mut hits: Vec<(u8, Offer)> = offers
        .into_iter()
        .filter_map(|offer| {
            let about = offer.command.about();
            let text = about.text.to_lowercase();
            let all = format!("{text} {} {}", about.tooltip, offer.command.place()).to_lowercase();
            let first = wanted.first().map_or("", String::as_str);
            wanted.iter().all(|word| all.contains(word.as_str())).then(|| {
                let rank = if text.starts_with(first) {
                    0
                } else if wanted.iter().all(|word| text.contains(word.as_str())) {
                    1
                } else {
                    2
                };
                // Who writes out what it is called wants it, or wants to know why not.
                let named = wanted.len() > 1 && text.starts_with(&wanted.join(" "));
                (rank + 3 * u8::from(offer.blocked.is_some() && !named), offer)
            })
        })
        .collect();
    hits.sort_by_key(|(rank, _)| *rank);
    hits.into_iter().take(MOST).map(|(_, offer)| offer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::app::{AppCommand, EvaluateCommand, EvaluateTab, Screen, TrainCommand};

    #[test]
    fn words_find_actions_and_those_that_cannot_be_taken_come_last() {
        let offers = || {
            vec![
                Offer::unless(TrainCommand::Start, Some("no model")),
                Offer::now(AppCommand::Show(Screen::Train)),
                Offer::now(AppCommand::Quit),
            ]
        };
        let texts = |words| found(offers(), words).iter().map(|o| o.command.text()).collect::<Vec<_>>();
        assert_eq!(texts("train"), ["Train", "Start training"]);
        assert_eq!(texts("start tr"), ["Start training"]);
        let tab = EvaluateCommand::Tab(EvaluateTab::Setup);
        let evaluate = |words| {
            let offers =
                vec![Offer::unless(EvaluateCommand::Start, Some("no model")), Offer::now(tab.clone())];
            found(offers, words)[0].command.text().into_owned()
        };
        assert_eq!(evaluate("start"), "Evaluate: What to run");
        assert_eq!(evaluate("start evaluation"), "Start evaluation");
        assert_eq!(texts("").len(), 3);
        assert!(texts("zzz").is_empty());
    }
}
