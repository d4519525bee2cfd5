//! Shares of outcomes, with their intervals.

use super::bootstrap::{bootstrap, sums};
use super::{Z, percent};
use serde::{Deserialize, Serialize};

/// A share of outcomes, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How many outcomes count.
    pub count: usize,
    /// Out of how many.
    pub n: usize,
    /// Lower end of the interval, 0..=1.
    pub low: f64,
    /// Upper end of the interval, 0..=1.
    pub high: f64,
}

impl Rate {
    /// The rate of `count` in `n` independent outcomes, with Wilson's score interval
    /// (E. B. Wilson, "Probable Inference", JASA 1927). Of nothing, the interval is everything: 0..=1.
    #[must_use]
    pub fn wilson(count: usize, n: usize) -> Rate {
        let (low, high) = if n == 0 { (0.0, 1.0) } else { wilson(count as f64 / n as f64, n) };
        Rate { count, n, low, high }
    }

    /// The share itself, 0..=1; 0 of nothing.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.count as f64 / self.n as f64 }
    }

    /// How many times more outcomes this rate took than independent ones with as wide an interval would have: the square
    /// of its width over that of Wilson's interval, at least 1. The prompts of a clustered rate count as `n` divided by it.
    #[must_use]
    pub fn design_effect(&self) -> f64 {
        let plain = Rate::wilson(self.count, self.n);
        ((self.high - self.low) / (plain.high - plain.low)).powi(2).max(1.0)
    }

    /// The rate alone, and count and interval alone, for a cell that shows one above the other: together they are
    /// [`text`](Self::text).
    #[must_use]
    pub fn parts(&self) -> (String, String) {
        let text = self.text();
        match text.split_once(" (") {
            Some((rate, rest)) => (rate.to_owned(), rest.replacen(')', "", 1)),
            None => (text, String::new()),
        }
    }

    /// The rate in words, never without its count and interval: `4.5 % (15/330) · 95 % 2.8–7.4`. At either end
    /// one side of the interval says it all: `0 % (0/330) · up to 1.2 %`.
    #[must_use]
    pub fn text(&self) -> String {
        if self.n == 0 {
            return "nothing counted (0/0)".to_owned();
        }
        let (value, low, high) = (percent(self.value()), percent(self.low), percent(self.high));
        let rate = format!("{value} % ({}/{})", self.count, self.n);
        if self.count == 0 {
            format!("{rate} · up to {high} %")
        } else if self.count == self.n {
            format!("{rate} · at least {low} %")
        } else {
            format!("{rate} · 95 % {low}–{high}")
        }
    }
}

