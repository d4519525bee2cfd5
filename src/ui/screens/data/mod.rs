//! Data: the sets on the left, a table of the open one, and beside it the selected example, the selection or the problems.

mod benchmarks;
mod bulk;
mod checks;
mod dialog;
mod editor;
mod exchange;
mod export;
mod filter;
mod history;
mod import;
mod list;
mod panel;
mod problems;
mod set;
mod strip;
mod table;

pub use history::{Change, Row};

use crate::data::{BulkEdit, DatasetKind, Mend, PartEdit};
use crate::project::DatasetEntry;
use crate::ui::app::{
    Ask, Checked, DataCommand, DataRequest, ExchangeCommand, Loader, READ_ONLY, Request, SetRequest,
    Snapshot, Strip, Tokens, View,
};
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, empty_state, link_button, notice, screen_title};
use eframe::egui::{self, Panel, Ui};
use egui_material_icons::icons;
use exchange::Exchange;
use set::OpenSet;
use std::collections::{BTreeMap, BTreeSet};

/// Why nothing can be edited before a set is there.
const NO_SET: &str = "No data set is open.";

/// The Data screen.
#[derive(Default)]
pub struct DataScreen {
    set: Option<String>,
    /// The set that was drawn last.
    drawn: Option<String>,
    open: BTreeMap<String, OpenSet>,
    asked: BTreeSet<String>,
    failed: BTreeMap<String, String>,
    /// The example whose harmful answer is uncovered.
    shown: Option<String>,
    /// The part that was just added: its field gets the cursor.
    begun: Option<&'static str>,
    strip: strip::Strips,
    problems: bool,
    bulk: bulk::Form,
    dialog: Option<dialog::Dialog>,
    /// What is to be done with a set once its edits are handed on.
    wanted: Option<SetRequest>,
    /// Whether something is being done with a set.
    under_way: bool,
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
        // One that could not be read is tried again.
        self.failed.remove(&id);
        if self.set.as_ref() != Some(&id) {
            self.set = Some(id);
            self.shown = None;
            self.problems = false;
            self.strip.forget();
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

    fn opened_set(&self) -> Option<&OpenSet> {
        self.open.get(self.set.as_ref()?)
    }

    /// Takes a set in that was read.
    pub fn opened(&mut self, set: String, result: Result<(DatasetKind, Vec<Row>), String>) {
        self.asked.remove(&set);
        match result {
            Ok((kind, rows)) => {
                self.open.entry(set).or_insert_with(|| OpenSet::new(kind, rows));
            }
            Err(error) => {
                self.failed.insert(set, error);
            }
        }
    }

    /// Whether an edit of the open set can be taken back, and whether one can be made again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        self.opened_set().map_or((false, false), |set| (set.can_undo(), set.can_redo()))
    }

