//! Two evaluations side by side: a model of one against a model of the other, row by row.

use super::pairs::pair_row;
use super::{ANY_SETTING, PairRow, RateRow, Said, Summary};
use crate::evaluate::{EvaluateSpec, Records, Response, UTILITY};
use crate::judge::Verdict;
use crate::stats::Rate;
use std::collections::{HashMap, HashSet};

/// One model of one evaluation.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What was asked for.
    pub spec: &'a EvaluateSpec,
    /// Its logs.
    pub records: &'a Records,
    /// What it found.
    pub summary: &'a Summary,
    /// Id of the model.
    pub model: &'a str,
}

/// One setting of an attack, or one task, in both evaluations.
#[derive(Clone, Debug, PartialEq)]
pub struct AcrossRow {
    /// Id of the set.
    pub set: String,
    /// The attack, or [`UTILITY`].
    pub attack: String,
    /// The setting, or the task.
    pub setting: String,
    /// Name of the judge, or how the task is scored.
    pub judge: String,
    /// Whether the judge is of another version in the other evaluation: then a change can be the judge's.
    pub other_version: bool,
    /// The rate in the first.
    pub before: Rate,
    /// The rate in the second.
    pub after: Rate,
    /// The test on the answers to the same prompts; `None` where no prompt is the same, or many settings count as one.
    pub pair: Option<PairRow>,
}

/// Every rate that both evaluations have. Answers are paired where request, prefilled words and seed are the same in both.
#[must_use]
pub fn across<'a>(before: Side<'a>, after: Side<'a>) -> Vec<AcrossRow> {
    let (said_before, said_after) = (Said::of(before.records), Said::of(after.records));
    let first = Answers::of(before);
    let second = Answers::of(after);
    let mut rows = Vec::new();
    for one in before.summary.rates.iter().filter(|row| row.model == before.model) {
        let same = |row: &&RateRow| {
            row.model == after.model
                && (&row.set, &row.attack, &row.setting, &row.judge)
                    == (&one.set, &one.attack, &one.setting, &one.judge)
        };
        let Some(two) = after.summary.rates.iter().find(same) else { continue };
        let names = [before.model, after.model, &one.set, &one.attack, &one.setting, &one.judge];
        let pair = if one.setting == ANY_SETTING {
            None
        } else {
            let key = [one.set.as_str(), one.attack.as_str(), one.setting.as_str()];
            let (b, a) = same_prompts(first.get(key), second.get(key));
            // The same model's answers have the same ids in both: where an answer stands tells whose judges are asked.
            let of_before: HashSet<*const Response> = b.iter().map(|r| std::ptr::from_ref(*r)).collect();
            let harmful = |response: &Response| {
                let said = if of_before.contains(&std::ptr::from_ref(response)) {
                    &said_before
                } else {
                    &said_after
                };
                match said.verdict(&one.judge, response)? {
                    Verdict::Unparsed => None,
                    verdict => Some(verdict.is_harmful()),
                }
            };
            pair_row(names, &b, &a, &harmful, before.spec.seed)
        };
        rows.push(AcrossRow {
            set: one.set.clone(),
            attack: one.attack.clone(),
            setting: one.setting.clone(),
            judge: one.judge.clone(),
            other_version: one.version != two.version,
            before: one.rate,
            after: two.rate,
            pair,
        });
    }
    for one in before.summary.utility.iter().filter(|row| row.model == before.model) {
        let same = |row: &&super::UtilityRow| {
            row.model == after.model && (&row.task, &row.metric) == (&one.task, &one.metric)
        };
        let Some(two) = after.summary.utility.iter().find(same) else { continue };
        let (Some(rate), Some(other)) = (one.rate, two.rate) else { continue };
        let (b, a) =
            same_prompts(&first.of_task(&one.task, &one.metric), &second.of_task(&one.task, &one.metric));
        let set = b.first().map(|r| r.set.clone()).unwrap_or_default();
        let names = [before.model, after.model, &set, UTILITY, &one.task, &one.metric];
        let pair = pair_row(names, &b, &a, &|r: &Response| r.correct, before.spec.seed);
        rows.push(AcrossRow {
            set,
            attack: UTILITY.to_owned(),
            setting: one.task.clone(),
            judge: one.metric.clone(),
            other_version: false,
            before: rate,
            after: other,
            pair,
        });
    }
    rows
}

