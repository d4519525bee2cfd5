//! A file as a table: its columns, and its rows by name.

use super::super::{BadRow, DataError, parquet};
use super::columns::is_known;
use super::file::{FileBytes, MOST, Progress, Watch, Watched, as_text, read_bytes, too_large};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

/// The longest row, in bytes of text: longer than any model reads, and short enough to be shown.
const LONGEST_ROW: usize = 1_000_000;

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// Where it begins: the line of the file; in a JSON list or a Parquet file, its place there. From 1.
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

/// A file that was read: its rows, and what identifies it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableFile {
    /// The rows.
    pub table: Table,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Whether its first line names the columns; `None` where the question does not arise.
    pub header: Option<bool>,
}

/// A table that is being read.
#[derive(Default)]
struct Builder {
    table: Table,
    known: HashSet<String>,
}

impl Builder {
    fn push(&mut self, line: usize, values: Map<String, Value>) {
        let length = values.values().map(length_of).sum();
        if self.fits(line, length) {
            for column in values.keys() {
                if !self.known.contains(column) {
                    self.known.insert(column.clone());
                    self.table.columns.push(column.clone());
                }
            }
            self.table.rows.push(TableRow { line, values });
        }
    }

    /// Whether a row is short enough; notes it as bad if not.
    fn fits(&mut self, line: usize, length: usize) -> bool {
        let fits = length <= LONGEST_ROW;
        if !fits {
            let megabytes = length as f64 / 1e6;
            self.bad(
                line,
                format!(
                    "this row has {megabytes:.1} MB of text, and 1 MB is the most: no model reads more. Shorten it; if it swallows later rows, a quotation mark is not closed"
                ),
            );
        }
        fits
    }

    fn bad(&mut self, line: usize, message: String) {
        self.table.bad.push(BadRow { line, column: None, field: None, message });
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

/// Bytes of text in a value.
fn length_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(length_of).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + length_of(value)).sum(),
        _ => 8,
    }
}

/// Why a text gave no table.
enum Fault {
    Stopped,
    Unreadable(String),
}

/// Reads a CSV file (also with semicolons or tabs), a text file with a request a line, a JSON list, JSON lines, or Parquet; each
/// may be packed with gzip. `header`: whether the first line of a CSV file names its columns; if not given, it does where one of its
/// cells is a name that columns have.
pub fn read_table(file: &Path, header: Option<bool>) -> Result<Table, DataError> {
    read_table_watched(file, header, &mut |_| ControlFlow::Continue(())).map(|read| read.table)
}

/// The same; `watch` is told how far it is, and may break it off.
pub fn read_table_watched(
    file: &Path,
    header: Option<bool>,
    watch: Watch<'_>,
) -> Result<TableFile, DataError> {
    let FileBytes { bytes, sha256, ending } = read_bytes(file, &mut *watch)?;
    let unreadable = |reason: String| DataError::Unreadable { file: file.to_owned(), reason };
    let progress = &mut Progress::new(watch, bytes.len());
    let read = if bytes.starts_with(parquet::MAGIC) {
        parquet_table(bytes, progress).map(|table| (table, None))
    } else if ending == "parquet" {
        Err(Fault::Unreadable("its name ends in .parquet, and it is no Parquet file".to_owned()))
    } else {
        as_text(bytes)
            .map_err(Fault::Unreadable)
            .and_then(|text| text_table(&text, &ending, header, progress))
    };
    let (table, header) = read.map_err(|fault| match fault {
        Fault::Stopped => DataError::Stopped { file: file.to_owned() },
        Fault::Unreadable(reason) => unreadable(reason),
    })?;
    if table.rows.is_empty() && table.bad.is_empty() {
        return Err(unreadable("it holds no row".to_owned()));
    }
    Ok(TableFile { table, sha256, header })
}

/// A table that is written as text; with whether its first line names the columns, where the question arises.
fn text_table(
    text: &str,
    ending: &str,
    header: Option<bool>,
    progress: &mut Progress<'_>,
) -> Result<(Table, Option<bool>), Fault> {
    let csv = |delimiter, progress: &mut Progress<'_>| {
        csv_table(text, header, delimiter, progress).map(|(table, named)| (table, Some(named)))
    };
    match ending {
        "csv" => csv(delimiter(text), progress),
        "tsv" => csv(b'\t', progress),
        "txt" => lines_table(text, progress).map(|table| (table, None)),
        "json" | "jsonl" | "ndjson" => json_table(text, progress).map(|table| (table, None)),
        _ if text.trim_start().starts_with(['{', '[']) => {
            json_table(text, progress).map(|table| (table, None))
        }
        _ => csv(delimiter(text), progress),
    }
}

