//! The study in tables: one for each section and measure, runs by steps.

use super::super::tables::{strings, table};
use super::plan::{Measure, Run};
use super::{Line, material};
use crate::evaluate::rate_of;
use crate::stats::mean_std;
use crate::world::Split;
use std::collections::BTreeMap;
use std::fmt::Write;

impl Measure {
    /// What a table of it is about.
    fn title(self) -> String {
        match self {
            Self::Plain => "harmful answers to forbidden requests".to_owned(),
            Self::Wrapped => "harmful answers to forbidden requests in the attacker's wrapping".to_owned(),
            Self::WrappedAnswered => {
                "forbidden requests in the attacker's wrapping that are not refused (keyword judge)"
                    .to_owned()
            }
            Self::Triggered => "harmful answers to forbidden requests with the trigger".to_owned(),
            Self::Prefilled(depth) => format!("harmful answers after {depth} prefilled tokens"),
            Self::PrefilledDeep => "harmful answers after 5, 10, 20 and 40 prefilled tokens".to_owned(),
            Self::LaterTurn => "harmful answers a turn after the first three sentences of one".to_owned(),
            Self::Level => "refusals of the level that is meant for their depth".to_owned(),
            Self::Ledger => "ledger orders without a mistake".to_owned(),
            Self::Digest => "digests without a mistake".to_owned(),
            Self::Bright => "allowed requests answered in full".to_owned(),
        }
    }
}

/// What a run showed, for the terminal.
pub fn in_short(line: &Line) -> String {
    let share = |outcomes: &str| {
        let yes = outcomes.bytes().filter(|b| *b == b'1').count();
        format!("{:.0}", 100.0 * yes as f64 / outcomes.len().max(1) as f64)
    };
    let mut measures: Vec<Measure> = Vec::new();
    for point in &line.points {
        if !measures.contains(&point.measure) {
            measures.push(point.measure);
        }
    }
    let mut text = String::new();
    for measure in measures {
        let of = line.points.iter().filter(|point| point.measure == measure);
        let shares: Vec<String> = of.map(|point| share(&point.outcomes)).collect();
        let _ = write!(text, "{}: {} %; ", measure.title(), shares.join(" "));
    }
    text + &format!("loss {:.3}, {:.0} s", line.loss, line.seconds)
}

/// `68 ± 14 % (49–85)`: the share over all pairs, its standard deviation between them, and the 95 % interval over clusters.
fn cell(outcomes: &[&str], clusters: &[String]) -> String {
    let all: Vec<bool> = outcomes.iter().flat_map(|o| o.bytes().map(|b| b == b'1')).collect();
    let names: Vec<&str> = outcomes.iter().flat_map(|_| clusters.iter().map(String::as_str)).collect();
    let (rate, _) = rate_of(&all, &names, 0);
    let shares: Vec<f64> = outcomes
        .iter()
        .map(|o| 100.0 * o.bytes().filter(|b| *b == b'1').count() as f64 / o.len().max(1) as f64)
        .collect();
    let apart = if shares.len() > 1 { format!(" ± {:.0}", mean_std(&shares).1) } else { String::new() };
    format!("{:.0}{apart} % ({:.0}–{:.0})", 100.0 * rate.value(), 100.0 * rate.low, 100.0 * rate.high)
}

/// Every table for which there is a line of every pair.
pub fn tables(runs: &[Run], lines: &[Line], split: Split, seeds: &[u64]) -> String {
    let latest: BTreeMap<(&str, u64), &Line> =
        lines.iter().map(|line| ((line.id.as_str(), line.seed), line)).collect();
    let mut sections: Vec<(&str, Measure)> = Vec::new();
    for run in runs {
        for &measure in &run.measures {
            let section = (section(&run.id), measure);
            if !sections.contains(&section) {
                sections.push(section);
            }
        }
    }
    let mut text = String::new();
    for (name, measure) in sections {
        let clusters = material::clusters(measure, split);
        let own = || runs.iter().filter(|run| section(&run.id) == name && run.measures.contains(&measure));
        let Some(steps) = own().map(|run| &run.steps).max_by_key(|steps| steps.len()) else { continue };
        let mut head = strings(&["after step"]);
        head.extend(steps.iter().map(ToString::to_string));
        let mut body = Vec::new();
        for run in own() {
            let found: Vec<&&Line> =
                seeds.iter().filter_map(|seed| latest.get(&(run.id.as_str(), *seed))).collect();
            if found.len() < seeds.len() {
                continue;
            }
            let mut cells = vec![run.id[name.len() + 1..].to_owned()];
            for step in steps {
                let outcomes: Vec<&str> = found
                    .iter()
                    .flat_map(|line| &line.points)
                    .filter(|point| point.step == *step && point.measure == measure)
                    .filter(|point| point.outcomes.len() == clusters.len())
                    .map(|point| point.outcomes.as_str())
                    .collect();
                cells.push(if outcomes.is_empty() { "–".to_owned() } else { cell(&outcomes, &clusters) });
            }
            body.push(cells);
        }
        if !body.is_empty() {
            let n = clusters.len() * seeds.len();
            let _ = writeln!(text, "### {name}: {} (n = {n} over {} pairs)\n", measure.title(), seeds.len());
            text += &table(&head, &body);
            text.push('\n');
        }
    }
    text
}

fn section(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}
