//! The demo pair: how it is made, what is shipped of it, and the paper's story told with it.

mod assets;
pub mod battery;
pub mod build;
mod companions;
pub mod datasets;
mod measure;
pub mod results;
pub mod ship;
pub mod story;
pub mod study;
mod tables;
mod tokenizer;

pub use assets::{DATA_SEED, MANIFEST, TITLE, unpack, unpack_pair, unpack_pair_project};

use crate::evaluate::EvaluateError;
use crate::model::ModelError;
use crate::project::ProjectError;
use crate::text::TextError;
use crate::train::TrainError;
use std::path::PathBuf;

/// What can go wrong with the demo pair.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder for the demo project holds something already.
    #[error(
        "{folder} is not empty. Choose an empty or new folder for the demo project; nothing in it was changed."
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be written.
    #[error(
        "{file} cannot be written: {reason}. Choose another folder, or free the space and the permission."
    )]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The tokenizer could not be trained.
    #[error("the demo world's tokenizer could not be made: {0}")]
    Tokenizer(String),
    /// Whoever watched said stop.
    #[error("stopped")]
    Stopped,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An evaluation failed.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The project failed.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Tokenizer or template failed.
    #[error(transparent)]
    Text(#[from] TextError),
}
