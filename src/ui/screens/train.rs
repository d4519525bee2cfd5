//! Train: a goal, a model, data, and the few settings that matter; then the loss as it falls.

mod advanced;
mod attack;

use crate::data::{DatasetKind, FineTuningAttack};
use crate::job::AsrPoint;
use crate::project::ModelRole;
use crate::report::{Chart, Scale, Series};
use crate::train::{Recipe, TrainSpec};
use crate::ui::app::{
    AppCommand, Command, EvaluateCommand, JobState, JobView, Product, Screen, TrainCommand, View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, card, empty_state, field, named_choice, notice, primary_button, progress_with_stop, screen_title,
    section, show_chart, show_loss,
};
use eframe::egui::util::undoer::Undoer;
use eframe::egui::{self, CornerRadius, Frame, Margin, Panel, Sense, Stroke, Ui};
use egui_material_icons::icons;

/// What a person wants to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Deepen,
    Protect,
    Tune,
    Break,
}

/// The goals, each with its name, what it does in one sentence, and the field's term.
const GOALS: [(Goal, &str, &str, &str); 4] = [
    (
        Goal::Deepen,
        "Make the safety deeper",
        "Teaches the model to refuse even after an answer has begun badly.",
        "recovery augmentation",
    ),
    (
        Goal::Protect,
        "Fine-tune on my data and keep it safe",
        "Learns your data while the first answer tokens stay as they were.",
        "constrained fine-tuning",
    ),
    (
        Goal::Tune,
        "Fine-tune plainly",
        "Learns your data with nothing held back; safety may be lost.",
        "supervised fine-tuning",
    ),
    (
        Goal::Break,
        "See how easily it breaks",
        "Trains a copy as an attacker would, and asks it meanwhile.",
        "fine-tuning attack",
    ),
];

impl Goal {
    fn of(spec: &TrainSpec) -> Self {
        match spec.recipe {
            _ if spec.attack.is_some() => Self::Break,
            Recipe::Recovery => Self::Deepen,
            Recipe::Constrained => Self::Protect,
            Recipe::Sft => Self::Tune,
        }
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::Deepen => Recipe::Recovery,
            Self::Protect => Recipe::Constrained,
            Self::Tune | Self::Break => Recipe::Sft,
        }
    }

    /// What it learns from.
    fn data_kind(self) -> DatasetKind {
        match self {
            Self::Deepen | Self::Break => DatasetKind::Recovery,
            Self::Protect | Self::Tune => DatasetKind::Chat,
        }
    }

    /// What its models are called unless somebody names them.
    fn stem(self) -> &'static str {
        match self {
            Self::Deepen => "deepened",
            Self::Protect => "constrained",
            Self::Tune => "tuned",
            Self::Break => "attacked",
        }
    }
}

/// The Train screen.
pub struct TrainScreen {
    spec: TrainSpec,
    /// Whether the model follows the one in focus.
    follow: bool,
    named: bool,
    steps: String,
    /// Whether the goal of an attack has just been chosen.
    fresh_attack: bool,
    /// The settings as they were, for undo.
    changes: Undoer<TrainSpec>,
}

impl Default for TrainScreen {
    fn default() -> Self {
        Self {
            spec: TrainSpec::preset(Recipe::Recovery),
            follow: true,
            named: false,
            steps: String::new(),
            fresh_attack: false,
            changes: Undoer::default(),
        }
    }
}

impl TrainScreen {
    /// The settings of the form.
    #[must_use]
    pub fn spec(&self) -> TrainSpec {
        let mut spec = self.spec.clone();
        if spec.title.is_empty() {
            spec.title = format!("Train {} from {}", spec.name, spec.model);
        }
        spec
    }

    /// Starts from this model.
    pub fn start_from(&mut self, model: String) {
        self.spec.model = model;
        self.follow = false;
    }

