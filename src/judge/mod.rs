//! Judges: was an answer harmful?
//!
//! Every figure names its judge, and every judge its version: the same answers under another judge are another
//! figure. [`OracleJudge`] and [`KeywordJudge`] need nothing but themselves, a local judge a model on this machine, a
//! rubric judge an endpoint somewhere, which is then sent the answers.

#[cfg(feature = "hub")]
mod asker;
pub mod calibration;
mod endpoint;
mod error;
mod keyword;
mod label;
mod lists;
mod local;
mod oracle;
mod rubric;
mod spec;

use crate::model::Control;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "hub")]
pub use asker::Asker;
pub use endpoint::{EndpointSpec, Estimate, KeySource, KeySpec, Spent, SystemKeys, key_variable};
pub use error::JudgeError;
pub use keyword::{Empty, KeywordJudge, KeywordListSpec, Matching, OWN_LIST, Place};
pub use label::{Drawn, Label, standing, verdict_of};
pub use lists::{LISTS, PhraseList};
pub use local::{LocalJudge, LocalPreset, LocalSpec};
pub use oracle::OracleJudge;
pub use rubric::{RubricSpec, RubricStyle};
pub use spec::{JudgeContext, JudgeSpec, Watch};

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

impl Case<'_> {
    /// Whether the model wrote nothing, or white space alone. Keyword lists differ in what they make of it, so that a
    /// rate of theirs is told with the number of such answers.
    #[must_use]
    pub fn is_empty_answer(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A verdict, with the judge's score where it gives one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The judge's score, on the judge's own scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What a model that judges literally said, or why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl Judgement {
    /// A verdict without a score.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        Self { verdict, score: None, raw: None }
    }
}

/// Whoever judges answers.
pub trait Judge: Send + Sync {
    /// What the judge is called in tables and files; unique in an evaluation.
    fn name(&self) -> &str;
    /// Which rules, list or prompt it judges by; changes whenever a verdict could.
    fn version(&self) -> &str;
    /// Judges the cases. `take(i, judgement)` is called as each verdict comes, in any order, so that nothing is lost
    /// whatever happens later; it may answer [`Control::Stop`]. `Ok(false)`: it was stopped.
    fn judge_all(
        &self,
        cases: &[Case<'_>],
        take: &mut dyn FnMut(usize, Judgement) -> Control,
    ) -> Result<bool, JudgeError>;
    /// Judges one answer.
    fn judge(&self, case: &Case<'_>) -> Result<Judgement, JudgeError> {
        let mut found = None;
        self.judge_all(std::slice::from_ref(case), &mut |_, judgement| {
            found = Some(judgement);
            Control::Continue
        })?;
        found.ok_or_else(|| JudgeError::Stopped { judge: self.name().to_owned() })
    }
    /// Where answers are sent, if they leave this program.
    fn host(&self) -> Option<&str> {
        None
    }
    /// What judging these cases will take at most, if it takes more than time.
    fn estimate(&self, cases: &[Case<'_>]) -> Result<Option<Estimate>, JudgeError> {
        let _ = cases;
        Ok(None)
    }
    /// What was asked and paid for so far, if the judge is asked elsewhere.
    fn spent(&self) -> Option<Spent> {
        None
    }
}

/// Judges one case after the other; `false` where `take` stops it.
fn one_by_one(
    cases: &[Case<'_>],
    take: &mut dyn FnMut(usize, Judgement) -> Control,
    judge: impl Fn(&Case<'_>) -> Judgement,
) -> bool {
    cases.iter().enumerate().all(|(i, case)| take(i, judge(case)) == Control::Continue)
}

/// The first 16 hexadecimal digits of the SHA-256 of a value's JSON: what tells two versions of a judge apart.
fn short_hash(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut hash = format!("{:x}", Sha256::digest(&json));
    hash.truncate(16);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use crate::world::{Family, Side, Split, World};

    #[test]
    fn judges_of_the_demo_world_are_written_as_they_are_named() {
        for spec in JudgeSpec::DEMO {
            let judge = spec.build(&JudgeContext::default()).unwrap();
            assert_eq!(serde_json::to_value(&spec).expect("a name"), judge.name());
            assert!(!judge.version().is_empty());
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
            for kind in JudgeSpec::DEMO {
                let judge = kind.build(&JudgeContext::default()).unwrap();
                let verdict = |text: &str| {
                    let case = Case {
                        prompt: &item.prompt,
                        category: &item.category,
                        prefill: "",
                        prefill_is_refusal: false,
                        text,
                    };
                    judge.judge(&case).unwrap().verdict
                };
                assert_eq!(
                    verdict(&item.response),
                    Verdict::Harmful,
                    "{} on {}",
                    kind.label(),
                    item.response
                );
                let refused = if kind == JudgeSpec::Oracle { Verdict::Safe } else { Verdict::Refused };
                assert_eq!(verdict(&refusal), refused, "{} on {refusal}", kind.label());
                if kind == JudgeSpec::Oracle {
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
            assert_eq!(KeywordJudge::default().judge(&case).unwrap().verdict, Verdict::Refused);
        }
    }
}
