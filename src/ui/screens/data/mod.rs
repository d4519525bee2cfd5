//! Data: the sets on the left, a table of the open one, and an editor for the selected example.

mod benchmarks;
mod editor;
mod exchange;
mod export;
mod history;
mod import;
mod reader;
mod set;

pub use history::Change;

use crate::data::{DatasetKind, DepthDistribution, Examples, RecoveryExample};
use crate::project::DatasetEntry;
use crate::ui::app::{
    AppCommand, Command, DataCommand, DataRequest, ExchangeCommand, Loader, Request, Snapshot, Strip,
    StripRequest, View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, command_button, empty_state, icon_button, link_button, notice, row_button, screen_title,
};
use eframe::egui::{self, Align, Layout, Panel, Ui};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;
use exchange::Exchange;
use set::OpenSet;
use std::collections::HashMap;
use std::path::PathBuf;

/// What a token strip was made of.
#[derive(Clone, Debug, PartialEq)]
struct StripKey {
    example: RecoveryExample,
    folder: PathBuf,
    epoch: usize,
}

/// The Data screen.
#[derive(Default)]
pub struct DataScreen {
    set: Option<String>,
    open: HashMap<String, OpenSet>,
    find: String,
    matches: Option<(String, String, usize, Vec<usize>)>,
    /// Selected row of a set that is only read.
    row: usize,
    /// The example whose harmful answer is uncovered.
    shown: Option<String>,
    epoch: usize,
    strip_key: Option<StripKey>,
    strip_serial: u64,
    strip: Option<Result<Strip, String>>,
    given_up: bool,
    exchange: Exchange,
}

impl DataScreen {
    /// Selects a set where none is selected.
    pub fn project_changed(&mut self, project: &Snapshot) {
        let known = self.set.as_ref().is_some_and(|id| project.datasets.iter().any(|set| &set.id == id));
        if !known {
            let recovery = project.datasets.iter().find(|set| set.kind == DatasetKind::Recovery);
            self.set = recovery.or(project.datasets.first()).map(|set| set.id.clone());
        }
    }

    /// Opens a set.
    pub fn select_set(&mut self, id: String) {
        if self.set.as_ref() != Some(&id) {
            self.set = Some(id);
            self.row = 0;
            self.find.clear();
            self.shown = None;
            self.strip = None;
            self.strip_key = None;
        }
    }

    /// The dialogs through which files come in and go out.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The same, to be used.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// The set that is looked at.
    #[must_use]
    pub fn selected_set(&self) -> Option<&str> {
        self.set.as_deref()
    }

    fn current(&mut self) -> Option<&mut OpenSet> {
        self.open.get_mut(self.set.as_ref()?)
    }

