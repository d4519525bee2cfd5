//! In which settings some runs differ.

use super::TrainSpec;
use std::collections::BTreeSet;

/// A setting in which runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path in the spec's file, such as `beta.first`.
    pub path: String,
    /// Its value in each run, as it stands in the file; empty where it is not given.
    pub values: Vec<String>,
}

/// Every setting that is not the same in all of the specs, by its path.
#[must_use]
pub fn differences(specs: &[&TrainSpec]) -> Vec<Difference> {
    let flat: Vec<Vec<(String, String)>> = specs.iter().map(|spec| flatten(spec)).collect();
    let paths: BTreeSet<&String> = flat.iter().flatten().map(|(path, _)| path).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let value = |run: &Vec<(String, String)>| {
                run.iter().find(|(own, _)| own == path).map_or_else(String::new, |(_, value)| value.clone())
            };
            let values: Vec<String> = flat.iter().map(value).collect();
            let differ = values.iter().any(|value| *value != values[0]);
            differ.then(|| Difference { path: path.clone(), values })
        })
        .collect()
}

/// Every setting with its path and its value.
fn flatten(spec: &TrainSpec) -> Vec<(String, String)> {
    fn walk(path: String, value: &toml::Value, into: &mut Vec<(String, String)>) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(path, value, into);
                }
            }
            toml::Value::String(text) => into.push((path, text.clone())),
            other => into.push((path, other.to_string())),
        }
    }
    let mut all = Vec::new();
    match toml::Value::try_from(spec) {
        Ok(value) => walk(String::new(), &value, &mut all),
        Err(e) => log::warn!("the settings of a run cannot be compared: {e}"),
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{LoraSpec, Recipe};

    #[test]
    fn only_what_differs_is_told() {
        let one = TrainSpec { name: "a".into(), ..TrainSpec::preset(Recipe::Constrained) };
        let mut two = TrainSpec { name: "b".into(), lora: Some(LoraSpec::default()), ..one.clone() };
        two.beta.first = 3.0;
        assert!(differences(&[&one, &one]).is_empty() && differences(&[]).is_empty());
        let found = differences(&[&one, &two, &one]);
        let told: Vec<(&str, Vec<&str>)> =
            found.iter().map(|d| (d.path.as_str(), d.values.iter().map(String::as_str).collect())).collect();
        assert!(told.contains(&("beta.first", vec!["0.5", "3.0", "0.5"])), "{told:?}");
        assert!(told.contains(&("lora.rank", vec!["", "8", ""])), "{told:?}");
        assert!(told.contains(&("name", vec!["a", "b", "a"])), "{told:?}");
        assert!(!told.iter().any(|(path, _)| *path == "learning_rate"), "{told:?}");
    }
}
