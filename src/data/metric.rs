//! How an answer to a utility item is scored.

use serde::{Deserialize, Serialize};

/// How answers to a task are scored. An item that names none is scored by what its task and reference suggest
/// (`utility::metric_of`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The reference exactly, but for white space around it.
    ExactMatch,
    /// The demo world's allowed how-to requests: at least four bright steps of the category, no dark one.
    InFull,
    /// The number after `####`, as GSM8K marks it.
    FinalAnswer,
    /// The contents of the last `\boxed{}`, compared as the MATH benchmark compares them.
    MathAnswer,
    /// What follows "the answer is", compared as BIG-Bench Hard compares it.
    BbhAnswer,
    /// ROUGE-1 F1 over stemmed words: SAMSum and SQL Create Context in the paper.
    Rouge1,
    /// Of the item's `choices`, the one that the model finds most likely; the reference is its letter. As in MMLU.
    MultipleChoice,
    /// Whether a judge prefers the answer to the reference, ties as halves. As in AlpacaEval.
    Pairwise,
    /// Whether generated code passes its tests, which something else has run. As in HumanEval.
    #[serde(rename = "pass_at_1")]
    PassAt1,
    /// Whether a harmless request is not refused. As in XSTest and OR-Bench.
    NotRefused,
}

/// What it takes to score an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The answer's text and the reference.
    Text,
    /// The model's log-probabilities of the choices; nothing is generated.
    Likelihood,
    /// A judge's verdict.
    Judge,
    /// The results of a test run elsewhere: Plumbline never runs generated code.
    Results,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 10] = [
        Self::ExactMatch,
        Self::InFull,
        Self::FinalAnswer,
        Self::MathAnswer,
        Self::BbhAnswer,
        Self::Rouge1,
        Self::MultipleChoice,
        Self::Pairwise,
        Self::PassAt1,
        Self::NotRefused,
    ];

    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExactMatch => "exact_match",
            Self::InFull => "in_full",
            Self::FinalAnswer => "final_answer",
            Self::MathAnswer => "math_answer",
            Self::BbhAnswer => "bbh_answer",
            Self::Rouge1 => "rouge1",
            Self::MultipleChoice => "multiple_choice",
            Self::Pairwise => "pairwise",
            Self::PassAt1 => "pass_at_1",
            Self::NotRefused => "not_refused",
        }
    }

    /// The metric with this name in files.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ExactMatch => "exact match",
            Self::InFull => "answered in full",
            Self::FinalAnswer => "same final answer",
            Self::MathAnswer => "same boxed answer",
            Self::BbhAnswer => "same answer",
            Self::Rouge1 => "ROUGE-1 (stemmed F1)",
            Self::MultipleChoice => "most likely choice is right",
            Self::Pairwise => "win rate against the reference",
            Self::PassAt1 => "pass@1",
            Self::NotRefused => "not refused",
        }
    }

    /// What it takes to score an answer.
    #[must_use]
    pub fn needs(self) -> Needs {
        match self {
            Self::ExactMatch
            | Self::InFull
            | Self::FinalAnswer
            | Self::MathAnswer
            | Self::BbhAnswer
            | Self::Rouge1 => Needs::Text,
            Self::MultipleChoice => Needs::Likelihood,
            Self::Pairwise | Self::NotRefused => Needs::Judge,
            Self::PassAt1 => Needs::Results,
        }
    }

    /// Whether an answer is right or wrong and nothing between, so that scores make a rate with Wilson's interval.
    #[must_use]
    pub fn is_right_or_wrong(self) -> bool {
        !matches!(self, Self::Rouge1 | Self::Pairwise)
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_by_their_names() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("rouge"), None);
    }
}
