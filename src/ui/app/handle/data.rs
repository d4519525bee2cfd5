//! The Data screen's commands.

use crate::ui::app::{App, DataCommand, Screen};
use eframe::egui;

impl App {
    pub(super) fn handle_data(&mut self, ctx: &egui::Context, command: DataCommand) {
        let now = ctx.input(|input| input.time);
        // Keys reach every screen, and a project that is only read.
        let read_only = self.project().is_none_or(|project| project.read_only);
        match command {
            DataCommand::Select(id) => {
                self.data.select_set(id);
                self.screen = Screen::Data;
            }
            DataCommand::NextProblem => {
                self.data.next_problem();
                self.screen = Screen::Data;
            }
            DataCommand::SelectListed => self.data.select_listed(),
            DataCommand::SelectOne => self.data.select_one(),
            DataCommand::ShowProblems(on) => self.data.show_problems(on),
            DataCommand::GoTo(row) => self.data.go_to(row),
            DataCommand::Cancel => self.data.cancel(),
            DataCommand::SaveAgain => self.data.save_again(now),
            _ if read_only => {}
            DataCommand::AddExample => self.data.add_example(now),
            DataCommand::RemoveExample => self.data.remove_example(now),
            DataCommand::Bulk(edit) => self.data.bulk(&edit, now),
            DataCommand::Part(edit) => self.data.edit_part(edit, now),
            DataCommand::Mend { id, mend } => self.data.mend(&id, &mend, now),
            DataCommand::Deduplicate => self.data.deduplicate(now),
            DataCommand::Ask(ask) => self.data.ask(ask),
            DataCommand::Set(request) => self.data.want(request),
        }
    }
}
