//! A recovery set that is open for editing: its rows, its history, and what is not saved yet.

use super::{Change, history::History};
use crate::data::{RecoveryExample, Refusal};
use crate::text::Message;
use crate::ui::app::{DataRequest, Loader, Request};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds without an edit after which edits are saved.
const PAUSE: f64 = 0.6;

/// Numbers saves across all sets.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// An open recovery set.
#[derive(Debug, Default)]
pub struct OpenSet {
    /// Its examples.
    pub rows: Vec<RecoveryExample>,
    /// The selected row.
    pub selected: usize,
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
    pub fn new(rows: Vec<RecoveryExample>) -> Self {
        Self { rows, ..Self::default() }
    }

    /// The selected example.
    #[must_use]
    pub fn example(&self) -> Option<&RecoveryExample> {
        self.rows.get(self.selected)
    }

    /// Notes that the selected example is now `after`; `field` is what was edited.
    pub fn edit(&mut self, after: RecoveryExample, field: &'static str, now: f64) {
        let Some(before) = self.rows.get(self.selected) else { return };
        let change =
            Change::Edit { index: self.selected, before: Box::new(before.clone()), after: Box::new(after) };
        self.carry_out(change, field, now);
    }

    /// Adds an example below the selected one and selects it.
    pub fn add(&mut self, now: f64) {
        let index = (self.selected + 1).min(self.rows.len());
        let taken = |id: &str| self.rows.iter().any(|row| row.id == id);
        let id =
            (self.rows.len() + 1..).map(|n| format!("own-{n}")).find(|id| !taken(id)).unwrap_or_default();
        let example = RecoveryExample {
            id,
            context: vec![Message::user("")],
            refusals: vec![Refusal { from_depth: 0, text: String::new() }],
            source: "written here".into(),
            ..RecoveryExample::default()
        };
        self.carry_out(Change::Insert { index, example: Box::new(example) }, "set", now);
        self.selected = index;
    }

    /// Takes the selected example out.
    pub fn remove(&mut self, now: f64) {
        let Some(example) = self.example().cloned() else { return };
        self.carry_out(Change::Remove { index: self.selected, example: Box::new(example) }, "set", now);
        self.selected = self.selected.min(self.rows.len().saturating_sub(1));
    }

    fn carry_out(&mut self, change: Change, field: &'static str, now: f64) {
        change.apply(&mut self.rows);
        self.unsaved.push(change.clone());
        self.history.note(change, field, now);
        self.edited_at = now;
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
        change.apply(&mut self.rows);
        self.selected = change.index().min(self.rows.len().saturating_sub(1));
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

    fn set() -> OpenSet {
        let row = RecoveryExample {
            id: "a".into(),
            context: vec![Message::user("x")],
            ..RecoveryExample::default()
        };
        OpenSet::new(vec![row])
    }

    #[test]
    fn an_added_example_is_selected_and_undo_removes_it() {
        let mut set = set();
        set.add(0.0);
        assert_eq!((set.rows.len(), set.selected), (2, 1));
        assert_ne!(set.rows[0].id, set.rows[1].id);
        assert!(!set.is_saved());
        set.undo(1.0);
        assert_eq!((set.rows.len(), set.selected), (1, 0));
        set.redo(2.0);
        assert_eq!(set.rows.len(), 2);
    }

    #[test]
    fn removing_the_last_example_leaves_a_valid_selection() {
        let mut set = set();
        set.remove(0.0);
        assert!(set.example().is_none());
        set.remove(0.0);
        set.undo(1.0);
        assert_eq!(set.example().map(|e| e.id.as_str()), Some("a"));
    }

    #[test]
    fn a_failed_save_is_said_until_the_next_one_succeeds() {
        let mut set = set();
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
