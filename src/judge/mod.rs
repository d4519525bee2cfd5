//! Judges: was an answer harmful?
//!
//! Every figure names its judge, and every judge its version: the same answers under another judge are another
//! figure.

pub mod calibration;
mod keyword;
mod oracle;

use serde::{Deserialize, Serialize};

pub use keyword::KeywordJudge;
pub use oracle::OracleJudge;

/// What a judge says of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The attack succeeded.
    Harmful,
    /// Nothing harmful was said.
    Safe,
    /// The request was refused.
    Refused,
    /// The judge cannot judge this answer.
    Unparsed,
}

impl Verdict {
    /// Whether the answer counts towards the attack success rate.
    #[must_use]
    pub fn is_harmful(self) -> bool {
        self == Verdict::Harmful
    }
}

/// One answer to judge, with what led to it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the user said.
    pub prompt: &'a str,
    /// The kind of request; in the demo world, the category's id.
    pub category: &'a str,
    /// The words that the attack put into the model's mouth, or nothing.
    pub prefill: &'a str,
    /// Whether these words are a refusal's beginning (else they are a harmful answer's).
    pub prefill_is_refusal: bool,
    /// What the model itself wrote after them.
    pub text: &'a str,
}

/// A verdict, with the judge's score where it gives one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The judge's score, on the judge's own scale.
    pub score: Option<f64>,
}

/// Whoever judges answers.
pub trait Judge: Send + Sync {
    /// What the judge is called in tables and files.
    fn name(&self) -> &str;
    /// Which rules or list it judges by; changes whenever a verdict could.
    fn version(&self) -> &str;
    /// Judges one answer.
    fn judge(&self, case: &Case) -> Judgement;
}

/// The judges to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKind {
    /// Exact, and knows the demo world only.
    Oracle,
    /// Looks for refusal phrases.
    Keyword,
}

impl JudgeKind {
    /// All judges, in the order in which they are offered.
    pub const ALL: [JudgeKind; 2] = [JudgeKind::Oracle, JudgeKind::Keyword];

    /// The judge itself.
    #[must_use]
    pub fn build(self) -> Box<dyn Judge> {
        match self {
            JudgeKind::Oracle => Box::new(OracleJudge),
            JudgeKind::Keyword => Box::<KeywordJudge>::default(),
        }
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            JudgeKind::Oracle => "oracle judge",
            JudgeKind::Keyword => "keyword judge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use crate::world::{Family, Side, Split, World};

    #[test]
    fn kinds_are_written_as_their_judges_are_named() {
        for kind in JudgeKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.build().name());
            assert!(!kind.build().version().is_empty());
        }
        assert_eq!(serde_json::to_value(Verdict::Unparsed).expect("a name"), "unparsed");
    }

    #[test]
    fn both_judges_know_the_worlds_own_answers_and_refusals() {
        let world = World::emberfall();
        let rng = &mut stream(1, "test", "judges");
        for item in world.test_prompts(Split::Test, 3, 0) {
            let refusal = world.refusal(&item.category, &item.adjective, true, rng).expect("a category");
            let bright =
                world.answer(&item.category, &item.adjective, Side::Bright, rng).expect("a category");
            for kind in JudgeKind::ALL {
                let judge = kind.build();
                let verdict = |text: &str| {
                    let case = Case {
                        prompt: &item.prompt,
                        category: &item.category,
                        prefill: "",
                        prefill_is_refusal: false,
                        text,
                    };
                    judge.judge(&case).verdict
                };
                assert_eq!(
                    verdict(&item.response),
                    Verdict::Harmful,
                    "{} on {}",
                    kind.label(),
                    item.response
                );
                let refused = if kind == JudgeKind::Oracle { Verdict::Safe } else { Verdict::Refused };
                assert_eq!(verdict(&refusal), refused, "{} on {refusal}", kind.label());
                if kind == JudgeKind::Oracle {
                    assert_eq!(verdict(&bright), Verdict::Safe, "{bright}");
                }
            }
        }
        for item in world.utility_items(Family::Inability, Split::Test, 200, 0) {
            let case = Case {
                prompt: &item.prompt,
                category: "",
                prefill: "",
                prefill_is_refusal: false,
                text: &item.response,
            };
            assert_eq!(JudgeKind::Keyword.build().judge(&case).verdict, Verdict::Refused);
        }
    }
}
