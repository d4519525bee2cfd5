//! Which rows of a set are listed. Looking through 100,000 examples takes longer than a frame: it is done once for each
//! change of what is wanted, a slice in each frame.

use super::history::{Change, Row};
use std::time::{Duration, Instant};

/// Rows looked at between two looks at the clock.
const STRIDE: usize = 64;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Words that some text of the example holds, in any case.
    pub find: String,
    /// Only of this category; the empty one is that of examples without.
    pub category: Option<String>,
    /// Only from this source.
    pub source: Option<String>,
    /// Only examples with a problem.
    pub problems: bool,
}

impl Query {
    fn wants_all(&self) -> bool {
        self.find.trim().is_empty() && self.category.is_none() && self.source.is_none() && !self.problems
    }
}

/// The rows that are listed.
#[derive(Debug, Default)]
pub struct Filter {
    /// What is wanted now.
    pub query: Query,
    /// What the hits are for.
    asked: Query,
    /// The rows, in order; `None` lists all.
    hits: Option<Vec<usize>>,
    /// The next row to be looked at, until all have been.
    at: Option<usize>,
}

impl Filter {
    /// Looks on for at most `limit`; whether there is more to look at.
    pub fn advance(&mut self, rows: &[Row], problem: impl Fn(usize) -> bool, limit: Duration) -> bool {
        if self.query != self.asked {
            self.asked = self.query.clone();
            self.again();
        }
        let (Some(at), Some(hits)) = (&mut self.at, &mut self.hits) else { return false };
        let query = &self.asked;
        let wanted = query.find.trim().to_lowercase();
        let start = Instant::now();
        while *at < rows.len() {
            for (index, row) in rows.iter().enumerate().skip(*at).take(STRIDE) {
                let fits = query.category.as_ref().is_none_or(|category| row.category() == category)
                    && query.source.as_deref().is_none_or(|source| row.source() == Some(source))
                    && (!query.problems || problem(index))
                    && (wanted.is_empty() || row.any_text(|text| holds(text, &wanted)));
                if fits {
                    hits.push(index);
                }
            }
            *at = (*at + STRIDE).min(rows.len());
            if start.elapsed() >= limit {
                break;
            }
        }
        if *at >= rows.len() {
            self.at = None;
        }
        self.at.is_some()
    }

    /// Looks through all rows anew.
    pub fn again(&mut self) {
        let all = self.asked.wants_all();
        self.hits = (!all).then(Vec::new);
        self.at = (!all).then_some(0);
    }

    /// Lists all rows.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether rows may be left out.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.hits.is_some()
    }

    /// How many of `rows` rows are listed.
    #[must_use]
    pub fn len(&self, rows: usize) -> usize {
        self.hits.as_ref().map_or(rows, Vec::len)
    }

    /// The row in a place of the list.
    #[must_use]
    pub fn row(&self, place: usize) -> usize {
        self.hits.as_ref().map_or(place, |hits| hits.get(place).copied().unwrap_or(usize::MAX))
    }

    /// The place of a row in the list, or of the next one that is listed.
    #[must_use]
    pub fn place(&self, row: usize) -> usize {
        self.hits.as_ref().map_or(row, |hits| hits.partition_point(|&hit| hit < row))
    }

    /// The rows in these places.
    #[must_use]
    pub fn rows(&self, places: std::ops::Range<usize>) -> Vec<usize> {
        match &self.hits {
            None => places.collect(),
            Some(hits) => hits[places.start.min(hits.len())..places.end.min(hits.len())].to_vec(),
        }
    }

    /// Keeps the list right after a change, without looking at any text: what was listed stays listed while it is edited,
    /// and what was put in is listed.
    pub fn follow(&mut self, change: &Change) {
        let Some(hits) = &mut self.hits else { return };
        if matches!(change, Change::Edit(_)) {
            return;
        }
        if self.at.is_some() {
            self.again();
            return;
        }
        let mut moved: Vec<usize> = hits.iter().filter_map(|&hit| change.moved(hit)).collect();
        if let Change::Insert(new) = change {
            moved.extend(new.iter().map(|(row, _)| *row));
            moved.sort_unstable();
        }
        *hits = moved;
    }
}

/// Whether `text` holds `wanted`, which is in lower case.
fn holds(text: &str, wanted: &str) -> bool {
    if text.is_ascii() && wanted.is_ascii() {
        let wanted = wanted.as_bytes();
        return text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    }
    text.to_lowercase().contains(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AttackPrompt, Example};
    use std::sync::Arc;

    fn rows(count: usize) -> Vec<Row> {
        (0..count)
            .map(|i| {
                Arc::new(Example::Attack(AttackPrompt {
                    id: format!("a-{i}"),
                    goal: format!("Curse the Wéll number {i}"),
                    category: ["curses", "vaults"][i % 2].into(),
                    ..AttackPrompt::default()
                }))
            })
            .collect()
    }

    fn find(filter: &mut Filter, rows: &[Row], text: &str) -> Vec<usize> {
        filter.query.find = text.into();
        let mut slices = 1;
        while filter.advance(rows, |row| row == 4, Duration::ZERO) {
            slices += 1;
        }
        assert!(!filter.is_on() || slices > rows.len() / STRIDE, "{slices}");
        filter.rows(0..rows.len())
    }

    #[test]
    fn words_category_and_problems_are_joined() {
        let rows = rows(1000);
        let mut filter = Filter::default();
        assert_eq!(find(&mut filter, &rows, " ").len(), 1000);
        assert_eq!(
            find(&mut filter, &rows, "NUMBER 99"),
            [&[99][..], &(990..1000).collect::<Vec<_>>()].concat()
        );
        assert_eq!(find(&mut filter, &rows, "wéll NUMBER 999"), [999]);
        filter.query.category = Some("vaults".into());
        assert_eq!(find(&mut filter, &rows, "number 99"), [99, 991, 993, 995, 997, 999]);
        filter.query = Query { problems: true, ..Query::default() };
        assert_eq!(find(&mut filter, &rows, ""), [4]);
        assert_eq!((filter.len(1000), filter.row(0), filter.place(4), filter.place(5)), (1, 4, 0, 1));
    }

    #[test]
    fn the_list_follows_what_goes_and_comes() {
        let all = rows(10);
        let mut filter = Filter::default();
        filter.query.category = Some("vaults".into());
        assert_eq!(find(&mut filter, &all, ""), [1, 3, 5, 7, 9]);
        let gone = Change::Remove(vec![(2, all[2].clone()), (3, all[3].clone())]);
        filter.follow(&gone);
        assert_eq!(filter.rows(0..10), [1, 3, 5, 7]);
        filter.follow(&gone.inverse());
        assert_eq!(filter.rows(0..10), [1, 2, 3, 5, 7, 9]);
    }
}
