//! McNemar's test: do two models do differently on the same prompts?

use super::p_text;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What changed between two outcomes of the same items, and how likely as lopsided a change is by chance alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Number of pairs.
    pub n: usize,
    /// Pairs that went from false to true.
    pub gained: usize,
    /// Pairs that went from true to false.
    pub lost: usize,
    /// Number of clusters, where whole clusters were exchanged.
    pub clusters: Option<usize>,
    /// What the test can learn from: pairs that changed, or clusters in which gains and losses do not cancel.
    pub informative: usize,
    /// Two-sided p-value.
    pub p: f64,
}

impl McNemar {
    /// The smallest p that this many changed pairs (or clusters) can reach: all of them in one direction, 2 · ½^m.
    #[must_use]
    pub fn least_p(&self) -> f64 {
        (2.0 * 0.5_f64.powi(self.informative.min(2_000) as i32)).min(1.0)
    }

    /// The change in words: `12 gained, 2 lost of 500 · exact McNemar test p = 0.013`. Where so little changed that
    /// no outcome could have been significant, it says so.
    #[must_use]
    pub fn text(&self) -> String {
        let test = match self.clusters {
            None => "exact McNemar test".to_owned(),
            Some(clusters) => format!("sign-flip test over {clusters} clusters"),
        };
        let what = if self.clusters.is_some() { "clusters" } else { "pairs" };
        let mut text =
            format!("{} gained, {} lost of {} · {test} {}", self.gained, self.lost, self.n, p_text(self.p));
        if self.least_p() > 0.05 {
            text.push_str(&format!(
                " (only {} {what} differ: no p below {:.2} was possible)",
                self.informative,
                self.least_p()
            ));
        }
        text
    }
}

/// McNemar's exact test of `before` against `after`, for independent pairs.
///
/// If the two models were alike, each pair that differs would go either way with probability ½, so the smaller count
/// of flips is binomial(gained + lost, ½); p is twice its lower tail, at most 1 (Q. McNemar, Psychometrika 12, 1947).
/// It is the exact p, not the mid-p: never too small, at the price of some power.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn mcnemar(before: &[bool], after: &[bool]) -> McNemar {
    let (n, gained, lost) = flips(before, after);
    let p = (2.0 * half_binomial_tail(gained.min(lost), gained + lost)).min(1.0);
    McNemar { n, gained, lost, clusters: None, informative: gained + lost, p }
}

/// The same question where pairs of one cluster are not independent: `clusters[i]` is the cluster of pair i, an empty
/// name a cluster of its own.
///
/// Let d_c be gains minus losses of cluster c. If the two models were alike, exchanging them in a whole cluster would be
/// as likely as not, whatever the pairs inside have to do with each other; so each d_c takes either sign with
/// probability ½. p is the share of all 2^C sign patterns with |Σ ± d_c| at least as large as observed (a randomisation
/// test in the sense of R. A. Fisher, "The Design of Experiments", 1935). The d_c are whole numbers, so the distribution
/// of their sum is built up cluster by cluster: p is exact for any number of clusters, nothing is drawn. With every pair
/// its own cluster this is [`mcnemar`].
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn clustered_mcnemar(before: &[bool], after: &[bool], clusters: &[&str]) -> McNemar {
    assert_eq!(before.len(), clusters.len(), "every pair belongs to a cluster");
    let (n, gained, lost) = flips(before, after);
    let mut differences: Vec<i64> = Vec::new();
    let mut places = HashMap::new();
    for ((&before, &after), &name) in before.iter().zip(after).zip(clusters) {
        let next = differences.len();
        let place = if name.is_empty() { next } else { *places.entry(name).or_insert(next) };
        if place == next {
            differences.push(0);
        }
        differences[place] += i64::from(after) - i64::from(before);
    }
    let sizes: Vec<usize> =
        differences.iter().map(|d| d.unsigned_abs() as usize).filter(|&size| size > 0).collect();
    let observed = gained.abs_diff(lost);
    McNemar {
        n,
        gained,
        lost,
        clusters: Some(differences.len()),
        informative: sizes.len(),
        p: sign_flip(&sizes, observed),
    }
}

fn flips(before: &[bool], after: &[bool]) -> (usize, usize, usize) {
    assert_eq!(before.len(), after.len(), "every outcome has its pair");
    let count = |from: bool| before.iter().zip(after).filter(|&(&b, &a)| b == from && a != from).count();
    (before.len(), count(false), count(true))
}

