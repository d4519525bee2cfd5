//! A chart: one question as its title, axes with units, a key, intervals, and what it means in two sentences.

use crate::project::ModelRole;
use crate::ui::theme;
use eframe::egui::{self, Color32, FontId, RichText, Sense, Stroke, Ui, Vec2};
use egui_plot::{
    AxisHints, FilledArea, GridMark, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint,
    PlotPoints, PlotUi, Points,
};

/// How a series shows its spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    None,
    Band,
    Whiskers,
}

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    colour: Option<Color32>,
    line: LineStyle,
    marker: Option<MarkerShape>,
    points: Vec<PlotPoint>,
    intervals: Vec<(f64, f64)>,
    spread: Spread,
    faint: bool,
}

impl Series {
    /// A line in the colour, dash and marker of a model role.
    #[must_use]
    pub fn of_role(name: impl Into<String>, role: ModelRole, points: Vec<PlotPoint>) -> Self {
        Self {
            name: name.into(),
            colour: Some(theme::role_colour(role)),
            line: theme::role_line(role),
            marker: Some(theme::role_marker(role)),
            points,
            intervals: Vec::new(),
            spread: Spread::None,
            faint: false,
        }
    }

    /// A solid line in `colour`; without one it takes the colour of the text.
    #[must_use]
    pub fn plain(name: impl Into<String>, colour: Option<Color32>) -> Self {
        Self {
            name: name.into(),
            colour,
            line: LineStyle::Solid,
            marker: None,
            points: Vec::new(),
            intervals: Vec::new(),
            spread: Spread::None,
            faint: false,
        }
    }

    /// Adds a point at the end.
    pub fn push(&mut self, x: f64, y: f64) {
        self.points.push(PlotPoint::new(x, y));
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Shades from `low` to `high` of each point.
    #[must_use]
    pub fn with_band(mut self, intervals: Vec<(f64, f64)>) -> Self {
        self.intervals = intervals;
        self.spread = Spread::Band;
        self.marker = None;
        self
    }

    /// Draws a whisker from `low` to `high` at each point.
    #[must_use]
    pub fn with_whiskers(mut self, intervals: Vec<(f64, f64)>) -> Self {
        self.intervals = intervals;
        self.spread = Spread::Whiskers;
        self
    }

    /// A thin dashed line that stays in the background.
    #[must_use]
    pub fn faint(mut self) -> Self {
        self.faint = true;
        self.marker = None;
        self.line = LineStyle::Dashed { length: 4.0 };
        self
    }

    fn ink(&self, ui: &Ui) -> Color32 {
        let colour = self.colour.unwrap_or(theme::palette(ui).ink);
        if self.faint { theme::faded(colour, 0.55) } else { colour }
    }
}

/// A chart about one question.
pub struct Chart<'a> {
    /// Unique on the screen.
    pub id: &'a str,
    /// The title, as a question.
    pub question: &'a str,
    /// Name and unit of the horizontal axis.
    pub x: &'a str,
    /// Name and unit of the vertical axis.
    pub y: &'a str,
    /// What it means, in two plain sentences.
    pub meaning: &'a str,
    /// What stands below the title: who judged, what the spread is.
    pub note: &'a str,
    /// Height of the plot in points.
    pub height: f32,
    /// Whether the vertical axis shows shares from 0 to 100 %.
    pub percent: bool,
    /// Horizontal positions that get a tick; empty = the chart decides.
    pub ticks: &'a [f64],
}

