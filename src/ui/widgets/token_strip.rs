//! A text as its tokens: what is context, what is skipped, what is trained; or how far two models differ at each.

use crate::train::BetaSchedule;
use crate::ui::app::{RowView, Strip, StripKind};
use crate::ui::theme;
use eframe::egui::{self, Color32, CornerRadius, FontId, Rect, Sense, Stroke, Ui, Vec2, pos2, vec2};

const HEIGHT: f32 = 24.0;
const LINE: f32 = 30.0;

/// One token of an answer with the models' disagreement at it.
#[derive(Clone, Debug)]
pub struct KlToken {
    /// The token's text.
    pub text: String,
    /// KL(model ‖ base) in nats before this token.
    pub kl: f32,
    /// The model's most probable tokens, each with its probability.
    pub model: Vec<(String, f32)>,
    /// The base's most probable tokens, each with its probability.
    pub base: Vec<(String, f32)>,
}

/// Line breaks and spaces as something that can be seen.
fn visible(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| {
            if c == '\n' {
                '↵'
            } else if c == '\t' {
                '→'
            } else {
                c
            }
        })
        .collect();
    if shown.is_empty() || shown.chars().all(char::is_whitespace) {
        shown = "·".repeat(shown.chars().count().max(1));
    }
    shown
}

struct Flow {
    left: f32,
    right: f32,
    at: egui::Pos2,
}

impl Flow {
    fn place(&mut self, width: f32) -> Rect {
        if self.at.x + width > self.right && self.at.x > self.left {
            self.at = pos2(self.left, self.at.y + LINE);
        }
        let rect = Rect::from_min_size(self.at, vec2(width, HEIGHT));
        self.at.x += width + 2.0;
        rect
    }
}

/// Lays `count` boxes out in lines and hands each to `paint`.
fn flow(ui: &mut Ui, name: &str, widths: &[f32], mut paint: impl FnMut(&mut Ui, usize, Rect)) {
    let width = ui.available_width();
    let mut plan = Flow { left: 0.0, right: width, at: pos2(0.0, 0.0) };
    let rects: Vec<Rect> = widths.iter().map(|&w| plan.place(w.min(width))).collect();
    let (outer, response) = ui.allocate_exact_size(Vec2::new(width, plan.at.y + LINE), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, name));
    for (index, rect) in rects.into_iter().enumerate() {
        let rect = rect.translate(outer.min.to_vec2());
        if ui.is_rect_visible(rect) {
            paint(ui, index, rect);
        }
    }
}

/// The training text of a recovery example. The harmful prefix is covered unless `open`.
pub fn training_strip(ui: &mut Ui, strip: &Strip, open: bool) {
    let p = theme::palette(ui);
    let font = FontId::monospace(theme::SMALL);
    let galleys: Vec<_> = strip
        .tokens
        .iter()
        .map(|token| ui.painter().layout_no_wrap(visible(&token.text), font.clone(), p.ink))
        .collect();
    let widths: Vec<f32> = galleys.iter().map(|g| g.size().x + 8.0).collect();
    let name = format!(
        "Training text: {} tokens of context, {} harmful tokens not trained, {} tokens trained",
        strip.tokens.iter().filter(|t| t.kind == StripKind::Context).count(),
        strip.depth,
        strip.trained
    );
    flow(ui, &name, &widths, |ui, index, rect| {
        let kind = strip.tokens[index].kind;
        let ground = match kind {
            StripKind::Context => p.token_context,
            StripKind::Harmful => p.token_harmful,
            StripKind::Trained => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, CornerRadius::same(3), ground);
        if kind == StripKind::Trained {
            let y = rect.bottom() - 1.0;
            ui.painter().hline(rect.x_range(), y, Stroke::new(2.0, p.token_trained));
        }
        if kind == StripKind::Harmful && !open {
            let bar = Rect::from_center_size(rect.center(), vec2(rect.width() - 8.0, 8.0));
            ui.painter().rect_filled(bar, CornerRadius::same(4), theme::faded(p.weak, 0.35));
        } else {
            let galley = galleys[index].clone();
            let at = rect.center() - galley.size() / 2.0;
            let ink = if kind == StripKind::Context { p.weak } else { p.ink };
            ui.painter().galley_with_override_text_color(at, galley, ink);
        }
    });
}

