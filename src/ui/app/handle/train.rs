//! The Train screen's commands.

use crate::job::JobSpec;
use crate::ui::app::{App, TrainCommand};

impl App {
    pub(super) fn handle_train(&mut self, command: TrainCommand) {
        match command {
            TrainCommand::Start => {
                self.submit(JobSpec::Train(self.train.spec()));
                self.train.started();
            }
        }
    }
}
