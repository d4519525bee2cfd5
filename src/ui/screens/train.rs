//! Train: a goal, a model, data, and the few settings that matter; beside them what they do, and the run itself.

mod advanced;
mod attack;
mod checks;
mod compare;
mod explain;
mod goal;
mod lookup;
mod pane;
mod protect;
mod run;
mod seen;

pub use pane::TrainPane;
pub use protect::BetaPreset;

use crate::data::{DatasetKind, FineTuningAttack};
use crate::train::{Recipe, TrainSpec};
use crate::ui::app::{
    AppCommand, Focus, JobBoard, JobState, Offer, Product, READ_ONLY, Rehearsal, Screen, Snapshot,
    TrainCommand, TrainReply, View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Painting, Tone, empty_state, field, form_above, named_choice, notice, primary_button, screen_title,
};
use checks::Checks;
use compare::Compare;
use eframe::egui::util::undoer::Undoer;
use eframe::egui::{self, Frame, Margin, Panel, Ui};
use egui_material_icons::icons;
use goal::Goal;
use protect::Protect;
use seen::Seen;

/// Why nothing can be trained.
const NO_MODEL: &str = "There is no model to start from";

/// Runs that the palette offers to compare: the newest.
const RUNS: usize = 20;

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
    /// What stands beside the form.
    pane: TrainPane,
    protect: Protect,
    seen: Seen,
    checks: Checks,
    compare: Compare,
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
            pane: TrainPane::default(),
            protect: Protect::default(),
            seen: Seen::default(),
            checks: Checks::default(),
            compare: Compare::default(),
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

    /// Shows a pane; that of β only where there is one.
    pub fn show_pane(&mut self, pane: TrainPane) {
        self.pane = pane;
    }

    /// Sets β at every answer token, as one step of undo.
    pub fn preset(&mut self, preset: BetaPreset) {
        self.changes.add_undo(&self.spec);
        self.spec.beta = preset.schedule();
        self.pane = TrainPane::Protect;
    }

    /// Chooses the run whose weights stand beside those of the start.
    pub fn weigh_at(&mut self, run: Option<String>) {
        self.protect.weigh_at(run);
        self.pane = TrainPane::Protect;
    }

    /// Goes on to the next rows, or back.
    pub fn move_rows(&mut self, forward: bool) {
        self.seen.move_on(forward);
    }

    /// Uncovers the harmful words of the rows, or covers them.
    pub fn show_harmful(&mut self, open: bool) {
        self.seen.open(open);
    }

    /// Takes a run into the comparison, or out of it.
    pub fn compare(&mut self, run: String, on: bool) {
        self.compare.set(run, on);
    }

    /// Fills the form with the settings of a run, as one step of undo.
    pub fn again(&mut self, spec: &TrainSpec) {
        self.changes.add_undo(&self.spec);
        let name = std::mem::take(&mut self.spec.name);
        self.put_back(Some(TrainSpec { name, title: String::new(), ..spec.clone() }));
        (self.follow, self.named, self.fresh_attack) = (false, false, false);
    }

    /// What lies on the disk may have changed: everything is asked for again.
    pub fn stale(&mut self) {
        self.checks.stale();
        self.seen.stale();
        self.protect.stale();
        self.compare.stale();
    }

    /// Takes in what the threads found.
    pub fn take(&mut self, reply: TrainReply) {
        match self.protect.take(reply) {
            Some(TrainReply::Curves(curves)) => self.compare.take_curves(curves),
            Some(TrainReply::Checks(serial, result)) => self.checks.take(serial, result),
            Some(TrainReply::Rows(serial, result)) => self.seen.take(serial, result),
            Some(TrainReply::MayResume(serial, run, why)) => self.compare.take_resume(serial, run, why),
            Some(TrainReply::Weighing(..) | TrainReply::Weights(..)) | None => {}
        }
    }

    /// The actions of this screen that can be taken now.
    #[must_use]
    pub fn offers(&self, project: &Snapshot) -> Vec<Offer> {
        let blocked = self.blocked(project);
        let blocked = (!blocked.is_empty()).then(|| blocked.join("\n"));
        let mut offers = vec![Offer::unless(TrainCommand::Start, blocked)];
        if project.models.is_empty() {
            return offers;
        }
        let constrained = self.spec.recipe == Recipe::Constrained;
        let why = (!constrained).then_some("Only constrained fine-tuning has a β. Choose its goal first.");
        for pane in TrainPane::ALL {
            let blocked = why.filter(|_| pane == TrainPane::Protect);
            offers.push(Offer::unless(TrainCommand::Show(pane), blocked));
        }
        if constrained {
            let learnt = self.spec.importance.is_some();
            let why = learnt.then_some("β is learnt; choose \"set by hand\" under Advanced first.");
            offers.extend(BetaPreset::ALL.map(|preset| Offer::unless(TrainCommand::Preset(preset), why)));
        }
        for run in project.runs.iter().take(RUNS) {
            offers.push(Offer::now(TrainCommand::Compare(run.id.clone(), true)));
        }
        offers
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
    pub fn fill(&mut self, project: &Snapshot, focus: &Focus, jobs: &JobBoard) {
        let known = project.model(&self.spec.model).is_some();
        if (self.follow || !known)
            && let Some(focus) = &focus.model
        {
            self.spec.model.clone_from(focus);
        }
        let goal = Goal::of(&self.spec);
        let kind = goal.data_kind();
        let sets = &project.datasets;
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
                project.model(name).is_some()
                    || jobs.all().iter().any(|job| {
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

    /// Why training cannot start: the button, the palette and the command itself ask here.
    #[must_use]
    pub fn blocked(&self, project: &Snapshot) -> Vec<String> {
        if project.models.is_empty() {
            return vec![format!("{NO_MODEL}.")];
        }
        let mut problems: Vec<String> =
            self.spec.check().into_iter().map(|problem| problem.message).collect();
        if project.read_only {
            problems.push(READ_ONLY.into());
        }
        if project.model(&self.spec.name).is_some() && self.spec.name != self.spec.model {
            problems.push(format!("There is a model named {} already. Choose another name.", self.spec.name));
        }
        if !self.steps.trim().is_empty() && self.steps.trim().parse::<usize>().is_err() {
            problems.push("The step limit must be a whole number, or empty for no limit.".into());
        }
        if problems.is_empty() {
            problems.extend(checks::blocking(&self.checks, &checks::key(&self.spec)));
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
                NO_MODEL,
                "Training makes a new model from one of the project's models.",
                Some("Go to models"),
            ) {
                view.commands.push(AppCommand::Show(Screen::Models).into());
            }
            return;
        }
        self.fill(view.project, view.focus, view.jobs);
        if self.pane != TrainPane::Protect || !self.protect.is_dragging() {
            self.changes.feed_state(ui.input(|input| input.time), &self.spec);
        }
        self.ask(view);
        if let Some(goal) = goal::cards(ui, Goal::of(&self.spec)) {
            self.choose(goal);
        }
        ui.add_space(theme::GROUP);
        let plain = Frame::new();
        let width = (ui.available_width() * 0.4).clamp(340.0, 480.0);
        Panel::left("train form")
            .frame(plain)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(width)
            .show(ui, |ui| {
                let mut state = (&mut *self, &mut *view);
                form_above(
                    ui,
                    "train",
                    &mut state,
                    |ui, (screen, view)| screen.start(ui, view),
                    |ui, (screen, view)| screen.form(ui, view),
                );
            });
        let right = Frame::new().inner_margin(Margin { left: theme::SCREEN as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(right).show(ui, |ui| {
            self.beside(ui, view);
        });
    }

    /// The button that starts, below what speaks against it.
    fn start(&self, ui: &mut Ui, view: &mut View<'_>) {
        let problems = self.blocked(view.project);
        for problem in &problems {
            notice(ui, Tone::Warning, problem);
        }
        let blocked = (!problems.is_empty()).then(|| problems.join("\n"));
        if primary_button(ui, icons::ICON_PLAY_ARROW, "Start training", blocked.as_deref()).clicked() {
            view.send(TrainCommand::Start);
        }
    }

    /// Asks whether the run can begin, and for the rows if they are looked at.
    fn ask(&mut self, view: &mut View<'_>) {
        if self.spec.model.is_empty() || self.spec.data.is_empty() {
            return;
        }
        let key = checks::key(&self.spec);
        if self.checks.is_free()
            && self.checks.lacks(&key)
            && let Some(serial) =
                view.loader.train.rehearse(&view.project.root, Rehearsal::Checks(Box::new(key.clone())))
        {
            self.checks.asked(serial, key);
        }
        if self.pane == TrainPane::Rows
            && let Some((spec, step)) = self.seen.wanted(&self.spec)
            && let Some(serial) =
                view.loader.train.rehearse(&view.project.root, Rehearsal::Rows(Box::new(spec.clone()), step))
        {
            self.seen.asked(serial, (spec, step));
        }
    }

    /// The panes beside the form.
    fn beside(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let constrained = self.spec.recipe == Recipe::Constrained;
        if self.pane == TrainPane::Protect && !constrained {
            self.pane = TrainPane::Explain;
        }
        if self.pane != TrainPane::Protect {
            self.protect.leave(view);
        }
        let key = checks::key(&self.spec);
        let light = checks::worst(&self.checks, &key);
        if let Some(pane) = pane::tabs(ui, self.pane, constrained, light) {
            view.send(TrainCommand::Show(pane));
        }
        egui::ScrollArea::vertical().id_salt(("pane", self.pane.name())).auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            match self.pane {
                TrainPane::Explain => explain::show(ui, &self.spec),
                TrainPane::Protect => self.paint(ui, view),
                TrainPane::Rows => self.seen.show(ui, &self.spec, view),
                TrainPane::Checks => checks::show(ui, &self.checks, &key, view),
                TrainPane::Run => run::show(ui, view),
                TrainPane::Compare => self.compare.show(ui, view),
            }
            ui.add_space(theme::GROUP);
        });
    }

    /// The pane of β. A drag is one step of undo: what was before it, and what came of it.
    fn paint(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let before = self.spec.clone();
        let painting = self.protect.show(ui, &mut self.spec, view);
        match painting {
            Painting::Began => self.changes.add_undo(&before),
            Painting::Ended => {
                // What was taken back before cannot be made again on top of this.
                self.changes.feed_state(ui.input(|input| input.time), &self.spec);
                self.changes.add_undo(&self.spec);
            }
            Painting::Still | Painting::Going => {}
        }
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
            // The longer name stays on one line also in the smallest window.
            let passes = 196.0;
            let rest = ui.available_width() - theme::PAD - passes;
            ui.vertical(|ui| {
                ui.set_width(passes);
                let id = field(ui, "Passes over the data (epochs)", "How often each example is seen.");
                ui.add_sized(
                    [96.0, theme::CONTROL],
                    egui::DragValue::new(&mut self.spec.epochs).range(1..=1000),
                )
                .labelled_by(id);
            });
            ui.vertical(|ui| {
                ui.set_width(rest);
                let id = field(ui, "Step limit", "Ends the run after so many steps; empty for no limit.");
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
