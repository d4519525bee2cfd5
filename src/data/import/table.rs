//! A file as a table: its columns, and its rows by name.

use super::super::{BadRow, DataError};
use super::columns::is_known;
use serde_json::{Map, Value};
use std::path::Path;

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// Where it begins: the line of the file; in a JSON list, its place there. From 1.
    pub line: usize,
    /// What stands in its columns.
    pub values: Map<String, Value>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns, in the order in which they first come.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<TableRow>,
    /// Rows that cannot be read.
    pub bad: Vec<BadRow>,
}

impl Table {
    fn push(&mut self, line: usize, values: Map<String, Value>) {
        for column in values.keys() {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
            }
        }
        self.rows.push(TableRow { line, values });
    }

    fn bad(&mut self, line: usize, message: String) {
        self.bad.push(BadRow { line, column: None, field: None, message });
    }

    fn push_json(&mut self, line: usize, value: Value) {
        match value {
            Value::Object(values) => self.push(line, values),
            // A conversation without a name: one of the shapes of the paper's own data.
            Value::Array(messages) if messages.iter().all(Value::is_object) && !messages.is_empty() => {
                self.push(line, Map::from_iter([("messages".to_owned(), Value::Array(messages))]));
            }
            Value::String(text) => {
                self.push(line, Map::from_iter([("prompt".to_owned(), Value::String(text))]));
            }
            _ => self.bad(line, "this is neither an object, nor a conversation, nor a text".to_owned()),
        }
    }
}

/// Reads a CSV file (also with semicolons or tabs), a text file with a request a line, a JSON list, or JSON lines. `header`: whether the first line of a CSV file
/// names its columns; if not given, it does where one of its cells is a name that columns have.
pub fn read_table(file: &Path, header: Option<bool>) -> Result<Table, DataError> {
    let unreadable = |reason: String| DataError::Unreadable { file: file.to_owned(), reason };
    let bytes = std::fs::read(file).map_err(|e| unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        unreadable(format!("byte {} is not UTF-8. Save it as UTF-8 first", e.utf8_error().valid_up_to() + 1))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let first = text.trim_start().chars().next();
    let table = match ending.as_str() {
        "csv" => csv_table(text, header, delimiter(text)),
        "tsv" => csv_table(text, header, b'\t'),
        "txt" => lines_table(text),
        "json" | "jsonl" | "ndjson" => json_table(text).map_err(unreadable)?,
        _ if matches!(first, Some('{' | '[')) => json_table(text).map_err(unreadable)?,
        _ => csv_table(text, header, delimiter(text)),
    };
    if table.rows.is_empty() && table.bad.is_empty() {
        return Err(unreadable("it holds no row".to_owned()));
    }
    Ok(table)
}

/// A text file: a request a line.
fn lines_table(text: &str) -> Table {
    let mut table = Table::default();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        table.push(i + 1, Map::from_iter([("prompt".to_owned(), Value::String(line.trim().to_owned()))]));
    }
    table
}

/// The character between two cells: whichever comes most often in the first line, outside quotes.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in first.bytes() {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == *delimiter);
        }
    }
    // Of equals the comma: it comes last, and the last largest is taken.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
}

fn csv_table(text: &str, header: Option<bool>, delimiter: u8) -> Table {
    let mut table = Table::default();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut names: Option<Vec<String>> = None;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line) as usize;
                table.bad(line, e.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let Some(columns) = &names else {
            let named = header.unwrap_or_else(|| record.iter().any(is_known));
            let number = |i: usize| format!("column {}", i + 1);
            let name = |(i, cell): (usize, &str)| {
                if !named || cell.trim().is_empty() { number(i) } else { cell.trim().to_owned() }
            };
            let columns: Vec<String> = record.iter().enumerate().map(name).collect();
            table.columns.clone_from(&columns);
            if !named {
                table.push(line, cells(&columns, &record));
            }
            names = Some(columns);
            continue;
        };
        if record.len() == columns.len() {
            table.push(line, cells(columns, &record));
        } else {
            let message = format!("{} cells, where the first line has {}", record.len(), columns.len());
            table.bad(line, message);
        }
    }
    table
}

fn cells(columns: &[String], record: &csv::StringRecord) -> Map<String, Value> {
    columns.iter().cloned().zip(record.iter().map(|cell| Value::String(cell.to_owned()))).collect()
}

/// A JSON list, an object that holds one list, or JSON lines.
fn json_table(text: &str) -> Result<Table, String> {
    let mut table = Table::default();
    let whole = serde_json::from_str::<Value>(text);
    match whole {
        Ok(Value::Array(rows)) if !is_conversation(&rows) => {
            for (i, row) in rows.into_iter().enumerate() {
                table.push_json(i + 1, row);
            }
        }
        Ok(Value::Object(mut object)) => match list_of_rows(&object).and_then(|name| object.remove(&name)) {
            Some(Value::Array(rows)) => {
                for (i, row) in rows.into_iter().enumerate() {
                    table.push_json(i + 1, row);
                }
            }
            _ => table.push(1, object),
        },
        Ok(value) => table.push_json(1, value),
        Err(whole) => {
            // A list that breaks off is one fault, not a fault in each line.
            if text.trim_start().starts_with('[')
                && text.lines().next().is_some_and(|l| serde_json::from_str::<Value>(l).is_err())
            {
                return Err(format!("it is no JSON: {whole}"));
            }
            for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                match serde_json::from_str(line) {
                    Ok(value) => table.push_json(i + 1, value),
                    Err(e) => table.bad(i + 1, format!("this is no JSON: {e}")),
                }
            }
        }
    }
    Ok(table)
}

/// The name of the list that holds the rows, where an object does nothing but hold them.
fn list_of_rows(object: &Map<String, Value>) -> Option<String> {
    let holds = |(name, value): &(&String, &Value)| {
        let list =
            value.as_array().is_some_and(|rows| !is_conversation(rows) && rows.iter().all(Value::is_object));
        list && (object.len() == 1 || matches!(name.as_str(), "data" | "rows" | "examples"))
            && !matches!(name.as_str(), "messages" | "conversations" | "conversation")
    };
    object.iter().find(holds).map(|(name, _)| name.clone())
}

fn is_conversation(rows: &[Value]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.get("role").is_some() && row.get("content").is_some())
}
