//! The dialog that writes a set as a file for other programs.

use super::exchange::{Errand, foot};
use crate::data::{DatasetKind, ExportFormat, ExportSpec};
use crate::project::DatasetEntry;
use crate::ui::app::{AppCommand, ExchangeCommand, ExchangeRequest, ExportRequest, Loader, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{command_button, field, line, tick};
use eframe::egui::{self, TextEdit, Ui};
use egui_material_icons::icons;
use std::path::{Component, Path, PathBuf};

/// The dialog.
pub(super) struct ExportDialog {
    set: String,
    kind: DatasetKind,
    spec: ExportSpec,
    path: String,
    no_choice: bool,
    pub(super) errand: Errand,
}

fn name(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Lines => ("JSON lines", "Plumbline's own form: an example a line, nothing is lost"),
        ExportFormat::List => ("JSON list", "The same as one list"),
        ExportFormat::Csv => ("CSV table", "For spreadsheets; lists stand as JSON in their cells"),
        ExportFormat::Tsv => ("TSV table", "The same with tabs"),
        ExportFormat::Parquet => ("Parquet", "For the Hub, pandas and the like; nothing is lost"),
        ExportFormat::Messages => {
            ("Chat messages", "For training elsewhere: {\"messages\": […]}, one a line")
        }
    }
}

impl ExportDialog {
    pub(super) fn new(entry: &DatasetEntry, root: &Path) -> Self {
        let path = root.join("exports").join(format!("{}.jsonl", entry.id));
        Self {
            set: entry.id.clone(),
            kind: entry.kind,
            spec: ExportSpec::default(),
            path: path.display().to_string(),
            no_choice: false,
            errand: Errand::default(),
        }
    }

    /// A file was chosen, or the system's dialog was closed without a choice.
    pub(super) fn picked(&mut self, chosen: Option<PathBuf>) {
        self.no_choice = chosen.is_none();
        if let Some(file) = chosen {
            self.path = file.display().to_string();
        }
    }

