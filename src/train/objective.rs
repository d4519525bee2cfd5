//! The losses: functions of the log-probabilities of the trained tokens.

use super::TrainError;
use super::beta::BetaSchedule;
use crate::model::Batch;
use crate::text::Encoded;

/// The weight below which a token is not let fall: keeps a gradient on tokens that are learnt completely (the floor
/// of the authors' code).
const WEIGHT_FLOOR: f64 = 1e-3;

/// `w_t` = `2σ(β_t` · (log `π_aligned(y_t)` − log `π_θ(y_t)`)) (Qi et al., §4.1): by how much the gradient of the
/// constrained objective is that of the cross-entropy. 1 at the start, where both models are the same; below 1 once the
/// token has become more probable; not let fall below 1e-3.
#[must_use]
pub fn gradient_weight(beta: f64, aligned: f32, log_prob: f32) -> f64 {
    let gap = beta * (f64::from(log_prob) - f64::from(aligned));
    (2.0 / (1.0 + gap.exp())).max(WEIGHT_FLOOR)
}

/// The trained tokens of some rows: what they are, their loss weights, and their position t in their answer.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The rows and the tokens.
    pub batch: Batch,
    /// The tokens' loss weights.
    pub weights: Vec<f32>,
    /// Their 1-based positions in their answers; in plain documents, in the row.
    pub positions: Vec<usize>,
}

impl Targets {
    /// Collects the trained tokens of `rows`.
    pub fn new(rows: &[&Encoded]) -> Result<Self, TrainError> {
        let mut targets = Self { batch: Batch::default(), weights: Vec::new(), positions: Vec::new() };
        let mut start = 0;
        for row in rows {
            for i in 1..row.ids.len() {
                if row.weights[i] > 0.0 {
                    targets.batch.from.push(start + i - 1);
                    targets.batch.targets.push(row.ids[i]);
                    targets.weights.push(row.weights[i]);
                    targets.positions.push(row.answer_position(i).unwrap_or(i));
                }
            }
            start += row.ids.len();
            targets.batch.rows.push(row.ids.clone());
        }
        if targets.weights.is_empty() {
            return Err(TrainError::NothingTrained);
        }
        Ok(targets)
    }

    /// The number of trained tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The same targets in parts of at most `rows` rows, each with the index of its first target.
    #[must_use]
    pub fn parts(&self, rows: usize) -> Vec<(usize, Batch)> {
        let mut parts = Vec::new();
        let (mut start, mut target) = (0, 0);
        for chunk in self.batch.rows.chunks(rows.max(1)) {
            let end = start + chunk.iter().map(Vec::len).sum::<usize>();
            let from = target;
            while target < self.len() && self.batch.from[target] < end {
                target += 1;
            }
            parts.push((
                from,
                Batch {
                    rows: chunk.to_vec(),
                    from: self.batch.from[from..target].iter().map(|at| at - start).collect(),
                    targets: self.batch.targets[from..target].to_vec(),
                },
            ));
            start = end;
        }
        parts
    }
}

/// A loss as a sum over the trained tokens: each contributes a value that depends on its log-probability alone.
#[derive(Clone, Debug)]
pub enum Objective<'a> {
    /// −Σ c log `π(y_t)`: cross-entropy with a coefficient for each token.
    CrossEntropy {
        /// The coefficients; they add up to 1.
        coefficients: Vec<f32>,
    },
    /// The token-wise constrained objective (Qi et al., §4.1, equation 4), averaged over the trained tokens:
    ///
    /// (`2/β_t`) · `softplus(−β_t` · (log `π_θ(y_t)` − log `π_aligned(y_t)`))
    ///
    /// Its gradient is that of the cross-entropy times `w_t` = `2σ(β_t` · (log `π_aligned` − log `π_θ`)), which is not
    /// let fall below 1e-3.
    Constrained {
        /// log `π_aligned(y_t)` of each token.
        reference: &'a [f32],
        /// `β_t` of each token.
        betas: Vec<f64>,
    },
}

