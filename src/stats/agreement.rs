//! Agreement of two raters beyond chance, and what a yes-or-no judge gets right.

use super::bootstrap::quantile;
use super::rate::wilson;
use super::{Rate, Z};
use crate::rng::stream;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// Cohen's κ of two raters, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kappa {
    /// κ, −1..=1: 1 is complete agreement, 0 what chance alone would give.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of items that both rated.
    pub n: usize,
    /// Items on which they agree.
    pub agreed: usize,
}

impl Kappa {
    /// κ in words, with what it is made of: `κ 0.81 (agree on 91 of 100) · 95 % 0.69 to 0.92`.
    #[must_use]
    pub fn text(&self) -> String {
        let number = |value: f64| {
            let text = format!("{value:.2}");
            if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
        };
        format!(
            "κ {} (agree on {} of {}) · 95 % {} to {}",
            number(self.value),
            self.agreed,
            self.n,
            number(self.low),
            number(self.high)
        )
    }
}

/// Cohen's κ of two raters of the same independent items (J. Cohen, Educational and Psychological Measurement 20,
/// 1960), with the large-sample interval κ ± z·SE of J. L. Fleiss, J. Cohen and B. S. Everitt (Psychological Bulletin
/// 72, 1969). `None` where κ does not exist: no items, or both raters know only one and the same answer.
///
/// Where that SE is 0, as with complete agreement, the formula would claim certainty. The interval is then the one that
/// Wilson's interval of the agreed share gives, expected agreement held as it is.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn kappa<T: Ord>(a: &[T], b: &[T]) -> Option<Kappa> {
    let (table, size) = whole_table(a, b);
    interval(&table, size)
}

/// The same where items of one cluster are not independent: percentile bootstrap over whole clusters, never narrower
/// than the interval for independent items. An empty name is a cluster of its own. Resamples in which κ does not exist
/// are left out.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn clustered_kappa<T: Ord>(
    a: &[T],
    b: &[T],
    clusters: &[&str],
    resamples: usize,
    seed: u64,
) -> Option<Kappa> {
    assert_eq!(a.len(), clusters.len(), "every item belongs to a cluster");
    let (table, size) = whole_table(a, b);
    let plain = interval(&table, size)?;
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places = HashMap::new();
    let cells = cells(a, b).0;
    for (cell, &name) in cells.into_iter().zip(clusters) {
        let next = groups.len();
        let place = if name.is_empty() { next } else { *places.entry(name).or_insert(next) };
        if place == next {
            groups.push(Vec::new());
        }
        groups[place].push(cell);
    }
    let rng = &mut stream(seed, "bootstrap", "kappa");
    let mut found: Vec<f64> = (0..resamples)
        .filter_map(|_| {
            let mut drawn = vec![0; size * size];
            for _ in 0..groups.len() {
                for &cell in &groups[rng.random_range(0..groups.len())] {
                    drawn[cell] += 1;
                }
            }
            Shares::of(&drawn, size)?.kappa()
        })
        .collect();
    if found.is_empty() {
        return Some(plain);
    }
    found.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&found, 0.025), quantile(&found, 0.975));
    Some(Kappa { low: low.min(plain.low), high: high.max(plain.high), ..plain })
}

/// For each item the cell of the raters' table that it falls into, and the number of categories.
fn cells<T: Ord>(a: &[T], b: &[T]) -> (Vec<usize>, usize) {
    assert_eq!(a.len(), b.len(), "both raters rate every item");
    let categories: Vec<&T> = a.iter().chain(b).collect::<BTreeSet<_>>().into_iter().collect();
    let size = categories.len();
    let place = |value: &T| categories.partition_point(|category| *category < value);
    (a.iter().zip(b).map(|(a, b)| place(a) * size + place(b)).collect(), size)
}

fn whole_table<T: Ord>(a: &[T], b: &[T]) -> (Vec<usize>, usize) {
    let (cells, size) = cells(a, b);
    let mut table = vec![0; size * size];
    for cell in cells {
        table[cell] += 1;
    }
    (table, size)
}

/// The raters' table as shares of all items, with its margins.
struct Shares {
    size: usize,
    cells: Vec<f64>,
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Shares {
    fn of(table: &[usize], size: usize) -> Option<Self> {
        let n: usize = table.iter().sum();
        if n == 0 {
            return None;
        }
        let cells: Vec<f64> = table.iter().map(|&count| count as f64 / n as f64).collect();
        let row = |i: usize| cells[i * size..(i + 1) * size].iter().sum();
        let column = |j: usize| cells.iter().skip(j).step_by(size).sum();
        let (rows, columns) = ((0..size).map(row).collect(), (0..size).map(column).collect());
        Some(Self { size, cells, rows, columns })
    }

    fn agreed(&self) -> f64 {
        (0..self.size).map(|i| self.cells[i * self.size + i]).sum()
    }

    /// Agreement that independent raters with the same margins would have.
    fn expected(&self) -> f64 {
        self.rows.iter().zip(&self.columns).map(|(row, column)| row * column).sum()
    }

    fn kappa(&self) -> Option<f64> {
        let expected = self.expected();
        (expected < 1.0 - 1e-12).then(|| (self.agreed() - expected) / (1.0 - expected))
    }

    /// The variance of κ times n: Fleiss, Cohen and Everitt's equation 13.
    fn variance(&self, kappa: f64) -> f64 {
        let expected = self.expected();
        let apart = 1.0 - kappa;
        let (mut same, mut other) = (0.0, 0.0);
        for i in 0..self.size {
            for j in 0..self.size {
                let share = self.cells[i * self.size + j];
                if i == j {
                    same += share * (1.0 - (self.rows[i] + self.columns[i]) * apart).powi(2);
                } else {
                    other += share * (self.columns[i] + self.rows[j]).powi(2);
                }
            }
        }
        let all = same + apart.powi(2) * other - (kappa - expected * apart).powi(2);
        all / (1.0 - expected).powi(2)
    }
}

fn interval(table: &[usize], size: usize) -> Option<Kappa> {
    let shares = Shares::of(table, size)?;
    let value = shares.kappa()?;
    let n: usize = table.iter().sum();
    let agreed = (0..size).map(|i| table[i * size + i]).sum();
    let error = (shares.variance(value).max(0.0) / n as f64).sqrt();
    let (low, high) = if error > 1e-9 {
        (value - Z * error, value + Z * error)
    } else {
        let expected = shares.expected();
        let (low, high) = wilson(shares.agreed(), n);
        ((low - expected) / (1.0 - expected), (high - expected) / (1.0 - expected))
    };
    Some(Kappa { value, low: low.max(-1.0), high: high.min(1.0), n, agreed })
}

/// What a yes-or-no judge said against what is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Yes, and it is so.
    pub true_positive: usize,
    /// Yes, but it is not so.
    pub false_positive: usize,
    /// No, but it is so.
    pub false_negative: usize,
    /// No, and it is not so.
    pub true_negative: usize,
}