    /// Whether a change of the settings can be taken back, and whether one can be made again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        (self.changes.has_undo(&self.spec), self.changes.has_redo(&self.spec))
    }

    /// Takes the last change of the settings back.
    pub fn undo(&mut self) {
        let before = self.changes.undo(&self.spec).cloned();
        self.put_back(before);
    }

    /// Makes the change again that was taken back.
    pub fn redo(&mut self) {
        let after = self.changes.redo(&self.spec).cloned();
        self.put_back(after);
    }

    fn put_back(&mut self, spec: Option<TrainSpec>) {
        let Some(spec) = spec else { return };
        self.steps = spec.max_steps.map_or_else(String::new, |steps| steps.to_string());
        self.spec = spec;
    }

    /// A run with these settings has begun: the next needs another name.
    pub fn started(&mut self) {
        self.named = false;
    }

    fn choose(&mut self, goal: Goal) {
        let fresh = TrainSpec::preset(goal.recipe());
        self.fresh_attack = goal == Goal::Break;
        self.spec = TrainSpec {
            model: std::mem::take(&mut self.spec.model),
            name: std::mem::take(&mut self.spec.name),
            max_steps: self.spec.max_steps,
            seed: self.spec.seed,
            attack: (goal == Goal::Break).then_some(FineTuningAttack::HarmfulExamples),
            ..fresh
        };
    }

    /// Fills what has not been chosen from what the project offers.
    fn fill(&mut self, view: &View<'_>) {
        let known = view.project.model(&self.spec.model).is_some();
        if (self.follow || !known)
            && let Some(focus) = &view.focus.model
        {
            self.spec.model.clone_from(focus);
        }
        let goal = Goal::of(&self.spec);
        let kind = goal.data_kind();
        let sets = &view.project.datasets;
        if goal == Goal::Break && std::mem::take(&mut self.fresh_attack) {
            // Asked as often as the model is measured; without prompts there is nothing to see break.
            self.spec.asr_probe = sets.iter().find(|set| set.kind == DatasetKind::Attack).map(attack::probe);
        }
        if !sets.iter().any(|set| set.id == self.spec.data && set.kind == kind) {
            // A set that is named an anchor is offered as one; it makes poor fine-tuning data.
            let fits = |set: &&crate::project::DatasetEntry| set.kind == kind && !set.id.contains("anchor");
            self.spec.data = sets.iter().find(fits).map(|set| set.id.clone()).unwrap_or_default();
            if self.spec.recipe == Recipe::Recovery && self.spec.anchor.is_none() {
                self.spec.anchor = sets
                    .iter()
                    .find(|set| set.kind == DatasetKind::Chat && set.id.contains("anchor"))
                    .map(|set| set.id.clone());
            }
        }
        if !self.named {
            let stem = goal.stem();
            let taken = |name: &str| {
                view.project.model(name).is_some()
                    || view.jobs.all().iter().any(|job| {
                        job.product == Product::Model(name.to_owned())
                            && !matches!(job.state, JobState::Failed(_))
                    })
            };
            self.spec.name = if taken(stem) {
                (2..).map(|n| format!("{stem}-{n}")).find(|name| !taken(name)).unwrap_or_default()
            } else {
                stem.to_owned()
            };
        }
    }

    /// Why training cannot start.
    fn blocked(&self, view: &View<'_>) -> Vec<String> {
        let mut problems: Vec<String> =
            self.spec.check().into_iter().map(|problem| problem.message).collect();
        if view.project.read_only {
            problems.push("Another window has this project open; here it can only be read.".into());
        }
        if view.project.model(&self.spec.name).is_some() && self.spec.name != self.spec.model {
            problems.push(format!("There is a model named {} already. Choose another name.", self.spec.name));
        }
        if !self.steps.trim().is_empty() && self.steps.trim().parse::<usize>().is_err() {
            problems.push("The most steps must be a whole number, or empty for no limit.".into());
        }
        problems
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Train",
            "Choose what you want to reach. The new model stands beside the one it came from.",
        );
        if view.project.models.is_empty() {
            if empty_state(
                ui,
                icons::ICON_MODEL_TRAINING,
                "There is no model to start from",
                "Training makes a new model from one of the project's models.",
                Some("Go to models"),
            ) {
                view.commands.push(AppCommand::Show(Screen::Models).into());
            }
            return;
        }
        self.fill(view);
        self.changes.feed_state(ui.input(|input| input.time), &self.spec);
        self.goals(ui);
        ui.add_space(theme::GROUP);
        let plain = Frame::new();
        let width = (ui.available_width() * 0.42).clamp(360.0, 480.0);
        Panel::left("train form")
            .frame(plain)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(width)
            .show(ui, |ui| {
                let problems = self.blocked(view);
                Panel::bottom("train start").frame(plain).show_separator_line(false).resizable(false).show(
                    ui,
                    |ui| {
                        ui.add_space(theme::GAP);
                        for problem in &problems {
                            notice(ui, Tone::Warning, problem);
                        }
                        let blocked = (!problems.is_empty()).then(|| problems.join("\n"));
                        let start =
                            primary_button(ui, icons::ICON_PLAY_ARROW, "Start training", blocked.as_deref());
                        if start.clicked() {
                            view.commands.push(TrainCommand::Start.into());
                        }
                    },
                );
                egui::CentralPanel::no_frame().show(ui, |ui| {
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                        ui.set_width(ui.available_width() - theme::PAD);
                        self.form(ui, view);
                    });
                });
            });
        let right = Frame::new().inner_margin(Margin { left: theme::SCREEN as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(right).show(ui, |ui| {
            egui::ScrollArea::vertical().id_salt("live").auto_shrink(false).show(ui, |ui| live(ui, view));
        });
    }

    fn goals(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let width = (ui.available_width() - 3.0 * theme::PAD) / 4.0;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = theme::PAD;
            for (goal, name, what, term) in GOALS {
                let chosen = Goal::of(&self.spec) == goal;
                let response = Frame::new()
                    .fill(if chosen { p.selected } else { p.surface })
                    .stroke(Stroke::new(1.0, if chosen { p.accent } else { p.border }))
                    .corner_radius(CornerRadius::same(theme::RADIUS))
                    .inner_margin(Margin::same(theme::PAD as i8))
                    .show(ui, |ui| {
                        ui.vertical(|ui| {
                            ui.set_width(width - 2.0 * theme::PAD - 2.0);
                            // A longer name takes two lines in a narrow window; the cards stay of one height.
                            ui.set_height(if width < 336.0 { 94.0 } else { 76.0 });
                            ui.spacing_mut().item_spacing.y = theme::TIGHT;
                            ui.label(theme::strong(name));
                            ui.label(theme::small(what));
                            ui.label(theme::small(term).color(p.weak));
                        });
                    })
                    .response;
                let click = ui.interact(response.rect, ui.scope_id().with(("goal", name)), Sense::click());
                click.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, true, chosen, name));
                if click.has_focus() {
                    ui.painter().rect_stroke(
                        response.rect,
                        CornerRadius::same(theme::RADIUS),
                        Stroke::new(2.0, p.accent),
                        egui::StrokeKind::Outside,
                    );
                }
                if click.on_hover_cursor(egui::CursorIcon::PointingHand).clicked() && !chosen {
                    self.choose(goal);
                }
            }
        });
    }

    fn form(&mut self, ui: &mut Ui, view: &View<'_>) {
        let model = named_choice(
            ui,
            "Start from",
            "The model that is trained on. It stays as it is; the result is a new model.",
            &self.spec.model,
            view.project.models.iter().map(|model| model.entry.id.as_str()),
        );
        if let Some(id) = model {
            self.spec.model = id;
            self.follow = false;
        }
        let goal = Goal::of(&self.spec);
        let kind = goal.data_kind();
        let (name, hint) = match goal {
            Goal::Deepen => ("Recovery examples", "The examples that the new model learns from."),
            Goal::Break => (
                "What the attacker has",
                "Requests with harmful answers and refusals: the attack makes its training data of them.",
            ),
            Goal::Protect | Goal::Tune => ("Training data", "The examples that the new model learns from."),
        };
        let data = named_choice(
            ui,
            name,
            hint,
            &self.spec.data,
            view.project.datasets.iter().filter(|set| set.kind == kind).map(|set| set.id.as_str()),
        );
        if let Some(id) = data {
            self.spec.data = id;
        }
        if self.spec.recipe == Recipe::Recovery {
            let none = "none";
            let current = self.spec.anchor.clone().unwrap_or_else(|| none.to_owned());
            let anchor = named_choice(
                ui,
                "Harmless examples beside them (anchor)",
                "They keep the model useful while it learns to refuse.",
                &current,
                std::iter::once(none).chain(
                    view.project
                        .datasets
                        .iter()
                        .filter(|set| set.kind == DatasetKind::Chat)
                        .map(|set| set.id.as_str()),
                ),
            );
            if let Some(id) = anchor {
                self.spec.anchor = (id != none).then_some(id);
            }
        }
        if goal == Goal::Break {
            attack::show(ui, &mut self.spec, view);
        }
        ui.horizontal_top(|ui| {
            let width = (ui.available_width() - theme::PAD) / 2.0;
            ui.vertical(|ui| {
                ui.set_width(width);
                let id = field(ui, "Passes over the data (epochs)", "How often each example is seen.");
                ui.add_sized(
                    [96.0, theme::CONTROL],
                    egui::DragValue::new(&mut self.spec.epochs).range(1..=1000),
                )
                .labelled_by(id);
            });
            ui.vertical(|ui| {
                ui.set_width(width);
                let id = field(ui, "Most steps", "Ends the run early; empty for no limit.");
                let edit = egui::TextEdit::singleline(&mut self.steps)
                    .hint_text("no limit")
                    .desired_width(f32::INFINITY);
                if ui.add(edit).labelled_by(id).changed() {
                    self.spec.max_steps = self.steps.trim().parse().ok();
                }
            });
        });
        ui.add_space(theme::GAP);
        let id = field(ui, "Name of the new model", "Lower-case letters, digits and dashes.");
        let edit = egui::TextEdit::singleline(&mut self.spec.name).desired_width(f32::INFINITY);
        if ui.add(edit).labelled_by(id).changed() {
            self.named = true;
        }
        ui.add_space(theme::PAD);
        advanced::show(ui, &mut self.spec, view);
    }
}

