//! The evaluation that is running or failed last, above the form.

use crate::evaluate::GcgLine;
use crate::report::{Chart, Hue, Series};
use crate::ui::app::{JobState, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, notice, progress_with_stop, show_chart};
use eframe::egui::{self, Label, RichText, Ui};

/// Draws it.
pub fn show(ui: &mut Ui, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let Some(job) = view.jobs.newest_evaluation() else { return };
    match &job.state {
        JobState::Waiting | JobState::Running => {
            card(ui, |ui| {
                ui.label(theme::strong(&job.title));
                progress_with_stop(ui, job, view.commands);
                let text = match &job.progress {
                    Some(progress) => progress.text(),
                    None if job.state == JobState::Waiting => "Waiting for the job before it.".to_owned(),
                    None => "Loading the models…".to_owned(),
                };
                ui.label(theme::small(text).color(p.weak));
                if !job.search.is_empty() {
                    egui::CollapsingHeader::new(theme::small("The search for a suffix"))
                        .id_salt("suffix search")
                        .show_unindented(ui, |ui| search(ui, &job.search));
                }
            });
            ui.add_space(theme::PAD);
        }
        JobState::Failed(message) => notice(ui, Tone::Error, message),
        JobState::Stopped(message) => notice(ui, Tone::Warning, message),
        JobState::Done(_) => {}
    }
}

/// The loss of each step, and the suffix as it now is.
fn search(ui: &mut Ui, steps: &[GcgLine]) {
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
    show_chart(ui, &chart, 120.0);
    ui.label(theme::small("The suffix now").color(p.weak));
    ui.add(Label::new(RichText::new(last.suffix.trim()).monospace()).wrap());
    ui.add_space(theme::PAD);
}
