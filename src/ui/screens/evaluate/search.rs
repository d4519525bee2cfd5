//! A search for a suffix, while it goes on.

use crate::evaluate::GcgLine;
use crate::report::{Chart, Hue, Series};
use crate::ui::theme;
use crate::ui::widgets::show_chart;
use eframe::egui::{Label, RichText, Ui};

/// Draws the loss of each step, and the suffix as it now is.
pub fn show(ui: &mut Ui, steps: &[GcgLine]) {
    let Some(last) = steps.last() else { return };
    let p = theme::palette(ui);
    let (mut loss, mut best) =
        (Series::plain("this step", Hue::Ink).faint(), Series::plain("best so far", Hue::Accent));
    for step in steps {
        loss.push(step.step as f64, f64::from(step.loss));
        best.push(step.step as f64, f64::from(step.best));
    }
    let whose = if last.prompt_id.is_empty() { "all requests".to_owned() } else { last.prompt_id.clone() };
    let chart = Chart {
        id: "suffix search".into(),
        question: "How close is the suffix to making the model comply?".into(),
        x: "step of the search".into(),
        y: "loss (nats per token)".into(),
        meaning: "The loss says how unlikely the first words of a harmful answer still are after the request with the suffix. \
                  When it comes near 0, the model will begin to answer instead of refusing."
            .into(),
        note: format!("{} · {whose} · step {}", last.model, last.step).into(),
        series: vec![loss, best].into(),
        ..Chart::default()
    };
    show_chart(ui, &chart, 180.0);
    ui.label(theme::small("The suffix now").color(p.weak));
    ui.add(Label::new(RichText::new(last.suffix.trim()).monospace()).wrap());
    ui.add_space(theme::PAD);
}
