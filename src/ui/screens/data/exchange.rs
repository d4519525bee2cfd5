//! The dialogs through which files come in and go out: one at a time, kept open after an error with all that was set.

use super::benchmarks::BenchmarkDialog;
use super::export::ExportDialog;
use super::import::ImportDialog;
use crate::project::DatasetEntry;
use crate::ui::app::{Command, ExchangeCommand, ExchangeReply, Loader, Snapshot, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, notice, progress_line};
use eframe::egui::{self, Align, Frame, Layout, Margin, Ui};
use std::path::{Path, PathBuf};

/// The dialog that is open, if one is.
#[derive(Default)]
pub struct Exchange {
    open: Option<Dialog>,
    /// A set that was made and is to be opened once the project has it.
    made: Option<String>,
}

enum Dialog {
    Import(Box<ImportDialog>),
    Export(Box<ExportDialog>),
    Benchmarks(Box<BenchmarkDialog>),
}

/// What a dialog waits for.
#[derive(Default)]
pub(super) struct Errand {
    serial: Option<u64>,
    share: Option<f32>,
    text: String,
    error: Option<String>,
}

impl Errand {
    /// Begins to wait.
    pub(super) fn begin(&mut self, serial: u64) {
        *self = Self { serial: Some(serial), text: "Starting…".to_owned(), ..Self::default() };
    }

    /// Ends with what came of it, or why nothing did.
    pub(super) fn end<T>(&mut self, result: Result<T, String>) -> Option<T> {
        *self = Self::default();
        result.map_err(|error| self.error = Some(error)).ok()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.serial.is_some()
    }

    /// How far it is, with a button that stops it; or why it failed.
    pub(super) fn show(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let p = theme::palette(ui);
        if self.is_busy() {
            ui.horizontal(|ui| {
                if command_button(ui, &ExchangeCommand::Stop, None) {
                    commands.push(ExchangeCommand::Stop.into());
                }
                if let Some(share) = self.share {
                    progress_line(ui, &self.text, share, 200.0);
                }
                ui.label(theme::small(&self.text).color(p.weak));
            });
        }
        if let Some(error) = &self.error {
            notice(ui, Tone::Error, error);
        }
    }
}

impl Exchange {
    fn errand(&mut self) -> Option<&mut Errand> {
        Some(match self.open.as_mut()? {
            Dialog::Import(dialog) => &mut dialog.errand,
            Dialog::Export(dialog) => &mut dialog.errand,
            Dialog::Benchmarks(dialog) => &mut dialog.errand,
        })
    }

    /// Whether a dialog is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens the dialog that imports a file.
    pub fn open_import(&mut self) {
        if !matches!(self.open, Some(Dialog::Import(_))) {
            self.open = Some(Dialog::Import(Box::default()));
        }
    }

    /// Opens the dialog that exports a set.
    pub fn open_export(&mut self, entry: &DatasetEntry, root: &Path) {
        self.open = Some(Dialog::Export(Box::new(ExportDialog::new(entry, root))));
    }

    /// Opens the list of public benchmarks.
    pub fn open_benchmarks(&mut self) {
        if !matches!(self.open, Some(Dialog::Benchmarks(_))) {
            self.open = Some(Dialog::Benchmarks(Box::default()));
        }
    }

    /// Closes the dialog.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// A file was dropped on the window: the open list of benchmarks takes it, else it is imported.
    pub fn dropped(&mut self, file: PathBuf, loader: &mut Loader) {
        if !matches!(self.open, Some(Dialog::Benchmarks(_))) {
            self.open_import();
        }
        self.picked(Wish::DataFile, Some(file), loader);
    }

    /// A file was chosen, or none.
    pub fn picked(&mut self, wish: Wish, chosen: Option<PathBuf>, loader: &mut Loader) {
        match (self.open.as_mut(), wish) {
            (Some(Dialog::Import(dialog)), Wish::DataFile) => dialog.picked(chosen, loader),
            (Some(Dialog::Benchmarks(dialog)), Wish::DataFile) => dialog.picked(chosen, loader),
            (Some(Dialog::Export(dialog)), Wish::ExportFile) => dialog.picked(chosen),
            _ => {}
        }
    }

