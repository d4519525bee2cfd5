//! Models × attacks × judges on one set of prompts, KL per token and utility beside them: answers and verdicts as
//! they come, then a summary with intervals.

mod run;
mod spec;
mod summary;

pub use run::evaluate;
pub use spec::{AttackSpec, EvaluateSpec, PREFILL_DEPTHS, SpecProblem};
pub use summary::{
    DepthRow, HALF_KL_TOKENS, KlRow, RESAMPLES, RateRow, SAFE_RATE, Summary, UtilityRow, half_position,
    rate_of, safety_depth,
};

use crate::judge::{JudgeError, Verdict};
use crate::model::{Control, Finish, ModelError};
use crate::text::TextError;
use serde::{Deserialize, Serialize};

/// The `attack` of answers to utility tasks.
pub const UTILITY: &str = "utility";

/// One generated answer: a line of `responses.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Unique in its evaluation: `model/attack/setting/prompt`.
    pub id: String,
    /// Id of the model.
    pub model: String,
    /// Name of the attack, or [`UTILITY`].
    pub attack: String,
    /// The attack's setting, or the utility task.
    pub setting: String,
    /// Id of the attack prompt or utility item.
    pub prompt_id: String,
    /// Seed of sampling.
    pub seed: u64,
    /// What was asked.
    pub prompt: String,
    /// The words put into the model's mouth.
    pub prefill: String,
    /// What the model wrote after them.
    pub text: String,
    /// Tokens that the model wrote.
    pub tokens: usize,
    /// Why it ended.
    pub finish: Finish,
    /// Its share of the time that its batch took, in milliseconds.
    pub ms: f64,
    /// Whether the answer to a utility task is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
}

/// One judge's verdict on one answer: a line of `verdicts.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRow {
    /// Id of the answer.
    pub response: String,
    /// Name of the judge.
    pub judge: String,
    /// Version of the judge.
    pub version: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The judge's score, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// When it was given (RFC 3339).
    pub at: String,
}

/// What watches an evaluation and keeps what comes.
pub trait Sink {
    /// An answer came.
    fn response(&mut self, response: &Response) -> std::io::Result<()>;
    /// A verdict came.
    fn verdict(&mut self, verdict: &VerdictRow) -> std::io::Result<()>;
    /// `done` of `total` rows are through. Asked often; the answer decides whether work goes on.
    fn progress(&mut self, done: u64, total: u64) -> Control;
    /// What is being done now, in words.
    fn note(&mut self, text: &str) {
        let _ = text;
    }
}

/// Keeps nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSink;

impl Sink for NullSink {
    fn response(&mut self, _: &Response) -> std::io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, _: &VerdictRow) -> std::io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Control {
        Control::Continue
    }
}

/// Keeps everything in memory and never stops.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    /// The answers, in the order in which they came.
    pub responses: Vec<Response>,
    /// The verdicts, in the order in which they came.
    pub verdicts: Vec<VerdictRow>,
}

impl Sink for MemorySink {
    fn response(&mut self, response: &Response) -> std::io::Result<()> {
        self.responses.push(response.clone());
        Ok(())
    }

    fn verdict(&mut self, verdict: &VerdictRow) -> std::io::Result<()> {
        self.verdicts.push(verdict.clone());
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Control {
        Control::Continue
    }
}

/// Why an evaluation could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The spec has problems: all of them.
    #[error("the evaluation cannot start. {}", .0.iter().map(|p| format!("{}: {}", p.field, p.message)).collect::<Vec<_>>().join(" "))]
    Spec(Vec<SpecProblem>),
    /// A judge failed.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A model failed.
    #[error("model {model}: {source}")]
    Model {
        /// Id of the model.
        model: String,
        /// What happened.
        source: ModelError,
    },
    /// Words could not be turned into ids, or back.
    #[error("model {model}: {source}")]
    Text {
        /// Id of the model.
        model: String,
        /// What happened.
        source: TextError,
    },
    /// An attack needs reference answers that the prompts do not have.
    #[error(
        "{needs} needs a reference harmful answer (\"target\") for each prompt, but {missing} of {total} prompts have none, the first being \"{first}\". Add them to the set, or leave {needs} out."
    )]
    NoTargets {
        /// What needs them.
        needs: &'static str,
        /// How many prompts have none.
        missing: usize,
        /// How many prompts there are.
        total: usize,
        /// Id of the first of them.
        first: String,
    },
    /// There is nothing to evaluate on.
    #[error("there are no {what} to evaluate on. Choose a set that is not empty.")]
    NoRows {
        /// What is missing.
        what: &'static str,
    },
    /// Model and base cannot be compared.
    #[error(
        "KL compares the same tokens under both models, but {model} and the base {base} turn words into different tokens. Choose a base with the same tokenizer, or switch KL off."
    )]
    OtherTokenizer {
        /// Id of the model.
        model: String,
        /// Id of the base.
        base: String,
    },
    /// What came could not be kept.
    #[error(
        "the answers could not be written: {0}. Free some space, or move the project to a folder that you may write to; then run the evaluation again."
    )]
    Keep(#[from] std::io::Error),
}
