//! How many prompts it takes to see a difference.

use super::Z;
use super::rate::wilson;

/// The standard normal's 80 % quantile: of ten experiments, eight find the difference.
const Z_POWER: f64 = 0.841_621_233_572_914_3;

/// Why no number of prompts can be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SampleSizeError {
    /// Not a share.
    #[error("{value} is no rate: give a fraction between 0 and 1, such as 0.05 for 5 %.")]
    NoRate {
        /// What was given.
        value: f64,
    },
    /// Nothing to find.
    #[error(
        "the two rates are the same, and no number of prompts shows a difference that is not there. Give the smallest difference that would matter."
    )]
    NoDifference,
    /// More change than there are pairs.
    #[error("{gained} gained and {lost} lost are together more than all pairs.")]
    TooMuch {
        /// Share of pairs that go one way.
        gained: f64,
        /// Share of pairs that go the other way.
        lost: f64,
    },
    /// Not a design effect.
    #[error(
        "clusters of {size} with a correlation of {correlation} are none: the size is at least 1, the correlation between 0 and 1."
    )]
    NoClusters {
        /// Prompts per cluster.
        size: f64,
        /// Correlation within clusters.
        correlation: f64,
    },
}

fn rates(values: [f64; 2]) -> Result<(), SampleSizeError> {
    match values.into_iter().find(|value| !(0.0..=1.0).contains(value)) {
        Some(value) => Err(SampleSizeError::NoRate { value }),
        None => Ok(()),
    }
}

/// Prompts needed per group to tell two independent rates apart with 80 % power in a two-sided test at 5 %:
///
/// n = (z₀.₉₇₅·√(2p̄(1−p̄)) + z₀.₈·√(p₁(1−p₁) + p₂(1−p₂)))² / (p₁ − p₂)², p̄ the mean of both
///
/// (J. L. Fleiss, "Statistical Methods for Rates and Proportions", without its continuity correction).
pub fn n_per_group(first: f64, second: f64) -> Result<usize, SampleSizeError> {
    rates([first, second])?;
    let difference = (first - second).abs();
    if difference < 1e-12 {
        return Err(SampleSizeError::NoDifference);
    }
    let spread = |p: f64| p * (1.0 - p);
    let mean = f64::midpoint(first, second);
    let root = Z * (2.0 * spread(mean)).sqrt() + Z_POWER * (spread(first) + spread(second)).sqrt();
    Ok(whole((root / difference).powi(2)))
}

/// Pairs needed to see with 80 % power, by McNemar's test at 5 %, that of all pairs the share `gained` goes from false to
/// true and the share `lost` the other way:
///
/// n = (z₀.₉₇₅·√ψ + z₀.₈·√(ψ − δ²))² / δ², ψ = gained + lost, δ = gained − lost
///
/// (R. J. Connor, Biometrics 43, 1987). The exact test is a little more careful than this large-sample formula: at this n
/// its power is 76 to 78 %; a tenth more pairs make up for it.
pub fn n_paired(gained: f64, lost: f64) -> Result<usize, SampleSizeError> {
    rates([gained, lost])?;
    let (changed, difference) = (gained + lost, (gained - lost).abs());
    if changed > 1.0 + 1e-12 {
        return Err(SampleSizeError::TooMuch { gained, lost });
    }
    if difference < 1e-12 {
        return Err(SampleSizeError::NoDifference);
    }
    let root = Z * changed.sqrt() + Z_POWER * (changed - difference.powi(2)).max(0.0).sqrt();
    Ok(whole((root / difference).powi(2)))
}

/// Outcomes needed until Wilson's interval around `rate` reaches no further than `half` to either side, on average: half
/// of its width is at most `half`.
pub fn n_for_interval(rate: f64, half: f64) -> Result<usize, SampleSizeError> {
    rates([rate, half])?;
    if half < 1e-4 {
        return Err(SampleSizeError::NoDifference);
    }
    // The width shrinks as n grows, so the first n that is enough is found by halving.
    let enough = |n: usize| {
        let (low, high) = wilson(rate, n);
        (high - low) / 2.0 <= half
    };
    let (mut low, mut high) = (0_usize, 1_usize);
    while !enough(high) {
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}

/// How many times more prompts it takes when they come in clusters: 1 + (m − 1)ρ, m prompts a cluster with the
/// intraclass correlation ρ of their outcomes (L. Kish, "Survey Sampling", 1965).
pub fn design_effect(size: f64, correlation: f64) -> Result<f64, SampleSizeError> {
    if size >= 1.0 && size.is_finite() && (0.0..=1.0).contains(&correlation) {
        Ok(1.0 + (size - 1.0) * correlation)
    } else {
        Err(SampleSizeError::NoClusters { size, correlation })
    }
}

/// `n` independent prompts as prompts in clusters with this design effect (never fewer).
#[must_use]
pub fn with_design_effect(n: usize, effect: f64) -> usize {
    whole(n as f64 * effect.max(1.0))
}

/// Rounded up, but not because of a rounding error.
fn whole(n: f64) -> usize {
    (n - 1e-9).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_ask_for_more_and_nonsense_is_refused() {
        let effect = design_effect(33.0, 0.25).unwrap();
        assert!((effect - 9.0).abs() < 1e-12);
        assert_eq!(with_design_effect(40, effect), 360);
        assert_eq!(with_design_effect(40, 0.5), 40, "clusters never save prompts");
        assert!((design_effect(1.0, 1.0).unwrap() - 1.0).abs() < 1e-12);
        for (size, correlation) in [(0.0, 0.5), (5.0, 1.5), (f64::NAN, 0.5), (5.0, f64::NAN)] {
            assert!(design_effect(size, correlation).is_err());
        }
        assert_eq!(n_per_group(0.3, 0.3), Err(SampleSizeError::NoDifference));
        assert_eq!(n_per_group(1.3, 0.3), Err(SampleSizeError::NoRate { value: 1.3 }));
        assert!(n_per_group(f64::NAN, 0.3).is_err());
        assert!(n_paired(0.7, 0.6).unwrap_err().to_string().contains("more than all pairs"));
        assert_eq!(n_paired(0.1, 0.1), Err(SampleSizeError::NoDifference));
    }

    #[test]
    fn an_interval_is_as_narrow_as_asked_for_and_not_before() {
        use crate::stats::Rate;
        let n = n_for_interval(0.5, 0.1).unwrap();
        assert_eq!(n, 93);
        let half = |count, n| (Rate::wilson(count, n).high - Rate::wilson(count, n).low) / 2.0;
        assert!(half(47, 94) <= 0.1 && half(46, 92) > 0.1);
        assert!(n_for_interval(0.95, 0.1).unwrap() < n, "rates near the ends need fewer");
        assert!(n_for_interval(0.5, 0.05).unwrap() > 3 * n);
        assert_eq!(n_for_interval(1.5, 0.1), Err(SampleSizeError::NoRate { value: 1.5 }));
        assert!(n_for_interval(0.5, 0.0).is_err());
    }

    #[test]
    fn a_smaller_difference_needs_more() {
        let sizes: Vec<usize> = [0.5, 0.3, 0.1, 0.06].map(|p| n_per_group(0.05, p).unwrap()).to_vec();
        assert!(sizes.is_sorted() && sizes[0] < 20 && sizes[3] > 5_000, "{sizes:?}");
        assert!(n_paired(0.06, 0.01).unwrap() < n_per_group(0.10, 0.05).unwrap(), "pairs save prompts");
        assert!(n_per_group(0.0, 1.0).unwrap() >= 1);
    }
}
