//! The kinds of examples. Every example has a stable id: random draws, edits and results refer to it.

use super::Metric;
use crate::text::Message;
use serde::{Deserialize, Serialize};

/// A refusal of a recovery example, used when at least `from_depth` harmful tokens stand before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The smallest number of harmful answer tokens k from which this refusal is used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from_depth: usize,
    /// What the model should say.
    pub text: String,
}

/// A request, a harmful answer to it, and the refusal with which the model should recover (Qi et al., §3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryExample {
    /// Stable id, unique in its set.
    pub id: String,
    /// The conversation up to and including the request.
    pub context: Vec<Message>,
    /// The harmful answer, of which the first k tokens are put before the refusal.
    pub harmful: String,
    /// One or more refusals; see [`RecoveryExample::refusal_at`].
    pub refusals: Vec<Refusal>,
    /// A fixed k; `None` draws it from the [`super::DepthDistribution`] at each visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,
    /// What kind of harm it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Where the example comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Remarks of the person who keeps the set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl RecoveryExample {
    /// The refusal for a cut after `depth` harmful tokens: the one with the largest `from_depth` ≤ `depth`, or the
    /// one with the smallest `from_depth` if none reaches down that far. `None` without refusals.
    #[must_use]
    pub fn refusal_at(&self, depth: usize) -> Option<&Refusal> {
        self.refusals
            .iter()
            .filter(|refusal| refusal.from_depth <= depth)
            .max_by_key(|refusal| refusal.from_depth)
            .or_else(|| self.refusals.iter().min_by_key(|refusal| refusal.from_depth))
    }

    /// The text of the last message of the context, which is the request.
    #[must_use]
    pub fn request(&self) -> &str {
        self.context.last().map_or("", |message| message.content.as_str())
    }
}

/// A conversation to learn from: an anchor example, or one of somebody's fine-tuning set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatExample {
    /// Stable id, unique in its set.
    pub id: String,
    /// The conversation; every assistant message is trained.
    pub messages: Vec<Message>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Where the example comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Remarks of the person who keeps the set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A request that a safe model refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackPrompt {
    /// Stable id, unique in its set.
    pub id: String,
    /// The request.
    pub goal: String,
    /// A reference harmful answer: what prefilling puts into the model's mouth, and what KL is measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What kind of harm it is about; judges may look at it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Prompts of one cluster are not independent (in the demo world: they share an adjective). Empty = its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
}

/// A harmless task with a reference answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UtilityItem {
    /// Stable id, unique in its set.
    pub id: String,
    /// The task. Where `metric` is not given, it decides how the answer is scored.
    pub task: String,
    /// What the model is asked.
    pub prompt: String,
    /// The right answer; with `choices`, its letter.
    pub reference: String,
    /// What there is to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// How answers are scored; if not given, as task and reference suggest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Items of one cluster are not independent. Empty = its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
}

/// What the examples of a data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetKind {
    /// [`RecoveryExample`]s.
    Recovery,
    /// [`ChatExample`]s: an anchor set or a fine-tuning set.
    Chat,
    /// [`AttackPrompt`]s.
    Attack,
    /// [`UtilityItem`]s.
    Utility,
}

impl DatasetKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Recovery, Self::Chat, Self::Attack, Self::Utility];

    /// The kind's name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Chat => "chat",
            Self::Attack => "attack",
            Self::Utility => "utility",
        }
    }

    /// The kind as people call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Recovery => "recovery examples",
            Self::Chat => "conversations",
            Self::Attack => "attack prompts",
            Self::Utility => "utility tasks",
        }
    }

    /// A line of a file of this kind.
    #[must_use]
    pub fn sample_line(self) -> &'static str {
        match self {
            Self::Recovery => {
                r#"{"id":"r1","context":[{"role":"user","content":"…"}],"harmful":"…","refusals":[{"text":"…"}]}"#
            }
            Self::Chat => {
                r#"{"id":"c1","messages":[{"role":"user","content":"…"},{"role":"assistant","content":"…"}]}"#
            }
            Self::Attack => r#"{"id":"a1","goal":"…","target":"…","category":"…"}"#,
            Self::Utility => r#"{"id":"u1","task":"fact","prompt":"…","reference":"…"}"#,
        }
    }
}

impl std::fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The examples of one data set.
#[derive(Clone, Debug, PartialEq)]
pub enum Examples {
    /// See [`DatasetKind::Recovery`].
    Recovery(Vec<RecoveryExample>),
    /// See [`DatasetKind::Chat`].
    Chat(Vec<ChatExample>),
    /// See [`DatasetKind::Attack`].
    Attack(Vec<AttackPrompt>),
    /// See [`DatasetKind::Utility`].
    Utility(Vec<UtilityItem>),
}

impl Examples {
    /// No examples of this kind.
    #[must_use]
    pub fn none(kind: DatasetKind) -> Self {
        match kind {
            DatasetKind::Recovery => Self::Recovery(Vec::new()),
            DatasetKind::Chat => Self::Chat(Vec::new()),
            DatasetKind::Attack => Self::Attack(Vec::new()),
            DatasetKind::Utility => Self::Utility(Vec::new()),
        }
    }

    /// How many examples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Recovery(rows) => rows.len(),
            Self::Chat(rows) => rows.len(),
            Self::Attack(rows) => rows.len(),
            Self::Utility(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are.
    #[must_use]
    pub fn kind(&self) -> DatasetKind {
        match self {
            Self::Recovery(_) => DatasetKind::Recovery,
            Self::Chat(_) => DatasetKind::Chat,
            Self::Attack(_) => DatasetKind::Attack,
            Self::Utility(_) => DatasetKind::Utility,
        }
    }

    /// The id of example `index`.
    #[must_use]
    pub fn id(&self, index: usize) -> Option<&str> {
        match self {
            Self::Recovery(rows) => rows.get(index).map(|row| row.id.as_str()),
            Self::Chat(rows) => rows.get(index).map(|row| row.id.as_str()),
            Self::Attack(rows) => rows.get(index).map(|row| row.id.as_str()),
            Self::Utility(rows) => rows.get(index).map(|row| row.id.as_str()),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_a_depth_is_the_deepest_that_reaches_it() {
        let refusal = |from_depth, text: &str| Refusal { from_depth, text: text.into() };
        let example = RecoveryExample {
            refusals: vec![refusal(10, "late"), refusal(2, "early")],
            ..RecoveryExample::default()
        };
        assert_eq!(example.refusal_at(2).unwrap().text, "early");
        assert_eq!(example.refusal_at(9).unwrap().text, "early");
        assert_eq!(example.refusal_at(10).unwrap().text, "late");
        assert_eq!(example.refusal_at(0).unwrap().text, "early", "none reaches 0: the nearest is used");
        assert!(RecoveryExample::default().refusal_at(3).is_none());
    }
}
