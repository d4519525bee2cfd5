//! The settings that most people leave alone.

use crate::train::{Normalisation, Recipe, Schedule, TrainSpec};
use crate::ui::theme;
use crate::ui::widgets::{combo_box, field};
use eframe::egui::{self, DragValue, Ui};

/// Draws them, closed until somebody opens them.
pub fn show(ui: &mut Ui, spec: &mut TrainSpec) {
    egui::CollapsingHeader::new("Advanced").id_salt("advanced").show_unindented(ui, |ui| {
        if spec.recipe == Recipe::Recovery {
            pair(
                ui,
                ("Share of recovery (α)", "How much the recovery examples weigh against the anchor."),
                DragValue::new(&mut spec.alpha).range(0.0..=1.0).speed(0.01),
                ("Longest prefix (C)", "The deepest cut, in tokens."),
                DragValue::new(&mut spec.depths.max).range(0..=2000),
            );
            let id = field(
                ui,
                "Probability of k = 0",
                "How often the model refuses at once, without a harmful prefix.",
            );
            ui.add_sized(
                [96.0, theme::CONTROL],
                DragValue::new(&mut spec.depths.p_zero).range(0.0..=1.0).speed(0.01),
            )
            .labelled_by(id);
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
            pair(
                ui,
                ("Protect token 1 (β)", "Larger values hold the token closer to the original model."),
                DragValue::new(&mut spec.beta.first).range(0.0..=100.0).speed(0.05),
                ("Protect tokens 2–5 (β)", "Larger values hold the tokens closer to the original model."),
                DragValue::new(&mut spec.beta.early).range(0.0..=100.0).speed(0.05),
            );
            let id = field(ui, "Protect later tokens (β)", "The paper leaves them almost free.");
            ui.add_sized(
                [96.0, theme::CONTROL],
                DragValue::new(&mut spec.beta.tail).range(0.0..=100.0).speed(0.01),
            )
            .labelled_by(id);
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

fn course(way: Schedule) -> &'static str {
    match way {
        Schedule::Constant => "stays",
        Schedule::Linear => "falls in a straight line to 0",
        Schedule::Cosine => "falls in half a cosine to 5 %",
    }
}
