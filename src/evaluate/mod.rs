//! Models × attacks × sets × judges × seeds, KL per token and utility beside them.
//!
//! Three phases, each of which only adds to a log: the models answer, the judges read the answers, and what is in the logs is
//! put together with intervals. So work goes on where it was cut off, and other judges can read the same answers later.

mod battery;
mod calibration;
mod estimate;
mod judging;
#[cfg(feature = "hub")]
mod preference;
mod run;
mod scrub;
mod spec;
mod summary;
mod transcripts;

pub use calibration::{CalibratedJudge, Calibration, calibrate};
pub use estimate::{Basis, Estimate, Lesson, Pace};
pub use judging::{judge_responses, unread};
#[cfg(feature = "hub")]
pub use preference::{PREFERENCE, compare_with_references};
pub use run::{Material, PromptSet, evaluate, within_limit};
pub use scrub::{Continuation, Draws, RefusalRate, Scrub, ScrubError, ScrubPrompt};
pub use spec::{AttackSpec, EvaluateSpec, PREFILL_DEPTHS, RAP_TOP, SpecProblem, TURNS};
pub use summary::{
    ANY_SETTING, AcrossRow, CategoryRow, DepthRow, HALF_KL_TOKENS, KlRow, OpeningRow, PairRow, RESAMPLES,
    RateRow, SAFE_RATE, SMALL_N, Side, Summary, UtilityRow, across, by_category, half_position, kl_share,
    rate_of, safety_depth, summarise,
};
pub use transcripts::{TranscriptChoices, TranscriptFilter, Transcripts};

use crate::attack::gcg::GcgError;
use crate::judge::{Case, JudgeError, Verdict};
use crate::model::{Control, Finish, ModelError};
use crate::text::{Message, TextError};
use crate::utility::ChoiceError;
use serde::{Deserialize, Serialize};

/// The `attack` of answers to utility tasks.
pub const UTILITY: &str = "utility";

/// The `model` of what an attack left of the reference answers: judged like answers, it gives the ceiling.
pub const REFERENCE: &str = "(reference)";

/// One generated answer: a line of `responses.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Unique in its evaluation: `model/set/attack/setting/prompt/seed`.
    pub id: String,
    /// Id of the model, or [`REFERENCE`].
    pub model: String,
    /// Id of the set that the prompt is of.
    #[serde(default)]
    pub set: String,
    /// Name of the attack, or [`UTILITY`].
    pub attack: String,
    /// The attack's setting, or the utility task.
    pub setting: String,
    /// Tokens of the reference answer that were prefilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Id of the attack prompt or utility item.
    pub prompt_id: String,
    /// The prompt's category.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// The prompt's cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Seed of sampling.
    pub seed: u64,
    /// The request, as judges read it.
    pub prompt: String,
    /// What was sent, where that is not the request alone: with a suffix, or turn by turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Message>,
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
    /// What the answer to a utility task is worth, 0..=1; nothing where something else has to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// How a utility task is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

impl Response {
    /// The answer as judges see it: in a turn that the attack began with a refusal, those words are part of the answer.
    #[must_use]
    pub fn case(&self) -> Case<'_> {
        Case {
            prompt: &self.prompt,
            category: &self.category,
            prefill: &self.prefill,
            prefill_is_refusal: self.attack == "refusal_prefix",
            text: &self.text,
        }
    }

    /// Whether judges read it.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.attack != UTILITY
    }
}

/// KL(model ‖ base) at each token of one reference answer, in nats: a line of `kl.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KlLine {
    /// Id of the model.
    pub model: String,
    /// Id of the base.
    pub base: String,
    /// Id of the set.
    pub set: String,
    /// Id of the prompt.
    pub prompt_id: String,
    /// KL at answer token 1, 2, …
    pub kl: Vec<f32>,
}

/// One step of a search for a suffix: a line of `gcg.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GcgLine {
    /// Id of the model.
    pub model: String,
    /// Id of the set.
    pub set: String,
    /// Id of the prompt; empty for a suffix for all.
    pub prompt_id: String,
    /// Seed of the search.
    pub seed: u64,
    /// Steps done.
    pub step: usize,
    /// Loss of the suffix that the search goes on with, in nats a token.
    pub loss: f32,
    /// The lowest loss so far.
    pub best: f32,
    /// The suffix that the search goes on with.
    pub suffix: String,
}

/// What an evaluation has come to so far: its logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The answers.
    pub responses: Vec<Response>,
    /// The verdicts on them.
    pub verdicts: Vec<VerdictRow>,
    /// KL per token.
    pub kl: Vec<KlLine>,
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
    /// What a model that judges literally said, or why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// When it was given (RFC 3339).
    pub at: String,
}

/// What watches an evaluation and keeps what comes.
pub trait Sink {
    /// An answer came.
    fn response(&mut self, response: &Response) -> std::io::Result<()>;
    /// A verdict came.
    fn verdict(&mut self, verdict: &VerdictRow) -> std::io::Result<()>;
    /// KL along one reference answer came.
    fn kl(&mut self, line: &KlLine) -> std::io::Result<()> {
        let _ = line;
        Ok(())
    }
    /// A search for a suffix did a step.
    fn gcg(&mut self, line: &GcgLine) -> std::io::Result<()> {
        let _ = line;
        Ok(())
    }
    /// The machine decided something that results may hang on, such as how much is computed at once.
    fn decided(&mut self, what: &str, value: String) {
        let _ = (what, value);
    }
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
    /// A suffix could not be searched for.
    #[error("model {model}, GCG: {source}")]
    Gcg {
        /// Id of the model.
        model: String,
        /// What happened.
        source: GcgError,
    },
    /// A task cannot be scored.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
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
        "KL and rank-assisted prefilling give both models the same tokens, but {model} and the base {base} turn words into different tokens. Choose a base with the same tokenizer, or leave out KL and rank-assisted prefilling."
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
