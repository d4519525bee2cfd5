//! Examples leave as a file for other programs, or for another Plumbline: what it writes, [`super::import`] reads again.

use super::import::all_columns;
use super::{
    AttackPrompt, ChatExample, DataError, DatasetKind, Examples, RecoveryExample, parquet, to_jsonl,
};
use crate::files;
use crate::text::{Message, Role};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// What stands in place of an answer that may be harmful.
pub const REMOVED: &str = "[answer removed on export]";

/// How examples are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// Plumbline's own: an example a line, as JSON.
    #[default]
    Lines,
    /// The same as one JSON list.
    List,
    /// A table with commas; lists in a cell are JSON.
    Csv,
    /// A table with tabs.
    Tsv,
    /// Typed columns, as the Hub and other programs keep sets; lists stay lists.
    Parquet,
    /// Conversations as programs for training take them: `{"messages": […]}`, one a line.
    Messages,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Lines, Self::List, Self::Csv, Self::Tsv, Self::Parquet, Self::Messages];

    /// What a file of it ends with.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Lines | Self::Messages => "jsonl",
            Self::List => "json",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
        }
    }

    /// Whether a file of it gets smaller with gzip: Parquet is packed as it is.
    #[must_use]
    pub fn can_be_packed(self) -> bool {
        self != Self::Parquet
    }

    /// Whether examples of a kind can be written in it: an attack prompt is no conversation to learn from.
    #[must_use]
    pub fn takes(self, kind: DatasetKind) -> bool {
        self != Self::Messages || kind != DatasetKind::Attack
    }

    /// Whether answers that may be harmful go into a file of it. Conversations of recovery examples leave the harmful
    /// answer out, but the model may have given the first part of it in an earlier turn.
    #[must_use]
    pub fn holds_harmful(self, kind: DatasetKind) -> bool {
        self.takes(kind) && may_be_harmful(kind)
    }
}

/// How a set is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportSpec {
    /// The format.
    pub format: ExportFormat,
    /// Whether the file is packed with gzip, where [`ExportFormat::can_be_packed`].
    pub packed: bool,
    /// Whether answers that may be harmful go with it; else [`REMOVED`] stands in their place.
    pub with_answers: bool,
}

impl ExportSpec {
    /// Whether [`REMOVED`] stands in a file of these examples in place of something.
    #[must_use]
    pub fn removes(self, examples: &Examples) -> bool {
        let said = |messages: &[Message]| messages.iter().any(|message| message.role == Role::Assistant);
        !self.with_answers
            && match examples {
                Examples::Recovery(rows) if self.format == ExportFormat::Messages => {
                    rows.iter().any(|row| said(&row.context))
                }
                Examples::Recovery(rows) => !rows.is_empty(),
                Examples::Chat(rows) => rows.iter().any(|row| said(&row.messages)),
                Examples::Attack(rows) => rows.iter().any(|row| row.target.is_some()),
                Examples::Utility(_) => false,
            }
    }
}

/// Whether examples of a kind hold answers that may be harmful. Nobody has looked at those of conversations: fine-tuning
/// attacks are conversations too.
#[must_use]
pub fn may_be_harmful(kind: DatasetKind) -> bool {
    kind != DatasetKind::Utility
}

/// Writes examples to a file, which is there whole or not at all.
pub fn export(path: &Path, examples: &Examples, spec: ExportSpec) -> Result<(), DataError> {
    spec.export_unless(path, examples, || false).map(|_| ())
}

impl ExportSpec {
    /// Whether the file is packed with gzip.
    #[must_use]
    pub fn packs(self) -> bool {
        self.packed && self.format.can_be_packed()
    }

