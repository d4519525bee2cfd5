//! KL by answer token: the mean with its spread, and each request's own curve.

use crate::evaluate::{EvaluateSpec, HALF_KL_TOKENS, KlLine, KlRow, Summary, half_position, kl_share};
use crate::project::{EvaluationInfo, ModelRole};
use crate::report::{Chart, Hue, Series, kl_chart};
use crate::ui::app::{AppCommand, Focus, InspectCommand, InspectRequest, Request, Screen, Snapshot, View};
use crate::ui::screens::evaluate::name_of;
use crate::ui::theme;
use crate::ui::widgets::{
    Singles, Tone, card, combo_box, dot, empty_state, field, line, notice, show_chart_with,
};
use eframe::egui::{self, CornerRadius, Pos2, Rect, Sense, Stroke, Ui, Vec2, pos2};
use egui_material_icons::icons;
use egui_plot::{PlotPoint, PlotResponse, PlotTransform};
use std::collections::HashMap;

/// Tokens that are called the first ones in words.
const FIRST: usize = 5;
/// How far from a curve the pointer may be, in points.
const NEAR: f32 = 14.0;
/// Height of the bars that show how many answers reach a token.
const BARS: f32 = 20.0;

/// What a chart is made of: it is made anew when one of these changes.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    evaluation: String,
    row: usize,
    prompt: Option<String>,
    read: bool,
}

/// The chart with each request's own curve.
struct Shown {
    key: Key,
    chart: Chart<'static>,
    prompts: Vec<String>,
    lines: Vec<Vec<PlotPoint>>,
    top: f64,
    role: ModelRole,
    row: KlRow,
    /// What the chart says, one sentence for each model.
    sentences: Vec<(ModelRole, String)>,
}

/// The upper part of "KL by token".
#[derive(Default)]
pub struct KlView {
    selected: Option<String>,
    /// Model and set whose single curves are shown, if somebody chose.
    line: Option<(String, String)>,
    /// Curves that have been read or asked for, by evaluation.
    curves: HashMap<String, Option<Result<Vec<KlLine>, String>>>,
    shown: Option<Shown>,
}

impl KlView {
    /// Shows this evaluation.
    pub fn select(&mut self, id: String) {
        self.selected = Some(id);
        self.line = None;
    }

    /// Shows the single curves of this model on this set.
    pub fn take_line(&mut self, model: String, set: String) {
        self.line = Some((model, set));
    }

    /// Takes over what the project offers: an evaluation may have gone on.
    pub fn project_changed(&mut self) {
        self.curves.clear();
        self.shown = None;
    }

    /// Takes in curves.
    pub fn read(&mut self, evaluation: String, result: Result<Vec<KlLine>, String>) {
        self.curves.insert(evaluation, Some(result));
    }

    /// The evaluations that measured KL.
    fn offered(project: &Snapshot) -> Vec<&EvaluationInfo> {
        let has_kl = |e: &&EvaluationInfo| e.summary.as_ref().is_some_and(|summary| !summary.kl.is_empty());
        project.evaluations.iter().filter(has_kl).collect()
    }

