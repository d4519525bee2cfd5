//! The data sets of a project: `datasets/<id>.jsonl` with the examples, `datasets/<id>.toml` with what the set is.

use super::{Project, ProjectError, check_id, hash_file, make_folder, unreadable, write};
use crate::data::{self, Benchmark, BenchmarkPart, DatasetKind, Examples, FileCheck};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a data set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetEntry {
    /// Its id, unique in the project.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// What its examples are.
    pub kind: DatasetKind,
    /// How many examples it holds.
    pub count: usize,
    /// Under which licence it came.
    pub licence: String,
    /// Where it came from.
    pub source: String,
    /// Remarks.
    pub note: String,
    /// SHA-256 of the file that was imported; empty if the set was made here.
    pub sha256: String,
}

impl DatasetEntry {
    /// A set of this kind with no more said about it.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, kind: DatasetKind) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            kind,
            count: 0,
            licence: String::new(),
            source: String::new(),
            note: String::new(),
            sha256: String::new(),
        }
    }

    /// A set made of a benchmark's file.
    #[must_use]
    pub fn of_benchmark(id: &str, benchmark: &Benchmark, part: &BenchmarkPart, check: &FileCheck) -> Self {
        let mut entry = Self::new(id, Self::benchmark_title(benchmark, part), part.kind);
        entry.licence = benchmark.licence.clone();
        entry.source = benchmark.page.clone();
        entry.note = format!("Cite: {}. {}", benchmark.citation, benchmark.note).trim().to_owned();
        entry.sha256 = check.sha256.clone();
        entry
    }

    /// What a set of a benchmark is called.
    #[must_use]
    pub fn benchmark_title(benchmark: &Benchmark, part: &BenchmarkPart) -> String {
        format!("{} ({})", benchmark.title, part.id)
    }
}

/// What stands in `<id>.toml`: the id is the file's name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetFile {
    title: String,
    kind: DatasetKind,
    #[serde(default)]
    count: usize,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    sha256: String,
}

impl Project {
    /// The data sets, by id. A set that cannot be read is among the [`problems`](Self::problems) instead.
    #[must_use]
    pub fn datasets(&self) -> Vec<DatasetEntry> {
        self.list_datasets().0
    }

