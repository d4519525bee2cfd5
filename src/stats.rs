//! Rates with intervals, differences of paired outcomes, and means over seeds.
//!
//! Every interval is a 95 % one. Rates and differences are fractions: 0.05 is 5 %.

use std::collections::HashMap;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::rng::stream;

/// The standard normal's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

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
fn wilson(value: f64, n: usize) -> (f64, f64) {
    let n = n as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (value + Z * Z / (2.0 * n)) / scale;
    let half = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // At the ends the exact bound is the end itself; rounding must not leave it.
    let low = if value <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if value >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// A fraction as a percentage with one decimal, without it where it is a zero.
fn percent(fraction: f64) -> String {
    let text = format!("{:.1}", fraction * 100.0);
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
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

/// A mean change, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// After minus before, −1..=1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of pairs.
    pub n: usize,
}

impl Difference {
    /// The change in percentage points: `−1.2 points (n = 500) · 95 % −2.6 to 0.2`.
    #[must_use]
    pub fn text(&self) -> String {
        let points = |fraction: f64| percent(fraction).replace('-', "−");
        format!(
            "{} points (n = {}) · 95 % {} to {}",
            points(self.value),
            self.n,
            points(self.low),
            points(self.high)
        )
    }
}

/// How the rate changed between two outcomes of the same items: the mean of after − before, with a percentile
/// bootstrap interval over items, or over whole clusters where these are given (an empty name makes a cluster of
/// its own).
///
/// Where the change is the same in every cluster the bootstrap would claim certainty; the interval then leaves
/// room for the share of changed outcomes that as many clusters without a single exception do not exclude
/// (Wilson's upper bound for none).
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn paired_difference(
    before: &[bool],
    after: &[bool],
    clusters: Option<&[&str]>,
    resamples: usize,
    seed: u64,
) -> Difference {
    assert_eq!(before.len(), after.len(), "every outcome has its pair");
    let n = before.len();
    let changes = before.iter().zip(after).map(|(b, a)| f64::from(u8::from(*a)) - f64::from(u8::from(*b)));
    let groups = sums(changes, clusters);
    if groups.is_empty() {
        return Difference { value: 0.0, low: -1.0, high: 1.0, n };
    }
    let value = groups.iter().map(|(sum, _)| sum).sum::<f64>() / n as f64;
    let (low, high) = bootstrap(&groups, resamples, seed).unwrap_or_else(|| {
        let room = wilson(0.0, groups.len()).1;
        ((value - room).max(-1.0), (value + room).min(1.0))
    });
    Difference { value, low, high, n }
}

/// Sum and number of the values of each cluster, clusters in the order in which they first appear.
fn sums(values: impl Iterator<Item = f64>, clusters: Option<&[&str]>) -> Vec<(f64, usize)> {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let mut places = HashMap::new();
    for (index, value) in values.enumerate() {
        let name = clusters.map_or("", |clusters| clusters[index]);
        let place = if name.is_empty() { groups.len() } else { *places.entry(name).or_insert(groups.len()) };
        if place == groups.len() {
            groups.push((0.0, 0));
        }
        groups[place].0 += value;
        groups[place].1 += 1;
    }
    groups
}

/// Percentile bootstrap interval of the mean over all values, drawing whole groups with replacement; `None`
/// where it cannot tell anything: no resamples, or the same mean in every group.
fn bootstrap(groups: &[(f64, usize)], resamples: usize, seed: u64) -> Option<(f64, f64)> {
    let mean = |(sum, n): (f64, usize)| sum / n as f64;
    let first = mean(*groups.first()?);
    if resamples == 0 || groups.iter().all(|group| (mean(*group) - first).abs() < 1e-12) {
        return None;
    }
    let rng = &mut stream(seed, "bootstrap", "");
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            let mut drawn = (0.0, 0);
            for _ in groups {
                let (sum, n) = groups[rng.random_range(0..groups.len())];
                drawn = (drawn.0 + sum, drawn.1 + n);
            }
            mean(drawn)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some((quantile(&means, 0.025), quantile(&means, 0.975)))
}

/// The `q` quantile of sorted values, with linear interpolation between neighbours (as numpy does it).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// Mean and sample standard deviation (divisor n − 1; 0 for fewer than two values). Of nothing, both are 0.
#[must_use]
pub fn mean_std(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_paired_difference_is_tighter_than_its_two_rates() {
        // 500 items, 12 of which go from right to wrong and 2 from wrong to right.
        let before: Vec<_> = (0..500).map(|i| i % 10 != 0).collect();
        let mut after = before.clone();
        for i in [1, 51, 101, 151, 201, 251, 301, 351, 401, 451, 11, 21] {
            after[i] = false;
        }
        after[0] = true;
        after[10] = true;
        let difference = paired_difference(&before, &after, None, 4_000, 5);
        assert!((difference.value + 0.02).abs() < 1e-12 && difference.n == 500);
        // Normal approximation: standard deviation sqrt(14/500 − 0.02²), over sqrt(500).
        let half = Z * ((14.0 / 500.0 - 0.02_f64.powi(2)) / 500.0_f64).sqrt();
        assert!((difference.low - (-0.02 - half)).abs() < 0.003, "{difference:?}");
        assert!((difference.high - (-0.02 + half)).abs() < 0.003, "{difference:?}");
        assert!(difference.text().starts_with("−2 points (n = 500) · 95 % −3."), "{}", difference.text());
    }

    #[test]
    fn no_change_at_all_leaves_room_for_the_unseen() {
        let all = vec![true; 500];
        let difference = paired_difference(&all, &all, None, 1_000, 5);
        assert!(difference.value.abs() < 1e-12);
        assert!((difference.high - Rate::wilson(0, 500).high).abs() < 1e-12);
        assert!((difference.low + difference.high).abs() < 1e-12);
        let worst = paired_difference(&all, &[false; 500], None, 1_000, 5);
        assert!((worst.value + 1.0).abs() < 1e-12 && (worst.low + 1.0).abs() < 1e-12);
        let clusters = vec!["one"; 500];
        let clustered = paired_difference(&all, &all, Some(&clusters), 1_000, 5);
        assert!((clustered.high - Rate::wilson(0, 1).high).abs() < 1e-12, "one cluster tells little");
    }

    #[test]
    fn mean_and_sample_deviation() {
        let (mean, std) = mean_std(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((mean - 5.0).abs() < 1e-12 && (std - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean_std(&[3.0]), (3.0, 0.0));
        assert_eq!(mean_std(&[]), (0.0, 0.0));
    }

    #[test]
    fn quantiles_are_numpys() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 3.925).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.5) - 7.0).abs() < 1e-12);
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