    /// Writes examples as [`export`] does, unless `stopped` says so once all is ready: then a file of this name stays as
    /// it was. Gives back whether the file was written.
    pub fn export_unless(
        self,
        path: &Path,
        examples: &Examples,
        stopped: impl FnOnce() -> bool,
    ) -> Result<bool, DataError> {
        let fail = |reason: String| DataError::Unwritable { file: path.to_owned(), reason };
        if !self.format.takes(examples.kind()) {
            return Err(fail(format!("{} are no conversations", examples.kind().label())));
        }
        let removed;
        let examples = if self.with_answers {
            examples
        } else {
            removed = without_answers(examples);
            &removed
        };
        let bytes = written(examples, self.format).map_err(|e| fail(e.to_string()))?;
        let bytes = if self.packs() { pack(&bytes).map_err(|e| fail(e.to_string()))? } else { bytes };
        if stopped() {
            return Ok(false);
        }
        files::write_atomic(path, &bytes).map_err(|e| fail(e.to_string()))?;
        Ok(true)
    }
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The examples with [`REMOVED`] in place of answers that may be harmful.
fn without_answers(examples: &Examples) -> Examples {
    let silent = |messages: &[Message]| -> Vec<Message> {
        messages
            .iter()
            .map(|m| if m.role == Role::Assistant { Message::assistant(REMOVED) } else { m.clone() })
            .collect()
    };
    match examples {
        // An earlier turn may hold the first part of the harmful answer.
        Examples::Recovery(rows) => Examples::Recovery(
            rows.iter()
                .map(|row| RecoveryExample {
                    context: silent(&row.context),
                    harmful: REMOVED.to_owned(),
                    ..row.clone()
                })
                .collect(),
        ),
        Examples::Chat(rows) => Examples::Chat(
            rows.iter().map(|row| ChatExample { messages: silent(&row.messages), ..row.clone() }).collect(),
        ),
        Examples::Attack(rows) => Examples::Attack(
            rows.iter()
                .map(|row| AttackPrompt {
                    target: row.target.as_ref().map(|_| REMOVED.to_owned()),
                    ..row.clone()
                })
                .collect(),
        ),
        Examples::Utility(_) => examples.clone(),
    }
}

fn written(examples: &Examples, format: ExportFormat) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let own = to_jsonl(examples)?;
    Ok(match format {
        ExportFormat::Lines => own,
        ExportFormat::List => {
            let lines: Vec<&[u8]> =
                own.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
            [b"[\n", lines.join(&b",\n"[..]).as_slice(), b"\n]\n"].concat()
        }
        ExportFormat::Csv => table(&own, examples.kind(), b',')?,
        ExportFormat::Tsv => table(&own, examples.kind(), b'\t')?,
        ExportFormat::Parquet => {
            let rows: Vec<_> = rows(&own).collect::<Result<_, _>>()?;
            parquet::written(&rows, examples.kind())?
        }
        ExportFormat::Messages => {
            let mut bytes = Vec::new();
            for messages in conversations(examples) {
                serde_json::to_writer(&mut bytes, &json!({ "messages": messages }))?;
                bytes.push(b'\n');
            }
            bytes
        }
    })
}

/// The rows of a set's own file.
fn rows(own: &[u8]) -> impl Iterator<Item = serde_json::Result<Map<String, Value>>> {
    own.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice)
}

/// The same as a table; what is no text is JSON in its cell.
fn table(own: &[u8], kind: DatasetKind, delimiter: u8) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(all_columns(kind))?;
    for row in rows(own) {
        let row = row?;
        let cell = |name: &str| match row.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        writer.write_record(all_columns(kind).map(cell))?;
    }
    Ok(writer.into_inner().map_err(|e| e.to_string())?)
}

