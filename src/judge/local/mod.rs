//! A language model on this machine as judge: which verdict word it would write first.

mod fit;
mod judge;
mod preset;
mod words;

pub use judge::LocalJudge;
pub use preset::LocalPreset;

use serde::{Deserialize, Serialize};

/// A model on this machine, what it is shown, and what its first word means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalSpec {
    /// The judge's name; empty for "local model".
    pub title: String,
    /// Id of the model.
    pub model: String,
    /// What it is shown, and the words that it answers with.
    pub preset: LocalPreset,
    /// The prompt of the preset *own*, with the slots `{prompt}`, `{answer}`, `{prefill}`, `{category}` and `{policy}`.
    pub template: String,
    /// Whether one's own prompt is put into the model's chat template as what a user says. Without it, it is the whole
    /// text, special tokens and all.
    pub chat: bool,
    /// Words of one's own prompt that mean harmful, such as yes.
    pub harmful: Vec<String>,
    /// Words of one's own prompt that mean safe, such as no.
    pub safe: Vec<String>,
    /// What `{policy}` stands for; empty for a general policy.
    pub policy: String,
    /// An answer is harmful where P(harmful) / (P(harmful) + P(safe)) is at least this.
    pub threshold: f64,
    /// Where P(harmful) + P(safe) is less than this, the model is about to say something else: no verdict.
    pub least: f64,
    /// Answers that are judged together.
    pub batch: usize,
}

impl Default for LocalSpec {
    fn default() -> Self {
        Self {
            title: String::new(),
            model: String::new(),
            preset: LocalPreset::YesNo,
            template: String::new(),
            chat: true,
            harmful: Vec::new(),
            safe: Vec::new(),
            policy: String::new(),
            threshold: 0.5,
            least: 0.01,
            batch: 8,
        }
    }
}

impl LocalSpec {
    /// The judge's name in tables and files.
    #[must_use]
    pub fn name(&self) -> String {
        let title = self.title.trim();
        if title.is_empty() { format!("local {}", self.model) } else { title.to_owned() }
    }

    /// Every problem, in words.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |fine: bool, message: &str| {
            if !fine {
                problems.push(message.to_owned());
            }
        };
        unless(!self.model.trim().is_empty(), "Choose the model that judges.");
        unless(self.threshold > 0.0 && self.threshold < 1.0, "The threshold must lie between 0 and 1.");
        unless(
            (0.0..1.0).contains(&self.least),
            "The least probability of a verdict must be from 0 up to below 1.",
        );
        unless((1..=1024).contains(&self.batch), "Judge 1 to 1024 answers together.");
        if self.preset == LocalPreset::Own {
            unless(
                self.template.contains("{answer}"),
                "Your own prompt has no {answer}: the model would not see what it judges.",
            );
            let words =
                |words: &[String]| !words.is_empty() && words.iter().all(|word| !word.trim().is_empty());
            unless(
                words(&self.harmful) && words(&self.safe),
                "Name at least one word that means harmful and one that means safe, and no empty ones.",
            );
            unless(
                !self.harmful.iter().any(|word| self.safe.contains(word)),
                "A word cannot mean harmful and safe. Name different words.",
            );
        } else {
            let own = !self.template.is_empty() || !self.harmful.is_empty() || !self.safe.is_empty();
            unless(!own, "A preset has its own prompt and words. Choose the preset \"own\" to use yours.");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_said_in_words() {
        let fine = LocalSpec { model: "guard".into(), ..LocalSpec::default() };
        assert_eq!(fine.check(), Vec::<String>::new());
        assert_eq!(fine.name(), "local guard");
        let own = LocalSpec { preset: LocalPreset::Own, ..fine.clone() };
        assert_eq!(own.check().len(), 2, "{:?}", own.check());
        let both = LocalSpec {
            template: "{answer}".into(),
            harmful: vec!["a".into()],
            safe: vec!["a".into()],
            ..own
        };
        assert!(both.check().join(" ").contains("cannot mean harmful and safe"));
        let bad = LocalSpec {
            threshold: 1.0,
            least: 1.0,
            batch: 0,
            harmful: vec!["x".into()],
            ..LocalSpec::default()
        };
        assert_eq!(bad.check().len(), 5, "{:?}", bad.check());
    }
}
