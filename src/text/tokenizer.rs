//! A checkpoint's tokenizer.

use super::{TextError, TextStream};
use std::path::Path;
use std::sync::Arc;

/// A `tokenizer.json` in memory. Cloning is cheap.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocab_size())
    }
}

/// Files in which models keep their vocabulary where they have no `tokenizer.json`.
const OTHER_FORMS: [&str; 5] =
    ["tokenizer.model", "vocab.json", "tiktoken.model", "tekken.json", "vocab.txt"];

impl Tokenizer {
    /// Reads the `tokenizer.json` of a checkpoint folder. A folder that has its vocabulary in another form only is
    /// refused with the way to convert it.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let file = folder.join("tokenizer.json");
        if !file.is_file()
            && let Some(found) = OTHER_FORMS.iter().find(|name| folder.join(name).is_file())
        {
            return Err(TextError::NeedsConversion { folder: folder.to_owned(), found });
        }
        Self::from_file(&file)
    }

    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        let bytes = std::fs::read(path)
            .map_err(|e| TextError::Unreadable { file: path.to_owned(), reason: e.to_string() })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a `tokenizer.json`; `name` is used in errors.
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self, TextError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| TextError::Malformed { file: name.to_owned(), reason: e.to_string() })?;
        // Lengths and padding are decided where rows are made; a file's own settings would cut rows silently.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|e| TextError::Malformed { file: name.to_owned(), reason: e.to_string() })?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Token ids of `text`. Adds no special tokens, but reads those that the text spells out.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self.inner.encode(text, false).map_err(|e| failed(text, e.as_ref()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        self.inner.decode(ids, true).map_err(|e| failed(&format!("{ids:?}"), e.as_ref()))
    }

    /// Decodes ids as they come, see [`TextStream`].
    #[must_use]
    pub fn stream(&self) -> TextStream {
        TextStream::new(self.clone())
    }

    /// What to show for each token: its own text, special tokens by their name, unknown ids as `⟨id⟩`.
    #[must_use]
    pub fn pieces(&self, ids: &[u32]) -> Vec<String> {
        ids.iter()
            .map(|&id| match self.inner.decode(&[id], true) {
                Ok(text) if !text.is_empty() => text,
                _ => self.inner.id_to_token(id).unwrap_or_else(|| format!("⟨{id}⟩")),
            })
            .collect()
    }

    /// Number of tokens, added ones included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        // Ids may have gaps; what a model must cover is the largest id.
        self.inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
    }

    /// The exact name of a token, such as `</s>`.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Whether the token is one that the tokenizer marks as special: left out of decoded text.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        self.inner
            .get_added_vocabulary()
            .get_added_tokens_decoder()
            .get(&id)
            .is_some_and(|token| token.special)
    }

    /// The id of a token given by its exact name, such as `</s>`.
    #[must_use]
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }
}

fn failed(text: &str, error: &(dyn std::error::Error + Send + Sync)) -> TextError {
    TextError::Tokenizer { text: text.chars().take(60).collect(), reason: error.to_string() }
}