    /// What the system's dialog proposes as the name of an exported file.
    #[must_use]
    pub fn file_proposal(&self) -> &'static str {
        if let Some(Dialog::Export(dialog)) = &self.open { dialog.proposal() } else { "set.jsonl" }
    }

    /// Reads the file that is named.
    pub fn read(&mut self, loader: &mut Loader) {
        match self.open.as_mut() {
            Some(Dialog::Import(dialog)) => dialog.read(loader, true),
            Some(Dialog::Benchmarks(dialog)) => dialog.check(loader),
            _ => {}
        }
    }

    /// Breaks off what is under way.
    pub fn stop(&mut self, loader: &mut Loader) {
        loader.exchange(crate::ui::app::ExchangeRequest::Forget);
        if let Some(errand) = self.errand() {
            errand.end::<()>(Err("Stopped. Nothing was kept.".to_owned()));
        }
    }

    /// Does what the open dialog is for.
    pub fn carry_out(&mut self, root: PathBuf, loader: &mut Loader) {
        match self.open.as_mut() {
            Some(Dialog::Import(dialog)) => dialog.import(root, loader),
            Some(Dialog::Export(dialog)) => dialog.export(root, loader),
            Some(Dialog::Benchmarks(dialog)) => dialog.add(root, loader),
            None => {}
        }
    }

    /// Fetches a benchmark's file.
    pub fn fetch(&mut self, root: PathBuf, id: String, loader: &mut Loader) {
        if let Some(Dialog::Benchmarks(dialog)) = self.open.as_mut() {
            dialog.fetch(root, id, loader);
        }
    }

    /// Whether the open dialog waits for this answer.
    pub fn waits_for(&mut self, serial: u64) -> bool {
        self.errand().is_some_and(|errand| errand.serial == Some(serial))
    }

    /// Takes in what came back.
    pub fn take(&mut self, reply: ExchangeReply, loader: &mut Loader) {
        if let ExchangeReply::Progress(share, text) = reply {
            if let Some(errand) = self.errand() {
                (errand.share, errand.text) = (share, text);
            }
            return;
        }
        match (self.open.as_mut(), reply) {
            (Some(Dialog::Import(dialog)), ExchangeReply::Looked(result)) => dialog.looked(result),
            (Some(Dialog::Benchmarks(dialog)), ExchangeReply::Fetched(result)) => {
                dialog.fetched(result, loader);
            }
            (Some(Dialog::Benchmarks(dialog)), ExchangeReply::Checked(result)) => dialog.checked(result),
            (_, ExchangeReply::Imported(Err(error)) | ExchangeReply::Exported(Err(error))) => {
                if let Some(errand) = self.errand() {
                    errand.end::<()>(Err(error));
                }
            }
            _ => {}
        }
    }

    /// A set was made: it is opened once the project has it.
    pub fn made(&mut self, set: String) {
        self.open = None;
        self.made = Some(set);
    }

    /// The set that was made, as soon as the project has it.
    pub fn made_and_there(&mut self, project: &Snapshot) -> Option<String> {
        self.made.take_if(|made| project.datasets.iter().any(|set| &set.id == made))
    }

    /// Draws the open dialog.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, saved: bool) {
        let Some(dialog) = self.open.as_mut() else { return };
        let room = ui.ctx().content_rect().size() - egui::vec2(80.0, 64.0);
        let (width, height) = match dialog {
            Dialog::Export(_) => (600.0, f32::INFINITY),
            Dialog::Import(_) | Dialog::Benchmarks(_) => (1000.0f32.min(room.x), 680.0f32.min(room.y)),
        };
        let modal = egui::Modal::new(egui::Id::unique("exchange"))
            .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::SCREEN as i8)))
            .show(ui.ctx(), |ui| {
                ui.set_width(width - 2.0 * theme::SCREEN);
                if height.is_finite() {
                    ui.set_height(height - 2.0 * theme::SCREEN);
                }
                match dialog {
                    Dialog::Import(dialog) => dialog.show(ui, view),
                    Dialog::Export(dialog) => dialog.show(ui, view, saved),
                    Dialog::Benchmarks(dialog) => dialog.show(ui, view),
                }
            });
        // A click beside the dialog closes nothing: what was set in it would be gone.
        let escape = modal.is_top_modal
            && !modal.any_popup_open
            && ui.ctx().input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
        if escape {
            view.send(ExchangeCommand::Close);
        }
    }
}

/// The buttons below the list of sets.
pub(super) fn buttons(ui: &mut Ui, view: &mut View<'_>, set: Option<&str>) {
    let reads_only = view.read_only();
    ui.add_space(theme::GAP);
    ui.spacing_mut().item_spacing.y = theme::TIGHT;
    ui.spacing_mut().button_padding.x = theme::GAP;
    let export = set.map(|set| (ExchangeCommand::OpenExport(set.to_owned()), None));
    let all = [(ExchangeCommand::OpenImport, reads_only), (ExchangeCommand::OpenBenchmarks, reads_only)];
    for (command, blocked) in all.into_iter().chain(export) {
        if command_button(ui, &command, blocked) {
            view.send(command);
        }
    }
}

/// The line at a dialog's foot: what will happen on the left, the buttons on the right. Gives back whether the one that
/// matters was pressed.
pub(super) fn foot(
    ui: &mut Ui,
    view: &mut View<'_>,
    text: &str,
    button: (egui_material_icons::MaterialIcon, &str),
    blocked: Option<&str>,
) -> bool {
    let p = theme::palette(ui);
    let mut pressed = false;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        pressed = crate::ui::widgets::primary_button(ui, button.0, button.1, blocked).clicked();
        if command_button(ui, &ExchangeCommand::Close, None) {
            view.send(ExchangeCommand::Close);
        }
        ui.add_space(theme::GAP);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let text = theme::small(blocked.unwrap_or(text)).color(p.weak);
            ui.add(egui::Label::new(text).wrap());
        });
    });
    pressed
}
