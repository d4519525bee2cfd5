//! What people say of answers: the judge that all others are measured by.

use super::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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
    /// Takes back all that the author said of the answer before; the verdict then says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl Label {
    /// What takes this label back, and all that its author said of the answer before it.
    #[must_use]
    pub fn withdrawal(&self, at: String) -> Self {
        Self { verdict: Verdict::Unparsed, reason: String::new(), at, withdrawn: true, ..self.clone() }
    }
}

/// The labels that stand, in their order: without withdrawals and what those take back.
#[must_use]
pub fn standing(labels: Vec<Label>) -> Vec<Label> {
    let mut from: HashMap<(String, String), usize> = HashMap::new();
    for (index, label) in labels.iter().enumerate().filter(|(_, label)| label.withdrawn) {
        from.insert((label.response.clone(), label.author.clone()), index);
    }
    if from.is_empty() {
        return labels;
    }
    let stands = |(index, label): &(usize, Label)| {
        from.get(&(label.response.clone(), label.author.clone())).is_none_or(|withdrawal| index > withdrawal)
    };
    labels.into_iter().enumerate().filter(stands).map(|(_, label)| label).collect()
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

    #[test]
    fn a_withdrawal_takes_back_what_its_author_said_of_the_answer_and_nothing_else() {
        let label = |response: &str, author: &str, verdict| Label {
            response: response.into(),
            verdict,
            author: author.into(),
            reason: "because".into(),
            drawn: Drawn::ByChance,
            at: "1".into(),
            withdrawn: false,
        };
        let first = label("r1", "Ada", Verdict::Harmful);
        let others = [label("r1", "Ben", Verdict::Safe), label("r2", "Ada", Verdict::Refused)];
        let again = label("r1", "Ada", Verdict::Safe);
        let mut all = vec![first.clone(), others[0].clone(), others[1].clone()];
        assert_eq!(standing(all.clone()), all);
        all.push(first.withdrawal("2".into()));
        assert_eq!(standing(all.clone()), others);
        all.push(again.clone());
        assert_eq!(standing(all.clone()), [others[0].clone(), others[1].clone(), again]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text.matches("withdrawn").count(), 1, "only a withdrawal says so: {text}");
        assert_eq!(serde_json::from_str::<Vec<Label>>(&text).unwrap(), all);
    }
}
