//! What runs in the background, what has ended, and what broke off on an earlier day.

use crate::ui::app::{AppCommand, Command, JobCommand, JobView, Screen, View};
use crate::ui::theme;
use crate::ui::widgets::{card, command_button, empty_state, job_card, screen_title, section};
use eframe::egui::{Align, Label, Layout, ScrollArea, Ui};
use egui_material_icons::icons;

/// Draws the jobs, newest first.
pub fn show_jobs(ui: &mut Ui, view: &mut View<'_>) {
    screen_title(
        ui,
        "Jobs",
        "Training, evaluation and writing run here, one after the other, while you go on working.",
    );
    let earlier = unfinished(view);
    if view.jobs.all().is_empty() && earlier.is_empty() {
        if empty_state(
            ui,
            icons::ICON_PENDING_ACTIONS,
            "Nothing has run in this window yet",
            "What you let train, evaluate or write in this window is listed here with its progress and its result.",
            Some("Go to training"),
        ) {
            view.send(AppCommand::Show(Screen::Train));
        }
        return;
    }
    ScrollArea::vertical().id_salt("jobs").auto_shrink(false).show(ui, |ui| {
        for job in view.jobs.all().iter().rev() {
            job_card(ui, job, view.commands);
            ui.add_space(theme::TIGHT);
        }
        if !earlier.is_empty() {
            card(ui, |ui| from_earlier(ui, view, earlier));
        }
    });
}

/// Runs and evaluations of this project that did not come to their end and that no job of this window is about: id
/// and how they ended, newest first.
fn unfinished(view: &View<'_>) -> Vec<(String, String)> {
    let known = |id: &str| view.jobs.all().iter().any(|job| JobView::result_id(job).as_deref() == Some(id));
    let runs = view.project.runs.iter().map(|run| (&run.id, &run.manifest.ended));
    let evaluations = view.project.evaluations.iter().map(|e| (&e.id, &e.manifest.ended));
    let mut all: Vec<(String, String)> = runs
        .chain(evaluations)
        .filter(|(id, ended)| *ended != "done" && !known(id))
        .map(|(id, ended)| (id.clone(), ended.clone()))
        .collect();
    all.sort_by(|a, b| b.0.cmp(&a.0));
    all
}

fn from_earlier(ui: &mut Ui, view: &mut View<'_>, earlier: Vec<(String, String)>) {
    let p = theme::palette(ui);
    section(ui, "Not finished on an earlier day");
    let read_only = view.read_only();
    for (id, ended) in earlier {
        ui.horizontal(|ui| {
            ui.label(theme::strong(&id));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let resume = Command::from(JobCommand::ResumeFolder(id.clone()));
                if command_button(ui, &resume, read_only) {
                    view.send(resume);
                }
                // A window that was killed had no time to write down how the job ended.
                let how = if ended == "running" { "cut off" } else { ended.as_str() };
                ui.add(Label::new(theme::small(how).color(p.weak)).truncate());
            });
        });
    }
}
