//! Metrics and statistics equal those of the reference implementations (tests/reference/make_metrics.py and
//! make_stats.py made the numbers).

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::stats::{Rate, clustered_mcnemar, corrected_rate, kappa, mcnemar, n_paired, n_per_group};
use plumbline::utility::{final_answer, rouge1_stemmed};
use serde_json::Value;
use std::path::Path;

fn all(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases(file: &str, name: &str) -> Vec<Value> {
    let cases = all(file)[name].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{name}");
    cases
}

fn reference(name: &str) -> Vec<Value> {
    cases("metrics.json", name)
}

fn count(case: &Value, name: &str) -> usize {
    case[name].as_u64().unwrap() as usize
}

fn number(case: &Value, name: &str) -> f64 {
    case[name].as_f64().unwrap()
}

fn close(found: f64, case: &Value, name: &str) {
    assert!((found - number(case, name)).abs() < 1e-9, "{name}: {found}, {case}");
}

/// Whoever adds a kind of number to a file adds its test here.
#[test]
fn every_kind_of_reference_number_is_compared() {
    let kinds = |file| all(file).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(kinds("metrics.json"), ["rouge1", "gsm8k", "wilson", "kappa"]);
    assert_eq!(kinds("stats.json"), ["mcnemar", "signflip", "kappa", "corrected", "groups", "pairs"]);
}

#[test]
fn final_answers_are_those_of_gsm8k() {
    for case in reference("gsm8k") {
        let found = final_answer(case["text"].as_str().unwrap());
        assert_eq!(found.as_deref(), case["answer"].as_str(), "{case}");
    }
}

#[test]
fn rouge_is_googles() {
    for case in reference("rouge1") {
        let text = |name: &str| case[name].as_str().unwrap();
        let found = rouge1_stemmed(text("target"), text("prediction"));
        close(found.precision, &case, "precision");
        close(found.recall, &case, "recall");
        close(found.f1, &case, "f1");
    }
}

#[test]
fn intervals_are_wilsons() {
    for case in reference("wilson") {
        let rate = Rate::wilson(count(&case, "successes"), count(&case, "trials"));
        let close = |a: f64, name: &str| (a - case[name].as_f64().unwrap()).abs() < 1e-12;
        assert!(close(rate.low, "low") && close(rate.high, "high"), "{case}: {rate:?}");
    }
}

#[test]
fn kappa_is_scikit_learns() {
    for case in reference("kappa") {
        let ratings = |name: &str| -> Vec<u64> {
            case[name].as_array().unwrap().iter().map(|rating| rating.as_u64().unwrap()).collect()
        };
        close(kappa(&ratings("a"), &ratings("b")).unwrap().value, &case, "kappa");
    }
}

#[test]
fn the_interval_of_kappa_is_statsmodels() {
    for case in cases("stats.json", "kappa") {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (i, row) in case["table"].as_array().unwrap().iter().enumerate() {
            for (j, cell) in row.as_array().unwrap().iter().enumerate() {
                for _ in 0..cell.as_u64().unwrap() {
                    a.push(i);
                    b.push(j);
                }
            }
        }
        let found = kappa(&a, &b).unwrap();
        close(found.value, &case, "kappa");
        close(found.low, &case, "low");
        close(found.high, &case, "high");
    }
}

#[test]
fn exact_tests_of_paired_outcomes_are_statsmodels_and_scipys() {
    for case in cases("stats.json", "mcnemar") {
        let (gained, lost, same) = (count(&case, "gained"), count(&case, "lost"), count(&case, "same"));
        let before = [vec![false; gained], vec![true; lost], vec![true; same]].concat();
        let after = [vec![true; gained], vec![false; lost], vec![true; same]].concat();
        let found = mcnemar(&before, &after);
        assert_eq!((found.gained, found.lost, found.n), (gained, lost, before.len()));
        close(found.p, &case, "p");
        assert!((found.p / number(&case, "p") - 1.0).abs() < 1e-9, "small p too: {case}");
    }
    for case in cases("stats.json", "signflip") {
        let (mut before, mut names) = (Vec::new(), Vec::new());
        for (i, difference) in case["differences"].as_array().unwrap().iter().enumerate() {
            let difference = difference.as_i64().unwrap();
            // One pair at least, so that a cluster without a difference is there too.
            for _ in 0..difference.abs().max(1) {
                before.push((difference < 0, difference != 0));
                names.push(format!("cluster {i}"));
            }
        }
        let after: Vec<bool> = before.iter().map(|&(b, change)| b ^ change).collect();
        let before: Vec<bool> = before.iter().map(|&(b, _)| b).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        close(clustered_mcnemar(&before, &after, &names).p, &case, "p");
    }
}

#[test]
fn corrected_rates_are_those_of_lang_and_reiczigel() {
    for case in cases("stats.json", "corrected") {
        let rate = |k: &str, n: &str| Rate::wilson(count(&case, k), count(&case, n));
        let found =
            corrected_rate(rate("count", "n"), rate("found", "harmful"), rate("left", "others")).unwrap();
        close(found.value, &case, "value");
        close(found.low, &case, "low");
        close(found.high, &case, "high");
    }
}

#[test]
fn the_prompts_needed_have_the_power_that_statsmodels_counts() {
    for case in cases("stats.json", "groups") {
        assert_eq!(
            n_per_group(number(&case, "first"), number(&case, "second")),
            Ok(count(&case, "n")),
            "{case}"
        );
    }
    for case in cases("stats.json", "pairs") {
        assert_eq!(n_paired(number(&case, "gained"), number(&case, "lost")), Ok(count(&case, "n")), "{case}");
        assert!((0.76..0.82).contains(&number(&case, "exact_power")), "{case}");
    }
}
