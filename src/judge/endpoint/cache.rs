//! What an endpoint said, kept so that nothing is asked and paid for twice.

use super::super::JudgeError;
use crate::files::{AppendLog, read_lines_dropping_torn};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// A line of the file: what was said to the question of this hash. The question itself is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// SHA-256 of the judge's version and the request.
    pub key: String,
    /// What was said.
    pub reply: String,
    /// Tokens that were sent for it.
    pub tokens_in: u64,
    /// Tokens that came back.
    pub tokens_out: u64,
    /// When (RFC 3339).
    pub at: String,
}

/// The replies of one version of a judge: a file of its own, appended to line by line.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<String, String>,
    log: Option<AppendLog>,
    file: PathBuf,
}

impl Cache {
    /// A version is made of words and hexadecimal digits; whatever else, the name stays that of one file.
    fn file(folder: &Path, version: &str) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        folder.join(format!("{}.jsonl", version.chars().map(plain).collect::<String>()))
    }

    /// Reads what is kept. Without a folder, nothing is. A torn or damaged line is a question that must be asked again.
    pub fn open(folder: Option<&Path>, version: &str) -> Result<Self, JudgeError> {
        let Some(folder) = folder else {
            return Ok(Self { entries: HashMap::new(), log: None, file: PathBuf::new() });
        };
        let file = Self::file(folder, version);
        let failed = |e: io::Error| JudgeError::Cache { file: file.clone(), reason: e.to_string() };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lines = read_lines_dropping_torn(&file).map_err(failed)?;
        let entries = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Entry>(line).ok())
            .map(|entry| (entry.key, entry.reply))
            .collect();
        let log = Some(AppendLog::open(&file).map_err(failed)?);
        Ok(Self { entries, log, file })
    }

    /// Reads what is kept and makes nothing: for what is only estimated.
    pub fn look(folder: Option<&Path>, version: &str) -> Result<Self, JudgeError> {
        let there = folder.filter(|folder| Self::file(folder, version).is_file());
        Self::open(there, version)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    pub fn put(&mut self, entry: Entry) -> Result<(), JudgeError> {
        if let Some(log) = &mut self.log {
            log.json(&entry)
                .map_err(|e| JudgeError::Cache { file: self.file.clone(), reason: e.to_string() })?;
        }
        self.entries.insert(entry.key, entry.reply);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            reply: format!("{key} said"),
            tokens_in: 3,
            tokens_out: 1,
            at: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn what_was_said_is_known_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("judges");
        let mut cache = Cache::open(Some(&place), "rubric ab/../c").unwrap();
        for key in ["a", "b"] {
            cache.put(entry(key)).unwrap();
        }
        drop(cache);
        let file = place.join("rubric-ab----c.jsonl");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.truncate(bytes.len() - 5);
        let garbage = [b"not json\n".as_slice(), &bytes].concat();
        std::fs::write(&file, garbage).unwrap();
        let mut cache = Cache::open(Some(&place), "rubric ab/../c").unwrap();
        assert_eq!((cache.get("a"), cache.get("b")), (Some("a said"), None));
        cache.put(entry("b")).unwrap();
        let cache = Cache::open(Some(&place), "rubric ab/../c").unwrap();
        assert_eq!((cache.get("a"), cache.get("b")), (Some("a said"), Some("b said")));
        assert_eq!(Cache::open(Some(&place), "rubric x").unwrap().get("a"), None, "another version");
    }

    #[test]
    fn a_cache_that_cannot_be_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Cache::open(Some(&file), "v").unwrap_err().to_string();
        assert!(error.contains("to keep what the judge said"), "{error}");
    }
}