    /// The data set with this id.
    pub fn dataset(&self, id: &str) -> Result<DatasetEntry, ProjectError> {
        check_id("data set", id)?;
        let path = self.dataset_path(id, "toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let known = self.datasets().into_iter().map(|entry| entry.id).collect();
                return Err(ProjectError::Unknown { what: "data set", id: id.to_owned(), known });
            }
            Err(e) => return Err(unreadable(&path, &e)),
        };
        let file: DatasetFile = toml::from_str(&text)
            .map_err(|e| ProjectError::Malformed { file: path, reason: e.to_string() })?;
        Ok(DatasetEntry {
            id: id.to_owned(),
            title: if file.title.is_empty() { id.to_owned() } else { file.title },
            kind: file.kind,
            count: file.count,
            licence: file.licence,
            source: file.source,
            note: file.note,
            sha256: file.sha256,
        })
    }

    /// The examples of a data set.
    pub fn examples(&self, id: &str) -> Result<Examples, ProjectError> {
        let entry = self.dataset(id)?;
        let path = self.dataset_path(id, "jsonl");
        if entry.count == 0 && std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            return Ok(Examples::none(entry.kind));
        }
        Ok(data::read_jsonl(&path, entry.kind)?)
    }

    /// Replaces the examples of a data set.
    pub fn save_examples(&mut self, id: &str, examples: &Examples) -> Result<(), ProjectError> {
        let lock = self.writable()?;
        let _turn = lock.turn();
        let entry = self.dataset(id)?;
        same_kind(&entry, examples)?;
        data::write_jsonl(&self.dataset_path(id, "jsonl"), examples)?;
        if entry.count != examples.len() {
            self.write_dataset(&DatasetEntry { count: examples.len(), ..entry })?;
        }
        Ok(())
    }

    /// Adds a data set. Its count is that of the examples.
    pub fn add_dataset(&mut self, entry: DatasetEntry, examples: &Examples) -> Result<(), ProjectError> {
        let lock = self.writable()?;
        let _turn = lock.turn();
        check_id("data set", &entry.id)?;
        same_kind(&entry, examples)?;
        make_folder(&self.root.join("datasets"))?;
        let [toml, jsonl] = ["toml", "jsonl"].map(|end| self.dataset_path(&entry.id, end));
        if toml.exists() || jsonl.exists() {
            return Err(ProjectError::Duplicate { what: "data set", id: entry.id });
        }
        // The description comes last: without it there is no set, so that a crash leaves no half of one.
        data::write_jsonl(&jsonl, examples)?;
        self.write_dataset(&DatasetEntry { count: examples.len(), ..entry })
    }

    /// Replaces what is said about a data set; its examples, kind and count stay.
    pub fn update_dataset(&mut self, entry: DatasetEntry) -> Result<(), ProjectError> {
        let lock = self.writable()?;
        let _turn = lock.turn();
        let old = self.dataset(&entry.id)?;
        self.write_dataset(&DatasetEntry { kind: old.kind, count: old.count, ..entry })
    }

    /// Copies a data set, with what is said about it, under another id.
    pub fn copy_dataset(&mut self, id: &str, to: &str) -> Result<(), ProjectError> {
        let (entry, examples) = (self.dataset(id)?, self.examples(id)?);
        let title = if entry.title == entry.id { to.to_owned() } else { entry.title };
        self.add_dataset(DatasetEntry { id: to.to_owned(), title, ..entry }, &examples)
    }

    /// Gives a data set another id. Specs and results that name the old one stay as they are.
    pub fn rename_dataset(&mut self, id: &str, to: &str) -> Result<(), ProjectError> {
        // A crash in between leaves the set under both names, never under none.
        self.copy_dataset(id, to)?;
        self.remove_dataset(id)
    }

    /// Deletes a data set and its examples.
    pub fn remove_dataset(&mut self, id: &str) -> Result<(), ProjectError> {
        let lock = self.writable()?;
        let _turn = lock.turn();
        self.dataset(id)?;
        // The description goes first: without it there is no set, so that a crash leaves no half of one.
        for end in ["toml", "jsonl"] {
            let path = self.dataset_path(id, end);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ProjectError::Unwritable { path, reason: e.to_string() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// SHA-256 of the examples as they stand on disk.
    pub fn dataset_hash(&self, id: &str) -> Result<String, ProjectError> {
        check_id("data set", id)?;
        let path = self.dataset_path(id, "jsonl");
        hash_file(&path).map_err(|e| unreadable(&path, &e))
    }

    pub(super) fn list_datasets(&self) -> (Vec<DatasetEntry>, Vec<String>) {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        let folder = self.root.join("datasets");
        let names = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                problems.push(unreadable(&folder, &e).to_string());
                Vec::new()
            }
        };
        let mut names: Vec<PathBuf> = names;
        names.sort();
        for path in names {
            let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            match path.extension().and_then(|end| end.to_str()) {
                Some("toml") => match self.dataset(id) {
                    Ok(_) if !path.with_extension("jsonl").is_file() => problems.push(format!(
                        "{} is missing, so data set \"{id}\" has no examples. Restore it, or remove {id}.toml.",
                        path.with_extension("jsonl").display()
                    )),
                    Ok(entry) => entries.push(entry),
                    Err(e) => problems.push(e.to_string()),
                },
                Some("jsonl") if !path.with_extension("toml").is_file() => problems.push(format!(
                    "{} has no {id}.toml beside it that says what it is. Import the file as a data set.",
                    path.display()
                )),
                _ => {}
            }
        }
        (entries, problems)
    }

    fn dataset_path(&self, id: &str, end: &str) -> PathBuf {
        self.root.join("datasets").join(format!("{id}.{end}"))
    }

    fn write_dataset(&self, entry: &DatasetEntry) -> Result<(), ProjectError> {
        let file = DatasetFile {
            title: entry.title.clone(),
            kind: entry.kind,
            count: entry.count,
            licence: entry.licence.clone(),
            source: entry.source.clone(),
            note: entry.note.clone(),
            sha256: entry.sha256.clone(),
        };
        let path = self.dataset_path(&entry.id, "toml");
        let text = toml::to_string(&file)
            .map_err(|e| ProjectError::Unwritable { path: path.clone(), reason: e.to_string() })?;
        write(&path, text.as_bytes())
    }
}

fn same_kind(entry: &DatasetEntry, examples: &Examples) -> Result<(), ProjectError> {
    if entry.kind == examples.kind() {
        return Ok(());
    }
    let (expected, found) = (entry.kind.label(), examples.kind().label());
    Err(ProjectError::WrongKind { id: entry.id.clone(), expected, found })
}
