//! The Data screen's commands.

use crate::ui::app::{App, DataCommand, Screen};
use eframe::egui;

impl App {
    pub(super) fn handle_data(&mut self, ctx: &egui::Context, command: DataCommand) {
        let now = ctx.input(|input| input.time);
        match command {
            DataCommand::Select(id) => {
                self.data.select_set(id);
                self.screen = Screen::Data;
            }
            DataCommand::AddExample => self.data.add_example(now),
            DataCommand::RemoveExample => self.data.remove_example(now),
            DataCommand::SaveAgain => self.data.save_again(now),
        }
    }
}
