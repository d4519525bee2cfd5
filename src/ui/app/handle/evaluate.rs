//! The Evaluate screen's commands.

use crate::evaluate::EvaluateSpec;
use crate::job::JobSpec;
use crate::ui::app::leaving::{Leaving, Waiting, parcels};
use crate::ui::app::{App, EvaluateCommand, EvaluateRequest, EvaluateTab, Opening, Request, Screen};

impl App {
    pub(super) fn handle_evaluate(&mut self, command: EvaluateCommand) {
        match command {
            EvaluateCommand::Start => self.start_evaluation(),
            EvaluateCommand::Send => {
                if let Some(Leaving { what: Waiting::Start(spec), .. }) = self.leaving.take() {
                    self.evaluate(*spec);
                }
            }
            EvaluateCommand::Keep => self.leaving = None,
            EvaluateCommand::Model(id) => {
                if let Opening::Open(project) = &self.opening {
                    self.evaluate.tick_with_parent(project, &id);
                }
                self.focus.model = Some(id);
                self.go_to(EvaluateTab::Setup);
            }
            EvaluateCommand::Select(id) => {
                self.evaluate.select(id);
                self.go_to(EvaluateTab::Results);
            }
            EvaluateCommand::Tab(tab) => self.go_to(tab),
            EvaluateCommand::Paper => {
                self.evaluate.tick_the_paper();
                self.go_to(EvaluateTab::Setup);
            }
            EvaluateCommand::Transcripts(filter) => {
                self.evaluate.read(*filter);
                self.go_to(EvaluateTab::Transcripts);
            }
            EvaluateCommand::NextAnswer => self.evaluate.step(1),
            EvaluateCommand::PreviousAnswer => self.evaluate.step(-1),
            EvaluateCommand::CompareWith(other) => {
                self.evaluate.compare_with(other);
                self.go_to(EvaluateTab::Results);
            }
            EvaluateCommand::SaveTable(id) => {
                self.loader.send(Request::Evaluate(EvaluateRequest::SaveTable(id)));
            }
            EvaluateCommand::SaveCategories => {
                if let Some(rows) = self.evaluate.categories() {
                    self.loader.send(Request::Evaluate(EvaluateRequest::SaveCategories(rows)));
                }
            }
        }
    }

    /// Starts what the form asks for. Where its judges are on other machines, consent is asked for first.
    fn start_evaluation(&mut self) {
        let Opening::Open(project) = &self.opening else { return };
        if !self.evaluate.blocked(project, &self.focus).is_empty() {
            return;
        }
        let spec = self.evaluate.spec(project, &self.focus);
        let parcels = parcels(&spec, project);
        // Started from another screen, it shows what it does.
        self.go_to(EvaluateTab::Setup);
        if parcels.is_empty() {
            self.evaluate(spec);
        } else {
            self.leaving = Some(Leaving { what: Waiting::Start(Box::new(spec)), parcels });
        }
    }

    fn evaluate(&mut self, spec: EvaluateSpec) {
        self.submit(JobSpec::Evaluate(spec));
        self.evaluate.started();
    }

    fn go_to(&mut self, tab: EvaluateTab) {
        self.evaluate.show_tab(tab);
        self.screen = Screen::Evaluate;
    }
}
