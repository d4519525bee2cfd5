//! A set that is open for editing: its rows, which of them are selected, its history, and what is not saved yet.

use super::checks::Checks;
use super::filter::Filter;
use super::history::{Change, History, Row};
use crate::data::{BulkEdit, DatasetKind, Example, Mend, PartEdit};
use crate::ui::app::{DataRequest, Loader, Request};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds without an edit after which edits are saved.
const PAUSE: f64 = 0.6;

/// Numbers saves across all sets.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// An open set.
#[derive(Debug)]
pub struct OpenSet {
    /// What its examples are.
    pub kind: DatasetKind,
    /// Its examples.
    pub rows: Vec<Row>,
    /// The row in the editor.
    pub selected: usize,
    /// The rows that are selected, in order, where there are several.
    pub chosen: Vec<usize>,
    /// Which rows are listed.
    pub filter: Filter,
    /// What is wrong with them.
    pub checks: Checks,
    /// Whether the list is to show the selected row.
    pub scroll: bool,
    history: History,
    unsaved: Vec<Change>,
    edited_at: f64,
    writing: Option<u64>,
    error: Option<String>,
    again: bool,
}

impl OpenSet {
    /// Opens a set that has just been read.
    #[must_use]
    pub fn new(kind: DatasetKind, rows: Vec<Row>) -> Self {
        Self {
            kind,
            rows,
            selected: 0,
            chosen: Vec::new(),
            filter: Filter::default(),
            checks: Checks::default(),
            scroll: false,
            history: History::default(),
            unsaved: Vec::new(),
            edited_at: 0.0,
            writing: None,
            error: None,
            again: false,
        }
    }

