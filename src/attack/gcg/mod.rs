//! Greedy coordinate gradient (Zou et al. 2023, "Universal and Transferable Adversarial Attacks on Aligned Language Models"):
//! a suffix of the request is changed token by token until the model is likely to begin its answer as the attacker wants.
//!
//! Each step takes the gradient of the loss with respect to the one-hot vectors of the suffix's tokens, draws single-token
//! swaps from the `top_k` most promising of each position, computes the true loss of every one of them, and goes on with
//! the best. The mellowmax loss and the buffer of earlier suffixes are from later work on the attack (Confirm Labs 2024,
//! "Faster GCG"; Hayase et al. 2024).

mod slot;
mod spec;

pub use slot::Slot;
pub use spec::GcgSpec;

use crate::model::{Control, Decoder, KvCache, ModelError};
use crate::rng;
use crate::text::{Codec, TextError};
use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashSet;

/// Why a suffix could not be searched for.
#[derive(Debug, thiserror::Error)]
pub enum GcgError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Words could not be turned into tokens, or back.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The suffix has no tokens of its own in the prompt.
    #[error(
        "the starting suffix \"{init}\" is not read as tokens of its own behind this request: choose another, such as \"{example}\", or the template or tokenizer rewrites the request itself (blanks at its ends, accents)."
    )]
    NoSlot {
        /// The starting suffix.
        init: String,
        /// One that other models take.
        example: &'static str,
    },
    /// There is nothing to aim at.
    #[error(
        "prompt \"{prompt}\" has no reference answer (\"target\") to aim at. Add one to the set, or leave GCG out."
    )]
    NoTarget {
        /// Id of the prompt.
        prompt: String,
    },
    /// Prompt, suffix and target are longer than the context.
    #[error(
        "prompt \"{prompt}\" with its suffix and target has {tokens} tokens, more than the model's context of {limit}. Shorten the starting suffix or the target."
    )]
    TooLong {
        /// Id of the prompt.
        prompt: String,
        /// Tokens needed.
        tokens: usize,
        /// The context.
        limit: usize,
    },
    /// The model's numbers are none.
    #[error(
        "the loss of every suffix is not a number. The model's weights are damaged or too large for its precision."
    )]
    NotFinite,
    /// No swap is left.
    #[error(
        "none of the suffixes that were tried would be read by the tokenizer as the tokens that were meant. Choose another starting suffix, or switch \"retokenise\" off."
    )]
    NothingLeft,
}

impl GcgError {
    /// Whether it is about a prompt, so that others may still be searched for.
    #[must_use]
    pub fn is_of_the_prompt(&self) -> bool {
        matches!(self, Self::NoSlot { .. } | Self::NoTarget { .. } | Self::TooLong { .. } | Self::NothingLeft)
    }
}

/// A starting suffix that most tokenizers read as they wrote it.
const EXAMPLE: &str = "x x x x x x x x";

/// Steps in a row in which no candidate may survive.
const PATIENCE: usize = 20;

/// What one step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct GcgStep {
    /// Steps done, from 1.
    pub step: usize,
    /// Loss of the suffix that the search goes on with.
    pub loss: f32,
    /// The lowest loss so far.
    pub best: f32,
    /// The suffix that the search goes on with.
    pub suffix: String,
    /// Candidates whose loss was computed.
    pub candidates: usize,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq)]
pub struct GcgResult {
    /// What the attacker appends to a request, leading blank included.
    pub suffix: String,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Its loss.
    pub loss: f32,
    /// Steps done.
    pub steps: usize,
}

/// Searches for one suffix that works on all `slots` (one: the attack on a single prompt; several: a universal suffix).
/// `observe` sees every step and may stop the search, which gives `None`. Every slot starts from the same suffix.
pub fn optimise(
    decoder: &Decoder,
    codec: &Codec,
    slots: &[Slot],
    spec: &GcgSpec,
    (seed, id): (u64, &str),
    observe: &mut dyn FnMut(&GcgStep) -> Control,
) -> Result<Option<GcgResult>, GcgError> {
    let Some(first) = slots.first() else { return Err(GcgError::NoTarget { prompt: id.to_owned() }) };
    let mut search = Search {
        decoder,
        codec,
        slots,
        spec,
        allowed: allowed(decoder, codec, spec.non_ascii),
        caches: Vec::new(),
        rng: rng::stream(seed, "gcg", id),
    };
    for slot in slots {
        // Every prompt starts from the same tokens: they must read as themselves in each.
        if spec.retokenise && !slot.reads_as_itself(codec, &first.suffix)? {
            return Err(GcgError::NoSlot { init: spec.init.clone(), example: EXAMPLE });
        }
        search.caches.push(slot.cache(decoder)?);
    }
    let mut buffer = search.first_buffer(&first.suffix)?;
    let mut best = buffer[0].clone();
    let (mut steps, mut idle) = (0, 0);
    while steps < spec.steps {
        let current = buffer[0].ids.clone();
        let gradient = search.gradient(&current)?;
        let candidates = search.candidates(&current, &gradient)?;
        steps += 1;
        if candidates.is_empty() {
            // The draw was unlucky; a search that never gets on says so.
            idle += 1;
            if idle == PATIENCE {
                return Err(GcgError::NothingLeft);
            }
        } else {
            idle = 0;
            let losses = search.losses(&current, &candidates)?;
            let finite = losses.iter().copied().enumerate().filter(|(_, loss)| !loss.is_nan());
            let Some((chosen, loss)) = finite.min_by(|a, b| a.1.total_cmp(&b.1)) else {
                return Err(GcgError::NotFinite);
            };
            let new = Suffix { ids: candidates[chosen].clone(), loss };
            if loss < best.loss {
                best = new.clone();
            }
            enter(&mut buffer, new, spec.buffer);
        }
        let step = GcgStep {
            step: steps,
            loss: buffer[0].loss,
            best: best.loss,
            suffix: first.readable(codec, &buffer[0].ids)?,
            candidates: candidates.len(),
        };
        if observe(&step) == Control::Stop {
            return Ok(None);
        }
        if spec.early_stop && search.is_reached(&best.ids)? {
            break;
        }
    }
    let suffix = first.readable(codec, &best.ids)?;
    Ok(Some(GcgResult { suffix, ids: best.ids, loss: best.loss, steps }))
}

