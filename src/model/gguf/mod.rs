//! GGUF files: quantised models as people deploy them. They run, through candle's quantised models, and are not
//! trained. Only what candle runs exactly is opened: its models leave some features of the format out without a word
//! (see `header`), and a measurement must not rest on a model that is nearly the one in the file.

mod codec;
mod header;
mod network;
mod tokenizer;

pub use header::GGUF_ARCHITECTURES;

use super::checkpoint::Card;
use super::generate::{Finish, GenerateRequest, Generation};
use super::sampler::{Sampler, argmax};
use super::{Control, ModelError};
use crate::text::Codec;
use header::Header;
use network::Network;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens that one pass over a prompt takes at most. It bounds the memory of attention scores and of the masks that
/// candle's models keep for every pair of lengths they meet.
const CHUNK: usize = 128;

/// A model in a GGUF file. Cloning is cheap; clones share the weights and take turns, row by row, because candle's
/// models keep their one KV cache inside.
#[derive(Clone)]
pub struct GgufModel {
    network: Arc<Mutex<Network>>,
    codec: Codec,
    card: Card,
    path: PathBuf,
}

impl std::fmt::Debug for GgufModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GgufModel({}, {})", self.path.display(), self.card.architecture)
    }
}

impl GgufModel {
    /// Opens a GGUF file. What cannot be run is refused from the file's header, before memory is spent on weights.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let header = Header::read(path)?;
        let codec = codec::read(&header, path)?;
        let (tokenizer, model) = (codec.tokenizer.vocab_size(), header.vocab);
        if tokenizer > model {
            return Err(ModelError::SmallVocabulary { folder: path.to_owned(), tokenizer, model });
        }
        let card = header.card();
        let network = Network::read(header, path)?;
        Ok(Self { network: Arc::new(Mutex::new(network)), codec, card, path: path.to_owned() })
    }

    /// What the model's card shows, from the header alone. Refuses what [`Self::open`] refuses, but for the tokenizer.
    pub fn inspect(path: &Path) -> Result<Card, ModelError> {
        Ok(Header::read(path)?.card())
    }

    /// What the model's card shows; `context` is the longest that runs exactly, which can be less than the file names.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Tokenizer, template and end tokens.
    #[must_use]
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The same model with a template that prints this day.
    #[must_use]
    pub fn with_template_date(self, date: jiff::civil::Date) -> Self {
        Self { codec: self.codec.with_template_date(date), ..self }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Logits `[V]` of the token that follows `prompt`.
    pub fn next_logits(&self, prompt: &[u32]) -> Result<Vec<f32>, ModelError> {
        self.fits(prompt)?;
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let logits = network.prefill(prompt, CHUNK, &mut || Control::Continue)?;
        Ok(logits.unwrap_or_default())
    }

    /// The probability of each of `token_ids` as the token that follows `prompt`, out of the whole vocabulary: what a
    /// judge that answers with one word says. An id outside the vocabulary has probability 0.
    pub fn verdict_probabilities(&self, prompt: &[u32], token_ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        let logits = self.next_logits(prompt)?;
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| f64::from(logit - top).exp();
        let total: f64 = logits.iter().copied().map(weight).sum();
        let probability =
            |id: &u32| logits.get(*id as usize).map_or(0.0, |&logit| (weight(logit) / total) as f32);
        Ok(token_ids.iter().map(probability).collect())
    }

    /// Continues every request by at most `max_new_tokens` tokens, one row after the other; an id of `end` ends a row.
    /// `progress` gets the number of finished rows, after each token and each piece of a prompt, and may stop the
    /// work, which gives `None`. Random streams and endings are those of [`super::generate()`].
    pub fn generate(
        &self,
        requests: &[GenerateRequest],
        sampler: &Sampler,
        end: &[u32],
        max_new_tokens: usize,
        progress: &mut dyn FnMut(usize) -> Control,
    ) -> Result<Option<Vec<Generation>>, ModelError> {
        for request in requests {
            self.fits(&request.prompt)?;
        }
        let mut answers = Vec::with_capacity(requests.len());
        for (done, request) in requests.iter().enumerate() {
            let row = self.stream(request, sampler, end, max_new_tokens, &mut |_| progress(done))?;
            let Some(answer) = row else { return Ok(None) };
            answers.push(answer);
            if let Control::Stop = progress(done + 1) {
                return Ok(None);
            }
        }
        Ok(Some(answers))
    }

    /// Continues one request, as [`super::Model::stream`] does.
    pub(super) fn stream(
        &self,
        request: &GenerateRequest,
        sampler: &Sampler,
        end: &[u32],
        max_new_tokens: usize,
        observe: &mut dyn FnMut(Option<u32>) -> Control,
    ) -> Result<Option<Generation>, ModelError> {
        self.fits(&request.prompt)?;
        // Every row begins with an empty cache, so what a panic elsewhere left behind does not matter.
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let sampler = request.sampler.as_ref().unwrap_or(sampler);
        let mut rng = crate::rng::stream(sampler.seed, "sample", &request.id);
        let greedy = sampler.temperature <= 0.0 && (sampler.repetition_penalty - 1.0).abs() < 1e-9;
        let mut seen = request.prompt.clone();
        let read = network.prefill(&request.prompt, CHUNK, &mut || observe(None))?;
        let Some(mut logits) = read else { return Ok(None) };
        loop {
            let id = if greedy {
                argmax(&logits)
            } else {
                sampler.choose(&logits, seen.iter().copied(), &mut rng)
            };
            let ended = end.contains(&id);
            let mut wish = Control::Continue;
            if !ended {
                seen.push(id);
                wish = observe(Some(id));
            }
            let full = seen.len() - request.prompt.len() >= max_new_tokens || seen.len() >= self.card.context;
            if ended || full {
                let finish = if ended { Finish::EndOfTurn } else { Finish::Length };
                return Ok(Some(Generation { ids: seen.split_off(request.prompt.len()), finish }));
            }
            if let Control::Stop = wish {
                return Ok(None);
            }
            logits = network.forward(&[id], seen.len() - 1)?;
        }
    }

    /// A prompt must have tokens and leave room for one more.
    fn fits(&self, prompt: &[u32]) -> Result<(), ModelError> {
        let limit = self.card.context;
        if prompt.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        if prompt.len() >= limit {
            return Err(ModelError::TooLong { tokens: prompt.len() + 1, limit });
        }
        Ok(())
    }
}
