//! What to run: models × attacks as a grid, and what goes with them.

mod advanced;
mod attacks;
mod grid;
mod tasks;

pub use grid::Plan;
pub use tasks::Tasks;

use crate::data::DatasetKind;
use crate::evaluate::{AttackSpec, EvaluateSpec};
use crate::judge::JudgeSpec;
use crate::model::Sampler;
use crate::project::DatasetEntry;
use crate::ui::app::{AppCommand, EvaluateCommand, Focus, READ_ONLY, Snapshot, View, duration};
use crate::ui::screens::judges::{JudgeChoice, LOOKING, Plan as JudgesPlan};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, check_label, combo_box, command_button, field, form_above, icon_button, notice, primary_button,
};
use attacks::{Attacks, Kind};
use eframe::egui::{self, Align, Layout, Ui};
use egui_material_icons::icons;
use std::collections::BTreeSet;

/// The settings, as somebody writes them. Equal forms ask for equal evaluations.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    models: BTreeSet<String>,
    attacks: Attacks,
    judges: JudgeChoice,
    sets: Vec<String>,
    limit: String,
    kl: bool,
    utility: bool,
    utility_set: Option<String>,
    temperature: f64,
    /// 1 = off.
    top_p: f64,
    seed: u64,
    seeds: usize,
    longest: usize,
    batch: usize,
    system_prompt: String,
    /// Whether somebody has chosen models: until then all are ticked.
    touched: bool,
}

impl Default for Form {
    fn default() -> Self {
        let spec = EvaluateSpec::default();
        Self {
            models: BTreeSet::new(),
            attacks: Attacks::default(),
            judges: JudgeChoice::oracle(),
            sets: Vec::new(),
            limit: String::new(),
            kl: spec.kl,
            utility: false,
            utility_set: None,
            temperature: spec.sampler.temperature,
            top_p: 1.0,
            seed: spec.seed,
            seeds: spec.seeds,
            longest: spec.max_new_tokens,
            batch: spec.batch,
            system_prompt: String::new(),
            touched: false,
        }
    }
}

impl Form {
    /// Whether there is a set of prompts to ask.
    pub fn has_prompts(&self) -> bool {
        !self.sets.is_empty()
    }

    /// Keeps what the project still has, and fills what has not been chosen.
    pub fn fill(&mut self, project: &Snapshot) {
        self.models.retain(|id| project.model(id).is_some());
        if !self.touched && self.models.is_empty() {
            self.models = project.models.iter().map(|model| model.entry.id.clone()).collect();
        }
        let attack_sets: Vec<&DatasetEntry> = of_kind(project, DatasetKind::Attack).collect();
        self.sets.retain(|id| attack_sets.iter().any(|set| set.id == *id));
        if self.sets.is_empty() {
            self.sets.extend(test_set(&attack_sets));
        }
        let utility_sets: Vec<&DatasetEntry> = of_kind(project, DatasetKind::Utility).collect();
        if !utility_sets.iter().any(|set| Some(&set.id) == self.utility_set.as_ref()) {
            self.utility_set = test_set(&utility_sets);
        }
    }

    /// Ticks a new model and the one it came from, and nothing else: before and after.
    pub fn tick_with_parent(&mut self, project: &Snapshot, id: &str) {
        self.touched = true;
        self.models = BTreeSet::from([id.to_owned()]);
        self.models.extend(project.model(id).and_then(|model| model.entry.parent.clone()));
    }

    /// Ticks what the paper measures.
    pub fn tick_the_paper(&mut self) {
        let paper = EvaluateSpec::default().as_in_the_paper();
        self.attacks.tick(&paper.attacks);
        self.kl = paper.kl;
        self.utility = self.utility_set.is_some();
        self.temperature = paper.sampler.temperature;
        self.top_p = paper.sampler.top_p.unwrap_or(1.0);
        self.seeds = paper.seeds;
    }

