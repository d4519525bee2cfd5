//! The settings in which some runs differ, as a table.

use super::names;
use crate::project::RunInfo;
use crate::train::{TrainSpec, differences};
use crate::ui::theme;
use crate::ui::widgets::section;
use eframe::egui::{self, Label, Ui};
use egui_extras::{Column, TableBuilder};

/// Settings by their words on the form; others go by their names in the spec's file.
const WORDS: [(&str, &str); 32] = [
    ("name", "name of the new model"),
    ("model", "started from"),
    ("data", "data"),
    ("anchor", "anchor"),
    ("recipe", "goal"),
    ("alpha", "share of recovery (α)"),
    ("normalisation", "how the sets are weighed"),
    ("depths.shape", "how cuts are spread"),
    ("depths.max", "longest prefix (C)"),
    ("depths.p_zero", "probability of k = 0"),
    ("depths.mean", "mean cut"),
    ("recovery_points", "cuts of an example in a pass"),
    ("hardest_of", "take the hardest of"),
    ("beta.first", "β of token 1"),
    ("beta.early", "β of the early tokens"),
    ("beta.early_until", "last early token"),
    ("beta.tail", "β of later tokens"),
    ("beta.drawn", "β as painted"),
    ("learning_rate", "learning rate"),
    ("warmup_steps", "warm-up steps"),
    ("schedule", "learning rate afterwards"),
    ("epochs", "passes over the data"),
    ("max_steps", "step limit"),
    ("batch", "examples in a step"),
    ("anchor_batch", "anchor examples in a step"),
    ("clip", "clip gradients at"),
    ("seed", "seed"),
    ("max_tokens", "longest row"),
    ("adam_beta1", "AdamW β1"),
    ("adam_beta2", "AdamW β2"),
    ("weight_decay", "weight decay"),
    ("lora.rank", "rank of the adapter"),
];

fn words(path: &str) -> &str {
    WORDS.iter().find(|(known, _)| *known == path).map_or(path, |(_, words)| words)
}

/// A value in the words of the form.
fn value_words<'a>(path: &str, value: &'a str) -> &'a str {
    match (path, value) {
        (_, "") => "–",
        ("recipe", "recovery") => "recovery augmentation",
        ("recipe", "constrained") => "constrained fine-tuning",
        ("recipe", "sft") => "plain fine-tuning",
        _ => value,
    }
}

/// Draws the table.
pub(super) fn show(ui: &mut Ui, runs: &[&RunInfo]) {
    let p = theme::palette(ui);
    section(ui, "In which settings do they differ?");
    let specs: Vec<&TrainSpec> = runs.iter().map(|run| &run.spec).collect();
    let mut found = differences(&specs);
    // It says the name again.
    found.retain(|difference| difference.path != "title");
    if found.is_empty() {
        ui.label(theme::small("In none: the runs were asked for with the same settings.").color(p.weak));
        return;
    }
    let names = names(runs);
    let width = ((ui.available_width() - 150.0) / names.len() as f32 - theme::GAP).max(72.0);
    egui::ScrollArea::horizontal().id_salt("differences").show(ui, |ui| {
        TableBuilder::new(ui)
            .id_salt("settings that differ")
            .vscroll(false)
            .column(Column::exact(142.0).clip(true))
            .columns(Column::exact(width).clip(true), names.len())
            .header(26.0, |mut row| {
                row.col(|ui| {
                    ui.label(theme::label("setting"));
                });
                for name in &names {
                    row.col(|ui| {
                        ui.add(Label::new(theme::label(name)).truncate()).on_hover_text(name);
                    });
                }
            })
            .body(|body| {
                body.rows(24.0, found.len(), |mut row| {
                    let difference = &found[row.index()];
                    row.col(|ui| {
                        let words = words(&difference.path);
                        ui.add(Label::new(theme::small(words)).truncate()).on_hover_text(&difference.path);
                    });
                    for value in &difference.values {
                        row.col(|ui| {
                            let shown = value_words(&difference.path, value);
                            ui.add(Label::new(theme::small(shown)).truncate()).on_hover_text(shown);
                        });
                    }
                });
            });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{LoraSpec, Recipe};

    /// A word for a setting that no spec has would never be read.
    #[test]
    fn every_word_belongs_to_a_setting() {
        let full = TrainSpec {
            name: "a".into(),
            anchor: Some("a".into()),
            max_steps: Some(1),
            lora: Some(LoraSpec::default()),
            ..TrainSpec::preset(Recipe::Constrained)
        };
        let mut full = TrainSpec { title: "t".into(), model: "m".into(), data: "d".into(), ..full };
        full.beta.drawn = vec![1.0];
        let text = toml::to_string(&full).unwrap();
        for (path, _) in WORDS {
            let last = path.rsplit('.').next().unwrap();
            assert!(text.lines().any(|line| line.starts_with(&format!("{last} = "))), "{path}: {text}");
        }
    }
}