/// A suffix and its loss.
#[derive(Clone)]
struct Suffix {
    ids: Vec<u32>,
    loss: f32,
}

/// Puts a suffix among the best `size`; where nothing is remembered, it takes the place of the last one.
fn enter(buffer: &mut Vec<Suffix>, new: Suffix, size: usize) {
    if size == 0 {
        *buffer = vec![new];
        return;
    }
    let at = buffer.partition_point(|other| other.loss <= new.loss);
    buffer.insert(at, new);
    buffer.truncate(size);
}

/// Which tokens a suffix may hold: ordinary ones that say something, printable ASCII unless more is wanted.
fn allowed(decoder: &Decoder, codec: &Codec, non_ascii: bool) -> Vec<bool> {
    let known = codec.tokenizer.vocab_size();
    (0..decoder.config().vocab_size as u32)
        .into_par_iter()
        .map(|id| {
            if id as usize >= known || codec.tokenizer.is_special(id) {
                return false;
            }
            let Ok(text) = codec.tokenizer.decode(&[id]) else { return false };
            let printable = |c: char| if non_ascii { !c.is_control() } else { matches!(c, ' '..='~') };
            !text.is_empty() && text.chars().all(|c| printable(c) && c != char::REPLACEMENT_CHARACTER)
        })
        .collect()
}

/// Tokens of candidates that are computed together unless the spec says how many candidates.
const TOKENS: usize = 4096;

/// Candidates that are computed together where the spec leaves it open: as many as have [`TOKENS`] tokens. Where the decoder
/// does not share what is before the suffix, that is part of each of them.
#[must_use]
pub fn candidates_at_once(decoder: &Decoder, slots: &[Slot]) -> usize {
    let before = |slot: &Slot| if decoder.is_fused() { 0 } else { slot.before.len() };
    let length = |s: &Slot| before(s) + s.suffix.len() + s.after.len() + s.target.len();
    let longest = slots.iter().map(length).max().unwrap_or(1);
    (TOKENS / longest.max(1)).max(1)
}

/// What stays the same from step to step.
struct Search<'a> {
    decoder: &'a Decoder,
    codec: &'a Codec,
    slots: &'a [Slot],
    spec: &'a GcgSpec,
    allowed: Vec<bool>,
    /// What each prompt holds before its suffix, computed once.
    caches: Vec<KvCache>,
    rng: ChaCha8Rng,
}

