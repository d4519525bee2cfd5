//! Commands about jobs.

use crate::job::{JobId, JobSpec, ResumeSpec};
use crate::ui::app::leaving::{Leaving, Waiting, parcels};
use crate::ui::app::{App, EvaluateTab, JobCommand, JobView, Opening, Product, Screen};

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
                    self.go_on(run, Some(id));
                }
            }
            JobCommand::ResumeFolder(run) => self.go_on(run, None),
            JobCommand::SendAndGoOn => {
                if let Some(Leaving { what: Waiting::GoOn(run, job), .. }) = self.leaving.take() {
                    self.resume(run, job);
                }
            }
            JobCommand::KeepAnswers => self.leaving = None,
            JobCommand::OpenResult(id) => self.open_result(id),
        }
    }

    /// Goes on with a run or an evaluation. Where its judges are on other machines, consent is asked for first: the spec may
    /// be a stranger's.
    fn go_on(&mut self, run: String, job: Option<JobId>) {
        let parcels = match &self.opening {
            Opening::Open(project) => {
                let info = project.evaluations.iter().find(|info| info.id == run);
                info.map_or_else(Vec::new, |info| parcels(&info.spec, project))
            }
            _ => Vec::new(),
        };
        if parcels.is_empty() {
            self.resume(run, job);
        } else {
            self.leaving = Some(Leaving { what: Waiting::GoOn(run, job), parcels });
        }
    }

    fn resume(&mut self, run: String, job: Option<JobId>) {
        if let Some(id) = job {
            self.jobs.gone_on(id);
        }
        self.submit(JobSpec::Resume(ResumeSpec { run }));
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