    /// What the system's dialog proposes as a name.
    pub(super) fn proposal(&self) -> &'static str {
        match (self.spec.format, self.spec.packed) {
            (ExportFormat::Lines | ExportFormat::Messages, false) => "set.jsonl",
            (ExportFormat::Lines | ExportFormat::Messages, true) => "set.jsonl.gz",
            (ExportFormat::List, false) => "set.json",
            (ExportFormat::List, true) => "set.json.gz",
            (ExportFormat::Csv, false) => "set.csv",
            (ExportFormat::Csv, true) => "set.csv.gz",
            (ExportFormat::Tsv, false) => "set.tsv",
            (ExportFormat::Tsv, true) => "set.tsv.gz",
            (ExportFormat::Parquet, _) => "set.parquet",
        }
    }

    /// Writes the file.
    pub(super) fn export(&mut self, root: PathBuf, loader: &mut Loader) {
        let request = ExportRequest {
            root,
            set: self.set.clone(),
            spec: self.spec,
            file: PathBuf::from(self.path.trim()),
        };
        self.errand.begin(loader.exchange(ExchangeRequest::Export(request)));
    }

    fn blocked(&self, saved: bool, read_only: Option<&str>, root: &Path) -> Option<String> {
        let path = Path::new(self.path.trim());
        if self.errand.is_busy() {
            return Some("The file is being written.".to_owned());
        }
        if !saved {
            return Some("An edit is still being saved.".to_owned());
        }
        // Whether the set is empty is seen when it is read: the project's list may be older than the last edit.
        let wanted = ending(self.spec);
        if !path.is_absolute() || !path.to_string_lossy().to_lowercase().ends_with(&wanted) {
            return Some(format!("Give the whole path of a file that ends in {wanted}."));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Some("Write the path without \"..\", so that it says which folder is meant.".to_owned());
        }
        // All else in there is the project's own: sets, runs, logs.
        if path.starts_with(root) && !path.starts_with(root.join("exports")) {
            let text = "Inside the project, only the folder exports takes files. Choose another folder.";
            return Some(text.to_owned());
        }
        let reason = read_only.filter(|_| path.starts_with(root))?;
        Some(format!("{reason} Save the file outside the project's folder."))
    }

    /// Draws the dialog.
    pub(super) fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, saved: bool) {
        let p = theme::palette(ui);
        ui.label(theme::heading(format!("Export {}", self.set)));
        let before = ending(self.spec);
        field(ui, "Format", "");
        for format in ExportFormat::ALL.into_iter().filter(|format| format.takes(self.kind)) {
            let (text, remark) = name(format);
            line(ui, 24.0, |ui| {
                ui.radio_value(&mut self.spec.format, format, text);
                ui.add(egui::Label::new(theme::small(remark).color(p.weak)).truncate());
            });
        }
        ui.add_space(theme::GAP);
        ui.add_enabled_ui(self.spec.format.can_be_packed(), |ui| {
            tick(ui, &mut self.spec.packed, "Pack with gzip (.gz)")
                .on_disabled_hover_text("Parquet is packed as it is.");
        });
        if self.spec.format.holds_harmful(self.kind) {
            // Of a recovery example, only what the model said in earlier turns is part of the conversation.
            let earlier = self.spec.format == ExportFormat::Messages && self.kind == DatasetKind::Recovery;
            let text = match self.kind {
                DatasetKind::Chat => "Write the model's answers too",
                _ if earlier => "Write the model's earlier answers too",
                _ => "Write the harmful answers too",
            };
            tick(ui, &mut self.spec.with_answers, text);
            let note = match (self.spec.with_answers, self.kind) {
                (true, _) => "The file will hold answers that may be harmful. Hand it on with care.",
                (false, DatasetKind::Chat) => {
                    "Answers in conversations may be harmful; a notice stands in their place unless you tick this."
                }
                (false, DatasetKind::Recovery) if earlier => {
                    "Each conversation ends with the refusal. Answers in earlier turns may be harmful; a notice stands in their place unless you tick this."
                }
                (false, DatasetKind::Recovery) => {
                    "A notice stands in place of each harmful answer, and of answers in earlier turns, unless you tick this."
                }
                (false, _) => "A notice stands in place of each harmful answer unless you tick this.",
            };
            ui.add(egui::Label::new(theme::small(note).color(p.weak)).wrap());
        }
        let now = ending(self.spec);
        if let Some(stem) = self.path.strip_suffix(&before).filter(|_| before != now) {
            self.path = format!("{stem}{now}");
        }
        ui.add_space(theme::GAP);
        let id = field(ui, "Save the set as", "A file of this name is replaced.");
        ui.add(TextEdit::singleline(&mut self.path).desired_width(f32::INFINITY)).labelled_by(id);
        let choose = AppCommand::Choose(Wish::ExportFile);
        if command_button(ui, &choose, None) {
            view.send(choose);
        }
        if self.no_choice {
            let text = "No file was chosen. If no dialog opened, write the path into the field.";
            ui.label(theme::small(text).color(p.weak));
        }
        self.errand.show(ui, view.commands);
        ui.add_space(theme::GAP);
        ui.separator();
        let blocked = self.blocked(saved, view.read_only(), &view.project.root);
        let text = format!("All {} of this set.", self.kind.label());
        if foot(ui, view, &text, (icons::ICON_OUTPUT, "Export"), blocked.as_deref()) {
            view.send(ExchangeCommand::Export);
        }
    }
}

/// What the file's name ends with.
fn ending(spec: ExportSpec) -> String {
    format!(".{}{}", spec.format.ending(), if spec.packs() { ".gz" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_the_project_is_replaced() {
        let root = std::env::temp_dir().join("project");
        let mut dialog = ExportDialog::new(&DatasetEntry::new("x", "x", DatasetKind::Chat), &root);
        assert_eq!(dialog.blocked(true, None, &root), None);
        for (file, free) in [
            ("project/datasets/x.jsonl", false),
            ("project/runs/one/log.jsonl", false),
            ("project/x.jsonl", false),
            ("project/exports/../runs/one/log.jsonl", false),
            ("project/exports/mine/x.jsonl", true),
            ("elsewhere/x.jsonl", true),
        ] {
            dialog.path = std::env::temp_dir().join(file).display().to_string();
            assert_eq!(dialog.blocked(true, None, &root).is_none(), free, "{file}");
        }
    }

    #[test]
    fn the_proposed_name_has_the_ending_that_is_asked_for() {
        let mut dialog =
            ExportDialog::new(&DatasetEntry::new("x", "x", DatasetKind::Chat), Path::new("/project"));
        for format in ExportFormat::ALL {
            for packed in [false, true] {
                dialog.spec = ExportSpec { format, packed, with_answers: false };
                assert!(dialog.proposal().ends_with(&ending(dialog.spec)));
            }
        }
    }
}
