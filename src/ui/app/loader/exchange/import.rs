//! What becomes of a file's rows, and the set that is made of them.

use super::super::room::free_id;
use super::{Desk, Line, Read, keep};
use crate::data::{
    BadRow, Columns, DatasetKind, Examples, Field, Fit, Imported, Said, TableFile, fit, guess_kind, import,
    import_own, own_kind, read_table_watched,
};
use crate::project::{DatasetEntry, Project, id_from_title};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Rows that are shown of a file.
const FIRST: usize = 5;
/// Examples that are shown of what they become.
const SHOWN: usize = 3;
/// Columns that are shown and offered.
const COLUMNS: usize = 200;
/// Bad rows that are listed; the others are counted.
pub const BAD_ROWS: usize = 1000;
/// Characters of a cell or a text that are shown.
const LONGEST: usize = 240;

/// Asks what becomes of a file's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LookRequest {
    /// The file.
    pub file: PathBuf,
    /// Whether the file is read again although it was read before.
    pub again: bool,
    /// Whether the first line of a table names the columns; `None` to see from it.
    pub header: Option<bool>,
    /// What the rows become; `None` to guess.
    pub kind: Option<DatasetKind>,
    /// What was said of columns.
    pub said: Said,
}

/// A row as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstRow {
    /// Its line.
    pub line: usize,
    /// Its cells, cut, in the order of the columns.
    pub cells: Vec<String>,
}

/// A part of an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Its text, cut.
    pub text: String,
    /// Whether it may be harmful, and is covered.
    pub harmful: bool,
}

/// What a file holds, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Look {
    /// What was asked.
    pub request: LookRequest,
    /// Its columns; no more than can be shown.
    pub columns: Vec<String>,
    /// Its first rows.
    pub first: Vec<FirstRow>,
    /// How many rows it has, with those that cannot be read.
    pub rows: usize,
    /// Whether the first line names the columns; `None` where the question does not arise.
    pub header: Option<bool>,
    /// What the rows become.
    pub kind: DatasetKind,
    /// Whether the rows are Plumbline's own, so that no column needs to be named.
    pub own: bool,
    /// Which column is what.
    pub fit: Fit,
    /// How many examples there will be.
    pub made: usize,
    /// The first of them.
    pub examples: Vec<Vec<Part>>,
    /// Rows that cannot be used; no more than can be shown.
    pub bad: Vec<BadRow>,
    /// How many there are.
    pub bad_count: usize,
}

/// Asks for a data set.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The project.
    pub root: PathBuf,
    /// The file, and what becomes of its rows.
    pub look: LookRequest,
    /// What the set is called; its id is made of it.
    pub title: String,
    /// Its licence.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Whether rows that cannot be used are left out.
    pub leave_out_bad: bool,
}

impl Desk {
    /// The file, read anew only where that is needed.
    fn read(&mut self, request: &LookRequest, line: &mut Line<'_>) -> Result<&TableFile, String> {
        let same = |read: &Read| !request.again && read.file == request.file && read.header == request.header;
        if !self.read.as_ref().is_some_and(same) {
            self.read = None;
            let name = file_name(&request.file);
            let content = read_table_watched(&request.file, request.header, &mut |share| {
                line.tell(Some(share), || format!("Reading {name}"))
            })
            .map_err(|e| e.to_string())?;
            self.read = Some(Read { file: request.file.clone(), header: request.header, content });
        }
        self.read.as_ref().map(|read| &read.content).ok_or_else(|| "No file was read.".to_owned())
    }

    pub(super) fn look(&mut self, request: &LookRequest, line: &mut Line<'_>) -> Result<Look, String> {
        let read = self.read(request, line)?;
        let _ = line.tell(None, || "Looking at the rows".to_owned());
        let table = &read.table;
        let Plan { kind, own, fit } = plan(read, request);
        let Imported { examples, mut bad } = made(read, kind, own, &fit, &stem(&request.file));
        let columns: Vec<String> = table.columns.iter().take(COLUMNS).cloned().collect();
        let first = table.rows.iter().take(FIRST).map(|row| FirstRow {
            line: row.line,
            cells: columns.iter().map(|column| cell(row.values.get(column))).collect(),
        });
        let bad_count = bad.len();
        bad.truncate(BAD_ROWS);
        for row in &mut bad {
            row.message = cut(&row.message);
            row.field = row.field.as_deref().map(cut);
        }
        Ok(Look {
            request: request.clone(),
            first: first.collect(),
            rows: table.rows.len() + table.bad.len(),
            columns,
            header: read.header,
            kind,
            own,
            fit,
            made: examples.len(),
            examples: parts(&examples),
            bad,
            bad_count,
        })
    }