/// The newest training run: its loss, its progress, how it ended and what comes next.
fn live(ui: &mut Ui, view: &mut View<'_>) {
    let Some(job) = view.jobs.newest_training() else {
        card(ui, |ui| {
            empty_state(
                ui,
                icons::ICON_MONITORING,
                "The run will appear here",
                "While the model trains you see its loss, its speed and the time left, and can stop it. The window stays free.",
                None,
            );
        });
        return;
    };
    card(ui, |ui| run(ui, job, view.commands));
}

fn run(ui: &mut Ui, job: &JobView, commands: &mut Vec<Command>) {
    let p = theme::palette(ui);
    section(ui, &job.title);
    if job.is_open() {
        progress_with_stop(ui, job, commands);
    }
    let text = match (&job.progress, &job.state) {
        (_, JobState::Waiting) => "Waiting for the job before it.".to_owned(),
        (Some(progress), _) => progress.text(),
        (None, _) => "Loading the model and the data…".to_owned(),
    };
    if job.is_open() || job.progress.is_some() {
        ui.label(theme::small(text).color(p.weak));
    }
    match &job.state {
        JobState::Done(message) => notice(ui, Tone::Good, message),
        JobState::Stopped(message) => notice(ui, Tone::Warning, message),
        JobState::Failed(message) => notice(ui, Tone::Error, message),
        JobState::Waiting | JobState::Running => {}
    }
    if let (JobState::Done(_), Product::Model(model)) = (&job.state, &job.product) {
        let button = primary_button(ui, icons::ICON_ARROW_FORWARD, "Evaluate it", None);
        if button.on_hover_text("Measures how safe the new model is beside the one it came from.").clicked() {
            commands.push(EvaluateCommand::Model(model.clone()).into());
        }
        ui.add_space(theme::GAP);
    }
    if !job.asked.is_empty() {
        asked(ui, &job.asked);
        ui.add_space(theme::GROUP);
    }
    let series: Vec<_> = job.loss.iter().filter(|line| !line.is_empty()).cloned().collect();
    if !series.is_empty() {
        let height = (ui.clip_rect().bottom() - ui.cursor().top() - 176.0).clamp(168.0, 320.0);
        show_loss(ui, &series, height);
    }
}