impl Search<'_> {
    /// The starting suffix; with a buffer, random ones beside it.
    fn first_buffer(&mut self, init: &[u32]) -> Result<Vec<Suffix>, GcgError> {
        let mut all = vec![init.to_vec()];
        let tokens: Vec<u32> =
            (0..self.allowed.len() as u32).filter(|&id| self.allowed[id as usize]).collect();
        // Random tokens seldom read as themselves, so only a bounded number of draws is made.
        for _ in 0..20 * self.spec.buffer {
            if all.len() >= self.spec.buffer.max(1) || tokens.is_empty() {
                break;
            }
            let drawn: Vec<u32> =
                init.iter().map(|_| tokens[self.rng.random_range(0..tokens.len())]).collect();
            if self.reads_as_itself(&drawn) {
                all.push(drawn);
            }
        }
        let losses = self.losses(init, &all)?;
        let mut buffer: Vec<Suffix> =
            all.into_iter().zip(losses).map(|(ids, loss)| Suffix { ids, loss }).collect();
        buffer.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        Ok(buffer)
    }

    /// d loss / d one-hot of the suffix's tokens, `[S, V]` row by row, summed over the prompts.
    fn gradient(&self, suffix: &[u32]) -> Result<Vec<f32>, GcgError> {
        let mut sum: Vec<f32> = Vec::new();
        for slot in self.slots {
            let batch = slot.whole(suffix);
            let weights = self.spec.loss_weights(|| self.decoder.log_probs(&batch), batch.targets.len())?;
            let span = slot.before.len()..slot.before.len() + suffix.len();
            let (_, gradient) = self.decoder.weighted_one_hot_gradient(&batch, &weights, span)?;
            let gradient =
                gradient.flatten_all().and_then(|g| g.to_vec1::<f32>()).map_err(ModelError::from)?;
            if sum.is_empty() {
                sum = gradient;
            } else {
                sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
            }
        }
        Ok(sum)
    }

    /// Different suffixes that `spec.replace` swaps lead to, drawn uniformly from the `top_k` tokens of each position with
    /// the most negative gradient; only those that the tokenizer reads as they are.
    fn candidates(&mut self, current: &[u32], gradient: &[f32]) -> Result<Vec<Vec<u32>>, GcgError> {
        let vocab = self.allowed.len();
        let k = self.spec.top_k;
        let allowed = &self.allowed;
        let best: Vec<Vec<u32>> = gradient
            .par_chunks(vocab)
            .map(|row| {
                let mut ids: Vec<u32> = (0..vocab as u32).filter(|&id| allowed[id as usize]).collect();
                let k = k.min(ids.len());
                if k > 0 && k < ids.len() {
                    ids.select_nth_unstable_by(k - 1, |&a, &b| {
                        row[a as usize].total_cmp(&row[b as usize]).then(a.cmp(&b))
                    });
                }
                ids.truncate(k);
                ids.sort_unstable_by(|&a, &b| row[a as usize].total_cmp(&row[b as usize]).then(a.cmp(&b)));
                ids
            })
            .collect();
        if best.iter().any(Vec::is_empty) {
            return Err(GcgError::NothingLeft);
        }
        let mut seen: HashSet<Vec<u32>> = HashSet::from([current.to_vec()]);
        let mut drawn = Vec::with_capacity(self.spec.width);
        for _ in 0..self.spec.width {
            let mut ids = current.to_vec();
            for position in index::sample(&mut self.rng, ids.len(), self.spec.replace.min(ids.len())) {
                let choices = &best[position];
                ids[position] = choices[self.rng.random_range(0..choices.len())];
            }
            if seen.insert(ids.clone()) {
                drawn.push(ids);
            }
        }
        if self.spec.retokenise {
            let keep: Vec<bool> = drawn.par_iter().map(|ids| self.reads_as_itself(ids)).collect();
            let mut keep = keep.into_iter();
            drawn.retain(|_| keep.next().unwrap_or(false));
        }
        Ok(drawn)
    }

    /// Whether the text that the attacker would send is read as just these tokens, in every prompt.
    fn reads_as_itself(&self, suffix: &[u32]) -> bool {
        self.slots.iter().all(|slot| matches!(slot.reads_as_itself(self.codec, suffix), Ok(true)))
    }

    /// The mean over the prompts of each candidate's loss. Candidates share what they have in common with `current`.
    fn losses(&mut self, current: &[u32], candidates: &[Vec<u32>]) -> Result<Vec<f32>, GcgError> {
        let mut sums = vec![0.0; candidates.len()];
        let at_once = self.spec.batch.unwrap_or(usize::MAX).max(1);
        for (slot, cache) in self.slots.iter().zip(&mut self.caches) {
            cache.truncate(0, slot.before.len()).map_err(ModelError::from)?;
            self.decoder.extend(cache, &[0], &[current])?;
            let per_target = slot.target.len();
            for (part, sums) in candidates.chunks(at_once).zip(sums.chunks_mut(at_once)) {
                let (starts, batch) = slot.branches(current, part);
                let log_probs = self.decoder.branch_log_probs(cache, &starts, &batch)?;
                for (sum, log_probs) in sums.iter_mut().zip(log_probs.chunks_exact(per_target)) {
                    *sum += self.spec.loss(log_probs) / self.slots.len() as f32;
                }
            }
        }
        Ok(sums)
    }

    /// Whether every prompt's target is what greedy decoding writes.
    fn is_reached(&self, suffix: &[u32]) -> Result<bool, GcgError> {
        for slot in self.slots {
            let batch = slot.whole(suffix);
            let rows: Vec<&[u32]> = batch.rows.iter().map(Vec::as_slice).collect();
            let from: Vec<u32> = batch.from.iter().map(|&at| at as u32).collect();
            let greedy = || -> candle_core::Result<Vec<u32>> {
                let hidden = self.decoder.hidden(&rows).map_err(candle_core::Error::wrap)?;
                let at = candle_core::Tensor::new(from, hidden.device())?;
                self.decoder.head(&hidden.index_select(&at, 0)?)?.argmax(1)?.to_vec1()
            };
            if greedy().map_err(ModelError::from)? != batch.targets {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
