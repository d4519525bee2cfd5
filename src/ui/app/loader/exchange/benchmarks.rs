//! Public benchmarks: their files are fetched, compared, and made into sets.

use super::import::cut;
use super::{BAD_ROWS, Line, keep};
use crate::data::{BadRow, RegistryError, check_file, find_benchmark, import_file};
use crate::project::{DatasetEntry, Project};
use std::path::{Path, PathBuf};

/// What a file is, beside what is known of the benchmark.
#[derive(Clone, Debug)]
pub struct CheckedFile {
    /// The file.
    pub file: PathBuf,
    /// What was found, in words.
    pub text: String,
    /// Whether it has the rows that it should have, and is no other version than the known one.
    pub as_known: bool,
    /// How many examples it gives.
    pub rows: usize,
    /// Rows that cannot be used; no more than can be shown.
    pub bad: Vec<BadRow>,
    /// How many there are.
    pub bad_count: usize,
}

pub(super) fn check(id: &str, file: &Path) -> Result<CheckedFile, String> {
    let (benchmark, part) = find_benchmark(id).map_err(|e| e.to_string())?;
    // What the command line is told to type has a button here.
    let words = |e: RegistryError| e.to_string().replace("`plumbline import`", "Import…");
    let check = check_file(benchmark, part, file).map_err(words)?;
    let mut bad = import_file(benchmark, part, file).map_err(words)?.bad;
    bad.truncate(BAD_ROWS);
    for row in &mut bad {
        row.message = cut(&row.message);
    }
    Ok(CheckedFile {
        file: file.to_owned(),
        text: check.text(),
        as_known: check.is_complete() && check.known != Some(false),
        rows: check.rows,
        bad,
        bad_count: check.bad,
    })
}

pub(super) fn add(
    root: &Path,
    id: &str,
    file: &Path,
    leave_out_bad: bool,
    line: &Line<'_>,
) -> Result<(String, usize), String> {
    let (benchmark, part) = find_benchmark(id).map_err(|e| e.to_string())?;
    let check = check_file(benchmark, part, file).map_err(|e| e.to_string())?;
    let found = import_file(benchmark, part, file).map_err(|e| e.to_string())?;
    if !found.bad.is_empty() && !leave_out_bad {
        return Err(format!("{} rows cannot be used. Tick that they are left out.", found.bad.len()));
    }
    let mut project = Project::attach(root).map_err(|e| e.to_string())?;
    let known: Vec<String> = project.datasets().into_iter().map(|set| set.id).collect();
    let set = super::super::room::free_id(benchmark.dataset_id(part), |id| known.iter().any(|one| one == id));
    let entry = DatasetEntry::of_benchmark(&set, benchmark, part, &check);
    keep(line, &mut project, entry, &found.examples)?;
    Ok((set, found.examples.len()))
}

/// Fetches the file into the project's cache; one that was fetched before is there already.
#[cfg(feature = "hub")]
pub(super) fn fetch(root: &Path, id: &str, line: &mut Line<'_>) -> Result<PathBuf, String> {
    use crate::data::{GetError, get};
    use crate::model::readable_size;

    let (benchmark, part) = find_benchmark(id).map_err(|e| e.to_string())?;
    let project = Project::attach(root).map_err(|e| e.to_string())?;
    let folder = project.cache_folder().map_err(|e| format!("{}: {e}", root.display()))?;
    let folder = folder.join("benchmarks").join(&benchmark.id);
    let got = get(benchmark, part, &folder, &mut |progress| {
        let share = progress.total.map(|total| progress.done as f32 / total.max(1) as f32);
        line.tell(share, || format!("Fetching {}: {}", progress.file, readable_size(progress.done)))
    });
    match got {
        Ok(got) => Ok(got.path),
        Err(GetError::Exists { path }) => Ok(path),
        // The way by hand stands beside the button, in words for the window.
        Err(error) => Err(error.to_string().replace(&benchmark.by_hand(), "").trim_end().to_owned()),
    }
}

/// This build of Plumbline cannot use the network.
#[cfg(not(feature = "hub"))]
pub(super) fn fetch(_root: &Path, _id: &str, _line: &mut Line<'_>) -> Result<PathBuf, String> {
    Err("This build of Plumbline fetches nothing over the network.".to_owned())
}

#[cfg(all(test, feature = "hub"))]
mod tests {
    use super::super::Line;
    use super::*;
    use crossbeam_channel::bounded;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn what_cannot_be_fetched_is_said_without_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        Project::create(&root, "x").unwrap();
        let (replies, _inbox) = bounded(4);
        let newest = AtomicU64::new(1);
        let waker: super::super::Waker = Arc::new(|| {});
        let mut line = Line { serial: 1, newest: &newest, replies: &replies, waker: &waker, told: None };
        assert_eq!(fetch(&root, "hex-phi", &mut line).unwrap_err(), "HEx-PHI is not fetched.");
        // Whoever has asked for something else meanwhile stops it before anything is asked of the network.
        newest.store(2, std::sync::atomic::Ordering::SeqCst);
        let stopped = fetch(&root, "gsm8k", &mut line).unwrap_err();
        assert!(stopped.contains("was stopped; nothing was kept"), "{stopped}");
    }
}
