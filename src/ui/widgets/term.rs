//! A word that leads to the glossary.

use crate::ui::terms::Term;
use crate::ui::theme;
use eframe::egui::{self, Label, RichText, Sense, Stroke, Ui};

/// Draws `text` with a dotted line below it; on hover it says what the term means, and a click opens the glossary there.
pub fn term(ui: &mut Ui, text: impl Into<RichText>, term: Term) {
    let response = ui.add(Label::new(text.into()).sense(Sense::click()));
    let line = response.rect.bottom() - 1.0;
    let ink = theme::faded(theme::palette(ui).ink, 0.6);
    let dots = egui::Shape::dotted_line(
        &[egui::pos2(response.rect.left(), line), egui::pos2(response.rect.right(), line)],
        ink,
        3.0,
        0.8,
    );
    ui.painter().extend(dots);
    if response.has_focus() {
        ui.painter().rect_stroke(response.rect, 2, Stroke::new(1.0, ink), egui::StrokeKind::Outside);
    }
    let name = format!("What is: {}", term.name());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, name.as_str()));
    let response = response.on_hover_text(term.text()).on_hover_cursor(egui::CursorIcon::Help);
    if response.clicked() {
        ui.ctx().data_mut(|data| data.insert_temp(wish_id(), Some(term)));
    }
}

/// The term that somebody wants explained since the last call. Terms stand everywhere; the application asks once a frame.
pub fn take_term_wish(ctx: &egui::Context) -> Option<Term> {
    ctx.data_mut(|data| data.remove_temp::<Option<Term>>(wish_id()).flatten())
}

fn wish_id() -> egui::Id {
    egui::Id::unique("which term is to be explained")
}
