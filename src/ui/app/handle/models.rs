//! The Models screen's commands.

use crate::ui::app::{App, ModelsCommand};

impl App {
    pub(super) fn handle_models(&mut self, command: ModelsCommand) {
        match command {
            ModelsCommand::Add => {
                if let Some(request) = self.models.add_request() {
                    self.loader.send(request);
                }
            }
            ModelsCommand::Focus(id) => self.focus.model = Some(id),
            ModelsCommand::FocusBase(id) => self.focus.base = Some(id),
        }
    }
}
