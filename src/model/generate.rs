//! Answers in batches: rows of unequal length, each leaving when it ends.

use super::cache::KvCache;
use super::decoder::Decoder;
use super::ops::fused::with_slice;
use super::sampler::{Sampler, argmax};
use super::{Control, ModelError};
use candle_core::{DType, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What to continue.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// Names the row: its random stream is keyed by it.
    pub id: String,
    /// Prompt ids, followed by prefilled answer ids if there are any. Must not be empty.
    pub prompt: Vec<u32>,
}

/// Why a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model wrote an end-of-turn token.
    EndOfTurn,
    /// The limit of new tokens or of the context was reached.
    Length,
}

/// What a row became.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// New ids, without the end token.
    pub ids: Vec<u32>,
    /// Why the row ended.
    pub finish: Finish,
}

struct Row<'a> {
    index: usize,
    request: &'a GenerateRequest,
    rng: ChaCha8Rng,
    ids: Vec<u32>,
}

/// Continues every request by at most `max_new_tokens` tokens, `batch` rows at a time; an id of `end` ends a row.
/// `progress` gets the number of finished rows and may stop the work, which gives `None`. The order of the answers is
/// that of the requests. Rows are batched by length, which changes no row's random stream.
pub fn generate(
    decoder: &Decoder,
    requests: &[GenerateRequest],
    sampler: &Sampler,
    end: &[u32],
    max_new_tokens: usize,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> Control,
) -> Result<Option<Vec<Generation>>, ModelError> {
    let limit = decoder.config().max_position_embeddings;
    if let Some(long) = requests.iter().map(|r| r.prompt.len()).find(|&n| n >= limit) {
        return Err(ModelError::TooLong { tokens: long + 1, limit });
    }
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&i| requests[i].prompt.len());
    let mut answers: Vec<Option<Generation>> = vec![None; requests.len()];
    let mut done = 0;
    for chunk in order.chunks(batch.max(1)) {
        let mut rows: Vec<Row<'_>> = chunk
            .iter()
            .map(|&index| {
                let request = &requests[index];
                let rng = crate::rng::stream(sampler.seed, "sample", &request.id);
                Row { index, request, rng, ids: Vec::new() }
            })
            .collect();
        let mut cache = KvCache::new(decoder.config(), rows.len());
        let mut input: Vec<Vec<u32>> = rows.iter().map(|r| r.request.prompt.clone()).collect();
        while !rows.is_empty() {
            let logits = last_logits(decoder, &input, &mut cache)?;
            let vocab = logits.dim(1)?;
            let mut keep = vec![true; rows.len()];
            with_slice(&logits, |logits| {
                for ((row, keep), logits) in rows.iter_mut().zip(&mut keep).zip(logits.chunks_exact(vocab)) {
                    let id = if sampler.temperature <= 0.0 && (sampler.repetition_penalty - 1.0).abs() < 1e-9
                    {
                        argmax(logits)
                    } else {
                        let seen: Vec<u32> = row.request.prompt.iter().chain(&row.ids).copied().collect();
                        sampler.choose(logits, &seen, &mut row.rng)
                    };
                    let ended = end.contains(&id);
                    if !ended {
                        row.ids.push(id);
                    }
                    let full =
                        row.ids.len() >= max_new_tokens || row.request.prompt.len() + row.ids.len() >= limit;
                    if ended || full {
                        let finish = if ended { Finish::EndOfTurn } else { Finish::Length };
                        answers[row.index] = Some(Generation { ids: std::mem::take(&mut row.ids), finish });
                        *keep = false;
                    }
                }
                Ok(())
            })?;
            let finished = keep.iter().filter(|k| !**k).count();
            if finished > 0 {
                done += finished;
                cache.retain(&keep);
                let mut keep = keep.iter();
                rows.retain(|_| keep.next().copied().unwrap_or(false));
            }
            if let Control::Stop = progress(done) {
                return Ok(None);
            }
            input = rows.iter().filter_map(|r| r.ids.last().map(|&id| vec![id])).collect();
        }
    }
    Ok(Some(answers.into_iter().flatten().collect()))
}

/// Logits `[B, V]` of the last real token of each row, in f32.
fn last_logits(decoder: &Decoder, input: &[Vec<u32>], cache: &mut KvCache) -> Result<Tensor, ModelError> {
    let lengths: Vec<usize> = input.iter().map(Vec::len).collect();
    let ids = super::pad(input.iter().map(Vec::as_slice), decoder.device())?;
    let hidden = decoder.hidden_cached(&ids, &lengths, cache)?;
    let t = hidden.dim(1)?;
    let last: Vec<u32> = lengths.iter().enumerate().map(|(row, n)| (row * t + n - 1) as u32).collect();
    let last = Tensor::new(last, hidden.device())?;
    let hidden = hidden.flatten(0, 1)?.index_select(&last, 0)?;
    Ok(decoder.head(&hidden)?.to_dtype(DType::F32)?.contiguous()?)
}
