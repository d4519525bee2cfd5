//! No attack: the request as it stands.

use super::AttackRow;
use crate::data::AttackPrompt;
use crate::text::{Codec, TextError};

/// One row per prompt.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
) -> Result<Vec<AttackRow>, TextError> {
    prompts.iter().map(|p| super::row(codec, p, system_prompt, "direct", String::new(), &[])).collect()
}
