//! Training: recipes, objectives, optimiser, and the loop that joins them.

mod beta;
mod check;
mod difference;
mod dynamics;
mod importance;
mod objective;
mod optimiser;
mod plan;
mod saved;
mod spec;
mod trainer;
mod weights;

pub use beta::BetaSchedule;
pub use check::{Finding, HeldOut, check_rows};
pub use difference::{Difference, differences};
pub use dynamics::{Dynamics, DynamicsPoint, DynamicsSpec};
pub use importance::{Importance, ImportanceSource, ImportanceSpec, learn_beta};
pub use objective::{Objective, Targets, gradient_weight};
pub use optimiser::{AdamW, learning_rate};
pub use plan::{Fit, Rows, SeenRow, TrainingData, rows_of_step};
pub use saved::{Checkpoints, Saved, SavedState};
pub use spec::{
    AsrProbeSpec, LoraSpec, MultiTurnSpec, Normalisation, Recipe, Schedule, SpecProblem, TrainSpec,
};
pub use trainer::{Outcome, StepReport, Trainer, first_batch, reference_log_probs, train};
pub use weights::{TokenLogProbs, WeightAt, sample_rows};

use crate::model::ModelError;
use crate::text::TextError;
use std::path::PathBuf;

fn broken(loss: f64) -> String {
    if loss.is_finite() {
        format!("the loss has risen to {loss:.3}")
    } else {
        "loss or gradient is not a finite number".to_owned()
    }
}

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data set is empty.
    #[error("the data set has no rows. Add examples to it, or choose another one.")]
    NoRows,
    /// The kind of the data set does not fit the recipe.
    #[error(
        "this recipe needs another kind of data set: recovery augmentation takes a recovery set, fine-tuning takes a chat set."
    )]
    WrongKind,
    /// No token of a batch is trained.
    #[error(
        "a batch has no trained tokens: every answer is empty or lies beyond the longest allowed row. Raise the limit of tokens per row, or shorten the prompts."
    )]
    NothingTrained,
    /// No position is more important than another.
    #[error(
        "β cannot be learnt: the measured curve is 0 at every answer token. Is the base another model than the one that is trained? Otherwise set β by hand."
    )]
    NothingDiffers,
    /// A recovery example has no refusal for its depth.
    #[error("recovery example {id} has no refusal for depth {depth}. Add one that holds from depth 0.")]
    NoRefusal {
        /// Id of the example.
        id: String,
        /// The depth drawn.
        depth: usize,
    },
    /// A parameter is outside of the computation.
    #[error(
        "parameter {name} got no gradient, so it could not be trained. This is a defect of Plumbline; please report it."
    )]
    NoGradient {
        /// Name of the parameter.
        name: String,
    },
    /// A number is not finite.
    #[error("the {what} is not a finite number")]
    NotFinite {
        /// Which number.
        what: &'static str,
    },
    /// The loss is not a number any more, or has exploded.
    #[error(
        "training diverged at step {step}: {}. The rows of that step: {rows}. Lower the learning rate or raise the warm-up; if it happens at the same rows again, look at these.",
        broken(*loss)
    )]
    Diverged {
        /// The step, 1-based.
        step: usize,
        /// The loss there.
        loss: f64,
        /// Ids of the rows of that step.
        rows: String,
    },
    /// A checkpoint cannot be written.
    #[error("{path} cannot be written: {reason}. Free some space or check that you may write there.")]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A checkpoint cannot be read.
    #[error("{path} cannot be used to go on: {reason}")]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Tokenizer or template failed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The tensor library failed.
    #[error("the computation failed: {0}")]
    Compute(#[from] candle_core::Error),
}
