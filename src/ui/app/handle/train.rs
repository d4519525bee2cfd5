//! The Train screen's commands.

use crate::job::JobSpec;
use crate::ui::app::{App, Opening, Screen, TrainCommand};
use crate::ui::screens::TrainPane;

impl App {
    pub(super) fn handle_train(&mut self, command: TrainCommand) {
        match command {
            TrainCommand::Start => {
                let Opening::Open(project) = &self.opening else { return };
                if !self.train.blocked(project).is_empty() {
                    return;
                }
                self.submit(JobSpec::Train(self.train.spec()));
                self.train.started();
                self.train.show_pane(TrainPane::Run);
                // Started from another screen, it shows what it does.
                self.screen = Screen::Train;
            }
            TrainCommand::Show(pane) => {
                self.train.show_pane(pane);
                self.screen = Screen::Train;
            }
            TrainCommand::Preset(preset) => self.train.preset(preset),
            TrainCommand::WeighAt(run) => self.train.weigh_at(run),
            TrainCommand::NextRows => self.train.move_rows(true),
            TrainCommand::PreviousRows => self.train.move_rows(false),
            TrainCommand::ShowHarmful(open) => self.train.show_harmful(open),
            TrainCommand::CheckAgain => self.train.stale(),
            TrainCommand::Compare(run, on) => {
                self.train.compare(run, on);
                self.train.show_pane(TrainPane::Compare);
                self.screen = Screen::Train;
            }
            TrainCommand::Again(id) => {
                if let Opening::Open(project) = &self.opening
                    && let Some(run) = project.runs.iter().find(|run| run.id == id)
                {
                    self.train.again(&run.spec);
                    self.screen = Screen::Train;
                }
            }
        }
    }
}
