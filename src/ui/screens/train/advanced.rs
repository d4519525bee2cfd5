//! The settings that most people leave alone.

use crate::data::{DepthShape, refusal_levels};
use crate::train::{
    ImportanceSource, ImportanceSpec, MultiTurnSpec, Normalisation, Recipe, Schedule, TrainSpec,
};
use crate::ui::app::View;
use crate::ui::theme;
use crate::ui::widgets::{combo_box, field};
use eframe::egui::{self, DragValue, Ui};

/// Draws them, closed until somebody opens them.
pub fn show(ui: &mut Ui, spec: &mut TrainSpec, view: &View<'_>) {
    egui::CollapsingHeader::new("Advanced").id_salt("advanced").show_unindented(ui, |ui| {
        if spec.recipe == Recipe::Recovery {
            recovery(ui, spec);
            field(ui, "How the two sets are weighed", "The paper's equation, or the authors' code.");
            let response = combo_box("normalisation", ui.available_width())
                .selected_text(weighing(spec.normalisation))
                .show_ui(ui, |ui| {
                    for way in [Normalisation::PerSet, Normalisation::TokenMean] {
                        ui.selectable_value(&mut spec.normalisation, way, weighing(way));
                    }
                })
                .response;
            named(&response, "How the two sets are weighed");
        }
        if spec.recipe == Recipe::Constrained {
            importance(ui, spec, view);
        }
        pair(
            ui,
            ("Learning rate", "How far each step goes."),
            DragValue::new(&mut spec.learning_rate)
                .range(0.0..=1.0)
                .speed(1e-5)
                .custom_formatter(|n, _| format!("{n:e}"))
                .custom_parser(|s| s.parse().ok()),
            ("Warm-up steps", "The learning rate rises to its value over these."),
            DragValue::new(&mut spec.warmup_steps).range(0..=100_000),
        );
        field(ui, "Learning rate afterwards", "How it goes on after the warm-up.");
        let response = combo_box("schedule", ui.available_width())
            .selected_text(course(spec.schedule))
            .show_ui(ui, |ui| {
                for way in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
                    ui.selectable_value(&mut spec.schedule, way, course(way));
                }
            })
            .response;
        named(&response, "Learning rate afterwards");
        pair(
            ui,
            ("Examples in a step", "Rows of the data set that each step learns from."),
            DragValue::new(&mut spec.batch).range(1..=4096),
            ("Anchor examples in a step", "Harmless rows beside them."),
            DragValue::new(&mut spec.anchor_batch).range(0..=4096),
        );
        pair(
            ui,
            ("Longest row, in tokens", "Longer rows are cut."),
            DragValue::new(&mut spec.max_tokens).range(8..=131_072),
            ("Clip gradients at", "Steps never go further than this norm; 0 = never clip."),
            DragValue::new(&mut spec.clip).range(0.0..=1000.0).speed(0.05),
        );
        pair(
            ui,
            ("Optimiser memory (AdamW β1)", "How long past gradients count."),
            DragValue::new(&mut spec.adam_beta1).range(0.0..=0.9999).speed(0.01),
            ("Optimiser scale (AdamW β2)", "How long past gradient sizes count."),
            DragValue::new(&mut spec.adam_beta2).range(0.0..=0.99999).speed(0.001),
        );
        pair(
            ui,
            ("Weight decay", "Pulls weights towards zero."),
            DragValue::new(&mut spec.weight_decay).range(0.0..=10.0).speed(0.01),
            ("Seed", "The same seed and settings give the same model."),
            DragValue::new(&mut spec.seed),
        );
        ui.add_space(theme::GROUP);
    });
}