    /// What the form asks for, of models in the project's order.
    pub fn spec(&self, project: &Snapshot, focus: &Focus) -> EvaluateSpec {
        let attacks = self.attacks.specs();
        let needs_base = self.kl || attacks.iter().any(AttackSpec::needs_base);
        let order = project.models.iter().map(|model| &model.entry.id);
        let models: Vec<String> = order.filter(|id| self.models.contains(*id)).cloned().collect();
        EvaluateSpec {
            title: format!("Evaluate {}", models.join(", ")),
            models,
            base: focus.base.clone().filter(|_| needs_base),
            prompts: self.sets.clone(),
            limit: self.limit.trim().parse().ok(),
            attacks,
            judges: self.judges.specs(),
            kl: self.kl,
            utility: self.utility_set.clone().filter(|_| self.utility),
            system_prompt: self.system_prompt.clone(),
            sampler: Sampler {
                temperature: self.temperature,
                top_p: (self.top_p < 1.0).then_some(self.top_p),
                ..Sampler::default()
            },
            max_new_tokens: self.longest,
            batch: self.batch,
            seed: self.seed,
            seeds: if self.draws() { self.seeds } else { 1 },
            ..EvaluateSpec::default()
        }
    }

    /// Whether anything of it draws.
    fn draws(&self) -> bool {
        let on = &self.attacks.on;
        self.temperature > 0.0 || on.contains(&Kind::Decoding) || on.contains(&Kind::Gcg)
    }

    /// What of the form cannot be as it is, in words.
    pub fn problems(&self, project: &Snapshot, focus: &Focus) -> Vec<String> {
        let mut problems = self.attacks.problems();
        problems.extend(self.spec(project, focus).check().into_iter().map(|problem| problem.message));
        problems.extend(project.read_only.then(|| READ_ONLY.to_owned()));
        if !self.limit.trim().is_empty() && self.limit.trim().parse::<usize>().is_err() {
            problems.push("The number of prompts must be a whole number, or empty for all of them.".into());
        }
        problems
    }

    /// The ticked judges that need a model or an endpoint.
    pub fn judges_with_needs(&self) -> Vec<JudgeSpec> {
        self.judges.specs().into_iter().filter(|judge| !judge.is_immediate()).collect()
    }

    /// Draws the form with the button that starts.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        plan: &Plan,
        problems: &[String],
        undo: (bool, bool),
        judges: &JudgesPlan,
    ) {
        let mut state = (self, view);
        form_above(
            ui,
            "evaluate",
            &mut state,
            |ui, (_, view)| start(ui, view, problems, plan, undo),
            |ui, (form, view)| {
                ui.scope(|ui| grid::show(ui, form, view.project, plan));
                ui.add_space(theme::PAD);
                form.beside(ui, view);
                ui.scope(|ui| {
                    form.judges.settings(ui, &view.project.models);
                    ui.add_space(theme::GAP);
                    judges.lines(ui);
                });
                ui.add_space(theme::GAP);
                advanced::show(ui, form);
                ui.add_space(theme::GAP);
            },
        );
    }

    /// Prompts, judges and measures, beside each other.
    fn beside(&mut self, ui: &mut Ui, view: &View<'_>) {
        ui.columns(3, |columns| {
            if let [prompts, judges, measures] = columns {
                self.prompts_column(prompts, view.project);
                self.judges.ticks(judges);
                self.measures_column(measures, view);
            }
        });
    }

    fn prompts_column(&mut self, ui: &mut Ui, project: &Snapshot) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        field(ui, "Prompts", "The requests that the models are attacked with.");
        for set in of_kind(project, DatasetKind::Attack) {
            let mut on = self.sets.contains(&set.id);
            if check_label(ui, &mut on, &set.id, &format!("{} prompts", set.count)).changed() {
                toggle(&mut self.sets, &set.id, on);
            }
        }
        ui.add_space(theme::TIGHT);
        let id = field(ui, "Only the first", "Fewer prompts are quicker and less certain. Empty = all.");
        ui.add(
            egui::TextEdit::singleline(&mut self.limit).hint_text("all prompts").desired_width(f32::INFINITY),
        )
        .labelled_by(id);
    }

    fn measures_column(&mut self, ui: &mut Ui, view: &View<'_>) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        field(ui, "Also measure", "");
        let base = view.focus.base.clone().unwrap_or_else(|| "none".into());
        check_label(ui, &mut self.kl, "KL per token", &format!("against {base}")).on_hover_text(
            "How far each model's predictions are from the base's, token by token of a harmful answer. The base is chosen at the top of the window.",
        );
        self.utility_tasks(ui, view);
        ui.add_space(theme::TIGHT);
        ui.horizontal(|ui| {
            let hint = "How often each attack that draws is made, each time drawn anew. The paper has 3.";
            let label = field(ui, "Seeds", hint);
            ui.add(egui::DragValue::new(&mut self.seeds).range(1..=20))
                .on_hover_text(hint)
                .labelled_by(label);
            let p = theme::palette(ui);
            let (remark, why) = if self.draws() {
                ("drawn anew each time", hint)
            } else {
                ("one is enough", "No ticked attack draws: another seed would give the same answers.")
            };
            ui.add(egui::Label::new(theme::small(remark).color(p.weak)).truncate()).on_hover_text(why);
        });
    }

    fn utility_tasks(&mut self, ui: &mut Ui, view: &View<'_>) {
        let sets: Vec<&DatasetEntry> = of_kind(view.project, DatasetKind::Utility).collect();
        let Some(chosen) = &mut self.utility_set else { return };
        check_label(ui, &mut self.utility, "Utility", if sets.len() > 1 { "" } else { chosen.as_str() })
            .on_hover_text("How useful the model still is: harmless tasks with known right answers.");
        if sets.len() > 1 {
            let response = combo_box("harmless tasks", ui.available_width())
                .selected_text(chosen.as_str())
                .show_ui(ui, |ui| {
                    for set in sets {
                        ui.selectable_value(chosen, set.id.clone(), format!("{} ({})", set.id, set.count));
                    }
                })
                .response;
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Harmless tasks"));
        }
    }
}

