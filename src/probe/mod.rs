//! What two models think of the same answer, token by token.

mod answer;
mod kl;

pub use answer::{PositionReport, TopToken, inspect_answer};
pub use kl::{KlCurve, kl_per_token};

use crate::model::{Decoder, ModelError};
use candle_core::Tensor;

/// Logits `[N, V]` over the next token at every position that an answer token of the rows is predicted from, rows one
/// after the other. Only these positions go through the output layer.
fn answer_logits(decoder: &Decoder, rows: &[(Vec<u32>, Vec<u32>)]) -> Result<Tensor, ModelError> {
    let joined: Vec<Vec<u32>> =
        rows.iter().map(|(prompt, answer)| [prompt.as_slice(), answer].concat()).collect();
    let ids = crate::model::pad(joined.iter().map(Vec::as_slice), decoder.device())?;
    let hidden = decoder.hidden(&ids)?;
    let width = hidden.dim(1)?;
    let at: Vec<u32> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, (prompt, answer))| {
            (0..answer.len()).map(move |t| (row * width + prompt.len() + t - 1) as u32)
        })
        .collect();
    let at = Tensor::new(at, hidden.device())?;
    Ok(decoder.head(&hidden.flatten(0, 1)?.index_select(&at, 0)?)?)
}

/// Token-by-token comparison needs one vocabulary.
fn comparable(a: &Decoder, b: &Decoder) -> Result<(), ModelError> {
    let (first, second) = (a.config().vocab_size, b.config().vocab_size);
    if first == second { Ok(()) } else { Err(ModelError::Vocabularies { first, second }) }
}
