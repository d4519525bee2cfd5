//! Two parts of a set by share and seed. Which part an example falls into depends on its own name and the seed, so that
//! adding another one moves few.

use super::Example;
use crate::rng;
use rand::Rng;
use std::collections::BTreeMap;

/// What stays together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitBy {
    /// Nothing: each example goes its own way.
    #[default]
    Example,
    /// Examples of one category. One without a category goes its own way.
    Category,
    /// Examples of one cluster, which are not independent. One without a cluster goes its own way.
    Cluster,
}

/// How a set is split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitSpec {
    /// The share of examples in the first part, between 0 and 1.
    pub share: f64,
    /// Another seed draws other parts.
    pub seed: u64,
    /// What stays together.
    pub by: SplitBy,
}

/// The rows of the first part and of the second, each in order. With whole groups the first part is as near to its share as
/// filling it group by group comes; with two groups or more, neither part is empty.
#[must_use]
pub fn split<'a>(rows: impl IntoIterator<Item = &'a Example>, spec: &SplitSpec) -> (Vec<usize>, Vec<usize>) {
    let mut units: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    let mut count = 0usize;
    for (index, row) in rows.into_iter().enumerate() {
        let group = match spec.by {
            SplitBy::Example => "",
            SplitBy::Category => row.category(),
            SplitBy::Cluster => row.cluster().unwrap_or_default(),
        };
        let unit = if group.is_empty() { (false, row.id()) } else { (true, group) };
        units.entry(unit).or_default().push(index);
        count += 1;
    }
    let mut order: Vec<(u64, Vec<usize>)> = units
        .into_iter()
        .map(|((_, name), rows)| (rng::stream(spec.seed, "split", name).random(), rows))
        .collect();
    order.sort();
    let wanted = (spec.share.clamp(0.0, 1.0) * count as f64).round() as usize;
    let (mut parts, mut taken) = ([Vec::new(), Vec::new()], 0);
    for (_, rows) in order {
        // A group that would overfill the part goes in if that brings it nearer to its share.
        let nearer = (taken + rows.len()).saturating_sub(wanted) < wanted.saturating_sub(taken);
        if nearer {
            taken += rows.len();
        }
        parts[usize::from(!nearer)].push(rows);
    }
    for (empty, full) in [(0, 1), (1, 0)] {
        if parts[empty].is_empty() && parts[full].len() > 1 {
            let smallest = (0..parts[full].len()).min_by_key(|&i| parts[full][i].len()).unwrap_or(0);
            let moved = parts[full].remove(smallest);
            parts[empty].push(moved);
        }
    }
    let [first, second] = parts.map(|groups| {
        let mut rows = groups.concat();
        rows.sort_unstable();
        rows
    });
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::AttackPrompt;
    use std::collections::BTreeSet;

    fn rows(count: usize) -> Vec<Example> {
        (0..count)
            .map(|i| {
                Example::Attack(AttackPrompt {
                    id: format!("a-{i}"),
                    category: format!("category {}", i % 3),
                    cluster: if i % 7 == 0 { String::new() } else { format!("cluster {}", i % 10) },
                    ..AttackPrompt::default()
                })
            })
            .collect()
    }

    fn of(rows: &[Example], share: f64, seed: u64, by: SplitBy) -> (Vec<usize>, Vec<usize>) {
        split(rows, &SplitSpec { share, seed, by })
    }

    #[test]
    fn every_example_is_in_one_part_and_the_share_is_met() {
        let rows = rows(200);
        let (first, second) = of(&rows, 0.8, 7, SplitBy::Example);
        assert_eq!((first.len(), second.len()), (160, 40));
        let all: BTreeSet<usize> = first.iter().chain(&second).copied().collect();
        assert_eq!(all.len(), 200);
        assert_eq!(of(&rows, 0.8, 7, SplitBy::Example), (first.clone(), second));
        assert_ne!(of(&rows, 0.8, 8, SplitBy::Example).0, first);
    }

    #[test]
    fn another_example_moves_few() {
        let before: BTreeSet<usize> = of(&rows(200), 0.5, 0, SplitBy::Example).0.into_iter().collect();
        let after: BTreeSet<usize> = of(&rows(201), 0.5, 0, SplitBy::Example).0.into_iter().collect();
        assert!(before.symmetric_difference(&after).count() <= 2);
    }

    #[test]
    fn groups_stay_whole_and_what_has_none_goes_its_own_way() {
        let rows = rows(200);
        for (by, of_row) in [
            (SplitBy::Category, Example::category as fn(&Example) -> &str),
            (SplitBy::Cluster, |row: &Example| row.cluster().unwrap_or_default()),
        ] {
            let (first, second) = of(&rows, 0.6, 3, by);
            let groups =
                |part: &[usize]| -> BTreeSet<&str> { part.iter().map(|&i| of_row(&rows[i])).collect() };
            let both: Vec<&str> = groups(&first).intersection(&groups(&second)).copied().collect();
            assert!(both.iter().all(|group| group.is_empty()), "{by:?}: {both:?}");
            assert!(first.len().abs_diff(120) < 34, "{by:?}: {}", first.len());
        }
    }

    #[test]
    fn neither_part_is_empty_where_there_are_two_groups() {
        let rows = rows(30);
        for share in [0.0, 0.01, 0.99, 1.0] {
            for by in [SplitBy::Example, SplitBy::Category] {
                let (first, second) = of(&rows, share, 1, by);
                assert!(!first.is_empty() && !second.is_empty(), "{share} {by:?}");
            }
        }
        assert_eq!(
            of(&rows[..1], 0.5, 1, SplitBy::Example).0.len()
                + of(&rows[..1], 0.5, 1, SplitBy::Example).1.len(),
            1
        );
        assert_eq!(of(&[], 0.5, 1, SplitBy::Example), (vec![], vec![]));
    }
}
