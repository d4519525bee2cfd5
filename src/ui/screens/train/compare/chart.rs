//! The curves of some runs over each other.

use super::{Steps, names};
use crate::project::{LoggedStep, ModelRole, RunInfo};
use crate::report::{Chart, Hue, Series};
use crate::ui::theme;
use crate::ui::widgets::{Tone, notice, show_chart};
use eframe::egui::Ui;
use std::collections::BTreeMap;

/// What is drawn of a step.
type Value = fn(&LoggedStep) -> Option<f64>;

/// Each chart's id, question, whose loss it is, meaning, and what it draws.
const CHARTS: [(&str, &str, &str, &str, Value); 3] = [
    (
        "compare loss",
        "Which run learns faster?",
        "loss: the objective of each run",
        "The objective of each run, by step. Only runs with the same goal can be compared: the constrained objective counts \
         otherwise than cross-entropy.",
        |step| Some(step.loss),
    ),
    (
        "compare recovery",
        "Which run learns to recover faster?",
        "loss of refusals alone",
        "How surprised each model is by the refusals that it should give after a harmful beginning. Lower is less surprised.",
        |step| step.recovery_loss,
    ),
    (
        "compare anchor",
        "Which run keeps harmless answers better?",
        "loss of the anchor alone",
        "How surprised each model is by the harmless answers of the anchor. A line that climbs means that the model forgets them.",
        |step| step.anchor_loss,
    ),
];

/// Colours that are told apart; a line takes that of its place.
const HUES: [Hue; super::MOST] = [
    Hue::Role(ModelRole::Aligned),
    Hue::Role(ModelRole::Attacked),
    Hue::Role(ModelRole::Deepened),
    Hue::Role(ModelRole::Constrained),
    Hue::Ink,
];

/// Draws what the runs have.
pub(super) fn show(ui: &mut Ui, runs: &[&RunInfo], curves: &BTreeMap<String, Steps>) {
    let names = names(runs);
    for (run, name) in runs.iter().zip(&names) {
        match curves.get(&run.id) {
            Some(Err(why)) => notice(ui, Tone::Error, &format!("{name}: {why}")),
            Some(Ok(steps)) if steps.is_empty() => {
                notice(ui, Tone::Plain, &format!("{name} has no step: it ended before it began to train."));
            }
            None => {
                let text = format!("Reading the steps of {name}…");
                ui.label(theme::small(text).color(theme::palette(ui).weak));
            }
            Some(Ok(_)) => {}
        }
    }
    for (id, question, note, meaning, value) in CHARTS {
        let series: Vec<Series> = runs
            .iter()
            .zip(&names)
            .zip(HUES)
            .filter_map(|((run, name), hue)| {
                let Some(Ok(steps)) = curves.get(&run.id) else { return None };
                let line = line(name, hue, steps, value);
                (!line.is_empty()).then_some(line)
            })
            .collect();
        if series.is_empty() {
            continue;
        }
        let chart = Chart {
            id: id.into(),
            question: question.into(),
            x: "training step".into(),
            y: "loss (nats per token)".into(),
            note: note.into(),
            meaning: meaning.into(),
            series: series.into(),
            ..Chart::default()
        };
        show_chart(ui, &chart, 160.0);
        ui.add_space(theme::GROUP);
    }
}

fn line(name: &str, hue: Hue, steps: &[LoggedStep], value: Value) -> Series {
    let points = steps.iter().filter_map(|step| {
        let y = value(step).filter(|y| y.is_finite())?;
        Some([step.step as f64, y])
    });
    Series { points: points.collect(), ..Series::plain(name, hue) }
}
