//! A text of many lines to read: only the lines in sight are laid out, so that its length costs nothing.

use crate::ui::theme;
use eframe::egui::{self, FontId, Frame, Label, Margin, RichText, ScrollArea, Stroke, Ui};

/// Lines from which on a text is long: a field that edits it would cost milliseconds in every frame.
pub const LONG: usize = 200;

/// Whether a text has so many lines that it is better read than kept open in a field.
#[must_use]
pub fn is_long(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'\n').take(LONG).count() == LONG
}

/// Draws the text's lines in a box of `height`; `name` is what screen readers say of it.
pub fn long_text(ui: &mut Ui, name: &str, text: &str, height: f32) {
    let p = theme::palette(ui);
    let font = FontId::proportional(theme::BODY);
    let row = ui.ctx().fonts_mut(|fonts| fonts.row_height(&font));
    let lines: Vec<&str> = text.lines().collect();
    let frame = Frame::new()
        .stroke(Stroke::new(1.0, p.border))
        .corner_radius(theme::RADIUS)
        .inner_margin(Margin::same(8));
    let response = frame.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ScrollArea::both().id_salt(name).max_height(height).auto_shrink([false, true]).show_rows(
            ui,
            row,
            lines.len(),
            |ui, range| {
                for line in &lines[range] {
                    ui.add(Label::new(RichText::new(*line)).extend());
                }
            },
        );
    });
    let spoken = format!("{name}: {} lines", lines.len());
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, spoken.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_is_counted_in_lines() {
        assert!(!is_long(&"a word ".repeat(1000)));
        assert!(!is_long(&"a\n".repeat(LONG - 1)));
        assert!(is_long(&"a\n".repeat(LONG)));
    }
}
