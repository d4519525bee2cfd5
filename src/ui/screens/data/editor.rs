//! The recovery editor: request, harmful answer, refusal, cut, and the training text that they make.

use super::set::OpenSet;
use crate::data::{RecoveryExample, Refusal};
use crate::text::Message;
use crate::ui::app::Strip;
use crate::ui::theme;
use crate::ui::widgets::{Tone, field, hidden_text, line, notice, text_button, tick, training_strip};
use eframe::egui::{self, Align, CornerRadius, Layout, Sense, Stroke, Ui, Vec2};

/// What the editor shows besides the example.
pub struct State<'a> {
    /// The training text, once it is made.
    pub strip: Option<&'a Result<Strip, String>>,
    /// The example whose harmful answer is uncovered.
    pub shown: &'a mut Option<String>,
    /// The visit for which a depth is drawn.
    pub epoch: &'a mut usize,
    /// Whether nothing may be changed.
    pub read_only: bool,
}

/// Draws the editor of the selected example; edits go into the set's history.
pub fn show(ui: &mut Ui, set: &mut OpenSet, state: &mut State<'_>, now: f64) {
    let Some(before) = set.example().cloned() else {
        ui.weak("Select an example on the left.");
        return;
    };
    let mut after = before.clone();
    let mut edited = None;
    ui.add_enabled_ui(!state.read_only, |ui| {
        edited = fields(ui, &mut after, state);
        let cut = cut(ui, &mut after, state);
        edited = edited.or(cut);
    });
    training_text(ui, &after, state);
    ui.add_space(theme::GAP);
    ui.add_enabled_ui(!state.read_only, |ui| {
        edited = edited.or(tags(ui, &mut after));
    });
    if let Some(name) = edited
        && after != before
    {
        set.edit(after, name, now);
    }
}

fn text_area(ui: &mut Ui, name: &str, hint: &str, text: &mut String, rows: usize) -> bool {
    let id = field(ui, name, hint);
    let edit = egui::TextEdit::multiline(text).desired_rows(rows).desired_width(f32::INFINITY).id_salt(name);
    let changed = ui.add(edit).labelled_by(id).changed();
    ui.add_space(theme::TIGHT);
    changed
}

fn fields(ui: &mut Ui, example: &mut RecoveryExample, state: &mut State<'_>) -> Option<&'static str> {
    let p = theme::palette(ui);
    let mut edited = None;
    if example.context.is_empty() {
        example.context.push(Message::user(""));
    }
    if let Some((request, earlier)) = example.context.split_last_mut() {
        for message in earlier {
            ui.label(theme::small(format!("{}: {}", speaker(message.role), message.content)).color(p.weak));
        }
        if text_area(ui, "Request", "What somebody asks for.", &mut request.content, 1) {
            edited = Some("request");
        }
    }

    let open = state.shown.as_deref() == Some(example.id.as_str());
    let mut toggle = false;
    let mut named = egui::Id::NULL;
    line(ui, 20.0, |ui| {
        named = field(ui, "Harmful answer", "How a model without safety training would begin to answer.");
        ui.label(theme::small("read, never trained").color(p.weak));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, name) =
                if open { ("Hide", "Hide harmful answer") } else { ("Show", "Show harmful answer") };
            toggle = text_button(ui, text, name).on_hover_text(name).clicked();
        });
    });
    if toggle {
        *state.shown = if open { None } else { Some(example.id.clone()) };
    }
    if open {
        let edit = egui::TextEdit::multiline(&mut example.harmful)
            .desired_rows(3)
            .desired_width(f32::INFINITY)
            .id_salt("harmful");
        if ui.add(edit).labelled_by(named).changed() {
            edited = Some("harmful");
        }
    } else {
        hidden_text(ui, &example.harmful, 56.0);
    }
    ui.add_space(theme::TIGHT);

    if example.refusals.is_empty() {
        example.refusals.push(Refusal { from_depth: 0, text: String::new() });
    }
    let several = example.refusals.len() > 1;
    for refusal in &mut example.refusals {
        let name = if several {
            format!("Refusal from {} harmful tokens on", refusal.from_depth)
        } else {
            "Refusal".to_owned()
        };
        if text_area(
            ui,
            &name,
            "What the model should say instead. Only this is trained.",
            &mut refusal.text,
            2,
        ) {
            edited = Some("refusal");
        }
    }
    edited
}

