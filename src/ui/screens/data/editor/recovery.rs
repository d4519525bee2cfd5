//! The recovery editor: turns, request, harmful answer, refusals, cut, and the training text that they make.

use super::{EARLIER, INSTRUCTIONS, Pen, REFUSAL, REQUEST, numbered};
use crate::data::{PartEdit, RecoveryExample};
use crate::text::Role;
use crate::ui::app::Strip;
use crate::ui::screens::data::strip::Strips;
use crate::ui::theme;
use crate::ui::widgets::{Tone, line, notice, tick, training_strip};
use eframe::egui::{self, Align, CornerRadius, DragValue, Layout, Sense, Stroke, Ui, Vec2};

/// Draws it.
pub(super) fn show(ui: &mut Ui, row: &mut RecoveryExample, pen: &mut Pen, strips: &mut Strips) {
    turns(ui, row, pen);
    pen.covered(
        ui,
        (
            "Harmful answer",
            "How a model without safety training would begin to answer.",
            "read, never trained",
        ),
        &mut row.harmful,
        "harmful",
        |_, _, _| {},
    );
    refusals(ui, row, pen);
    cut(ui, row, pen, strips);
    training_text(ui, pen, strips);
    ui.add_space(theme::GAP);
    pen.pair(
        ui,
        [
            ("Category", "What kind of harm it is about.", &mut row.category, "category"),
            ("Source", "Where the example comes from.", &mut row.source, "source"),
        ],
    );
    pen.single(ui, "Note", "Remarks of those who keep the set.", &mut row.note, "note");
    ui.add_space(theme::GAP);
}

/// What was said before, and the request.
fn turns(ui: &mut Ui, row: &mut RecoveryExample, pen: &mut Pen) {
    let instructed = row.context.first().is_some_and(|message| message.role == Role::System);
    let Some((request, earlier)) = row.context.split_last_mut() else { return };
    let mut turn = 0;
    for (at, message) in earlier.iter_mut().enumerate() {
        match message.role {
            Role::System => pen.area_with(
                ui,
                ("Instructions", "What the model was told before the conversation."),
                &mut message.content,
                INSTRUCTIONS,
                |pen, ui, _| pen.part(ui, PartEdit::RemoveInstructions),
            ),
            Role::User => {
                turn += 1;
                pen.area_with(
                    ui,
                    (&format!("Earlier request {turn}"), "What somebody asked before."),
                    &mut message.content,
                    EARLIER,
                    |pen, ui, _| pen.part(ui, PartEdit::RemoveTurn(at)),
                );
            }
            // It may be the first part of a harmful answer.
            Role::Assistant => pen.covered(
                ui,
                (&format!("Earlier answer {turn}"), "What the model said then.", ""),
                &mut message.content,
                "earlier answer",
                |_, _, _| {},
            ),
        }
    }
    pen.area_with(ui, ("Request", "What somebody asks for."), &mut request.content, REQUEST, |pen, ui, _| {
        pen.part(ui, PartEdit::AddTurn);
        if !instructed {
            pen.part(ui, PartEdit::AddInstructions);
        }
    });
}

fn refusals(ui: &mut Ui, row: &mut RecoveryExample, pen: &mut Pen) {
    let of = row.refusals.len();
    for (at, refusal) in row.refusals.iter_mut().enumerate() {
        let name = numbered("Refusal", at + 1, of);
        let mut label = egui::Id::NULL;
        pen.area_with(
            ui,
            (&name, "What the model should say instead. Only this is trained."),
            &mut refusal.text,
            REFUSAL,
            |pen, ui, named| {
                label = named;
                if of > 1 {
                    pen.part(ui, PartEdit::RemoveRefusal(at));
                } else {
                    pen.part(ui, PartEdit::AddRefusal);
                }
            },
        );
        if of > 1 {
            ui.horizontal(|ui| {
                ui.label(theme::small("Used when at least"));
                let value = DragValue::new(&mut refusal.from_depth).range(0..=10_000);
                if ui.add_enabled(pen.blocked.is_none(), value).labelled_by(label).changed() {
                    pen.edited = Some("depth");
                }
                ui.label(theme::small("harmful tokens stand before it"));
            });
            ui.add_space(theme::TIGHT);
        }
    }
    if of != 1 {
        pen.part(ui, PartEdit::AddRefusal);
    }
}

