//! The key of a chart: a piece of each line, with its dash and its marker, and its name.

use super::chart::{ink, line_style};
use crate::report::{Dash, Marker, Series};
use crate::ui::theme;
use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{Color32, FontId, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};
use egui_plot::LineStyle;

/// Length of a piece of line.
const PIECE: f32 = 36.0;
/// Height of an entry.
const HEIGHT: f32 = 20.0;
/// Radius of a marker.
const RADIUS: f32 = 4.0;

/// Draws the key.
pub(super) fn key(ui: &mut Ui, series: &[Series]) {
    ui.scope(|ui| {
        // Rows are as high as their entries, not as controls.
        ui.spacing_mut().interact_size.y = HEIGHT;
        ui.spacing_mut().item_spacing = vec2(theme::GROUP, 0.0);
        ui.horizontal_wrapped(|ui| {
            for one in series {
                entry(ui, one);
            }
        });
    });
}

/// A piece of a line and its name, as one thing: the two are never on different lines.
fn entry(ui: &mut Ui, series: &Series) {
    let p = theme::palette(ui);
    let font = FontId::proportional(theme::SMALL);
    let colour = if series.faint { p.weak } else { p.ink };
    let mut job = LayoutJob::simple_singleline(series.name.clone(), font, colour);
    job.wrap = TextWrapping::truncate_at_width(ui.available_width() - PIECE - theme::GAP);
    let name = ui.painter().layout_job(job);
    let size = vec2(PIECE + theme::GAP + name.size().x, HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, series.name.as_str()));
    piece(ui, series, Rect::from_min_size(rect.left_top(), vec2(PIECE, HEIGHT)));
    let at = pos2(rect.left() + PIECE + theme::GAP, rect.center().y - name.size().y / 2.0);
    let shortened = name.elided;
    ui.painter().galley(at, name, colour);
    if shortened {
        response.on_hover_text(&series.name);
    }
}

fn piece(ui: &Ui, series: &Series, rect: Rect) {
    let ink = ink(ui, series);
    let painter = ui.painter();
    if !series.apart {
        let ends = [rect.left_center(), rect.right_center()];
        let width = if series.faint { 1.5 } else { 2.0 };
        match line_style(series.dash()) {
            LineStyle::Solid => {
                painter.line_segment(ends, Stroke::new(width, ink));
            }
            LineStyle::Dotted { spacing } => painter.extend(Shape::dotted_line(&ends, ink, spacing, width)),
            LineStyle::Dashed { length } => {
                let stroke = Stroke::new(width, ink);
                painter.extend(Shape::dashed_line(&ends, stroke, length, length * Dash::GAP));
            }
        }
    }
    if let Some(marker) = series.marker() {
        painter.extend(shapes(rect.center(), marker, ink));
    }
}

/// A marker as the plot draws it.
fn shapes(at: Pos2, marker: Marker, ink: Color32) -> Vec<Shape> {
    let corners = |points: &[(f32, f32)]| -> Vec<Pos2> {
        points.iter().map(|&(x, y)| at + vec2(x, y) * RADIUS).collect()
    };
    let area = |points: &[(f32, f32)]| vec![Shape::convex_polygon(corners(points), ink, Stroke::NONE)];
    let strokes = |pairs: [[(f32, f32); 2]; 2]| -> Vec<Shape> {
        let stroke = Stroke::new(1.5, ink);
        pairs.map(|pair| Shape::line(corners(&pair), stroke)).into()
    };
    let (a, b) = (std::f32::consts::FRAC_1_SQRT_2, 0.866);
    match marker {
        Marker::Square => area(&[(-a, a), (-a, -a), (a, -a), (a, a)]),
        Marker::Diamond => area(&[(0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)]),
        Marker::Up => area(&[(0.0, -1.0), (b, 0.5), (-b, 0.5)]),
        Marker::Down => area(&[(0.0, 1.0), (-b, -0.5), (b, -0.5)]),
        Marker::Cross => strokes([[(-a, -a), (a, a)], [(a, -a), (-a, a)]]),
        Marker::Plus => strokes([[(-1.0, 0.0), (1.0, 0.0)], [(0.0, -1.0), (0.0, 1.0)]]),
        Marker::Circle => vec![Shape::circle_filled(at, RADIUS, ink)],
    }
}
