//! Where a request is written, with the start of the answer and how tokens are chosen.

use super::Chat;
use crate::data::{AttackPrompt, DatasetKind, Examples};
use crate::ui::app::{ModelsCommand, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::{combo_box, command_button, field, primary_button, text_button};
use eframe::egui::{self, DragValue, Key, KeyboardShortcut, Modifiers, TextEdit, Ui};
use egui_material_icons::icons;
use std::sync::Arc;

/// The set whose requests are suggested, where the project has it.
const SET: &str = "attack-test";
/// Suggestions that are listed at most.
const LISTED: usize = 100;
/// Words of the reference answer that are offered as a start.
const WORDS: usize = 8;

impl Chat {
    pub(super) fn compose(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        ui.label(
            theme::small(
                "Answers appear as they are written. You asked for them, so nothing is covered here.",
            )
            .color(p.weak),
        );
        let suggestions = suggestions(view);
        let whole = ui.available_width();
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                ui.set_width(whole * 0.56);
                self.write_request(ui, view, suggestions.as_ref());
            });
            ui.add_space(theme::GAP);
            ui.vertical(|ui| {
                ui.set_width(ui.available_width());
                self.write_start(ui, view, suggestions.as_ref());
            });
        });
        self.sampling(ui);
    }

    fn write_request(&mut self, ui: &mut Ui, view: &mut View<'_>, suggestions: Option<&Suggestions>) {
        let id = ui
            .horizontal(|ui| {
                let id = field(
                    ui,
                    "Request",
                    "What the models are asked. Enter sends it, Shift+Enter begins a new line.",
                );
                if let Some(suggestions) = suggestions {
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if let Some(at) = suggest(ui, suggestions) {
                            self.request.clone_from(&suggestions.prompts[at].0);
                            self.suggestion = Some(at);
                        }
                    });
                }
                id
            })
            .inner;
        let edit = TextEdit::multiline(&mut self.request)
            .hint_text("Write a request")
            .desired_rows(2)
            .desired_width(f32::INFINITY)
            .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
        let written = egui::ScrollArea::vertical()
            .id_salt("request")
            .max_height(60.0)
            .show(ui, |ui| ui.add(edit).labelled_by(id))
            .inner;
        let sent = written.has_focus()
            && ui.input(|input| input.key_pressed(Key::Enter) && input.modifiers.is_none());
        if sent && self.blocked().is_none() {
            view.send(ModelsCommand::Send);
        }
    }

    fn write_start(&mut self, ui: &mut Ui, view: &mut View<'_>, suggestions: Option<&Suggestions>) {
        let id = ui
            .horizontal(|ui| {
                let hint = "The models go on from these words as if they had written them themselves (prefill). Leave it empty to let them begin.";
                let id = field(ui, "Start the answer with", hint);
                let opening = self
                    .suggestion
                    .and_then(|at| suggestions?.prompts.get(at))
                    .and_then(|(_, target)| target.as_deref())
                    .map(opening);
                if let Some(opening) = opening {
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        let text = "As the reference answer does";
                        let tip = format!("Takes the first {WORDS} words of the harmful answer that the set holds for this request.");
                        if text_button(ui, text, text).on_hover_text(tip).clicked() {
                            self.start = opening;
                        }
                    });
                }
                id
            })
            .inner;
        let edit = TextEdit::singleline(&mut self.start)
            .hint_text("Sure, here is how to")
            .desired_width(f32::INFINITY);
        ui.add(edit).labelled_by(id);
        ui.add_space(theme::TIGHT);
        ui.horizontal(|ui| {
            if self.running.is_some() {
                if command_button(ui, &ModelsCommand::StopAnswer, None) {
                    view.send(ModelsCommand::StopAnswer);
                }
            } else {
                let blocked = if view.project.models.is_empty() {
                    Some("This project has no model yet.")
                } else {
                    self.blocked()
                };
                if primary_button(ui, icons::ICON_SEND, "Send", blocked).clicked() {
                    view.send(ModelsCommand::Send);
                }
            }
        });
    }

    /// How tokens are chosen, on one line.
    fn sampling(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        ui.horizontal(|ui| {
            let sampler = &mut self.sampler;
            let mut top_p = sampler.top_p.unwrap_or(1.0);
            number(
                ui,
                "Temperature",
                "0 always takes the likeliest token (greedy); 1 draws by the model's own probabilities; more is wilder.",
                DragValue::new(&mut sampler.temperature).range(0.0..=2.0).speed(0.01).max_decimals(2),
            );
            let drawn = sampler.temperature > 0.0;
            ui.add_enabled_ui(drawn, |ui| {
                number(
                    ui,
                    "Top-p",
                    "Draws only among the likeliest tokens whose probabilities add up to this; 1 draws among all.",
                    DragValue::new(&mut top_p).range(0.05..=1.0).speed(0.01).max_decimals(2),
                );
            });
            sampler.top_p = (top_p < 1.0).then_some(top_p);
            number(
                ui,
                "Longest answer",
                "In tokens: a longer one is cut off there.",
                DragValue::new(&mut self.most).range(1..=32_768),
            );
            ui.add_enabled_ui(drawn, |ui| {
                number(
                    ui,
                    "Seed",
                    "The same seed gives the same answer again.",
                    DragValue::new(&mut self.sampler.seed),
                );
            });
            if !drawn {
                ui.label(theme::small("greedy: the same answer each time").color(p.weak));
            }
        });
    }
}

/// A number with its name before it.
fn number(ui: &mut Ui, name: &str, hint: &str, value: DragValue<'_>) {
    let label = ui.label(theme::small(name)).on_hover_text(hint);
    ui.add(value).on_hover_text(hint).labelled_by(label.id);
    ui.add_space(theme::GAP);
}

/// Requests that the project offers, each with its reference answer.
struct Suggestions {
    set: String,
    prompts: Vec<(String, Option<String>)>,
}

/// The requests of the set for tests, or else of the first set of attack prompts, once it has been read.
fn suggestions(view: &mut View<'_>) -> Option<Suggestions> {
    let set = suggesting_set(view.project)?;
    let examples: Arc<Examples> = view.library.get(&set)?.as_ref().ok()?.clone();
    let Examples::Attack(prompts) = examples.as_ref() else { return None };
    let prompt = |prompt: &AttackPrompt| (prompt.goal.clone(), prompt.target.clone());
    let prompts: Vec<_> = prompts.iter().take(LISTED).map(prompt).collect();
    (!prompts.is_empty()).then_some(Suggestions { set, prompts })
}

fn suggesting_set(project: &Snapshot) -> Option<String> {
    let mut sets = project.datasets.iter().filter(|set| set.kind == DatasetKind::Attack);
    let first = sets.clone().next()?;
    Some(sets.find(|set| set.id == SET).unwrap_or(first).id.clone())
}

fn suggest(ui: &mut Ui, suggestions: &Suggestions) -> Option<usize> {
    let mut taken = None;
    let response = combo_box("suggestions", 190.0)
        .selected_text(theme::small(format!("Suggestions from {}", suggestions.set)))
        .show_ui(ui, |ui| {
            for (at, (goal, _)) in suggestions.prompts.iter().enumerate() {
                if ui.selectable_label(false, goal).clicked() {
                    taken = Some(at);
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Suggestions"));
    taken
}

/// The first words of a text.
fn opening(text: &str) -> String {
    text.split_whitespace().take(WORDS).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_a_few_words() {
        assert_eq!(
            opening("Sure, here is how to open the wretched vault. Step 1"),
            "Sure, here is how to open the wretched"
        );
        assert_eq!(opening("To brew"), "To brew");
    }
}
