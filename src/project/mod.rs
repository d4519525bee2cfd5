//! A project: a folder that is readable without the app.
//!
//! ```text
//! my-project/
//!   project.toml                   format version, title, notes, models
//!   datasets/<id>.jsonl <id>.toml  examples, and what the set is
//!   runs/<id>/                     spec.toml manifest.json metrics.jsonl log.txt model/
//!   evaluations/<id>/              spec.toml manifest.json responses.jsonl verdicts.jsonl labels.jsonl kl.jsonl gcg.jsonl summary.json
//! ```
//!
//! Whole files are written to a temporary name and renamed; logs are appended line by line, and a torn last line is
//! dropped. Whoever opens a project first may write; later openers read.

mod cache;
mod datasets;
mod file;
mod generations;
mod history;
mod labels;
mod lock;
mod manifest;
mod models;
mod role;

pub use datasets::DatasetEntry;
pub use file::FORMAT_VERSION;
pub use generations::GenerationInfo;
pub use history::{Contents, EvaluationInfo, LoggedStep, RunInfo};
pub use manifest::{DONE, Manifest, RUNNING, Resumption, STOPPED, hash_file};
pub use models::ModelEntry;
pub use role::ModelRole;

use crate::data::DataError;
use crate::files;
use crate::model::ModelError;
use file::ProjectFile;
use lock::Lock;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no project in the folder.
    #[error(
        "{root} holds no project: there is no project.toml in it. Choose another folder, or create a project there."
    )]
    NoProject {
        /// The folder.
        root: PathBuf,
    },
    /// A project would be overwritten.
    #[error("{root} already holds {what}. Open it, or choose a folder that is empty or does not exist yet.")]
    Taken {
        /// The folder.
        root: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// Something cannot be written.
    #[error(
        "{path} cannot be written: {reason}. Move the project to a folder that you may write to, or free some space."
    )]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Something cannot be read.
    #[error("{path} cannot be read: {reason}. Restore it from a copy, or check that you may read it.")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A file is there, but is not what it should be.
    #[error("{file} is damaged: {reason}. Correct it with a text editor, or restore it from a copy.")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The project was made by a newer Plumbline.
    #[error(
        "{file} has format version {found}, and this Plumbline knows versions up to {known}. Update Plumbline to open the project; nothing was changed."
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// The version found.
        found: i64,
        /// The version that this build writes.
        known: i64,
    },
    /// Somebody else has the project open, or its folder cannot be written.
    #[error("{root} can only be read here: {reason}. {}", way_out(reason))]
    ReadOnly {
        /// The folder.
        root: PathBuf,
        /// Why.
        reason: String,
    },
    /// An id that cannot be a name on disk.
    #[error(
        "\"{id}\" cannot be the id of a {what}. Use lower-case letters, digits and dashes, beginning with a letter or digit, at most {MAX_ID} characters."
    )]
    BadId {
        /// What it was meant for.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The project has no such thing.
    #[error("the project has no {what} \"{id}\"{}.", known_ids(known))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The id.
        id: String,
        /// The ids that there are.
        known: Vec<String>,
    },
    /// The project has such a thing already.
    #[error("the project already has a {what} \"{id}\". Choose another id.")]
    Duplicate {
        /// What it is.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// Nothing that was accepted makes an example.
    #[error(
        "no {kind} can be made: nothing that fits was accepted{}. Accept some texts first.",
        missing.first().map_or(String::new(), |first| format!(" ({first})"))
    )]
    NothingAccepted {
        /// What was to be made.
        kind: &'static str,
        /// The requests that lack a part.
        missing: Vec<String>,
    },
    /// A model's location leads out of the project.
    #[error(
        "the location {location} of model \"{id}\" leads out of the project. Use a path inside the project, or an absolute one."
    )]
    Outside {
        /// The model.
        id: String,
        /// The location.
        location: PathBuf,
    },
    /// Examples of one kind were to be kept in a set of another.
    #[error(
        "data set \"{id}\" holds {expected}, not {found}. Choose a set of the right kind, or make a new one."
    )]
    WrongKind {
        /// The data set.
        id: String,
        /// What it holds.
        expected: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// The examples of a set cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model of the project cannot be used.
    #[error("model \"{id}\": {source}")]
    Model {
        /// The model.
        id: String,
        /// What is wrong with it.
        source: ModelError,
    },
}