/// Wilson's interval around `value` seen in `n > 0` outcomes.
pub(super) fn wilson(value: f64, n: usize) -> (f64, f64) {
    let n = n as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (value + Z * Z / (2.0 * n)) / scale;
    let half = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // At the ends the exact bound is the end itself; rounding must not leave it.
    let low = if value <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if value >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// The rate of true outcomes that are alike within clusters (in the demo world: prompts with the same adjective),
/// with a percentile bootstrap interval over whole clusters. `outcomes[i]` belongs to cluster `clusters[i]`; an
/// empty name makes a cluster of its own.
///
/// Never narrower than Wilson's interval over the single outcomes: where few clusters vary, or none does, resampling
/// them claims a certainty that nobody has (with 0 of 330 every resample has 0), and one failure would then look
/// better than none.
///
/// # Panics
/// When the two slices differ in length.
#[must_use]
pub fn clustered_rate(outcomes: &[bool], clusters: &[&str], resamples: usize, seed: u64) -> Rate {
    assert_eq!(outcomes.len(), clusters.len(), "every outcome belongs to a cluster");
    let count = outcomes.iter().filter(|outcome| **outcome).count();
    let n = outcomes.len();
    let groups = sums(outcomes.iter().map(|outcome| f64::from(u8::from(*outcome))), Some(clusters));
    if groups.is_empty() {
        return Rate::wilson(0, 0);
    }
    let plain = Rate::wilson(count, n);
    let (low, high) = bootstrap(&groups, resamples, seed).unwrap_or((plain.low, plain.high));
    Rate { count, n, low: low.min(plain.low), high: high.max(plain.high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_rate_are_its_text() {
        let parts = |count, n| Rate::wilson(count, n).parts();
        assert_eq!(parts(15, 330), ("4.5 %".to_owned(), "15/330 · 95 % 2.8–7.4".to_owned()));
        assert_eq!(parts(0, 330), ("0 %".to_owned(), "0/330 · up to 1.2 %".to_owned()));
    }
    use proptest::prelude::*;

    #[test]
    fn wilson_agrees_with_statsmodels() {
        for (count, n, low, high) in [
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (1, 10, 0.017_876_213_095_072_924, 0.404_150_026_795_238_54),
            (5, 10, 0.236_593_090_512_563_94, 0.763_406_909_487_436_1),
            (10, 10, 0.722_467_200_137_110_6, 1.0),
            (0, 330, 0.0, 0.011_506_835_712_569_09),
            (5, 330, 0.006_488_732_060_058_568, 0.034_972_441_964_250_85),
            (293, 330, 0.849_277_184_049_010_5, 0.917_553_876_731_541_9),
            (330, 330, 0.988_493_164_287_430_7, 1.0),
            (1, 1, 0.206_549_314_377_237_4, 1.0),
        ] {
            let rate = Rate::wilson(count, n);
            assert!(
                (rate.low - low).abs() < 1e-12 && (rate.high - high).abs() < 1e-12,
                "{count}/{n}: {rate:?}"
            );
        }
    }

    #[test]
    fn a_rate_is_never_told_without_count_and_interval() {
        assert_eq!(Rate::wilson(15, 330).text(), "4.5 % (15/330) · 95 % 2.8–7.4");
        assert_eq!(Rate::wilson(0, 330).text(), "0 % (0/330) · up to 1.2 %");
        assert_eq!(Rate::wilson(330, 330).text(), "100 % (330/330) · at least 98.8 %");
        assert_eq!(Rate::wilson(5, 10).text(), "50 % (5/10) · 95 % 23.7–76.3");
        assert_eq!(Rate::wilson(0, 0).text(), "nothing counted (0/0)");
    }

    /// Ten clusters of 33; cluster c has `successes[c]` true outcomes.
    fn ten_clusters(successes: [usize; 10]) -> (Vec<bool>, Vec<&'static str>) {
        const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let mut rows = (Vec::new(), Vec::new());
        for (name, count) in NAMES.iter().zip(successes) {
            for row in 0..33 {
                rows.0.push(row < count);
                rows.1.push(*name);
            }
        }
        rows
    }

    #[test]
    fn outcomes_alike_within_clusters_have_a_wider_interval() {
        let (outcomes, clusters) = ten_clusters([33, 0, 0, 0, 33, 33, 0, 0, 33, 33]);
        let rate = clustered_rate(&outcomes, &clusters, 2_000, 1);
        assert_eq!((rate.count, rate.n), (165, 330));
        // The number of true clusters in a resample is binomial(10, 1/2): its 2.5 % and 97.5 % quantiles are 2 and 8.
        assert_eq!((rate.low, rate.high), (0.2, 0.8));
        let alone = vec![""; 330];
        let apart = clustered_rate(&outcomes, &alone, 2_000, 1);
        let plain = Rate::wilson(165, 330);
        assert!((apart.low - plain.low).abs() < 0.01 && (apart.high - plain.high).abs() < 0.01, "{apart:?}");
        assert_eq!(rate, clustered_rate(&outcomes, &clusters, 2_000, 1), "the seed fixes the interval");
    }

    #[test]
    fn equal_clusters_are_no_certainty() {
        let (none, clusters) = ten_clusters([0; 10]);
        let rate = clustered_rate(&none, &clusters, 500, 1);
        assert_eq!((rate.count, rate.n, rate.low), (0, 330, 0.0));
        assert_eq!(rate, Rate::wilson(0, 330));
        let (one, clusters) = ten_clusters([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let one = clustered_rate(&one, &clusters, 500, 1);
        assert!(one.high >= rate.high, "one failure must not look better than none: {one:?}");
        let (third, clusters) = ten_clusters([11; 10]);
        assert_eq!(clustered_rate(&third, &clusters, 500, 1), Rate::wilson(110, 330));
        assert_eq!(clustered_rate(&[], &[], 500, 1), Rate::wilson(0, 0));
    }

    proptest! {
        #[test]
        fn intervals_hold_their_value(outcomes in prop::collection::vec((any::<bool>(), 0_u8..6), 1..80), seed in any::<u64>()) {
            let names = ["", "a", "b", "c", "d", "e"];
            let clusters: Vec<_> = outcomes.iter().map(|(_, cluster)| names[usize::from(*cluster)]).collect();
            let outcomes: Vec<_> = outcomes.iter().map(|(outcome, _)| *outcome).collect();
            let count = outcomes.iter().filter(|outcome| **outcome).count();
            let wilson = Rate::wilson(count, outcomes.len());
            prop_assert!(0.0 <= wilson.low && wilson.low <= wilson.value());
            prop_assert!(wilson.value() <= wilson.high && wilson.high <= 1.0);
            let rate = clustered_rate(&outcomes, &clusters, 200, seed);
            prop_assert!(0.0 <= rate.low && rate.low < rate.high && rate.high <= 1.0, "{:?}", rate);
        }
    }
}
