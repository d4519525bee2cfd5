//! A chart as the window draws it: title, key, plot, what it means, and the buttons that save it.

use super::chart_key::key;
use crate::project::ModelRole;
use crate::report::{Chart, Dash, Hue, Marker, Scale, Series, Spread};
use crate::ui::theme;
use eframe::egui::{self, Align, Color32, FontId, Layout, Rect, RichText, Stroke, Ui, UiBuilder, pos2, vec2};
use egui_plot::{
    AxisHints, FilledArea, GridMark, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint,
    PlotPoints, PlotResponse, PlotUi, Points,
};

/// Points of a line that are drawn at most: more than a screen is wide cannot be told apart.
const MOST_POINTS: usize = 2_000;

/// Room for the buttons that save it.
const BUTTONS: f32 = 88.0;

/// What somebody wants of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartWish {
    /// The chart.
    pub chart: Chart<'static>,
    /// As a picture, or else as a table.
    pub picture: bool,
}

/// Draws a chart with its title, key and explanation, its plot `height` points high.
pub fn show_chart(ui: &mut Ui, chart: &Chart<'_>, height: f32) {
    head(ui, chart);
    key(ui, &chart.series);
    plot(ui, chart, height, None);
    meaning(ui, &chart.id, &chart.meaning);
}

/// Title, buttons and note.
fn head(ui: &mut Ui, chart: &Chart<'_>) {
    let room = ui.available_rect_before_wrap();
    ui.scope(|ui| {
        ui.set_max_width(room.width() - BUTTONS);
        ui.add(egui::Label::new(theme::heading(chart.question.as_ref())).wrap());
    });
    // Beside the title's first line, and taking no room of their own.
    let place = Rect::from_min_size(pos2(room.right() - BUTTONS, room.top()), vec2(BUTTONS, 28.0));
    let beside = UiBuilder::new().max_rect(place).layout(Layout::right_to_left(Align::Center));
    save_buttons(&mut ui.new_child(beside), chart);
    if !chart.note.is_empty() {
        super::prose(ui, &chart.note, theme::SMALL, theme::palette(ui).weak);
    }
}

/// The single cases that a chart's means are of: thin lines behind its series. They are on the screen only, not in saved
/// files, whose key would have no room for their names.
pub struct Singles<'a> {
    /// The lines.
    pub lines: &'a [Vec<PlotPoint>],
    /// Whose colour they have.
    pub role: ModelRole,
    /// The highest point of all of them.
    pub top: f64,
}

/// [`show_chart`] with single cases behind it; `below` draws what stands between plot and explanation.
pub fn show_chart_with(
    ui: &mut Ui,
    chart: &Chart<'_>,
    height: f32,
    singles: &Singles<'_>,
    below: impl FnOnce(&mut Ui, &PlotResponse<()>),
) {
    head(ui, chart);
    key(ui, &chart.series);
    let shown = plot(ui, chart, height, Some(singles));
    below(ui, &shown);
    meaning(ui, &chart.id, &chart.meaning);
}

/// The wish that a chart's buttons left since the last call. Charts are drawn everywhere; the application asks once a
/// frame.
pub fn take_chart_wish(ctx: &egui::Context) -> Option<ChartWish> {
    ctx.data_mut(|data| data.remove_temp(wish_id()))
}

fn wish_id() -> egui::Id {
    egui::Id::unique("what somebody wants of a chart")
}

fn save_buttons(ui: &mut Ui, chart: &Chart<'_>) {
    ui.spacing_mut().item_spacing.x = theme::PAD;
    for (text, picture, tip) in [
        ("CSV", false, "Saves the numbers of this chart as a table in the project's folder reports."),
        ("PNG", true, "Saves this chart as a picture in the project's folder reports."),
    ] {
        let name = format!("Save as {text}: {}", chart.question);
        if super::text_button(ui, text, &name).on_hover_text(tip).clicked() {
            let wish = ChartWish { chart: chart.clone().into_owned(), picture };
            ui.ctx().data_mut(|data| data.insert_temp(wish_id(), wish));
        }
    }
}

