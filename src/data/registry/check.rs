//! A benchmark's file on the person's disk: is it the one that is known, and what examples does it hold?

use super::super::import::{Imported, Table, guess, import, read_table};
use super::super::{Columns, DataError, Examples, Field, Metric};
use super::{Benchmark, BenchmarkPart, RegistryError, RowFilter, first_words};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// What a file is, beside what the registry knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it is byte for byte a version that was compared; `None` where none was.
    pub known: Option<bool>,
    /// Rows of the part.
    pub rows: usize,
    /// Rows that cannot be used.
    pub bad: usize,
    /// Rows that it should have, where that is known.
    pub expected: Option<usize>,
    /// Whether fewer rows are as good.
    pub fewer: bool,
}

impl FileCheck {
    /// Whether the number of rows is the expected one, as far as that is known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.bad == 0
            && self
                .expected
                .is_none_or(|expected| self.rows == expected || self.fewer && self.rows < expected)
    }

    /// What was found, in words.
    #[must_use]
    pub fn text(&self) -> String {
        let rows = match self.expected {
            Some(expected) if self.rows == expected => format!("{} rows, as it should have", self.rows),
            Some(expected) if self.fewer && self.rows < expected => {
                format!("{} of {expected} rows: figures rest on these", self.rows)
            }
            Some(expected) => format!("{} rows, where the benchmark has {expected}", self.rows),
            None => format!("{} rows", self.rows),
        };
        let bad = if self.bad == 0 { String::new() } else { format!("; {} cannot be used", self.bad) };
        let version = match self.known {
            Some(true) => "a version that was compared",
            Some(false) => "another version than the one that was compared",
            None => "no version was compared",
        };
        format!("{rows}{bad}; sha256 {}, {version}", self.sha256.get(..12).unwrap_or(&self.sha256))
    }
}

/// Hashes and counts a file of a benchmark.
pub fn check_file(
    benchmark: &Benchmark,
    part: &BenchmarkPart,
    file: &Path,
) -> Result<FileCheck, RegistryError> {
    let (sha256, bytes) = digest(file)?;
    let found = import_file(benchmark, part, file)?;
    let known = (!part.sha256.is_empty()).then(|| part.sha256.contains(&sha256));
    Ok(FileCheck {
        sha256,
        bytes,
        known,
        rows: found.examples.len(),
        bad: found.bad.len(),
        expected: part.rows,
        fewer: part.fewer,
    })
}

/// Makes examples of a benchmark's file, by the registry's columns and filters. Utility items get the benchmark's metric,
/// and its id as their task.
pub fn import_file(
    benchmark: &Benchmark,
    part: &BenchmarkPart,
    file: &Path,
) -> Result<Imported, RegistryError> {
    let mut table = read_table(file, part.header)?;
    for (filter, keep) in [(&part.keep, true), (&part.drop, false)] {
        if let Some(filter) = filter {
            select(&mut table, filter, keep, benchmark, part, file)?;
        }
    }
    let columns = columns_of(&table, part, file)?;
    let mut found = import(&table, part.kind, &columns, &benchmark.id);
    if found.examples.is_empty() {
        let reason =
            format!("none of its rows belongs to {}/{}{}", benchmark.id, part.id, first_words(&found.bad));
        return Err(DataError::Unreadable { file: file.to_owned(), reason }.into());
    }
    match &mut found.examples {
        Examples::Utility(items) => {
            if benchmark.metric == Some(Metric::MultipleChoice)
                && items.iter().any(|item| item.choices.len() < 2)
            {
                return Err(RegistryError::NoChoices {
                    file: file.to_owned(),
                    title: benchmark.title.clone(),
                    page: benchmark.page.clone(),
                });
            }
            for item in items {
                item.metric = benchmark.metric;
                if let Some(prompt) = &benchmark.prompt {
                    item.prompt = prompt.replace("{request}", &item.prompt);
                }
                if benchmark.category_is_file && item.category.is_empty() {
                    item.category = subject_of(file);
                }
            }
        }
        Examples::Attack(prompts) => {
            if let Some(category) = category_of(benchmark, file) {
                for prompt in prompts.iter_mut().filter(|prompt| prompt.category.trim().is_empty()) {
                    category.clone_into(&mut prompt.category);
                }
            }
        }
        _ => {}
    }
    Ok(found)
}

/// Leaves the rows that fit the filter, or those that do not.
fn select(
    table: &mut Table,
    filter: &RowFilter,
    keep: bool,
    benchmark: &Benchmark,
    part: &BenchmarkPart,
    file: &Path,
) -> Result<(), RegistryError> {
    let Some(column) = column_named(table, &filter.column) else {
        return Err(RegistryError::NoColumn {
            file: file.to_owned(),
            column: filter.column.clone(),
            part: format!("{}/{}", benchmark.id, part.id),
            columns: table.columns.clone(),
            page: benchmark.page.clone(),
        });
    };
    table.rows.retain(|row| {
        let cell = row.values.get(&column).and_then(Value::as_str).unwrap_or_default();
        filter.fits(cell.trim()) == keep
    });
    Ok(())
}

/// The table's own spelling of a column.
fn column_named(table: &Table, name: &str) -> Option<String> {
    table.columns.iter().find(|column| column.trim().eq_ignore_ascii_case(name)).cloned()
}

/// The part's columns that the file has, and the others guessed.
fn columns_of(table: &Table, part: &BenchmarkPart, file: &Path) -> Result<Columns, DataError> {
    let there = |(field, name): (&Field, &String)| {
        let names: Option<Vec<String>> = name.split('|').map(|name| column_named(table, name)).collect();
        names.map(|names| (*field, names.join("|")))
    };
    let said: Columns = part.columns.iter().filter_map(there).collect();
    guess(table, part.kind, &said, file)
}

/// What a file's name says that its rows are about: `anatomy` of `anatomy_test.csv`.
fn subject_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let cut = ["_test", "_dev", "_val"].into_iter().find_map(|end| stem.strip_suffix(end));
    cut.unwrap_or(&stem).to_owned()
}

/// The category that a file's name numbers: `category_3.csv`.
fn category_of<'a>(benchmark: &'a Benchmark, file: &Path) -> Option<&'a String> {
    let stem = file.file_stem()?.to_string_lossy().to_lowercase();
    let number: usize = stem.strip_prefix("category")?.trim_start_matches(['_', '-', ' ']).parse().ok()?;
    benchmark.categories.get(number.checked_sub(1)?)
}

/// SHA-256 and size of a file.
pub(super) fn digest(file: &Path) -> Result<(String, u64), DataError> {
    let unreadable =
        |e: std::io::Error| DataError::Unreadable { file: file.to_owned(), reason: e.to_string() };
    let mut open = std::fs::File::open(file).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = open.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok((hex(&hash.finalize()), bytes));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}
