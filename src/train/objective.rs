//! The losses, as tensors to differentiate and as values to report.

use super::TrainError;
use super::beta::BetaSchedule;
use crate::model::{Decoder, ops, pad};
use crate::text::Encoded;
use candle_core::{DType, Tensor};

/// The weight below which a token is not let fall: keeps a gradient on tokens that are learnt completely (the floor
/// of the authors' code).
const WEIGHT_FLOOR: f32 = 1e-3;

/// The trained tokens of a batch of rows: where they stand, what they are, and their position t in their answer.
pub struct Targets {
    /// Ids `[B, T]`, right-padded.
    pub ids: Tensor,
    /// For each trained token the flat index b·T + position of the token *before* it.
    pub predicted_from: Tensor,
    /// The trained tokens.
    pub tokens: Vec<u32>,
    /// Their loss weights.
    pub weights: Vec<f32>,
    /// Their 1-based positions in their answers; in plain documents, in the row.
    pub positions: Vec<usize>,
}

impl Targets {
    /// Collects the trained tokens of `rows`.
    pub fn new(rows: &[&Encoded], decoder: &Decoder) -> Result<Self, TrainError> {
        let ids = pad(rows.iter().map(|r| r.ids.as_slice()), decoder.device())?;
        let width = ids.dim(1)?;
        let (mut from, mut tokens, mut weights, mut positions) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (b, row) in rows.iter().enumerate() {
            for i in 1..row.ids.len() {
                if row.weights[i] > 0.0 {
                    from.push((b * width + i - 1) as u32);
                    tokens.push(row.ids[i]);
                    weights.push(row.weights[i]);
                    positions.push(row.answer_position(i).unwrap_or(i));
                }
            }
        }
        if tokens.is_empty() {
            return Err(TrainError::NothingTrained);
        }
        let predicted_from = Tensor::new(from, decoder.device())?;
        Ok(Self { ids, predicted_from, tokens, weights, positions })
    }

    /// The first `count` trained tokens and the others, for losses over parts of a batch.
    #[must_use]
    pub fn split(&self, count: usize) -> (Self, Self) {
        let part = |from: usize, to: usize| Self {
            ids: self.ids.clone(),
            predicted_from: self.predicted_from.clone(),
            tokens: self.tokens[from..to].to_vec(),
            weights: self.weights[from..to].to_vec(),
            positions: self.positions[from..to].to_vec(),
        };
        (part(0, count), part(count, self.tokens.len()))
    }

    /// log `π(y_t` | x, y_<t) of every trained token, `[N]`. Only their positions go through the output layer.
    pub fn log_probs(&self, decoder: &Decoder) -> Result<Tensor, TrainError> {
        let hidden = decoder.hidden(&self.ids)?.flatten(0, 1)?.index_select(&self.predicted_from, 0)?;
        Ok(ops::token_log_probs(&decoder.head(&hidden)?, &self.tokens)?)
    }
}

/// Mean cross-entropy over the trained tokens: −Σ w log `π(y_t)` / Σ w.
pub fn cross_entropy(log_probs: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    let total: f32 = targets.weights.iter().sum();
    let weights: Vec<f32> = targets.weights.iter().map(|w| -w / total).collect();
    weighted_sum(log_probs, &weights)
}

/// The token-wise constrained objective (Qi et al., §4.1, equation 4), averaged over the trained tokens:
///
/// (`2/β_t`) · `softplus(−β_t` · (log `π_θ(y_t)` − log `π_aligned(y_t)`))
///
/// Its gradient is that of the cross-entropy times `w_t` = `2σ(β_t` · (log `π_aligned` − log `π_θ`)). What is returned to
/// differentiate is that surrogate, −Σ `w_t` log `π_θ` / N with `w_t` held constant and not below 1e-3; beside it the value.
pub fn constrained(
    log_probs: &Tensor,
    reference: &[f32],
    targets: &Targets,
    beta: &BetaSchedule,
) -> Result<(Tensor, f64), TrainError> {
    let current = log_probs.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    let count = current.len() as f32;
    let mut value = 0.0;
    let mut weights = Vec::with_capacity(current.len());
    for ((&log_pi, &log_aligned), &t) in current.iter().zip(reference).zip(&targets.positions) {
        let beta = beta.at(t) as f32;
        let gap = beta * (log_pi - log_aligned);
        value += f64::from(2.0 / beta * softplus(-gap));
        let w = (2.0 / (1.0 + gap.exp())).max(WEIGHT_FLOOR);
        weights.push(-w / count);
    }
    Ok((weighted_sum(log_probs, &weights)?, value / f64::from(count)))
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn weighted_sum(log_probs: &Tensor, weights: &[f32]) -> Result<Tensor, TrainError> {
    let weights = Tensor::new(weights, log_probs.device())?.to_dtype(log_probs.dtype())?;
    Ok((log_probs * weights)?.sum_all()?)
}
