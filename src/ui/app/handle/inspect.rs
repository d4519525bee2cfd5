//! The Inspect screen's commands.

use crate::ui::app::{App, InspectCommand, Opening, Screen};

impl App {
    pub(super) fn handle_inspect(&mut self, command: InspectCommand) {
        match command {
            InspectCommand::Evaluation(id) => {
                self.inspect.select(id);
                self.screen = Screen::Inspect;
            }
            InspectCommand::Answer => {
                if let Opening::Open(project) = &self.opening {
                    self.inspect.ask(project, &self.focus, &mut self.library, &self.loader);
                }
            }
        }
    }
}
