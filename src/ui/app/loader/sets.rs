//! Sets as a whole: made, copied, renamed, split, deleted.

use super::room::{NOT_OPEN, Room};
use crate::data::{self, DatasetKind, Examples, SplitSpec};
use crate::project::{DatasetEntry, Project};
use std::sync::Arc;

/// What is to be done with a set. Names are ids: what the set's files are called.
#[derive(Clone, Debug, PartialEq)]
pub enum SetRequest {
    /// Make one without examples.
    New {
        /// Its name.
        id: String,
        /// What it will hold.
        kind: DatasetKind,
    },
    /// Make another that holds the same.
    Copy {
        /// The set.
        from: String,
        /// The copy's name.
        to: String,
    },
    /// Give it another name.
    Rename {
        /// The set.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Delete it.
    Delete(String),
    /// Make two sets of it; it stays as it is.
    Split {
        /// The set.
        set: String,
        /// The names of the two parts.
        names: [String; 2],
        /// How it is split.
        spec: SplitSpec,
    },
}

/// What was done with a set.
#[derive(Clone, Debug, PartialEq)]
pub struct SetDone {
    /// What was asked for.
    pub request: SetRequest,
    /// What came of it, in words.
    pub text: String,
}

impl Room {
    pub(super) fn sets(&mut self, request: SetRequest) -> Result<SetDone, String> {
        let text = match &request {
            SetRequest::New { id, kind } => {
                let entry = DatasetEntry::new(id, id, *kind);
                self.writable()?.add_dataset(entry, &Examples::none(*kind)).map_err(|e| e.to_string())?;
                format!("Data set {id} is there. Add its first example.")
            }
            SetRequest::Copy { from, to } => {
                self.complete(from)?;
                self.writable()?.copy_dataset(from, to).map_err(|e| e.to_string())?;
                format!("Data set {to} holds the same examples as {from}.")
            }
            SetRequest::Rename { from, to } => {
                self.complete(from)?;
                self.writable()?.rename_dataset(from, to).map_err(|e| e.to_string())?;
                if let Some(rows) = self.edited.remove(from) {
                    self.edited.insert(to.clone(), rows);
                }
                format!("Data set {from} is called {to} now.")
            }
            SetRequest::Delete(id) => {
                self.writable()?.remove_dataset(id).map_err(|e| e.to_string())?;
                self.edited.remove(id);
                format!("Data set {id} was deleted.")
            }
            SetRequest::Split { set, names, spec } => self.split(set, names, spec)?,
        };
        Ok(SetDone { request, text })
    }

    fn writable(&mut self) -> Result<&mut Project, String> {
        self.project.as_mut().ok_or_else(|| NOT_OPEN.to_owned())
    }

    /// What a set holds must be on the disk before it is copied from there.
    fn complete(&self, set: &str) -> Result<(), String> {
        let rows = self.edited.get(set).map(|edited| edited.rows.as_slice()).unwrap_or_default();
        rows.iter().find_map(|row| super::data::incomplete(row)).map_or(Ok(()), Err)
    }

    fn split(&mut self, set: &str, names: &[String; 2], spec: &SplitSpec) -> Result<String, String> {
        self.complete(set)?;
        let (kind, rows) = self.rows(set)?;
        let (first, second) = data::split(rows.iter().map(Arc::as_ref), spec);
        let project = self.writable()?;
        let whole = project.dataset(set).map_err(|e| e.to_string())?;
        if let Some(taken) = names.iter().find(|name| project.dataset(name).is_ok()) {
            return Err(format!("There is already a data set {taken}. Choose another name."));
        }
        let parts = [first, second];
        for (name, part) in names.iter().zip(&parts) {
            let entry = DatasetEntry {
                id: name.clone(),
                title: name.clone(),
                note: format!(
                    "Part of {set}: seed {}, {} of {} examples.",
                    spec.seed,
                    part.len(),
                    rows.len()
                ),
                sha256: String::new(),
                ..whole.clone()
            };
            let examples = Examples::of_rows(kind, part.iter().map(|&row| rows[row].as_ref()));
            project.add_dataset(entry, &examples).map_err(|e| e.to_string())?;
        }
        let [one, other] = names;
        Ok(format!(
            "{one} has {} examples and {other} has {}. {set} stays as it is.",
            parts[0].len(),
            parts[1].len()
        ))
    }
}