fn start(ui: &mut Ui, view: &mut View<'_>, problems: &[String], plan: &Plan, undo: (bool, bool)) {
    let p = theme::palette(ui);
    let looking = problems.iter().any(|problem| problem == LOOKING);
    let said: Vec<&str> = problems.iter().map(String::as_str).filter(|problem| *problem != LOOKING).collect();
    if !said.is_empty() {
        // One box for all of them: the form above needs the room.
        notice(ui, Tone::Warning, &said.join("\n"));
    }
    ui.horizontal(|ui| {
        let blocked = (!problems.is_empty()).then(|| problems.join("\n"));
        if primary_button(ui, icons::ICON_PLAY_ARROW, "Start evaluation", blocked.as_deref()).clicked() {
            view.commands.push(EvaluateCommand::Start.into());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            for (command, can, why) in [
                (AppCommand::Redo, undo.1, "Nothing was taken back."),
                (AppCommand::Undo, undo.0, "Nothing has been changed yet."),
            ] {
                if icon_button(ui, &command, (!can).then_some(why)) {
                    view.send(command);
                }
            }
            if command_button(ui, &EvaluateCommand::Paper, None) {
                view.send(EvaluateCommand::Paper);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                if looking {
                    ui.label(theme::small(LOOKING).color(p.weak));
                } else if problems.is_empty() {
                    let text = egui::Label::new(theme::small(plan.text()).color(p.weak)).wrap();
                    ui.add(text).on_hover_text(plan.basis());
                }
            });
        });
    });
}

/// The sets of a kind.
fn of_kind(project: &Snapshot, kind: DatasetKind) -> impl Iterator<Item = &DatasetEntry> {
    project.datasets.iter().filter(move |set| set.kind == kind)
}

/// The set that is meant for testing, or else the first.
fn test_set(sets: &[&DatasetEntry]) -> Option<String> {
    sets.iter().find(|set| set.id.contains("test")).or(sets.first()).map(|set| set.id.clone())
}

fn toggle(list: &mut Vec<String>, id: &str, on: bool) {
    if on {
        list.push(id.to_owned());
    } else {
        list.retain(|other| other != id);
    }
}

/// A duration as an estimate.
fn about(seconds: f64) -> String {
    format!("about {}", duration(seconds.max(1.0)))
}