fn tags(ui: &mut Ui, example: &mut RecoveryExample) -> Option<&'static str> {
    let mut edited = None;
    ui.horizontal(|ui| {
        let width = (ui.available_width() - theme::GAP) / 2.0;
        for (name, text) in [("Category", &mut example.category), ("Note", &mut example.note)] {
            ui.vertical(|ui| {
                ui.set_width(width);
                let id = field(ui, name, "");
                let edit = egui::TextEdit::singleline(text).desired_width(f32::INFINITY).id_salt(name);
                if ui.add(edit).labelled_by(id).changed() {
                    edited = Some(if name == "Note" { "note" } else { "category" });
                }
            });
        }
    });
    edited
}

fn speaker(role: crate::text::Role) -> &'static str {
    match role {
        crate::text::Role::System => "Instructions",
        crate::text::Role::User => "Person",
        crate::text::Role::Assistant => "Model",
    }
}

/// Where the harmful answer is cut: at random at each visit, or after a fixed number of tokens.
fn cut(ui: &mut Ui, example: &mut RecoveryExample, state: &mut State<'_>) -> Option<&'static str> {
    let p = theme::palette(ui);
    let strip = state.strip.and_then(|strip| strip.as_ref().ok());
    let longest = strip.map_or(example.cut.unwrap_or(0), |strip| strip.harmful_len);
    let mut edited = None;
    ui.label(theme::label("Cut the harmful answer after k tokens, then refuse"));
    ui.horizontal(|ui| {
        let mut random = example.cut.is_none();
        if tick(ui, &mut random, "Drawn at random")
            .on_hover_text(
                "Half of the visits have k = 0, the others any depth up to 100 tokens, as in the paper.",
            )
            .changed()
        {
            example.cut = if random { None } else { Some(strip.map_or(0, |strip| strip.depth)) };
            edited = Some("cut");
        }
        if random {
            if let Some(strip) = strip {
                ui.label(theme::small(format!("this visit: k = {}", strip.depth)).color(p.weak));
            }
            if ui
                .button("Draw again")
                .on_hover_text("Shows what another visit to this example would train.")
                .clicked()
            {
                *state.epoch += 1;
            }
        } else if let Some(k) = &mut example.cut {
            ui.spacing_mut().slider_width = (ui.available_width() - 140.0).max(80.0);
            let most = longest.max(*k);
            let slider = ui.add(egui::Slider::new(k, 0..=most).text("tokens"));
            let value = *k as f64;
            slider.widget_info(|| egui::WidgetInfo::slider(true, value, "Cut after k tokens"));
            if slider.changed() {
                edited = Some("cut slider");
            }
        }
    });
    ui.add_space(theme::GAP);
    edited
}

fn training_text(ui: &mut Ui, example: &RecoveryExample, state: &State<'_>) {
    let p = theme::palette(ui);
    match state.strip {
        None => {
            ui.weak("Making the training text…");
        }
        Some(Err(error)) => notice(ui, Tone::Error, error),
        Some(Ok(strip)) => {
            line(ui, 20.0, |ui| {
                ui.label(theme::label("What the model will see"));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.label(theme::small(format!(
                        "{} of {} tokens trained",
                        strip.trained,
                        strip.tokens.len()
                    )));
                });
            });
            let open = state.shown.as_deref() == Some(example.id.as_str());
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
            ui.add_space(theme::TIGHT);
            for problem in &strip.problems {
                let text = match &problem.fix {
                    Some(fix) => format!("{} {fix}", problem.message),
                    None => problem.message.clone(),
                };
                notice(ui, Tone::Warning, &text);
            }
        }
    }
}

fn swatch(ui: &mut Ui, colour: egui::Color32, underline: bool) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(14.0, 14.0), Sense::hover());
    if underline {
        ui.painter().hline(rect.x_range(), rect.bottom() - 2.0, Stroke::new(2.0, colour));
    } else {
        ui.painter().rect_filled(rect, CornerRadius::same(3), colour);
    }
}
