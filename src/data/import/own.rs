//! Files that Plumbline wrote itself: their rows are examples as they are, and nothing needs to be guessed.

use super::super::jsonl::add_row;
use super::super::{BadRow, DatasetKind, Examples};
use super::{Imported, Table, TableRow};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The columns of a set's own file: those that every row has, and the others.
fn columns_of(kind: DatasetKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        DatasetKind::Recovery => {
            (&["id", "context", "harmful", "refusals"], &["cut", "category", "source", "note"])
        }
        DatasetKind::Chat => (&["id", "messages"], &["category", "source", "note"]),
        DatasetKind::Attack => (&["id", "goal"], &["target", "category", "cluster"]),
        DatasetKind::Utility => {
            (&["id", "task", "prompt", "reference"], &["choices", "metric", "category", "cluster"])
        }
    }
}

/// The columns of a set's own file, in the order in which they are written.
pub(in super::super) fn all_columns(kind: DatasetKind) -> impl Iterator<Item = &'static str> {
    let (needed, more) = columns_of(kind);
    needed.iter().chain(more).copied()
}

/// The kind whose own rows these are, if they are some kind's: all columns fit, and a row can be read.
#[must_use]
pub fn own_kind(table: &Table) -> Option<DatasetKind> {
    DatasetKind::ALL.into_iter().find(|&kind| {
        let (needed, more) = columns_of(kind);
        let has = |name: &str| table.columns.iter().any(|column| column == name);
        needed.iter().all(|name| has(name))
            && table.columns.iter().all(|c| needed.contains(&c.as_str()) || more.contains(&c.as_str()))
            && table
                .rows
                .iter()
                .any(|row| add_row(&mut Examples::none(kind), row.line, &own_row(row)).is_empty())
    })
}

/// Takes the rows as they are.
#[must_use]
pub fn import_own(table: &Table, kind: DatasetKind) -> Imported {
    let mut examples = Examples::none(kind);
    let mut bad = table.bad.clone();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for row in &table.rows {
        let own = own_row(row);
        let id = own.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(first) = seen.get(&id) {
            let message = format!("\"{id}\" already stands in line {first}. Give each line its own.");
            bad.push(BadRow { line: row.line, column: None, field: Some("id".into()), message });
            continue;
        }
        let problems = add_row(&mut examples, row.line, &own);
        if problems.is_empty() {
            seen.insert(id, row.line);
        }
        bad.extend(problems);
    }
    bad.sort_by_key(|row| row.line);
    Imported { examples, bad }
}

/// A row as it stands in a set's own file. In the cells of a table, lists and numbers are written as JSON, and an empty cell
/// is nothing.
fn own_row(row: &TableRow) -> Map<String, Value> {
    let mut own = Map::new();
    for (name, value) in &row.values {
        let value = match (name.as_str(), value) {
            (_, Value::String(cell)) if cell.is_empty() => continue,
            ("context" | "messages" | "refusals" | "choices" | "cut", Value::String(cell)) => {
                serde_json::from_str(cell).unwrap_or_else(|_| value.clone())
            }
            _ => value.clone(),
        };
        own.insert(name.clone(), value);
    }
    own
}
