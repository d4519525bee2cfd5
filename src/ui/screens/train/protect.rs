//! How strongly each answer token is protected: β painted, and what that does to the data at hand.

use super::lookup::Lookup;
use crate::project::{ModelRole, RunInfo};
use crate::report::{Chart, Series};
use crate::train::{BetaSchedule, Recipe, TrainSpec, WeightAt};
use crate::ui::app::{Snapshot, TrainCommand, TrainReply, View, WeightRequest, Weights};
use crate::ui::theme;
use crate::ui::widgets::{
    BARS, BetaPainter, Painting, Tone, beta_painter, command_button, named_choice, notice, progress_line,
    section, show_chart,
};
use eframe::egui::{Label, Ui};

/// A schedule that one button sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetaPreset {
    /// The paper's.
    Paper,
    /// The same everywhere.
    Uniform,
    /// Nearly nothing everywhere.
    Off,
}

impl BetaPreset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Uniform, Self::Off];

    /// What its button says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "As in the paper",
            Self::Uniform => "Uniform",
            Self::Off => "Off",
        }
    }

    /// What it does, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Paper => "Sets β to 0.5 at token 1, 2 at tokens 2 to 5, and 0.1 at all later ones.",
            Self::Uniform => {
                "Sets β to 0.5 at every token, as in the paper's comparison: nothing is held more than the rest."
            }
            Self::Off => "Sets β to 0.01 at every token: nearly plain fine-tuning.",
        }
    }

    pub(super) fn schedule(self) -> BetaSchedule {
        match self {
            Self::Paper => BetaSchedule::default(),
            Self::Uniform => BetaSchedule::uniform(0.5),
            Self::Off => BetaSchedule::off(),
        }
    }
}

/// The pane's state.
#[derive(Debug, Default)]
pub(super) struct Protect {
    painter: BetaPainter,
    /// The run whose weights are shown beside those of the start.
    run: Option<String>,
    weights: Lookup<WeightRequest, Result<Weights, String>>,
    /// How many answers of how many have been weighed.
    progress: (usize, usize),
}

impl Protect {
    /// Whether bars are being dragged.
    pub(super) fn is_dragging(&self) -> bool {
        self.painter.is_dragging()
    }

    pub(super) fn weigh_at(&mut self, run: Option<String>) {
        self.run = run;
    }

    /// Nobody looks any more: measuring stops.
    pub(super) fn leave(&mut self, view: &mut View<'_>) {
        if !self.weights.is_free() {
            self.weights.give_up();
            view.loader.train.stop_weighing();
        }
    }

    pub(super) fn stale(&mut self) {
        self.weights.stale();
    }

    /// Takes in what the thread says; gives back what is not about weights.
    pub(super) fn take(&mut self, reply: TrainReply) -> Option<TrainReply> {
        match reply {
            TrainReply::Weighing(serial, done, of) => {
                if self.weights.serial() == Some(serial) {
                    self.progress = (done, of);
                }
                None
            }
            TrainReply::Weights(serial, result) => {
                self.weights.take(serial, result);
                None
            }
            other => Some(other),
        }
    }

    /// What has to be measured for these settings: only what the log-probabilities depend on.
    fn request(&self, spec: &TrainSpec, project: &Snapshot) -> WeightRequest {
        let other =
            self.run.as_ref().and_then(|id| runs(project, spec).find(|run| run.id == *id)).and_then(made);
        let spec = TrainSpec {
            model: spec.model.clone(),
            data: spec.data.clone(),
            attack: spec.attack.clone(),
            max_tokens: spec.max_tokens,
            ..TrainSpec::preset(Recipe::Constrained)
        };
        WeightRequest { root: project.root.clone(), spec, other }
    }

    /// Draws the pane; tells what was done to the bars.
    pub(super) fn show(&mut self, ui: &mut Ui, spec: &mut TrainSpec, view: &mut View<'_>) -> Painting {
        let p = theme::palette(ui);
        section(ui, "How strongly is each answer token protected?");
        let text = "Drag the bars, or use ↑ and ↓. A tall one (β) holds its token to the starting model. w is the pull that \
                    is left on this data once the token is learnt.";
        ui.add(Label::new(theme::small(text).color(p.weak)).wrap());
        let learnt = spec.importance.is_some();
        if learnt {
            let text = "β is learnt from the data before training. What is painted here holds only for tokens behind those \
                        that are measured. To set it by hand, choose so under Advanced.";
            notice(ui, Tone::Plain, text);
        }
        let left = self.left(spec, view.project);
        let painting = beta_painter(ui, &mut self.painter, &mut spec.beta, ("w", &left), !learnt);
        ui.horizontal_wrapped(|ui| {
            for preset in BetaPreset::ALL {
                let blocked = learnt.then_some("β is learnt; choose \"set by hand\" under Advanced first.");
                if command_button(ui, &TrainCommand::Preset(preset), blocked) {
                    view.send(TrainCommand::Preset(preset));
                }
            }
        });
        ui.add_space(theme::GROUP);
        self.ask(spec, view);
        self.effect(ui, spec, view);
        ui.add_space(theme::GAP);
        self.choose_run(ui, spec, view);
        painting
    }

