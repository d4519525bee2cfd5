//! One job: what it is, how far it is, how it ended, and where its result is.

use super::{Tone, card, chip, command_button, notice};
use crate::ui::app::{Command, JobCommand, JobState, JobView};
use crate::ui::theme;
use eframe::egui::{self, Align, CornerRadius, Layout, RichText, Sense, Ui, Vec2};

/// A thin bar with the share done.
pub fn progress_line(ui: &mut Ui, name: &str, share: f32, width: f32) {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(width, 6.0), Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(
            egui::Role::ProgressIndicator,
            true,
            format!("{name}: {:.0} % done", share * 100.0),
        )
    });
    let radius = CornerRadius::same(3);
    ui.painter().rect_filled(rect, radius, p.raised);
    let mut done = rect;
    done.set_width(rect.width() * share.clamp(0.0, 1.0));
    ui.painter().rect_filled(done, radius, p.accent);
}

/// A running job's bar with its stop button.
pub fn progress_with_stop(ui: &mut Ui, job: &JobView, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            stop_and_pause(ui, job, commands);
            ui.add_space(theme::GAP);
            let share = job.progress.as_ref().map_or(0.0, crate::ui::app::Progress::share);
            progress_line(ui, &job.title, share, ui.available_width());
        });
    });
}

/// The buttons of a job that has not ended, the last one first: drawn from the right.
fn stop_and_pause(ui: &mut Ui, job: &JobView, commands: &mut Vec<Command>) {
    let pause = job.can_pause().then_some(JobCommand::Pause(job.id, !job.paused));
    for command in std::iter::once(JobCommand::Stop(job.id)).chain(pause) {
        if command_button(ui, &command, None) {
            commands.push(command.into());
        }
    }
}

/// A job's card.
pub fn job_card(ui: &mut Ui, job: &JobView, commands: &mut Vec<Command>) {
    let p = theme::palette(ui);
    card(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(theme::strong(&job.title));
            let (word, colour) = match &job.state {
                JobState::Waiting => ("Waiting", p.weak),
                JobState::Running if job.paused => ("Paused", p.warning),
                JobState::Running => ("Running", p.accent),
                JobState::Done(_) => ("Done", p.good),
                JobState::Stopped(_) => ("Stopped", p.warning),
                JobState::Failed(_) => ("Failed", p.error),
            };
            chip(ui, word, colour);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if job.is_open() {
                    stop_and_pause(ui, job, commands);
                } else if job.can_go_on() {
                    command_button(ui, &JobCommand::Resume(job.id), None)
                        .then(|| commands.push(JobCommand::Resume(job.id).into()));
                } else if matches!(job.state, JobState::Done(_) | JobState::Stopped(_))
                    && job.folder.is_some()
                {
                    command_button(ui, &JobCommand::OpenResult(job.id), None)
                        .then(|| commands.push(JobCommand::OpenResult(job.id).into()));
                }
            });
        });
        if let Some(progress) = &job.progress {
            if job.is_open() {
                progress_line(ui, &job.title, progress.share(), ui.available_width());
            }
            ui.label(theme::small(progress.text()).color(p.weak));
        } else if job.state == JobState::Waiting {
            ui.label(theme::small("Starts when the job before it has ended.").color(p.weak));
        }
        match &job.state {
            JobState::Done(message) => notice(ui, Tone::Good, message),
            JobState::Stopped(message) => notice(ui, Tone::Warning, message),
            JobState::Failed(message) => notice(ui, Tone::Error, message),
            JobState::Waiting | JobState::Running => {}
        }
        if let Some(folder) = &job.folder {
            ui.add(
                egui::Label::new(
                    RichText::new(folder.display().to_string()).size(theme::SMALL).color(p.weak),
                )
                .truncate(),
            );
        }
        if !job.log.is_empty() {
            egui::CollapsingHeader::new(theme::small(format!("Messages ({})", job.log.len())))
                .id_salt(("messages", job.id))
                .show(ui, |ui| {
                    egui::ScrollArea::vertical().max_height(140.0).stick_to_bottom(true).show_rows(
                        ui,
                        18.0,
                        job.log.len(),
                        |ui, rows| {
                            for line in &job.log[rows] {
                                ui.add(egui::Label::new(RichText::new(line).monospace()).truncate());
                            }
                        },
                    );
                });
        }
    });
}
