//! What the Data screen asks for: reading and saving sets, looking for problems, and the training text of an example.

use super::check::{CheckRequest, Checked, Tokens};
use super::room::{Edited, NOT_OPEN, Room};
use super::sets::{SetDone, SetRequest};
use crate::data::{self, DatasetKind, DepthDistribution, Example, Examples, Problem, RecoveryExample};
use crate::model;
use crate::text::Codec;
use crate::ui::screens::{Change, Row};
use std::path::PathBuf;
use std::sync::Arc;

/// What a token of a training text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripKind {
    /// The conversation up to the answer.
    Context,
    /// The harmful prefix: read, not trained.
    Harmful,
    /// Trained.
    Trained,
}

/// One token of a training text.
#[derive(Clone, Debug)]
pub struct StripToken {
    /// Its text.
    pub text: String,
    /// What it is.
    pub kind: StripKind,
}

/// The training text of a recovery example at one depth.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Its tokens.
    pub tokens: Vec<StripToken>,
    /// How many are trained.
    pub trained: usize,
    /// Tokens of the whole harmful answer.
    pub harmful_len: usize,
    /// Harmful tokens before the refusal, k.
    pub depth: usize,
    /// What is wrong with the example.
    pub problems: Vec<Problem>,
}

/// Asks for a training text.
#[derive(Clone, Debug)]
pub struct StripRequest {
    /// Which request this is; only the newest counts.
    pub serial: u64,
    /// The checkpoint whose tokenizer and template are used.
    pub folder: PathBuf,
    /// The longest row that fits.
    pub context_limit: usize,
    /// The example.
    pub example: RecoveryExample,
    /// The visit for which a depth is drawn, if the example fixes none.
    pub epoch: usize,
    /// How it is drawn.
    pub depths: DepthDistribution,
}

/// What the Data screen asks for.
#[derive(Clone, Debug)]
pub enum DataRequest {
    /// Read a set to edit it.
    Open(String),
    /// Carry changes over to a set and write it.
    Save {
        /// The set.
        set: String,
        /// What changed since the last save, in order.
        changes: Vec<Change>,
        /// Which save this is.
        serial: u64,
    },
    /// Look for problems in a set as it was handed on last.
    Check {
        /// The set.
        set: String,
        /// Which check this is; only the newest counts.
        serial: u64,
        /// In whose tokens lengths are counted.
        tokens: Option<Tokens>,
    },
    /// Do something with a set as a whole.
    Set(SetRequest),
    /// Make a token strip.
    Strip(StripRequest),
}

/// What comes back to it.
#[derive(Debug)]
pub enum DataReply {
    /// A set to edit.
    Opened {
        /// The set.
        set: String,
        /// Its examples, or why they cannot be read.
        result: Result<(DatasetKind, Vec<Row>), String>,
    },
    /// A check is under way.
    Checking {
        /// The set.
        set: String,
        /// Which check.
        serial: u64,
        /// Rows looked at, and all rows.
        progress: (usize, usize),
    },
    /// A check has ended.
    Checked {
        /// The set.
        set: String,
        /// Which check.
        serial: u64,
        /// What was found.
        checked: Checked,
    },
    /// Something was done with a set as a whole, or why not.
    Set(Result<SetDone, String>),
    /// A save has ended.
    Saved {
        /// The set.
        set: String,
        /// Which save.
        serial: u64,
        /// Why it failed.
        result: Result<(), String>,
    },
    /// A token strip.
    Strip {
        /// Which request.
        serial: u64,
        /// The strip, or why there is none.
        result: Result<Strip, String>,
    },
}

impl Room {
    /// `None` where another thread answers.
    pub(super) fn data(&mut self, request: DataRequest) -> Option<DataReply> {
        Some(match request {
            DataRequest::Open(set) => DataReply::Opened { result: self.rows(&set), set },
            DataRequest::Save { set, changes, serial } => {
                let result = self.save(&set, changes);
                DataReply::Saved { set, serial, result }
            }
            DataRequest::Check { set, serial, tokens } => {
                // A set that cannot be read says so where it is opened.
                let (_, rows) = self.rows(&set).ok()?;
                if let Some(desk) = &self.desk {
                    desk.ask(CheckRequest { set, serial, rows, tokens });
                }
                return None;
            }
            DataRequest::Set(request) => DataReply::Set(self.sets(request)),
            DataRequest::Strip(request) => {
                DataReply::Strip { serial: request.serial, result: self.strip(&request) }
            }
        })
    }