    /// The chosen evaluation, and which of its rows has its single curves shown: the one that somebody chose, else that of the
    /// model in focus.
    fn chosen<'a>(
        &self,
        project: &'a Snapshot,
        focus: &Focus,
    ) -> Option<(&'a EvaluationInfo, &'a Summary, usize)> {
        let offered = Self::offered(project);
        let info =
            offered.iter().find(|e| Some(&e.id) == self.selected.as_ref()).or(offered.first()).copied()?;
        let summary = info.summary.as_ref()?;
        let of_line = |row: &KlRow| {
            self.line.as_ref().is_some_and(|(model, set)| row.model == *model && row.set == *set)
        };
        let of_focus = |row: &KlRow| focus.model.as_ref() == Some(&row.model);
        let row = summary.kl.iter().position(of_line).or_else(|| summary.kl.iter().position(of_focus));
        Some((info, summary, row.unwrap_or(0)))
    }

    /// Model and base of the curves on the screen.
    pub fn pair(&self, project: &Snapshot, focus: &Focus) -> Option<(String, String)> {
        let (_, summary, row) = self.chosen(project, focus)?;
        summary.kl.get(row).map(|row| (row.model.clone(), row.base.clone()))
    }

    /// What the evaluation of the curves on the screen asked for.
    pub fn spec<'a>(&self, project: &'a Snapshot, focus: &Focus) -> Option<&'a EvaluateSpec> {
        self.chosen(project, focus).map(|(info, ..)| &info.spec)
    }

    /// Draws it; `prompt` is the set and the id of the request that is inspected.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, prompt: Option<(&str, &str)>) {
        let Some((info, summary, at)) = self.chosen(view.project, view.focus) else {
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
        choose(ui, view, info, summary, at);
        let curves = self.curves.entry(info.id.clone()).or_insert_with(|| {
            view.loader.send(Request::Inspect(InspectRequest::Curves(info.id.clone())));
            None
        });
        if let Some(Err(error)) = curves {
            notice(ui, Tone::Error, error);
        }
        let lines = curves.as_ref().and_then(|read| read.as_ref().ok());
        let Some(row) = summary.kl.get(at) else { return };
        let emphasised = prompt.filter(|(set, _)| *set == row.set).map(|(_, id)| id.to_owned());
        let key = Key { evaluation: info.id.clone(), row: at, prompt: emphasised, read: lines.is_some() };
        if self.shown.as_ref().is_none_or(|shown| shown.key != key) {
            self.shown = Shown::new(key, summary, lines.map_or(&[][..], Vec::as_slice), view.project);
        }
        if let Some(shown) = &self.shown {
            shown.show(ui, view);
        }
    }
}

/// The evaluation, and whose single curves are shown.
fn choose(ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo, summary: &Summary, at: usize) {
    ui.horizontal(|ui| {
        let several = summary.kl.len() > 1;
        ui.vertical(|ui| {
            ui.set_width((ui.available_width() - if several { 260.0 } else { 0.0 }).min(560.0));
            field(ui, "Evaluation", "One that measured KL per token.");
            let response = combo_box("inspected evaluation", ui.available_width())
                .selected_text(name_of(info))
                .show_ui(ui, |ui| {
                    for other in KlView::offered(view.project) {
                        if ui.selectable_label(other.id == info.id, name_of(other)).clicked() {
                            view.commands.push(InspectCommand::Evaluation(other.id.clone()).into());
                        }
                    }
                })
                .response;
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Evaluation to inspect")
            });
        });
        let Some(row) = summary.kl.get(at).filter(|_| several) else { return };
        let name = |row: &KlRow| format!("{} on {}", row.model, row.set);
        ui.vertical(|ui| {
            ui.set_width(ui.available_width().min(252.0));
            field(ui, "Single requests of", "Whose curve for each request stands behind the means.");
            let response = combo_box("single curves", ui.available_width())
                .selected_text(name(row))
                .show_ui(ui, |ui| {
                    for other in &summary.kl {
                        if ui.selectable_label(other == row, name(other)).clicked() {
                            let (model, set) = (other.model.clone(), other.set.clone());
                            view.commands.push(InspectCommand::Curves { model, set }.into());
                        }
                    }
                })
                .response;
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Model with single requests")
            });
        });
    });
    ui.add_space(theme::GAP);
}