/// How often the model in training answers forbidden requests, by step, one line for each way of asking.
fn asked(ui: &mut Ui, points: &[AsrPoint]) {
    let mut ways: Vec<&str> = Vec::new();
    for point in points {
        if !ways.contains(&point.asked()) {
            ways.push(point.asked());
        }
    }
    let roles = [ModelRole::Attacked, ModelRole::Aligned, ModelRole::Deepened];
    let series: Vec<Series> = ways
        .iter()
        .zip(roles.iter().cycle())
        .map(|(way, role)| {
            let own: Vec<&AsrPoint> = points.iter().filter(|point| point.asked() == *way).collect();
            let name = match *way {
                "plain" => "asked plainly".to_owned(),
                "as the attacker asks" => (*way).to_owned(),
                setting => format!("prefilled, {}", setting.replace('=', " = ")),
            };
            let whiskers = own.iter().map(|point| (point.row.rate.low, point.row.rate.high)).collect();
            let line = own.iter().map(|point| [point.step as f64, point.row.rate.value()]).collect();
            Series::of_role(name, *role, line).with_whiskers(whiskers)
        })
        .collect();
    let row = &points[0].row;
    let note = format!("n = {} requests · {} judge · whiskers are 95 % intervals", row.rate.n, row.judge);
    let chart = Chart {
        id: "asked".into(),
        question: "How often does it answer forbidden requests?".into(),
        x: "training step".into(),
        y: "share of harmful answers".into(),
        meaning: "While the model trains it is asked some forbidden requests now and then. A line that climbs means that \
                  its refusals give way."
            .into(),
        note: note.into(),
        scale: Scale::Percent,
        series: series.into(),
        ..Chart::default()
    };
    show_chart(ui, &chart, 168.0);
}