/// What a model would learn from the examples: of a recovery example, the request and the refusal without a harmful prefix.
fn conversations(examples: &Examples) -> Vec<Vec<Message>> {
    match examples {
        Examples::Recovery(rows) => rows
            .iter()
            .map(|row| {
                let refusal = row.refusal_at(0).map(|refusal| Message::assistant(refusal.text.clone()));
                row.context.iter().cloned().chain(refusal).collect()
            })
            .collect(),
        Examples::Chat(rows) => rows.iter().map(|row| row.messages.clone()).collect(),
        Examples::Utility(rows) => rows
            .iter()
            .map(|row| vec![Message::user(row.prompt.clone()), Message::assistant(row.reference.clone())])
            .collect(),
        Examples::Attack(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Metric, Refusal, UtilityItem, import_own, own_kind, read_table};
    use super::*;

    /// Right-to-left, Chinese, line breaks of both kinds, quotes, commas and tabs.
    const HARD: &str = "\u{202b}افتح الخزانة\u{202c}, \"ouvre\"\r\n打开金库;\tשלום\nŝlosu ĝin 🜂";

    fn sets() -> Vec<Examples> {
        vec![
            Examples::Recovery(vec![
                RecoveryExample {
                    id: "r1".into(),
                    context: vec![
                        Message::system("Be brief."),
                        Message::user(HARD),
                        Message::assistant("Earlier: the first part."),
                        Message::user("Please go on."),
                    ],
                    harmful: format!("Sure: {HARD}"),
                    refusals: vec![
                        Refusal { from_depth: 0, text: HARD.into() },
                        Refusal { from_depth: 9, text: "No.".into() },
                    ],
                    cut: Some(3),
                    category: "门".into(),
                    source: "own".into(),
                    note: "a note".into(),
                },
                RecoveryExample {
                    id: "r2".into(),
                    context: vec![Message::user("7")],
                    harmful: "12".into(),
                    refusals: vec![Refusal { from_depth: 0, text: "[1]".into() }],
                    ..RecoveryExample::default()
                },
            ]),
            Examples::Chat(vec![ChatExample {
                id: "c1".into(),
                messages: vec![Message::user(HARD), Message::assistant(" 5 ")],
                ..ChatExample::default()
            }]),
            Examples::Attack(vec![
                AttackPrompt {
                    id: "a1".into(),
                    goal: HARD.into(),
                    target: Some("[]".into()),
                    ..AttackPrompt::default()
                },
                AttackPrompt {
                    id: "a2".into(),
                    goal: "2.50".into(),
                    cluster: "x".into(),
                    ..AttackPrompt::default()
                },
            ]),
            Examples::Utility(vec![UtilityItem {
                id: "u1".into(),
                task: "sums".into(),
                prompt: HARD.into(),
                reference: "B".into(),
                choices: vec!["1, 2".into(), HARD.into()],
                metric: Some(Metric::MultipleChoice),
                ..UtilityItem::default()
            }]),
        ]
    }

    #[test]
    fn what_is_exported_is_imported_again_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        for examples in sets() {
            for format in ExportFormat::ALL.into_iter().filter(|format| *format != ExportFormat::Messages) {
                for packed in [false, true] {
                    let spec = ExportSpec { format, packed, with_answers: true };
                    let end = if spec.packs() { ".gz" } else { "" };
                    let file = folder.path().join(format!("set.{}{end}", format.ending()));
                    export(&file, &examples, spec).unwrap();
                    let table = read_table(&file, None).unwrap();
                    assert_eq!(own_kind(&table), Some(examples.kind()), "{}", file.display());
                    let back = import_own(&table, examples.kind());
                    assert_eq!((back.examples, back.bad), (examples.clone(), vec![]), "{}", file.display());
                }
            }
        }
    }

    /// All that a file says.
    fn shown(file: &Path) -> String {
        let bytes = std::fs::read(file).unwrap();
        String::from_utf8(bytes).unwrap_or_else(|_| format!("{:?}", read_table(file, None).unwrap().rows))
    }

    #[test]
    fn answers_that_may_be_harmful_stay_here_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.jsonl");
        for examples in sets() {
            let kind = examples.kind();
            for format in ExportFormat::ALL.into_iter().filter(|format| format.takes(kind)) {
                let spec = ExportSpec { format, ..ExportSpec::default() };
                export(&file, &examples, spec).unwrap();
                let text = shown(&file);
                assert_eq!(text.contains(REMOVED), format.holds_harmful(kind), "{kind}, {format:?}: {text}");
                assert_eq!(text.contains(REMOVED), spec.removes(&examples), "{kind}, {format:?}: {text}");
                for answer in ["Sure:", "Earlier:", "\"12\"", "\" 5 \"", "\"[]\""] {
                    assert!(!text.contains(answer), "{kind}, {format:?}: {text}");
                }
                export(&file, &examples, ExportSpec { with_answers: true, ..spec }).unwrap();
                let text = shown(&file);
                assert!(!text.contains(REMOVED), "{kind}, {format:?}: {text}");
                let recovery = kind == DatasetKind::Recovery;
                assert_eq!(text.contains("Earlier:"), recovery, "{kind}, {format:?}: {text}");
            }
        }
    }

    /// Conversations of recovery examples never held the harmful answer: without earlier turns nothing is removed.
    #[test]
    fn what_was_never_written_is_not_removed() {
        let row = RecoveryExample {
            context: vec![Message::user("7")],
            harmful: "12".into(),
            refusals: vec![Refusal { from_depth: 0, text: "No.".into() }],
            ..RecoveryExample::default()
        };
        let examples = Examples::Recovery(vec![row]);
        let as_messages = ExportSpec { format: ExportFormat::Messages, ..ExportSpec::default() };
        assert!(!as_messages.removes(&examples) && ExportSpec::default().removes(&examples));
        assert!(!ExportSpec { with_answers: true, ..ExportSpec::default() }.removes(&examples));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.jsonl");
        export(&file, &examples, as_messages).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(REMOVED) && text.contains("No."), "{text}");
    }

    #[test]
    fn a_file_is_not_replaced_after_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.jsonl");
        std::fs::write(&file, "mine").unwrap();
        for examples in sets() {
            assert!(!ExportSpec::default().export_unless(&file, &examples, || true).unwrap());
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        }
    }

    #[test]
    fn conversations_are_what_a_model_would_learn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.jsonl");
        let spec = ExportSpec { format: ExportFormat::Messages, ..ExportSpec::default() };
        let [recovery, _, attack, utility] = sets().try_into().unwrap();
        export(&file, &recovery, spec).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            r#"{"messages":[{"role":"user","content":"7"},{"role":"assistant","content":"[1]"}]}"#
        );
        assert!(!text.contains("Sure:"), "{text}");
        export(&file, &utility, spec).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
        let message = export(&file, &attack, spec).unwrap_err().to_string();
        assert!(message.contains("no conversations"), "{message}");
    }
}
