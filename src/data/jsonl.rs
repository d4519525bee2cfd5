//! Data sets as files: one JSON object a line, UTF-8.
//!
//! A byte order mark, CRLF line ends and blank lines are tolerated. Everything else that is off is reported, all rows
//! at once: nothing is skipped in silence.

use super::fields::{Fields, what};
use super::{
    AttackPrompt, ChatExample, DataError, DatasetKind, Examples, RecoveryExample, Refusal, UtilityItem,
};
use crate::files;
use crate::text::Role;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// One problem of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line, counted from 1.
    pub line: usize,
    /// Where in the line it stops being JSON, counted in characters from 1.
    pub column: Option<usize>,
    /// The field it is about.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        match &self.field {
            Some(field) => write!(f, ": field \"{field}\" {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

/// Reads a data set of the given kind. A file with bad rows is refused as a whole, with all of them named.
pub fn read_jsonl(path: &Path, kind: DatasetKind) -> Result<Examples, DataError> {
    let bytes = std::fs::read(path)
        .map_err(|e| DataError::Unreadable { file: path.to_owned(), reason: e.to_string() })?;
    let examples =
        parse_jsonl(&bytes, kind).map_err(|rows| DataError::BadRows { file: path.to_owned(), rows })?;
    if examples.is_empty() {
        return Err(DataError::Empty { file: path.to_owned(), example: kind.sample_line() });
    }
    Ok(examples)
}

/// Reads the bytes of a data set; see [`read_jsonl`].
pub fn parse_jsonl(bytes: &[u8], kind: DatasetKind) -> Result<Examples, Vec<BadRow>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut bad = Vec::new();
    let mut rows = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match object(line) {
            Ok(row) => rows.push((index + 1, row)),
            Err((column, message)) => {
                bad.push(BadRow { line: index + 1, column, field: None, message });
            }
        }
    }
    let mut seen = BTreeMap::new();
    for (line, row) in &rows {
        if let Some(id) = row.get("id").and_then(Value::as_str)
            && let Some(first) = seen.insert(id, *line)
        {
            seen.insert(id, first);
            bad.push(BadRow {
                line: *line,
                column: None,
                field: Some("id".into()),
                message: format!("\"{id}\" already stands in line {first}. Give each line its own."),
            });
        }
    }
    let mut examples = Examples::none(kind);
    for (line, row) in &rows {
        bad.extend(add_row(&mut examples, *line, row));
    }
    if bad.is_empty() {
        return Ok(examples);
    }
    bad.sort_by_key(|row| row.line);
    Err(bad)
}

/// The examples as lines of JSON.
pub fn to_jsonl(examples: &Examples) -> Result<Vec<u8>, serde_json::Error> {
    fn lines<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut bytes, row)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
    match examples {
        Examples::Recovery(rows) => lines(rows),
        Examples::Chat(rows) => lines(rows),
        Examples::Attack(rows) => lines(rows),
        Examples::Utility(rows) => lines(rows),
    }
}

/// Writes a data set: to a temporary file beside `path`, which then takes its place, so that a crash or a full disk
/// leaves the old file whole.
pub fn write_jsonl(path: &Path, examples: &Examples) -> Result<(), DataError> {
    let fail = |reason: String| DataError::Unwritable { file: path.to_owned(), reason };
    let bytes = to_jsonl(examples).map_err(|e| fail(e.to_string()))?;
    files::write_atomic(path, &bytes).map_err(|e| fail(e.to_string()))
}

/// The object of one line, or where and why it is none.
fn object(line: &[u8]) -> Result<Map<String, Value>, (Option<usize>, String)> {
    let text = std::str::from_utf8(line).map_err(|e| {
        let column = String::from_utf8_lossy(&line[..e.valid_up_to()]).chars().count() + 1;
        (Some(column), "is not UTF-8 text. Save the file as UTF-8.".to_owned())
    })?;
    match serde_json::from_str(text) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(other) => Err((None, format!("must be an object in {{ }}, but is {}.", what(&other)))),
        Err(e) => {
            // serde_json counts bytes of the line; people count characters.
            let bytes = e.column().saturating_sub(1).min(text.len());
            let column = text.bytes().take(bytes).filter(|byte| byte & 0xC0 != 0x80).count() + 1;
            let reason = e.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            Err((Some(column), format!("is not JSON: {reason}. Correct or remove the line.")))
        }
    }
}

