//! The demo pair: how it is made, what is shipped of it, and the paper's story told with it.

pub mod build;
mod files;
mod tokenizer;

use crate::model::ModelError;
use crate::text::TextError;
use crate::train::TrainError;
use std::path::PathBuf;

/// What can go wrong with the demo pair.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
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
    /// Tokenizer or template failed.
    #[error(transparent)]
    Text(#[from] TextError),
}