impl Confusion {
    /// Counts pairs of (said, true).
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut confusion = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut confusion.true_positive,
                (true, false) => &mut confusion.false_positive,
                (false, true) => &mut confusion.false_negative,
                (false, false) => &mut confusion.true_negative,
            } += 1;
        }
        confusion
    }

    /// Number of pairs.
    #[must_use]
    pub fn n(&self) -> usize {
        self.true_positive + self.false_positive + self.false_negative + self.true_negative
    }

    /// The share of what is so that the judge finds, with Wilson's interval.
    #[must_use]
    pub fn sensitivity(&self) -> Rate {
        Rate::wilson(self.true_positive, self.true_positive + self.false_negative)
    }

    /// The share of what is not so that the judge leaves alone, with Wilson's interval.
    #[must_use]
    pub fn specificity(&self) -> Rate {
        Rate::wilson(self.true_negative, self.true_negative + self.false_positive)
    }

    /// The share of pairs on which judge and truth agree, with Wilson's interval.
    #[must_use]
    pub fn accuracy(&self) -> Rate {
        Rate::wilson(self.true_positive + self.true_negative, self.n())
    }

    /// Cohen's κ of judge and truth for independent pairs; see [`kappa`].
    #[must_use]
    pub fn kappa(&self) -> Option<Kappa> {
        let table = [self.true_positive, self.false_positive, self.false_negative, self.true_negative];
        interval(&table, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_agreement_is_no_certainty() {
        let labels: Vec<bool> = (0..20).map(|i| i % 2 == 0).collect();
        let all = kappa(&labels, &labels).unwrap();
        let low = (Rate::wilson(20, 20).low - 0.5) / 0.5;
        assert!((all.value - 1.0).abs() < 1e-12 && (all.low - low).abs() < 1e-12, "{all:?}");
        assert!((all.high - 1.0).abs() < 1e-12 && all.agreed == 20);
        assert_eq!(all.text(), "κ 1.00 (agree on 20 of 20) · 95 % 0.68 to 1.00");
    }

    #[test]
    fn kappa_does_not_exist_where_nobody_could_disagree() {
        assert_eq!(kappa::<u8>(&[], &[]), None);
        assert_eq!(kappa(&[true; 5], &[true; 5]), None);
        assert!(kappa(&[true; 5], &[true, true, true, true, false]).unwrap().value.abs() < 1e-12);
        assert_eq!(Confusion::default().kappa(), None);
    }

    #[test]
    fn clusters_widen_the_interval() {
        let truth: Vec<bool> = (0..100).map(|i| i % 2 == 0).collect();
        // Three of ten clusters are judged wrong throughout.
        let said: Vec<bool> =
            truth.iter().enumerate().map(|(i, &t)| if i / 10 < 3 { !t } else { t }).collect();
        let names: Vec<String> = (0..100).map(|i| format!("{}", i / 10)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let plain = kappa(&said, &truth).unwrap();
        let clustered = clustered_kappa(&said, &truth, &names, 2_000, 1).unwrap();
        assert!((plain.value - 0.4).abs() < 1e-12 && plain.value.to_bits() == clustered.value.to_bits());
        // The number of wrong clusters in a resample is binomial(10, 0.3): quantiles 0 and 6.
        assert!((clustered.low + 0.2).abs() < 1e-9 && (clustered.high - 1.0).abs() < 1e-9, "{clustered:?}");
        let apart = clustered_kappa(&said, &truth, &[""; 100], 2_000, 1).unwrap();
        assert!((apart.low - plain.low).abs() < 0.03 && (apart.high - plain.high).abs() < 0.03, "{apart:?}");
    }

    #[test]
    fn a_confusion_is_counted_as_its_names_say() {
        let confusion =
            Confusion::of([(true, true), (true, true), (true, false), (false, true), (false, false)]);
        assert_eq!(
            confusion,
            Confusion { true_positive: 2, false_positive: 1, false_negative: 1, true_negative: 1 }
        );
        assert_eq!(confusion.sensitivity(), Rate::wilson(2, 3));
        assert_eq!(confusion.specificity(), Rate::wilson(1, 2));
        assert_eq!((confusion.accuracy(), confusion.n()), (Rate::wilson(3, 5), 5));
        let said = [true, true, true, false, false];
        let truth = [true, true, false, true, false];
        assert_eq!(confusion.kappa(), kappa(&said, &truth));
    }
}
