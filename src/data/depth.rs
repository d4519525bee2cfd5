//! How many harmful tokens stand before the refusal of a recovery example.

use crate::rng;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The distribution of the cut depth k (Qi et al., §3.1): k = 0 with probability `p_zero`, else uniform in
/// 1..=min(`max`, length of the harmful answer).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DepthDistribution {
    /// Probability of k = 0, that is of a plain refusal.
    pub p_zero: f64,
    /// The largest k, in tokens (the paper's C).
    pub max: usize,
}

impl Default for DepthDistribution {
    /// The paper's: one half, and C = 100.
    fn default() -> Self {
        Self { p_zero: 0.5, max: 100 }
    }
}

impl DepthDistribution {
    /// The depth of one visit. It depends on the seed, the example's id and the epoch alone, so that adding or
    /// removing other examples changes nothing. `harmful_len` is the length of the harmful answer in tokens.
    #[must_use]
    pub fn draw(&self, seed: u64, example: &str, epoch: usize, harmful_len: usize) -> usize {
        let deepest = self.max.min(harmful_len);
        let mut stream = rng::stream(seed, "depth", &format!("{epoch}:{example}"));
        if deepest == 0 || stream.random::<f64>() < self.p_zero {
            return 0;
        }
        stream.random_range(1..=deepest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_of_the_draws_are_zero_and_the_rest_uniform() {
        let distribution = DepthDistribution { p_zero: 0.5, max: 10 };
        let mut counts = [0usize; 11];
        for i in 0..20_000 {
            counts[distribution.draw(3, &format!("example-{i}"), i % 5, 400)] += 1;
        }
        // Binomial: 10 000 ± 4·71 and 1 000 ± 4·31.
        assert!(counts[0].abs_diff(10_000) < 284, "{counts:?}");
        assert!(counts[1..].iter().all(|&c| c.abs_diff(1000) < 124), "{counts:?}");
    }

    #[test]
    fn the_harmful_answer_bounds_the_depth_and_every_length_is_reached() {
        let distribution = DepthDistribution { p_zero: 0.0, max: 100 };
        let draws: std::collections::BTreeSet<usize> =
            (0..200).map(|epoch| distribution.draw(0, "a", epoch, 4)).collect();
        assert_eq!(draws.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(distribution.draw(0, "a", 0, 0), 0, "an empty answer leaves nothing to cut");
    }

    proptest! {
        #[test]
        fn a_draw_repeats_and_stays_in_range(seed: u64, epoch in 0usize..9, max in 0usize..200, len in 0usize..200, p in 0.0f64..=1.0) {
            let distribution = DepthDistribution { p_zero: p, max };
            let depth = distribution.draw(seed, "x", epoch, len);
            prop_assert!(depth <= max.min(len));
            prop_assert_eq!(depth, distribution.draw(seed, "x", epoch, len));
        }
    }
}
