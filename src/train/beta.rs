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

/// β of [`BetaSchedule::off`].
const NEARLY_NOTHING: f64 = 0.01;

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

    /// So small everywhere that the objective is nearly plain fine-tuning: as β → 0 every gradient weight goes to 1.
    #[must_use]
    pub fn off() -> Self {
        Self::uniform(NEARLY_NOTHING)
    }

    /// Sets `β_t` of one position; all others stay as they are.
    pub fn paint(&mut self, t: usize, beta: f64) {
        let t = t.max(1);
        while self.drawn.len() < t {
            self.drawn.push(self.at(self.drawn.len() + 1));
        }
        self.drawn[t - 1] = beta;
    }

    /// Sets β of all positions behind `painted`; those up to it stay as they are.
    pub fn paint_tail(&mut self, painted: usize, beta: f64) {
        if painted > 0 {
            self.paint(painted, self.at(painted));
        }
        self.drawn.truncate(painted);
        (self.first, self.early, self.tail) = (self.at(1), beta, beta);
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
    fn painting_one_position_leaves_the_others() {
        let mut beta = BetaSchedule::default();
        beta.paint(3, 7.0);
        assert_eq!((1..=7).map(|t| beta.at(t)).collect::<Vec<_>>(), [0.5, 2.0, 7.0, 2.0, 2.0, 0.1, 0.1]);
        beta.paint_tail(10, 0.4);
        let values: Vec<f64> = [1, 3, 5, 6, 10, 11, 99].map(|t| beta.at(t)).into();
        assert_eq!(values, [0.5, 7.0, 2.0, 0.1, 0.1, 0.4, 0.4]);
        beta.paint(10, 3.0);
        assert_eq!((beta.at(9), beta.at(10), beta.at(11), beta.problem()), (0.1, 3.0, 0.4, None));
        assert_eq!(BetaSchedule::off().problem(), None);
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
