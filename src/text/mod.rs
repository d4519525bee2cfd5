//! Words and token ids: conversations, tokenizers, chat templates, and training rows made of them.

mod codec;
mod conversation;
mod encoded;
mod end_of_turn;
mod special_tokens;
mod stream;
mod template;
mod tokenizer;

pub use codec::Codec;
pub use conversation::{Conversation, Message, Role};
pub use encoded::Encoded;
pub use special_tokens::SpecialTokens;
pub use stream::TextStream;
pub use template::ChatTemplate;
pub use tokenizer::Tokenizer;

use std::path::{Path, PathBuf};

/// What can go wrong between words and token ids.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file that a checkpoint needs is not there or cannot be read.
    #[error(
        "{file} cannot be read: {reason}. A checkpoint folder needs this file; copy it there from where the model came from."
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A file was read, but is not what its name says.
    #[error("{file} is damaged or of an unknown form: {reason}. Fetch the file again.")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The tokenizer could not encode or decode a text.
    #[error("the tokenizer could not handle the text {text:?}: {reason}")]
    Tokenizer {
        /// The beginning of the text.
        text: String,
        /// What the tokenizer says.
        reason: String,
    },
    /// The chat template could not be rendered.
    #[error("the chat template could not render this conversation: {reason}")]
    Template {
        /// What the template engine says.
        reason: String,
    },
    /// The chat template changes earlier turns when later ones arrive, so that a row cannot be split into turns.
    #[error(
        "the chat template rewrites earlier turns of a conversation: message {turn} does not begin where the one before ended. Use single-turn examples with this model."
    )]
    RewritesTurns {
        /// Index of the message at which this was seen.
        turn: usize,
    },
    /// No end-of-turn token is known.
    #[error(
        "{folder}: neither generation_config.json nor config.json names an eos_token_id and the tokenizer has no eos_token, so answers could never end. Add \"eos_token_id\" to config.json."
    )]
    NoEndOfTurn {
        /// The checkpoint's folder.
        folder: PathBuf,
    },
    /// The vocabulary is there, but not in the form that is read here.
    #[error(
        "{folder} has {found} but no tokenizer.json. Convert it once in Python, with transformers installed: AutoTokenizer.from_pretrained(folder).save_pretrained(folder), which writes tokenizer.json beside it."
    )]
    NeedsConversion {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// The file that was found.
        found: &'static str,
    },
    /// The chat template itself refuses the conversation, through `raise_exception`.
    #[error(
        "the model's chat template refuses this conversation: {message}. Change the order or the roles of its messages."
    )]
    TemplateRaised {
        /// The template's own message.
        message: String,
    },
    /// The chat template prints more than any conversation needs.
    #[error(
        "the chat template printed more than {bytes} bytes and was stopped. Shorten the conversation, or correct the template."
    )]
    TemplateCap {
        /// How much is allowed.
        bytes: usize,
    },
}

/// The JSON in `file`, or `None` where there is no such file.
fn read_json(file: &Path) -> Result<Option<serde_json::Value>, TextError> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| TextError::Malformed { file: file.to_owned(), reason: e.to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(TextError::Unreadable { file: file.to_owned(), reason: e.to_string() }),
    }
}
