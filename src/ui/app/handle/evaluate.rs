//! The Evaluate screen's commands.

use crate::job::JobSpec;
use crate::ui::app::{App, EvaluateCommand, Opening, Screen};

impl App {
    pub(super) fn handle_evaluate(&mut self, command: EvaluateCommand) {
        match command {
            EvaluateCommand::Start => self.submit(JobSpec::Evaluate(self.evaluate.spec())),
            EvaluateCommand::Model(id) => {
                if let Opening::Open(project) = &self.opening {
                    self.evaluate.tick_with_parent(project, &id);
                }
                self.focus.model = Some(id);
                self.screen = Screen::Evaluate;
            }
            EvaluateCommand::Select(id) => {
                self.evaluate.select(id);
                self.screen = Screen::Evaluate;
            }
        }
    }
}
