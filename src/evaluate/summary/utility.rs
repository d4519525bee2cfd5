//! How well models do harmless tasks.

use super::rates::rate_of;
use super::{RESAMPLES, UtilityRow};
use crate::data::Metric;
use crate::evaluate::{Records, Response, UTILITY};
use crate::model::Finish;
use crate::stats::clustered_mean;
use std::collections::{BTreeSet, HashMap};

/// Points that a judge of preferences gave, by response.
pub(super) fn points(records: &Records) -> HashMap<&str, f64> {
    let tasks: BTreeSet<&str> =
        records.responses.iter().filter(|r| !r.is_judged()).map(|r| r.id.as_str()).collect();
    let given = records.verdicts.iter().filter(|row| tasks.contains(row.response.as_str()));
    given.filter_map(|row| Some((row.response.as_str(), row.score?))).collect()
}

pub(super) fn utility_rows(
    model: &str,
    records: &Records,
    points: &HashMap<&str, f64>,
    seed: u64,
) -> Vec<UtilityRow> {
    let own: Vec<&Response> =
        records.responses.iter().filter(|r| r.model == model && r.attack == UTILITY).collect();
    let kind = |r: &'_ Response| (r.setting.clone(), r.metric.clone().unwrap_or_default());
    let mut tasks: Vec<(String, String)> = Vec::new();
    for response in &own {
        if !tasks.contains(&kind(response)) {
            tasks.push(kind(response));
        }
    }
    tasks
        .into_iter()
        .map(|(task, metric)| {
            let items: Vec<&Response> = own
                .iter()
                .copied()
                .filter(|r| r.setting == task && r.metric.clone().unwrap_or_default() == metric)
                .collect();
            let score = |r: &Response| r.score.or_else(|| points.get(r.id.as_str()).copied());
            let scored: Vec<&Response> = items.iter().copied().filter(|r| score(r).is_some()).collect();
            let clusters: Vec<&str> = scored.iter().map(|r| r.cluster.as_str()).collect();
            let between = Metric::ALL.iter().any(|m| m.label() == metric && !m.is_right_or_wrong());
            let row = |rate, mean, interval| UtilityRow {
                model: model.to_owned(),
                task: task.clone(),
                metric: metric.clone(),
                rate,
                mean,
                interval,
                unscored: items.len() - scored.len(),
                cut_off: items.iter().filter(|r| r.finish == Finish::Length).count(),
            };
            if between {
                let scores: Vec<f64> = scored.iter().filter_map(|r| score(r)).collect();
                let mean = clustered_mean(&scores, Some(&clusters), RESAMPLES, seed);
                return row(None, (!scores.is_empty()).then_some(mean), "bootstrap".to_owned());
            }
            let outcomes: Vec<bool> = scored.iter().map(|r| r.correct == Some(true)).collect();
            let (rate, interval) = rate_of(&outcomes, &clusters, seed);
            row(Some(rate), None, interval)
        })
        .collect()
}
