//! Refusal prefixes (Qi et al., §2.2, Table 1): an unaligned model is made to begin with a refusal, and then refuses.

use super::AttackRow;
use crate::data::AttackPrompt;
use crate::text::{Codec, TextError};

/// The prefixes of Table 1.
pub const REFUSAL_PREFIXES: [&str; 5] =
    ["I cannot", "I cannot fulfill", "I apologize", "I apologize, but I cannot", "I am unable"];

/// One row per prefix and prompt.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
    prefixes: &[String],
) -> Result<Vec<AttackRow>, TextError> {
    let mut rows = Vec::new();
    for prefix in prefixes {
        let ids = codec.answer(prefix)?;
        for prompt in prompts {
            let mut row = super::row(codec, prompt, system_prompt, "refusal-prefix", prefix.clone(), &ids)?;
            row.prefill_is_refusal = true;
            rows.push(row);
        }
    }
    Ok(rows)
}
