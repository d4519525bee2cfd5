//! What is known to be wrong with a set, and which categories and sources it has: found on a thread of its own.

use super::history::Change;
use crate::ui::app::{Checked, DataRequest, Finding, Loader, Request, Tokens};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers checks across all sets.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// What is known of a set.
#[derive(Debug, Default)]
pub struct Checks {
    /// The problems, by row. A row may have several.
    findings: Vec<Finding>,
    /// Every category, in order.
    pub categories: Vec<String>,
    /// Every source, in order.
    pub sources: Vec<String>,
    rows: usize,
    duplicates: usize,
    version: u64,
    asked: Option<(u64, Option<Tokens>)>,
    serial: u64,
    progress: Option<(usize, usize)>,
    done: bool,
}

impl Checks {
    /// Notes a change: what stood elsewhere moves, and the next check looks again.
    pub fn follow(&mut self, change: &Change) {
        self.version += 1;
        if matches!(change, Change::Edit(_)) {
            return;
        }
        let moved = |mut finding: Finding| {
            finding.row = change.moved(finding.row)?;
            Some(finding)
        };
        self.findings = std::mem::take(&mut self.findings).into_iter().filter_map(moved).collect();
        self.count();
    }

    /// Forgets the problems of a row that was just mended; what is left of them is found again.
    pub fn forget(&mut self, row: usize) {
        self.findings.retain(|finding| finding.row != row);
        self.count();
    }

    fn count(&mut self) {
        self.rows = self.findings.chunk_by(|a, b| a.row == b.row).count();
        self.duplicates = self.findings.iter().filter(|finding| finding.is_duplicate()).count();
    }

    /// Asks for a check if something has changed since the last.
    pub fn ask_if_due(&mut self, set: &str, tokens: Option<Tokens>, loader: &mut Loader) {
        let wanted = (self.version, tokens);
        if self.asked.as_ref() == Some(&wanted) {
            return;
        }
        self.serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        loader.send(Request::Data(DataRequest::Check {
            set: set.to_owned(),
            serial: self.serial,
            tokens: wanted.1.clone(),
        }));
        self.asked = Some(wanted);
        self.progress = None;
        self.done = false;
    }

    /// The set is shown again: a check that had not ended was given up for that of another set.
    pub fn shown_again(&mut self) {
        if !self.done {
            self.asked = None;
        }
    }

    /// How far a check has come, in rows.
    pub fn under_way(&mut self, serial: u64, progress: (usize, usize)) {
        if serial == self.serial {
            self.progress = Some(progress);
        }
    }

    /// Takes the end of a check in; whether it is of the rows as they are.
    pub fn checked(&mut self, serial: u64, checked: Checked) -> bool {
        let current = self.asked.as_ref().is_some_and(|(version, _)| *version == self.version);
        if serial != self.serial || !current {
            return false;
        }
        self.findings = checked.findings;
        self.categories = checked.categories;
        self.sources = checked.sources;
        self.progress = None;
        self.done = true;
        self.count();
        true
    }

    /// Every problem, by row.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The problems of one row.
    #[must_use]
    pub fn of_row(&self, row: usize) -> &[Finding] {
        let start = self.findings.partition_point(|finding| finding.row < row);
        let end = self.findings.partition_point(|finding| finding.row <= row);
        &self.findings[start..end]
    }

    /// The next row after `row` that has a problem, from the start again after the last.
    #[must_use]
    pub fn next(&self, row: usize) -> Option<usize> {
        let after = self.findings.partition_point(|finding| finding.row <= row);
        self.findings.get(after).or(self.findings.first()).map(|finding| finding.row)
    }

    /// How many rows have a problem.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows repeat an earlier one.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Whether every row has been looked at as it is now.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done && self.asked.as_ref().is_some_and(|(version, _)| *version == self.version)
    }

    /// What there is to say, in words.
    #[must_use]
    pub fn text(&self) -> String {
        match (self.rows, self.progress) {
            (_, Some((done, total))) => format!("Checking… {} %", done * 100 / total.max(1)),
            (0, None) if self.done => "No problems found".to_owned(),
            (0, None) => "Checking…".to_owned(),
            (1, None) => "1 example has a problem".to_owned(),
            (n, None) => format!("{n} examples have problems"),
        }
    }
}
