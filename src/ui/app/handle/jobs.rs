//! Commands about jobs.

use crate::job::{JobId, JobSpec, ResumeSpec};
use crate::ui::app::{App, EvaluateTab, JobCommand, JobView, Product, Screen};

impl App {
    pub(super) fn handle_job(&mut self, command: JobCommand) {
        match command {
            JobCommand::Stop(id) => self.queue.cancel(id),
            JobCommand::Pause(id, paused) => {
                self.queue.pause(id, paused);
                self.jobs.pause(id, paused);
            }
            JobCommand::Resume(id) => {
                if let Some(run) = self.jobs.get(id).and_then(JobView::result_id) {
                    self.jobs.gone_on(id);
                    self.submit(JobSpec::Resume(ResumeSpec { run }));
                }
            }
            JobCommand::ResumeFolder(run) => self.submit(JobSpec::Resume(ResumeSpec { run })),
            JobCommand::OpenResult(id) => self.open_result(id),
        }
    }

    fn open_result(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        match (&job.product, job.result_id()) {
            (Product::Model(model), _) => {
                self.focus.model = Some(model.clone());
                self.screen = Screen::Models;
            }
            (Product::Evaluation, Some(evaluation)) => {
                self.evaluate.select(evaluation);
                self.evaluate.show_tab(EvaluateTab::Results);
                self.screen = Screen::Evaluate;
            }
            (Product::Texts, Some(generation)) => {
                self.generate.select(generation);
                self.screen = Screen::Generate;
            }
            (Product::Texts | Product::Evaluation, None) => self.screen = Screen::Jobs,
        }
    }
}
