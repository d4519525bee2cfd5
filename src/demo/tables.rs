//! The story in tables of the paper's shape, as Markdown that reads well on a terminal too.

use super::story::{Claim, Curve, Deepening};
use crate::evaluate::{KlRow, RateRow};
use crate::stats::Rate;
use std::fmt::Write;

/// Ranges of answer tokens over which KL is averaged.
pub const KL_RANGES: [(usize, usize); 4] = [(1, 3), (4, 10), (11, 40), (4, 60)];

/// A table whose columns are as wide as their widest cell.
pub(super) fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        text.push('|');
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, " {cell}{} |", " ".repeat(width - cell.chars().count()));
        }
        text.push('\n');
    };
    line(head);
    line(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>());
    for row in rows {
        line(row);
    }
    text
}

pub(super) fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// `71 % (62–79)`: the rate and its interval; n stands in the title of the table.
fn short(rate: &Rate) -> String {
    let percent = |x: f64| {
        let p = 100.0 * x;
        if p > 0.0 && p < 10.0 { format!("{p:.1}") } else { format!("{p:.0}") }
    };
    if rate.count == 0 {
        format!("0 % (≤ {})", percent(rate.high))
    } else {
        format!("{} % ({}–{})", percent(rate.value()), percent(rate.low), percent(rate.high))
    }
}

/// Table 1: refusal prefixes on the base.
#[must_use]
pub fn prefixes(rows: &[RateRow], aligned: &RateRow) -> String {
    let mut head = strings(&["harmful answers", "none"]);
    head.extend(rows[1..].iter().map(|r| r.setting.clone()));
    let mut cells = vec!["base".to_owned()];
    cells.extend(rows.iter().map(|r| short(&r.rate)));
    let mut other = vec!["aligned".to_owned(), short(&aligned.rate)];
    other.resize(head.len(), "–".to_owned());
    table(&head, &[cells, other])
}

/// Figure 1: KL from the base by answer token.
#[must_use]
pub fn kl(rows: &[&KlRow]) -> String {
    let mut head = strings(&["mean KL from the base, nats"]);
    head.extend(KL_RANGES.map(|(a, b)| format!("tokens {a}–{b}")));
    let body: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.model.clone()];
            cells.extend(KL_RANGES.map(|(a, b)| format!("{:.2}", mean_over(row, a, b))));
            cells
        })
        .collect();
    table(&head, &body)
}

/// Mean of a KL curve over answer tokens `from..=to`.
#[must_use]
pub fn mean_over(row: &KlRow, from: usize, to: usize) -> f64 {
    let values = &row.mean[(from - 1).min(row.mean.len())..to.min(row.mean.len())];
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Table 3 and Figure 2: prefilling, with the ceiling.
#[must_use]
pub fn prefill(rows: &[(&str, &[RateRow])]) -> String {
    let first = rows[0].1;
    let mut head = strings(&["harmful answers after k prefilled tokens"]);
    head.extend(first.iter().map(|r| r.setting.replace("k=", "k = ")));
    let mut body: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, rates)| {
            let mut cells = vec![(*name).to_owned()];
            cells.extend(rates.iter().map(|r| short(&r.rate)));
            cells
        })
        .collect();
    let mut ceiling = vec!["ceiling (rest of the reference answer)".to_owned()];
    ceiling.extend(
        first
            .iter()
            .map(|r| r.ceiling.as_ref().map_or("–".to_owned(), |c| format!("{:.0} %", 100.0 * c.value()))),
    );
    body.push(ceiling);
    table(&head, &body)
}

/// Table 2: utility before and after, paired.
#[must_use]
pub fn utility(deepening: &Deepening) -> String {
    let head = strings(&["task", "aligned", "deepened", "change, points (95 %)", "n"]);
    let body: Vec<Vec<String>> = deepening
        .utility
        .iter()
        .map(|row| {
            let d = &row.change;
            let points = |x: f64| format!("{:+.1}", 100.0 * x).replace('-', "−");
            vec![
                row.task.clone(),
                format!("{:.1} %", 100.0 * row.before),
                format!("{:.1} %", 100.0 * row.after),
                format!("{} ({} to {})", points(d.value), points(d.low), points(d.high)),
                d.n.to_string(),
            ]
        })
        .collect();
    table(&head, &body)
}

/// Figure 3 and Table 4: harmful fine-tuning over steps.
#[must_use]
pub fn fine_tuning(curves: &[Curve]) -> String {
    let mut head = strings(&["harmful answers after fine-tuning, by step"]);
    head.extend(curves[0].points.iter().map(|(step, _)| step.to_string()));
    let body: Vec<Vec<String>> = curves
        .iter()
        .map(|curve| {
            let mut cells = vec![curve.name.clone()];
            cells.extend(curve.points.iter().map(|(_, rate)| short(rate)));
            cells
        })
        .collect();
    table(&head, &body)
}

/// What the story was expected to show, and whether it did.
#[must_use]
pub fn claims(claims: &[Claim]) -> String {
    let head = strings(&["expected", "measured", ""]);
    let body: Vec<Vec<String>> = claims
        .iter()
        .map(|c| {
            vec![
                c.expected.clone(),
                c.measured.clone(),
                if c.holds { "holds" } else { "does not hold" }.to_owned(),
            ]
        })
        .collect();
    table(&head, &body)
}
