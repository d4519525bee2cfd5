//! One conversation: the request, what was put into the model's mouth, its answer, and what each judge says of it.

use super::filter::VERDICTS;
use super::list::{verdict_colour, what};
use crate::evaluate::{Response, VerdictRow};
use crate::model::Finish;
use crate::text::Role;
use crate::ui::theme;
use crate::ui::widgets::{chip, field, hidden_text, line, text_button};
use eframe::egui::{self, Align, Button, FontId, Galley, Label, Layout, ScrollArea, Sense, Ui, WidgetInfo};
use std::collections::HashMap;
use std::sync::Arc;

/// Letters of a text that screen readers are given.
const READ_ALOUD: usize = 2_000;

/// What is remembered of the conversation that is open.
#[derive(Default)]
pub struct Conversation {
    /// Whether the answer is uncovered until the next is opened.
    open: bool,
    /// The answer whose texts are laid out, and the width, scale and theme for which they are.
    laid_out: Option<(String, [u32; 2], bool)>,
    /// Texts as they were laid out: an answer of thousands of lines is laid out once, not in every frame.
    texts: HashMap<&'static str, Arc<Galley>>,
}

impl Conversation {
    /// Covers the answer: another one is opened.
    pub fn close(&mut self) {
        self.open = false;
        self.laid_out = None;
        self.texts.clear();
    }

    /// Draws it; `head` draws what stands before the buttons that uncover.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        response: &Response,
        verdicts: &[VerdictRow],
        uncovered: bool,
        head: impl FnOnce(&mut Ui),
    ) {
        let p = theme::palette(ui);
        let harmless = !response.is_judged();
        let mut held = false;
        ui.horizontal(|ui| {
            head(ui);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if harmless || uncovered {
                    return;
                }
                let (text, name) =
                    if self.open { ("Cover", "Cover the answer") } else { ("Show", "Show the answer") };
                if text_button(ui, text, name).on_hover_text(name).clicked() {
                    self.open = !self.open;
                }
                if !self.open {
                    let button = ui.add(Button::new(theme::small("Hold to read")));
                    held = button.is_pointer_button_down_on();
                    button.on_hover_text("Shows the answer while you press.");
                }
            });
        });
        let place = what(response);
        ui.add(Label::new(theme::small(place.as_str()).color(p.weak)).truncate())
            .on_hover_text(place.as_str());
        ui.add_space(theme::TIGHT);
        let bare = harmless || uncovered || self.open || held;
        let width = (ui.available_width() - theme::GROUP).max(80.0);
        let sizes = [width.to_bits(), ui.ctx().pixels_per_point().to_bits()];
        let key = (response.id.clone(), sizes, ui.visuals().dark_mode);
        if self.laid_out.as_ref() != Some(&key) {
            self.texts.clear();
            self.laid_out = Some(key);
        }
        ScrollArea::vertical().id_salt("conversation").auto_shrink(false).show(ui, |ui| {
            ui.set_width(width);
            self.asked(ui, response, bare);
            if !response.prefill.is_empty() {
                let begun = if response.attack == "refusal_prefix" {
                    "The answer was made to begin with"
                } else {
                    "Put into the model's mouth"
                };
                field(ui, begun, "These words are the attack's, not the model's.");
                self.harmful(ui, "prefill", &response.prefill, bare || response.attack == "refusal_prefix");
                ui.add_space(theme::GAP);
            }
            line(ui, 22.0, |ui| {
                field(ui, "Answer", "What the model itself wrote.");
                let end = if response.finish == Finish::Length { " · cut off" } else { "" };
                ui.label(theme::small(format!("{} tokens{end}", response.tokens)).color(p.weak));
            });
            self.harmful(ui, "answer", &response.text, bare);
            ui.add_space(theme::PAD);
            if harmless {
                scored(ui, response);
            } else {
                judged(ui, verdicts, bare);
            }
        });
    }

    /// The request, or the turns that led up to it.
    fn asked(&mut self, ui: &mut Ui, response: &Response, bare: bool) {
        field(ui, "Request", "What the model was asked for.");
        self.text(ui, "request", &response.prompt);
        ui.add_space(theme::GAP);
        if response.sent.is_empty() {
            return;
        }
        field(ui, "As it was sent", "With the suffix, or turn by turn.");
        for message in &response.sent {
            let p = theme::palette(ui);
            let who = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "model",
            };
            if message.role == Role::Assistant && !bare {
                ui.label(theme::small(format!("{who}:")).color(p.weak));
                hidden_text(ui, &message.content, 44.0);
            } else {
                let text = format!("{who}: {}", message.content);
                ui.add(Label::new(theme::small(text)).wrap());
            }
        }
        ui.add_space(theme::GAP);
    }

    fn harmful(&mut self, ui: &mut Ui, which: &'static str, text: &str, bare: bool) {
        if bare {
            self.text(ui, which, text);
        } else {
            hidden_text(ui, text, if which == "answer" { 110.0 } else { 56.0 });
        }
    }

    /// A text, laid out once. Rows that are out of sight cost nothing.
    fn text(&mut self, ui: &mut Ui, which: &'static str, text: &str) {
        let p = theme::palette(ui);
        let width = ui.available_width();
        let galley = self
            .texts
            .entry(which)
            .or_insert_with(|| {
                let shown = if text.is_empty() { "(empty)" } else { text };
                ui.painter().layout(shown.to_owned(), FontId::proportional(theme::BODY), p.ink, width)
            })
            .clone();
        let (rect, response) = ui.allocate_exact_size(egui::vec2(width, galley.size().y), Sense::hover());
        response.widget_info(|| {
            let told: String = text.chars().take(READ_ALOUD).collect();
            WidgetInfo::labeled(egui::Role::Label, true, told)
        });
        ui.painter_at(ui.clip_rect()).galley(rect.min, galley, p.ink);
    }
}

/// What each judge says.
fn judged(ui: &mut Ui, verdicts: &[VerdictRow], bare: bool) {
    let p = theme::palette(ui);
    field(ui, "Judges", "What each judge says of the answer, in its newest version.");
    if verdicts.is_empty() {
        ui.label(theme::small("No judge has read this answer.").color(p.weak));
    }
    for row in verdicts {
        let word = VERDICTS.iter().find(|(verdict, _)| *verdict == row.verdict).map_or("", |(_, word)| word);
        ui.horizontal(|ui| {
            chip(ui, word, verdict_colour(p, row.verdict));
            let score = row.score.map(|score| format!(" · score {score}")).unwrap_or_default();
            let text = format!("{} judge{score} · version {}", row.judge, row.version);
            ui.add(Label::new(theme::small(text.as_str()).color(p.weak)).truncate())
                .on_hover_text(format!("{text}\n{}", row.at));
        });
        if let Some(raw) = &row.raw {
            if bare {
                ui.add(Label::new(theme::small(raw.as_str())).wrap());
            } else {
                let text = "The judge's words can repeat the answer: they are shown with it.";
                ui.label(theme::small(text).color(p.weak));
            }
        }
    }
}

/// How an answer to a harmless task was scored.
fn scored(ui: &mut Ui, response: &Response) {
    let p = theme::palette(ui);
    field(ui, "Score", "");
    let metric = response.metric.clone().unwrap_or_default();
    let text = match (response.correct, response.score) {
        (Some(true), _) => format!("right · {metric}"),
        (Some(false), _) => format!("wrong · {metric}"),
        (None, Some(score)) => format!("{score:.3} · {metric}"),
        (None, None) => format!("waits to be scored · {metric}"),
    };
    ui.label(theme::small(text).color(p.weak));
}
