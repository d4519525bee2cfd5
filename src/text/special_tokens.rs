//! The special tokens of a checkpoint by name, as `transformers` hands them to chat templates.

use super::{TextError, read_json};
use serde_json::{Map, Value};
use std::path::Path;

/// Names and texts of special tokens: `bos_token`, `eos_token`, `unk_token`, `pad_token`, …, tokens that only this
/// model has, and the list `additional_special_tokens`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecialTokens {
    tokens: Map<String, Value>,
}

impl SpecialTokens {
    /// Reads `tokenizer_config.json` and `special_tokens_map.json` of a checkpoint folder; either may be missing.
    ///
    /// As in `transformers`, the second file is a relic that counts, and wins, only where the first does not list the
    /// tokens themselves (`added_tokens_decoder`).
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let config = read_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let mut special = Self::default();
        special.add_all(&config);
        if config.get("added_tokens_decoder").is_none() {
            let map = read_json(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
            special.add_all(&map);
        }
        Ok(special)
    }

    /// The same tokens and this one.
    #[must_use]
    pub fn with(mut self, name: &str, token: &str) -> Self {
        self.tokens.insert(name.to_owned(), token.into());
        self
    }

    /// The text of the token of that name, such as `bos_token`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.tokens.get(name)?.as_str()
    }

    /// Names with texts, or lists of texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.tokens.iter().map(|(name, token)| (name.as_str(), token))
    }

    fn add_all(&mut self, config: &Value) {
        for (name, value) in config.as_object().into_iter().flatten() {
            if name.ends_with("_token") {
                match token_text(value) {
                    Some(text) => _ = self.tokens.insert(name.clone(), text.into()),
                    // `"bos_token": null` says that there is none.
                    None if value.is_null() => _ = self.tokens.shift_remove(name),
                    None => {}
                }
            } else if name == "extra_special_tokens" && value.is_object() {
                self.add_extra(value);
            } else if matches!(name.as_str(), "additional_special_tokens" | "extra_special_tokens")
                && let Some(list) = value.as_array()
                && !list.is_empty()
            {
                let texts: Vec<&str> = list.iter().filter_map(token_text).collect();
                self.tokens.insert("additional_special_tokens".to_owned(), texts.into());
            }
        }
    }

    /// Tokens that only this model has, such as `image_token`: here every name counts.
    fn add_extra(&mut self, named: &Value) {
        for (name, value) in named.as_object().into_iter().flatten() {
            if let Some(text) = token_text(value) {
                self.tokens.insert(name.clone(), text.into());
            }
        }
    }
}

/// A token is a text, or an object whose `content` is the text (`AddedToken`).
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["content"].as_str())
}