    /// The mean weight of learnt tokens at each bar.
    fn left(&self, spec: &TrainSpec, project: &Snapshot) -> [Option<f64>; BARS + 1] {
        let Some(Ok(weights)) = self.weights.get(&self.request(spec, project)) else {
            return [None; BARS + 1];
        };
        let at = weights.aligned.weights_when_learnt(&spec.beta);
        std::array::from_fn(|bar| {
            let tail = bar == BARS;
            let here = at.iter().filter(|w| if tail { w.t > BARS } else { w.t == bar + 1 });
            let (sum, n) = here.fold((0.0, 0), |(sum, n), w| (sum + w.mean * w.n as f64, n + w.n));
            (n > 0).then(|| sum / n as f64)
        })
    }

    fn ask(&mut self, spec: &TrainSpec, view: &mut View<'_>) {
        if spec.model.is_empty() || spec.data.is_empty() {
            return;
        }
        let request = self.request(spec, view.project);
        if self.weights.lacks(&request)
            && let Some(serial) = view.loader.train.weigh(request.clone())
        {
            self.weights.asked(serial, request);
            self.progress = (0, 0);
        }
    }

    fn choose_run(&mut self, ui: &mut Ui, spec: &TrainSpec, view: &mut View<'_>) {
        const START: &str = "only the start";
        let labels: Vec<(String, String)> =
            runs(view.project, spec).map(|run| (label(run), run.id.clone())).collect();
        if labels.is_empty() {
            let text =
                format!("Once a run from {} has ended, its weights can be shown here too.", spec.model);
            ui.label(theme::small(text).color(theme::palette(ui).weak));
            return;
        }
        let current = labels.iter().find(|(_, id)| Some(id) == self.run.as_ref());
        let current = current.map_or(START, |(label, _)| label.as_str());
        let hint = "How much pull β leaves where this run ended, measured on the data of the form.";
        let choices = std::iter::once(START).chain(labels.iter().map(|(label, _)| label.as_str()));
        if let Some(chosen) = named_choice(ui, "Beside it, the weights after a run", hint, current, choices) {
            let run = labels.iter().find(|(label, _)| *label == chosen).map(|(_, id)| id.clone());
            view.send(TrainCommand::WeighAt(run));
        }
    }

    /// The chart of the weights.
    fn effect(&self, ui: &mut Ui, spec: &TrainSpec, view: &View<'_>) {
        let p = theme::palette(ui);
        let request = self.request(spec, view.project);
        let known = self.weights.get(&request);
        if known.is_none() {
            let (done, of) = self.progress;
            let text = if of > 0 {
                format!("Measuring {} on {}: {done} of {of} answers", spec.model, spec.data)
            } else {
                format!("Reading {} and {}…", spec.model, spec.data)
            };
            ui.label(theme::small(text).color(p.weak));
            if of > 0 {
                let share = done as f32 / of as f32;
                progress_line(ui, "Measuring weights", share, ui.available_width());
            }
        }
        // An older answer is of other weights than those by which its line would be named.
        match known {
            None => {}
            Some(Err(why)) => notice(ui, Tone::Warning, why),
            Some(Ok(weights)) => {
                let run = self.run.as_ref().and_then(|id| view.project.runs.iter().find(|run| run.id == *id));
                show_chart(ui, &chart(spec, weights, run), 176.0);
            }
        }
    }
}

/// The runs whose models can be weighed: they came from the model of the form.
fn runs<'a>(project: &'a Snapshot, spec: &'a TrainSpec) -> impl Iterator<Item = &'a RunInfo> {
    project.runs.iter().filter(|run| run.spec.model == spec.model && run.manifest.result.is_some())
}

/// The folder of what a run made.
fn made(run: &RunInfo) -> Option<std::path::PathBuf> {
    run.manifest.result.as_ref().map(|name| run.folder.join(name))
}

fn label(run: &RunInfo) -> String {
    let whole = if run.manifest.is_done() { "" } else { ", stopped" };
    format!("{}{whole} · {}", run.spec.name, run.id)
}

fn chart(spec: &TrainSpec, weights: &Weights, run: Option<&RunInfo>) -> Chart<'static> {
    let line = |name: String, role, at: &[WeightAt]| {
        let points = at.iter().map(|w| [w.t as f64, w.mean]).collect();
        Series::of_role(name, role, points).with_band(at.iter().map(|w| (w.low, w.high)).collect())
    };
    let learnt = weights.aligned.weights_when_learnt(&spec.beta);
    let first = learnt.first().map_or(0, |at| at.n);
    let last = learnt.last().map_or((0, 0), |at| (at.t, at.n));
    let start = learnt.iter().map(|at| [at.t as f64, 1.0]).collect();
    let mut series = vec![
        Series::of_role("at the start", ModelRole::Base, start).faint(),
        line("once learnt completely".into(), ModelRole::Constrained, &learnt),
    ];
    if let (Some(other), Some(run)) = (&weights.other, run) {
        let now = weights.aligned.weights_at(other, &spec.beta);
        series.push(line(format!("after {}", run.spec.name), ModelRole::Aligned, &now));
    }
    Chart {
        id: "weights".into(),
        question: "How much pull is left for each token?".into(),
        x: "answer token".into(),
        y: "gradient weight w".into(),
        meaning: "At the start every token pulls with weight 1, because the model has not moved yet. Where the line of a \
                  learnt token is near 0, the data stop pulling before they have changed the token much: it stays close to \
                  the starting model."
            .into(),
        note: format!(
            "{} on {}: {} answers, {first} tokens at position 1, {} at {} · w = 2σ(β · log π of the start) · line: mean, band: \
             middle 80 % of the tokens",
            spec.model, spec.data, weights.aligned.answers, last.1, last.0
        )
        .into(),
        series: series.into(),
        ..Chart::default()
    }
}
