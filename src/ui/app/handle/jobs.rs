//! Commands about jobs.

use crate::job::{JobId, JobSpec, ResumeSpec};
use crate::ui::app::{App, EvaluateTab, GoingOn, JobCommand, JobView, Opening, Product, Screen};
use crate::ui::widgets::Parcel;

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
                if let Some(GoingOn { run, job, .. }) = self.going_on.take() {
                    self.resume(run, job);
                }
            }
            JobCommand::KeepAnswers => self.going_on = None,
            JobCommand::OpenResult(id) => self.open_result(id),
        }
    }

    /// Goes on with a run or an evaluation. Where its judges are on other machines, consent is asked for first: the spec may
    /// be a stranger's.
    fn go_on(&mut self, run: String, job: Option<JobId>) {
        let parcels = self.leaving(&run);
        if parcels.is_empty() {
            self.resume(run, job);
        } else {
            self.going_on = Some(GoingOn { run, job, parcels });
        }
    }

    fn resume(&mut self, run: String, job: Option<JobId>) {
        if let Some(id) = job {
            self.jobs.gone_on(id);
        }
        self.submit(JobSpec::Resume(ResumeSpec { run }));
    }

    /// What an evaluation sends to other machines, when it goes on.
    fn leaving(&self, run: &str) -> Vec<Parcel> {
        let Opening::Open(project) = &self.opening else { return Vec::new() };
        let Some(info) = project.evaluations.iter().find(|info| info.id == run) else { return Vec::new() };
        let spec = &info.spec;
        let count =
            |id: &String| project.datasets.iter().find(|set| &set.id == id).map_or(0, |set| set.count);
        let limit = spec.limit.unwrap_or(usize::MAX);
        let prompts: usize = spec.prompts.iter().map(|id| count(id).min(limit)).sum();
        let each: usize = spec.attacks.iter().map(|attack| spec.answers_to(attack, prompts)).sum();
        let parcel = |judge: String, host: String, answers: usize| Parcel {
            judge,
            host,
            answers,
            known: 0,
            tokens: None,
            price: None,
        };
        let judges = spec.judges.iter().filter_map(|judge| {
            Some(parcel(judge.name(), judge.leaves_machine()?, each * spec.models.len()))
        });
        let asker =
            spec.preference.iter().filter(|endpoint| !endpoint.is_on_this_machine()).map(|endpoint| {
                let tasks = spec.utility.as_ref().map_or(0, count);
                parcel(endpoint.model.clone(), endpoint.host().unwrap_or_default(), tasks * spec.models.len())
            });
        judges.chain(asker).collect()
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
