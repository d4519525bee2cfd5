//! How much a rate changed between two outcomes of the same items.

use super::bootstrap::{bootstrap, sums};
use super::percent;
use super::rate::wilson;
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::super::{Rate, Z};
    use super::*;

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
}