    /// The example in the editor.
    #[must_use]
    pub fn example(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    /// The rows that an action concerns: all that are selected.
    #[must_use]
    pub fn targets(&self) -> Vec<usize> {
        if self.chosen.len() > 1 {
            self.chosen.clone()
        } else {
            Some(self.selected).filter(|&row| row < self.rows.len()).into_iter().collect()
        }
    }

    /// Whether a row is selected.
    #[must_use]
    pub fn is_chosen(&self, row: usize) -> bool {
        row == self.selected && self.chosen.len() < 2 || self.chosen.binary_search(&row).is_ok()
    }

    /// Selects one row alone.
    pub fn select(&mut self, row: usize) {
        self.selected = row.min(self.rows.len().saturating_sub(1));
        self.chosen.clear();
    }

    /// Adds a row to the selection, or takes it out.
    pub fn toggle(&mut self, row: usize) {
        if self.chosen.is_empty() && self.selected < self.rows.len() {
            self.chosen.push(self.selected);
        }
        match self.chosen.binary_search(&row) {
            Ok(at) => {
                self.chosen.remove(at);
                self.selected = self.chosen.first().copied().unwrap_or(row);
            }
            Err(at) => {
                self.chosen.insert(at, row);
                self.selected = row;
            }
        }
    }

    /// Selects everything listed between the row in the editor and this one.
    pub fn select_up_to(&mut self, row: usize) {
        let (from, to) = (self.selected.min(row), self.selected.max(row));
        self.chosen = self.filter.rows(self.filter.place(from)..self.filter.place(to + 1));
    }

    /// Selects everything that is listed.
    pub fn select_listed(&mut self) {
        self.chosen = self.filter.rows(0..self.rows.len());
        if let Some(&first) = self.chosen.first()
            && self.chosen.binary_search(&self.selected).is_err()
        {
            self.selected = first;
        }
    }

    /// Selects the row so many places further down the list, or up.
    pub fn step(&mut self, places: isize) {
        let last = self.filter.len(self.rows.len()).saturating_sub(1);
        let place = self.filter.place(self.selected).saturating_add_signed(places).min(last);
        self.go_to(self.filter.row(place));
    }

    /// Selects a row and shows it in the list.
    pub fn go_to(&mut self, row: usize) {
        self.select(row);
        self.scroll = true;
    }

    /// Selects the next row with a problem.
    pub fn next_problem(&mut self) {
        if let Some(row) = self.checks.next(self.selected) {
            self.go_to(row);
        }
    }

    /// Notes that the example in the editor is now `after`; `field` is what was edited.
    pub fn edit(&mut self, after: Example, field: &'static str, now: f64) {
        let Some(before) = self.rows.get(self.selected).cloned() else { return };
        self.carry_out(Change::Edit(vec![(self.selected, before, Arc::new(after))]), field, now);
    }

    /// Adds a part to the example in the editor, or takes one out.
    pub fn edit_part(&mut self, edit: PartEdit, now: f64) {
        if let Some(after) = self.example().and_then(|example| edit.apply(example)) {
            self.edit(after, "", now);
        }
    }

    /// The same edit of all selected examples, as one step. Returns how many it changed.
    pub fn bulk(&mut self, edit: &BulkEdit, now: f64) -> usize {
        let edits: Vec<(usize, Row, Row)> = self
            .targets()
            .into_iter()
            .filter_map(|row| Some((row, self.rows[row].clone(), Arc::new(edit.apply(&self.rows[row])?))))
            .collect();
        let count = edits.len();
        if count > 0 {
            self.carry_out(Change::Edit(edits), "", now);
        }
        count
    }

    /// Mends a problem of the example with this id.
    pub fn mend(&mut self, id: &str, mend: &Mend, now: f64) {
        let Some(row) = self.rows.iter().position(|row| row.id() == id) else { return };
        match mend.apply(&self.rows[row]) {
            Some(after) => {
                let edit = (row, self.rows[row].clone(), Arc::new(after));
                self.carry_out(Change::Edit(vec![edit]), "", now);
                self.checks.forget(row);
            }
            None => self.take_out(&[row], now),
        }
    }

    /// Adds an example below the one in the editor and selects it.
    pub fn add(&mut self, now: f64) {
        let index = (self.selected + 1).min(self.rows.len());
        let taken = |id: &str| self.rows.iter().any(|row| row.id() == id);
        let id =
            (self.rows.len() + 1..).map(|n| format!("own-{n}")).find(|id| !taken(id)).unwrap_or_default();
        let example = Arc::new(Example::blank(self.kind, id));
        self.filter.clear();
        self.carry_out(Change::Insert(vec![(index, example)]), "", now);
        self.go_to(index);
    }

    /// Takes the selected examples out.
    pub fn remove(&mut self, now: f64) {
        self.take_out(&self.targets(), now);
    }

    /// Takes out what repeats an earlier example.
    pub fn deduplicate(&mut self, now: f64) {
        let again = self.checks.findings().iter().filter(|finding| finding.is_duplicate());
        let rows: Vec<usize> = again.map(|finding| finding.row).collect();
        self.take_out(&rows, now);
    }

    /// Takes these rows out and selects what follows the first of them.
    fn take_out(&mut self, rows: &[usize], now: f64) {
        let Some(&first) = rows.first() else { return };
        let selected = self.selected;
        let change = Change::Remove(rows.iter().map(|&row| (row, self.rows[row].clone())).collect());
        let stays = change.moved(selected);
        self.carry_out(change, "", now);
        let last = self.filter.len(self.rows.len()).saturating_sub(1);
        let next = self.filter.row(self.filter.place(first).min(last));
        self.select(stays.unwrap_or(next));
    }

    fn carry_out(&mut self, change: Change, field: &'static str, now: f64) {
        self.follow(&change);
        self.unsaved.push(change.clone());
        self.history.note(change, field, now);
        self.edited_at = now;
    }

    fn follow(&mut self, change: &Change) {
        change.apply(&mut self.rows);
        self.filter.follow(change);
        self.checks.follow(change);
        if !matches!(change, Change::Edit(_)) {
            self.chosen = self.chosen.iter().filter_map(|&row| change.moved(row)).collect();
        }
    }

    /// Takes the last step back.
    pub fn undo(&mut self, now: f64) {
        if let Some(change) = self.history.undo() {
            self.replay(change, now);
        }
    }

    /// Makes the step again that was taken back.
    pub fn redo(&mut self, now: f64) {
        if let Some(change) = self.history.redo() {
            self.replay(change, now);
        }
    }

    fn replay(&mut self, change: Change, now: f64) {
        self.follow(&change);
        let many = match &change {
            Change::Edit(edits) => edits.len() > 1,
            Change::Insert(rows) | Change::Remove(rows) => rows.len() > 1,
        };
        // A selection of many is kept, so that another edit can follow.
        if !many || matches!(change, Change::Remove(_)) {
            self.go_to(change.first());
        }
        self.unsaved.push(change);
        self.edited_at = now;
    }

    /// Whether there is a step to take back.
    #[must_use]
    pub fn can_undo(&self) -> bool {
        self.history.can_undo()
    }

    /// Whether there is a step to make again.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        self.history.can_redo()
    }

