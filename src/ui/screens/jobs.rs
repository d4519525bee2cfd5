//! What runs in the background, and what has ended.

use crate::ui::app::{Command, Screen, View};
use crate::ui::theme;
use crate::ui::widgets::{empty_state, job_card, screen_title};
use eframe::egui::{ScrollArea, Ui};
use egui_material_icons::icons;

/// Draws the jobs, newest first.
pub fn show_jobs(ui: &mut Ui, view: &mut View<'_>) {
    screen_title(
        ui,
        "Jobs",
        "Training and evaluation run here, one after the other, while you go on working.",
    );
    if view.jobs.all().is_empty() {
        if empty_state(
            ui,
            icons::ICON_PENDING_ACTIONS,
            "Nothing has run yet",
            "Every training run and every evaluation that you start in this window is listed here with its progress and its result.",
            Some("Go to training"),
        ) {
            view.commands.push(Command::Show(Screen::Train));
        }
        return;
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for job in view.jobs.all().iter().rev() {
            job_card(ui, job, view.commands);
            ui.add_space(theme::TIGHT);
        }
    });
}