/// Where the harmful answer is cut: at random at each visit, or after a fixed number of tokens.
fn cut(ui: &mut Ui, row: &mut RecoveryExample, pen: &mut Pen, strips: &mut Strips) {
    let p = theme::palette(ui);
    let strip = strips.strip().and_then(|strip| strip.as_ref().ok());
    let (longest, depth) = strip.map_or((row.cut.unwrap_or(0), None), |s| (s.harmful_len, Some(s.depth)));
    let mut again = false;
    ui.label(theme::label("Cut the harmful answer after k tokens, then refuse"));
    ui.horizontal_wrapped(|ui| {
        let mut random = row.cut.is_none();
        let choice = ui
            .add_enabled_ui(pen.blocked.is_none(), |ui| tick(ui, &mut random, "Drawn at random"))
            .inner
            .on_hover_text(
                "Half of the visits have k = 0, the others any depth up to 100 tokens, as in the paper.",
            );
        if choice.changed() {
            row.cut = if random { None } else { Some(depth.unwrap_or(0)) };
            pen.edited = Some("cut");
        }
        if random {
            if let Some(depth) = depth {
                ui.label(theme::small(format!("this visit: k = {depth}")).color(p.weak));
            }
            again = ui
                .button("Draw again")
                .on_hover_text("Shows what another visit to this example would train.")
                .clicked();
        }
    });
    if let Some(k) = &mut row.cut {
        // On a line of its own: beside the tick, it would push the editor over the table.
        ui.horizontal(|ui| {
            ui.spacing_mut().slider_width = (ui.available_width() - 140.0).max(80.0);
            let most = longest.max(*k);
            let slider = ui.add_enabled(pen.blocked.is_none(), egui::Slider::new(k, 0..=most).text("tokens"));
            let value = *k as f64;
            slider.widget_info(|| egui::WidgetInfo::slider(true, value, "Cut after k tokens"));
            if slider.changed() {
                pen.edited = Some("cut slider");
            }
        });
    }
    if again {
        strips.draw_again();
    }
    ui.add_space(theme::GAP);
}

fn training_text(ui: &mut Ui, pen: &Pen, strips: &Strips) {
    match strips.strip() {
        None if !strips.has_model() => {
            ui.weak("With a model in the project, this text is shown in its tokens.");
        }
        None => {
            ui.weak("Making the training text…");
        }
        Some(Err(error)) => notice(ui, Tone::Error, error),
        Some(Ok(strip)) => draw(ui, strip, pen.open),
    }
}

fn draw(ui: &mut Ui, strip: &Strip, open: bool) {
    let p = theme::palette(ui);
    line(ui, 20.0, |ui| {
        ui.label(theme::label("What the model will see"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(theme::small(format!("{} of {} tokens trained", strip.trained, strip.tokens.len())));
        });
    });
    training_strip(ui, strip, open);
    line(ui, 20.0, |ui| {
        for (text, colour, underline) in [
            ("context", p.token_context, false),
            ("harmful prefix, not trained", p.token_harmful, false),
            ("trained", p.token_trained, true),
        ] {
            swatch(ui, colour, underline);
            ui.label(theme::small(text).color(p.weak));
            ui.add_space(theme::TIGHT);
        }
    });
}

fn swatch(ui: &mut Ui, colour: egui::Color32, underline: bool) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(14.0, 14.0), Sense::hover());
    if underline {
        ui.painter().hline(rect.x_range(), rect.bottom() - 2.0, Stroke::new(2.0, colour));
    } else {
        ui.painter().rect_filled(rect, CornerRadius::same(3), colour);
    }
}
