//! How a suffix is searched for.

use crate::model::ModelError;
use serde::{Deserialize, Serialize};

/// Settings of the search. The defaults are those of nanoGCG 0.3; the paper takes 500 steps and the best of several runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcgSpec {
    /// Steps of the search.
    pub steps: usize,
    /// Candidates drawn in each step.
    pub width: usize,
    /// Tokens of each position, those with the most negative gradient, that swaps are drawn from.
    pub top_k: usize,
    /// Tokens swapped at once in a candidate.
    pub replace: usize,
    /// Earlier suffixes that are remembered, the best of which is changed next; 0: always the newest.
    pub buffer: usize,
    /// Sharpness α of the mellowmax loss (1/α) ln mean exp(α ℓ_t), in place of the mean; nothing for the mean.
    pub mellowmax: Option<f64>,
    /// End as soon as greedy decoding writes the target.
    pub early_stop: bool,
    /// Only candidates whose text, sent after the request, is read as the tokens that were meant.
    pub retokenise: bool,
    /// Whether tokens beyond printable ASCII may be used.
    pub non_ascii: bool,
    /// The suffix that the search starts from; a blank is put before it.
    pub init: String,
    /// Only the first so many tokens of the reference answer are the target.
    pub target_tokens: Option<usize>,
    /// One suffix for all prompts, searched for on the first so many; nothing for a suffix of its own for each prompt.
    pub universal: Option<usize>,
    /// Candidates that are computed together; nothing: as many as have about 4000 tokens, and the manifest says how many.
    pub batch: Option<usize>,
}

impl Default for GcgSpec {
    fn default() -> Self {
        Self {
            steps: 250,
            width: 512,
            top_k: 256,
            replace: 1,
            buffer: 0,
            mellowmax: None,
            early_stop: false,
            retokenise: true,
            non_ascii: false,
            init: ["x"; 20].join(" "),
            target_tokens: Some(20),
            universal: None,
            batch: None,
        }
    }
}

impl GcgSpec {
    /// Everything that is wrong with it, in words.
    #[must_use]
    pub fn check(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        let mut require = |good: bool, message| {
            if !good {
                problems.push(message);
            }
        };
        require(self.steps > 0, "GCG needs at least one step.");
        require(self.width > 0, "GCG needs at least one candidate in each step.");
        require(self.top_k > 0, "GCG draws from the top-k tokens of each position: use 1 or more.");
        require(self.replace > 0, "GCG swaps at least one token at a time.");
        require(!self.init.trim().is_empty(), "GCG needs a suffix to start from, such as \"x x x x\".");
        require(self.target_tokens != Some(0), "A target of 0 tokens is nothing to aim at.");
        require(self.universal != Some(0), "A universal suffix is searched for on 1 prompt or more.");
        require(self.batch != Some(0), "GCG computes at least one candidate at a time.");
        require(
            self.mellowmax.is_none_or(|alpha| alpha.is_finite() && alpha > 0.0),
            "The sharpness of the mellowmax loss must be above 0.",
        );
        problems
    }

    /// The loss of a target, of the log-probabilities of its tokens: the mean of ℓ_t = −log π, or its mellowmax.
    #[must_use]
    pub fn loss(&self, log_probs: &[f32]) -> f32 {
        let n = log_probs.len() as f64;
        match self.mellowmax {
            None => (-log_probs.iter().map(|&v| f64::from(v)).sum::<f64>() / n) as f32,
            Some(alpha) => {
                let largest = log_probs.iter().map(|&v| -alpha * f64::from(v)).fold(f64::MIN, f64::max);
                let sum: f64 = log_probs.iter().map(|&v| (-alpha * f64::from(v) - largest).exp()).sum();
                ((largest + (sum / n).ln()) / alpha) as f32
            }
        }
    }

    /// d loss / d log π of each of `n` target tokens. Those of the mellowmax depend on the log-probabilities.
    pub(super) fn loss_weights(
        &self,
        log_probs: impl FnOnce() -> Result<Vec<f32>, ModelError>,
        n: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let Some(alpha) = self.mellowmax else { return Ok(vec![-1.0 / n as f32; n]) };
        let log_probs = log_probs()?;
        let largest = log_probs.iter().map(|&v| -alpha * f64::from(v)).fold(f64::MIN, f64::max);
        let parts: Vec<f64> = log_probs.iter().map(|&v| (-alpha * f64::from(v) - largest).exp()).collect();
        let sum: f64 = parts.iter().sum();
        Ok(parts.into_iter().map(|part| -(part / sum) as f32).collect())
    }
}