    pub(super) fn import(
        &mut self,
        request: ImportRequest,
        line: &mut Line<'_>,
    ) -> Result<(String, usize), String> {
        // What was looked at is what is taken, also if the file has changed since.
        let read = self.read(&LookRequest { again: false, ..request.look.clone() }, line)?;
        let _ = line.tell(None, || "Making the data set".to_owned());
        let mut project = Project::attach(&request.root).map_err(|e| e.to_string())?;
        let known: Vec<String> = project.datasets().into_iter().map(|set| set.id).collect();
        let id = free_id(id_from_title(&request.title, "set"), |id| known.iter().any(|one| one == id));
        let Plan { kind, own, fit } = plan(read, &request.look);
        if !own && !fit.missing.is_empty() {
            return Err("Say first which column is what.".to_owned());
        }
        let Imported { examples, bad } = made(read, kind, own, &fit, &id);
        if examples.is_empty() {
            return Err("No row of the file can be used.".to_owned());
        }
        if !bad.is_empty() && !request.leave_out_bad {
            return Err(format!("{} rows cannot be used. Tick that they are left out.", bad.len()));
        }
        let title = request.title.trim();
        let mut entry = DatasetEntry::new(&id, if title.is_empty() { &id } else { title }, kind);
        entry.licence = request.licence.trim().to_owned();
        entry.source = request.source.trim().to_owned();
        entry.sha256 = read.sha256.clone();
        if !bad.is_empty() {
            let problems =
                if bad.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", bad.len()) };
            entry.note = format!("Left out of {}: rows with {problems}.", file_name(&request.look.file));
        }
        let count = examples.len();
        keep(line, &mut project, entry, &examples)?;
        Ok((id, count))
    }
}

/// What is to be made of the rows, and how.
struct Plan {
    kind: DatasetKind,
    own: bool,
    fit: Fit,
}

fn plan(read: &TableFile, request: &LookRequest) -> Plan {
    let own = own_kind(&read.table);
    let kind = request.kind.or(own).unwrap_or_else(|| guess_kind(&read.table));
    let own = own == Some(kind);
    let fit = if own {
        Fit { columns: Columns::new(), missing: Vec::new() }
    } else {
        fit(&read.table, kind, &request.said)
    };
    Plan { kind, own, fit }
}

fn made(read: &TableFile, kind: DatasetKind, own: bool, fit: &Fit, name: &str) -> Imported {
    if own {
        import_own(&read.table, kind)
    } else if fit.missing.is_empty() {
        import(&read.table, kind, &fit.columns, name)
    } else {
        Imported { examples: Examples::none(kind), bad: read.table.bad.clone() }
    }
}

fn file_name(file: &Path) -> String {
    file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn stem(file: &Path) -> String {
    id_from_title(&file.file_stem().unwrap_or_default().to_string_lossy(), "set")
}

/// What stands in a cell, on one line.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cut(text),
        // A list may be large; only what is shown of it is written out.
        Some(other) => cut(&other.to_string()),
    }
}

/// As much of a text as can be shown on one line.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The parts of the first examples.
fn parts(examples: &Examples) -> Vec<Vec<Part>> {
    let part = |name, text: &str, harmful| Part { name, text: cut(text), harmful };
    let more = |parts: &mut Vec<Part>, name, text: &str| {
        if !text.is_empty() {
            parts.push(part(name, text, false));
        }
    };
    let message = |message: &crate::text::Message| {
        let (name, harmful) = match message.role {
            crate::text::Role::System => ("Instructions", false),
            crate::text::Role::User => ("Person", false),
            crate::text::Role::Assistant => ("Model", true),
        };
        part(name, &message.content, harmful)
    };
    match examples {
        Examples::Recovery(rows) => rows
            .iter()
            .take(SHOWN)
            .map(|row| {
                let mut parts: Vec<Part> = row.context.iter().take(4).map(message).collect();
                parts.push(part("Harmful answer", &row.harmful, true));
                let refusals = row.refusals.iter().take(2);
                parts.extend(refusals.map(|refusal| part("Refusal", &refusal.text, false)));
                more(&mut parts, "Category", &row.category);
                parts
            })
            .collect(),
        Examples::Chat(rows) => rows
            .iter()
            .take(SHOWN)
            .map(|row| {
                let mut parts: Vec<Part> = row.messages.iter().take(4).map(message).collect();
                more(&mut parts, "Category", &row.category);
                parts
            })
            .collect(),
        Examples::Attack(rows) => rows
            .iter()
            .take(SHOWN)
            .map(|row| {
                let mut parts = vec![part("Request", &row.goal, false)];
                parts.extend(row.target.iter().map(|target| part("Harmful answer", target, true)));
                more(&mut parts, "Category", &row.category);
                parts
            })
            .collect(),
        Examples::Utility(rows) => rows
            .iter()
            .take(SHOWN)
            .map(|row| {
                let mut parts = vec![part("Request", &row.prompt, false)];
                more(&mut parts, "Choices", &row.choices.join(" · "));
                parts.push(part("Right answer", &row.reference, false));
                more(&mut parts, "Category", &row.category);
                parts
            })
            .collect(),
    }
}

impl Look {
    /// The fields that examples of this kind can be made of, those that are needed first.
    #[must_use]
    pub fn fields(&self) -> Vec<(Field, bool)> {
        let needed = Field::needed(self.kind, &self.fit.columns);
        let all = Field::of(self.kind).iter().map(|field| (*field, needed.contains(field)));
        let (mut first, rest): (Vec<_>, Vec<_>) = all.partition(|(_, needed)| *needed);
        first.extend(rest);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_text_is_short_and_on_one_line() {
        assert_eq!(cut("a\nb"), "a b");
        let long = cut(&"é".repeat(50_000));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }
}
