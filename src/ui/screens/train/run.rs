//! The newest training run: its loss, its progress, how it ended and what comes next.

use crate::job::AsrPoint;
use crate::project::ModelRole;
use crate::report::{Chart, Scale, Series};
use crate::train::DynamicsPoint;
use crate::ui::app::{Command, EvaluateCommand, JobState, JobView, Product, View};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, card, empty_state, notice, primary_button, progress_with_stop, section, show_chart, show_loss,
};
use eframe::egui::Ui;
use egui_material_icons::icons;

/// Draws it.
pub(super) fn show(ui: &mut Ui, view: &mut View<'_>) {
    let Some(job) = view.jobs.newest_training() else {
        card(ui, |ui| {
            empty_state(
                ui,
                icons::ICON_MONITORING,
                "The run will appear here",
                "While the model trains you see its loss, its speed and the time left, and can stop it. The window stays free.",
                None,
            );
        });
        return;
    };
    card(ui, |ui| run(ui, job, view.commands));
}

fn run(ui: &mut Ui, job: &JobView, commands: &mut Vec<Command>) {
    let p = theme::palette(ui);
    section(ui, &job.title);
    if job.is_open() {
        progress_with_stop(ui, job, commands);
    }
    let text = match (&job.progress, &job.state) {
        (_, JobState::Waiting) => "Waiting for the job before it.".to_owned(),
        (Some(progress), _) => progress.text(),
        (None, _) => "Loading the model and the data…".to_owned(),
    };
    if job.is_open() || job.progress.is_some() {
        ui.label(theme::small(text).color(p.weak));
    }
    match &job.state {
        JobState::Done(message) => notice(ui, Tone::Good, message),
        JobState::Stopped(message) => notice(ui, Tone::Warning, message),
        JobState::Failed(message) => notice(ui, Tone::Error, message),
        JobState::Waiting | JobState::Running => {}
    }
    if let (JobState::Done(_), Product::Model(model)) = (&job.state, &job.product) {
        let button = primary_button(ui, icons::ICON_ARROW_FORWARD, "Evaluate it", None);
        if button.on_hover_text("Measures how safe the new model is beside the one it came from.").clicked() {
            commands.push(EvaluateCommand::Model(model.clone()).into());
        }
        ui.add_space(theme::GAP);
    }
    if !job.asked.is_empty() {
        asked(ui, &job.asked);
        ui.add_space(theme::GROUP);
    }
    let series: Vec<_> = job.loss.iter().filter(|line| !line.is_empty()).cloned().collect();
    if !series.is_empty() {
        show_loss(ui, &series, 168.0);
    }
    if let Some(chart) = by_position(&job.dynamics) {
        ui.add_space(theme::GROUP);
        show_chart(ui, &chart, 168.0);
    }
    for (gauge, (id, question, meaning)) in job.gauges.iter().zip(GAUGES) {
        if gauge.is_empty() {
            continue;
        }
        ui.add_space(theme::GROUP);
        let chart = Chart {
            id: id.into(),
            question: question.into(),
            x: "training step".into(),
            y: gauge.name.as_str().into(),
            meaning: meaning.into(),
            series: std::slice::from_ref(gauge).into(),
            ..Chart::default()
        };
        show_chart(ui, &chart, 112.0);
    }
}

/// What is asked of each of [`JobView::gauges`], and what it means.
const GAUGES: [(&str, &str, &str); 3] = [
    (
        "learning rate",
        "How large are the steps?",
        "The learning rate rises over the warm-up, so that the first steps do not throw the model off. What it does afterwards \
         is set under Advanced.",
    ),
    (
        "gradient norm",
        "How hard do the data pull?",
        "The norm of the gradient before clipping: the pull of all rows of a step together. A line that climbs for long means \
         that training is about to break.",
    ),
    (
        "speed",
        "How fast does it train?",
        "Tokens that go through the model in a second, context included. Other programs slow it down.",
    ),
];

/// The loss at each answer position: before training, half way, and after the last measurement.
fn by_position(points: &[DynamicsPoint]) -> Option<Chart<'static>> {
    let (first, last) = (points.first()?, points.last()?);
    let mut shown = vec![(first, ModelRole::Base)];
    if let Some(middle) = points.get(points.len() / 2).filter(|_| points.len() > 2) {
        shown.push((middle, ModelRole::Other));
    }
    if last.step > first.step {
        shown.push((last, ModelRole::Deepened));
    }
    let series = shown.into_iter().map(|(point, role)| {
        let name =
            if point.step == 0 { "before training".to_owned() } else { format!("after step {}", point.step) };
        let line = point.cross_entropy.iter().enumerate().map(|(i, loss)| [(i + 1) as f64, *loss]).collect();
        Series::of_role(name, role, line)
    });
    Some(Chart {
        id: "loss by position".into(),
        question: "At which answer tokens does it change?".into(),
        x: "answer token".into(),
        y: "loss (nats)".into(),
        meaning: "How surprised the model is by each token of some answers of the data set, by its position; of a recovery set \
                  these are the harmful answers. Fine-tuning moves the first tokens most, and there the safety of a shallow \
                  model stands."
            .into(),
        note: format!("n = {} answers at token 1", first.n.first().copied().unwrap_or_default()).into(),
        series: series.collect(),
        ..Chart::default()
    })
}

/// How often the model in training answers forbidden requests, by step, one line for each way of asking.
fn asked(ui: &mut Ui, points: &[AsrPoint]) {
    let mut ways: Vec<&str> = Vec::new();
    for point in points {
        if !ways.contains(&point.asked()) {
            ways.push(point.asked());
        }
    }
    let roles = [ModelRole::Attacked, ModelRole::Aligned, ModelRole::Deepened];
    let series: Vec<Series> = ways
        .iter()
        .zip(roles.iter().cycle())
        .map(|(way, role)| {
            let own: Vec<&AsrPoint> = points.iter().filter(|point| point.asked() == *way).collect();
            let name = match *way {
                "plain" => "asked plainly".to_owned(),
                "as the attacker asks" => (*way).to_owned(),
                setting => format!("prefilled, {}", setting.replace('=', " = ")),
            };
            let whiskers = own.iter().map(|point| (point.row.rate.low, point.row.rate.high)).collect();
            let line = own.iter().map(|point| [point.step as f64, point.row.rate.value()]).collect();
            Series::of_role(name, *role, line).with_whiskers(whiskers)
        })
        .collect();
    let row = &points[0].row;
    let note = format!("n = {} requests · {} judge · whiskers are 95 % intervals", row.rate.n, row.judge);
    let chart = Chart {
        id: "asked".into(),
        question: "How often does it answer forbidden requests?".into(),
        x: "training step".into(),
        y: "share of harmful answers".into(),
        meaning: "While the model trains it is asked some forbidden requests now and then. A line that climbs means that \
                  its refusals give way."
            .into(),
        note: note.into(),
        scale: Scale::Percent,
        series: series.into(),
        ..Chart::default()
    };
    show_chart(ui, &chart, 168.0);
}