impl Chart<'_> {
    /// Draws the chart with its title, key and explanation.
    pub fn show(&self, ui: &mut Ui, series: &[Series]) {
        ui.label(theme::heading(self.question));
        if !self.note.is_empty() {
            ui.label(theme::small(self.note).color(theme::palette(ui).weak));
        }
        key(ui, series);
        self.plot(ui, series);
        meaning(ui, self.id, self.meaning);
    }

    fn plot(&self, ui: &mut Ui, series: &[Series]) {
        let p = theme::palette(ui);
        let inks: Vec<Color32> = series.iter().map(|s| s.ink(ui)).collect();
        let percent = self.percent;
        let (x_name, y_name) = (self.x.to_owned(), self.y.to_owned());
        let bounds = Bounds::of(series, percent);
        let font = FontId::proportional(theme::SMALL);
        let hints = |axis: AxisHints<'static>, label: &str| {
            axis.label(theme::small(label).color(p.weak))
                .tick_label_font(font.clone())
                .tick_label_color(p.weak)
        };
        let x_axis = hints(AxisHints::new_x(), self.x)
            .formatter(|mark, _| if mark.value < -1e-9 { String::new() } else { number(mark.value) });
        let y_axis = hints(AxisHints::new_y(), self.y).min_thickness(48.0).formatter(move |mark, _| {
            if mark.value < -1e-9 {
                String::new()
            } else if percent {
                format!("{:.0} %", mark.value * 100.0)
            } else {
                number(mark.value)
            }
        });
        let mut plot = Plot::new(self.id)
            .height(self.height)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_double_click_reset(false)
            .show_background(false)
            .show_grid([false, true])
            .grid_color(p.grid)
            .grid_fade(0.0)
            .show_crosshair(false)
            .custom_x_axes(vec![x_axis])
            .custom_y_axes(vec![y_axis])
            .label_formatter(move |at| match at {
                HoverPosition::NearDataPoint { plot_name, position, .. } if !plot_name.is_empty() => {
                    let y = if percent {
                        format!("{:.1} %", position.y * 100.0)
                    } else {
                        format!("{:.3}", position.y)
                    };
                    Some(format!("{plot_name}\n{x_name}: {:.0}\n{y_name}: {y}", position.x))
                }
                _ => None,
            });
        let y_ticks = if percent { vec![0.0, 0.25, 0.5, 0.75, 1.0] } else { nice_ticks(bounds.y, 5) };
        let x_ticks = if self.ticks.is_empty() { nice_ticks(bounds.x, 8) } else { self.ticks.to_vec() };
        plot = plot.y_grid_spacer(move |_| marks(&y_ticks)).x_grid_spacer(move |_| marks(&x_ticks));
        let response = plot.show(ui, |plot_ui| {
            plot_ui.set_plot_bounds_x(bounds.x.0..=bounds.x.1);
            plot_ui.set_plot_bounds_y(bounds.y.0..=bounds.y.1);
            // Whiskers of different models stand beside each other, not on top of each other.
            let with_whiskers = series.iter().filter(|one| one.spread == Spread::Whiskers).count();
            let step = (bounds.x.1 - bounds.x.0) * 0.008;
            let mut place = -(with_whiskers.saturating_sub(1) as f64) / 2.0;
            for (one, &ink) in series.iter().zip(&inks) {
                let shift = if one.spread == Spread::Whiskers { place * step } else { 0.0 };
                if one.spread == Spread::Whiskers {
                    place += 1.0;
                }
                draw(plot_ui, one, ink, shift);
            }
        });
        // The chart's numbers stand in the tables and files; the picture is named by its question.
        let question = self.question;
        response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, question));
    }
}

/// What the axes cover: everything that is drawn, from 0 up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    x: (f64, f64),
    y: (f64, f64),
}

impl Bounds {
    fn of(series: &[Series], percent: bool) -> Self {
        let points = || series.iter().flat_map(|one| &one.points);
        let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
        for point in points() {
            left = left.min(point.x);
            right = right.max(point.x);
        }
        if !left.is_finite() {
            (left, right) = (0.0, 1.0);
        }
        let width = if right > left { right - left } else { 1.0 };
        let highs = series.iter().flat_map(|one| one.intervals.iter().map(|interval| interval.1));
        let top = points().map(|point| point.y).chain(highs).filter(|y| y.is_finite()).fold(0.0, f64::max);
        let top = if percent || top <= 0.0 { 1.0 } else { top };
        Self { x: (left - 0.025 * width, right + 0.025 * width), y: (-0.03 * top, 1.06 * top) }
    }
}

/// About `count` round numbers (1, 2 or 5 times a power of ten apart) in a range.
fn nice_ticks(range: (f64, f64), count: usize) -> Vec<f64> {
    let rough = (range.1 - range.0) / count.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&step| step >= rough).unwrap_or(rough);
    let first = (range.0 / step).ceil() as i64;
    let last = (range.1 / step).floor() as i64;
    (first..=last).map(|n| n as f64 * step).filter(|&tick| tick > -step / 2.0).collect()
}

fn marks(at: &[f64]) -> Vec<GridMark> {
    at.iter().map(|&value| GridMark { value, step_size: 1.0e3 }).collect()
}

