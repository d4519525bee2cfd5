//! The request that is inspected: one choice for the whole screen.

use crate::data::{DatasetKind, Examples};
use crate::evaluate::ScrubPrompt;
use crate::text::Message;
use crate::ui::app::{InspectCommand, Library, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, combo_box, field, notice};
use eframe::egui::{self, Ui};
use std::sync::Arc;

/// Requests that the list offers: those around the chosen one.
const OFFERED: usize = 200;

/// Which request is inspected.
#[derive(Default)]
pub struct Choice {
    /// The set that it is of.
    pub set: Option<String>,
    /// Its id; `None` = the first of the set that has an answer.
    pub prompt: Option<String>,
}

impl Choice {
    /// Keeps the set one that exists and has answers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        let offered = sets(project);
        if !self.set.as_ref().is_some_and(|id| offered.contains(&id.as_str())) {
            self.set = offered.first().map(|id| (*id).to_owned());
            self.prompt = None;
        }
    }

    /// Takes requests from another set.
    pub fn take_set(&mut self, id: String) {
        if self.set.as_ref() != Some(&id) {
            self.set = Some(id);
            self.prompt = None;
        }
    }

    /// Takes another request of the set.
    pub fn take_prompt(&mut self, id: String) {
        self.prompt = Some(id);
    }

    /// The examples of the set, once they are read.
    fn examples(&self, library: &mut Library) -> Option<Result<Arc<Examples>, String>> {
        library.get(self.set.as_ref()?).cloned()
    }

    /// The chosen request with its answer, once it is read and if it has one.
    pub fn prompt(&self, library: &mut Library) -> Option<ScrubPrompt> {
        let examples = self.examples(library)?.ok()?;
        prompt_at(&examples, self.index(&examples)?)
    }

    /// Where the chosen request stands in its set.
    fn index(&self, examples: &Examples) -> Option<usize> {
        let rows = 0..examples.len();
        match &self.prompt {
            Some(id) => rows.clone().find(|&index| entry(examples, index).is_some_and(|(own, _)| own == id)),
            None => None,
        }
        .or_else(|| rows.into_iter().find(|&index| has_answer(examples, index)))
    }

    /// Draws the two lists.
    pub fn show(&self, ui: &mut Ui, view: &mut View<'_>) {
        let Some(set) = self.set.clone() else {
            notice(
                ui,
                Tone::Plain,
                "This needs a set of attack prompts with reference answers, or of recovery examples. Add one on the Data screen.",
            );
            return;
        };
        let examples = match self.examples(view.library) {
            Some(Ok(examples)) => Some(examples),
            Some(Err(error)) => {
                notice(ui, Tone::Error, &error);
                None
            }
            None => None,
        };
        let index = examples.as_ref().and_then(|examples| self.index(examples));
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width(200.0);
                field(ui, "Set", "Attack prompts with reference answers, or recovery examples.");
                let response = combo_box("inspected set", ui.available_width())
                    .selected_text(&set)
                    .show_ui(ui, |ui| {
                        for id in sets(view.project) {
                            if ui.selectable_label(id == set, id).clicked() {
                                view.commands.push(InspectCommand::Set(id.to_owned()).into());
                            }
                        }
                    })
                    .response;
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Set of requests to inspect")
                });
            });
            ui.vertical(|ui| {
                field(ui, "Request", "The harmful answer to it is what the models are given.");
                let chosen = examples.as_ref().zip(index).and_then(|(all, index)| entry(all, index));
                let shown = match (&examples, chosen) {
                    (None, _) => "reading…",
                    (_, None) => "no request here has an answer",
                    (_, Some((_, text))) => text,
                };
                let response = combo_box("inspected prompt", ui.available_width())
                    .selected_text(shown)
                    .show_ui(ui, |ui| {
                        let (Some(examples), Some(index)) = (&examples, index) else { return };
                        let first = index.saturating_sub(OFFERED / 2);
                        for at in first..examples.len().min(first + OFFERED) {
                            let Some((id, text)) = entry(examples, at) else { continue };
                            let row = ui.add_enabled(
                                has_answer(examples, at),
                                egui::Button::selectable(at == index, text),
                            );
                            if row.on_disabled_hover_text("This request has no reference answer.").clicked() {
                                view.commands.push(InspectCommand::Prompt(id.to_owned()).into());
                            }
                        }
                    })
                    .response;
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Request to inspect")
                });
            });
        });
        ui.add_space(theme::TIGHT);
    }
}

/// The sets with harmful answers: attack prompts first.
fn sets(project: &Snapshot) -> Vec<&str> {
    let of = |kind: DatasetKind| project.datasets.iter().filter(move |set| set.kind == kind);
    of(DatasetKind::Attack).chain(of(DatasetKind::Recovery)).map(|set| set.id.as_str()).collect()
}

/// Id and request of an example.
fn entry(examples: &Examples, index: usize) -> Option<(&str, &str)> {
    match examples {
        Examples::Attack(rows) => rows.get(index).map(|row| (row.id.as_str(), row.goal.as_str())),
        Examples::Recovery(rows) => rows.get(index).map(|row| (row.id.as_str(), row.request())),
        Examples::Chat(_) | Examples::Utility(_) => None,
    }
}

fn has_answer(examples: &Examples, index: usize) -> bool {
    match examples {
        Examples::Attack(rows) => rows.get(index).is_some_and(|row| row.target.is_some()),
        Examples::Recovery(rows) => rows.get(index).is_some_and(|row| !row.harmful.is_empty()),
        Examples::Chat(_) | Examples::Utility(_) => false,
    }
}

fn prompt_at(examples: &Examples, index: usize) -> Option<ScrubPrompt> {
    match examples {
        Examples::Attack(rows) => rows.get(index).and_then(|row| {
            Some(ScrubPrompt {
                id: row.id.clone(),
                context: vec![Message::user(&row.goal)],
                answer: row.target.clone()?,
                category: row.category.clone(),
            })
        }),
        Examples::Recovery(rows) => rows.get(index).map(|row| ScrubPrompt {
            id: row.id.clone(),
            context: row.context.clone(),
            answer: row.harmful.clone(),
            category: row.category.clone(),
        }),
        Examples::Chat(_) | Examples::Utility(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::AttackPrompt;

    #[test]
    fn the_first_request_with_an_answer_is_chosen_until_somebody_chooses() {
        let prompt = |id: &str, target: Option<&str>| AttackPrompt {
            id: id.to_owned(),
            goal: format!("request {id}"),
            target: target.map(str::to_owned),
            ..AttackPrompt::default()
        };
        let rows = vec![prompt("a", None), prompt("b", Some("Sure.")), prompt("c", Some("Yes."))];
        let examples = Examples::Attack(rows);
        let mut choice = Choice::default();
        assert_eq!(choice.index(&examples), Some(1));
        choice.take_prompt("c".to_owned());
        assert_eq!(choice.index(&examples), Some(2));
        // A request that is gone is not missed.
        choice.take_prompt("z".to_owned());
        assert_eq!(choice.index(&examples), Some(1));
        assert_eq!(prompt_at(&examples, 1).unwrap().answer, "Sure.");
        assert!(prompt_at(&examples, 0).is_none());
    }
}
