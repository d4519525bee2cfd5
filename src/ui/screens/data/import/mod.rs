//! The dialog that makes a data set of a file: what the file holds, what becomes of its rows, and which cannot be used.

mod columns;
mod preview;

pub(super) use preview::list_bad;

use super::exchange::{Errand, foot};
use crate::data::DatasetKind;
use crate::ui::app::{
    AppCommand, ExchangeCommand, ExchangeRequest, ImportRequest, Loader, Look, LookRequest, View, Wish,
};
use crate::ui::theme;
use crate::ui::widgets::{command_button, field, tick};
use eframe::egui::{self, ScrollArea, TextEdit, Ui};
use egui_material_icons::icons;
use std::path::{Path, PathBuf};

/// Width of the settings beside what the file holds.
const SETTINGS: f32 = 320.0;
/// Height of the dialog's foot.
const FOOT: f32 = 96.0;

/// The dialog.
#[derive(Default)]
pub(super) struct ImportDialog {
    path: String,
    header: Option<bool>,
    kind: Option<DatasetKind>,
    said: crate::data::Said,
    title: String,
    licence: String,
    source: String,
    /// What was proposed as title and source: only these make way for the next proposal.
    proposed: (String, String),
    leave_out: bool,
    uncovered: bool,
    no_choice: bool,
    look: Option<Box<Look>>,
    pub(super) errand: Errand,
}

impl ImportDialog {
    /// A file was chosen, or the system's dialog was closed without a choice.
    pub(super) fn picked(&mut self, chosen: Option<PathBuf>, loader: &mut Loader) {
        self.no_choice = chosen.is_none();
        if let Some(file) = chosen {
            self.path = file.display().to_string();
            self.read(loader, true);
        }
    }

    /// Reads the file; what was said of another file's columns does not hold for this one.
    pub(super) fn read(&mut self, loader: &mut Loader, again: bool) {
        let file = PathBuf::from(self.path.trim());
        if file.as_os_str().is_empty() {
            return;
        }
        self.turn_to(&file);
        let request = self.request(file, again);
        self.errand.begin(loader.exchange(ExchangeRequest::Look(Box::new(request))));
    }

    /// Before a file other than the one that was looked at is read, all that was chosen for that one is let go: with its
    /// kind and columns, this one would be read wrongly without a word.
    fn turn_to(&mut self, file: &Path) {
        if self.look.as_ref().is_some_and(|look| look.request.file.as_path() == file) {
            return;
        }
        self.propose(file);
        self.header = None;
        self.kind = None;
        self.said.clear();
        self.look = None;
        self.leave_out = false;
    }

    fn request(&self, file: PathBuf, again: bool) -> LookRequest {
        LookRequest { file, again, header: self.header, kind: self.kind, said: self.said.clone() }
    }

    fn propose(&mut self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.split('.').next().unwrap_or_default().to_owned();
        if self.title == self.proposed.0 {
            self.title.clone_from(&stem);
        }
        if self.source == self.proposed.1 {
            self.source.clone_from(&name);
        }
        self.proposed = (stem, name);
    }

    /// Takes in what the file holds.
    pub(super) fn looked(&mut self, result: Result<Box<Look>, String>) {
        if let Some(look) = self.errand.end(result) {
            self.look = Some(look);
        }
    }

    /// Makes the data set.
    pub(super) fn import(&mut self, root: PathBuf, loader: &mut Loader) {
        let Some(look) = &self.look else { return };
        let request = ImportRequest {
            root,
            look: look.request.clone(),
            title: self.title.clone(),
            licence: self.licence.clone(),
            source: self.source.clone(),
            leave_out_bad: self.leave_out,
        };
        self.errand.begin(loader.exchange(ExchangeRequest::Import(Box::new(request))));
    }

    /// Why there is nothing to import yet.
    fn blocked(&self, read_only: Option<&str>) -> Option<String> {
        if let Some(reason) = read_only {
            return Some(reason.to_owned());
        }
        if self.errand.is_busy() {
            return Some("The file is being read.".to_owned());
        }
        let Some(look) = &self.look else { return Some("Choose a file first.".to_owned()) };
        if look.request.file.as_path() != Path::new(self.path.trim()) {
            return Some("Read the file that is named above first.".to_owned());
        }
        if !look.fit.missing.is_empty() {
            let missing: Vec<String> =
                look.fit.missing.iter().map(|f| columns::name(*f, look.kind).to_lowercase()).collect();
            return Some(format!("Say which column is the {}.", missing.join(" and the ")));
        }
        if look.made == 0 {
            return Some("No row of this file can be used in this way.".to_owned());
        }
        if look.bad_count > 0 && !self.leave_out {
            return Some(
                "Mend the rows that cannot be used and read the file again, or tick that they are left out."
                    .to_owned(),
            );
        }
        self.title.trim().is_empty().then(|| "Give the new set a name.".to_owned())
    }

