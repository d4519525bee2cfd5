//! The tokens that end an answer.

use super::{SpecialTokens, TextError, Tokenizer, read_json};
use serde_json::Value;
use std::path::Path;

/// The end-of-turn tokens that a checkpoint folder names: `eos_token_id` of `generation_config.json` (a number or a
/// list), else of `config.json`, else the tokenizer's `eos_token`.
pub(super) fn from_folder(
    folder: &Path,
    tokenizer: &Tokenizer,
    special_tokens: &SpecialTokens,
) -> Result<Vec<u32>, TextError> {
    for name in ["generation_config.json", "config.json"] {
        let config = read_json(&folder.join(name))?.unwrap_or_default();
        // Models that also see keep the numbers of their language part in a part of their own.
        for part in [&config, &config["text_config"]] {
            let ids = ids(&part["eos_token_id"]);
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
    }
    let eos = special_tokens.get("eos_token").and_then(|token| tokenizer.id_of(token));
    eos.map(|id| vec![id]).ok_or_else(|| TextError::NoEndOfTurn { folder: folder.to_owned() })
}

/// One id or several.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}