/// P(X ≤ k) for X binomial(n, ½).
fn half_binomial_tail(k: usize, n: usize) -> f64 {
    // In logarithms: ½^n alone is no number any more at n = 1075.
    let mut log = n as f64 * 0.5_f64.ln();
    let mut sum = 0.0;
    for i in 0..=k {
        sum += log.exp();
        log += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
    }
    sum
}

/// P(|Σ ± size| ≥ observed), every sign with probability ½.
fn sign_flip(sizes: &[usize], observed: usize) -> f64 {
    let most: usize = sizes.iter().sum();
    // chances[most + s] is the probability of the sum s.
    let mut chances = vec![0.0; 2 * most + 1];
    chances[most] = 1.0;
    let mut reach = 0;
    for &size in sizes {
        let mut next = vec![0.0; chances.len()];
        for place in most - reach..=most + reach {
            let half = 0.5 * chances[place];
            next[place - size] += half;
            next[place + size] += half;
        }
        chances = next;
        reach += size;
    }
    let far = |place: usize| place.abs_diff(most) >= observed;
    chances
        .iter()
        .enumerate()
        .filter(|(place, _)| far(*place))
        .map(|(_, chance)| chance)
        .sum::<f64>()
        .min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(gained: usize, lost: usize, same: usize) -> (Vec<bool>, Vec<bool>) {
        let before = [vec![false; gained], vec![true; lost], vec![true; same]].concat();
        let after = [vec![true; gained], vec![false; lost], vec![true; same]].concat();
        (before, after)
    }

    #[test]
    fn the_text_tells_the_flips_and_what_was_possible() {
        let (before, after) = pairs(12, 2, 486);
        let test = mcnemar(&before, &after);
        assert_eq!(test.text(), "12 gained, 2 lost of 500 · exact McNemar test p = 0.013");
        let (before, after) = pairs(0, 3, 7);
        assert_eq!(
            mcnemar(&before, &after).text(),
            "0 gained, 3 lost of 10 · exact McNemar test p = 0.250 (only 3 pairs differ: no p below 0.25 was possible)"
        );
        let (before, after) = pairs(40, 0, 0);
        assert!(mcnemar(&before, &after).text().ends_with("p < 0.001"));
        assert!((mcnemar(&[], &[]).p - 1.0).abs() < 1e-12);
    }

    #[test]
    fn clusters_that_move_together_count_once_each() {
        // Four clusters of ten, all gained: ½^4 · 2, not ½^40 · 2.
        let (before, after) = pairs(40, 0, 0);
        let names: Vec<&str> = (0..40).map(|i| ["a", "b", "c", "d"][i / 10]).collect();
        let test = clustered_mcnemar(&before, &after, &names);
        assert!((test.p - 0.125).abs() < 1e-12 && test.clusters == Some(4), "{test:?}");
        assert!(test.text().contains("sign-flip test over 4 clusters p = 0.125 (only 4 clusters differ"));
        // d = 3, 1, −1 of 3 clusters: |Σ| ≥ 3 for 6 of the 8 sign patterns.
        let before = [false, false, false, false, true];
        let test = clustered_mcnemar(&before, &[true, true, true, true, false], &["a", "a", "a", "b", "c"]);
        assert!((test.p - 0.75).abs() < 1e-12, "{test:?}");
    }

    proptest! {
        #[test]
        fn with_every_pair_its_own_cluster_both_tests_are_one(before in prop::collection::vec(any::<bool>(), 0..60), seed in any::<u64>()) {
            let after: Vec<bool> = before.iter().enumerate().map(|(i, b)| b ^ (seed >> (i % 64) & 1 == 1)).collect();
            let plain = mcnemar(&before, &after);
            let clustered = clustered_mcnemar(&before, &after, &vec![""; before.len()]);
            prop_assert!((plain.p - clustered.p).abs() < 1e-9, "{:?} {:?}", plain, clustered);
        }

        #[test]
        fn the_built_up_distribution_is_that_of_all_sign_patterns(sizes in prop::collection::vec(1_usize..6, 1..10), observed in 0_usize..30) {
            let patterns = 1_u32 << sizes.len();
            let far = (0..patterns).filter(|pattern| {
                let sum: i64 = sizes.iter().enumerate()
                    .map(|(i, &size)| if pattern >> i & 1 == 1 { size as i64 } else { -(size as i64) }).sum();
                sum.unsigned_abs() as usize >= observed
            }).count();
            prop_assert!((sign_flip(&sizes, observed) - far as f64 / f64::from(patterns)).abs() < 1e-12);
        }
    }
}
