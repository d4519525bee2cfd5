//! Where a suffix stands in a prompt, and what the model reads around it.

use super::{GcgError, GcgSpec};
use crate::data::AttackPrompt;
use crate::model::{Batch, Decoder, KvCache, ModelError};
use crate::text::{Codec, TextError};

/// Fillings that have no token in common with a suffix, at its beginning or its end.
const OTHERS: [&str; 2] = ["( ( (", "9 9 9"];

/// A prompt with a place for a suffix: before ⊕ suffix ⊕ after ⊕ target, in token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Id of the prompt.
    pub id: String,
    /// Template and request.
    pub before: Vec<u32>,
    /// The suffix that the search starts from.
    pub suffix: Vec<u32>,
    /// What the template writes after the request.
    pub after: Vec<u32>,
    /// How the answer is to begin.
    pub target: Vec<u32>,
    goal: String,
    system_prompt: String,
    /// Where the request ends in the decoded prompt, in bytes.
    goal_end: usize,
}

impl Slot {
    /// Finds the place after the request of `prompt`: what stays the same whatever the suffix is lies before and after it.
    pub fn new(
        decoder: &Decoder,
        codec: &Codec,
        prompt: &AttackPrompt,
        system_prompt: &str,
        spec: &GcgSpec,
    ) -> Result<Self, GcgError> {
        let no_slot = || GcgError::NoSlot { init: spec.init.clone(), example: super::EXAMPLE };
        let filled = |filling: &str| -> Result<Vec<u32>, TextError> {
            let content = format!("{} {filling}", prompt.goal);
            codec.prompt(&super::super::messages_of(&content, system_prompt))
        };
        let ids = filled(&spec.init)?;
        let (mut before, mut after) = (ids.len(), ids.len());
        for other in OTHERS {
            let other = filled(other)?;
            before = before.min(ids.iter().zip(&other).take_while(|(a, b)| a == b).count());
            let same = ids.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
            after = after.min(same);
        }
        let target = prompt.target.as_deref().unwrap_or_default();
        let mut target = codec.answer(target)?;
        target.truncate(spec.target_tokens.unwrap_or(usize::MAX));
        if target.is_empty() {
            return Err(GcgError::NoTarget { prompt: prompt.id.clone() });
        }
        if before == 0 || before + after >= ids.len() {
            return Err(no_slot());
        }
        let (tokens, limit) = (ids.len() + target.len(), decoder.config().max_position_embeddings);
        if tokens > limit {
            return Err(GcgError::TooLong { prompt: prompt.id.clone(), tokens, limit });
        }
        let end = ids.len() - after;
        let whole = codec.tokenizer.decode(&ids[..end])?;
        let goal_end = whole.rfind(&prompt.goal).map(|at| at + prompt.goal.len()).ok_or_else(no_slot)?;
        let slot = Self {
            id: prompt.id.clone(),
            before: ids[..before].to_vec(),
            suffix: ids[before..end].to_vec(),
            after: ids[end..].to_vec(),
            target,
            goal: prompt.goal.clone(),
            system_prompt: system_prompt.to_owned(),
            goal_end,
        };
        if spec.retokenise && !slot.reads_as_itself(codec, &slot.suffix)? {
            return Err(no_slot());
        }
        Ok(slot)
    }

    /// What a suffix reads as after the request; `None` where its tokens are no text of their own there.
    pub fn text(&self, codec: &Codec, suffix: &[u32]) -> Result<Option<String>, TextError> {
        let whole = codec.tokenizer.decode(&[self.before.as_slice(), suffix].concat())?;
        Ok(whole.get(self.goal_end..).map(str::to_owned))
    }

    /// The same, or what its tokens read as by themselves.
    pub fn readable(&self, codec: &Codec, suffix: &[u32]) -> Result<String, TextError> {
        match self.text(codec, suffix)? {
            Some(text) => Ok(text),
            None => codec.tokenizer.decode(suffix),
        }
    }

    /// The request with a suffix's text behind it.
    #[must_use]
    pub fn content(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.goal)
    }

    /// Whether the request with this suffix, sent as text, is read as just these tokens: swaps can make tokens that the
    /// tokenizer would have cut otherwise.
    pub fn reads_as_itself(&self, codec: &Codec, suffix: &[u32]) -> Result<bool, TextError> {
        let Some(text) = self.text(codec, suffix)? else { return Ok(false) };
        let read = codec.prompt(&super::super::messages_of(&self.content(&text), &self.system_prompt))?;
        Ok(read == [self.before.as_slice(), suffix, &self.after].concat())
    }

    /// A cache that holds what is before the suffix.
    pub fn cache(&self, decoder: &Decoder) -> Result<KvCache, ModelError> {
        let mut cache = decoder.cache(1);
        decoder.extend(&mut cache, &[0], &[&self.before])?;
        Ok(cache)
    }

    /// The whole text with a suffix, and the target as what is predicted. The target's last token predicts nothing.
    #[must_use]
    pub fn whole(&self, suffix: &[u32]) -> Batch {
        let known = &self.target[..self.target.len() - 1];
        let row = [self.before.as_slice(), suffix, &self.after, known].concat();
        let first = row.len() - self.target.len();
        Batch { from: (first..row.len()).collect(), targets: self.target.clone(), rows: vec![row] }
    }

    /// The texts with `candidates` as what each has behind the tokens that it shares with `current`, and where that begins.
    #[must_use]
    pub fn branches(&self, current: &[u32], candidates: &[Vec<u32>]) -> (Vec<usize>, Batch) {
        let known = &self.target[..self.target.len() - 1];
        let (mut starts, mut batch, mut tokens) = (Vec::new(), Batch::default(), 0);
        for suffix in candidates {
            let shared = current.iter().zip(suffix).take_while(|(a, b)| a == b).count();
            // Where nothing follows the suffix, the first token of the target is predicted from its last one.
            let shared = shared.min(suffix.len() - 1);
            let row = [&suffix[shared..], &self.after, known].concat();
            tokens += row.len();
            batch.from.extend(tokens - self.target.len()..tokens);
            batch.targets.extend(&self.target);
            batch.rows.push(row);
            starts.push(self.before.len() + shared);
        }
        (starts, batch)
    }
}