    /// Why the last save failed.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether everything is on disk.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty() && self.writing.is_none() && self.error.is_none()
    }

    /// Whether the loader's thread has all edits, or will have them before what it is asked next.
    #[must_use]
    pub fn is_handed_on(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// Asks for another attempt.
    pub fn save_again(&mut self, now: f64) {
        self.again = true;
        self.edited_at = now - PAUSE;
    }

    /// Hands changes on once nobody has typed for a moment, or at once if `hurry`. Returns the seconds until then.
    pub fn save_if_due(&mut self, set: &str, now: f64, hurry: bool, loader: &mut Loader) -> Option<f64> {
        if self.writing.is_some() || (self.unsaved.is_empty() && !self.again) {
            return None;
        }
        let wait = self.edited_at + PAUSE - now;
        if wait > 0.0 && !hurry {
            return Some(wait);
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        self.writing = Some(serial);
        self.again = false;
        let changes = std::mem::take(&mut self.unsaved);
        loader.send(Request::Data(DataRequest::Save { set: set.to_owned(), changes, serial }));
        None
    }

    /// Takes the end of a save in.
    pub fn saved(&mut self, serial: u64, result: Result<(), String>) {
        if self.writing == Some(serial) {
            self.writing = None;
            // The worker keeps the changes it could not write: the next save writes them too.
            self.error = result.err();
        }
    }

    /// "Saved" and what else there is to say about it.
    #[must_use]
    pub fn saved_text(&self) -> &'static str {
        if self.error.is_some() {
            "Not saved"
        } else if self.is_saved() {
            "Saved"
        } else {
            "Saving…"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn set(count: usize) -> OpenSet {
        let rows =
            (0..count).map(|i| Arc::new(Example::blank(DatasetKind::Recovery, format!("r-{i}")))).collect();
        OpenSet::new(DatasetKind::Recovery, rows)
    }

    fn ids(set: &OpenSet) -> Vec<&str> {
        set.rows.iter().map(|row| row.id()).collect()
    }

    #[test]
    fn an_added_example_is_selected_and_undo_removes_it() {
        let mut set = set(1);
        set.add(0.0);
        assert_eq!((set.rows.len(), set.selected), (2, 1));
        assert_ne!(set.rows[0].id(), set.rows[1].id());
        assert!(!set.is_saved());
        set.undo(1.0);
        assert_eq!((set.rows.len(), set.selected), (1, 0));
        set.redo(2.0);
        assert_eq!(set.rows.len(), 2);
    }

    #[test]
    fn removing_the_last_example_leaves_a_valid_selection() {
        let mut set = set(1);
        set.remove(0.0);
        assert!(set.example().is_none());
        set.remove(0.0);
        set.undo(1.0);
        assert_eq!(ids(&set), ["r-0"]);
    }

    #[test]
    fn a_bulk_edit_is_one_step_and_so_is_a_bulk_delete() {
        let mut set = set(6);
        set.select(1);
        set.select_up_to(3);
        set.toggle(5);
        set.toggle(2);
        assert_eq!(set.targets(), [1, 3, 5]);
        assert_eq!(set.bulk(&BulkEdit::Category("curses".into()), 0.0), 3);
        assert_eq!(set.bulk(&BulkEdit::Category("curses".into()), 0.1), 0, "nothing is left to change");
        set.remove(0.2);
        assert_eq!((ids(&set), set.targets()), (vec!["r-0", "r-2", "r-4"], vec![1]));
        set.undo(0.3);
        assert_eq!(ids(&set), ["r-0", "r-1", "r-2", "r-3", "r-4", "r-5"]);
        assert_eq!(set.rows.iter().filter(|row| row.category() == "curses").count(), 3);
        set.undo(0.4);
        assert!(set.rows.iter().all(|row| row.category().is_empty()) && !set.can_undo());
    }

    #[test]
    fn of_a_filtered_list_only_what_is_listed_is_selected() {
        let mut set = set(12);
        set.filter.query.find = "r-1".into();
        set.filter.advance(&set.rows, |_| false, Duration::from_secs(1));
        set.select_listed();
        assert_eq!(set.targets(), [1, 10, 11]);
        set.select(1);
        set.select_up_to(11);
        assert_eq!(set.targets(), [1, 10, 11]);
        set.select(1);
        set.step(1);
        assert_eq!(set.selected, 10);
        set.remove(0.0);
        assert_eq!(set.rows[set.selected].id(), "r-11", "the next in the list is selected");
    }

    #[test]
    fn a_failed_save_is_said_until_the_next_one_succeeds() {
        let mut set = set(1);
        set.writing = Some(4);
        set.saved(3, Ok(()));
        assert!(!set.is_saved(), "the end of another save says nothing about this one");
        set.saved(4, Err("disk full".into()));
        assert_eq!((set.saved_text(), set.error()), ("Not saved", Some("disk full")));
        set.writing = Some(5);
        set.saved(5, Ok(()));
        assert!(set.is_saved());
    }
}
