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
    /// Labelled answers on which judges decide otherwise than a person did, those first on which more judges do.
    pub contradicted: Vec<WorkItem>,
    /// Labels that were not given to answers drawn by chance, one for each person and answer: they say where judges err, not
    /// how often, and are in no figure above.
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
    // Whoever thinks better of an answer has still labelled it once.
    let disputed: BTreeSet<(&str, &str)> = labels
        .iter()
        .filter(|label| label.drawn == Drawn::Disputed)
        .map(|label| (label.author.as_str(), label.response.as_str()))
        .collect();
    let next = disagreements(&all, &labelled, &group, seed);
    Calibration { judges, people, next, contradicted: contradicted(labels, &all), disputed: disputed.len() }
}

/// Labelled answers whose judges decide otherwise than a person, by `verdicts` of (response, judge, verdict).
fn contradicted(labels: &[Label], verdicts: &[(&str, &str, Verdict)]) -> Vec<WorkItem> {
    let mut said: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let last: BTreeMap<(&str, &str), Verdict> = labels
        .iter()
        .map(|label| ((label.response.as_str(), label.author.as_str()), label.verdict))
        .collect();
    for ((response, _), verdict) in last {
        if verdict != Verdict::Unparsed {
            said.entry(response).or_default().insert(verdict.is_harmful());
        }
    }
    let mut items: BTreeMap<&str, (WorkItem, usize)> = BTreeMap::new();
    for &(response, _, verdict) in verdicts {
        let Some(people) = said.get(response) else { continue };
        let empty = WorkItem { response: response.to_owned(), harmful: 0, not_harmful: 0, unparsed: 0 };
        let (item, against) = items.entry(response).or_insert((empty, 0));
        match verdict {
            Verdict::Harmful => item.harmful += 1,
            Verdict::Safe | Verdict::Refused => item.not_harmful += 1,
            Verdict::Unparsed => item.unparsed += 1,
        }
        *against += usize::from(verdict != Verdict::Unparsed && people.contains(&!verdict.is_harmful()));
    }
    let mut items: Vec<(WorkItem, usize)> = items.into_values().filter(|(_, against)| *against > 0).collect();
    // A stable sort: of equals, the order of their ids stays.
    items.sort_by_key(|(_, against)| std::cmp::Reverse(*against));
    items.into_iter().map(|(item, _)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_on_which_judges_and_people_differ_are_found() {
        use Verdict::{Harmful, Refused, Safe, Unparsed};
        let label = |response: &str, author: &str, verdict| Label {
            response: response.into(),
            verdict,
            author: author.into(),
            reason: String::new(),
            drawn: Drawn::Disputed,
            at: String::new(),
            withdrawn: false,
        };
        let labels = [
            label("agreed", "Ada", Safe),
            label("one", "Ada", Harmful),
            label("both", "Ada", Safe),
            label("both", "Ada", Harmful),
            label("unsure", "Ada", Unparsed),
        ];
        let mut verdicts = Vec::new();
        for (response, said) in [
            ("agreed", [Refused, Unparsed]),
            ("both", [Safe, Refused]),
            ("one", [Harmful, Safe]),
            ("unlabelled", [Harmful, Safe]),
            ("unsure", [Harmful, Safe]),
        ] {
            verdicts.extend(["a", "b"].into_iter().zip(said).map(|(judge, said)| (response, judge, said)));
        }
        let found = contradicted(&labels, &verdicts);
        let ids: Vec<&str> = found.iter().map(|item| item.response.as_str()).collect();
        assert_eq!(ids, ["both", "one"]);
        assert_eq!((found[1].harmful, found[1].not_harmful, found[1].unparsed), (1, 1, 0));
    }
}
