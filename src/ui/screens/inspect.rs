//! Inspect: at which answer tokens two models differ, on average and along one answer.

use super::evaluate::name_of;
use crate::data::{DatasetKind, Examples};
use crate::project::EvaluationInfo;
use crate::report::{Chart, kl_chart};
use crate::ui::app::{
    AnswerRequest, AppCommand, Focus, InspectCommand, InspectedAnswer, Library, Loader, Screen, Snapshot,
    View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, card, combo_box, empty_state, field, kl_strip, notice, primary_button, screen_title, section,
    show_chart, text_button,
};
use eframe::egui::{self, Ui};
use egui_material_icons::icons;

/// What the chosen evaluation's chart is made of.
struct Curves {
    id: String,
    chart: Chart<'static>,
}

/// What was asked for.
#[derive(Clone, Debug)]
struct Asked {
    model: String,
    base: String,
    goal: String,
}

/// The Inspect screen.
#[derive(Default)]
pub struct InspectScreen {
    selected: Option<String>,
    curves: Option<Curves>,
    set: Option<String>,
    prompt: usize,
    serial: u64,
    asked: Option<Asked>,
    /// Whether the answer's words are uncovered.
    open: bool,
    busy: bool,
    answer: Option<Result<InspectedAnswer, String>>,
}

impl InspectScreen {
    /// Shows this evaluation.
    pub fn select(&mut self, id: String) {
        self.selected = Some(id);
        self.curves = None;
    }