fn way_out(reason: &str) -> &'static str {
    if reason == lock::HELD_ELSEWHERE {
        "Close the other window, or work on a copy of the folder."
    } else {
        "Copy it to a folder that you may write to."
    }
}

fn known_ids(known: &[String]) -> String {
    if known.is_empty() {
        ". There are none yet".to_owned()
    } else {
        format!(". There are: {}", known.join(", "))
    }
}

/// The longest id.
const MAX_ID: usize = 64;

/// Checks that an id is a safe name on disk.
pub fn check_id(what: &'static str, id: &str) -> Result<(), ProjectError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > MAX_ID || id.starts_with('-') || !id.chars().all(plain) {
        return Err(ProjectError::BadId { what, id: id.to_owned() });
    }
    Ok(())
}

/// An id made of a title: lower-case letters and digits with dashes between, or `fallback` if nothing is left.
#[must_use]
pub fn id_from_title(title: &str, fallback: &str) -> String {
    let mut id = String::new();
    for c in title.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(MAX_ID);
    let id = id.trim_end_matches('-');
    if id.is_empty() { fallback.to_owned() } else { id.to_owned() }
}

/// A project that is open.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    file: ProjectFile,
    /// The right to write, or why there is none.
    lock: Result<Arc<Lock>, String>,
}

impl Project {
    /// Makes a project in `root`, which must be empty or not exist yet.
    pub fn create(root: &Path, title: &str) -> Result<Self, ProjectError> {
        if root.join(file::NAME).exists() {
            return Err(ProjectError::Taken { root: root.to_owned(), what: "a project" });
        }
        make_folder(root)?;
        let mut entries = std::fs::read_dir(root).map_err(|e| unreadable(root, &e))?;
        if entries.next().is_some() {
            return Err(ProjectError::Taken { root: root.to_owned(), what: "other files" });
        }
        Self::establish(root, title)
    }

    /// Makes a project of a folder that may already hold what belongs into one, such as models and data sets.
    pub fn establish(root: &Path, title: &str) -> Result<Self, ProjectError> {
        if root.join(file::NAME).exists() {
            return Err(ProjectError::Taken { root: root.to_owned(), what: "a project" });
        }
        make_folder(root)?;
        for folder in ["datasets", "runs", "evaluations"] {
            make_folder(&root.join(folder))?;
        }
        // Locks and half-written files are this machine's matter, not that of those who share the folder in git.
        let ignore = root.join(".gitignore");
        if !ignore.exists() {
            write(&ignore, b".lock\n.writing-*\n")?;
        }
        ProjectFile::new(title).save(root)?;
        Self::open(root)
    }

    /// Opens a project. If somebody else has it open, it is [`read_only`](Self::read_only).
    pub fn open(root: &Path) -> Result<Self, ProjectError> {
        let file = ProjectFile::load(root)?;
        Ok(Self { root: root.to_owned(), file, lock: Lock::take(root) })
    }

    /// Opens a project to look at: nothing can be written through it, and nobody is kept from writing.
    pub fn look(root: &Path) -> Result<Self, ProjectError> {
        let lock = Err("it was opened to look at".to_owned());
        Ok(Self { root: root.to_owned(), file: ProjectFile::load(root)?, lock })
    }

    /// Opens a project for a job: shares the right to write with the opener in this process, if there is one. A
    /// project that another process has open is refused.
    pub fn attach(root: &Path) -> Result<Self, ProjectError> {
        let file = ProjectFile::load(root)?;
        let lock =
            Lock::share(root).map_err(|reason| ProjectError::ReadOnly { root: root.to_owned(), reason })?;
        Ok(Self { root: root.to_owned(), file, lock: Ok(lock) })
    }

    /// Reads `project.toml` again: jobs add models to it.
    pub fn reload(&mut self) -> Result<(), ProjectError> {
        self.file = ProjectFile::load(&self.root)?;
        Ok(())
    }

