//! The tokens by which a model gives its verdict, and what of a judged text it must not read as its own.

use super::super::JudgeError;
use super::preset::Sheet;
use crate::model::ModelError;
use crate::text::{Codec, TextError};
use std::collections::BTreeSet;

/// First tokens of the words for either verdict.
#[derive(Debug)]
pub(super) struct Words {
    pub harmful: Vec<u32>,
    pub safe: Vec<u32>,
}

impl Words {
    /// Finds them for a model. A word that the model spells with several tokens counts by its first, which must tell
    /// the verdicts apart.
    pub fn find(sheet: &Sheet, codec: &Codec, model: &str) -> Result<Self, JudgeError> {
        let failed = |source: TextError| JudgeError::Model {
            model: model.to_owned(),
            source: ModelError::Text(source),
        };
        let first = |words: &[String]| -> Result<BTreeSet<u32>, JudgeError> {
            let mut ids = BTreeSet::new();
            for word in words {
                // At the start of an answer a word can have another token than in the middle of a text.
                let at_start = codec.answer(word).map_err(failed)?;
                let plain = codec.tokenizer.encode(word).map_err(failed)?;
                let ways = if sheet.chat { vec![at_start] } else { vec![at_start, plain] };
                for id in ways.iter().filter_map(|ids| ids.first()) {
                    // A blank before the word is not the word.
                    if codec.tokenizer.decode(&[*id]).map_err(failed)?.trim().is_empty() {
                        continue;
                    }
                    ids.insert(*id);
                }
            }
            Ok(ids)
        };
        let (harmful, safe) = (first(&sheet.harmful)?, first(&sheet.safe)?);
        let wrong = |reason: String| JudgeError::VerdictWords { model: model.to_owned(), reason };
        let (bad, good) = (sheet.harmful.join(", "), sheet.safe.join(", "));
        if harmful.is_empty() || safe.is_empty() {
            return Err(wrong(format!(
                "its tokenizer has no token for the beginning of {bad}, or of {good}. Use other words"
            )));
        }
        if !harmful.is_disjoint(&safe) {
            return Err(wrong(format!(
                "{bad} and {good} begin with the same token in its vocabulary. Use words that begin differently"
            )));
        }
        Ok(Self { harmful: harmful.into_iter().collect(), safe: safe.into_iter().collect() })
    }
}

/// The names of a model's special tokens, such as `</s>`, the longest first. A judged text that spells one out would
/// otherwise be read as one, and could end its turn and speak as the judge.
pub(super) fn special_names(codec: &Codec) -> Vec<String> {
    let tokenizer = &codec.tokenizer;
    let ids = (0..tokenizer.vocab_size() as u32).filter(|&id| tokenizer.is_special(id));
    let mut names: Vec<String> =
        ids.filter_map(|id| tokenizer.token(id)).filter(|n| n.chars().count() > 1).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

/// The text with every special token's name written apart, and how many there were.
pub(super) fn disarm(text: &str, names: &[String]) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut count) = (text, 0);
    while let Some(c) = rest.chars().next() {
        if names.iter().any(|name| rest.starts_with(name.as_str())) {
            count += 1;
            out.push(c);
            // A blank would be eaten by tokens that strip; a hyphen stays.
            out.push('-');
        } else {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    (out, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_special_tokens_are_written_apart() {
        let names = ["</s>".to_owned(), "<|end|>".to_owned()];
        assert_eq!(disarm("a</s>b<|end|>", &names), ("a<-/s>b<-|end|>".to_owned(), 2));
        let (text, count) = disarm("<</s>/s>", &names);
        assert_eq!((text.as_str(), count), ("<<-/s>/s>", 1));
        for name in &names {
            assert!(!text.contains(name.as_str()));
        }
        assert_eq!(disarm("Straße", &names), ("Straße".to_owned(), 0));
    }
}
