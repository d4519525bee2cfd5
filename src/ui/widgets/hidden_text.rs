//! Text that stays covered until somebody asks for it.

use crate::ui::theme;
use eframe::egui::{self, CornerRadius, FontId, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

/// Draws bars where the words of `text` would stand, so that its length shows but not its content.
pub fn hidden_text(ui: &mut Ui, text: &str, height: f32) {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), height), Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, "The harmful answer is hidden until you show it")
    });
    if !ui.is_rect_visible(rect) {
        return;
    }
    let painter = ui.painter_at(rect);
    let radius = CornerRadius::same(theme::RADIUS);
    painter.rect(rect, radius, p.frame, Stroke::new(1.0, p.border), StrokeKind::Inside);
    let inner = rect.shrink2(vec2(theme::PAD, theme::GAP));
    let mut at = inner.left_top();
    // Widths follow the words' lengths, so that the shape of a text can be told from an empty field.
    for word in text.split_whitespace() {
        let width = 7.0 * word.chars().count() as f32;
        if at.x + width > inner.right() && at.x > inner.left() {
            at = pos2(inner.left(), at.y + 20.0);
        }
        if at.y + 12.0 > inner.bottom() {
            break;
        }
        let bar = egui::Rect::from_min_size(at + vec2(0.0, 4.0), vec2(width.min(inner.width()), 10.0));
        painter.rect_filled(bar, CornerRadius::same(5), theme::faded(p.weak, 0.22));
        at.x += width + 7.0;
    }
    if text.is_empty() {
        painter.text(
            inner.left_top(),
            egui::Align2::LEFT_TOP,
            "empty",
            FontId::proportional(theme::SMALL),
            p.weak,
        );
    }
}