/// How deep examples are cut, what their refusals say, and in which turn they come.
fn recovery(ui: &mut Ui, spec: &mut TrainSpec) {
    pair(
        ui,
        ("Share of recovery (α)", "How much the recovery examples weigh against the anchor."),
        DragValue::new(&mut spec.alpha).range(0.0..=1.0).speed(0.01),
        ("Longest prefix (C)", "The deepest cut, in tokens."),
        DragValue::new(&mut spec.depths.max).range(0..=2000),
    );
    field(
        ui,
        "How cuts are spread",
        "How many harmful tokens stand before the refusal, from one visit to the next.",
    );
    let response = combo_box("depth shape", ui.available_width())
        .selected_text(spread(spec.depths.shape))
        .show_ui(ui, |ui| {
            for shape in [DepthShape::Paper, DepthShape::Uniform, DepthShape::Geometric, DepthShape::Fixed] {
                ui.selectable_value(&mut spec.depths.shape, shape, spread(shape));
            }
        })
        .response;
    named(&response, "How cuts are spread");
    match spec.depths.shape {
        DepthShape::Paper => one(
            ui,
            ("Probability of k = 0", "How often the model refuses at once, without a harmful prefix."),
            DragValue::new(&mut spec.depths.p_zero).range(0.0..=1.0).speed(0.01),
        ),
        DepthShape::Geometric => one(
            ui,
            ("Mean cut, in tokens", "Half of the cuts or more are shallower."),
            DragValue::new(&mut spec.depths.mean).range(0.0..=2000.0).speed(0.1),
        ),
        DepthShape::Uniform | DepthShape::Fixed | DepthShape::Drawn => {}
    }
    pair(
        ui,
        (
            "Cuts of an example in a pass",
            "How often each example comes in an epoch, cut anew each time. The paper: once.",
        ),
        DragValue::new(&mut spec.recovery_points).range(1..=64),
        (
            "Take the hardest of",
            "Of so many drawn cuts the one after which the model recovers worst. 1 = any.",
        ),
        DragValue::new(&mut spec.hardest_of).range(1..=64),
    );
    let mut moved = spec.multi_turn.is_some();
    let text = "Move some examples a turn on";
    if ui
        .checkbox(&mut moved, text)
        .on_hover_text(
            "Part of the harmful answer stands in an earlier turn, and the user asks for the rest.",
        )
        .changed()
    {
        spec.multi_turn = moved.then(MultiTurnSpec::default);
    }
    if let Some(multi_turn) = &mut spec.multi_turn {
        one(
            ui,
            ("Share of examples", "How many of them are moved at each visit."),
            DragValue::new(&mut multi_turn.share).range(0.0..=1.0).speed(0.01),
        );
        lines(ui, "What the user says then, one a line", &mut multi_turn.requests);
    }
    let mut levels = !spec.levels.is_empty();
    let text = "Let refusals follow the depth";
    if ui.checkbox(&mut levels, text).on_hover_text("A short no at the start, an explanation after some harm, then a safe way out. Replaces the examples' own refusals.").changed() {
        spec.levels = if levels { refusal_levels() } else { Vec::new() };
    }
    for level in &mut spec.levels {
        let name = format!("From token (k): {}", level.name);
        one(
            ui,
            (&name, "From how many harmful tokens on it is used."),
            DragValue::new(&mut level.from_depth).range(0..=2000),
        );
        lines(ui, &format!("Wordings of the {}, one a line", level.name), &mut level.templates);
    }
    ui.add_space(theme::TIGHT);
}

/// Whether β is set by hand or learnt.
fn importance(ui: &mut Ui, spec: &mut TrainSpec, view: &View<'_>) {
    let base = view.focus.base.clone().unwrap_or_default();
    let changed = format!("learnt: where it differs from {base}");
    let choices = [
        ("set by hand", None),
        (changed.as_str(), Some(ImportanceSource::KlToBase { base })),
        ("learnt: where the data pull hardest", Some(ImportanceSource::GradientNorm)),
    ];
    let current = match spec.importance.as_ref().map(|importance| &importance.from) {
        None => choices[0].0,
        Some(ImportanceSource::KlToBase { .. }) => choices[1].0,
        Some(ImportanceSource::GradientNorm) => choices[2].0,
    };
    field(
        ui,
        "How strongly tokens are protected",
        "By the values below, or measured token by token before training.",
    );
    let response = combo_box("importance", ui.available_width())
        .selected_text(current)
        .show_ui(ui, |ui| {
            for (name, from) in choices {
                if ui.selectable_label(name == current, name).clicked() {
                    spec.importance = from.map(ImportanceSpec::new);
                }
            }
        })
        .response;
    named(&response, "How strongly tokens are protected");
}

/// Texts, one a line.
fn lines(ui: &mut Ui, name: &str, texts: &mut Vec<String>) {
    let id = field(ui, name, "Every line is one text, of which one is drawn each time.");
    let mut whole = texts.join("\n");
    let edit = egui::TextEdit::multiline(&mut whole).desired_rows(2).desired_width(f32::INFINITY);
    if ui.add(edit).labelled_by(id).changed() {
        *texts = whole.split('\n').map(str::to_owned).collect();
    }
    ui.add_space(theme::TIGHT);
}

/// A small field.
fn one(ui: &mut Ui, (name, hint): (&str, &str), value: DragValue<'_>) {
    let id = field(ui, name, hint);
    ui.add_sized([96.0, theme::CONTROL], value).labelled_by(id);
    ui.add_space(theme::TIGHT);
}

/// Two small fields beside each other.
fn pair(
    ui: &mut Ui,
    left: (&str, &str),
    left_value: DragValue<'_>,
    right: (&str, &str),
    right_value: DragValue<'_>,
) {
    ui.horizontal_top(|ui| {
        let width = (ui.available_width() - theme::PAD) / 2.0;
        for ((name, hint), value) in [(left, left_value), (right, right_value)] {
            ui.vertical(|ui| {
                ui.set_width(width);
                let id = field(ui, name, hint);
                ui.add_sized([96.0, theme::CONTROL], value).labelled_by(id);
                ui.add_space(theme::TIGHT);
            });
        }
    });
}

fn named(response: &egui::Response, name: &str) {
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
}

fn weighing(way: Normalisation) -> &'static str {
    match way {
        Normalisation::PerSet => "the paper's equation: α to 1 − α",
        Normalisation::TokenMean => "the authors' code: one mean over all tokens",
    }
}

fn spread(shape: DepthShape) -> &'static str {
    match shape {
        DepthShape::Paper => "the paper's: 0, or uniform up to C",
        DepthShape::Uniform => "uniform from 0 to C",
        DepthShape::Geometric => "mostly shallow (geometric)",
        DepthShape::Fixed => "always C",
        DepthShape::Drawn => "drawn by hand, in the spec's file",
    }
}

fn course(way: Schedule) -> &'static str {
    match way {
        Schedule::Constant => "stays",
        Schedule::Linear => "falls in a straight line to 0",
        Schedule::Cosine => "falls in half a cosine to 5 %",
    }
}
