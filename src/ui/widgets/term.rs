//! Words that lead to the glossary: one by itself, or those that a text contains.

use crate::ui::terms::{Term, terms_in};
use crate::ui::theme;
use eframe::egui::{self, Color32, Context, Label, RichText, Sense, Shape, Stroke, Ui, Vec2};

/// Draws `text` with a dotted line below it; on hover it says what the term means, and a click opens the glossary there.
pub fn term(ui: &mut Ui, text: impl Into<RichText>, term: Term) {
    is_first(ui.ctx(), term);
    let (at, galley, response) = Label::new(text.into()).sense(Sense::click()).layout_in_ui(ui);
    let ink = theme::faded(theme::palette(ui).ink, 0.6);
    for row in &galley.rows {
        let rect = row.rect_without_leading_space().translate(at.to_vec2());
        let ends = [rect.left_bottom(), rect.right_bottom()];
        ui.painter().extend(Shape::dotted_line(&ends, ink, 3.0, 0.8));
    }
    ui.painter().galley(at, galley, ui.visuals().text_color());
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

/// A text as wide as there is room, in which words of the field lead to the glossary where they come first on the screen.
/// Further down they are words like others: a page of underlined words reads badly.
pub fn prose(ui: &mut Ui, text: &str, size: f32, ink: Color32) {
    let words = |part: &str| RichText::new(part).size(size).color(ink);
    ui.scope(|ui| {
        // The lines of a text stand closer than controls do.
        ui.spacing_mut().interact_size.y = 0.0;
        ui.spacing_mut().item_spacing = Vec2::ZERO;
        ui.horizontal_wrapped(|ui| {
            let mut written = 0;
            for (place, which) in terms_in(text) {
                if !is_first(ui.ctx(), which) {
                    continue;
                }
                if place.start > written {
                    ui.label(words(&text[written..place.start]));
                }
                term(ui, words(&text[place.clone()]), which);
                written = place.end;
            }
            if written < text.len() {
                ui.label(words(&text[written..]));
            }
        });
    });
}

/// The name of a column or a field, which leads to the glossary where it is a term that comes first on the screen.
pub fn heading_term(ui: &mut Ui, text: &str, ink: Color32) {
    let shown = theme::label(text).color(ink);
    match terms_in(text).first().filter(|(_, which)| is_first(ui.ctx(), *which)) {
        Some((_, which)) => term(ui, shown, *which),
        None => {
            ui.add(Label::new(shown).truncate()).on_hover_text(text);
        }
    }
}

/// Whether the term has not been drawn in this frame; from now on it has.
fn is_first(ctx: &Context, term: Term) -> bool {
    let pass = ctx.cumulative_pass_nr();
    ctx.data_mut(|data| {
        let drawn: &mut (u64, Vec<Term>) =
            data.get_temp_mut_or_default(egui::Id::unique("terms drawn in this frame"));
        if drawn.0 != pass {
            *drawn = (pass, Vec::new());
        }
        let first = !drawn.1.contains(&term);
        if first {
            drawn.1.push(term);
        }
        first
    })
}

/// The term that somebody wants explained since the last call. Terms stand everywhere; the application asks once a frame.
pub fn take_term_wish(ctx: &egui::Context) -> Option<Term> {
    ctx.data_mut(|data| data.remove_temp::<Option<Term>>(wish_id()).flatten())
}

fn wish_id() -> egui::Id {
    egui::Id::unique("which term is to be explained")
}
