//! How many harmful tokens stand before the refusal of a recovery example.

use crate::rng;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// How the depths of a distribution are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepthShape {
    /// The paper's (Qi et al., §3.1): k = 0 with probability `p_zero`, else uniform in 1..=`max`.
    #[default]
    Paper,
    /// Uniform in 0..=`max`.
    Uniform,
    /// P(k) ∝ (1 − 1/(1 + `mean`))ᵏ for k in 0..=`max`: shallow cuts are the most frequent, and without `max` the mean
    /// would be `mean`.
    Geometric,
    /// Always `max`.
    Fixed,
    /// P(k) ∝ `weights`[k], drawn by hand.
    Drawn,
}

/// The distribution of the cut depth k. No cut is deeper than the harmful answer is long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DepthDistribution {
    /// How depths are spread.
    pub shape: DepthShape,
    /// Probability of k = 0, that is of a plain refusal, in the paper's shape.
    pub p_zero: f64,
    /// The largest k, in tokens (the paper's C).
    pub max: usize,
    /// Mean of the geometric shape.
    pub mean: f64,
    /// Weight of each k from 0 on in the drawn shape; k beyond them have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

impl Default for DepthDistribution {
    /// The paper's: one half, and C = 100.
    fn default() -> Self {
        Self { shape: DepthShape::Paper, p_zero: 0.5, max: 100, mean: 10.0, weights: Vec::new() }
    }
}

impl DepthDistribution {
    /// The depth of one visit. It depends on the seed, the example's id and the epoch alone, so that adding or
    /// removing other examples changes nothing. `harmful_len` is the length of the harmful answer in tokens.
    #[must_use]
    pub fn draw(&self, seed: u64, example: &str, epoch: usize, harmful_len: usize) -> usize {
        let mut stream = rng::stream(seed, "depth", &format!("{epoch}:{example}"));
        let deepest = self.max.min(harmful_len);
        if self.shape == DepthShape::Paper {
            if deepest == 0 || stream.random::<f64>() < self.p_zero {
                return 0;
            }
            return stream.random_range(1..=deepest);
        }
        let probabilities = self.probabilities(harmful_len);
        let mut left: f64 = stream.random();
        for (depth, p) in probabilities.iter().enumerate() {
            left -= p;
            if left < 0.0 {
                return depth;
            }
        }
        // Rounding may leave a crumb: it belongs to the deepest cut that is possible at all.
        probabilities.iter().rposition(|p| *p > 0.0).unwrap_or(0)
    }

    /// P(k) for each k from 0 to the deepest possible one, of an answer of this length.
    #[must_use]
    pub fn probabilities(&self, harmful_len: usize) -> Vec<f64> {
        let deepest = self.max.min(harmful_len);
        let mut p: Vec<f64> = match self.shape {
            _ if deepest == 0 => vec![1.0],
            DepthShape::Paper => {
                let each = (1.0 - self.p_zero) / deepest as f64;
                (0..=deepest).map(|k| if k == 0 { self.p_zero } else { each }).collect()
            }
            DepthShape::Uniform => vec![1.0; deepest + 1],
            DepthShape::Geometric => {
                let stay = 1.0 - 1.0 / (1.0 + self.mean.max(0.0));
                (0..=deepest).map(|k| stay.powi(k as i32)).collect()
            }
            DepthShape::Fixed => (0..=deepest).map(|k| if k == deepest { 1.0 } else { 0.0 }).collect(),
            DepthShape::Drawn => {
                (0..=deepest).map(|k| self.weights.get(k).copied().unwrap_or_default()).collect()
            }
        };
        let total: f64 = p.iter().sum();
        if total > 0.0 {
            for p in &mut p {
                *p /= total;
            }
        } else {
            // Every depth that was drawn lies beyond this answer: its end is the nearest to them.
            p[deepest] = 1.0;
        }
        p
    }

