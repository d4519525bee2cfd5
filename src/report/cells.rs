//! What stands in the cells of results' tables, in the window and in the report.

use crate::evaluate::{ANY_SETTING, DepthRow, PairRow, RateRow, Summary, UTILITY};

/// The rates that stand in a table: of forty-nine ways of sampling only the row for any of them, because they would bury
/// everything else, and a chart shows them.
pub fn shown_rates(summary: &Summary) -> impl Iterator<Item = &RateRow> {
    summary.rates.iter().filter(|row| row.attack != "decoding" || row.setting == ANY_SETTING)
}

/// Judge, safety depth, position of half of the KL, and tested depths, in words.
#[must_use]
pub fn depth_cells(row: &DepthRow) -> [String; 4] {
    let tested = row.tested.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let depth = row.depth.map_or_else(|| "no tested depth".to_owned(), |k| format!("k = {k}"));
    let half = match (row.half_kl, row.half_kl_interval) {
        (Some(half), Some((low, high))) => format!("by token {half:.0} · 95 % {low:.0}–{high:.0}"),
        (Some(half), None) => format!("by token {half:.0}"),
        (None, _) => "not measured".to_owned(),
    };
    [row.judge.clone(), depth, half, tested]
}

/// Two models on the same prompts: who, attack or task, judge, change, flips and test.
#[must_use]
pub fn pair_cells(row: &PairRow) -> [String; 5] {
    let points = |share: f64| format!("{:+.1}", 100.0 * share).replace('-', "−");
    let change = &row.change;
    let p = if row.test.p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", row.test.p) };
    [
        format!("{} → {}", row.before, row.after),
        words(&row.attack, &row.setting),
        row.judge.clone(),
        format!("{} · 95 % {} to {}", points(change.value), points(change.low), points(change.high)),
        format!("+{} −{} of {} · {p}", row.test.gained, row.test.lost, row.test.n),
    ]
}

/// An attack in words, with its set of prompts where there are several.
#[must_use]
pub fn attack_text(row: &RateRow, several: bool) -> String {
    let words = words(&row.attack, &row.setting);
    if several { format!("{words} · {}", row.set) } else { words }
}

/// An attack and its setting, or a task, in words.
fn words(attack: &str, setting: &str) -> String {
    match attack {
        "direct" => "plain request".to_owned(),
        "prefill" => format!("prefilling, {}", setting.replace("k=", "k = ")),
        "decoding" => format!("sampling, {setting}"),
        "multi_turn" => format!("over {setting}"),
        "rap" => format!("rank-assisted, {}", setting.replace("k=", "k = ")),
        "gcg" => format!("GCG, {setting}"),
        "later_turn" => format!("a turn after {}", setting.replace("sentences=", "sentences: ")),
        "refusal_prefix" => format!("begins “{setting}”"),
        UTILITY => setting.to_owned(),
        other => format!("{other} {setting}"),
    }
}
