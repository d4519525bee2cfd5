//! The Report screen's commands, and those of every chart.

use crate::ui::app::{App, ReportCommand, Request};

impl App {
    pub(super) fn handle_report(&mut self, command: ReportCommand) {
        self.loader.send(match command {
            ReportCommand::SavePicture(chart) => Request::SaveChart { chart, picture: true },
            ReportCommand::SaveTable(chart) => Request::SaveChart { chart, picture: false },
            ReportCommand::Write { spec, path } => Request::WriteReport { spec, path },
        });
    }
}
