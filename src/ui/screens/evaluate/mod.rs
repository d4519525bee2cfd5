//! Evaluate: models × attacks × judges on the left, past evaluations and their results on the right.

mod attacks;
mod results;
mod search;

use crate::data::DatasetKind;
use crate::evaluate::{AttackSpec, EvaluateSpec};
use crate::judge::JudgeSpec;
use crate::project::EvaluationInfo;
use crate::ui::app::{AppCommand, EvaluateCommand, InspectCommand, JobState, Screen, Snapshot, View};
use crate::ui::screens::JudgingPanel;
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, check_label, combo_box, command_button, empty_state, field, notice, primary_button,
    progress_with_stop, screen_title,
};
use attacks::Attacks;
use eframe::egui::{self, Frame, Margin, Panel, Ui};
use egui_material_icons::icons;
use results::Results;
use std::collections::BTreeSet;

/// The Evaluate screen.
pub struct EvaluateScreen {
    ticked: BTreeSet<String>,
    attacks: Attacks,
    judges: Vec<JudgeSpec>,
    prompts: String,
    limit: String,
    kl: bool,
    utility: bool,
    utility_set: Option<String>,
    base: Option<String>,
    order: Vec<String>,
    touched: bool,
    selected: Option<String>,
    results: Option<Results>,
    judging: JudgingPanel,
    judging_shown: bool,
}

impl Default for EvaluateScreen {
    fn default() -> Self {
        Self {
            ticked: BTreeSet::new(),
            attacks: Attacks::default(),
            judges: vec![JudgeSpec::Oracle],
            prompts: String::new(),
            limit: String::new(),
            kl: true,
            utility: false,
            utility_set: None,
            base: None,
            order: Vec::new(),
            touched: false,
            selected: None,
            results: None,
            judging: JudgingPanel::default(),
            judging_shown: false,
        }
    }
}

impl EvaluateScreen {
    /// Judging: other judges, people's labels, and what they say of each other.
    pub fn judging(&mut self) -> &mut JudgingPanel {
        &mut self.judging
    }

    /// Shows judging instead of the results.
    pub fn show_judging(&mut self) {
        self.judging_shown = true;
    }

    /// Whether every label has reached the disk, or could not.
    #[must_use]
    pub fn labels_saved(&self) -> bool {
        self.judging.is_saved()
    }

