//! Metrics equal those of the reference implementations (tests/reference/make_metrics.py made the numbers).

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::stats::Rate;
use plumbline::utility::final_answer;
use serde_json::Value;

fn reference(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/metrics.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[name].as_array().unwrap().clone()
}

#[test]
fn final_answers_are_those_of_gsm8k() {
    for case in reference("gsm8k") {
        let found = final_answer(case["text"].as_str().unwrap());
        assert_eq!(found.as_deref(), case["answer"].as_str(), "{case}");
    }
}

#[test]
fn intervals_are_wilsons() {
    for case in reference("wilson") {
        let count = |name: &str| case[name].as_u64().unwrap() as usize;
        let rate = Rate::wilson(count("successes"), count("trials"));
        let close = |a: f64, name: &str| (a - case[name].as_f64().unwrap()).abs() < 1e-12;
        assert!(close(rate.low, "low") && close(rate.high, "high"), "{case}: {rate:?}");
    }
}
