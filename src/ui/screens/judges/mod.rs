//! Who judges, and what that takes: one chooser for the evaluation's form and for judging again.

mod choice;
mod endpoint;
mod local;
mod plan;

pub use choice::JudgeChoice;
pub use plan::{LOOKING, Plan, around};
