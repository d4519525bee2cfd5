//! The β schedule of the constrained objective.

use serde::{Deserialize, Serialize};

/// `β_t` by answer position t (Qi et al., §4.1): how strongly the token-wise objective holds position t to the aligned
/// model. The paper's values protect the first tokens: `β_1` = 0.5, `β_2..5` = 2, `β_t>5` = 0.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BetaSchedule {
    /// `β_1`.
    pub first: f64,
    /// `β_2` .. β_`early_until`.
    pub early: f64,
    /// The last position that `early` holds for.
    pub early_until: usize,
    /// β of all later positions.
    pub tail: f64,
    /// `β_1`, `β_2`, … drawn by hand: where there is a value it counts instead of those above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<f64>,
}

impl Default for BetaSchedule {
    fn default() -> Self {
        Self { first: 0.5, early: 2.0, early_until: 5, tail: 0.1, drawn: Vec::new() }
    }
}

impl BetaSchedule {
    /// `β_t` for the 1-based answer position t.
    #[must_use]
    pub fn at(&self, t: usize) -> f64 {
        if let Some(drawn) = self.drawn.get(t.max(1) - 1) {
            *drawn
        } else if t <= 1 {
            self.first
        } else if t <= self.early_until {
            self.early
        } else {
            self.tail
        }
    }

    /// The same β at every position, as in the paper's ablation (Table 8).
    #[must_use]
    pub fn uniform(beta: f64) -> Self {
        Self { first: beta, early: beta, early_until: 1, tail: beta, drawn: Vec::new() }
    }

    /// What keeps it from being a schedule, in words.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let mut values = [self.first, self.early, self.tail].into_iter().chain(self.drawn.iter().copied());
        (!values.all(|beta| beta > 0.0 && beta.is_finite()))
            .then_some("Every β must be above 0; a small one, such as 0.1, hardly holds its position.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_papers() {
        let beta = BetaSchedule::default();
        let values: Vec<f64> = (1..=7).map(|t| beta.at(t)).collect();
        assert_eq!(values, [0.5, 2.0, 2.0, 2.0, 2.0, 0.1, 0.1]);
    }

    #[test]
    fn what_is_drawn_counts_first() {
        let beta = BetaSchedule { drawn: vec![1.0, 0.3], ..BetaSchedule::default() };
        assert_eq!((1..=4).map(|t| beta.at(t)).collect::<Vec<_>>(), [1.0, 0.3, 2.0, 2.0]);
        assert!(BetaSchedule { drawn: vec![0.0], ..beta }.problem().is_some());
        let values: Vec<f64> = [1, 2, 5, 6, 99].map(|t| BetaSchedule::uniform(0.5).at(t)).into();
        assert_eq!(values, [0.5; 5]);
    }
}
