//! The engine: a decoder that can be trained and run, checkpoints in HF's format, and generation.

mod cache;
mod checkpoint;
mod companions;
mod composed;
mod config;
mod decoder;
pub mod device;
mod export;
pub mod fused;
mod generate;
mod gguf;
mod gradients;
#[cfg(feature = "hub")]
pub mod hub;
mod kl;
mod links;
mod lora;
mod memory;
mod open;
mod rope;
mod sampler;
mod weights;

pub use cache::KvCache;
pub use checkpoint::{
    Card, Checkpoint, Precision, base_folder, load, load_decoder, load_weights, save, save_adapter,
};
pub use config::{ARCHITECTURES, Activation, Config};
pub use decoder::{Batch, Decoder, Parameters, PassOptions, use_composed_only};
pub use export::{ExportStage, export};
pub use generate::{
    Finish, GenerateEvent, GenerateOptions, GenerateRequest, Generation, StopStrings, generate,
    generate_from, generate_with,
};
pub use gguf::{GGUF_ARCHITECTURES, GgufModel};
pub use gradients::Gradients;
pub use kl::kl_divergence;
pub use links::{check_links, hub_source};
pub use lora::{
    Adapter, AdapterError, AdapterModule, BaseModel, LinearShape, LoraConfig, ModulePattern, TargetModules,
};
pub use memory::{MemoryEstimate, Needs, ROWS, TOKENS, Work, estimate, readable_size};
pub use open::{Model, codec, inspect, open};
pub use rope::{RopeConfig, RopeScaling};
pub use sampler::{Sampler, argmax};

use crate::text::TextError;
use candle_core::{Device, Tensor};
use std::path::PathBuf;

/// Whether a long piece of work goes on: what an observer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop at the next safe place.
    Stop,
}

/// What can go wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The folder does not exist.
    #[error("{folder} is not a folder. Choose the folder that holds config.json and model.safetensors.")]
    NoFolder {
        /// The path given.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error(
        "{file} cannot be read: {reason}. A checkpoint folder needs this file; copy it there from where the model came from."
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
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
    /// Something would be overwritten.
    #[error("{folder} is there already. Name a folder that does not exist yet; nothing was changed.")]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// `config.json` lacks something or asks for something that is not supported.
    #[error("{file} cannot be used: {reason}.")]
    BadConfig {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The architecture is not one of those that the decoder runs.
    #[error("{file} describes a {architecture}, which Plumbline does not run. It runs: {known}.")]
    UnknownArchitecture {
        /// The file.
        file: PathBuf,
        /// The name found.
        architecture: String,
        /// The names that work.
        known: String,
    },
    /// There are no weights in the safetensors format.
    #[error(
        "{folder} holds no model.safetensors{found}. Plumbline opens safetensors only; convert other files with `transformers`: AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)."
    )]
    NoWeights {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// " (but `pytorch_model.bin`)" or nothing.
        found: String,
    },
    /// A weight file is damaged.
    #[error("{file} is truncated or damaged: {reason}. Fetch the file again.")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// Weights that the config asks for are not in the files.
    #[error(
        "the weight files lack what config.json asks for: {names}. The files and the config are not of the same model."
    )]
    MissingTensors {
        /// Names of the missing tensors.
        names: String,
    },
    /// A weight has another shape than the config says.
    #[error(
        "tensor {name} has the shape {found:?}, but config.json asks for {expected:?}. The files and the config are not of the same model."
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape by the config.
        expected: Vec<usize>,
    },
    /// The tokenizer has ids that the model has no embedding for.
    #[error(
        "{folder}: the tokenizer has {tokenizer} tokens, but the model only {model}. The tokenizer belongs to another model; put the right tokenizer.json beside the weights."
    )]
    SmallVocabulary {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Rows of the embedding.
        model: usize,
    },
    /// The files hold weights that the config has no place for.
    #[error(
        "the weight files hold {names}, which a {architecture} by this config.json has no place for. The files and the config are not of the same model."
    )]
    ExtraTensors {
        /// Names of the tensors.
        names: String,
        /// The architecture.
        architecture: String,
    },
    /// A weight is not a number.
    #[error(
        "tensor {name} holds values that are not finite numbers. Go back to a checkpoint from before that happened, or fetch the file again."
    )]
    NotFinite {
        /// Name of the tensor.
        name: String,
    },
    /// A token id lies beyond the vocabulary.
    #[error(
        "token {id} is not in this model's vocabulary of {vocab}. The tokens were made by another model's tokenizer; use this model's own."
    )]
    UnknownId {
        /// The id.
        id: u32,
        /// Rows of the embedding.
        vocab: usize,
    },
    /// A GGUF file is asked for what only a checkpoint can do.
    #[error(
        "{file} is a quantised GGUF model: it answers, but it cannot be trained, nor compared with another model token by token. Use the checkpoint in safetensors that it was made from."
    )]
    OnlyAnswers {
        /// The file.
        file: PathBuf,
    },
    /// The model that an adapter stands on is not there.
    #[error(
        "the adapter in {folder} stands on the model {base}, which is not there. Fetch that model, or write its folder into \"base_model_name_or_path\" of adapter_config.json."
    )]
    NoBase {
        /// The adapter's folder.
        folder: PathBuf,
        /// What its settings name.
        base: String,
    },
    /// A row is longer than the context of the model.
    #[error(
        "a text of {tokens} tokens does not fit into this model's context of {limit}. Shorten the text or the number of new tokens."
    )]
    TooLong {
        /// Tokens needed.
        tokens: usize,
        /// Longest context.
        limit: usize,
    },
    /// Two models cannot be compared because their vocabularies differ.
    #[error(
        "these two models cannot be compared token by token: one has a vocabulary of {first} tokens, the other of {second}. Compare models that share a tokenizer."
    )]
    Vocabularies {
        /// Size of the first vocabulary.
        first: usize,
        /// Size of the second vocabulary.
        second: usize,
    },
    /// Tokenizer or template failed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The tensor library failed.
    #[error("the computation failed: {0}")]
    Compute(#[from] candle_core::Error),
    /// An adapter cannot be used.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A symlink in a checkpoint folder leads out of it.
    #[error(
        "{file} is a link that leads out of its folder, to {target}. Put the file itself in its place; only folders of the Hub's cache may hold links, into their own blobs."
    )]
    LeadsOut {
        /// The link.
        file: PathBuf,
        /// Where it ends.
        target: PathBuf,
    },
    /// There is nothing to continue.
    #[error("a prompt has no tokens, so there is nothing to continue. Give the model at least one token.")]
    EmptyPrompt,
    /// The device that the environment asks for cannot be used.
    #[error(
        "{variable} asks for \"{asked}\", which cannot be used: {reason}. Set it to auto, cpu, cuda, cuda:1 (the second GPU) or metal, or unset it.",
        variable = device::VARIABLE
    )]
    Device {
        /// What it asks for.
        asked: String,
        /// Why that does not work.
        reason: String,
    },
}

/// Right-pads rows of ids with 0 into `[B, T]`.
pub fn pad<'a>(
    rows: impl Iterator<Item = &'a [u32]> + Clone,
    device: &Device,
) -> candle_core::Result<Tensor> {
    let width = rows.clone().map(<[u32]>::len).max().unwrap_or(0);
    let mut ids = Vec::new();
    let mut count = 0;
    for row in rows {
        ids.extend_from_slice(row);
        count += 1;
        ids.resize(count * width, 0);
    }
    Tensor::from_vec(ids, (count, width), device)
}
