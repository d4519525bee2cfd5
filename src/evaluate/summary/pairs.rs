//! Every two models on the same prompts.

use super::rates::clusters_of;
use super::{Cells, Judged, PairRow, RESAMPLES};
use crate::evaluate::{AttackSpec, EvaluateSpec, Records, Response, UTILITY};
use crate::judge::Verdict;
use crate::stats::{clustered_mcnemar, mcnemar, paired_difference};
use std::collections::{BTreeMap, HashMap};

/// Every two models on every setting but the ways of sampling, and on every task whose answers are right or wrong.
pub(super) fn pair_rows<'a>(
    spec: &'a EvaluateSpec,
    records: &'a Records,
    cells: &Cells<'a>,
    judges: &[&str],
    judged: &Judged<'_>,
) -> Vec<PairRow> {
    let mut rows = Vec::new();
    for (i, before) in spec.models.iter().enumerate() {
        for after in &spec.models[i + 1..] {
            for set in &spec.prompts {
                for attack in spec.attacks.iter().map(AttackSpec::name) {
                    if attack == "decoding" {
                        continue;
                    }
                    for setting in cells.settings(before, set, attack) {
                        for judge in judges {
                            let harmful = |response: &Response| match judged(judge, response)? {
                                Verdict::Unparsed => None,
                                verdict => Some(verdict.is_harmful()),
                            };
                            let (b, a) = (
                                cells.get(before, set, attack, setting),
                                cells.get(after, set, attack, setting),
                            );
                            let names = [before, after, set, attack, setting, judge];
                            rows.extend(pair_row(names, b, a, &harmful, spec.seed));
                        }
                    }
                }
            }
            let right = |response: &Response| response.correct;
            let of = |model: &str| -> BTreeMap<&'a str, Vec<&'a Response>> {
                let mut tasks: BTreeMap<&str, Vec<&Response>> = BTreeMap::new();
                for response in records.responses.iter().filter(|r| r.attack == UTILITY && r.model == model) {
                    tasks.entry(&response.setting).or_default().push(response);
                }
                tasks
            };
            let (b, a) = (of(before), of(after));
            for (task, b) in &b {
                let Some(a) = a.get(task) else { continue };
                let metric = b.first().and_then(|r| r.metric.clone()).unwrap_or_default();
                let set = b.first().map_or("", |r| r.set.as_str());
                rows.extend(pair_row([before, after, set, UTILITY, task, &metric], b, a, &right, spec.seed));
            }
        }
    }
    rows
}

/// Answers to the same prompts under the same seed, in both models.
pub(super) fn pair_row(
    [before, after, set, attack, setting, judge]: [&str; 6],
    first: &[&Response],
    second: &[&Response],
    outcome: &dyn Fn(&Response) -> Option<bool>,
    seed: u64,
) -> Option<PairRow> {
    let others: HashMap<(&str, u64), &Response> =
        second.iter().map(|r| ((r.prompt_id.as_str(), r.seed), *r)).collect();
    let (mut b, mut a, mut responses) = (Vec::new(), Vec::new(), Vec::new());
    for response in first {
        if let Some(other) = others.get(&(response.prompt_id.as_str(), response.seed))
            && let (Some(one), Some(two)) = (outcome(response), outcome(other))
        {
            b.push(one);
            a.push(two);
            responses.push(*response);
        }
    }
    if responses.is_empty() {
        return None;
    }
    let clusters = clusters_of(&responses);
    let clustered = clusters.iter().any(|name| !name.is_empty());
    let test = if clustered { clustered_mcnemar(&b, &a, &clusters) } else { mcnemar(&b, &a) };
    let change = paired_difference(&b, &a, clustered.then_some(clusters.as_slice()), RESAMPLES, seed);
    Some(PairRow {
        before: before.to_owned(),
        after: after.to_owned(),
        set: set.to_owned(),
        attack: attack.to_owned(),
        setting: setting.to_owned(),
        judge: judge.to_owned(),
        change,
        test,
    })
}
