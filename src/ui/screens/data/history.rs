//! Edits of a recovery set: applied, taken back, made again, and handed on to be saved.

use crate::data::RecoveryExample;

/// Steps that can be taken back.
const STEPS: usize = 100;
/// Edits of one field that follow each other within this many seconds are one step.
const ONE_STEP: f64 = 1.5;

/// One change to a recovery set.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An example was edited.
    Edit {
        /// Its row.
        index: usize,
        /// As it was.
        before: Box<RecoveryExample>,
        /// As it is.
        after: Box<RecoveryExample>,
    },
    /// An example was put in.
    Insert {
        /// Its row.
        index: usize,
        /// The example.
        example: Box<RecoveryExample>,
    },
    /// An example was taken out.
    Remove {
        /// Its row.
        index: usize,
        /// The example.
        example: Box<RecoveryExample>,
    },
}

impl Change {
    /// Carries the change out.
    pub fn apply(&self, rows: &mut Vec<RecoveryExample>) {
        match self {
            Self::Edit { index, after, .. } => {
                if let Some(row) = rows.get_mut(*index) {
                    row.clone_from(after);
                }
            }
            Self::Insert { index, example } => rows.insert((*index).min(rows.len()), (**example).clone()),
            Self::Remove { index, .. } => {
                if *index < rows.len() {
                    rows.remove(*index);
                }
            }
        }
    }

    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Edit { index, before, after } => Self::Edit { index, before: after, after: before },
            Self::Insert { index, example } => Self::Remove { index, example },
            Self::Remove { index, example } => Self::Insert { index, example },
        }
    }

    /// The row it concerns.
    #[must_use]
    pub fn index(&self) -> usize {
        match self {
            Self::Edit { index, .. } | Self::Insert { index, .. } | Self::Remove { index, .. } => *index,
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
            && let (Change::Edit { index, after, .. }, Change::Edit { index: row, after: newer, .. }) =
                (&mut last.change, &change)
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

    fn example(harmful: &str) -> RecoveryExample {
        RecoveryExample { id: "r".into(), harmful: harmful.into(), ..RecoveryExample::default() }
    }

    fn edit(before: &str, after: &str) -> Change {
        Change::Edit { index: 0, before: Box::new(example(before)), after: Box::new(example(after)) }
    }

    #[test]
    fn typing_is_one_step_and_a_pause_begins_another() {
        let mut rows = vec![example("")];
        let mut history = History::default();
        for (before, after, at) in [("", "a", 0.0), ("a", "ab", 0.5), ("ab", "abc", 9.0)] {
            let change = edit(before, after);
            change.apply(&mut rows);
            history.note(change, "harmful", at);
        }
        history.undo().unwrap().apply(&mut rows);
        assert_eq!(rows[0].harmful, "ab");
        history.undo().unwrap().apply(&mut rows);
        assert_eq!(rows[0].harmful, "");
        assert!(history.undo().is_none());
        history.redo().unwrap().apply(&mut rows);
        assert_eq!(rows[0].harmful, "ab");
    }

    #[test]
    fn a_removed_example_comes_back_to_its_place() {
        let mut rows = vec![example("one"), example("two")];
        let mut history = History::default();
        let change = Change::Remove { index: 0, example: Box::new(rows[0].clone()) };
        change.apply(&mut rows);
        history.note(change, "set", 0.0);
        assert_eq!(rows.len(), 1);
        history.undo().unwrap().apply(&mut rows);
        assert_eq!(rows, [example("one"), example("two")]);
    }

    #[test]
    fn a_new_edit_forgets_what_was_taken_back() {
        let mut history = History::default();
        history.note(edit("", "a"), "harmful", 0.0);
        history.undo();
        assert!(history.can_redo());
        history.note(edit("", "b"), "harmful", 5.0);
        assert!(!history.can_redo());
    }
}
