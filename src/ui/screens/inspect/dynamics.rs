//! Fine-tuning dynamics: loss, gradient norm and KL to the start at each answer position, step by step.

use crate::project::{ModelRole, RunInfo};
use crate::report::{Chart, Hue, Series};
use crate::train::DynamicsPoint;
use crate::ui::app::{AppCommand, DynamicsMeasure, InspectCommand, InspectRequest, Request, Screen, View};
use crate::ui::theme;
use crate::ui::widgets::{
    HeatTable, Tone, card, combo_box, empty_state, field, heat_map, notice, show_chart,
};
use eframe::egui::{self, TextureHandle, Ui};
use egui_material_icons::icons;
use std::collections::HashMap;

/// Height of a heat map.
const MAP: f32 = 168.0;

/// A measure's values: for each measured position, one for each measurement.
#[derive(Clone, Debug, Default, PartialEq)]
struct Field {
    /// The answer positions, from 1.
    positions: Vec<usize>,
    /// One row for each position.
    values: Vec<Vec<f64>>,
}

/// One run's measurements, ready to be drawn.
struct Shown {
    run: String,
    role: ModelRole,
    points: Vec<DynamicsPoint>,
    fields: [Field; 3],
    /// One picture for each measure, made when it is first drawn in a theme.
    pictures: HashMap<(usize, bool), TextureHandle>,
}

/// The Inspect screen's part about training.
#[derive(Default)]
pub struct DynamicsView {
    selected: Option<String>,
    measure: DynamicsMeasure,
    /// The measurement that is looked at; the last one unless somebody chose.
    point: Option<usize>,
    read: HashMap<String, Option<Result<Vec<DynamicsPoint>, String>>>,
    shown: Option<Shown>,
}

impl DynamicsView {
    /// Shows this run.
    pub fn select(&mut self, id: String) {
        self.selected = Some(id);
        self.point = None;
    }

    /// Shows another measure.
    pub fn take_measure(&mut self, measure: DynamicsMeasure) {
        self.measure = measure;
    }

    /// Looks at another measurement.
    pub fn take_point(&mut self, index: usize) {
        self.point = Some(index);
    }

    /// A run may have gone on.
    pub fn project_changed(&mut self) {
        self.read.clear();
        self.shown = None;
    }

    /// Takes in what was measured during a run.
    pub fn read(&mut self, run: String, result: Result<Vec<DynamicsPoint>, String>) {
        self.read.insert(run, Some(result));
        self.shown = None;
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let runs = &view.project.runs;
        let Some(run) = runs.iter().find(|run| Some(&run.id) == self.selected.as_ref()).or(runs.first())
        else {
            card(ui, |ui| {
                if empty_state(
                    ui,
                    icons::ICON_MODEL_TRAINING,
                    "No training run yet",
                    "While a model trains, loss, gradient norm and KL to the start are measured at each answer position. Train one, and see here where it changed.",
                    Some("Go to training"),
                ) {
                    view.commands.push(AppCommand::Show(Screen::Train).into());
                }
            });
            return;
        };
        choose(ui, view, run);
        let read = self.read.entry(run.id.clone()).or_insert_with(|| {
            view.loader.send(Request::Inspect(InspectRequest::Dynamics(run.id.clone())));
            None
        });
        match read {
            None => {
                ui.weak("Reading the run…");
            }
            Some(Err(error)) => notice(ui, Tone::Error, error),
            Some(Ok(points)) if points.is_empty() => nothing_measured(ui, view, run),
            Some(Ok(points)) => {
                if self.shown.as_ref().is_none_or(|shown| shown.run != run.id) {
                    let role = view.project.role(&run.spec.name);
                    self.shown = Some(Shown::new(run.id.clone(), role, points.clone()));
                }
                if let Some(shown) = &mut self.shown {
                    let last = shown.points.len() - 1;
                    shown.show(ui, view, self.measure, self.point.unwrap_or(last).min(last));
                }
            }
        }
    }
}

/// A run by the model that it made and its time.
fn name_of(run: &RunInfo) -> String {
    let when: String = run.id.chars().take(16).collect();
    let when = match when.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.replace('-', ":")),
        None => when,
    };
    format!("{} · {when}", run.spec.name)
}