    /// Whether somebody else may write, or the folder cannot be written at all.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.lock.is_err()
    }

    /// Why the project is read-only, if it is.
    #[must_use]
    pub fn read_only_reason(&self) -> Option<&str> {
        self.lock.as_ref().err().map(String::as_str)
    }

    /// The project's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the project is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// What its keeper noted.
    #[must_use]
    pub fn notes(&self) -> &str {
        &self.file.notes
    }

    /// Changes the title.
    pub fn set_title(&mut self, title: &str) -> Result<(), ProjectError> {
        self.change(|file| {
            title.clone_into(&mut file.title);
            Ok(())
        })
    }

    /// Changes the notes.
    pub fn set_notes(&mut self, notes: &str) -> Result<(), ProjectError> {
        self.change(|file| {
            notes.clone_into(&mut file.notes);
            Ok(())
        })
    }

    /// Makes the folder of a new run or evaluation, `group` being `runs` or `evaluations`; its id is the local time
    /// and `kind`.
    pub fn new_folder(&self, group: &str, kind: &str) -> Result<(String, PathBuf), ProjectError> {
        self.writable()?;
        check_id("folder", group)?;
        check_id("folder", kind)?;
        let parent = self.root.join(group);
        make_folder(&parent)?;
        let time = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
        for attempt in 1..1000 {
            let id = if attempt == 1 { format!("{time}-{kind}") } else { format!("{time}-{kind}-{attempt}") };
            let folder = parent.join(&id);
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok((id, folder)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(unwritable(&folder, &e)),
            }
        }
        Err(ProjectError::Unwritable {
            path: parent,
            reason: "a thousand folders of this second exist".into(),
        })
    }

    /// Changes `project.toml`, starting from what stands on disk now, so that the window and a job do not undo each
    /// other's changes.
    fn change(
        &mut self,
        change: impl FnOnce(&mut ProjectFile) -> Result<(), ProjectError>,
    ) -> Result<(), ProjectError> {
        let lock = self.writable()?;
        let _turn = lock.turn();
        let mut file = ProjectFile::load(&self.root)?;
        change(&mut file)?;
        file.save(&self.root)?;
        self.file = file;
        Ok(())
    }

    fn writable(&self) -> Result<Arc<Lock>, ProjectError> {
        self.lock.clone().map_err(|reason| ProjectError::ReadOnly { root: self.root.clone(), reason })
    }
}

/// Whether `name` is one plain name of a file or folder.
fn plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn unreadable(path: &Path, error: &std::io::Error) -> ProjectError {
    ProjectError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

fn unwritable(path: &Path, error: &std::io::Error) -> ProjectError {
    ProjectError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

fn make_folder(path: &Path) -> Result<(), ProjectError> {
    std::fs::create_dir_all(path).map_err(|e| {
        let reason = if path.exists() && !path.is_dir() {
            "a file of this name stands where a folder is needed".to_owned()
        } else {
            e.to_string()
        };
        ProjectError::Unwritable { path: path.to_owned(), reason }
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ProjectError> {
    files::write_atomic(path, bytes).map_err(|e| unwritable(path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_names() {
        for good in ["a", "7b-chat", "recovery-train"] {
            assert!(check_id("model", good).is_ok(), "{good}");
        }
        for bad in ["", "..", "a/b", "A", "-a", "a b", "a_b", "ä", "a.", &"a".repeat(65)] {
            let error = check_id("model", bad).unwrap_err().to_string();
            assert!(error.contains("lower-case letters, digits and dashes"), "{error}");
        }
    }

    #[test]
    fn titles_become_ids() {
        assert_eq!(id_from_title("My Model, v2!", "model"), "my-model-v2");
        assert_eq!(id_from_title("…", "model"), "model");
        assert!(check_id("model", &id_from_title(&"x y ".repeat(90), "model")).is_ok());
    }

    #[test]
    fn plain_names_have_no_way_out() {
        assert!(plain_name("2026-11-23T15-30-12-evaluate"));
        for bad in ["..", ".", "", "a/b", "/a", "a/"] {
            assert!(!plain_name(bad), "{bad}");
        }
    }
}
