//! A table of numbers as a picture: one texture, however many cells it has.

use crate::ui::theme;
use eframe::egui::{
    self, Align2, ColorImage, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, pos2, vec2,
};

/// Room for the rows' names on the left.
const LEFT: f32 = 28.0;
/// Room for the columns' names below.
const BELOW: f32 = 20.0;

/// A table of numbers.
#[derive(Clone, Copy, Debug)]
pub struct HeatTable<'a> {
    /// What it is of.
    pub name: &'a str,
    /// One row for each name, all of one length.
    pub values: &'a [Vec<f64>],
    /// Names of the rows, from the top.
    pub rows: &'a [usize],
    /// Names of the columns.
    pub columns: &'a [usize],
}

impl HeatTable<'_> {
    fn is_empty(&self) -> bool {
        self.columns.is_empty() || self.values.iter().all(Vec::is_empty)
    }

    fn most(&self) -> f64 {
        self.values.iter().flatten().copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
    }

    /// The picture of it in the present theme: the larger, the more of `colour`.
    pub fn texture(&self, ui: &Ui, colour: egui::Color32) -> TextureHandle {
        let p = theme::palette(ui);
        let name = format!("heat map of {}", self.name);
        if self.is_empty() {
            // Graphics cards take no texture without pixels. This one is never drawn.
            let image = ColorImage::new([1, 1], vec![p.raised]);
            return ui.ctx().load_texture(name, image, TextureOptions::NEAREST);
        }
        let most = self.most();
        let share =
            |v: f64| if most > 0.0 && v.is_finite() { (v / most).clamp(0.0, 1.0) as f32 } else { 0.0 };
        let pixels =
            self.values.iter().flatten().map(|&v| p.raised.lerp_to_gamma(colour, share(v).sqrt())).collect();
        let image = ColorImage::new([self.columns.len(), self.values.len()], pixels);
        ui.ctx().load_texture(name, image, TextureOptions::NEAREST)
    }
}

/// Draws the table's picture with the ends of both axes named, and a frame around the chosen column; nothing where the table
/// is empty. Gives back the column that was clicked.
pub fn heat_map(
    ui: &mut Ui,
    table: &HeatTable<'_>,
    texture: &TextureHandle,
    chosen: usize,
    height: f32,
) -> Option<usize> {
    let p = theme::palette(ui);
    let (outer, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let name = format!("{} by answer token and training step", table.name);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    if table.is_empty() {
        return None;
    }
    let inner = Rect::from_min_max(pos2(outer.left() + LEFT, outer.top()), outer.max - vec2(0.0, BELOW));
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture.id(), inner, uv, egui::Color32::WHITE);
    let (n, m) = (table.columns.len().max(1), table.values.len().max(1));
    let cell = vec2(inner.width() / n as f32, inner.height() / m as f32);
    let column = Rect::from_min_size(
        pos2(inner.left() + chosen as f32 * cell.x, inner.top()),
        vec2(cell.x, inner.height()),
    );
    ui.painter().rect_stroke(column, CornerRadius::ZERO, Stroke::new(2.0, p.accent), StrokeKind::Outside);

    let font = FontId::proportional(theme::SMALL);
    let text = |at, align, text: String| ui.painter().text(at, align, text, font.clone(), p.weak);
    for row in [0, m - 1] {
        let y = inner.top() + (row as f32 + 0.5) * cell.y;
        let label = table.rows.get(row).map_or_else(String::new, ToString::to_string);
        text(pos2(inner.left() - 6.0, y), Align2::RIGHT_CENTER, label);
    }
    let under = inner.bottom() + 3.0;
    if let (Some(first), Some(last)) = (table.columns.first(), table.columns.last()) {
        text(pos2(inner.left(), under), Align2::LEFT_TOP, first.to_string());
        text(pos2(inner.right(), under), Align2::RIGHT_TOP, last.to_string());
        text(pos2(inner.center().x, under), Align2::CENTER_TOP, "step".to_owned());
    }

    let at = response.hover_pos().filter(|at| inner.contains(*at))?;
    let x = (((at.x - inner.left()) / cell.x) as usize).min(n - 1);
    let y = (((at.y - inner.top()) / cell.y) as usize).min(m - 1);
    let value = table.values.get(y).and_then(|row| row.get(x)).copied().unwrap_or(f64::NAN);
    let (token, step) = (table.rows.get(y)?, table.columns.get(x)?);
    let clicked = response.clicked();
    response.on_hover_text_at_pointer(format!("{} {value:.3} · token {token} · step {step}", table.name));
    clicked.then_some(x)
}