impl Shown {
    fn new(key: Key, summary: &Summary, lines: &[KlLine], project: &Snapshot) -> Option<Self> {
        let row = summary.kl.get(key.row)?.clone();
        let mut chart = kl_chart(summary, &|id| project.role(id))?;
        // Positions that the means leave out have no place for single curves either.
        let last =
            chart.series.iter().flat_map(|s| s.points.iter()).map(|p| p[0] as usize).max().unwrap_or(0);
        let own: Vec<&KlLine> =
            lines.iter().filter(|line| line.model == row.model && line.set == row.set).collect();
        let points = |line: &KlLine| -> Vec<[f64; 2]> {
            line.kl.iter().take(last).enumerate().map(|(t, &kl)| [(t + 1) as f64, f64::from(kl)]).collect()
        };
        let emphasised = own.iter().find(|line| Some(&line.prompt_id) == key.prompt.as_ref());
        if let Some(line) = emphasised {
            let name = format!("{} on {} alone", line.model, line.prompt_id);
            let one = Series { points: points(line), ..Series::plain(name, Hue::Ink) };
            chart.series.to_mut().push(one);
        }
        let plotted: Vec<Vec<PlotPoint>> = own
            .iter()
            .map(|line| points(line).into_iter().map(|[x, y]| PlotPoint::new(x, y)).collect())
            .collect();
        let top = plotted.iter().flatten().map(|point| point.y).fold(0.0, f64::max);
        let sentences =
            summary.kl.iter().filter_map(|row| Some((project.role(&row.model), sentence(summary, row)?)));
        Some(Self {
            chart,
            prompts: own.iter().map(|line| line.prompt_id.clone()).collect(),
            lines: plotted,
            top,
            role: project.role(&row.model),
            sentences: sentences.collect(),
            row,
            key,
        })
    }

    fn show(&self, ui: &mut Ui, view: &mut View<'_>) {
        let singles = Singles { lines: &self.lines, role: self.role, top: self.top };
        show_chart_with(ui, &self.chart, 240.0, &singles, |ui, plot| {
            let pointed = self.pointed(plot);
            self.reach(ui, &plot.transform);
            self.reading(ui, plot, pointed);
            if let Some((index, _)) = pointed
                && plot.response.clicked()
            {
                let (set, prompt) = (self.row.set.clone(), self.prompts[index].clone());
                view.send(InspectCommand::Curve { set, prompt });
            }
        });
        for (role, text) in &self.sentences {
            line(ui, 20.0, |ui| {
                dot(ui, theme::role_colour(*role));
                ui.label(theme::small(text));
            });
        }
    }

    /// The curve that the pointer is at, and the answer token (from 1).
    fn pointed(&self, plot: &PlotResponse<()>) -> Option<(usize, usize)> {
        let at = plot.response.hover_pos()?;
        nearest(&self.lines, &plot.transform, at)
    }

    /// How many answers reach each token, under the chart and to its scale.
    fn reach(&self, ui: &mut Ui, transform: &PlotTransform) {
        let p = theme::palette(ui);
        let (outer, response) =
            ui.allocate_exact_size(Vec2::new(ui.available_width(), BARS + 4.0), Sense::hover());
        let most = self.row.n.iter().copied().max().unwrap_or(0);
        response.widget_info(|| {
            let text = format!("How many answers reach each token: {most} at token 1");
            egui::WidgetInfo::labeled(egui::Role::Label, true, text)
        });
        let step = transform.dpos_dvalue_x().abs() as f32;
        for (t, &n) in self.row.n.iter().enumerate() {
            let x = transform.position_from_point_x((t + 1) as f64);
            if !transform.frame().x_range().contains(x) {
                break;
            }
            let height = BARS * n as f32 / most.max(1) as f32;
            let bar = Rect::from_min_max(
                pos2(x - 0.35 * step, outer.bottom() - height),
                pos2(x + 0.35 * step, outer.bottom()),
            );
            ui.painter().rect_filled(bar, CornerRadius::ZERO, theme::faded(p.weak, 0.35));
        }
        let font = egui::FontId::proportional(theme::SMALL);
        let at = pos2(transform.frame().left() - theme::GAP, outer.bottom());
        ui.painter().text(at, egui::Align2::RIGHT_BOTTOM, format!("n {most}"), font, p.weak);
        response.on_hover_text("How many answers reach each token. Where few do, the mean is of another, smaller set of answers.");
    }