    /// Draws the dialog.
    pub(super) fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        ui.label(theme::heading("Import a file"));
        self.file(ui, view);
        self.errand.show(ui, view.commands);
        let height = (ui.available_height() - FOOT).max(80.0);
        let mut changed = false;
        if let Some(look) = self.look.take() {
            ui.horizontal_top(|ui| {
                ui.vertical(|ui| {
                    ui.set_width(SETTINGS);
                    ScrollArea::vertical()
                        .id_salt("import settings")
                        .auto_shrink(false)
                        .max_height(height)
                        .show(ui, |ui| {
                            ui.set_width(SETTINGS - theme::PAD);
                            changed = self.settings(ui, &look);
                        });
                });
                ui.add_space(theme::GAP);
                ui.vertical(|ui| {
                    ScrollArea::vertical()
                        .id_salt("import preview")
                        .auto_shrink(false)
                        .max_height(height)
                        .show(ui, |ui| {
                            ui.set_width(ui.available_width() - theme::PAD);
                            let cover = (!view.preferences.uncovered).then_some(&mut self.uncovered);
                            preview::show(ui, &look, cover);
                        });
                });
            });
            self.look = Some(look);
        } else if !self.errand.is_busy() {
            Self::hint(ui, height);
        } else {
            ui.add_space(height);
        }
        if changed {
            self.read(view.loader, false);
        }
        self.end(ui, view);
    }

    fn file(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let id = field(ui, "File to import", "The whole path. You can also drop a file on the window.");
        ui.horizontal(|ui| {
            let edit = TextEdit::singleline(&mut self.path)
                .hint_text("/home/you/prompts.csv")
                .desired_width(ui.available_width() - 300.0);
            let edit = ui.add(edit).labelled_by(id);
            let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let choose = AppCommand::Choose(Wish::DataFile);
            if command_button(ui, &choose, None) {
                view.send(choose);
            }
            let blocked = self.path.trim().is_empty().then_some("Name a file first.");
            if command_button(ui, &ExchangeCommand::Read, blocked) || entered && blocked.is_none() {
                view.send(ExchangeCommand::Read);
            }
        });
        if self.no_choice {
            ui.label(
                theme::small("No file was chosen. If no dialog opened, write the path into the field.")
                    .color(theme::palette(ui).weak),
            );
        }
    }

    fn hint(ui: &mut Ui, height: f32) {
        let p = theme::palette(ui);
        ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| {
            ui.set_min_height(height);
            ui.add_space(theme::GROUP);
            for text in [
                "CSV, TSV, JSON, JSON lines, Parquet or plain text with a request a line; each also packed as .gz.",
                "The shapes of Alpaca, OpenAI, ShareGPT, Dolly and the published benchmarks are known, and so are Plumbline's own exports.",
                "First you see the rows, what becomes of each, and which cannot be used. Nothing is taken in until you press Import.",
            ] {
                ui.add(egui::Label::new(theme::small(text).color(p.weak)).wrap());
            }
        });
    }

    /// Everything that decides what becomes of the rows; gives back whether some of it was changed.
    fn settings(&mut self, ui: &mut Ui, look: &Look) -> bool {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        text_field(ui, "Name of the set", "How it is called in this project.", &mut self.title);
        let mut changed = columns::kind(ui, look, &mut self.kind, &mut self.said);
        changed |= columns::header(ui, look, &mut self.header, &mut self.said);
        changed |= columns::fields(ui, look, &mut self.said);
        ui.add_space(theme::GAP);
        text_field(ui, "Licence", "Under which the file came; stays with the set.", &mut self.licence);
        text_field(ui, "Source", "Where the file is from; stays with the set.", &mut self.source);
        changed
    }

    fn end(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        ui.separator();
        let mut text = String::new();
        let mut button = "Import".to_owned();
        if let Some(look) = &self.look {
            let all = if look.rows == 1 { "the row".to_owned() } else { format!("{} rows", look.rows) };
            text = format!("{} of {all} become {}.", look.made, look.kind.label());
            if look.made > 0 {
                button = format!("Import {} {}", look.made, one_or_many(look.kind, look.made));
            }
            if look.bad_count > 0 && look.made > 0 {
                let rows = if look.bad_count == 1 {
                    "the problem row".to_owned()
                } else {
                    format!("rows with these {} problems", look.bad_count)
                };
                tick(ui, &mut self.leave_out, &format!("Leave out {rows}"));
            }
        }
        let blocked = self.blocked(view.read_only());
        if foot(ui, view, &text, (icons::ICON_UPLOAD_FILE, &button), blocked.as_deref()) {
            view.send(ExchangeCommand::Import);
        }
    }
}

fn text_field(ui: &mut Ui, name: &str, hint: &str, text: &mut String) {
    let id = field(ui, name, hint);
    ui.add(TextEdit::singleline(text).desired_width(f32::INFINITY)).labelled_by(id);
    ui.add_space(theme::TIGHT);
}

fn one_or_many(kind: DatasetKind, count: usize) -> &'static str {
    if count == 1 { kind.label().trim_end_matches('s') } else { kind.label() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_makes_way_for_the_next_and_what_was_typed_stays() {
        let mut dialog = ImportDialog::default();
        dialog.propose("/a/one.csv.gz".as_ref());
        assert_eq!((dialog.title.as_str(), dialog.source.as_str()), ("one", "one.csv.gz"));
        dialog.title = "mine".into();
        dialog.propose("/a/two.csv".as_ref());
        assert_eq!((dialog.title.as_str(), dialog.source.as_str()), ("mine", "two.csv"));
    }

    #[test]
    fn what_was_chosen_for_one_file_does_not_hold_for_the_next() {
        let mut dialog =
            ImportDialog { header: Some(false), kind: Some(DatasetKind::Chat), ..ImportDialog::default() };
        dialog.said.insert(crate::data::Field::Request, None);
        dialog.turn_to("/a/two.csv".as_ref());
        let request = dialog.request("/a/two.csv".into(), false);
        assert_eq!(request, LookRequest { file: "/a/two.csv".into(), ..LookRequest::default() });
    }
}
