//! What was said, answers side by side.

use super::Chat;
use super::talk::{Answer, State, Turn};
use crate::model::Finish;
use crate::ui::app::{ChatEnding, ModelView, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, dot, empty_state, notice, quoted};
use eframe::egui::{
    self, Align, CornerRadius, FontId, Frame, Label, Layout, Margin, Stroke, TextFormat, Ui, Vec2,
    text::LayoutJob,
};
use egui_material_icons::icons;

impl Chat {
    pub(super) fn transcript(&self, ui: &mut Ui, view: &View<'_>, models: &[ModelView]) {
        if self.turns.is_empty() {
            let why = if view.project.models.is_empty() {
                "This project has no model yet. Add one first."
            } else {
                "Write a request below, or take a suggestion. Both models get the same words, and each sees only its own earlier answers."
            };
            empty_state(ui, icons::ICON_FORUM, "Ask a model something", why, None);
            return;
        }
        egui::ScrollArea::vertical().id_salt("chat").auto_shrink(false).stick_to_bottom(true).show(
            ui,
            |ui| {
                ui.set_width(ui.available_width() - theme::PAD);
                for turn in &self.turns {
                    request(ui, turn);
                    ui.columns(models.len().max(1), |columns| {
                        for (column, model) in columns.iter_mut().zip(models) {
                            // A column's own layout would stretch the words of each line to its width.
                            column.with_layout(Layout::top_down(Align::Min), |ui| {
                                match turn.answer(&model.entry.id) {
                                    Some(answer) => show_answer(ui, turn, answer, model),
                                    None => weak(ui, &format!("{} was not asked this.", model.entry.id)),
                                }
                            });
                        }
                    });
                    ui.add_space(theme::GROUP);
                }
            },
        );
    }
}

fn request(ui: &mut Ui, turn: &Turn) {
    let p = theme::palette(ui);
    quoted(ui, |ui| {
        ui.add(Label::new(theme::strong(&turn.request)).wrap().selectable(true));
        if !turn.start.is_empty() {
            let text = format!("Answers were made to start with: {}", turn.start);
            ui.add(Label::new(theme::small(text).color(p.weak)).wrap());
        }
    });
}

fn show_answer(ui: &mut Ui, turn: &Turn, answer: &Answer, model: &ModelView) {
    let p = theme::palette(ui);
    let colour = theme::role_colour(model.entry.role);
    let card = Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, p.border))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::same(theme::PAD as i8))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.spacing_mut().interact_size.y = 20.0;
                dot(ui, colour);
                ui.add(Label::new(theme::label(&answer.model)).truncate())
                    .on_hover_text(model.entry.role.label());
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.label(theme::small(answer.speed()).color(p.weak)).on_hover_text(
                        "How long the answer is and how fast it was written, with reading the request.",
                    );
                });
            });
            if !answer.text.is_empty() {
                ui.add(Label::new(words(ui, turn, answer)).wrap().selectable(true));
            }
            match &answer.state {
                State::Waiting => weak(ui, "Waits for the other model."),
                State::Loading => weak(ui, "Loading the model…"),
                State::Writing if answer.text.is_empty() => weak(ui, "Reading the request…"),
                State::Writing
                | State::Ended(ChatEnding::Finished(Finish::EndOfTurn | Finish::StopString)) => {
                    if answer.text.is_empty() {
                        weak(ui, "The answer is empty.");
                    }
                }
                State::Ended(ChatEnding::Finished(Finish::Length)) => {
                    weak(ui, "Cut off here: the limit of tokens is reached.");
                }
                State::Ended(ChatEnding::Stopped) => weak(ui, "Stopped here."),
                State::Failed(error) => notice(ui, Tone::Error, error),
            }
        });
    let rect = card.response.rect;
    let bar = egui::Rect::from_min_size(rect.left_top() + Vec2::new(0.0, 10.0), Vec2::new(4.0, 24.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), colour);
}

fn weak(ui: &mut Ui, text: &str) {
    let p = theme::palette(ui);
    ui.label(theme::small(text).color(p.weak));
}

/// The answer, with the given start on a ground of its own.
fn words(ui: &Ui, turn: &Turn, answer: &Answer) -> LayoutJob {
    let p = theme::palette(ui);
    let (given, own) = answer.text.split_at(turn.given(answer));
    let format = TextFormat::simple(FontId::proportional(theme::BODY), p.ink);
    let mut job = LayoutJob::default();
    job.append(given, 0.0, TextFormat { background: p.token_context, ..format.clone() });
    job.append(own, 0.0, format);
    job
}
