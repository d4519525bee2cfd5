//! Rank-assisted prefilling (Vega and Singh 2025, "Matching Ranks Over Probability Yields Truly Deep Safety Alignment").
//!
//! A model that was deepened by augmentation gives the refusal nearly all probability, but the harmful token often stays
//! among its twenty likeliest. Whoever holds the weights writes the answer token by token, and at each takes the harmful one
//! of these. The authors let a person or a second model choose; here the unaligned base model does: the token that it finds
//! likeliest among those that the attacked model offers.

use super::AttackRow;
use crate::data::AttackPrompt;
use crate::model::{Control, Decoder, Finish, GenerateRequest, Generation, ModelError, argmax};
use crate::text::{Codec, TextError};
use candle_core::{DType, Device};

/// One row per depth and prompt: nothing is put before at depth 0, so that no reference answer is needed there.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
    depths: &[usize],
) -> Result<Vec<AttackRow>, TextError> {
    let mut rows = Vec::new();
    for &depth in depths {
        if depth > 0 {
            rows.extend(super::prefill::rows(codec, prompts, system_prompt, &[depth])?);
            continue;
        }
        for prompt in prompts {
            let row = super::row(codec, prompt, system_prompt, "rap", "k=0".to_owned(), &[])?;
            rows.push(AttackRow { depth: Some(0), ..row });
        }
    }
    Ok(rows)
}

/// Answers every request so, `batch` rows at a time. The guide is fed the same tokens and needs the same vocabulary. An id of
/// `end` ends a row. `progress` gets the number of finished rows and may stop the work, which gives `None`.
#[allow(clippy::too_many_arguments, reason = "two models, what they continue, and how")]
pub fn answers(
    model: &Decoder,
    guide: &Decoder,
    requests: &[GenerateRequest],
    end: &[u32],
    top: usize,
    max_new_tokens: usize,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> Control,
) -> Result<Option<Vec<Generation>>, ModelError> {
    let (first, second) = (model.config().vocab_size, guide.config().vocab_size);
    if first != second {
        return Err(ModelError::Vocabularies { first, second });
    }
    let limit = model.config().max_position_embeddings.min(guide.config().max_position_embeddings);
    let mut all = Vec::with_capacity(requests.len());
    for part in requests.chunks(batch.max(1)) {
        let mut own = model.cache(part.len());
        let mut others = guide.cache(part.len());
        let mut rows: Vec<Generation> =
            part.iter().map(|_| Generation { ids: Vec::new(), finish: Finish::Length }).collect();
        let mut open: Vec<usize> = (0..part.len()).collect();
        let mut new: Vec<Vec<u32>> = part.iter().map(|request| request.prompt.clone()).collect();
        while !open.is_empty() {
            let ids: Vec<&[u32]> = open.iter().map(|&row| new[row].as_slice()).collect();
            let offered = host_rows(&model.extend(&mut own, &open, &ids)?)?;
            let liked = host_rows(&guide.extend(&mut others, &open, &ids)?)?;
            let mut still = Vec::with_capacity(open.len());
            for ((&row, offered), liked) in open.iter().zip(&offered).zip(&liked) {
                let id = choose(offered, liked, top);
                if end.contains(&id) {
                    rows[row].finish = Finish::EndOfTurn;
                    continue;
                }
                rows[row].ids.push(id);
                new[row] = vec![id];
                let length = part[row].prompt.len() + rows[row].ids.len();
                if rows[row].ids.len() < max_new_tokens && length < limit {
                    still.push(row);
                }
            }
            open = still;
            if progress(all.len() + part.len() - open.len()) == Control::Stop {
                return Ok(None);
            }
        }
        all.append(&mut rows);
    }
    Ok(Some(all))
}

/// Of the `top` tokens with the largest `offered`, the one with the largest `liked`.
fn choose(offered: &[f32], liked: &[f32], top: usize) -> u32 {
    let mut ids: Vec<u32> = (0..offered.len() as u32).collect();
    let top = top.clamp(1, ids.len());
    if top < ids.len() {
        ids.select_nth_unstable_by(top - 1, |&a, &b| {
            offered[b as usize].total_cmp(&offered[a as usize]).then(a.cmp(&b))
        });
    }
    ids.truncate(top);
    ids.sort_unstable();
    let values: Vec<f32> = ids.iter().map(|&id| liked[id as usize]).collect();
    ids[argmax(&values) as usize]
}

fn host_rows(logits: &candle_core::Tensor) -> Result<Vec<Vec<f32>>, ModelError> {
    Ok(logits.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.to_vec2()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_chooses_among_what_the_model_offers() {
        let offered = [5.0, 4.0, 3.0, -9.0];
        let liked = [0.0, 1.0, 2.0, 9.0];
        assert_eq!(choose(&offered, &liked, 1), 0, "the model's own choice");
        assert_eq!(choose(&offered, &liked, 2), 1);
        assert_eq!(choose(&offered, &liked, 3), 2);
        assert_eq!(choose(&offered, &liked, 20), 3, "more than there are is all");
    }
}
