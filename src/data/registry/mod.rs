//! Public benchmarks by name: where they are, under which licence, what their columns mean, and how they are scored.
//!
//! The registry is `datasets/registry.toml`, embedded in the program. The benchmarks' files are not: they come from the
//! person's disk, or over the network when the person asks for one.

mod check;
#[cfg(feature = "hub")]
mod get;

use super::{BadRow, Columns, DataError, DatasetKind, Metric};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::LazyLock;

pub use check::{FileCheck, check_file, import_file};
#[cfg(feature = "hub")]
pub use get::{GetError, GetProgress, Got, get};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../datasets/registry.toml"))
        .expect("the embedded registry is well formed")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registry {
    benchmark: Vec<Benchmark>,
}

/// What a benchmark is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Requests that a safe model refuses.
    Harmful,
    /// Harmless requests that models refuse all the same.
    OverRefusal,
    /// Tasks that a model must still be able to do.
    Utility,
    /// Harmless conversations that keep a model what it is while it is trained.
    Anchor,
}

impl Purpose {
    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Harmful => "harmful requests",
            Self::OverRefusal => "over-refusal",
            Self::Utility => "utility",
            Self::Anchor => "anchor",
        }
    }
}

/// How one comes by a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anybody may download it.
    Open,
    /// Its page asks who one is first.
    Gated,
    /// It may not be passed on: bring a copy of one's own.
    OwnCopy,
}

impl Access {
    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Gated => "gated",
            Self::OwnCopy => "bring your own copy",
        }
    }
}

/// A public benchmark.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benchmark {
    /// Its id on the command line; what tasks of it are called.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// What it is for; a part may differ.
    pub purpose: Purpose,
    /// How answers are scored.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// What it holds, in a sentence.
    pub about: String,
    /// Its official page.
    pub page: String,
    /// Its licence.
    pub licence: String,
    /// How one comes by it.
    pub access: Access,
    /// The work to cite.
    pub citation: String,
    /// What to know before use.
    #[serde(default)]
    pub note: String,
    /// How a request is put, where the file holds the bare material: `{request}` stands for it.
    #[serde(default)]
    pub prompt: Option<String>,
    /// Names of its categories, where files number them.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Whether a file's name says what its rows are about: `anatomy_test.csv`.
    #[serde(default)]
    pub category_is_file: bool,
    /// Its parts; the first is what is meant where none is named.
    #[serde(rename = "part")]
    pub parts: Vec<BenchmarkPart>,
}

/// Rows of one file that belong together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkPart {
    /// Its id within the benchmark.
    pub id: String,
    /// What the file is called.
    pub file: String,
    /// Where the file itself is; `None` where it must be fetched by hand, from an archive or behind a form.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether the address names one version for good: other bytes are then a fault, not a newer version.
    #[serde(default)]
    pub pinned: bool,
    /// SHA-256 of versions of the file that were compared.
    #[serde(default)]
    pub sha256: Vec<String>,
    /// Size of that file.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// How many rows the part has.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Whether fewer rows are as good: people have parts of it.
    #[serde(default)]
    pub fewer: bool,
    /// What its rows become.
    pub kind: DatasetKind,
    /// What it is for, where that is not the benchmark's purpose.
    #[serde(default)]
    pub purpose: Option<Purpose>,
    /// Whether a CSV file's first line names the columns; if not given, that is seen from it.
    #[serde(default)]
    pub header: Option<bool>,
    /// Which column is what. Names count in any case; what the file does not have is guessed.
    #[serde(default)]
    pub columns: Columns,
    /// The only rows that belong to it.
    #[serde(default)]
    pub keep: Option<RowFilter>,
    /// Rows that do not belong to it.
    #[serde(default)]
    pub drop: Option<RowFilter>,
}

/// Rows by what stands in one column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFilter {
    /// The column.
    pub column: String,
    /// It is one of these.
    #[serde(default)]
    pub values: Vec<String>,
    /// It begins like this.
    #[serde(default)]
    pub prefix: Option<String>,
}

impl RowFilter {
    fn fits(&self, cell: &str) -> bool {
        self.values.iter().any(|value| value == cell)
            || self.prefix.as_ref().is_some_and(|prefix| cell.starts_with(prefix))
    }
}

impl Benchmark {
    /// The part with this id.
    #[must_use]
    pub fn part(&self, id: &str) -> Option<&BenchmarkPart> {
        self.parts.iter().find(|part| part.id == id)
    }

    /// What a part is for.
    #[must_use]
    pub fn purpose_of(&self, part: &BenchmarkPart) -> Purpose {
        part.purpose.unwrap_or(self.purpose)
    }

    /// What a data set of a part is called.
    #[must_use]
    pub fn dataset_id(&self, part: &BenchmarkPart) -> String {
        if self.parts.len() == 1 { self.id.clone() } else { format!("{}-{}", self.id, part.id) }
    }

    /// How a person gets a file of it by hand.
    #[must_use]
    pub fn by_hand(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(" {}", self.note) };
        format!(
            "Get it by hand from {} and bring it with `plumbline benchmark import {} FILE`.{note}",
            self.page, self.id
        )
    }
}

/// Every benchmark, in the order of the registry.
#[must_use]
pub fn benchmarks() -> &'static [Benchmark] {
    &REGISTRY.benchmark
}