fn choose(ui: &mut Ui, view: &mut View<'_>, run: &RunInfo) {
    field(ui, "Training run", "One of this project's runs, the newest first.");
    let response = combo_box("inspected run", ui.available_width().min(560.0))
        .selected_text(name_of(run))
        .show_ui(ui, |ui| {
            for other in &view.project.runs {
                if ui.selectable_label(other.id == run.id, name_of(other)).clicked() {
                    view.commands.push(InspectCommand::Run(other.id.clone()).into());
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Run to inspect"));
    ui.add_space(theme::GAP);
}

/// Why there is nothing, and how there would be.
fn nothing_measured(ui: &mut Ui, view: &mut View<'_>, run: &RunInfo) {
    let why = if run.spec.dynamics.points == 0 {
        "This run was told to measure nothing at the answer positions (points = 0 under [dynamics] in its spec.toml)."
    } else {
        "This run has no measurements: it ended before the first one, or its data has no answers to measure."
    };
    card(ui, |ui| {
        let text = format!(
            "{why} Runs that are started on the Train screen measure them at the start and 8 times on the way. Train again to see them."
        );
        if empty_state(
            ui,
            icons::ICON_MODEL_TRAINING,
            "Nothing was measured here",
            &text,
            Some("Go to training"),
        ) {
            view.commands.push(AppCommand::Show(Screen::Train).into());
        }
    });
}

/// The values of one measure by answer position.
fn values(points: &[DynamicsPoint], measure: DynamicsMeasure) -> Field {
    let Some(first) = points.first() else { return Field::default() };
    let positions: Vec<usize> = match measure {
        DynamicsMeasure::Gradient => first.gradient_at.clone(),
        DynamicsMeasure::Loss | DynamicsMeasure::Kl => (1..=first.n.len()).collect(),
    };
    let of = |point: &DynamicsPoint, index: usize| {
        let list = match measure {
            DynamicsMeasure::Loss => &point.cross_entropy,
            DynamicsMeasure::Gradient => &point.gradient_norm,
            DynamicsMeasure::Kl => &point.kl,
        };
        list.get(index).copied().unwrap_or(f64::NAN)
    };
    let values =
        (0..positions.len()).map(|index| points.iter().map(|point| of(point, index)).collect()).collect();
    Field { positions, values }
}

/// What a measure says, in two plain sentences, and its axis.
fn words(measure: DynamicsMeasure) -> (&'static str, &'static str, &'static str) {
    match measure {
        DynamicsMeasure::Loss => (
            "How surprised is the model by each answer token?",
            "loss (nats)",
            "The loss says how unlikely the model finds each token of the answers that it is trained on. Fine-tuning that \
             breaks shallow safety lowers it most at the first tokens, because those decide whether the model complies.",
        ),
        DynamicsMeasure::Gradient => (
            "Where does training pull hardest?",
            "gradient norm",
            "The gradient norm says how strongly one answer position alone would change the weights. It is largest at the \
             first tokens when the data asks for another beginning of the answer than the model has learnt.",
        ),
        DynamicsMeasure::Kl => (
            "Where has the model moved away from the start?",
            "KL to the start (nats)",
            "KL to the start says how far the model's predictions have moved since before training. A peak at the first tokens \
             means that mostly the beginning of answers has changed, which is where shallow safety lives.",
        ),
    }
}

impl Shown {
    fn new(run: String, role: ModelRole, points: Vec<DynamicsPoint>) -> Self {
        let fields = DynamicsMeasure::ALL.map(|measure| values(&points, measure));
        Self { run, role, points, fields, pictures: HashMap::new() }
    }

    fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, measure: DynamicsMeasure, at: usize) {
        self.maps(ui, view, measure, at);
        ui.add_space(theme::GAP);
        self.slider(ui, view, at);
        ui.add_space(theme::GAP);
        show_chart(ui, &self.chart(measure, at), 200.0);
    }

    /// The three measures side by side.
    fn maps(&mut self, ui: &mut Ui, view: &mut View<'_>, measure: DynamicsMeasure, at: usize) {
        let p = theme::palette(ui);
        let steps: Vec<usize> = self.points.iter().map(|point| point.step).collect();
        let n = self.points.first().and_then(|point| point.n.first()).copied().unwrap_or(0);
        ui.label(
            theme::small(format!(
                "{n} answers of the training data · rows: answer token, the first on top · stronger colour = larger · click a column to look at that step"
            ))
            .color(p.weak),
        );
        let dark = ui.visuals().dark_mode;
        ui.columns(DynamicsMeasure::ALL.len(), |columns| {
            for ((index, ui), one) in columns.iter_mut().enumerate().zip(DynamicsMeasure::ALL) {
                let chosen = one == measure;
                if ui.selectable_label(chosen, one.label()).clicked() {
                    view.send(InspectCommand::Measure(one));
                }
                let field = &self.fields[index];
                let table = HeatTable {
                    name: one.label(),
                    values: &field.values,
                    rows: &field.positions,
                    columns: &steps,
                };
                let picture = self
                    .pictures
                    .entry((index, dark))
                    .or_insert_with(|| table.texture(ui, theme::role_colour(self.role)));
                if let Some(column) = heat_map(ui, &table, picture, at, MAP) {
                    view.send(InspectCommand::Measure(one));
                    view.send(InspectCommand::Point(column));
                }
            }
        });
    }

    /// Goes from one measurement to another, also by keys.
    fn slider(&self, ui: &mut Ui, view: &mut View<'_>, at: usize) {
        let last = self.points.len() - 1;
        if last == 0 {
            return;
        }
        ui.horizontal(|ui| {
            ui.label(theme::label("After step"));
            ui.spacing_mut().slider_width = (ui.available_width() - 140.0).clamp(80.0, 400.0);
            let mut index = at;
            let slider = ui.add(egui::Slider::new(&mut index, 0..=last).show_value(false));
            slider.widget_info(|| egui::WidgetInfo::slider(true, at as f64, "Measurement to look at"));
            ui.label(theme::small(format!("{}", self.points[at].step)));
            if index != at {
                view.send(InspectCommand::Point(index));
            }
        });
    }

    /// One measure by answer position: at the start, at the chosen step and at the end.
    fn chart(&self, measure: DynamicsMeasure, at: usize) -> Chart<'static> {
        let index = DynamicsMeasure::ALL.iter().position(|one| *one == measure).unwrap_or(0);
        let field = &self.fields[index];
        let points = |column: usize| -> Vec<[f64; 2]> {
            let ys = field.values.iter().map(|row| row[column]);
            field
                .positions
                .iter()
                .zip(ys)
                .filter(|(_, y)| y.is_finite())
                .map(|(t, y)| [*t as f64, y])
                .collect()
        };
        let last = self.points.len() - 1;
        let step = |column: usize| self.points[column].step;
        let mut series =
            vec![Series { points: points(0), ..Series::plain("before training", Hue::Ink) }.faint()];
        if at > 0 && at < last {
            let name = format!("after step {}", step(at));
            series.push(Series { points: points(at), ..Series::plain(name, Hue::Accent) });
        }
        if last > 0 {
            series.push(Series::of_role(
                format!("after step {}, the last", step(last)),
                self.role,
                points(last),
            ));
        }
        let (question, y, meaning) = words(measure);
        let n = |t: usize| self.points[0].n.get(t).copied().unwrap_or(0);
        let longest = self.points[0].n.len();
        Chart {
            id: format!("dynamics {}", measure.label().to_lowercase()).into(),
            question: question.into(),
            x: "answer token".into(),
            y: y.into(),
            meaning: meaning.into(),
            note: format!(
                "means over {} answers at token 1, {} at token {longest} · {}",
                n(0),
                n(longest.saturating_sub(1)),
                self.run
            )
            .into(),
            series: series.into(),
            ..Chart::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_has_one_row_for_each_position_and_one_column_for_each_step() {
        let point = |step: usize, loss: f64| DynamicsPoint {
            step,
            n: vec![2, 2, 1],
            cross_entropy: vec![loss, loss + 1.0, loss + 2.0],
            kl: vec![0.0; 3],
            gradient_at: vec![1, 3],
            gradient_norm: vec![loss * 10.0, loss],
        };
        let points = [point(0, 3.0), point(5, 1.0)];
        let loss = values(&points, DynamicsMeasure::Loss);
        assert_eq!(loss.positions, [1, 2, 3]);
        assert_eq!(loss.values, [[3.0, 1.0], [4.0, 2.0], [5.0, 3.0]]);
        let gradient = values(&points, DynamicsMeasure::Gradient);
        assert_eq!(
            (gradient.positions, gradient.values),
            (vec![1, 3], vec![vec![30.0, 10.0], vec![3.0, 1.0]])
        );
        let chart = Shown::new("run".to_owned(), ModelRole::Tuned, points.to_vec())
            .chart(DynamicsMeasure::Gradient, 1);
        let xs: Vec<f64> = chart.series[1].points.iter().map(|point| point[0]).collect();
        assert_eq!(xs, [1.0, 3.0], "only where it was measured");
    }
}