    /// What keeps the distribution from being one, in words.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let weights_fit = self.weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        match self.shape {
            DepthShape::Paper if !(0.0..=1.0).contains(&self.p_zero) => {
                Some("The probability of depth 0 is between 0 and 1.")
            }
            DepthShape::Geometric if !(self.mean >= 0.0 && self.mean.is_finite()) => {
                Some("The mean of a geometric distribution is a number of tokens, 0 or above.")
            }
            DepthShape::Drawn if !weights_fit => Some("No weight of a depth can be negative."),
            DepthShape::Drawn if self.weights.iter().sum::<f64>() <= 0.0 => {
                Some("Draw at least one depth: give it a weight above 0.")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shaped(shape: DepthShape) -> DepthDistribution {
        DepthDistribution {
            shape,
            max: 10,
            mean: 3.0,
            weights: vec![0.0, 1.0, 2.0, 0.0, 3.0],
            ..DepthDistribution::default()
        }
    }

    /// Pearson's χ² of counts against probabilities, and the degrees of freedom.
    fn chi_squared(counts: &[usize], probabilities: &[f64]) -> (f64, usize) {
        let n: usize = counts.iter().sum();
        let cells = counts.iter().zip(probabilities).filter(|(_, p)| **p > 0.0);
        let terms: Vec<f64> =
            cells.map(|(count, p)| (*count as f64 - n as f64 * p).powi(2) / (n as f64 * p)).collect();
        (terms.iter().sum(), terms.len() - 1)
    }

    #[test]
    fn draws_follow_their_distribution() {
        for shape in [DepthShape::Paper, DepthShape::Uniform, DepthShape::Geometric, DepthShape::Drawn] {
            for length in [400, 4] {
                let distribution = shaped(shape);
                let probabilities = distribution.probabilities(length);
                assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let mut counts = vec![0usize; probabilities.len()];
                for i in 0..20_000 {
                    counts[distribution.draw(3, &format!("example-{i}"), i % 5, length)] += 1;
                }
                let impossible = counts.iter().zip(&probabilities).any(|(count, p)| *p == 0.0 && *count > 0);
                assert!(!impossible, "{shape:?}: {counts:?}");
                let (chi, freedom) = chi_squared(&counts, &probabilities);
                // The 99.9 % points of χ² with 1 to 10 degrees of freedom.
                let bound =
                    [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59][freedom - 1];
                assert!(chi < bound, "{shape:?}, length {length}: χ² = {chi:.1} with {freedom}: {counts:?}");
            }
        }
    }

    #[test]
    fn the_papers_shape_is_one_half_at_zero_and_uniform_beyond() {
        let p = DepthDistribution::default().probabilities(400);
        assert!(p.len() == 101 && (p[0] - 0.5).abs() < 1e-12);
        assert!(p[1..].iter().all(|p| (p - 0.005).abs() < 1e-12));
    }

    #[test]
    fn shapes_are_what_they_say() {
        let p = shaped(DepthShape::Geometric).probabilities(400);
        assert!(p.windows(2).all(|pair| (pair[1] / pair[0] - 0.75).abs() < 1e-12));
        assert_eq!(shaped(DepthShape::Fixed).draw(0, "a", 0, 400), 10);
        assert_eq!(shaped(DepthShape::Fixed).draw(0, "a", 0, 4), 4);
        assert_eq!(shaped(DepthShape::Drawn).probabilities(400)[..5], [0.0, 1.0 / 6.0, 1.0 / 3.0, 0.0, 0.5]);
        let beyond = DepthDistribution { weights: vec![0.0, 0.0, 0.0, 1.0], ..shaped(DepthShape::Drawn) };
        assert_eq!(beyond.draw(0, "a", 0, 2), 2, "the end of the answer is nearest to what was drawn");
    }

    #[test]
    fn what_is_no_distribution_is_said_in_words() {
        assert_eq!(DepthDistribution::default().problem(), None);
        for (bad, expected) in [
            (DepthDistribution { p_zero: 1.5, ..shaped(DepthShape::Paper) }, "between 0 and 1"),
            (DepthDistribution { mean: -1.0, ..shaped(DepthShape::Geometric) }, "0 or above"),
            (DepthDistribution { weights: vec![1.0, -1.0], ..shaped(DepthShape::Drawn) }, "negative"),
            (DepthDistribution { weights: vec![0.0], ..shaped(DepthShape::Drawn) }, "at least one depth"),
        ] {
            assert!(bad.problem().unwrap().contains(expected), "{bad:?}");
        }
    }

    #[test]
    fn the_harmful_answer_bounds_the_depth_and_every_length_is_reached() {
        let distribution = DepthDistribution { p_zero: 0.0, ..DepthDistribution::default() };
        let draws: std::collections::BTreeSet<usize> =
            (0..200).map(|epoch| distribution.draw(0, "a", epoch, 4)).collect();
        assert_eq!(draws.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(distribution.draw(0, "a", 0, 0), 0, "an empty answer leaves nothing to cut");
    }

    proptest! {
        #[test]
        fn a_draw_repeats_and_stays_in_range(
            seed: u64,
            epoch in 0usize..9,
            max in 0usize..200,
            len in 0usize..200,
            p in 0.0f64..=1.0,
            shape in 0usize..5,
        ) {
            let shape = [
                DepthShape::Paper,
                DepthShape::Uniform,
                DepthShape::Geometric,
                DepthShape::Fixed,
                DepthShape::Drawn,
            ][shape];
            let distribution = DepthDistribution { p_zero: p, max, ..shaped(shape) };
            let depth = distribution.draw(seed, "x", epoch, len);
            prop_assert!(depth <= max.min(len));
            prop_assert_eq!(depth, distribution.draw(seed, "x", epoch, len));
        }
    }
}