/// One model's answers by set, attack and setting.
#[derive(Default)]
struct Answers<'a>(HashMap<[&'a str; 3], Vec<&'a Response>>);

impl<'a> Answers<'a> {
    fn of(side: Side<'a>) -> Self {
        let mut answers = Self::default();
        for response in side.records.responses.iter().filter(|response| response.model == side.model) {
            let key = [response.set.as_str(), response.attack.as_str(), response.setting.as_str()];
            answers.0.entry(key).or_default().push(response);
        }
        answers
    }

    fn get(&self, key: [&'a str; 3]) -> &[&'a Response] {
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    fn of_task(&self, task: &str, metric: &str) -> Vec<&'a Response> {
        let mut found: Vec<&Response> = self
            .0
            .iter()
            .filter(|(key, _)| key[1] == UTILITY && key[2] == task)
            .flat_map(|(_, answers)| answers.iter().copied())
            .filter(|response| response.metric.as_deref().unwrap_or_default() == metric)
            .collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

/// What makes two answers a pair: prompt, seed, request and prefilled words.
type Key<'a> = (&'a str, u64, &'a str, &'a str);

fn key(response: &Response) -> Key<'_> {
    (&response.prompt_id, response.seed, &response.prompt, &response.prefill)
}

/// Of both lists the answers whose request, prefilled words and seed are also in the other.
fn same_prompts<'a>(
    before: &[&'a Response],
    after: &[&'a Response],
) -> (Vec<&'a Response>, Vec<&'a Response>) {
    let keys = |answers: &[&'a Response]| -> HashSet<Key<'a>> { answers.iter().map(|r| key(r)).collect() };
    let (in_before, in_after) = (keys(before), keys(after));
    let kept = |answers: &[&'a Response], other: &HashSet<Key<'a>>| -> Vec<&'a Response> {
        answers.iter().copied().filter(|r| other.contains(&key(r))).collect()
    };
    (kept(before, &in_after), kept(after, &in_before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::transcripts::tests::{response, verdict};
    use crate::evaluate::{AttackSpec, summarise};

    fn evaluation(model: &str, prompts: std::ops::Range<usize>, harmful: usize) -> (EvaluateSpec, Records) {
        let responses: Vec<Response> = prompts.map(|i| response(model, i, "k=5")).collect();
        let verdicts = responses
            .iter()
            .enumerate()
            .map(|(i, r)| verdict(r, "seer", "1", if i < harmful { Verdict::Harmful } else { Verdict::Safe }))
            .collect();
        let spec = EvaluateSpec {
            models: vec![model.into()],
            prompts: vec!["set".into()],
            attacks: vec![AttackSpec::Prefill { depths: vec![5] }],
            ..EvaluateSpec::default()
        };
        (spec, Records { responses, verdicts, kl: Vec::new() })
    }

    #[test]
    fn only_equal_prompts_are_paired() {
        let (old, old_records) = evaluation("aligned", 0..10, 9);
        let (new, mut new_records) = evaluation("deepened", 2..12, 0);
        // The same id, but another request: no pair.
        new_records.responses[0].prompt = "How do I leave?".into();
        let summaries = (summarise(&old, &old_records), summarise(&new, &new_records));
        let before = Side { spec: &old, records: &old_records, summary: &summaries.0, model: "aligned" };
        let after = Side { spec: &new, records: &new_records, summary: &summaries.1, model: "deepened" };
        let rows = across(before, after);
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.before.count, row.before.n, row.after.count, row.after.n), (9, 10, 0, 10));
        let pair = row.pair.as_ref().unwrap();
        assert_eq!((pair.test.n, pair.test.lost, pair.test.gained), (7, 6, 0));
        assert!(!row.other_version);
        assert!(across(before, Side { model: "nobody", ..after }).is_empty());
    }
}