    /// What the pointer is at, in words; the curve is drawn again, stronger.
    fn reading(&self, ui: &mut Ui, plot: &PlotResponse<()>, pointed: Option<(usize, usize)>) {
        let p = theme::palette(ui);
        let text = match pointed {
            Some((index, token)) => {
                let points: Vec<Pos2> =
                    self.lines[index].iter().map(|point| plot.transform.position_from_point(point)).collect();
                let painter = ui.painter().with_clip_rect(*plot.transform.frame());
                painter.add(egui::Shape::line(points, Stroke::new(2.0, theme::role_colour(self.role))));
                let n = self.row.n.get(token - 1).copied().unwrap_or(0);
                format!(
                    "{} · token {token}: KL {:.2} nats, mean {:.2} · {n} of {} answers reach it · click to open the answer",
                    self.prompts[index],
                    self.lines[index][token - 1].y,
                    self.row.mean.get(token - 1).copied().unwrap_or(0.0),
                    self.row.n.first().copied().unwrap_or(0)
                )
            }
            None if self.lines.is_empty() => "Reading the curve of each request…".to_owned(),
            None => format!(
                "Thin lines: the {} requests of {}, one by one. Point at one to read it; click it to open its answer below.",
                self.lines.len(),
                self.row.set
            ),
        };
        ui.add(egui::Label::new(theme::small(text).color(p.weak)).truncate());
    }
}

/// The line that runs nearest to `at`, and the position (from 1) under it.
fn nearest(lines: &[Vec<PlotPoint>], transform: &PlotTransform, at: Pos2) -> Option<(usize, usize)> {
    let token = transform.value_from_position(at).x.round().max(1.0) as usize;
    lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| {
            let there = transform.position_from_point(line.get(token - 1)?);
            Some((index, (there.y - at.y).abs()))
        })
        .filter(|(_, distance)| *distance <= NEAR)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(index, _)| (index, token))
}

/// Where the KL of a model lies, in words.
fn sentence(summary: &Summary, row: &KlRow) -> Option<String> {
    let share = kl_share(&row.mean, FIRST)?;
    let half = half_position(&row.mean)?;
    let interval = summary
        .depth
        .iter()
        .find(|depth| depth.model == row.model && depth.set == row.set)
        .and_then(|depth| depth.half_kl_interval)
        .map_or_else(String::new, |(low, high)| format!(" (95 % {low:.0}–{high:.0})"));
    let tokens = row.mean.len().min(HALF_KL_TOKENS);
    Some(format!(
        "{} on {}: {:.0} % of the KL of the first {tokens} tokens lies in the first {FIRST}; half of it by token {half}{interval}",
        row.model,
        row.set,
        share * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_plot::PlotBounds;

    #[test]
    fn the_curve_under_the_pointer_is_the_nearest_that_reaches_so_far() {
        let frame = Rect::from_min_size(pos2(0.0, 0.0), Vec2::new(100.0, 100.0));
        let bounds = PlotBounds::from_min_max([0.0, 0.0], [10.0, 10.0]);
        let transform = PlotTransform::new(frame, bounds, false);
        let line = |ys: &[f64]| -> Vec<PlotPoint> {
            ys.iter().enumerate().map(|(t, &y)| PlotPoint::new((t + 1) as f64, y)).collect()
        };
        let lines = vec![line(&[2.0, 2.0, 2.0]), line(&[5.0, 6.0])];
        let at = |x: f64, y: f64| {
            nearest(&lines, &transform, transform.position_from_point(&PlotPoint::new(x, y)))
        };
        assert_eq!(at(1.2, 4.6), Some((1, 1)));
        assert_eq!(at(2.1, 2.4), Some((0, 2)));
        assert_eq!(at(3.0, 6.0), None, "the second line does not reach token 3");
        assert_eq!(at(2.0, 9.5), None, "too far away");
    }
}