/// Adds the example of one row of a file, or says what is wrong with it.
pub(super) fn add_row(examples: &mut Examples, line: usize, row: &Map<String, Value>) -> Vec<BadRow> {
    match examples {
        Examples::Recovery(rows) => keep(rows, line, recovery(row)),
        Examples::Chat(rows) => keep(rows, line, chat(row)),
        Examples::Attack(rows) => keep(rows, line, attack(row)),
        Examples::Utility(rows) => keep(rows, line, utility(row)),
    }
}

fn keep<T>(rows: &mut Vec<T>, line: usize, (example, problems): (T, Vec<(String, String)>)) -> Vec<BadRow> {
    if problems.is_empty() {
        rows.push(example);
    }
    let bad = |(field, message)| BadRow { line, column: None, field: Some(field), message };
    problems.into_iter().map(bad).collect()
}

fn recovery(row: &Map<String, Value>) -> (RecoveryExample, Vec<(String, String)>) {
    let mut fields =
        Fields::new(row, &["id", "context", "harmful", "refusals", "cut", "category", "source", "note"]);
    let mut refusals = Vec::new();
    for (index, item) in fields.list("refusals").iter().enumerate() {
        let place = format!("refusals[{index}]");
        match serde_json::from_value::<Refusal>(item.clone()) {
            Ok(refusal) if refusal.text.trim().is_empty() => {
                fields.note(&place, "has empty text. Write the refusal, or remove it.");
            }
            Ok(refusal) => refusals.push(refusal),
            Err(e) => fields.note(
                &place,
                format!(
                    "is not a refusal: {e}. Write {{\"text\":\"…\"}} or {{\"from_depth\":10,\"text\":\"…\"}}."
                ),
            ),
        }
    }
    let example = RecoveryExample {
        id: fields.text("id"),
        context: fields.messages("context", Role::User),
        harmful: fields.text("harmful"),
        refusals,
        cut: fields.optional_count("cut"),
        category: fields.text_or_empty("category"),
        source: fields.text_or_empty("source"),
        note: fields.text_or_empty("note"),
    };
    (example, fields.problems())
}

fn chat(row: &Map<String, Value>) -> (ChatExample, Vec<(String, String)>) {
    let mut fields = Fields::new(row, &["id", "messages", "category", "source", "note"]);
    let example = ChatExample {
        id: fields.text("id"),
        messages: fields.messages("messages", Role::Assistant),
        category: fields.text_or_empty("category"),
        source: fields.text_or_empty("source"),
        note: fields.text_or_empty("note"),
    };
    (example, fields.problems())
}

fn attack(row: &Map<String, Value>) -> (AttackPrompt, Vec<(String, String)>) {
    let mut fields = Fields::new(row, &["id", "goal", "target", "category", "cluster"]);
    let example = AttackPrompt {
        id: fields.text("id"),
        goal: fields.text("goal"),
        target: fields.optional_text("target"),
        category: fields.text_or_empty("category"),
        cluster: fields.text_or_empty("cluster"),
    };
    (example, fields.problems())
}

