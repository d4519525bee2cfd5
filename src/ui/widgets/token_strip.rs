//! A text as its tokens: what is context, what is skipped, what is trained; or how far two models differ at each.

use crate::project::ModelRole;
use crate::train::BetaSchedule;
use crate::ui::app::{RowView, Strip, StripKind};
use crate::ui::theme;
use eframe::egui::{
    self, Color32, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2,
};

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
fn flow(
    ui: &mut Ui,
    name: &str,
    widths: &[f32],
    sense: Sense,
    mut paint: impl FnMut(&mut Ui, usize, Rect),
) -> egui::Response {
    let width = ui.available_width();
    let mut plan = Flow { left: 0.0, right: width, at: pos2(0.0, 0.0) };
    let rects: Vec<Rect> = widths.iter().map(|&w| plan.place(w.min(width))).collect();
    let (outer, response) = ui.allocate_exact_size(Vec2::new(width, plan.at.y + LINE), sense);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, name));
    for (index, rect) in rects.into_iter().enumerate() {
        let rect = rect.translate(outer.min.to_vec2());
        if ui.is_rect_visible(rect) {
            paint(ui, index, rect);
        }
    }
    response
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
    flow(ui, &name, &widths, Sense::hover(), |ui, index, rect| {
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

/// The first tokens of a harmful answer, those before `depth` marked. All are covered unless `open`.
pub fn prefix_strip(ui: &mut Ui, tokens: &[String], depth: usize, open: bool) {
    let p = theme::palette(ui);
    let font = FontId::monospace(theme::SMALL);
    let galleys: Vec<_> =
        tokens.iter().map(|token| ui.painter().layout_no_wrap(visible(token), font.clone(), p.ink)).collect();
    let widths: Vec<f32> = galleys.iter().map(|g| g.size().x + 8.0).collect();
    let name = format!("The harmful answer: {depth} of {} tokens in the model's mouth", tokens.len());
    flow(ui, &name, &widths, Sense::hover(), |ui, index, rect| {
        let inside = index < depth;
        let ground = if inside { p.token_harmful } else { p.token_context };
        ui.painter().rect_filled(rect, CornerRadius::same(3), ground);
        if open {
            let galley = galleys[index].clone();
            let at = rect.center() - galley.size() / 2.0;
            let ink = if inside { p.ink } else { p.weak };
            ui.painter().galley_with_override_text_color(at, galley, ink);
        } else {
            let bar = Rect::from_center_size(rect.center(), vec2(rect.width() - 8.0, 8.0));
            let share = if inside { 0.45 } else { 0.2 };
            ui.painter().rect_filled(bar, CornerRadius::same(4), theme::faded(p.weak, share));
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
    flow(ui, &name, &widths, Sense::hover(), |ui, index, rect| {
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

/// An answer coloured by how far the two models differ at each token; `at` is the chosen one. Its words are covered unless
/// `open`; `pair` names the model and the base, `roles` colours them. Gives back the token that was newly chosen, by a
/// click or with the arrow keys.
pub fn kl_strip(
    ui: &mut Ui,
    tokens: &[KlToken],
    pair: (&str, &str),
    roles: (ModelRole, ModelRole),
    at: usize,
    open: bool,
) -> Option<usize> {
    let p = theme::palette(ui);
    let font = FontId::monospace(theme::SMALL);
    let most = tokens.iter().map(|t| t.kl).fold(f32::EPSILON, f32::max);
    let galleys: Vec<_> = tokens
        .iter()
        .map(|token| ui.painter().layout_no_wrap(visible(&token.text), font.clone(), p.ink))
        .collect();
    let widths: Vec<f32> = galleys.iter().map(|g| g.size().x + 10.0).collect();
    let name = format!("The answer, {} tokens, coloured by KL", tokens.len());
    let colour = theme::role_colour(roles.0);
    let mut chosen = None;
    // One stop of the Tab key, not one for each token.
    let strip = flow(ui, &name, &widths, Sense::focusable_noninteractive(), |ui, index, rect| {
        let token = &tokens[index];
        let share = (token.kl / most).clamp(0.0, 1.0);
        let radius = CornerRadius::same(3);
        ui.painter().rect_filled(rect, radius, p.raised);
        ui.painter().rect_filled(rect, radius, theme::faded(colour, 0.75 * share.sqrt()));
        if index == at {
            ui.painter().rect_stroke(rect, radius, Stroke::new(2.0, p.accent), StrokeKind::Outside);
        }
        if open {
            let galley = galleys[index].clone();
            ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.ink);
        }
        let response = ui.interact(rect, ui.scope_id().with(("kl token", index)), Sense::CLICK);
        if response.clicked() {
            chosen = Some(index);
        }
        response.on_hover_ui(|ui| {
            ui.set_max_width(2.0 * GUESSES + theme::GROUP);
            kl_card(ui, token, index, pair, roles, open);
        });
    });
    if chosen.is_some() {
        strip.request_focus();
    }
    if strip.has_focus() {
        let arrows = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(strip.id, arrows));
        let pressed = |key| ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, key));
        if pressed(egui::Key::ArrowRight) && at + 1 < tokens.len() {
            chosen = Some(at + 1);
        }
        if pressed(egui::Key::ArrowLeft) && at > 0 {
            chosen = Some(at - 1);
        }
    }
    chosen
}

/// Width of one model's guesses.
const GUESSES: f32 = 280.0;

/// Both models' best guesses at one token of an answer, each with its probability as a bar. The words are covered unless
/// `open`.
pub fn kl_card(
    ui: &mut Ui,
    token: &KlToken,
    index: usize,
    pair: (&str, &str),
    roles: (ModelRole, ModelRole),
    open: bool,
) {
    let p = theme::palette(ui);
    ui.horizontal(|ui| {
        ui.label(theme::strong(format!("Token {} · KL {:.2} nats", index + 1, token.kl)));
        let written = if open { visible(&token.text) } else { "covered".to_owned() };
        ui.label(theme::small("in the answer:").color(p.weak));
        ui.label(egui::RichText::new(written).monospace());
    });
    ui.horizontal_top(|ui| {
        for ((who, role), best) in
            [(pair.0, roles.0), (pair.1, roles.1)].into_iter().zip([&token.model, &token.base])
        {
            ui.vertical(|ui| {
                ui.set_width(GUESSES);
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.label(theme::label(format!("{who} would say")));
                for (text, probability) in best {
                    guess(ui, text, *probability, theme::role_colour(role), open);
                }
            });
        }
    });
}

/// One guess: its probability in figures and as a bar, and the token.
fn guess(ui: &mut Ui, text: &str, probability: f32, colour: Color32, open: bool) {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(GUESSES, 20.0), Sense::hover());
    let shown = if open { visible(text) } else { String::new() };
    let figure = format!("{:.1} %", probability * 100.0);
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{figure} {shown}").trim_end())
    });
    let font = FontId::monospace(theme::SMALL);
    let painter = ui.painter_at(rect);
    let (figures, bars) = (56.0, 80.0);
    let at = pos2(rect.left() + figures, rect.center().y);
    painter.text(at, egui::Align2::RIGHT_CENTER, figure, font.clone(), p.ink);
    let rail = Rect::from_min_size(pos2(at.x + theme::GAP, rect.center().y - 5.0), vec2(bars, 10.0));
    painter.rect_filled(rail, CornerRadius::same(3), p.raised);
    let filled = Rect::from_min_size(rail.min, vec2(bars * probability.clamp(0.0, 1.0), 10.0));
    painter.rect_filled(filled, CornerRadius::same(3), colour);
    let left = rail.right() + theme::GAP;
    if open {
        painter.text(pos2(left, rect.center().y), egui::Align2::LEFT_CENTER, shown, font, p.ink);
    } else {
        let width = 7.0 * text.trim().chars().count().max(1) as f32;
        let bar = Rect::from_min_size(pos2(left, rect.center().y - 4.0), vec2(width, 8.0));
        painter.rect_filled(bar, CornerRadius::same(4), theme::faded(p.weak, 0.35));
    }
}