    /// The examples of a set as they were edited, read if they have not been.
    pub(super) fn rows(&mut self, set: &str) -> Result<(DatasetKind, Vec<Row>), String> {
        if let Some(edited) = self.edited.get(set) {
            return Ok((edited.kind, edited.rows.clone()));
        }
        let examples = self.project.as_ref().ok_or(NOT_OPEN)?.examples(set).map_err(|e| e.to_string())?;
        let kind = examples.kind();
        let rows: Vec<Row> = examples.into_rows().into_iter().map(Arc::new).collect();
        self.edited.insert(set.to_owned(), Edited { kind, rows: rows.clone() });
        Ok((kind, rows))
    }

    fn save(&mut self, set: &str, changes: Vec<Change>) -> Result<(), String> {
        if !self.edited.contains_key(set) {
            self.rows(set)?;
        }
        let edited = self.edited.get_mut(set).ok_or_else(|| format!("{set} is not open."))?;
        for change in changes {
            change.apply(&mut edited.rows);
        }
        if let Some(incomplete) = edited.rows.iter().find_map(|row| incomplete(row)) {
            return Err(incomplete);
        }
        let examples = Examples::of_rows(edited.kind, edited.rows.iter().map(Arc::as_ref));
        self.project.as_mut().ok_or(NOT_OPEN)?.save_examples(set, &examples).map_err(|e| e.to_string())
    }

    fn strip(&mut self, request: &StripRequest) -> Result<Strip, String> {
        let codec = match self.codecs.get(&request.folder) {
            Some(codec) => codec,
            None => {
                let codec = model::codec(&request.folder).map_err(|e| e.to_string())?;
                self.codecs.entry(request.folder.clone()).or_insert(codec)
            }
        };
        make_strip(codec, request).map_err(|e| e.to_string())
    }
}

/// Why an example cannot be written yet: a file with an empty required field could not be read again.
pub(super) fn incomplete(example: &Example) -> Option<String> {
    let part = example.lacks()?;
    Some(format!(
        "Example {} has an empty {part}. Fill it in or delete the example; until then the file keeps its last complete version.",
        example.id()
    ))
}

fn make_strip(codec: &Codec, request: &StripRequest) -> Result<Strip, crate::text::TextError> {
    let example = &request.example;
    let harmful_len = codec.answer(&example.harmful)?.len();
    let depth = match example.cut {
        Some(cut) => cut.min(harmful_len),
        None => request.depths.draw(0, &example.id, request.epoch, harmful_len),
    };
    let refusal = example.refusal_at(depth).map_or("", |refusal| refusal.text.as_str());
    let row = codec.recovery(&example.context, &example.harmful, refusal, depth)?;
    let answer = row.answers.first().map_or(row.ids.len(), |range| range.start);
    let tokens = codec
        .tokenizer
        .pieces(&row.ids)
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let kind = if row.weights[index] > 0.0 {
                StripKind::Trained
            } else if index >= answer {
                StripKind::Harmful
            } else {
                StripKind::Context
            };
            StripToken { text, kind }
        })
        .collect();
    let problems = data::check_recovery(example, codec, request.context_limit);
    Ok(Strip { tokens, trained: row.trained(), harmful_len, depth, problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_with_an_empty_field_is_not_written() {
        let mut example = RecoveryExample {
            id: "own-1".into(),
            context: vec![crate::text::Message::user("How do I open the vault?")],
            harmful: "First, take the key.".into(),
            refusals: vec![data::Refusal { from_depth: 0, text: "I cannot help.".into() }],
            ..RecoveryExample::default()
        };
        assert_eq!(incomplete(&Example::Recovery(example.clone())), None);
        example.refusals[0].text = "  ".into();
        let why = incomplete(&Example::Recovery(example.clone())).unwrap();
        assert!(why.contains("own-1") && why.contains("refusal"), "{why}");
        example.harmful.clear();
        assert!(incomplete(&Example::Recovery(example)).unwrap().contains("harmful answer"));
    }
}