fn utility(row: &Map<String, Value>) -> (UtilityItem, Vec<(String, String)>) {
    let mut fields =
        Fields::new(row, &["id", "task", "prompt", "reference", "choices", "metric", "category", "cluster"]);
    let example = UtilityItem {
        id: fields.text("id"),
        task: fields.text("task"),
        prompt: fields.text("prompt"),
        reference: fields.text("reference"),
        choices: fields.optional_texts("choices"),
        metric: fields.metric("metric"),
        category: fields.text_or_empty("category"),
        cluster: fields.text_or_empty("cluster"),
    };
    (example, fields.problems())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Message;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"id":"r1","context":[{"role":"user","content":"Brew it"}],"harmful":"Sure","refusals":[{"text":"I cannot."}]}"#;

    fn problems(text: &str, kind: DatasetKind) -> Vec<String> {
        parse_jsonl(text.as_bytes(), kind).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_bad_row_is_reported_with_line_field_and_what_to_do() {
        let text = format!(
            "{GOOD}\n{{\"id\":\"r2\",\"context\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"refusals\":[{{\"text\":\"no\"}}]}}\n\n{{\"id\": oops}}\n[1]\n{GOOD}\n"
        );
        assert_eq!(
            problems(&text, DatasetKind::Recovery),
            [
                "line 2: field \"harmful\" is missing. Add it, or remove the line.",
                "line 4, column 8: is not JSON: expected value. Correct or remove the line.",
                "line 5: must be an object in { }, but is a list.",
                "line 6: field \"id\" \"r1\" already stands in line 1. Give each line its own.",
            ]
        );
    }

    #[test]
    fn the_message_of_a_file_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recovery.jsonl");
        std::fs::write(&path, format!("{GOOD}\n{{\"id\":\"r2\"}}\n")).unwrap();
        let error = read_jsonl(&path, DatasetKind::Recovery).unwrap_err();
        assert_eq!(error.bad_rows().len(), 3);
        let message = error.to_string();
        assert!(
            message.contains(
                "recovery.jsonl, line 2: field \"harmful\" is missing. Add it, or remove the line."
            ),
            "{message}"
        );
    }

    #[test]
    fn a_misspelt_field_is_named_with_the_one_that_was_meant() {
        let text = r#"{"id":"a","gaol":"x"}"#;
        assert_eq!(
            problems(text, DatasetKind::Attack),
            [
                "line 1: field \"gaol\" is not known. Did you mean \"goal\"? Rename it, or remove it.",
                "line 1: field \"goal\" is missing. Add it, or remove the line.",
            ]
        );
        let text = r#"{"id":"a","goal":"x","severity":3}"#;
        let found = problems(text, DatasetKind::Attack);
        assert!(found[0].contains("The fields are id, goal, target, category, cluster."), "{found:?}");
    }

    #[test]
    fn conversations_must_be_in_order() {
        let row = |messages: &str| format!(r#"{{"id":"c","messages":[{messages}]}}"#);
        let user = r#"{"role":"user","content":"u"}"#;
        let answer = r#"{"role":"assistant","content":"a"}"#;
        let system = r#"{"role":"system","content":""}"#;
        let good = row(&format!("{system},{user},{answer}"));
        assert_eq!(parse_jsonl(good.as_bytes(), DatasetKind::Chat).unwrap().len(), 1);
        for (bad, expected) in [
            (user.to_string(), "must end with a message of the assistant"),
            (answer.to_string(), "must begin with a message of the user"),
            (format!("{user},{user},{answer}"), "same role"),
            (format!("{user},{system},{answer}"), "can only stand first"),
            (r#"{"role":"robot","content":"x"}"#.to_owned(), "roles are system, user and assistant"),
            (format!(r#"{{"role":"user","content":" "}},{answer}"#), "empty content"),
        ] {
            let found = problems(&row(&bad), DatasetKind::Chat);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_crlf_are_tolerated_and_other_encodings_are_named() {
        let bytes = format!("\u{feff}{GOOD}\r\n\r\n");
        assert_eq!(parse_jsonl(bytes.as_bytes(), DatasetKind::Recovery).unwrap().len(), 1);
        let rows = parse_jsonl(b"{\"id\":\"caf\xe9\"}", DatasetKind::Attack).unwrap_err();
        assert_eq!(rows[0].column, Some(11));
        assert!(rows[0].message.contains("UTF-8"));
    }

    #[test]
    fn columns_count_characters() {
        let rows = parse_jsonl("{\"id\":\"ééé\" x}".as_bytes(), DatasetKind::Attack).unwrap_err();
        assert_eq!(rows[0].column, Some(13));
    }

    #[test]
    fn an_empty_file_says_how_a_line_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attack.jsonl");
        std::fs::write(&path, "\n\n").unwrap();
        let message = read_jsonl(&path, DatasetKind::Attack).unwrap_err().to_string();
        assert!(message.contains("\"goal\""), "{message}");
        let message =
            read_jsonl(&folder.path().join("no.jsonl"), DatasetKind::Attack).unwrap_err().to_string();
        assert!(message.contains("cannot be read"), "{message}");
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("set.jsonl")).unwrap();
        let error =
            write_jsonl(&folder.path().join("set.jsonl"), &Examples::none(DatasetKind::Chat)).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn writing_and_reading_is_the_identity(
            texts in proptest::collection::vec(("\\PC*[a-z]", "[a-z]\\PC*"), 1..6), cut in proptest::option::of(0usize..50), depth in 0usize..4,
        ) {
            let rows = texts.iter().enumerate().map(|(i, (a, b))| RecoveryExample {
                id: format!("r{i}"),
                context: vec![Message::user(a.clone())],
                harmful: b.clone(),
                refusals: vec![Refusal { from_depth: depth, text: a.clone() }],
                cut,
                category: b.clone(),
                ..RecoveryExample::default()
            }).collect();
            let examples = Examples::Recovery(rows);
            let bytes = to_jsonl(&examples).unwrap();
            prop_assert_eq!(parse_jsonl(&bytes, DatasetKind::Recovery).unwrap(), examples);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            for kind in DatasetKind::ALL {
                let _ = parse_jsonl(&bytes, kind);
            }
        }
    }
}
