//! What two models think of the same answer, token by token.

mod answer;
mod kl;

pub use answer::{PositionReport, TopToken, inspect_answer};
pub use kl::{KlCurve, kl_per_token};

use crate::model::{Decoder, ModelError};
use candle_core::Tensor;

/// The hidden states `[N, H]` that every answer token of the rows is predicted from, rows one after the other.
fn answer_hidden(decoder: &Decoder, rows: &[(Vec<u32>, Vec<u32>)]) -> Result<Tensor, ModelError> {
    if rows.iter().any(|(prompt, _)| prompt.is_empty()) {
        return Err(ModelError::EmptyPrompt);
    }
    let joined: Vec<Vec<u32>> =
        rows.iter().map(|(prompt, answer)| [prompt.as_slice(), answer].concat()).collect();
    let slices: Vec<&[u32]> = joined.iter().map(Vec::as_slice).collect();
    let hidden = decoder.hidden(&slices)?;
    let mut at = Vec::new();
    let mut start = 0;
    for (prompt, answer) in rows {
        at.extend((0..answer.len()).map(|t| (start + prompt.len() + t - 1) as u32));
        start += prompt.len() + answer.len();
    }
    Ok(hidden.index_select(&Tensor::new(at, hidden.device())?, 0)?)
}

/// Token-by-token comparison needs one vocabulary.
pub fn comparable(a: &Decoder, b: &Decoder) -> Result<(), ModelError> {
    let (first, second) = (a.config().vocab_size, b.config().vocab_size);
    if first == second { Ok(()) } else { Err(ModelError::Vocabularies { first, second }) }
}
