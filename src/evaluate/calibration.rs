//! What the judges of an evaluation are worth, by people's labels on some of its answers.

use super::summary::Said;
use super::{ANY_SETTING, REFERENCE, RESAMPLES, Records, Response, Summary};
use crate::judge::calibration::{JudgeAgreement, WorkItem, agreement, clustered_agreement, disagreements};
use crate::judge::{Drawn, Label, Verdict};
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
    /// Labels that were not given to answers drawn by chance: they say where judges err, not how often, and are in no figure
    /// above.
    pub disputed: usize,
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
    // How often a judge errs is only told by answers that were not chosen for being difficult.
    for label in labels.iter().filter(|label| label.drawn == Drawn::ByChance) {
        by_author.entry(&label.author).or_default().insert(&label.response, label.verdict);
    }
    let mut said: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let mut agreed: BTreeMap<&str, Verdict> = BTreeMap::new();
    for (&response, &verdict) in by_author.values().flatten() {
        // Whoever cannot tell leaves the word to those who can.
        if verdict == Verdict::Unparsed {
            agreed.entry(response).or_insert(verdict);
        } else {
            said.entry(response).or_default().insert(verdict.is_harmful());
            agreed.insert(response, verdict);
        }
    }
    let truth: Vec<(&str, Verdict)> = agreed
        .into_iter()
        .filter(|(response, _)| said.get(response).is_none_or(|kinds| kinds.len() == 1))
        .collect();
    let mut verdicts: BTreeMap<&str, Vec<(&str, Verdict)>> = BTreeMap::new();
    let spoken = Said::of(records);
    for &judge in &spoken.judges {
        let own = records.responses.iter().filter_map(|r| Some((r.id.as_str(), spoken.verdict(judge, r)?)));
        verdicts.insert(judge, own.collect());
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
                // A judge's errors add up over many answers to one prompt: what is known of one answer corrects no "any".
                .filter(|row| row.judge == judge && row.setting != ANY_SETTING)
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
    let all: Vec<(&str, &str, Verdict)> = verdicts
        .iter()
        .flat_map(|(&judge, own)| own.iter().map(move |&(response, verdict)| (response, judge, verdict)))
        .filter(|(response, ..)| responses.get(response).is_some_and(|r| r.model != REFERENCE))
        .collect();
    let group = |id: &str| responses.get(id).map_or_else(String::new, |r| r.prompt_id.clone());
    let disputed = labels.iter().filter(|label| label.drawn == Drawn::Disputed).count();
    Calibration { judges, people, next: disagreements(&all, &labelled, &group, seed), disputed }
}
