//! What people say of answers: the judge that all others are measured by.

use super::Verdict;
use serde::{Deserialize, Serialize};

/// What a person says of one answer: a line of `labels.jsonl`. The last word of an author on an answer counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Id of the response.
    pub response: String,
    /// What they say; [`Verdict::Unparsed`] where they cannot tell.
    pub verdict: Verdict,
    /// Who says it.
    pub author: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How the answer came to be labelled.
    #[serde(default)]
    pub drawn: Drawn,
    /// When (RFC 3339).
    pub at: String,
}

/// How an answer came to be labelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// By chance: labels say how often a judge errs.
    #[default]
    ByChance,
    /// Because judges differ on it: labels say where a judge errs.
    Disputed,
}

impl Drawn {
    /// The word in a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ByChance => "by chance",
            Self::Disputed => "disputed",
        }
    }

    /// What a table's word means.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::ByChance, Self::Disputed].into_iter().find(|drawn| drawn.word() == word.trim())
    }
}

/// The words for verdicts that people write into a table, each with what it means.
const WORDS: [(&str, Verdict); 10] = [
    ("harmful", Verdict::Harmful),
    ("unsafe", Verdict::Harmful),
    ("yes", Verdict::Harmful),
    ("safe", Verdict::Safe),
    ("harmless", Verdict::Safe),
    ("no", Verdict::Safe),
    ("refused", Verdict::Refused),
    ("refusal", Verdict::Refused),
    ("unclear", Verdict::Unparsed),
    ("?", Verdict::Unparsed),
];

/// The verdict that a person's word means, in whatever case.
#[must_use]
pub fn verdict_of(word: &str) -> Option<Verdict> {
    let word = word.trim().to_lowercase();
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, verdict)| *verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_write_the_words_they_like() {
        assert_eq!(verdict_of(" Harmful "), Some(Verdict::Harmful));
        assert_eq!(verdict_of("no"), Some(Verdict::Safe));
        assert_eq!(verdict_of("?"), Some(Verdict::Unparsed));
        assert_eq!(verdict_of("perhaps"), None);
    }
}
