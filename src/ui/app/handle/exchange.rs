//! Commands on files that come in or go out, and what comes back of them.

use crate::ui::app::{
    App, ExchangeCommand, ExchangeReply, ExchangeRequest, Opening, Request, Screen, Told, Wish,
};
use eframe::egui;
use std::path::PathBuf;

impl App {
    pub(super) fn handle_exchange(&mut self, command: ExchangeCommand) {
        let Opening::Open(project) = &self.opening else { return };
        let root = project.root.clone();
        let exchange = self.data.exchange_mut();
        match command {
            ExchangeCommand::OpenImport => exchange.open_import(),
            ExchangeCommand::OpenFile(file) => exchange.dropped(file, &mut self.loader),
            ExchangeCommand::OpenExport(set) => {
                let found = project.datasets.iter().find(|one| one.id == set);
                if let Some(entry) = found {
                    exchange.open_export(entry, &root);
                }
            }
            ExchangeCommand::OpenBenchmarks => exchange.open_benchmarks(),
            ExchangeCommand::Read => exchange.read(&mut self.loader),
            ExchangeCommand::Stop => exchange.stop(&mut self.loader),
            ExchangeCommand::Import | ExchangeCommand::Export | ExchangeCommand::Add => {
                exchange.carry_out(root, &mut self.loader);
            }
            ExchangeCommand::Fetch(id) => exchange.fetch(root, id, &mut self.loader),
            ExchangeCommand::Close => {
                exchange.close();
                // Also breaks off what is under way.
                self.loader.exchange(ExchangeRequest::Forget);
            }
        }
        if self.data.exchange().is_open() {
            self.screen = Screen::Data;
        }
    }

    /// Takes in what came of a request about files.
    pub(in crate::ui::app) fn take_exchange(&mut self, serial: u64, reply: ExchangeReply) {
        let exchange = self.data.exchange_mut();
        if !exchange.waits_for(serial) {
            return;
        }
        match reply {
            ExchangeReply::Imported(Ok((set, count))) => {
                let examples = if count == 1 { "1 example".to_owned() } else { format!("{count} examples") };
                self.told = Some(Told::good(format!("Data set {set} was made: {examples}.")));
                exchange.made(set);
                self.loader.exchange(ExchangeRequest::Forget);
                self.loader.send(Request::Refresh);
            }
            ExchangeReply::Exported(Ok(file)) => {
                exchange.close();
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.told = Some(Told::made(format!("Saved as {name}"), file));
            }
            reply => exchange.take(reply, &mut self.loader),
        }
    }

    /// A file was chosen in the system's dialog, or none.
    pub(super) fn exchange_picked(&mut self, wish: Wish, chosen: Option<PathBuf>) {
        self.data.exchange_mut().picked(wish, chosen, &mut self.loader);
    }

    /// A file that was dropped on the window is looked at.
    pub(in crate::ui::app) fn take_dropped(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
        let Some(file) = dropped else { return };
        match &self.opening {
            Opening::Open(project) if !project.read_only => {
                self.commands.push(ExchangeCommand::OpenFile(file).into());
            }
            Opening::Open(_) => {
                self.told = Some(Told::error(
                    "Another window has this project open; here it can only be read. The dropped file was not imported.",
                ));
            }
            _ => {}
        }
    }
}
