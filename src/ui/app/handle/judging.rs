//! The commands of judging.

use crate::ui::app::{App, JudgingCommand, Screen};
use crate::ui::screens::Agreed;

impl App {
    pub(super) fn handle_judging(&mut self, command: JudgingCommand) {
        let judging = self.evaluate.judging();
        match command {
            JudgingCommand::Show(part) => {
                judging.turn_to(part);
                self.evaluate.show_judging();
                self.screen = Screen::Evaluate;
            }
            JudgingCommand::Start => {
                if let Some(job) = judging.start() {
                    self.submit(job);
                }
            }
            JudgingCommand::Send => match judging.agree() {
                Some(Agreed::Answers(job)) => self.submit(*job),
                Some(Agreed::Probes(judges, each)) => judging.try_judges(judges, each),
                None => {}
            },
            JudgingCommand::Keep => judging.keep(),
            JudgingCommand::Label { response, verdict, drawn, reason } => {
                let author = self.preferences.author.trim();
                if let Some(request) = judging.label(author, &response, verdict, drawn, reason) {
                    self.loader.send(request);
                }
            }
            JudgingCommand::Step { next } => judging.step(next),
            JudgingCommand::Uncover => judging.uncover(),
            JudgingCommand::Look(response) => judging.look(response),
            JudgingCommand::Probe => {
                if let Some((judges, each)) = judging.probe() {
                    judging.try_judges(judges, each);
                }
            }
            JudgingCommand::StopProbing => judging.stop_probing(),
        }
    }

    /// Takes back the last label, or gives the last one back that was taken back.
    pub(super) fn undo_label(&mut self, redo: bool) {
        if let Some(request) = self.evaluate.judging().undo(redo) {
            self.loader.send(request);
        }
    }
}
