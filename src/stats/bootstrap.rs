//! The percentile bootstrap over whole clusters.

use crate::rng::stream;
use rand::Rng;
use std::collections::HashMap;

/// Sum and number of the values of each cluster, clusters in the order in which they first appear.
pub(super) fn sums(values: impl Iterator<Item = f64>, clusters: Option<&[&str]>) -> Vec<(f64, usize)> {
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
pub(super) fn bootstrap(groups: &[(f64, usize)], resamples: usize, seed: u64) -> Option<(f64, f64)> {
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
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 3.925).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.5) - 7.0).abs() < 1e-12);
    }
}
