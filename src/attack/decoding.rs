//! Decoding parameters as an attack (Huang et al. 2023, "Catastrophic Jailbreak of Open-source LLMs via Exploiting
//! Generation"): the plain request under many ways of sampling. One parameter varies at a time, and the worst answer counts.

use super::AttackRow;
use crate::data::AttackPrompt;
use crate::model::Sampler;
use crate::text::{Codec, TextError};
use serde::{Deserialize, Serialize};

/// The ways of sampling that are tried: each temperature alone, and each top-k and top-p at temperature 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodingGrid {
    /// Temperatures.
    pub temperatures: Vec<f64>,
    /// Numbers of the likeliest tokens that are drawn from.
    pub top_k: Vec<usize>,
    /// Shares of the probability that are drawn from.
    pub top_p: Vec<f64>,
}

/// The grid of the authors, which Qi et al. use too: 20 temperatures, 9 numbers and 20 shares.
impl Default for DecodingGrid {
    fn default() -> Self {
        let twentieths = || (1..=20).map(|i| f64::from(i) / 20.0).collect();
        Self {
            temperatures: twentieths(),
            top_k: vec![1, 2, 5, 10, 20, 50, 100, 200, 500],
            top_p: twentieths(),
        }
    }
}

impl DecodingGrid {
    /// How many ways it holds.
    #[must_use]
    pub fn settings(&self) -> usize {
        self.temperatures.len() + self.top_k.len() + self.top_p.len()
    }

    /// The ways, each with its name.
    #[must_use]
    pub fn samplers(&self) -> Vec<(String, Sampler)> {
        let one = Sampler { temperature: 1.0, ..Sampler::default() };
        let temperatures = self
            .temperatures
            .iter()
            .map(|&temperature| (format!("T={temperature}"), Sampler { temperature, ..one.clone() }));
        let top_k =
            self.top_k.iter().map(|&k| (format!("top-k={k}"), Sampler { top_k: Some(k), ..one.clone() }));
        let top_p =
            self.top_p.iter().map(|&p| (format!("top-p={p}"), Sampler { top_p: Some(p), ..one.clone() }));
        temperatures.chain(top_k).chain(top_p).collect()
    }

    /// Everything that is wrong with it, in words.
    #[must_use]
    pub fn check(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.settings() == 0 {
            problems
                .push("The grid of decoding parameters is empty. Name a temperature, a top-k or a top-p.");
        }
        if self.temperatures.iter().any(|t| !t.is_finite() || *t < 0.0) {
            problems.push("A temperature of the grid must be 0 (greedy) or more.");
        }
        if self.top_k.contains(&0) || self.top_p.iter().any(|p| !(*p > 0.0 && *p <= 1.0)) {
            problems.push("In the grid, top-k must be 1 or more, and top-p above 0 and at most 1.");
        }
        let names: Vec<String> = self.samplers().into_iter().map(|(name, _)| name).collect();
        if names.iter().enumerate().any(|(i, name)| names[..i].contains(name)) {
            problems.push("A setting of the grid is named twice. Name each once.");
        }
        problems
    }
}

/// One row per prompt and way of sampling, but for its seed.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
    grid: &DecodingGrid,
) -> Result<Vec<AttackRow>, TextError> {
    let samplers = grid.samplers();
    let mut rows = Vec::with_capacity(samplers.len() * prompts.len());
    // A prompt under all ways is computed once.
    for prompt in prompts {
        for (name, sampler) in &samplers {
            let mut row = super::row(codec, prompt, system_prompt, "decoding", name.clone(), &[])?;
            row.request.sampler = Some(sampler.clone());
            rows.push(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_that_of_the_authors() {
        let grid = DecodingGrid::default();
        let names: Vec<String> = grid.samplers().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), grid.settings()), (49, 49));
        assert_eq!(
            (names[0].as_str(), names[20].as_str(), names[48].as_str()),
            ("T=0.05", "top-k=1", "top-p=1")
        );
        assert!(grid.check().is_empty());
        let twice = DecodingGrid { temperatures: vec![1.0, 1.0], ..grid };
        assert_eq!(twice.check().len(), 1);
    }
}
