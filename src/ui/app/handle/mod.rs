//! What each command does: one file for each screen.

mod application;
mod data;
mod evaluate;
mod exchange;
mod generate;
mod inspect;
mod jobs;
mod judging;
mod models;
mod report;
mod train;

use super::{App, Command, JobView, Opening};
use crate::job::JobSpec;
use eframe::egui;

impl App {
    pub(super) fn handle(&mut self, ctx: &egui::Context, command: Command) {
        log::debug!(target: "command", "{command:?}");
        match command {
            Command::App(command) => self.handle_app(ctx, command),
            Command::Data(command) => self.handle_data(ctx, command),
            Command::Exchange(command) => self.handle_exchange(command),
            Command::Generate(command) => self.handle_generate(command),
            Command::Models(command) => self.handle_models(command),
            Command::Train(command) => self.handle_train(command),
            Command::Evaluate(command) => self.handle_evaluate(command),
            Command::Judging(command) => self.handle_judging(command),
            Command::Inspect(command) => self.handle_inspect(command),
            Command::Report(command) => self.handle_report(command),
            Command::Job(command) => self.handle_job(command),
        }
    }

    /// Puts a job of the open project into the queue.
    fn submit(&mut self, spec: JobSpec) {
        if let Opening::Open(project) = &self.opening {
            let id = self.queue.submit(project.root.clone(), spec.clone());
            self.jobs.add(JobView::new(id, &spec));
        }
    }
}
