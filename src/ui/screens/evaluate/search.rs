//! A search for a suffix, while it goes on.

use crate::evaluate::GcgLine;
use crate::ui::theme;
use crate::ui::widgets::{Chart, Series};
use eframe::egui::{Label, RichText, Ui};

/// Draws the loss of each step, and the suffix as it now is.
pub fn show(ui: &mut Ui, steps: &[GcgLine]) {
    let Some(last) = steps.last() else { return };
    let p = theme::palette(ui);
    let (mut loss, mut best) =
        (Series::plain("this step", None).faint(), Series::plain("best so far", Some(p.accent)));
    for step in steps {
        loss.push(step.step as f64, f64::from(step.loss));
        best.push(step.step as f64, f64::from(step.best));
    }
    let whose = if last.prompt_id.is_empty() { "all requests".to_owned() } else { last.prompt_id.clone() };
    Chart {
        id: "suffix search",
        question: "How close is the suffix to making the model comply?",
        x: "step of the search",
        y: "loss (nats per token)",
        meaning: "The loss says how unlikely the first words of a harmful answer still are after the request with the suffix. \
                  When it comes near 0, the model will begin to answer instead of refusing.",
        note: &format!("{} · {whose} · step {}", last.model, last.step),
        height: 180.0,
        percent: false,
        ticks: &[],
    }
    .show(ui, &[loss, best]);
    ui.label(theme::small("The suffix now").color(p.weak));
    ui.add(Label::new(RichText::new(last.suffix.trim()).monospace()).wrap());
    ui.add_space(theme::PAD);
}