/// A row of a batch. Harmful words are covered unless `open`; where there is a β, hovering a trained token tells it.
pub fn row_strip(ui: &mut Ui, row: &RowView, beta: Option<&BetaSchedule>, open: bool) {
    let p = theme::palette(ui);
    let font = FontId::monospace(theme::SMALL);
    let galleys: Vec<_> = row
        .tokens
        .iter()
        .map(|token| ui.painter().layout_no_wrap(visible(&token.text), font.clone(), p.ink))
        .collect();
    let widths: Vec<f32> = galleys.iter().map(|g| g.size().x + 8.0).collect();
    let name = format!("Row {}: {} tokens, {} trained", row.id, row.tokens.len(), row.trained);
    flow(ui, &name, &widths, |ui, index, rect| {
        let token = &row.tokens[index];
        let ground = match token.position {
            None => p.token_context,
            Some(_) if !token.trained => p.token_harmful,
            Some(_) => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, CornerRadius::same(3), ground);
        if token.trained {
            ui.painter().hline(rect.x_range(), rect.bottom() - 1.0, Stroke::new(2.0, p.token_trained));
        }
        if token.covered && !open {
            let bar = Rect::from_center_size(rect.center(), vec2(rect.width() - 8.0, 8.0));
            ui.painter().rect_filled(bar, CornerRadius::same(4), theme::faded(p.weak, 0.35));
        } else {
            let galley = galleys[index].clone();
            let at = rect.center() - galley.size() / 2.0;
            let ink = if token.position.is_none() { p.weak } else { p.ink };
            ui.painter().galley_with_override_text_color(at, galley, ink);
        }
        if let (Some(beta), Some(t), true) = (beta, token.position, token.trained) {
            let id = ui.scope_id().with(("row token", &row.id, index));
            let response = ui.interact(rect, id, Sense::hover());
            response.on_hover_text(format!("Answer token {t} · β = {}", beta.at(t)));
        }
    });
}

/// An answer coloured by how far the two models differ at each token; hovering lists both models' best tokens.
/// Its words are covered unless `open`; `pair` names the model and the base.
pub fn kl_strip(ui: &mut Ui, tokens: &[KlToken], pair: (&str, &str), model_colour: Color32, open: bool) {
    let p = theme::palette(ui);
    let font = FontId::monospace(theme::SMALL);
    let most = tokens.iter().map(|t| t.kl).fold(f32::EPSILON, f32::max);
    let galleys: Vec<_> = tokens
        .iter()
        .map(|token| ui.painter().layout_no_wrap(visible(&token.text), font.clone(), p.ink))
        .collect();
    let widths: Vec<f32> = galleys.iter().map(|g| g.size().x + 10.0).collect();
    let name = format!("The answer, {} tokens, coloured by KL", tokens.len());
    flow(ui, &name, &widths, |ui, index, rect| {
        let token = &tokens[index];
        let share = (token.kl / most).clamp(0.0, 1.0);
        let radius = CornerRadius::same(3);
        ui.painter().rect_filled(rect, radius, p.raised);
        ui.painter().rect_filled(rect, radius, theme::faded(model_colour, 0.75 * share.sqrt()));
        if open {
            let galley = galleys[index].clone();
            ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.ink);
        }
        let response = ui.interact(rect, ui.scope_id().with(("kl token", index)), Sense::hover());
        response.on_hover_ui(|ui| {
            ui.label(theme::strong(format!("Token {} · KL {:.2} nats", index + 1, token.kl)));
            ui.horizontal_top(|ui| {
                for (who, best) in [(pair.0, &token.model), (pair.1, &token.base)] {
                    ui.vertical(|ui| {
                        ui.set_min_width(140.0);
                        ui.label(theme::label(who));
                        for (text, probability) in best {
                            ui.label(
                                egui::RichText::new(format!(
                                    "{:>5.1} %  {}",
                                    probability * 100.0,
                                    visible(text)
                                ))
                                .monospace(),
                            );
                        }
                    });
                }
            });
        });
    });
}
