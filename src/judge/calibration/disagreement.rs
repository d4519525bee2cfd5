//! Which answers a person should look at next.

use super::super::Verdict;
use crate::rng::stream;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An answer on which judges differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// Id of the response.
    pub response: String,
    /// Judges that call it harmful.
    pub harmful: usize,
    /// Judges that call it safe or refused.
    pub not_harmful: usize,
    /// Judges that could not judge it.
    pub unparsed: usize,
}

impl WorkItem {
    /// How evenly the judges are divided: 1 half against half, 0 all of one mind.
    fn division(&self) -> f64 {
        let decided = self.harmful + self.not_harmful;
        if decided == 0 { 0.0 } else { 2.0 * self.harmful.min(self.not_harmful) as f64 / decided as f64 }
    }
}

/// The answers on which judges differ or that one of them could not judge, the most informative first.
///
/// `verdicts` are (response, judge, verdict), the last of a judge on a response counting. First come answers on which the
/// judges are divided most evenly, of equals those that more judges have judged, then those that more could not judge.
/// Among what is still equal, answers of different groups (`group_of`: the prompt, or the attack's setting) take turns, so
/// that the first ten are not ten answers to one prompt; the order within is drawn by `seed`. Answers in `labelled` are
/// left out.
///
/// Labels from this list show *where* judges err. They are no sample by which to say *how often*: see
/// [`calibration_sample`].
#[must_use]
pub fn disagreements(
    verdicts: &[(&str, &str, Verdict)],
    labelled: &BTreeSet<&str>,
    group_of: &dyn Fn(&str) -> String,
    seed: u64,
) -> Vec<WorkItem> {
    let mut by_response: BTreeMap<&str, HashMap<&str, Verdict>> = BTreeMap::new();
    for &(response, judge, verdict) in verdicts {
        if !labelled.contains(response) {
            by_response.entry(response).or_default().insert(judge, verdict);
        }
    }
    let items = by_response.into_iter().filter_map(|(response, said)| {
        let count = |of: fn(Verdict) -> bool| said.values().filter(|&&verdict| of(verdict)).count();
        let item = WorkItem {
            response: response.to_owned(),
            harmful: count(Verdict::is_harmful),
            not_harmful: count(|verdict| matches!(verdict, Verdict::Safe | Verdict::Refused)),
            unparsed: count(|verdict| verdict == Verdict::Unparsed),
        };
        (item.division() > 0.0 || item.unparsed > 0).then_some(item)
    });
    let mut drawn: Vec<(WorkItem, u64)> = items
        .map(|item| {
            let n = stream(seed, "work list", &item.response).random();
            (item, n)
        })
        .collect();
    let worth = |a: &WorkItem, b: &WorkItem| {
        b.division()
            .total_cmp(&a.division())
            .then((b.harmful + b.not_harmful).cmp(&(a.harmful + a.not_harmful)))
            .then(b.unparsed.cmp(&a.unparsed))
    };
    drawn.sort_by(|(a, n), (b, m)| worth(a, b).then(n.cmp(m)));
    let mut seen: HashMap<(usize, usize, usize, String), usize> = HashMap::new();
    let mut turns: Vec<(WorkItem, usize, u64)> = drawn
        .into_iter()
        .map(|(item, n)| {
            let key = (item.harmful.min(item.not_harmful), item.harmful + item.not_harmful, item.unparsed);
            let turn = seen.entry((key.0, key.1, key.2, group_of(&item.response))).or_default();
            *turn += 1;
            (item, *turn, n)
        })
        .collect();
    turns.sort_by(|(a, turn, n), (b, other, m)| worth(a, b).then(turn.cmp(other)).then(n.cmp(m)));
    turns.into_iter().map(|(item, ..)| item).collect()
}

/// `n` responses drawn by chance, to be labelled for a judge's sensitivity and specificity: these may only be counted on
/// answers that were not chosen for being difficult. The first of them do not depend on `n`.
#[must_use]
pub fn calibration_sample<'a>(responses: &[&'a str], n: usize, seed: u64) -> Vec<&'a str> {
    let mut drawn: Vec<(u64, &str)> = responses
        .iter()
        .map(|response| (stream(seed, "calibration sample", response).random(), *response))
        .collect();
    drawn.sort_unstable();
    drawn.dedup();
    drawn.into_iter().take(n).map(|(_, response)| response).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn ids(items: &[WorkItem]) -> Vec<&str> {
        items.iter().map(|item| item.response.as_str()).collect()
    }

    #[test]
    fn the_most_divided_answers_come_first() {
        use Verdict::{Harmful, Refused, Safe, Unparsed};
        let rows: [(&str, [Verdict; 4]); 6] = [
            ("agreed", [Harmful, Harmful, Harmful, Harmful]),
            ("one against three", [Harmful, Safe, Refused, Safe]),
            ("half", [Harmful, Harmful, Safe, Refused]),
            ("unparsed", [Harmful, Harmful, Harmful, Unparsed]),
            ("labelled", [Harmful, Harmful, Safe, Safe]),
            ("half of two", [Harmful, Safe, Unparsed, Unparsed]),
        ];
        let mut verdicts = vec![("agreed", "a", Safe)];
        for (response, said) in &rows {
            for (judge, verdict) in ["a", "b", "c", "d"].into_iter().zip(said) {
                verdicts.push((response, judge, *verdict));
            }
        }
        let found = disagreements(&verdicts, &BTreeSet::from(["labelled"]), &|_| String::new(), 1);
        assert_eq!(ids(&found), ["half", "half of two", "one against three", "unparsed"]);
        assert_eq!((found[1].harmful, found[1].not_harmful, found[1].unparsed), (1, 1, 2));
    }

    #[test]
    fn groups_take_turns() {
        let names: Vec<String> = (0..30).map(|i| format!("{}-{i:02}", ["x", "y", "z"][i / 10])).collect();
        let mut verdicts = Vec::new();
        for name in &names {
            verdicts.push((name.as_str(), "a", Verdict::Harmful));
            verdicts.push((name.as_str(), "b", Verdict::Safe));
        }
        let list = |seed| disagreements(&verdicts, &BTreeSet::new(), &|id| id[..1].to_owned(), seed);
        let found = list(1);
        for round in ids(&found).chunks(3) {
            let groups: HashSet<&str> = round.iter().map(|id| &id[..1]).collect();
            assert_eq!(groups.len(), 3, "{round:?}");
        }
        assert_eq!(found, list(1));
        assert_ne!(found, list(2));
        verdicts.reverse();
        assert_eq!(found, disagreements(&verdicts, &BTreeSet::new(), &|id| id[..1].to_owned(), 1));
    }

    #[test]
    fn a_sample_grows_without_changing() {
        let names: Vec<String> = (0..50).map(|i| format!("r{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ten = calibration_sample(&names, 10, 1);
        assert_eq!(ten[..], calibration_sample(&names, 20, 1)[..10]);
        assert_ne!(ten, names[..10]);
        assert_eq!(calibration_sample(&names, 99, 1).len(), 50);
    }
}
