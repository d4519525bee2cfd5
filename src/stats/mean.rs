//! Means of scores, and of values over seeds.

use super::bootstrap::{bootstrap, sums};
use super::percent;
use super::rate::wilson;
use serde::{Deserialize, Serialize};

/// The mean of scores between 0 and 1, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The mean, 0..=1; 0 of nothing.
    pub value: f64,
    /// Number of scores.
    pub n: usize,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Mean {
    /// The mean as a percentage: `76.9 % (mean of 200) · 95 % 74.1–79.4`.
    #[must_use]
    pub fn text(&self) -> String {
        if self.n == 0 {
            return "nothing scored (0)".to_owned();
        }
        let (value, low, high) = (percent(self.value), percent(self.low), percent(self.high));
        format!("{value} % (mean of {}) · 95 % {low}–{high}", self.n)
    }
}

/// The mean of scores between 0 and 1 (ROUGE, wins with ties as halves), with a percentile bootstrap interval over
/// scores, or over whole clusters where these are given (an empty name makes a cluster of its own).
///
/// Where every cluster has the same mean the bootstrap would claim certainty; the interval then leaves room for the
/// share of other scores that as many clusters without a single exception do not exclude (Wilson's upper bound for
/// none).
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn clustered_mean(scores: &[f64], clusters: Option<&[&str]>, resamples: usize, seed: u64) -> Mean {
    if let Some(clusters) = clusters {
        assert_eq!(scores.len(), clusters.len(), "every score belongs to a cluster");
    }
    let n = scores.len();
    let groups = sums(scores.iter().copied(), clusters);
    if groups.is_empty() {
        return Mean { value: 0.0, n, low: 0.0, high: 1.0 };
    }
    let value = scores.iter().sum::<f64>() / n as f64;
    let (low, high) = bootstrap(&groups, resamples, seed).unwrap_or_else(|| {
        let room = wilson(0.0, groups.len()).1;
        ((value - room).max(0.0), (value + room).min(1.0))
    });
    Mean { value, n, low, high }
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
    use super::super::{Rate, clustered_rate};
    use super::*;

    #[test]
    fn mean_and_sample_deviation() {
        let (mean, std) = mean_std(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((mean - 5.0).abs() < 1e-12 && (std - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean_std(&[3.0]), (3.0, 0.0));
        assert_eq!(mean_std(&[]), (0.0, 0.0));
    }

    #[test]
    fn a_mean_of_noughts_and_ones_is_a_rate() {
        let outcomes: Vec<bool> = (0..200).map(|i| i % 5 == 0).collect();
        let scores: Vec<f64> = outcomes.iter().map(|&outcome| f64::from(u8::from(outcome))).collect();
        let mean = clustered_mean(&scores, None, 4_000, 3);
        let wilson = Rate::wilson(40, 200);
        assert!((mean.value - 0.2).abs() < 1e-12 && mean.n == 200);
        assert!((mean.low - wilson.low).abs() < 0.01 && (mean.high - wilson.high).abs() < 0.01, "{mean:?}");
        let names: Vec<String> = (0..200).map(|i| format!("{}", i / 20)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let clustered = clustered_mean(&scores, Some(&names), 4_000, 3);
        assert!(
            (clustered.low - clustered.high).abs() > 0.4,
            "ten clusters with the same mean: {clustered:?}"
        );
        assert_eq!(clustered_rate(&outcomes, &names, 4_000, 3).count, 40);
    }

    #[test]
    fn equal_scores_are_no_certainty_and_none_say_nothing() {
        let mean = clustered_mean(&[0.5; 20], None, 1_000, 3);
        let room = Rate::wilson(0, 20).high;
        assert!((mean.low - (0.5 - room)).abs() < 1e-12 && (mean.high - (0.5 + room)).abs() < 1e-12);
        assert_eq!(clustered_mean(&[], None, 1_000, 3).text(), "nothing scored (0)");
        assert_eq!(clustered_mean(&[1.0; 20], None, 1_000, 3).text(), "100 % (mean of 20) · 95 % 83.9–100");
    }

    #[test]
    fn wins_ties_and_losses_make_a_mean() {
        let points = [vec![1.0; 30], vec![0.5; 20], vec![0.0; 50]].concat();
        let mean = clustered_mean(&points, None, 4_000, 1);
        assert!((mean.value - 0.4).abs() < 1e-12 && mean.n == 100);
        // Standard deviation sqrt(0.35 − 0.4²), over sqrt(100).
        let half = 1.96 * (0.35_f64 - 0.16).sqrt() / 10.0;
        let close = |found: f64, expected: f64| (found - expected).abs() < 0.015;
        assert!(close(mean.low, 0.4 - half) && close(mean.high, 0.4 + half), "{mean:?}");
    }
}
