//! A chart: one question as its title, axes with units, a key, intervals, and what it means in two sentences.

use crate::project::ModelRole;
use crate::ui::theme;
use eframe::egui::{self, Color32, RichText, Sense, Stroke, Ui, Vec2, vec2};
use egui_plot::{
    FilledArea, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, PlotUi, Points,
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
        key(ui, series);
        self.plot(ui, series);
        meaning(ui, self.id, self.meaning);
    }

    fn plot(&self, ui: &mut Ui, series: &[Series]) {
        let p = theme::palette(ui);
        let inks: Vec<Color32> = series.iter().map(|s| s.ink(ui)).collect();
        let percent = self.percent;
        let (x_name, y_name) = (self.x.to_owned(), self.y.to_owned());
        let mut plot = Plot::new(self.id)
            .height(self.height)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .show_background(false)
            .grid_color(p.grid)
            .grid_fade(0.0)
            .x_axis_label(theme::small(self.x).color(p.weak))
            .y_axis_label(theme::small(self.y).color(p.weak))
            .set_margin_fraction(vec2(0.03, 0.06))
            .include_y(0.0)
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
            })
            .x_axis_formatter(|mark, _| if mark.value < -1e-9 { String::new() } else { number(mark.value) });
        if percent {
            plot = plot
                .include_y(1.0)
                .y_grid_spacer(|_| {
                    (0..=4)
                        .map(|i| egui_plot::GridMark { value: f64::from(i) * 0.25, step_size: 0.25 })
                        .collect()
                })
                .y_axis_formatter(|mark, _| format!("{:.0} %", mark.value * 100.0));
        } else {
            plot = plot.y_axis_formatter(
                |mark, _| if mark.value < -1e-9 { String::new() } else { number(mark.value) },
            );
        }
        if !self.ticks.is_empty() {
            let ticks = self.ticks.to_vec();
            plot = plot.x_grid_spacer(move |_| {
                ticks.iter().map(|&value| egui_plot::GridMark { value, step_size: 10.0 }).collect()
            });
        }
        // The chart's numbers stand in the tables and files; the picture is named by its question.
        let response = plot.show(ui, |plot_ui| {
            for (one, &ink) in series.iter().zip(&inks) {
                draw(plot_ui, one, ink);
            }
        });
        let question = self.question;
        response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, question));
    }
}

fn number(value: f64) -> String {
    if (value - value.round()).abs() < 1e-9 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn draw<'a>(plot: &mut PlotUi<'a>, series: &'a Series, ink: Color32) {
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
                let whisker = vec![[point.x, low], [point.x, high]];
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
        height,
        percent: false,
        ticks: &[],
    }
    .show(ui, series);
}