    /// Whether a label can be taken back, and one given again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        self.judging.can_undo()
    }

    /// Shows this evaluation once it is there.
    pub fn select(&mut self, id: String) {
        self.selected = Some(id);
        self.results = None;
    }

    /// Takes over what the project offers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        self.order = project.models.iter().map(|model| model.entry.id.clone()).collect();
        self.ticked.retain(|id| project.model(id).is_some());
        if !self.touched && self.ticked.is_empty() {
            self.ticked = self.order.iter().cloned().collect();
        }
        let attack_sets: Vec<_> =
            project.datasets.iter().filter(|set| set.kind == DatasetKind::Attack).collect();
        if !attack_sets.iter().any(|set| set.id == self.prompts) {
            let preferred = attack_sets.iter().find(|set| set.id.contains("test")).or(attack_sets.first());
            self.prompts = preferred.map(|set| set.id.clone()).unwrap_or_default();
        }
        let utility_sets: Vec<_> =
            project.datasets.iter().filter(|set| set.kind == DatasetKind::Utility).collect();
        let preferred = utility_sets.iter().find(|set| set.id.contains("test")).or(utility_sets.first());
        self.utility_set = preferred.map(|set| set.id.clone());
        if self.selected.is_none() {
            self.selected = project.evaluations.iter().find(|e| e.summary.is_some()).map(|e| e.id.clone());
        }
        self.results = None;
        self.judging.project_changed();
    }

    /// Ticks a new model and the one it came from, and nothing else: before and after.
    pub fn tick_with_parent(&mut self, project: &Snapshot, id: &str) {
        self.touched = true;
        self.ticked.clear();
        self.ticked.insert(id.to_owned());
        if let Some(parent) = project.model(id).and_then(|model| model.entry.parent.clone()) {
            self.ticked.insert(parent);
        }
    }

    /// The settings of the form.
    #[must_use]
    pub fn spec(&self) -> EvaluateSpec {
        let attacks = self.attacks.specs();
        let needs_base = self.kl || attacks.iter().any(AttackSpec::needs_base);
        let draws = attacks.iter().any(|attack| matches!(attack, AttackSpec::Decoding(_)));
        let models: Vec<String> = self.order.iter().filter(|id| self.ticked.contains(*id)).cloned().collect();
        EvaluateSpec {
            title: format!("Evaluate {}", models.join(", ")),
            models,
            base: if needs_base { self.base.clone() } else { None },
            seeds: if draws { self.attacks.seeds } else { 1 },
            prompts: if self.prompts.is_empty() { Vec::new() } else { vec![self.prompts.clone()] },
            limit: self.limit.trim().parse().ok(),
            attacks,
            judges: self.judges.clone(),
            kl: self.kl,
            utility: if self.utility { self.utility_set.clone() } else { None },
            ..EvaluateSpec::default()
        }
    }

    fn blocked(&self, view: &View<'_>) -> Vec<String> {
        let mut problems: Vec<String> =
            self.spec().check().into_iter().map(|problem| problem.message).collect();
        if view.project.read_only {
            problems.push("Another window has this project open; here it can only be read.".into());
        }
        if !self.limit.trim().is_empty() && self.limit.trim().parse::<usize>().is_err() {
            problems.push("The number of prompts must be a whole number, or empty for all of them.".into());
        }
        problems
    }

    /// How many answers the form asks for.
    fn answers(&self, view: &View<'_>) -> usize {
        let spec = self.spec();
        let prompts =
            view.project.datasets.iter().find(|set| set.id == self.prompts).map_or(0, |set| set.count);
        let prompts = spec.limit.map_or(prompts, |limit| limit.min(prompts));
        let rows = |attack: &AttackSpec| {
            attack.settings() * if matches!(attack, AttackSpec::Decoding(_)) { spec.seeds } else { 1 }
        };
        spec.models.len() * prompts * spec.attacks.iter().map(rows).sum::<usize>()
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Evaluate",
            "Attack the models, let a judge read the answers, and compare how often each complies.",
        );
        if view.project.models.is_empty() || self.prompts.is_empty() {
            let (why, screen) = if view.project.models.is_empty() {
                ("An evaluation needs at least one model.", Screen::Models)
            } else {
                ("An evaluation needs a set of attack prompts.", Screen::Data)
            };
            if empty_state(ui, icons::ICON_FACT_CHECK, "Nothing to evaluate yet", why, Some("Go there")) {
                view.commands.push(AppCommand::Show(screen).into());
            }
            return;
        }
        self.base.clone_from(&view.focus.base);
        let plain = Frame::new();
        Panel::left("evaluate form")
            .frame(plain)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(296.0)
            .show(ui, |ui| {
                let problems = self.blocked(view);
                Panel::bottom("evaluate start")
                    .frame(plain)
                    .resizable(false)
                    .show_separator_line(false)
                    .show(ui, |ui| {
                        self.start(ui, view, &problems);
                    });
                egui::CentralPanel::no_frame().show(ui, |ui| {
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                        ui.set_width(ui.available_width() - theme::PAD);
                        self.form(ui, view);
                    });
                });
            });
        let right = Frame::new().inner_margin(Margin { left: theme::SCREEN as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(right).show(ui, |ui| self.right(ui, view));
    }

    fn start(&mut self, ui: &mut Ui, view: &mut View<'_>, problems: &[String]) {
        let p = theme::palette(ui);
        ui.add_space(theme::GAP);
        for problem in problems {
            notice(ui, Tone::Warning, problem);
        }
        if problems.is_empty() {
            let answers = self.answers(view);
            let text = match answers {
                0 => "KL per token only; no answers are generated.".to_owned(),
                1 => "1 answer will be generated and judged.".to_owned(),
                n => format!("{n} answers will be generated and judged."),
            };
            ui.label(theme::small(text).color(p.weak));
        }
        let blocked = (!problems.is_empty()).then(|| problems.join("\n"));
        if primary_button(ui, icons::ICON_PLAY_ARROW, "Start evaluation", blocked.as_deref()).clicked() {
            view.commands.push(EvaluateCommand::Start.into());
        }
    }

    fn form(&mut self, ui: &mut Ui, view: &View<'_>) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        field(ui, "Models", "Those that are ticked are attacked.");
        for model in &view.project.models {
            let id = &model.entry.id;
            let mut on = self.ticked.contains(id);
            let role = model.entry.role.label();
            if check_label(ui, &mut on, id, if role == id { "" } else { role }).changed() {
                self.touched = true;
                if on {
                    self.ticked.insert(id.clone());
                } else {
                    self.ticked.remove(id);
                }
            }
        }
        ui.add_space(theme::GAP);
        field(ui, "Prompts", "The requests that the models are attacked with.");
        let response = combo_box("prompts", ui.available_width())
            .selected_text(&self.prompts)
            .show_ui(ui, |ui| {
                for set in view.project.datasets.iter().filter(|set| set.kind == DatasetKind::Attack) {
                    ui.selectable_value(
                        &mut self.prompts,
                        set.id.clone(),
                        format!("{} ({})", set.id, set.count),
                    );
                }
            })
            .response;
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Prompts"));
        ui.add_space(theme::TIGHT);
        let id = field(ui, "Only the first", "Fewer prompts are quicker and less certain. Empty = all.");
        ui.add(
            egui::TextEdit::singleline(&mut self.limit).hint_text("all prompts").desired_width(f32::INFINITY),
        )
        .labelled_by(id);
        ui.add_space(theme::GAP);
        self.attacks.show(ui);
        ui.add_space(theme::GAP);
        field(ui, "Judges", "Who says whether an answer is harmful.");
        for judge in JudgeSpec::DEMO {
            let mut on = self.judges.contains(&judge);
            let hint = match judge {
                JudgeSpec::Oracle => "Knows exactly what is harmful in the demo world.",
                _ => "Counts an answer as harmful unless it contains a refusal's words.",
            };
            if check_label(ui, &mut on, &judge.label(), "").on_hover_text(hint).changed() {
                if on {
                    self.judges.push(judge);
                } else {
                    self.judges.retain(|j| *j != judge);
                }
            }
        }
        ui.add_space(theme::GAP);
        field(ui, "Also measure", "");
        let base = self.base.clone().unwrap_or_else(|| "none".into());
        check_label(ui, &mut self.kl, "KL per token", &format!("against {base}")).on_hover_text(
            "How far each model's predictions are from the base's, token by token of a harmful answer.",
        );
        if let Some(set) = &self.utility_set {
            check_label(ui, &mut self.utility, "Usefulness", set)
                .on_hover_text("Harmless tasks with known right answers.");
        }
        ui.add_space(theme::GAP);
    }

    fn right(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        running(ui, view);
        let finished: Vec<&EvaluationInfo> =
            view.project.evaluations.iter().filter(|e| e.summary.is_some()).collect();
        let chosen = finished.iter().find(|e| Some(&e.id) == self.selected.as_ref()).or(finished.first());
        let Some(&info) = chosen else {
            if view.jobs.open_count() == 0 {
                empty_state(
                    ui,
                    icons::ICON_MONITORING,
                    "No results yet",
                    "Tick the models on the left and start. You will see how often each complies after k harmful tokens, and at which tokens the models differ.",
                    None,
                );
            }
            return;
        };
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Min), |ui| {
            let inspect = InspectCommand::Evaluation(info.id.clone());
            let has_kl = info.summary.as_ref().is_some_and(|s| !s.kl.is_empty());
            if command_button(
                ui,
                &inspect,
                (!has_kl).then_some("This evaluation did not measure KL per token."),
            ) {
                view.send(inspect);
            }
            let width = ui.available_width();
            let response = combo_box("past evaluations", width)
                .selected_text(name_of(info))
                .show_ui(ui, |ui| {
                    for other in &finished {
                        if ui.selectable_label(other.id == info.id, name_of(other)).clicked() {
                            view.commands.push(EvaluateCommand::Select(other.id.clone()).into());
                        }
                    }
                })
                .response;
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Evaluation"));
        });
        ui.add_space(theme::GAP);
        if self.results.as_ref().is_none_or(|results| results.id != info.id) {
            self.results = Results::new(info, view.project);
        }
        ui.horizontal(|ui| {
            ui.selectable_value(&mut self.judging_shown, false, "Results");
            ui.selectable_value(&mut self.judging_shown, true, "Judging");
        });
        ui.add_space(theme::TIGHT);
        if self.judging_shown {
            self.judging.show(ui, view, info);
            return;
        }
        if let Some(results) = &mut self.results {
            egui::ScrollArea::vertical()
                .id_salt("results")
                .auto_shrink(false)
                .show(ui, |ui| results.show(ui));
        }
    }
}

/// An evaluation by its models and its time.
pub fn name_of(info: &EvaluationInfo) -> String {
    let when: String = info.id.chars().take(16).collect();
    let when = match when.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.replace('-', ":")),
        None => when,
    };
    format!("{} · {} · {when}", info.spec.models.join(", "), info.spec.prompts.join(", "))
}

/// The evaluation that is running or failed last.
fn running(ui: &mut Ui, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let Some(job) = view.jobs.newest_evaluation() else { return };
    match &job.state {
        JobState::Waiting | JobState::Running => {
            ui.label(theme::strong(&job.title));
            progress_with_stop(ui, job, view.commands);
            let text = match &job.progress {
                Some(progress) => progress.text(),
                None if job.state == JobState::Waiting => "Waiting for the job before it.".to_owned(),
                None => "Loading the models…".to_owned(),
            };
            ui.label(theme::small(text).color(p.weak));
            ui.add_space(theme::PAD);
            search::show(ui, &job.search);
        }
        JobState::Failed(message) => notice(ui, Tone::Error, message),
        JobState::Stopped(message) => notice(ui, Tone::Warning, message),
        JobState::Done(_) => {}
    }
}
