//! Edits of a set: applied, taken back, made again, and handed on to be saved. One change may concern many rows.

use crate::data::Example;
use std::sync::Arc;

/// Steps that can be taken back.
const STEPS: usize = 100;
/// Edits of one field that follow each other within this many seconds are one step.
const ONE_STEP: f64 = 1.5;

/// An example as the window, its history and the loader's thread share it.
pub type Row = Arc<Example>;

/// One change to a set.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Examples were edited: each with its row, as it was and as it is.
    Edit(Vec<(usize, Row, Row)>),
    /// Examples were put in: each with the row that it then has, in order.
    Insert(Vec<(usize, Row)>),
    /// Examples were taken out: each with the row that it had, in order.
    Remove(Vec<(usize, Row)>),
}

impl Change {
    /// Carries the change out.
    pub fn apply(&self, rows: &mut Vec<Row>) {
        match self {
            Self::Edit(edits) => {
                for (index, _, after) in edits {
                    if let Some(row) = rows.get_mut(*index) {
                        row.clone_from(after);
                    }
                }
            }
            Self::Insert(new) => {
                let mut old = std::mem::take(rows).into_iter();
                rows.reserve(old.len() + new.len());
                for (index, row) in new {
                    let before = index.saturating_sub(rows.len());
                    rows.extend(old.by_ref().take(before));
                    rows.push(row.clone());
                }
                rows.extend(old);
            }
            Self::Remove(gone) => {
                let mut gone = gone.iter().map(|(index, _)| *index).peekable();
                let mut at = 0;
                rows.retain(|_| {
                    let goes = gone.next_if_eq(&at).is_some();
                    at += 1;
                    !goes
                });
            }
        }
    }

    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Edit(edits) => {
                Self::Edit(edits.into_iter().map(|(index, before, after)| (index, after, before)).collect())
            }
            Self::Insert(rows) => Self::Remove(rows),
            Self::Remove(rows) => Self::Insert(rows),
        }
    }

    /// The first row that it concerns.
    #[must_use]
    pub fn first(&self) -> usize {
        match self {
            Self::Edit(edits) => edits.first().map_or(0, |(index, ..)| *index),
            Self::Insert(rows) | Self::Remove(rows) => rows.first().map_or(0, |(index, _)| *index),
        }
    }

    /// Where the example stands afterwards that stood in row `index`; `None` if it is gone.
    #[must_use]
    pub fn moved(&self, index: usize) -> Option<usize> {
        match self {
            Self::Edit(_) => Some(index),
            Self::Remove(gone) => match gone.binary_search_by_key(&index, |(row, _)| *row) {
                Ok(_) => None,
                Err(before) => Some(index - before),
            },
            Self::Insert(new) => {
                // The row of the j-th new one, less the j before it, is the old row that it pushes down.
                let (mut low, mut high) = (0, new.len());
                while low < high {
                    let middle = usize::midpoint(low, high);
                    if new[middle].0 - middle <= index { low = middle + 1 } else { high = middle }
                }
                Some(index + low)
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    change: Change,
    field: &'static str,
    at: f64,
}

/// What was done and what was taken back.
#[derive(Clone, Debug, Default)]
pub struct History {
    done: Vec<Step>,
    undone: Vec<Change>,
}

impl History {
    /// Notes a change of `field` made `at` a time in seconds. Typing in one field is one step.
    pub fn note(&mut self, change: Change, field: &'static str, at: f64) {
        self.undone.clear();
        if let Some(last) = self.done.last_mut()
            && last.field == field
            && at - last.at < ONE_STEP
            && let (Change::Edit(old), Change::Edit(new)) = (&mut last.change, &change)
            && let ([(index, _, after)], [(row, _, newer)]) = (old.as_mut_slice(), new.as_slice())
            && index == row
        {
            after.clone_from(newer);
            last.at = at;
            return;
        }
        if self.done.len() == STEPS {
            self.done.remove(0);
        }
        self.done.push(Step { change, field, at });
    }

    /// Whether something can be taken back.
    #[must_use]
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether something can be made again.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// The change that takes the last step back.
    pub fn undo(&mut self) -> Option<Change> {
        let step = self.done.pop()?;
        let back = step.change.inverse();
        self.undone.push(step.change);
        Some(back)
    }

    /// The change that makes the step again which was taken back last.
    pub fn redo(&mut self) -> Option<Change> {
        let change = self.undone.pop()?;
        self.done.push(Step { change: change.clone(), field: "", at: f64::NEG_INFINITY });
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::AttackPrompt;

    fn row(goal: &str) -> Row {
        Arc::new(Example::Attack(AttackPrompt { goal: goal.into(), ..AttackPrompt::default() }))
    }

    fn goals(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.request()).collect()
    }

    fn edit(before: &str, after: &str) -> Change {
        Change::Edit(vec![(0, row(before), row(after))])
    }

    #[test]
    fn typing_is_one_step_and_a_pause_begins_another() {
        let mut rows = vec![row("")];
        let mut history = History::default();
        for (before, after, at) in [("", "a", 0.0), ("a", "ab", 0.5), ("ab", "abc", 9.0)] {
            let change = edit(before, after);
            change.apply(&mut rows);
            history.note(change, "goal", at);
        }
        history.undo().unwrap().apply(&mut rows);
        assert_eq!(goals(&rows), ["ab"]);
        history.undo().unwrap().apply(&mut rows);
        assert_eq!(goals(&rows), [""]);
        assert!(history.undo().is_none());
        history.redo().unwrap().apply(&mut rows);
        assert_eq!(goals(&rows), ["ab"]);
    }

    #[test]
    fn many_rows_go_and_come_back_to_their_places_in_one_step() {
        let start: Vec<Row> = ["a", "b", "c", "d", "e", "f"].map(row).to_vec();
        let mut rows = start.clone();
        let mut history = History::default();
        let gone = [0, 1, 3, 5].map(|i| (i, rows[i].clone())).to_vec();
        let change = Change::Remove(gone);
        change.apply(&mut rows);
        assert_eq!(goals(&rows), ["c", "e"]);
        assert_eq!([0, 2, 3, 4].map(|i| change.moved(i)), [None, Some(0), None, Some(1)]);
        history.note(change, "", 0.0);
        let back = history.undo().unwrap();
        assert_eq!([0, 1].map(|i| back.moved(i)), [Some(2), Some(4)]);
        back.apply(&mut rows);
        assert_eq!(rows, start);
        history.redo().unwrap().apply(&mut rows);
        assert_eq!(goals(&rows), ["c", "e"]);
    }

    #[test]
    fn a_new_edit_forgets_what_was_taken_back_and_two_bulk_edits_are_two_steps() {
        let mut history = History::default();
        history.note(edit("", "a"), "goal", 0.0);
        history.undo();
        assert!(history.can_redo());
        history.note(edit("", "b"), "goal", 5.0);
        assert!(!history.can_redo());
        let bulk = Change::Edit(vec![(0, row("b"), row("c")), (1, row("b"), row("c"))]);
        history.note(bulk.clone(), "goal", 5.1);
        history.note(bulk, "goal", 5.2);
        assert_eq!(
            (history.undo().is_some(), history.undo().is_some(), history.can_undo()),
            (true, true, true)
        );
    }
}
