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
}

impl Default for BetaSchedule {
    fn default() -> Self {
        Self { first: 0.5, early: 2.0, early_until: 5, tail: 0.1 }
    }
}

impl BetaSchedule {
    /// `β_t` for the 1-based answer position t.
    #[must_use]
    pub fn at(&self, t: usize) -> f64 {
        if t <= 1 {
            self.first
        } else if t <= self.early_until {
            self.early
        } else {
            self.tail
        }
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
}
