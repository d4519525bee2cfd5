//! Text from token ids as they come, one at a time.

use super::{TextError, Tokenizer};

/// Decodes ids one after another. A character whose bytes are spread over several tokens comes out once it is complete;
/// all pieces together are what [`Tokenizer::decode`] makes of all ids.
#[derive(Clone, Debug)]
pub struct TextStream {
    tokenizer: Tokenizer,
    /// Ids whose text is needed to decode those that follow.
    ids: Vec<u32>,
    /// The text of `ids[..told]`, which has been handed out.
    prefix: String,
    told: usize,
}

impl TextStream {
    pub(super) fn new(tokenizer: Tokenizer) -> Self {
        Self { tokenizer, ids: Vec::new(), prefix: String::new(), told: 0 }
    }

    /// Takes the next id and returns the text that it completes, if any.
    pub fn push(&mut self, id: u32) -> Result<Option<String>, TextError> {
        // Special tokens are no text, and a run of byte tokens goes on behind them.
        if self.tokenizer.is_special(id) {
            return Ok(None);
        }
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids)?;
        // A replacement character at the end may be the beginning of one whose last bytes are still to come; and a run
        // of byte tokens is decoded as a whole, so that one more byte may change what the run means.
        if text.ends_with('\u{fffd}') || self.is_byte(id) {
            return Ok(None);
        }
        let Some(piece) = text.strip_prefix(&self.prefix).filter(|piece| !piece.is_empty()) else {
            return Ok(None);
        };
        let piece = piece.to_owned();
        // Only the ids handed out last stay: the first word of a text is decoded without its blank, others with it.
        self.ids.drain(..self.told);
        self.told = self.ids.len();
        self.prefix = self.tokenizer.decode(&self.ids)?;
        Ok(Some(piece))
    }

    /// Whether the token stands for one byte of a character that the vocabulary lacks, by its name `<0x0A>`.
    fn is_byte(&self, id: u32) -> bool {
        self.tokenizer
            .token(id)
            .is_some_and(|name| name.len() == 6 && name.starts_with("<0x") && name.ends_with('>'))
    }

    /// Ends the text: what is left of a character that was never completed.
    pub fn finish(self) -> Result<Option<String>, TextError> {
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(text.strip_prefix(&self.prefix).filter(|piece| !piece.is_empty()).map(str::to_owned))
    }
}
