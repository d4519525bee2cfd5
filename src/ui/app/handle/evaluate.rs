//! The Evaluate screen's commands.

use crate::job::JobSpec;
use crate::ui::app::{App, EvaluateCommand, EvaluateRequest, EvaluateTab, Opening, Request, Screen};

impl App {
    pub(super) fn handle_evaluate(&mut self, command: EvaluateCommand) {
        match command {
            EvaluateCommand::Start => {
                self.submit(JobSpec::Evaluate(self.evaluate.spec()));
                self.evaluate.started();
            }
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

    fn go_to(&mut self, tab: EvaluateTab) {
        self.evaluate.show_tab(tab);
        self.screen = Screen::Evaluate;
    }
}
