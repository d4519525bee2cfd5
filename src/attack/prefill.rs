//! Prefilling attack (Qi et al., §2.3): the answer is made to begin with the first k tokens of a harmful one.
//!
//! k counts answer tokens only. The authors' script also counts the token that begins a text, so their k is one token
//! less deep for models that have one.

use super::AttackRow;
use crate::data::AttackPrompt;
use crate::text::{Codec, TextError};

/// One row per depth and prompt with a reference answer (`target`). A prompt whose reference answer is shorter than k is left out
/// at that k: there is nothing left to prefill.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
    depths: &[usize],
) -> Result<Vec<AttackRow>, TextError> {
    let mut rows = Vec::new();
    let answers = prompts
        .iter()
        .filter_map(|p| p.target.as_ref().map(|target| Ok((p, codec.answer(target)?))))
        .collect::<Result<Vec<_>, TextError>>()?;
    for &depth in depths {
        for (prompt, answer) in &answers {
            let Some((prefill, rest)) = answer.split_at_checked(depth) else { continue };
            let mut row = super::row(codec, prompt, system_prompt, "prefill", format!("k={depth}"), prefill)?;
            row.depth = Some(depth);
            row.rest = Some(codec.tokenizer.decode(rest)?);
            rows.push(row);
        }
    }
    Ok(rows)
}