    /// Takes over what the project offers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        self.curves = None;
        let known = self.set.as_ref().is_some_and(|id| project.datasets.iter().any(|set| &set.id == id));
        if !known {
            self.set =
                project.datasets.iter().find(|set| set.kind == DatasetKind::Attack).map(|set| set.id.clone());
        }
    }

    /// Takes an answer in.
    pub fn answered(&mut self, serial: u64, result: Result<InspectedAnswer, String>) {
        if serial == self.serial {
            self.busy = false;
            self.answer = Some(result);
        }
    }

    /// Asks for the chosen answer under the models in focus.
    pub fn ask(&mut self, project: &Snapshot, focus: &Focus, library: &mut Library, loader: &Loader) {
        let (Some(model), Some(base)) = (&focus.model, &focus.base) else { return };
        let (Some(model), Some(base)) = (project.model(model), project.model(base)) else { return };
        let Some(set) = &self.set else { return };
        let Some(Ok(examples)) = library.get(set) else { return };
        let Examples::Attack(prompts) = examples.as_ref() else { return };
        let Some(prompt) = prompts.get(self.prompt) else { return };
        let Some(answer) = prompt.target.clone() else { return };
        self.serial += 1;
        let request = AnswerRequest {
            serial: self.serial,
            model: model.folder.clone(),
            base: base.folder.clone(),
            system_prompt: String::new(),
            prompt: prompt.goal.clone(),
            answer,
        };
        if loader.inspect(request) {
            self.busy = true;
            self.open = false;
            self.answer = None;
            self.asked = Some(Asked {
                model: model.entry.id.clone(),
                base: base.entry.id.clone(),
                goal: prompt.goal.clone(),
            });
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Inspect",
            "See at which answer tokens two models differ: on average, and along one answer.",
        );
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            self.average(ui, view);
            ui.add_space(theme::SCREEN);
            self.one_answer(ui, view);
        });
    }

    fn average(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let with_kl: Vec<&EvaluationInfo> = view
            .project
            .evaluations
            .iter()
            .filter(|e| e.summary.as_ref().is_some_and(|summary| !summary.kl.is_empty()))
            .collect();
        let chosen = with_kl.iter().find(|e| Some(&e.id) == self.selected.as_ref()).or(with_kl.first());
        let Some(&info) = chosen else {
            card(ui, |ui| {
                if empty_state(
                    ui,
                    icons::ICON_QUERY_STATS,
                    "No KL curve yet",
                    "An evaluation with KL per token ticked measures, at every token of harmful answers, how far a model is from the base.",
                    Some("Go to evaluation"),
                ) {
                    view.commands.push(AppCommand::Show(Screen::Evaluate).into());
                }
            });
            return;
        };
        let response = combo_box("inspected evaluation", ui.available_width().min(560.0))
            .selected_text(name_of(info))
            .show_ui(ui, |ui| {
                for other in &with_kl {
                    if ui.selectable_label(other.id == info.id, name_of(other)).clicked() {
                        view.commands.push(InspectCommand::Evaluation(other.id.clone()).into());
                    }
                }
            })
            .response;
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Evaluation to inspect"));
        ui.add_space(theme::GAP);
        if self.curves.as_ref().is_none_or(|curves| curves.id != info.id)
            && let Some(summary) = &info.summary
            && let Some(chart) = kl_chart(summary, &|id| view.project.role(id))
        {
            self.curves = Some(Curves { id: info.id.clone(), chart });
        }
        if let Some(curves) = &self.curves {
            show_chart(ui, &curves.chart, 240.0);
        }
    }

    fn one_answer(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        section(ui, "Where along one answer do they differ?");
        let none = || "none".to_owned();
        let (model, base) =
            (view.focus.model.clone().unwrap_or_else(none), view.focus.base.clone().unwrap_or_else(none));
        let Some(set) = self.set.clone() else {
            notice(ui, Tone::Plain, "This needs a set of attack prompts with reference answers.");
            return;
        };
        let examples = match view.library.get(&set) {
            None => {
                ui.weak("Reading the prompts…");
                return;
            }
            Some(Err(error)) => {
                notice(ui, Tone::Error, error);
                return;
            }
            Some(Ok(examples)) => examples.clone(),
        };
        let Examples::Attack(prompts) = examples.as_ref() else { return };
        let current = prompts.get(self.prompt);
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width((ui.available_width() - 264.0).clamp(240.0, 560.0));
                field(ui, "Request", "The reference harmful answer to it is read by both models.");
                let response = combo_box("inspected prompt", ui.available_width())
                    .selected_text(current.map_or("none", |prompt| prompt.goal.as_str()))
                    .show_ui(ui, |ui| {
                        // Long sets are cut here: the point is one example, not all of them.
                        for (index, prompt) in prompts.iter().enumerate().take(200) {
                            ui.selectable_value(&mut self.prompt, index, &prompt.goal);
                        }
                    })
                    .response;
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Request to inspect")
                });
            });
            ui.vertical(|ui| {
                ui.add_space(16.0 + theme::TIGHT);
                let blocked = if self.busy {
                    Some("The models are at work on an answer.")
                } else if model == base {
                    Some("Both models in focus are the same. Choose another pair at the top of the window.")
                } else if current.is_none_or(|prompt| prompt.target.is_none()) {
                    Some("This request has no reference answer.")
                } else {
                    None
                };
                let command = InspectCommand::Answer;
                if primary_button(ui, icons::ICON_QUERY_STATS, "Compare the models on it", blocked).clicked()
                {
                    view.send(command);
                }
            });
        });
        ui.label(theme::small(format!("Compares {model} with {base}, the models in focus.")).color(p.weak));
        ui.add_space(theme::GAP);
        if self.busy {
            ui.weak("Both models read the answer…");
        }
        match (&self.answer, &self.asked) {
            (Some(Err(error)), _) => notice(ui, Tone::Error, error),
            (Some(Ok(answer)), Some(asked)) => {
                let asked = asked.clone();
                card(ui, |ui| strip(ui, answer, &asked, &mut self.open, view.project));
            }
            _ => {}
        }
    }
}

fn strip(ui: &mut Ui, answer: &InspectedAnswer, asked: &Asked, open: &mut bool, project: &Snapshot) {
    let p = theme::palette(ui);
    ui.horizontal(|ui| {
        ui.label(theme::strong(&asked.goal));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (word, name) = if *open { ("Hide", "Hide answer") } else { ("Show", "Show answer") };
            if text_button(ui, word, name).clicked() {
                *open = !*open;
            }
        });
    });
    let total: f32 = answer.tokens.iter().map(|token| token.kl).sum();
    let first: f32 = answer.tokens.iter().take(5).map(|token| token.kl).sum();
    let share = if total > 0.0 { first / total * 100.0 } else { 0.0 };
    ui.label(
        theme::small(format!(
            "{} tokens · {share:.0} % of the KL between {} and {} lies in the first 5 · stronger colour = larger KL · point at a token for both models' best guesses",
            answer.tokens.len(),
            asked.model,
            asked.base,
        ))
        .color(p.weak),
    );
    ui.add_space(theme::TIGHT);
    let colour = theme::role_colour(project.role(&asked.model));
    kl_strip(ui, &answer.tokens, (&asked.model, &asked.base), colour, *open);
}
