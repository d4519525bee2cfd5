//! Utility: can the model still do what it is for? One metric, one file.
//!
//! Everything here is pure: what takes a model, a judge or a test run gets its results as arguments. Generated code is
//! never run.

mod bbh;
mod final_answer;
mod human_eval;
mod math;
mod multiple_choice;
mod pairwise;
mod porter;
mod rouge;
mod score;

pub use crate::data::{Metric, Needs};
pub use bbh::{given_answer, same_answer};
pub use final_answer::final_answer;
pub use human_eval::{
    CodeResult, CodeSample, HumanEvalError, PassAt1, code_of, pass_at_1, read_results, write_samples,
};
pub use math::{boxed_answer, is_equivalent, same_boxed_answer};
pub use multiple_choice::{
    ChoiceError, Shot, choice_prompt, continuations, letter, most_likely, right_choice, score_choice,
};
pub use pairwise::{PairwiseQuestion, Preference, pairwise_question, parse_preference};
pub use rouge::{Rouge, rouge1, rouge1_stemmed};
pub use score::{Score, correct, metric, metric_of, score};
