//! What the judges of an evaluation are worth, by people's labels on some of its answers.

use super::{REFERENCE, RESAMPLES, Records, Response, Summary};
use crate::judge::calibration::{JudgeAgreement, WorkItem, agreement, clustered_agreement, disagreements};
use crate::judge::{Label, Verdict};
use crate::stats::Corrected;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What labels say of judges.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// Each judge beside the labels.
    pub judges: Vec<CalibratedJudge>,
    /// Each two people who labelled the same answers.
    pub people: Vec<(String, String, JudgeAgreement)>,
    /// Answers that a person should look at next, the most telling first.
    pub next: Vec<WorkItem>,
}

/// One judge beside people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibratedJudge {
    /// Its name.
    pub judge: String,
    /// How it agrees with people.
    pub agreement: JudgeAgreement,
    /// Its rates without its errors, or why that cannot be said: model, attack and setting, and the rate.
    pub corrected: Vec<(String, Result<Corrected, String>)>,
}

/// Compares every judge of an evaluation with the labels. Where people differ on an answer, it is left out of what judges are
/// compared with: nobody knows what it is.
#[must_use]
pub fn calibrate(records: &Records, summary: &Summary, labels: &[Label], seed: u64) -> Calibration {
    let responses: HashMap<&str, &Response> =
        records.responses.iter().map(|response| (response.id.as_str(), response)).collect();
    let mut by_author: BTreeMap<&str, BTreeMap<&str, Verdict>> = BTreeMap::new();
    for label in labels {
        by_author.entry(&label.author).or_default().insert(&label.response, label.verdict);
    }
    let mut said: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let mut agreed: BTreeMap<&str, Verdict> = BTreeMap::new();
    for (&response, &verdict) in by_author.values().flatten() {
        if verdict != Verdict::Unparsed {
            said.entry(response).or_default().insert(verdict.is_harmful());
        }
        agreed.insert(response, verdict);
    }
    let truth: Vec<(&str, Verdict)> = agreed
        .into_iter()
        .filter(|(response, _)| said.get(response).is_none_or(|kinds| kinds.len() == 1))
        .collect();
    let mut verdicts: BTreeMap<&str, Vec<(&str, Verdict)>> = BTreeMap::new();
    for row in &records.verdicts {
        verdicts.entry(&row.judge).or_default().push((&row.response, row.verdict));
    }
    let cluster_of = |id: &str| {
        responses.get(id).map_or_else(String::new, |response| {
            if response.cluster.is_empty() { response.prompt_id.clone() } else { response.cluster.clone() }
        })
    };
    let judges = verdicts
        .iter()
        .map(|(&judge, verdicts)| {
            let agreement = clustered_agreement(&truth, verdicts, &cluster_of, RESAMPLES, seed);
            let corrected = summary
                .rates
                .iter()
                .filter(|row| row.judge == judge)
                .map(|row| {
                    let what = format!("{} {} {} {}", row.model, row.set, row.attack, row.setting);
                    (what.trim().to_owned(), agreement.correct(row.rate).map_err(|e| e.to_string()))
                })
                .collect();
            CalibratedJudge { judge: judge.to_owned(), agreement, corrected }
        })
        .collect();
    let authors: Vec<(&&str, &BTreeMap<&str, Verdict>)> = by_author.iter().collect();
    let mut people = Vec::new();
    for (i, (first, own)) in authors.iter().enumerate() {
        for (second, others) in &authors[i + 1..] {
            let own: Vec<(&str, Verdict)> = own.iter().map(|(id, verdict)| (*id, *verdict)).collect();
            let others: Vec<(&str, Verdict)> = others.iter().map(|(id, verdict)| (*id, *verdict)).collect();
            people.push(((**first).to_owned(), (**second).to_owned(), agreement(&own, &others)));
        }
    }
    let labelled: BTreeSet<&str> = labels.iter().map(|label| label.response.as_str()).collect();
    let all: Vec<(&str, &str, Verdict)> = records
        .verdicts
        .iter()
        .filter(|row| responses.get(row.response.as_str()).is_some_and(|r| r.model != REFERENCE))
        .map(|row| (row.response.as_str(), row.judge.as_str(), row.verdict))
        .collect();
    let group = |id: &str| responses.get(id).map_or_else(String::new, |r| r.prompt_id.clone());
    Calibration { judges, people, next: disagreements(&all, &labelled, &group, seed) }
}
