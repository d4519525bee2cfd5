//! What the Data screen asks for: saving edits, and the training text of an example.

use super::room::{NOT_OPEN, Room};
use crate::data::{self, DepthDistribution, Examples, Problem, RecoveryExample};
use crate::model;
use crate::text::Codec;
use crate::ui::screens::Change;
use std::path::PathBuf;

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
    /// Carry changes over to a recovery set and write it.
    Save {
        /// The set.
        set: String,
        /// What changed since the last save, in order.
        changes: Vec<Change>,
        /// Which save this is.
        serial: u64,
    },
    /// Make a token strip.
    Strip(StripRequest),
}

/// What comes back to it.
#[derive(Debug)]
pub enum DataReply {
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
    pub(super) fn data(&mut self, request: DataRequest) -> DataReply {
        match request {
            DataRequest::Save { set, changes, serial } => {
                let result = self.save(&set, changes);
                DataReply::Saved { set, serial, result }
            }
            DataRequest::Strip(request) => {
                DataReply::Strip { serial: request.serial, result: self.strip(&request) }
            }
        }
    }

    fn save(&mut self, set: &str, changes: Vec<Change>) -> Result<(), String> {
        if !self.edited.contains_key(set) {
            self.examples(set)?;
        }
        let rows = self.edited.get_mut(set).ok_or_else(|| format!("{set} is not a recovery set."))?;
        for change in changes {
            change.apply(rows);
        }
        if let Some(incomplete) = rows.iter().find_map(incomplete) {
            return Err(incomplete);
        }
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        // Moved in and out, so that a large set is not copied for each save.
        let examples = Examples::Recovery(std::mem::take(rows));
        let result = project.save_examples(set, &examples).map_err(|e| e.to_string());
        if let Examples::Recovery(back) = examples {
            *rows = back;
        }
        result
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
fn incomplete(example: &RecoveryExample) -> Option<String> {
    let field = if example.context.is_empty() || example.context.iter().any(|m| m.content.trim().is_empty()) {
        "request"
    } else if example.harmful.trim().is_empty() {
        "harmful answer"
    } else if example.refusals.is_empty() || example.refusals.iter().any(|r| r.text.trim().is_empty()) {
        "refusal"
    } else {
        return None;
    };
    Some(format!(
        "Example {} has an empty {field}. Fill it in or delete the example; until then the file keeps its last complete version.",
        example.id
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
        assert_eq!(incomplete(&example), None);
        example.refusals[0].text = "  ".into();
        let why = incomplete(&example).unwrap();
        assert!(why.contains("own-1") && why.contains("refusal"), "{why}");
        example.harmful.clear();
        assert!(incomplete(&example).unwrap().contains("harmful answer"));
    }
}
