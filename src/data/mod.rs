//! Examples that people bring and edit: their types, their files, what is wrong with them, and how deep a recovery
//! example is cut.

mod check;
mod depth;
mod duplicate;
mod edit;
mod example;
mod export;
mod fields;
mod fine_tuning_attack;
mod import;
mod jsonl;
mod later_turn;
mod levels;
mod metric;
mod parquet;
mod registry;
mod review;
mod row;
mod split;

pub use check::{Problem, check_example, check_recovery, reads_as_refusal};
pub use depth::{DepthDistribution, DepthShape};
pub use duplicate::{ContentKey, content_key, duplicates, normalised};
pub use edit::{BulkEdit, Mend, PartEdit, refusal_template};
pub use example::{AttackPrompt, ChatExample, DatasetKind, Examples, RecoveryExample, Refusal, UtilityItem};
pub use export::{ExportFormat, ExportSpec, REMOVED, export, may_be_harmful};
pub use fine_tuning_attack::FineTuningAttack;
pub use import::{
    Columns, Field, Fit, Imported, Said, Table, TableFile, TableRow, Watch, fit, guess, guess_kind, import,
    import_own, own_kind, read_table, read_table_watched,
};
pub use jsonl::{BadRow, parse_jsonl, read_jsonl, to_jsonl, write_jsonl};
pub use later_turn::{GO_ON, a_turn_later, after_sentences, sentences};
pub use levels::{RefusalLevel, intended_level, level_of, level_text, levels_problem, refusal_levels};
pub use metric::{Metric, Needs};
pub use registry::{
    Access, Benchmark, BenchmarkPart, FileCheck, Purpose, RegistryError, RowFilter, benchmarks, check_file,
    find_benchmark, import_file,
};
#[cfg(feature = "hub")]
pub use registry::{GetError, GetProgress, Got, get};
pub use review::{
    Candidate, Decided, Decision, Part, REFUSAL_TEMPLATES, Review, anchor_examples, recovery_examples,
};
pub use row::Example;
pub use split::{SplitBy, SplitSpec, split};

use std::path::PathBuf;

/// How many bad rows an error message spells out before it counts the rest.
const SHOWN_ROWS: usize = 20;

/// What can go wrong between examples and their files.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file is not there or cannot be read.
    #[error("{file} cannot be read: {reason}. Check that the file is there and that you may read it.")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Whoever waited broke it off.
    #[error("Reading {file} was stopped.")]
    Stopped {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error(
        "{file} cannot be written: {reason}. Choose a folder that you may write to, or free some space. The file on disk is unchanged."
    )]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Rows that are not examples of the wanted kind: all of them, in the order of the file.
    #[error("{}", list(file, rows))]
    BadRows {
        /// The file.
        file: PathBuf,
        /// Every bad row.
        rows: Vec<BadRow>,
    },
    /// The file holds no example at all.
    #[error(
        "{file} holds no examples. A data set needs at least one line, each a JSON object such as {example}"
    )]
    Empty {
        /// The file.
        file: PathBuf,
        /// A line as it should look.
        example: &'static str,
    },
}

impl DataError {
    /// Every bad row, empty if the error is another one.
    #[must_use]
    pub fn bad_rows(&self) -> &[BadRow] {
        match self {
            Self::BadRows { rows, .. } => rows,
            _ => &[],
        }
    }
}

fn list(file: &std::path::Path, rows: &[BadRow]) -> String {
    let name =
        file.file_name().map_or_else(|| file.display().to_string(), |n| n.to_string_lossy().into_owned());
    let mut lines: Vec<String> = rows.iter().take(SHOWN_ROWS).map(|row| format!("{name}, {row}")).collect();
    if rows.len() > SHOWN_ROWS {
        lines.push(format!("… and {} more.", rows.len() - SHOWN_ROWS));
    }
    lines.join("\n")
}
