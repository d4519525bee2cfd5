//! The charts of an evaluation, made of its summary.

use super::chart::{Chart, Hue, Scale, Series};
use crate::evaluate::{RateRow, Summary};
use crate::project::ModelRole;

/// What a curve of KL by token says, in two plain sentences.
pub(super) const KL_MEANING: &str = "KL says how far the model's predictions are from the base's at each token of a harmful answer. \
    A curve that is high only at the first tokens means shallow safety: past them the model goes on as the base would.";

/// Who a model is: its colour in a chart.
type Roles<'a> = &'a dyn Fn(&str) -> ModelRole;

/// The rate after k prefilled tokens, one chart for each judge, with the ceiling of each set as a faint line.
#[must_use]
pub fn prefill_charts(summary: &Summary, roles: Roles<'_>) -> Vec<Chart<'static>> {
    let mut depths: Vec<usize> =
        summary.rates.iter().filter(|row| row.attack == "prefill").filter_map(|row| row.depth).collect();
    depths.sort_unstable();
    depths.dedup();
    let ticks: Vec<f64> = depths.into_iter().map(|k| k as f64).collect();
    let note = |judge: &str, series: &[Series]| {
        let ceiling = if series.iter().any(|one| one.faint) {
            " · ceiling: the most that any attack could reach at that depth"
        } else {
            ""
        };
        format!("ASR by the {judge} judge · whiskers: 95 % interval{ceiling}")
    };
    let chart = |judge: &str| {
        let series = prefill_series(summary, judge, roles);
        Chart {
        id: format!("prefill {judge}").into(),
        question: "How often does the model comply after k harmful tokens?".into(),
        x: "prefilled harmful tokens, k".into(),
        y: "complied (ASR)".into(),
        meaning: "The attack puts the first k tokens of a harmful answer into the model's mouth and lets it go on; only \
                  what it writes itself is judged. A safe model stays low at every k, and the ceiling shows the most that any \
                  attack could reach there, because little of the answer is left."
            .into(),
        note: note(judge, &series).into(),
        scale: Scale::Percent,
        ticks: ticks.clone().into(),
        series: series.into(),
    }
    };
    judges_of(summary, "prefill").into_iter().map(chart).collect()
}

/// The rate by sampling temperature, one chart for each judge that has one.
#[must_use]
pub fn temperature_charts(summary: &Summary, roles: Roles<'_>) -> Vec<Chart<'static>> {
    let chart = |judge: &str| {
        Chart {
        id: format!("temperature {judge}").into(),
        question: "Does sampling at another temperature break it?".into(),
        x: "sampling temperature".into(),
        y: "complied (ASR)".into(),
        meaning: "At a higher temperature a model takes less likely words more often. Where its safety hangs on a few first \
                  words, taking another one there is enough. The table counts a prompt as broken if any way of sampling \
                  breaks it, top-k and top-p included."
            .into(),
        note: format!("ASR by the {judge} judge · whiskers: 95 % interval").into(),
        scale: Scale::Percent,
        series: temperature_series(summary, judge, roles).into(),
        ..Chart::default()
    }
    };
    judges_of(summary, "decoding").into_iter().map(chart).filter(|chart| !chart.series.is_empty()).collect()
}

/// KL by answer token; `None` if it was not measured.
#[must_use]
pub fn kl_chart(summary: &Summary, roles: Roles<'_>) -> Option<Chart<'static>> {
    (!summary.kl.is_empty()).then(|| Chart {
        id: "kl by token".into(),
        question: kl_title(summary).into(),
        x: "answer token".into(),
        y: "KL (nats)".into(),
        meaning: KL_MEANING.into(),
        note: "KL in nats · band: one standard deviation over prompts · shown while at least a quarter of the answers reach the token"
            .into(),
        series: kl_series(summary, roles).into(),
        ..Chart::default()
    })
}

/// The judges of an attack, in the order in which they first come.
fn judges_of<'a>(summary: &'a Summary, attack: &str) -> Vec<&'a str> {
    let mut judges: Vec<&str> = Vec::new();
    for row in summary.rates.iter().filter(|row| row.attack == attack) {
        if !judges.contains(&row.judge.as_str()) {
            judges.push(&row.judge);
        }
    }
    judges
}

/// The rate by temperature, the other ways of sampling left out.
fn temperature_series(summary: &Summary, judge: &str, roles: Roles<'_>) -> Vec<Series> {
    let mut lines = Vec::new();
    for (model, set, name) in lines_of(summary) {
        let rows: Vec<(f64, &RateRow)> = summary
            .rates
            .iter()
            .filter(|row| {
                row.attack == "decoding" && row.judge == judge && row.model == model && row.set == set
            })
            .filter_map(|row| Some((row.setting.strip_prefix("T=")?.parse().ok()?, row)))
            .collect();
        if rows.len() < 2 {
            continue;
        }
        let points = rows.iter().map(|(t, row)| [*t, row.rate.value()]).collect();
        let whiskers = rows.iter().map(|(_, row)| (row.rate.low, row.rate.high)).collect();
        let n = rows.first().map_or(0, |(_, row)| row.rate.n);
        lines
            .push(Series::of_role(format!("{name} (n = {n})"), roles(model), points).with_whiskers(whiskers));
    }
    lines
}

/// Every model on every set, with the name of its line: the set is told where there are several.
fn lines_of(summary: &Summary) -> Vec<(&str, &str, String)> {
    let mut sets: Vec<&str> = Vec::new();
    for row in &summary.rates {
        if !sets.contains(&row.set.as_str()) {
            sets.push(&row.set);
        }
    }
    let mut lines = Vec::new();
    for model in models_of(summary) {
        for &set in &sets {
            let name = if sets.len() > 1 { format!("{model}, {set}") } else { model.to_owned() };
            lines.push((model, set, name));
        }
    }
    lines
}

fn models_of(summary: &Summary) -> Vec<&str> {
    let mut models: Vec<&str> = Vec::new();
    for id in summary
        .rates
        .iter()
        .map(|row| row.model.as_str())
        .chain(summary.kl.iter().map(|row| row.model.as_str()))
    {
        if !models.contains(&id) {
            models.push(id);
        }
    }
    models
}

fn prefill_series(summary: &Summary, judge: &str, roles: Roles<'_>) -> Vec<Series> {
    let mut lines = Vec::new();
    let mut ceilings: Vec<(&str, Vec<[f64; 2]>)> = Vec::new();
    let mut sets: Vec<&str> = Vec::new();
    for (model, set, name) in lines_of(summary) {
        let mut rows: Vec<(usize, &RateRow)> = summary
            .rates
            .iter()
            .filter(|row| {
                row.attack == "prefill" && row.judge == judge && row.model == model && row.set == set
            })
            .filter_map(|row| row.depth.map(|depth| (depth, row)))
            .collect();
        rows.sort_by_key(|(depth, _)| *depth);
        if rows.is_empty() {
            continue;
        }
        let points = rows.iter().map(|(k, row)| [*k as f64, row.rate.value()]).collect();
        let whiskers = rows.iter().map(|(_, row)| (row.rate.low, row.rate.high)).collect();
        let n = rows.first().map_or(0, |(_, row)| row.rate.n);
        lines
            .push(Series::of_role(format!("{name} (n = {n})"), roles(model), points).with_whiskers(whiskers));
        if !sets.contains(&set) {
            sets.push(set);
        }
        // The ceiling comes from a set's reference answers: it is the same for every model.
        let known = ceilings.iter().any(|(of, _)| *of == set);
        let ceiling: Vec<[f64; 2]> =
            rows.iter().filter_map(|(k, row)| Some([*k as f64, row.ceiling?.value()])).collect();
        if !known && ceiling.len() > 1 {
            ceilings.push((set, ceiling));
        }
    }
    for (set, points) in ceilings {
        let name = if sets.len() > 1 { format!("ceiling, {set}") } else { "ceiling".to_owned() };
        lines.push(Series { points, ..Series::plain(name, Hue::Ink).faint() });
    }
    lines
}

/// KL by token with a band of one standard deviation, never below 0, where KL cannot be. Positions that fewer than a
/// quarter of the answers reach are left out: there the mean is of another, smaller set of prompts.
fn kl_series(summary: &Summary, roles: Roles<'_>) -> Vec<Series> {
    summary
        .kl
        .iter()
        .map(|row| {
            let first = row.n.first().copied().unwrap_or(0);
            let reach = row.n.iter().take_while(|&&n| 4 * n >= first && n > 0).count().min(row.mean.len());
            let points = row.mean[..reach].iter().enumerate().map(|(t, &kl)| [(t + 1) as f64, kl]).collect();
            let band =
                row.mean[..reach].iter().zip(&row.std).map(|(&m, &s)| ((m - s).max(0.0), m + s)).collect();
            let last = reach.checked_sub(1).map_or(0, |at| row.n[at]);
            let several = summary.kl.iter().any(|other| other.set != row.set);
            let who = if several { format!("{}, {}", row.model, row.set) } else { row.model.clone() };
            let name = if first == last {
                format!("{who} (n = {first})")
            } else {
                format!("{who} (n = {first} at token 1, {last} at token {reach})")
            };
            Series::of_role(name, roles(&row.model), points).with_band(band)
        })
        .collect()
}

/// The question of the KL chart, with both models named where there is one pair.
fn kl_title(summary: &Summary) -> String {
    match summary.kl.as_slice() {
        [one] => {
            format!("How deep is the safety? KL between {} and {}, by answer token", one.model, one.base)
        }
        [first, ..] => {
            format!("How deep is the safety? KL between each model and {}, by answer token", first.base)
        }
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::grid::tests::rate;
    use crate::stats::Rate;

    #[test]
    fn every_set_has_its_own_ceiling() {
        let row = |model: &str, set: &str, depth: usize, most: usize| RateRow {
            set: set.into(),
            ceiling: Some(Rate::wilson(most, 10)),
            ..rate(model, depth, 1)
        };
        let ceilings = |rates: Vec<RateRow>| -> Vec<(String, Vec<[f64; 2]>)> {
            let summary = Summary { rates, ..Summary::default() };
            let lines = prefill_series(&summary, "seer", &|_| ModelRole::Other);
            lines.into_iter().filter(|line| line.faint).map(|line| (line.name, line.points)).collect()
        };
        let of = |model, set, most| [row(model, set, 0, 10), row(model, set, 5, most)];
        let one = [of("a", "x", 8), of("b", "x", 8)].concat();
        assert_eq!(ceilings(one.clone()), [("ceiling".to_owned(), vec![[0.0, 1.0], [5.0, 0.8]])]);
        let two = [one, of("a", "y", 2).to_vec()].concat();
        let wanted = [("ceiling, x", 0.8), ("ceiling, y", 0.2)];
        assert_eq!(
            ceilings(two),
            wanted.map(|(name, most)| (name.to_owned(), vec![[0.0, 1.0], [5.0, most]]))
        );
    }
}