/// The colour of a series in the present theme.
pub(super) fn ink(ui: &Ui, series: &Series) -> Color32 {
    let p = theme::palette(ui);
    let colour = match series.hue {
        Hue::Ink => p.ink,
        Hue::Accent => p.accent,
        Hue::Role(role) => theme::role_colour(role),
    };
    if series.faint { theme::faded(colour, 0.55) } else { colour }
}

/// A dash as the plot draws it.
pub(super) fn line_style(dash: Dash) -> LineStyle {
    match dash {
        Dash::Solid => LineStyle::Solid,
        Dash::Dotted(spacing) => LineStyle::Dotted { spacing },
        Dash::Dashed(length) => LineStyle::Dashed { length },
    }
}

fn marker_shape(marker: Marker) -> MarkerShape {
    match marker {
        Marker::Circle => MarkerShape::Circle,
        Marker::Square => MarkerShape::Square,
        Marker::Diamond => MarkerShape::Diamond,
        Marker::Up => MarkerShape::Up,
        Marker::Down => MarkerShape::Down,
        Marker::Cross => MarkerShape::Cross,
        Marker::Plus => MarkerShape::Plus,
    }
}

fn plot(ui: &mut Ui, chart: &Chart<'_>, height: f32, singles: Option<&Singles<'_>>) -> PlotResponse<()> {
    let p = theme::palette(ui);
    let inks: Vec<Color32> = chart.series.iter().map(|one| ink(ui, one)).collect();
    let percent = chart.scale == Scale::Percent;
    let (x_name, y_name) = (chart.x.to_string(), chart.y.to_string());
    let (x_bounds, mut y_bounds) = chart.bounds();
    if let Some(singles) = singles {
        y_bounds.1 = y_bounds.1.max(1.06 * singles.top);
    }
    let font = FontId::proportional(theme::SMALL);
    let hints = |axis: AxisHints<'static>, label: &str| {
        axis.label(theme::small(label).color(p.weak)).tick_label_font(font.clone()).tick_label_color(p.weak)
    };
    let x_axis = hints(AxisHints::new_x(), &chart.x).formatter(|mark, _| Chart::x_label(mark.value));
    let labels = Chart { scale: chart.scale, ..Chart::default() };
    let y_axis = hints(AxisHints::new_y(), &chart.y)
        .min_thickness(48.0)
        .formatter(move |mark, _| labels.y_label(mark.value));
    let (x_ticks, y_ticks) = chart.tick_positions_in(x_bounds, y_bounds);
    let plot = Plot::new(chart.id.as_ref())
        .height(height)
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
        .y_grid_spacer(move |_| marks(&y_ticks))
        .x_grid_spacer(move |_| marks(&x_ticks))
        .label_formatter(move |at| match at {
            HoverPosition::NearDataPoint { plot_name, position, .. } if !plot_name.is_empty() => {
                let y = if percent {
                    format!("{:.1} %", position.y * 100.0)
                } else {
                    format!("{:.3}", position.y)
                };
                let x = format!("{:.3}", position.x);
                let x = x.trim_end_matches('0').trim_end_matches('.');
                Some(format!("{plot_name}\n{x_name}: {x}\n{y_name}: {y}"))
            }
            _ => None,
        });
    let response = plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(x_bounds.0..=x_bounds.1);
        plot_ui.set_plot_bounds_y(y_bounds.0..=y_bounds.1);
        if let Some(singles) = singles {
            // Together they are a cloud, however many they are.
            let opacity = (4.0 / singles.lines.len().max(1) as f32).clamp(0.02, 0.25);
            let ink = theme::faded(theme::role_colour(singles.role), opacity);
            for line in singles.lines {
                plot_ui.line(
                    Line::new("", PlotPoints::Borrowed(line))
                        .stroke(Stroke::new(1.0, ink))
                        .allow_hover(false),
                );
            }
        }
        // Whiskers of different models stand beside each other, not on top of each other.
        let with_whiskers = chart.series.iter().filter(|one| one.spread == Spread::Whiskers).count();
        let step = (x_bounds.1 - x_bounds.0) * 0.008;
        let mut place = -(with_whiskers.saturating_sub(1) as f64) / 2.0;
        for (one, &ink) in chart.series.iter().zip(&inks) {
            let shift = if one.spread == Spread::Whiskers { place * step } else { 0.0 };
            if one.spread == Spread::Whiskers {
                place += 1.0;
            }
            draw(plot_ui, one, ink, shift);
        }
    });
    // The chart's numbers stand in the tables and files; the picture is named by its question.
    let question = chart.question.as_ref();
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, question));
    response
}

