//! One answer under two models: KL at every token, and what each model would rather have said.

use super::{answer_hidden, comparable};
use crate::model::{Decoder, ModelError, kl_divergence};
use candle_core::DType;

/// A token and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopToken {
    /// The token.
    pub id: u32,
    /// Its probability.
    pub probability: f32,
}

/// What two models predict at one position of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionReport {
    /// `KL(π_model` ‖ `π_base`) in nats.
    pub kl: f32,
    /// The model's likeliest tokens, best first.
    pub model: Vec<TopToken>,
    /// The base's likeliest tokens, best first.
    pub base: Vec<TopToken>,
}

/// Compares two models along one answer; `top` tokens of each at every position.
pub fn inspect_answer(
    model: &Decoder,
    base: &Decoder,
    prompt: &[u32],
    answer: &[u32],
    top: usize,
) -> Result<Vec<PositionReport>, ModelError> {
    comparable(model, base)?;
    if answer.is_empty() {
        return Ok(Vec::new());
    }
    let rows = [(prompt.to_vec(), answer.to_vec())];
    let (p, q) = (model.head(&answer_hidden(model, &rows)?)?, base.head(&answer_hidden(base, &rows)?)?);
    let kl = kl_divergence(&p, &q)?;
    let best = |logits: candle_core::Tensor| -> Result<Vec<Vec<TopToken>>, ModelError> {
        let rows = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        Ok(rows.iter().map(|row| top_tokens(row, top)).collect())
    };
    let (model, base) = (best(p)?, best(q)?);
    Ok(kl
        .into_iter()
        .zip(model)
        .zip(base)
        .map(|((kl, model), base)| PositionReport { kl, model, base })
        .collect())
}

fn top_tokens(logits: &[f32], top: usize) -> Vec<TopToken> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|l| (l - max).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order
        .into_iter()
        .take(top)
        .map(|i| TopToken { id: i as u32, probability: (logits[i] - max).exp() / sum })
        .collect()
}
