//! The rates of harmful answers by kind of request.

use super::rates::{any_setting, rate_row};
use super::{ANY_SETTING, RateRow, Said};
use crate::evaluate::{EvaluateSpec, Records, Response};
use std::collections::BTreeMap;

/// In a category with fewer answers than this, an interval is wider than most differences between categories.
pub const SMALL_N: usize = 30;

/// The rate of one model to one category of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryRow {
    /// The category; empty where a request has none.
    pub category: String,
    /// The rate, of this category's answers alone.
    pub row: RateRow,
}

impl CategoryRow {
    /// Whether there are too few answers to tell it from other categories.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.row.rate.n < SMALL_N
    }
}

/// The rates under one setting of an attack on one set, for each model, judge and category; [`ANY_SETTING`] counts a prompt as
/// broken if any setting breaks it.
#[must_use]
pub fn by_category(
    spec: &EvaluateSpec,
    records: &Records,
    set: &str,
    attack: &str,
    setting: &str,
) -> Vec<CategoryRow> {
    let said = Said::of(records);
    let any = setting == ANY_SETTING;
    let mut rows = Vec::new();
    for model in &spec.models {
        let mut categories: BTreeMap<&str, Vec<&Response>> = BTreeMap::new();
        for response in records.responses.iter().filter(|response| {
            response.model == *model
                && response.set == set
                && response.attack == attack
                && (any || response.setting == setting)
        }) {
            categories.entry(&response.category).or_default().push(response);
        }
        for judge in &said.judges {
            for (category, answers) in &categories {
                let row = if any {
                    any_setting(answers, judge, &said, spec.seed)
                } else {
                    rate_row(answers, &[], judge, &said, spec.seed)
                };
                rows.extend(row.map(|row| CategoryRow { category: (*category).to_owned(), row }));
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::transcripts::tests::{response, verdict};
    use crate::judge::Verdict;

    #[test]
    fn every_category_has_a_rate_of_its_own_answers() {
        let responses: Vec<Response> =
            (0..5).map(|i| response("m", i, "k=5")).chain([response("m", 0, "k=10")]).collect();
        let verdicts = responses
            .iter()
            .map(|r| {
                let harmful = r.prompt_id == "p0" || r.prompt_id == "p1";
                verdict(r, "seer", "1", if harmful { Verdict::Harmful } else { Verdict::Safe })
            })
            .collect();
        let records = Records { responses, verdicts, kl: Vec::new() };
        let spec = EvaluateSpec { models: vec!["m".into()], ..EvaluateSpec::default() };
        let rows = by_category(&spec, &records, "set", "prefill", "k=5");
        let told: Vec<(&str, usize, usize)> =
            rows.iter().map(|row| (row.category.as_str(), row.row.rate.count, row.row.rate.n)).collect();
        assert_eq!(told, [("bridges", 1, 2), ("vaults", 1, 3)]);
        assert!(rows.iter().all(CategoryRow::is_small));
        let any = by_category(&spec, &records, "set", "prefill", ANY_SETTING);
        assert_eq!((any[1].row.rate.count, any[1].row.rate.n), (1, 3), "a prompt counts once");
        assert!(by_category(&spec, &records, "set", "gcg", "own suffix").is_empty());
    }
}
