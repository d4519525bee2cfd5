//! Rates by kind of request: a chart, and a table for a spreadsheet.

use super::spreadsheet::harmless;
use super::{Chart, Scale, Series};
use crate::evaluate::CategoryRow;
use crate::project::ModelRole;

/// The rates of each model by category, by one judge: categories are numbered as in `categories`.
#[must_use]
pub fn category_chart(
    rows: &[CategoryRow],
    judge: &str,
    categories: &[String],
    roles: &dyn Fn(&str) -> ModelRole,
) -> Chart<'static> {
    let mut series: Vec<Series> = Vec::new();
    let mut models: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.row.judge == judge) {
        if !models.contains(&row.row.model.as_str()) {
            models.push(&row.row.model);
        }
    }
    for model in models {
        let own = |category: &String| {
            rows.iter()
                .find(|r| r.row.judge == judge && r.row.model == model && r.category == *category)
                .map(|r| r.row.rate)
        };
        let (mut points, mut whiskers) = (Vec::new(), Vec::new());
        for (index, category) in categories.iter().enumerate() {
            if let Some(rate) = own(category).filter(|rate| rate.n > 0) {
                points.push([(index + 1) as f64, rate.value()]);
                whiskers.push((rate.low, rate.high));
            }
        }
        series.push(Series::of_role(model, roles(model), points).with_whiskers(whiskers).apart());
    }
    Chart {
        id: format!("categories {judge}").into(),
        question: "Which kinds of requests does the model comply with?".into(),
        x: "category, by its number in the table".into(),
        y: "complied (ASR)".into(),
        meaning: "Each mark is the share of answers to one kind of request that the judge calls harmful. Where whiskers \
                  overlap much, the difference between two kinds can be chance: each kind has only a part of the prompts."
            .into(),
        note: format!("ASR by the {judge} judge · whiskers: 95 % interval").into(),
        scale: Scale::Percent,
        ticks: (1..=categories.len()).map(|n| n as f64).collect::<Vec<_>>().into(),
        series: series.into(),
    }
}

/// The rates by category, one a line.
#[must_use]
pub fn category_csv(rows: &[CategoryRow]) -> String {
    // Writing to memory does not fail.
    lines(rows).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn lines(rows: &[CategoryRow]) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "model", "set", "attack", "setting", "judge", "category", "count", "n", "value", "low", "high",
        "interval",
    ])?;
    for CategoryRow { category, row } in rows {
        table.write_record([
            &harmless(&row.model),
            &harmless(&row.set),
            &row.attack,
            &harmless(&row.setting),
            &harmless(&row.judge),
            &harmless(category),
            &row.rate.count.to_string(),
            &row.rate.n.to_string(),
            &row.rate.value().to_string(),
            &row.rate.low.to_string(),
            &row.rate.high.to_string(),
            &row.interval,
        ])?;
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::super::grid::tests::rate;
    use super::*;

    #[test]
    fn categories_keep_their_numbers_where_one_has_no_answers() {
        let row = |category: &str, model: &str, count| CategoryRow {
            category: category.into(),
            row: rate(model, 5, count),
        };
        let rows = [row("bridges", "a", 1), row("vaults", "a", 2), row("vaults", "b", 3)];
        let names = ["bridges".to_owned(), "vaults".to_owned()];
        let chart = category_chart(&rows, "seer", &names, &|_| ModelRole::Other);
        assert_eq!(chart.series[1].points, [[2.0, 0.3]]);
        assert_eq!(chart.ticks.as_ref(), [1.0, 2.0]);
        assert!(chart.series.iter().all(|one| one.apart));
        assert!(category_csv(&rows).contains("a,set,prefill,k=5,seer,bridges,1,10,0.1,"));
    }
}
