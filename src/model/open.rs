//! A model as people have it: a checkpoint folder, an adapter's folder, or a GGUF file.

use super::checkpoint::{self, Card, Checkpoint};
use super::generate::{GenerateEvent, GenerateOptions, GenerateRequest, Generation, generate, generate_with};
use super::gguf::GgufModel;
use super::sampler::Sampler;
use super::{Control, Decoder, ModelError};
use crate::text::Codec;
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// A model that answers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a handful of models are open at once")]
pub enum Model {
    /// A checkpoint: it can also be trained, and compared token by token.
    Checkpoint(Checkpoint),
    /// A quantised model in a GGUF file: it only answers.
    Gguf(GgufModel),
}

impl Model {
    /// Tokenizer, template and end tokens.
    #[must_use]
    pub fn codec(&self) -> &Codec {
        match self {
            Self::Checkpoint(checkpoint) => &checkpoint.codec,
            Self::Gguf(model) => model.codec(),
        }
    }

    /// The same model with a template that prints this day.
    #[must_use]
    pub fn with_template_date(self, date: Date) -> Self {
        match self {
            Self::Checkpoint(checkpoint) => {
                let codec = checkpoint.codec.with_template_date(date);
                Self::Checkpoint(Checkpoint { codec, ..checkpoint })
            }
            Self::Gguf(model) => Self::Gguf(model.with_template_date(date)),
        }
    }

    /// The longest text that it takes, in tokens.
    #[must_use]
    pub fn context(&self) -> usize {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.decoder.config().max_position_embeddings,
            Self::Gguf(model) => model.card().context,
        }
    }

    /// The decoder, where there is one.
    pub fn decoder(&self) -> Result<&Decoder, ModelError> {
        match self {
            Self::Checkpoint(checkpoint) => Ok(&checkpoint.decoder),
            Self::Gguf(model) => Err(ModelError::OnlyAnswers { file: model.path().to_owned() }),
        }
    }

    /// Continues one request and tells every token as it comes, and `None` while the prompt is read piece by piece.
    /// `observe` may stop the work, which gives `None`.
    pub fn stream(
        &self,
        request: &GenerateRequest,
        sampler: &Sampler,
        max_new_tokens: usize,
        observe: &mut dyn FnMut(Option<u32>) -> Control,
    ) -> Result<Option<Generation>, ModelError> {
        let end = &self.codec().end_of_turn;
        match self {
            Self::Checkpoint(checkpoint) => {
                let options = GenerateOptions {
                    sampler: sampler.clone(),
                    end: end.clone(),
                    stop: None,
                    max_new_tokens,
                    batch: 1,
                };
                let request = std::slice::from_ref(request);
                let answers =
                    generate_with(&checkpoint.decoder, request, &options, &mut |event| match event {
                        GenerateEvent::Token { id, .. } => observe(Some(id)),
                        GenerateEvent::Step { .. } => Control::Continue,
                    })?;
                Ok(answers.and_then(|answers| answers.into_iter().next()))
            }
            Self::Gguf(model) => model.stream(request, sampler, end, max_new_tokens, observe),
        }
    }

    /// Continues every request, as [`super::generate()`] does. A GGUF model takes one row after the other.
    pub fn generate(
        &self,
        requests: &[GenerateRequest],
        sampler: &Sampler,
        max_new_tokens: usize,
        batch: usize,
        progress: &mut dyn FnMut(usize) -> Control,
    ) -> Result<Option<Vec<Generation>>, ModelError> {
        let end = &self.codec().end_of_turn;
        match self {
            Self::Checkpoint(checkpoint) => {
                generate(&checkpoint.decoder, requests, sampler, end, max_new_tokens, batch, progress)
            }
            Self::Gguf(model) => model.generate(requests, sampler, end, max_new_tokens, progress),
        }
    }
}

/// The GGUF file that a path names: the file itself, or the only one in a folder that holds no checkpoint.
pub(super) fn gguf_file(path: &Path) -> Option<PathBuf> {
    let is_gguf = |p: &Path| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    if path.is_file() {
        return is_gguf(path).then(|| path.to_owned());
    }
    if path.join("config.json").is_file() {
        return None;
    }
    let entries = std::fs::read_dir(path).ok()?;
    let mut files = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|p| is_gguf(p));
    files.next().filter(|_| files.next().is_none())
}

/// Opens a model to answer: a checkpoint folder, an adapter's folder, a GGUF file, or a folder that holds one.
pub fn open(path: &Path) -> Result<Model, ModelError> {
    match gguf_file(path) {
        Some(file) => Ok(Model::Gguf(GgufModel::open(&file)?)),
        None => Ok(Model::Checkpoint(checkpoint::load(path)?)),
    }
}

/// The card of any model that [`open`] opens, without loading its weights.
pub fn inspect(path: &Path) -> Result<Card, ModelError> {
    match gguf_file(path) {
        Some(file) => GgufModel::inspect(&file),
        None => checkpoint::inspect(path),
    }
}

/// Tokenizer, template and end tokens of any model that [`open`] opens.
pub fn codec(path: &Path) -> Result<Codec, ModelError> {
    if let Some(file) = gguf_file(path) {
        return Ok(GgufModel::open(&file)?.codec().clone());
    }
    Ok(Codec::from_folder(&checkpoint::base_folder(path)?)?)
}