impl<'a> Objective<'a> {
    /// Mean cross-entropy over the trained tokens, by their weights.
    #[must_use]
    pub fn cross_entropy(targets: &Targets) -> Self {
        let total: f32 = targets.weights.iter().sum();
        Self::CrossEntropy { coefficients: targets.weights.iter().map(|w| w / total).collect() }
    }

    /// α · mean over the first `count` tokens + (1 − α) · mean over the others (Qi et al., equation 2).
    #[must_use]
    pub fn two_means(targets: &Targets, count: usize, alpha: f64) -> Self {
        let (first, second) = targets.weights.split_at(count);
        let share = |part: &[f32], share: f64| {
            let total: f32 = part.iter().sum();
            part.iter().map(move |w| share as f32 * w / total).collect::<Vec<f32>>()
        };
        Self::CrossEntropy { coefficients: [share(first, alpha), share(second, 1.0 - alpha)].concat() }
    }

    /// The constrained objective against the log-probabilities of the aligned model.
    #[must_use]
    pub fn constrained(targets: &Targets, reference: &'a [f32], beta: &BetaSchedule) -> Self {
        assert_eq!(reference.len(), targets.len(), "one log-probability of the aligned model for each token");
        Self::Constrained { reference, betas: targets.positions.iter().map(|&t| beta.at(t)).collect() }
    }

    /// What token `i` contributes to the loss at this log-probability, and the derivative that it is trained by.
    #[must_use]
    pub fn at(&self, i: usize, log_prob: f32) -> (f64, f32) {
        match self {
            Self::CrossEntropy { coefficients } => {
                (-f64::from(coefficients[i]) * f64::from(log_prob), -coefficients[i])
            }
            Self::Constrained { reference, betas } => {
                let (beta, count) = (betas[i], betas.len() as f64);
                let gap = beta * (f64::from(log_prob) - f64::from(reference[i]));
                let weight = gradient_weight(beta, reference[i], log_prob);
                (2.0 / beta * softplus(-gap) / count, (-weight / count) as f32)
            }
        }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_learnt_weighs_less_the_less_probable_it_was() {
        let weight = |beta, aligned| gradient_weight(beta, aligned, 0.0);
        assert!((gradient_weight(2.0, -3.0, -3.0) - 1.0).abs() < 1e-12, "both models are the same");
        assert!((weight(0.5, -2.0) - 2.0 / (1.0 + 1f64.exp())).abs() < 1e-12);
        assert!(weight(2.0, -2.0) < weight(0.5, -2.0) && weight(0.5, -4.0) < weight(0.5, -2.0));
        assert!(gradient_weight(1.0, -1.0, -2.0) > 1.0, "what has become less probable is pulled back");
        assert!((weight(100.0, -9.0) - WEIGHT_FLOOR).abs() < 1e-12);
    }

    #[test]
    fn parts_hold_the_same_targets() {
        let row = |ids: &[u32], start: usize| Encoded {
            ids: ids.to_vec(),
            answers: Vec::new(),
            weights: (0..ids.len()).map(|i| if i >= start { 1.0 } else { 0.0 }).collect(),
        };
        let rows = [row(&[1, 2, 3], 1), row(&[4, 5], 2), row(&[6, 7, 8, 9], 2)];
        let targets = Targets::new(&rows.iter().collect::<Vec<_>>()).unwrap();
        for size in 1..=3 {
            let mut found = Vec::new();
            for (first, part) in targets.parts(size) {
                let ids: Vec<u32> = part.rows.concat();
                for (i, (&from, &target)) in part.from.iter().zip(&part.targets).enumerate() {
                    assert_eq!(ids[from + 1], target, "the target follows the token it is predicted from");
                    found.push((first + i, target));
                }
            }
            let all: Vec<(usize, u32)> = targets.batch.targets.iter().copied().enumerate().collect();
            assert_eq!(found, all, "parts of {size} rows");
        }
    }
}