/// The benchmark `id`, or `id/part`; without a part its first one.
pub fn find_benchmark(id: &str) -> Result<(&'static Benchmark, &'static BenchmarkPart), RegistryError> {
    let (name, part) = id.split_once('/').map_or((id, None), |(name, part)| (name, Some(part)));
    let name = name.trim().to_lowercase();
    let benchmark =
        benchmarks().iter().find(|benchmark| benchmark.id == name).ok_or_else(|| RegistryError::Unknown {
            id: name.clone(),
            known: benchmarks().iter().map(|benchmark| benchmark.id.as_str()).collect(),
        })?;
    let found = match part {
        None => benchmark.parts.first(),
        Some(part) => benchmark.part(part.trim()),
    };
    let found = found.ok_or_else(|| RegistryError::UnknownPart {
        id: benchmark.id.clone(),
        part: part.unwrap_or_default().to_owned(),
        known: benchmark.parts.iter().map(|part| part.id.as_str()).collect(),
    })?;
    Ok((benchmark, found))
}

/// What can go wrong with a benchmark's file.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No benchmark is called that.
    #[error(
        "there is no benchmark \"{id}\". There are {}; any other file comes in with `plumbline import`.",
        known.join(", ")
    )]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// It has no such part.
    #[error("benchmark {id} has no part \"{part}\". Its parts are {}.", known.join(", "))]
    UnknownPart {
        /// The benchmark.
        id: String,
        /// What was asked for.
        part: String,
        /// Its parts.
        known: Vec<&'static str>,
    },
    /// The file lacks the column by which its rows are told apart.
    #[error(
        "{file} has no column \"{column}\", which says which rows belong to {part}. Its columns are {}. Bring the file as {page} has it, or import it with `plumbline import`, which takes all rows.",
        columns.join(", ")
    )]
    NoColumn {
        /// The file.
        file: PathBuf,
        /// The missing column.
        column: String,
        /// The part that was asked for.
        part: String,
        /// What columns there are.
        columns: Vec<String>,
        /// The benchmark's page.
        page: String,
    },
    /// The file's rows cannot be scored as this benchmark's are.
    #[error(
        "{file} is not {title}: its rows have no choices, and answers to {title} are scored by the likeliest of these. Bring the file as {page} has it."
    )]
    NoChoices {
        /// The file.
        file: PathBuf,
        /// The benchmark.
        title: String,
        /// The benchmark's page.
        page: String,
    },
    /// The file cannot be read as data.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Bad rows of an import, shortened for a message.
fn first_words(rows: &[BadRow]) -> String {
    rows.first().map_or_else(String::new, |row| format!(", the first of them {row}"))
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_registry_is_whole() {
        let ids: BTreeSet<&str> = benchmarks().iter().map(|benchmark| benchmark.id.as_str()).collect();
        assert_eq!(ids.len(), benchmarks().len(), "ids are unique");
        for wanted in [
            "advbench",
            "malicious-instruct",
            "jailbreakbench",
            "harmbench",
            "strongreject",
            "xstest",
            "or-bench",
            "hex-phi",
            "gsm8k",
            "math",
            "mmlu",
            "bbh",
            "humaneval",
            "alpacaeval",
            "samsum",
            "sql-create-context",
            "alpaca",
        ] {
            assert!(ids.contains(wanted), "{wanted}");
        }
        for benchmark in benchmarks() {
            let id = &benchmark.id;
            let filled = [&benchmark.title, &benchmark.about, &benchmark.licence, &benchmark.citation];
            assert!(filled.iter().all(|text| !text.trim().is_empty()), "{id}");
            assert!(benchmark.page.starts_with("https://"), "{id}");
            assert!(!benchmark.parts.is_empty(), "{id}");
            let parts: BTreeSet<&str> = benchmark.parts.iter().map(|part| part.id.as_str()).collect();
            assert_eq!(parts.len(), benchmark.parts.len(), "{id}");
            assert_eq!(
                benchmark.purpose == Purpose::Utility,
                benchmark.metric.is_some_and(|m| m != Metric::NotRefused),
                "{id}"
            );
            for part in &benchmark.parts {
                assert!(part.columns.contains_key(&Field::Request), "{id}/{}", part.id);
                assert!(part.url.iter().all(|url| url.starts_with("https://")), "{id}/{}", part.id);
                let digest = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
                assert!(part.sha256.iter().all(digest), "{id}/{}", part.id);
                assert!(!part.pinned || part.sha256.len() == 1 && part.bytes.is_some(), "{id}/{}", part.id);
                assert!(benchmark.access != Access::OwnCopy || part.url.is_none(), "{id}: never fetched");
                let filters = [&part.keep, &part.drop];
                assert!(filters.into_iter().flatten().all(|f| f.prefix.is_some() || !f.values.is_empty()));
            }
        }
        assert_eq!(find_benchmark("hex-phi").unwrap().0.categories.len(), 11);
    }

    #[test]
    fn benchmarks_are_found_by_name_and_part() {
        let found =
            |id: &str| find_benchmark(id).map(|(benchmark, part)| format!("{}/{}", benchmark.id, part.id));
        assert_eq!(found("xstest").unwrap(), "xstest/safe");
        assert_eq!(found("XSTest/unsafe").unwrap(), "xstest/unsafe");
        assert!(found("xtest").unwrap_err().to_string().contains("xstest"));
        assert!(found("xstest/all").unwrap_err().to_string().contains("safe, unsafe"));
        let (benchmark, part) = find_benchmark("jailbreakbench/benign").unwrap();
        assert_eq!(benchmark.purpose_of(part), Purpose::OverRefusal);
        assert!(benchmark.by_hand().contains("benchmark import jailbreakbench FILE"));
    }
}