fn marks(at: &[f64]) -> Vec<GridMark> {
    at.iter().map(|&value| GridMark { value, step_size: 1.0e3 }).collect()
}

/// The points that are drawn: all, or of a long line the lowest and the highest of each stretch.
fn drawn(points: &[[f64; 2]]) -> Vec<PlotPoint> {
    let point = |p: &[f64; 2]| PlotPoint::new(p[0], p[1]);
    if points.len() <= MOST_POINTS {
        return points.iter().map(point).collect();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut kept = Vec::with_capacity(MOST_POINTS + 2);
    for part in points.chunks(stretch) {
        let by_height = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let (Some(low), Some(high)) = (part.iter().min_by(by_height), part.iter().max_by(by_height)) else {
            continue;
        };
        let (first, second) = if low[0] <= high[0] { (low, high) } else { (high, low) };
        kept.push(point(first));
        kept.push(point(second));
    }
    kept
}

fn draw(plot: &mut PlotUi<'_>, series: &Series, ink: Color32, shift: f64) {
    // Whiskers of several lines stand beside each other, and each point on its own whisker.
    let shift = if series.spread == Spread::Whiskers { shift } else { 0.0 };
    let placed = |points: &[[f64; 2]]| points.iter().map(|[x, y]| [x + shift, *y]).collect::<Vec<_>>();
    let width = if series.faint { 1.5 } else { 2.0 };
    match series.spread {
        Spread::Band => {
            let xs: Vec<f64> = series.points.iter().map(|p| p[0]).collect();
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
                let whisker = vec![[point[0] + shift, low], [point[0] + shift, high]];
                plot.line(
                    Line::new("", PlotPoints::from(whisker))
                        .stroke(Stroke::new(1.5, theme::faded(ink, 0.7)))
                        .allow_hover(false),
                );
            }
        }
        Spread::None => {}
    }
    if let Some(marker) = series.marker() {
        let name = if series.apart { series.name.as_str() } else { "" };
        plot.points(
            Points::new(name, PlotPoints::from(placed(&series.marked_points())))
                .color(ink)
                .shape(marker_shape(marker))
                .radius(4.0)
                .allow_hover(series.apart),
        );
    }
    if series.apart {
        return;
    }
    let line = Line::new(series.name.clone(), PlotPoints::Owned(drawn(&placed(&series.points))));
    plot.line(line.stroke(Stroke::new(width, ink)).style(line_style(series.dash())));
}

/// What a figure means, behind a line that opens.
pub fn meaning(ui: &mut Ui, id: &str, text: &str) {
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
    let chart = Chart {
        id: "loss".into(),
        question: "Is it still learning?".into(),
        x: "training step".into(),
        y: "loss (nats per token)".into(),
        meaning: "The loss says how surprised the model is by the answers it should give: lower is less surprised. \
                  When the line is flat, more steps teach little; a line that climbs means that the learning rate is too high."
            .into(),
        series: series.into(),
        ..Chart::default()
    };
    show_chart(ui, &chart, height);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_peaks() {
        let mut points: Vec<[f64; 2]> = (0..100_000).map(|x| [f64::from(x), 1.0]).collect();
        points[54_321][1] = 9.0;
        points[77_777][1] = -3.0;
        let kept = drawn(&points);
        assert!(kept.len() <= MOST_POINTS + 2, "{}", kept.len());
        assert!(kept.iter().any(|p| p.y > 8.9) && kept.iter().any(|p| p.y < -2.9));
        assert!(kept.windows(2).all(|pair| pair[0].x <= pair[1].x), "from left to right");
        assert_eq!(drawn(&points[..5]).len(), 5);
    }
}