/// What a row takes at least, in bytes.
const EMPTY_ROW: usize = 64;
/// Rows of Parquet are asked about as if each were so many bytes: how many a row takes in the packed file is not known.
const STEP: usize = 4096;

/// The rows of a Parquet file.
fn parquet_table(bytes: Vec<u8>, progress: &mut Progress<'_>) -> Result<Table, Fault> {
    let (mut table, mut text) = (Builder::default(), 0);
    let read = parquet::read(bytes, |place, row| {
        // Also a row of nothing takes its place.
        text += (EMPTY_ROW + row.values().map(length_of).sum::<usize>()) as u64;
        if text > MOST {
            return ControlFlow::Break(too_large());
        }
        table.push(place.index + 1, row);
        if place.index == 0 {
            progress.count_in(place.count.saturating_mul(STEP));
        }
        if progress.go_on(place.index.saturating_mul(STEP)) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(String::new())
        }
    });
    match read {
        _ if progress.stopped() => Err(Fault::Stopped),
        Err(reason) => Err(Fault::Unreadable(reason)),
        Ok(()) => Ok(table.table),
    }
}

/// A text file: a request a line.
fn lines_table(text: &str, progress: &mut Progress<'_>) -> Result<Table, Fault> {
    let mut table = Builder::default();
    for (i, line) in lines(text).filter(|(_, line)| !line.trim().is_empty()) {
        if !progress.go_on(place(text, line)) {
            return Err(Fault::Stopped);
        }
        table.push(i + 1, Map::from_iter([("prompt".to_owned(), Value::String(line.trim().to_owned()))]));
    }
    Ok(table.table)
}

/// The lines, numbered from 0.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate()
}

/// How many bytes into `text` one of its lines begins.
fn place(text: &str, line: &str) -> usize {
    (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
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

/// The rows, and whether the first line names the columns.
fn csv_table(
    text: &str,
    header: Option<bool>,
    delimiter: u8,
    progress: &mut Progress<'_>,
) -> Result<(Table, bool), Fault> {
    let mut table = Builder::default();
    let mut named = false;
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
        if !progress.go_on(record.position().map_or(0, csv::Position::byte) as usize) {
            return Err(Fault::Stopped);
        }
        let Some(columns) = &names else {
            if !table.fits(line, record.as_slice().len()) {
                continue;
            }
            named = header.unwrap_or_else(|| record.iter().any(is_known));
            let number = |i: usize| format!("column {}", i + 1);
            let name = |(i, cell): (usize, &str)| {
                if !named || cell.trim().is_empty() { number(i) } else { cell.trim().to_owned() }
            };
            let columns: Vec<String> = record.iter().enumerate().map(name).collect();
            table.known = columns.iter().cloned().collect();
            table.table.columns.clone_from(&columns);
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
    Ok((table.table, named))
}

fn cells(columns: &[String], record: &csv::StringRecord) -> Map<String, Value> {
    columns.iter().cloned().zip(record.iter().map(|cell| Value::String(cell.to_owned()))).collect()
}

/// A JSON list, an object that holds one list, or JSON lines.
fn json_table(text: &str, progress: &mut Progress<'_>) -> Result<Table, Fault> {
    let mut table = Builder::default();
    let whole = serde_json::from_reader::<_, Value>(Watched { text: text.as_bytes(), at: 0, progress });
    if progress.stopped() {
        return Err(Fault::Stopped);
    }
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
                return Err(Fault::Unreadable(format!("it is no JSON: {whole}")));
            }
            for (i, line) in lines(text).filter(|(_, line)| !line.trim().is_empty()) {
                if !progress.go_on(place(text, line)) {
                    return Err(Fault::Stopped);
                }
                match serde_json::from_str(line) {
                    Ok(value) => table.push_json(i + 1, value),
                    Err(e) => table.bad(i + 1, format!("this is no JSON: {e}")),
                }
            }
        }
    }
    Ok(table.table)
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