fn number(value: f64) -> String {
    if (value - value.round()).abs() < 1e-9 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn draw<'a>(plot: &mut PlotUi<'a>, series: &'a Series, ink: Color32, shift: f64) {
    let width = if series.faint { 1.5 } else { 2.0 };
    match series.spread {
        Spread::Band => {
            let xs: Vec<f64> = series.points.iter().map(|p| p.x).collect();
            let low: Vec<f64> = series.intervals.iter().map(|i| i.0).collect();
            let high: Vec<f64> = series.intervals.iter().map(|i| i.1).collect();
            if xs.len() == low.len() && xs.len() > 1 {
                plot.add(
                    FilledArea::new("", &xs, &low, &high)
                        .fill_color(theme::faded(ink, 0.16))
                        .allow_hover(false),
                );
            }
        }
        Spread::Whiskers => {
            for (point, &(low, high)) in series.points.iter().zip(&series.intervals) {
                let whisker = vec![[point.x + shift, low], [point.x + shift, high]];
                plot.line(
                    Line::new("", PlotPoints::from(whisker))
                        .stroke(Stroke::new(1.5, theme::faded(ink, 0.7)))
                        .allow_hover(false),
                );
            }
        }
        Spread::None => {}
    }
    plot.line(
        Line::new(series.name.clone(), PlotPoints::Borrowed(&series.points))
            .stroke(Stroke::new(width, ink))
            .style(series.line),
    );
    if let Some(marker) = series.marker {
        plot.points(
            Points::new("", PlotPoints::Borrowed(&series.points))
                .color(ink)
                .shape(marker)
                .radius(4.0)
                .allow_hover(false),
        );
    }
}

/// The key: a piece of each line with its name.
fn key(ui: &mut Ui, series: &[Series]) {
    let p = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        for one in series {
            let ink = one.ink(ui);
            let (rect, _) = ui.allocate_exact_size(Vec2::new(22.0, 16.0), Sense::hover());
            let ends = [rect.left_center(), rect.right_center()];
            let stroke = Stroke::new(if one.faint { 1.5 } else { 2.0 }, ink);
            match one.line {
                LineStyle::Solid => {
                    ui.painter().line_segment(ends, stroke);
                }
                LineStyle::Dotted { .. } => {
                    ui.painter().extend(egui::Shape::dotted_line(&ends, ink, 4.0, 1.2));
                }
                LineStyle::Dashed { .. } => {
                    ui.painter().extend(egui::Shape::dashed_line(&ends, stroke, 4.0, 3.0));
                }
            }
            ui.label(theme::small(&one.name).color(if one.faint { p.weak } else { p.ink }));
            ui.add_space(theme::GAP);
        }
    });
}

fn meaning(ui: &mut Ui, id: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let p = theme::palette(ui);
    egui::CollapsingHeader::new(theme::small("What does this mean?").color(p.weak))
        .id_salt((id, "meaning"))
        .show_unindented(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(text).color(p.ink).size(theme::SMALL)).wrap());
        });
}

/// The live chart of a training run.
pub fn show_loss(ui: &mut Ui, series: &[Series], height: f32) {
    Chart {
        id: "loss",
        question: "Is it still learning?",
        x: "training step",
        y: "loss (nats per token)",
        meaning: "The loss says how surprised the model is by the answers it should give: lower is less surprised. \
                  When the line is flat, more steps teach little; a line that climbs means that the learning rate is too high.",
        note: "",
        height,
        percent: false,
        ticks: &[],
    }
    .show(ui, series);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_start_at_zero_and_cover_intervals() {
        let points = vec![PlotPoint::new(1.0, 2.0), PlotPoint::new(11.0, 0.5)];
        let series = Series::of_role("a", ModelRole::Base, points).with_band(vec![(1.0, 4.0), (0.0, 1.0)]);
        let bounds = Bounds::of(&[series], false);
        assert_eq!(bounds.x, (0.75, 11.25));
        assert!(bounds.y.0 <= 0.0 && bounds.y.1 > 4.0, "{bounds:?}");
    }

    #[test]
    fn nothing_and_zeros_still_make_a_chart() {
        let empty = Bounds::of(&[], false);
        assert!(empty.x.0 < empty.x.1 && empty.y.0 < empty.y.1);
        let zeros = Series::of_role("a", ModelRole::Base, vec![PlotPoint::new(3.0, 0.0)]);
        let bounds = Bounds::of(&[zeros], false);
        assert!(bounds.x.0 < 3.0 && bounds.x.1 > 3.0 && bounds.y.1 > 0.5, "{bounds:?}");
    }

    #[test]
    fn ticks_are_round_few_and_not_below_zero() {
        assert_eq!(nice_ticks((-0.3, 4.2), 5), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(nice_ticks((-3.0, 196.0), 8), [0.0, 50.0, 100.0, 150.0]);
        assert!(nice_ticks((0.0, 0.0), 5).is_empty());
    }

    #[test]
    fn tick_labels_are_short() {
        assert_eq!(number(40.0), "40");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(0.1 + 0.2), "0.3");
    }
}
