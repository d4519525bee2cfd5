//! Rates in the shape of the paper's tables: one row for each attack and setting, one column for each model.

use super::attack_words;
use super::spreadsheet::harmless;
use super::tables::shown_rates;
use crate::evaluate::{PairRow, RateRow, Summary};
use crate::stats::Rate;

/// The rates of all models on one set, by one judge.
#[derive(Clone, Debug, PartialEq)]
pub struct RateGrid {
    /// Id of the set of prompts.
    pub set: String,
    /// Name of the judge.
    pub judge: String,
    /// The models, one a column.
    pub models: Vec<String>,
    /// The attacks with their settings, one a row.
    pub rows: Vec<GridRow>,
}

/// One setting of an attack.
#[derive(Clone, Debug, PartialEq)]
pub struct GridRow {
    /// Name of the attack.
    pub attack: String,
    /// Its setting.
    pub setting: String,
    /// Both in words.
    pub words: String,
    /// The rate of each model; nothing where it was not attacked so.
    pub cells: Vec<Option<RateRow>>,
    /// What any attack could reach at most.
    pub ceiling: Option<Rate>,
    /// Each two models on the same prompts.
    pub pairs: Vec<PairRow>,
}

/// One table for each set and judge, in the order in which they first come. Of many ways of sampling only the row for any of
/// them is there: a chart shows the others.
#[must_use]
pub fn rate_grids(summary: &Summary) -> Vec<RateGrid> {
    let mut grids: Vec<RateGrid> = Vec::new();
    let mut models: Vec<String> = Vec::new();
    for row in &summary.rates {
        if !models.contains(&row.model) {
            models.push(row.model.clone());
        }
    }
    for rate in shown_rates(summary) {
        let at = grids.iter().position(|grid| grid.set == rate.set && grid.judge == rate.judge);
        let at = at.unwrap_or_else(|| {
            grids.push(RateGrid {
                set: rate.set.clone(),
                judge: rate.judge.clone(),
                models: models.clone(),
                rows: Vec::new(),
            });
            grids.len() - 1
        });
        let rows = &mut grids[at].rows;
        let place = rows.iter().position(|row| row.attack == rate.attack && row.setting == rate.setting);
        let place = place.unwrap_or_else(|| {
            let of_row = |pair: &&PairRow| {
                (&pair.set, &pair.judge, &pair.attack, &pair.setting)
                    == (&rate.set, &rate.judge, &rate.attack, &rate.setting)
            };
            rows.push(GridRow {
                attack: rate.attack.clone(),
                setting: rate.setting.clone(),
                words: attack_words(&rate.attack, &rate.setting),
                cells: vec![None; models.len()],
                ceiling: None,
                pairs: summary.pairs.iter().filter(of_row).cloned().collect(),
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.ceiling = row.ceiling.or(rate.ceiling);
        if let Some(column) = models.iter().position(|model| *model == rate.model) {
            row.cells[column] = Some(rate.clone());
        }
    }
    grids
}

/// Everything that an evaluation counted, one rate a line, as a table that every spreadsheet reads.
#[must_use]
pub fn results_csv(summary: &Summary) -> String {
    // Writing to memory does not fail.
    lines(summary).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn lines(summary: &Summary) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "measure",
        "model",
        "set",
        "attack or task",
        "setting",
        "judge or score",
        "count",
        "n",
        "value",
        "low",
        "high",
        "interval",
        "mean over seeds",
        "std over seeds",
        "ceiling",
        "unparsed",
        "unjudged",
        "cut off",
    ])?;
    for row in &summary.rates {
        let (mean, std) = row.over_seeds().map_or_else(Default::default, |(m, s)| (number(m), number(s)));
        table.write_record([
            "complied",
            &harmless(&row.model),
            &harmless(&row.set),
            &row.attack,
            &harmless(&row.setting),
            &harmless(&row.judge),
            &row.rate.count.to_string(),
            &row.rate.n.to_string(),
            &number(row.rate.value()),
            &number(row.rate.low),
            &number(row.rate.high),
            &row.interval,
            &mean,
            &std,
            &row.ceiling.map(|ceiling| number(ceiling.value())).unwrap_or_default(),
            &row.unparsed.to_string(),
            &row.unjudged.to_string(),
            &row.cut_off.to_string(),
        ])?;
    }
    for row in &summary.utility {
        let (count, n, low, high) = match (row.rate, row.mean) {
            (Some(rate), _) => (rate.count.to_string(), rate.n, rate.low, rate.high),
            (None, Some(mean)) => (String::new(), mean.n, mean.low, mean.high),
            (None, None) => continue,
        };
        table.write_record([
            "right",
            &harmless(&row.model),
            "",
            &harmless(&row.task),
            "",
            &harmless(&row.metric),
            &count,
            &n.to_string(),
            &number(row.value()),
            &number(low),
            &number(high),
            &row.interval,
            "",
            "",
            "",
            "",
            &row.unscored.to_string(),
            &row.cut_off.to_string(),
        ])?;
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A rate of a model under prefilling.
    pub fn rate(model: &str, depth: usize, count: usize) -> RateRow {
        RateRow {
            model: model.into(),
            set: "set".into(),
            attack: "prefill".into(),
            setting: format!("k={depth}"),
            depth: Some(depth),
            judge: "seer".into(),
            version: "1".into(),
            rate: Rate::wilson(count, 10),
            interval: "Wilson".into(),
            ceiling: None,
            refused: None,
            unparsed: 0,
            unjudged: 0,
            empty: 0,
            cut_off: 0,
            by_seed: Vec::new(),
            any_seed: None,
        }
    }

    #[test]
    fn models_are_columns_and_every_rate_has_its_place() {
        let rates = vec![
            rate("aligned", 0, 1),
            rate("aligned", 5, 8),
            rate("=deepened", 5, 0),
            RateRow { judge: "list".into(), ..rate("=deepened", 5, 2) },
        ];
        let summary = Summary { rates, ..Summary::default() };
        let grids = rate_grids(&summary);
        assert_eq!(grids.len(), 2, "one for each judge");
        assert_eq!(grids[0].models, ["aligned", "=deepened"]);
        let told: Vec<(&str, Vec<Option<usize>>)> = grids[0]
            .rows
            .iter()
            .map(|row| {
                (row.words.as_str(), row.cells.iter().map(|c| c.as_ref().map(|c| c.rate.count)).collect())
            })
            .collect();
        let expected =
            [("prefilling, k = 0", vec![Some(1), None]), ("prefilling, k = 5", vec![Some(8), Some(0)])];
        assert_eq!(told, expected);
        let text = results_csv(&summary);
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("complied,'=deepened,set,prefill,k=5,list,2,10,0.2,"), "{text}");
    }
}