    /// Why the open set cannot be edited.
    #[must_use]
    pub fn edit_blocked(&self, read_only: bool) -> Option<&'static str> {
        if read_only {
            Some(READ_ONLY)
        } else if self.opened_set().is_some() {
            None
        } else {
            Some(NO_SET)
        }
    }

    /// Why a question about the open set cannot be asked. `busy`: a job may be reading it.
    #[must_use]
    pub fn ask_blocked(&self, ask: Ask, read_only: bool, busy: bool) -> Option<&'static str> {
        if read_only {
            return Some(READ_ONLY);
        }
        let Some(set) = self.opened_set() else { return (ask != Ask::New).then_some(NO_SET) };
        let busy = busy.then_some("A job is running that may read this set. Let it end first.");
        let unsaved = set.error().map(|_| "An example is not complete. Fill it in or delete it first.");
        match ask {
            Ask::New => None,
            Ask::Delete => busy,
            Ask::Copy => unsaved,
            Ask::Rename => busy.or(unsaved),
            Ask::Split => unsaved.or((set.rows.len() < 2).then_some("It takes two examples to split a set.")),
        }
    }

    /// Why no duplicates can be taken out of the open set.
    #[must_use]
    pub fn duplicates_blocked(&self) -> Option<&'static str> {
        match self.opened_set() {
            None => Some(NO_SET),
            Some(set) if !set.checks.is_done() => Some("The set is still being checked."),
            Some(set) if set.checks.duplicates() == 0 => Some("No example says the same as another."),
            Some(_) => None,
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
        if let Some(set) = self.current() {
            set.add(now);
            self.problems = false;
            self.begun = Some(editor::REQUEST);
            self.uncover();
        }
    }

    /// Shows what is written in the editor: an empty answer hides nothing, and would be covered by its first letter.
    fn uncover(&mut self) {
        self.shown = self.opened_set().and_then(OpenSet::example).map(|example| example.id().to_owned());
    }

    /// Removes the selected examples.
    pub fn remove_example(&mut self, now: f64) {
        if let Some(set) = self.current() {
            set.remove(now);
        }
    }

    /// Edits the selected examples alike.
    pub fn bulk(&mut self, edit: &BulkEdit, now: f64) {
        if let Some(set) = self.current() {
            let (changed, of) = (set.bulk(edit, now), set.targets().len());
            self.bulk.done(changed, of);
        }
    }

    /// Adds a part to the example in the editor, or takes one out.
    pub fn edit_part(&mut self, edit: PartEdit, now: f64) {
        if let Some(set) = self.current() {
            set.edit_part(edit, now);
            self.begun = editor::begins(edit, set.kind);
            self.uncover();
        }
    }

    /// Mends a problem.
    pub fn mend(&mut self, id: &str, mend: &Mend, now: f64) {
        if let Some(set) = self.current() {
            set.mend(id, mend, now);
        }
    }

    /// Takes out what repeats an earlier example.
    pub fn deduplicate(&mut self, now: f64) {
        if self.duplicates_blocked().is_none()
            && let Some(set) = self.current()
        {
            set.deduplicate(now);
        }
    }

    /// Selects every listed example.
    pub fn select_listed(&mut self) {
        if let Some(set) = self.current() {
            set.select_listed();
        }
        self.problems = false;
        self.bulk.begin();
    }

    /// Selects one example alone.
    pub fn select_one(&mut self) {
        if let Some(set) = self.current() {
            set.select(set.selected);
        }
    }

    /// Shows the list of problems, or the editor.
    pub fn show_problems(&mut self, on: bool) {
        self.problems = on;
    }

    /// Goes to the next example with a problem.
    pub fn next_problem(&mut self) {
        if let Some(set) = self.current() {
            set.next_problem();
        }
        self.problems = false;
    }

    /// Shows a row in the editor.
    pub fn go_to(&mut self, row: usize) {
        if let Some(set) = self.current() {
            set.go_to(row);
        }
        self.problems = false;
    }

    /// Asks about a set.
    pub fn ask(&mut self, ask: Ask) {
        let set = self.set.clone().unwrap_or_default();
        self.dialog = Some(dialog::Dialog::new(ask, &set));
    }

    /// Closes the question.
    pub fn cancel(&mut self) {
        self.dialog = None;
    }

    /// Does something with a set once every edit of it is handed on: it is copied or split as it stands on the screen.
    pub fn want(&mut self, request: SetRequest) {
        self.dialog = None;
        self.wanted = Some(request);
    }

    /// Nothing could be done with a set: edits go on as before.
    pub fn set_failed(&mut self) {
        self.under_way = false;
    }

    /// Whether a dialog lies over the screen.
    #[must_use]
    pub fn has_dialog(&self) -> bool {
        self.dialog.is_some() || self.exchange.is_open()
    }

    /// Something was done with a set.
    pub fn set_done(&mut self, done: &SetRequest) {
        self.under_way = false;
        match done {
            SetRequest::New { id, .. } | SetRequest::Copy { to: id, .. } => self.select_set(id.clone()),
            SetRequest::Split { names: [first, _], .. } => self.select_set(first.clone()),
            SetRequest::Rename { from, to } => {
                if let Some(set) = self.open.remove(from) {
                    self.open.insert(to.clone(), set);
                }
                if self.set.as_ref() == Some(from) {
                    self.set = Some(to.clone());
                }
            }
            SetRequest::Delete(id) => {
                self.open.remove(id);
                self.failed.remove(id);
            }
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
        // Until the set has its new name, an edit would be sent to one that is gone.
        if self.under_way {
            return None;
        }
        let hurry = hurry || self.wanted.is_some();
        let mut wait: Option<f64> = None;
        for (id, set) in &mut self.open {
            let hurry = hurry || current.as_ref() != Some(id);
            if let Some(seconds) = set.save_if_due(id, now, hurry, loader) {
                wait = Some(wait.map_or(seconds, |w| w.min(seconds)));
            }
        }
        if self.open.values().all(OpenSet::is_handed_on)
            && let Some(request) = self.wanted.take()
        {
            self.under_way = true;
            loader.send(Request::Data(DataRequest::Set(request)));
        }
        wait
    }

    /// Takes the end of a save in.
    pub fn saved(&mut self, set: &str, serial: u64, result: Result<(), String>) {
        if let Some(set) = self.open.get_mut(set) {
            set.saved(serial, result);
        }
    }

    /// How many examples an open set has.
    #[must_use]
    pub fn count(&self, set: &str) -> Option<usize> {
        self.open.get(set).map(|set| set.rows.len())
    }

    /// A check has come so far.
    pub fn checking(&mut self, set: &str, serial: u64, progress: (usize, usize)) {
        if let Some(set) = self.open.get_mut(set) {
            set.checks.under_way(serial, progress);
        }
    }

    /// Takes the end of a check in.
    pub fn checked(&mut self, set: &str, serial: u64, checked: Checked) {
        if let Some(set) = self.open.get_mut(set)
            && set.checks.checked(serial, checked)
            && set.filter.query.problems
        {
            set.filter.again();
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
        self.strip.made(serial, result);
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
        self.question(ui, view);
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
                if command_button(ui, &DataCommand::Ask(Ask::New), view.read_only()) {
                    view.send(DataCommand::Ask(Ask::New));
                }
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
                egui::CentralPanel::no_frame().show(ui, |ui| self.list(ui, view));
            },
        );
        let Some(entry) =
            self.set.as_ref().and_then(|id| view.project.datasets.iter().find(|set| &set.id == id))
        else {
            return;
        };
        if self.open.contains_key(&entry.id) {
            self.editing(ui, entry, view);
        } else if let Some(error) = self.failed.get(&entry.id) {
            notice(ui, Tone::Error, error);
            let again = DataCommand::Select(entry.id.clone());
            if command_button(ui, &again, None) {
                view.send(again);
            }
        } else {
            ui.weak("Reading the examples…");
            if self.asked.insert(entry.id.clone()) {
                view.loader.send(Request::Data(DataRequest::Open(entry.id.clone())));
            }
        }
    }

    /// The table and what stands beside it.
    fn editing(&mut self, ui: &mut Ui, entry: &DatasetEntry, view: &mut View<'_>) {
        let tokens = tokens(view);
        let Some(set) = self.open.get_mut(&entry.id) else { return };
        if self.drawn.as_ref() != Some(&entry.id) {
            self.drawn = Some(entry.id.clone());
            set.checks.shown_again();
        }
        if set.is_handed_on() {
            set.checks.ask_if_due(&entry.id, tokens.clone(), view.loader);
        }
        self.strip.ask_if_due(set, tokens, view.loader);
        let width = (ui.available_width() * 0.54).clamp(376.0, 640.0);
        let side =
            egui::Frame::new().inner_margin(egui::Margin { left: theme::SCREEN as i8, ..Default::default() });
        Panel::right("editor")
            .frame(side)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(width)
            .show(ui, |ui| self.panel(ui, entry, view));
        let middle =
            egui::Frame::new().inner_margin(egui::Margin { left: theme::GROUP as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(middle).show(ui, |ui| self.table(ui, entry, view));
    }
}

/// The checkpoint in whose tokens texts are shown and counted: the model in focus.
fn tokens(view: &View<'_>) -> Option<Tokens> {
    let focus = view.focus.model.as_ref().and_then(|id| view.project.model(id));
    let model = focus.or(view.project.models.first())?;
    let limit = model.card.as_ref().map_or(usize::MAX, |card| card.context);
    Some(Tokens { folder: model.folder.clone(), limit })
}
