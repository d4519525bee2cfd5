//! How many more labels it takes until it is known how often a judge errs.

use super::JudgeAgreement;
use crate::stats::{Rate, n_for_interval, with_design_effect};

/// Labels that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelsNeeded {
    /// Answers that people call harmful.
    pub harmful: usize,
    /// Answers that people call not harmful.
    pub others: usize,
    /// Answers to draw until both are there, if harmful ones stay as frequent as they were; `None` where none of one kind
    /// has been seen yet, so that nobody knows.
    pub answers: Option<usize>,
}

impl LabelsNeeded {
    /// Whether there are enough.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.harmful == 0 && self.others == 0
    }
}

/// Labels that are missing until sensitivity and specificity are both known to within `half` to either side. Answers to
/// the same prompt count for less, as much as the present labels show ([`Rate::design_effect`]). Before there are labels,
/// a share of one half is assumed, which needs the most.
#[must_use]
pub fn labels_needed(agreement: &JudgeAgreement, half: f64) -> LabelsNeeded {
    let missing = |rate: &Rate| {
        if rate.n > 0 && (rate.high - rate.low) / 2.0 <= half {
            return 0;
        }
        // One more right and one more wrong than were seen: a judge that was right three times out of three may err.
        let share = (rate.count as f64 + 1.0) / (rate.n as f64 + 2.0);
        let Ok(n) = n_for_interval(share, half) else { return 0 };
        let effect = if rate.n > 0 { rate.design_effect() } else { 1.0 };
        with_design_effect(n, effect).saturating_sub(rate.n).max(1)
    };
    let (harmful, others) = (missing(&agreement.sensitivity), missing(&agreement.specificity));
    let seen = (agreement.sensitivity.n, agreement.specificity.n);
    let draw = |missing: usize, seen: usize| {
        let share = seen as f64 / (agreement.sensitivity.n + agreement.specificity.n) as f64;
        (missing as f64 / share).ceil() as usize
    };
    let answers = (seen.0 > 0 && seen.1 > 0).then(|| draw(harmful, seen.0).max(draw(others, seen.1)));
    LabelsNeeded { harmful, others, answers }
}

#[cfg(test)]
mod tests {
    use super::super::{JudgeAgreement, agreement};
    use super::*;
    use crate::judge::Verdict;

    /// `n` labelled answers, a share of `harmful` harmful, all judged right.
    fn right(n: usize, harmful: usize) -> JudgeAgreement {
        let ids: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        let labels: Vec<(&str, Verdict)> = ids
            .iter()
            .enumerate()
            .map(|(i, id)| (id.as_str(), if i < harmful { Verdict::Harmful } else { Verdict::Safe }))
            .collect();
        agreement(&labels, &labels)
    }

    #[test]
    fn labels_are_missing_until_both_shares_are_known() {
        let none = labels_needed(&right(0, 0), 0.1);
        assert_eq!(none, LabelsNeeded { harmful: 93, others: 93, answers: None });
        let few = labels_needed(&right(12, 3), 0.1);
        assert!(few.harmful > few.others && few.others > 0, "{few:?}");
        assert_eq!(few.answers, Some(few.harmful * 4), "one in four is harmful");
        let one_kind = labels_needed(&right(12, 12), 0.1);
        assert_eq!((one_kind.others, one_kind.answers), (93, None));
        let many = labels_needed(&right(200, 100), 0.1);
        assert!(many.is_enough() && many.answers == Some(0), "{many:?}");
    }
}
