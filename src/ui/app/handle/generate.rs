//! The Generate screen's commands.

use crate::job::JobSpec;
use crate::ui::app::{App, GenerateCommand, Request};

impl App {
    pub(super) fn handle_generate(&mut self, command: GenerateCommand) {
        match command {
            GenerateCommand::Start => self.submit(JobSpec::Generate(self.generate.spec())),
            GenerateCommand::Read(generation) => self.loader.send(Request::Review(generation)),
            GenerateCommand::Decide { generation, decisions } => {
                self.loader.send(Request::Decide { generation, decisions });
            }
            GenerateCommand::Assemble { id, kind, from, templates } => {
                self.loader.send(Request::Assemble { id, kind, from, templates });
            }
        }
    }
}