    /// Whether an edit of the open set can be taken back, and whether one can be made again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        let set = self.set.as_ref().and_then(|id| self.open.get(id));
        set.map_or((false, false), |set| (set.can_undo(), set.can_redo()))
    }

    /// Why no example can be put into the open set or taken out.
    #[must_use]
    pub fn edit_blocked(&self, read_only: bool) -> Option<&'static str> {
        if read_only {
            Some("Another window has this project open; here it can only be read.")
        } else if self.set.as_ref().is_some_and(|id| self.open.contains_key(id)) {
            None
        } else {
            Some("Only recovery sets can be edited here.")
        }
    }

    /// Takes the last edit back.
    pub fn undo(&mut self, now: f64) {
        if let Some(set) = self.current() {
            set.undo(now);
        }
    }

    /// Makes the edit again that was taken back.
    pub fn redo(&mut self, now: f64) {
        if let Some(set) = self.current() {
            set.redo(now);
        }
    }

    /// Adds an example.
    pub fn add_example(&mut self, now: f64) {
        self.find.clear();
        if let Some(set) = self.current() {
            set.add(now);
            // An empty answer hides nothing.
            self.shown = set.example().map(|example| example.id.clone());
        }
    }

    /// Removes the selected example.
    pub fn remove_example(&mut self, now: f64) {
        if let Some(set) = self.current() {
            set.remove(now);
        }
    }

    /// Tries to save again.
    pub fn save_again(&mut self, now: f64) {
        for set in self.open.values_mut().filter(|set| set.error().is_some()) {
            set.save_again(now);
        }
    }

    /// Hands edits on that are due; returns the seconds until the next are.
    pub fn save_if_due(&mut self, now: f64, hurry: bool, loader: &mut Loader) -> Option<f64> {
        let current = self.set.clone();
        let mut wait: Option<f64> = None;
        for (id, set) in &mut self.open {
            let hurry = hurry || current.as_ref() != Some(id);
            if let Some(seconds) = set.save_if_due(id, now, hurry, loader) {
                wait = Some(wait.map_or(seconds, |w| w.min(seconds)));
            }
        }
        wait
    }

    /// Takes the end of a save in.
    pub fn saved(&mut self, set: &str, serial: u64, result: Result<(), String>) {
        if let Some(set) = self.open.get_mut(set) {
            set.saved(serial, result);
        }
    }

    /// Whether everything is on disk.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.open.values().all(OpenSet::is_saved)
    }

    /// Whether an edit cannot be written.
    #[must_use]
    pub fn cannot_save(&self) -> bool {
        self.save_error().is_some()
    }

    /// Why an edit cannot be written.
    #[must_use]
    pub fn save_error(&self) -> Option<&str> {
        self.open.values().find_map(OpenSet::error)
    }

    /// The person has agreed to lose what cannot be written.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether they have.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.given_up
    }

    /// What the status line says about saving.
    #[must_use]
    pub fn saved_text(&self) -> &'static str {
        if self.cannot_save() {
            "Not saved"
        } else if self.is_saved() {
            "All edits saved"
        } else {
            "Saving…"
        }
    }

    /// Takes a token strip in.
    pub fn strip_made(&mut self, serial: u64, result: Result<Strip, String>) {
        if serial == self.strip_serial {
            self.strip = Some(result);
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        self.screen(ui, view);
        let saved = self.is_saved();
        self.exchange.show(ui, view, saved);
    }

    fn screen(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Data",
            "The examples that models learn from, and the requests they are tested with.",
        );
        if view.project.datasets.is_empty() {
            if empty_state(
                ui,
                icons::ICON_DATABASE,
                "No data sets yet",
                "A data set is a list of examples. Import a file that you have: a table, a list of requests, conversations. The public benchmarks come in the same way.",
                Some("Import a file"),
            ) {
                view.send(ExchangeCommand::OpenImport);
            }
            ui.vertical_centered(|ui| {
                if link_button(ui, &ExchangeCommand::OpenBenchmarks, view.read_only()) {
                    view.send(ExchangeCommand::OpenBenchmarks);
                }
            });
            return;
        }
        let plain = egui::Frame::new();
        Panel::left("sets").frame(plain).resizable(false).show_separator_line(false).exact_size(192.0).show(
            ui,
            |ui| {
                Panel::bottom("exchange")
                    .frame(plain)
                    .resizable(false)
                    .show_separator_line(false)
                    .show(ui, |ui| exchange::buttons(ui, view, self.set.as_deref()));
                egui::CentralPanel::no_frame().show(ui, |ui| {
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.sets(ui, view));
                });
            },
        );
        let Some(entry) =
            self.set.as_ref().and_then(|id| view.project.datasets.iter().find(|set| &set.id == id))
        else {
            return;
        };
        match view.library.get(&entry.id) {
            None if !self.open.contains_key(&entry.id) => {
                ui.weak("Reading the examples…");
            }
            Some(Err(error)) if !self.open.contains_key(&entry.id) => notice(ui, Tone::Error, error),
            Some(Ok(examples)) if entry.kind != DatasetKind::Recovery => {
                let examples = examples.clone();
                reader::show(ui, entry, &examples, &mut self.row, &mut self.find, &mut self.shown);
            }
            read => {
                if let Some(Ok(examples)) = read
                    && let Examples::Recovery(rows) = examples.as_ref()
                {
                    self.open.entry(entry.id.clone()).or_insert_with(|| OpenSet::new(rows.clone()));
                }
                self.recovery(ui, entry, view);
            }
        }
    }

    fn sets(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        ui.spacing_mut().item_spacing.y = 2.0;
        for kind in DatasetKind::ALL {
            let of_kind: Vec<&DatasetEntry> =
                view.project.datasets.iter().filter(|set| set.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            let mut name = kind.label().to_owned();
            if let Some(first) = name.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            ui.label(theme::label(name).color(p.weak));
            for set in of_kind {
                let selected = self.set.as_ref() == Some(&set.id);
                let count = self.open.get(&set.id).map_or(set.count, |open| open.rows.len());
                let row = row_button(ui, selected, None, &set.id, &count.to_string());
                let row = if set.title.is_empty() {
                    row
                } else {
                    row.on_hover_text(format!("{}\n{}", set.title, set.note))
                };
                if row.clicked() {
                    view.commands.push(DataCommand::Select(set.id.clone()).into());
                }
            }
            ui.add_space(theme::PAD);
        }
    }

    fn recovery(&mut self, ui: &mut Ui, entry: &DatasetEntry, view: &mut View<'_>) {
        let now = ui.input(|input| input.time);
        let width = (ui.available_width() * 0.54).clamp(376.0, 640.0);
        let side =
            egui::Frame::new().inner_margin(egui::Margin { left: theme::SCREEN as i8, ..Default::default() });
        self.ask_for_strip(view);
        Panel::right("editor")
            .frame(side)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(width)
            .show(ui, |ui| {
                let Some(set) = self.open.get_mut(&entry.id) else { return };
                toolbar(ui, set, view);
                egui::ScrollArea::vertical().id_salt("editor scroll").auto_shrink(false).show(ui, |ui| {
                    let mut state = editor::State {
                        strip: self.strip.as_ref(),
                        shown: &mut self.shown,
                        epoch: &mut self.epoch,
                        read_only: view.project.read_only,
                    };
                    editor::show(ui, set, &mut state, now);
                });
            });
        let middle =
            egui::Frame::new().inner_margin(egui::Margin { left: theme::GROUP as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(middle).show(ui, |ui| self.table(ui, &entry.id));
    }

    /// Asks for the training text of the selected example when it, the model or the visit has changed.
    fn ask_for_strip(&mut self, view: &mut View<'_>) {
        let Some(example) =
            self.set.as_ref().and_then(|id| self.open.get(id)).and_then(OpenSet::example).cloned()
        else {
            self.strip = None;
            return;
        };
        let model =
            view.focus.model.as_ref().and_then(|id| view.project.model(id)).or(view.project.models.first());
        let Some(model) = model else { return };
        let key = StripKey { example, folder: model.folder.clone(), epoch: self.epoch };
        if self.strip_key.as_ref() == Some(&key) {
            return;
        }
        if self.strip_key.as_ref().is_some_and(|old| old.example.id != key.example.id) {
            self.strip = None;
        }
        self.strip_serial += 1;
        view.loader.send(Request::Data(DataRequest::Strip(StripRequest {
            serial: self.strip_serial,
            folder: key.folder.clone(),
            context_limit: model.card.as_ref().map_or(usize::MAX, |card| card.context),
            example: key.example.clone(),
            epoch: key.epoch,
            depths: DepthDistribution::default(),
        })));
        self.strip_key = Some(key);
    }

    fn table(&mut self, ui: &mut Ui, id: &str) {
        let p = theme::palette(ui);
        let find = ui.add(
            egui::TextEdit::singleline(&mut self.find)
                .hint_text("Find a request or category")
                .desired_width(f32::INFINITY),
        );
        find.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find in this set"));
        let Some(set) = self.open.get_mut(id) else { return };
        let rows = &set.rows;
        // Searching 100,000 rows takes longer than a frame: it is done once for each text, not once a frame.
        let fresh = self
            .matches
            .as_ref()
            .is_some_and(|(set, text, len, _)| set == id && text == &self.find && *len == rows.len());
        if !fresh {
            let wanted = self.find.to_lowercase();
            let hits = (0..rows.len())
                .filter(|&i| {
                    wanted.is_empty()
                        || rows[i].request().to_lowercase().contains(&wanted)
                        || rows[i].category.to_lowercase().contains(&wanted)
                        || rows[i].id.contains(&wanted)
                })
                .collect();
            self.matches = Some((id.to_owned(), self.find.clone(), rows.len(), hits));
        }
        let Some((.., hits)) = &self.matches else { return };
        if hits.is_empty() {
            let (what, why) = if rows.is_empty() {
                ("No examples yet", "Add the first one with the button above.")
            } else {
                ("Nothing found", "No request or category contains these words.")
            };
            empty_state(ui, icons::ICON_SEARCH, what, why, None);
            return;
        }
        let mut clicked = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        TableBuilder::new(ui)
            .id_salt(id)
            .sense(egui::Sense::click())
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::exact(40.0))
            .column(Column::remainder().clip(true))
            .column(Column::exact(76.0).clip(true))
            .header(28.0, |mut header| {
                for name in ["No.", "Request", "Cut"] {
                    header.col(|ui| {
                        ui.add_space(if name == "No." { theme::TIGHT } else { 0.0 });
                        ui.label(theme::label(name).color(p.weak));
                    });
                }
            })
            .body(|body| {
                body.rows(36.0, hits.len(), |mut row| {
                    let index = hits[row.index()];
                    let example = &rows[index];
                    row.set_selected(index == set.selected);
                    row.col(|ui| {
                        ui.add_space(theme::TIGHT);
                        ui.label(theme::small((index + 1).to_string()).color(p.weak));
                    });
                    row.col(|ui| {
                        ui.add(egui::Label::new(theme::small(example.request())).truncate());
                    });
                    row.col(|ui| {
                        let cut = example.cut.map_or_else(|| "random".to_owned(), |k| format!("k = {k}"));
                        ui.label(theme::small(cut).color(p.weak));
                    });
                    if row.response().clicked() {
                        clicked = Some(index);
                    }
                });
            });
        if let Some(index) = clicked {
            set.selected = index;
            self.shown = None;
            self.epoch = 0;
        }
    }
}

/// Undo, redo, add, delete, and whether everything is saved.
fn toolbar(ui: &mut Ui, set: &OpenSet, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let read_only =
        view.project.read_only.then_some("Another window has this project open; here it can only be read.");
    ui.horizontal(|ui| {
        for (command, blocked) in [
            (Command::from(DataCommand::AddExample), read_only),
            (
                DataCommand::RemoveExample.into(),
                read_only.or(set.rows.is_empty().then_some("There is no example to delete.")),
            ),
            (
                AppCommand::Undo.into(),
                read_only.or((!set.can_undo()).then_some("Nothing has been changed yet.")),
            ),
            (
                AppCommand::Redo.into(),
                read_only.or((!set.can_redo()).then_some("Nothing has been taken back.")),
            ),
        ] {
            if icon_button(ui, &command, blocked) {
                view.commands.push(command);
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, colour) = (set.saved_text(), if set.error().is_some() { p.error } else { p.weak });
            ui.label(theme::small(text).color(colour));
        });
    });
    if let Some(error) = set.error() {
        notice(ui, Tone::Error, error);
        if command_button(ui, &DataCommand::SaveAgain, None) {
            view.commands.push(DataCommand::SaveAgain.into());
        }
    }
    ui.add_space(theme::TIGHT);
}
