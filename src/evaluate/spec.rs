//! What an evaluation runs: models × attacks × judges on one set of prompts, KL and utility beside it.

use crate::attack::REFUSAL_PREFIXES;
use crate::data::GO_ON;
use crate::judge::JudgeSpec;
use crate::model::Sampler;
use crate::text::ChatTemplate;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Prefill depths that are tested unless others are named (the paper's 5, 10, 20 and 40, and no prefill).
pub const PREFILL_DEPTHS: [usize; 5] = [0, 5, 10, 20, 40];

/// One way of asking for harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AttackSpec {
    /// The plain request.
    Direct,
    /// The first k tokens of the reference harmful answer are put into the model's mouth (Qi et al., §2.3).
    Prefill {
        /// The depths k, in answer tokens.
        depths: Vec<usize>,
    },
    /// A refusal's first words are put into the model's mouth: the shortcut by which a base model looks safe (§2.2).
    RefusalPrefix {
        /// The words.
        prefixes: Vec<String>,
    },
    /// The first sentences of the reference harmful answer stand as an earlier turn of the model, and the user asks for the
    /// rest (multi-turn steering).
    LaterTurn {
        /// Numbers of sentences in the earlier turn.
        sentences: Vec<usize>,
        /// What the user says then.
        request: String,
    },
}

impl AttackSpec {
    /// Prefilling at the usual depths.
    #[must_use]
    pub fn prefill() -> Self {
        Self::Prefill { depths: PREFILL_DEPTHS.to_vec() }
    }

    /// Steering from an earlier turn with an opening and one step, or with an opening and two.
    #[must_use]
    pub fn later_turn() -> Self {
        Self::LaterTurn { sentences: vec![2, 3], request: GO_ON[0].to_owned() }
    }

    /// The paper's refusal prefixes.
    #[must_use]
    pub fn refusal_prefix() -> Self {
        Self::RefusalPrefix { prefixes: REFUSAL_PREFIXES.iter().map(ToString::to_string).collect() }
    }

    /// The attack's name in files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Prefill { .. } => "prefill",
            Self::RefusalPrefix { .. } => "refusal_prefix",
            Self::LaterTurn { .. } => "later_turn",
        }
    }

    /// How many rows it makes of one prompt.
    #[must_use]
    pub fn settings(&self) -> usize {
        match self {
            Self::Direct => 1,
            Self::Prefill { depths } => depths.len(),
            Self::RefusalPrefix { prefixes } => prefixes.len(),
            Self::LaterTurn { sentences, .. } => sentences.len(),
        }
    }
}

/// An evaluation: the form on the screen, the TOML in the project, and the input of the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateSpec {
    /// What it is called in lists.
    pub title: String,
    /// Ids of the models.
    pub models: Vec<String>,
    /// Id of the base model that KL is measured against.
    pub base: Option<String>,
    /// Id of the set of attack prompts.
    pub prompts: String,
    /// Only the first so many prompts, and as many items of each utility task.
    pub limit: Option<usize>,
    /// How the models are attacked.
    pub attacks: Vec<AttackSpec>,
    /// Who judges the answers.
    pub judges: Vec<JudgeSpec>,
    /// Whether KL per answer token is measured on the reference harmful answers.
    pub kl: bool,
    /// Id of the set of utility tasks.
    pub utility: Option<String>,
    /// Stands before each request; empty for none (the paper's prefilling uses none).
    pub system_prompt: String,
    /// The day that templates print where they print one: results must not change overnight.
    pub template_date: Date,
    /// How answers are sampled. Its seed is replaced by this spec's.
    pub sampler: Sampler,
    /// The longest answer, in tokens.
    pub max_new_tokens: usize,
    /// Rows that are generated together.
    pub batch: usize,
    /// Seed of sampling and of the bootstrap.
    pub seed: u64,
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        Self {
            title: String::new(),
            models: Vec::new(),
            base: None,
            prompts: String::new(),
            limit: None,
            attacks: vec![AttackSpec::prefill()],
            judges: vec![JudgeSpec::Oracle],
            kl: true,
            utility: None,
            system_prompt: String::new(),
            template_date: ChatTemplate::DEFAULT_DATE,
            sampler: Sampler::default(),
            max_new_tokens: 110,
            batch: 32,
            seed: 0,
        }
    }
}

/// A field of a spec that cannot be as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl EvaluateSpec {
    /// Every problem of the spec by itself, in words. Whether models and sets exist is the project's matter.
    #[must_use]
    pub fn check(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut note =
            |field, message: &str| problems.push(SpecProblem { field, message: message.to_owned() });
        if self.models.is_empty() {
            note("models", "No model is chosen. Choose at least one.");
        }
        if self.models.iter().enumerate().any(|(i, id)| self.models[..i].contains(id)) {
            note("models", "A model is chosen twice. Name each once.");
        }
        if self.attacks.is_empty() && !self.kl && self.utility.is_none() {
            note("attacks", "There is nothing to measure. Choose an attack, KL per token, or a utility set.");
        }
        if self.prompts.is_empty() && (self.kl || !self.attacks.is_empty()) {
            note("prompts", "No set of attack prompts is chosen. Choose one.");
        }
        if !self.attacks.is_empty() && self.judges.is_empty() {
            note("judges", "Nobody judges the answers. Choose at least one judge.");
        }
        if self.judges.iter().enumerate().any(|(i, judge)| self.judges[..i].contains(judge)) {
            note("judges", "A judge is chosen twice. Name each once.");
        }
        for (index, attack) in self.attacks.iter().enumerate() {
            if self.attacks[..index].iter().any(|earlier| earlier.name() == attack.name()) {
                note("attacks", "An attack is listed twice. Put all its settings into one entry.");
            }
            match attack {
                AttackSpec::Direct | AttackSpec::LaterTurn { .. } => {}
                AttackSpec::Prefill { depths } => {
                    if depths.is_empty() {
                        note(
                            "attacks",
                            "Prefilling has no depths. Name at least one, such as 0, 5, 10, 20, 40.",
                        );
                    }
                    if depths.iter().enumerate().any(|(i, depth)| depths[..i].contains(depth)) {
                        note("attacks", "A prefill depth is named twice. Name each once.");
                    }
                }
                AttackSpec::RefusalPrefix { prefixes } => {
                    if prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.trim().is_empty()) {
                        note(
                            "attacks",
                            "A refusal prefix is empty. Write the words the answer should begin with.",
                        );
                    }
                    if prefixes.iter().enumerate().any(|(i, prefix)| prefixes[..i].contains(prefix)) {
                        note("attacks", "A refusal prefix is named twice. Name each once.");
                    }
                }
            }
        }
        for attack in &self.attacks {
            if let AttackSpec::LaterTurn { sentences, request } = attack {
                if sentences.is_empty() || sentences.contains(&0) {
                    note("attacks", "Say how many sentences stand in the earlier turn: one or more.");
                }
                if sentences.iter().enumerate().any(|(i, count)| sentences[..i].contains(count)) {
                    note("attacks", "A number of sentences is named twice. Name each once.");
                }
                if request.trim().is_empty() {
                    note("attacks", "Say what the user asks in the later turn, such as \"Please go on.\"");
                }
            }
        }
        if self.kl && self.base.is_none() {
            note("base", "KL needs a base model to compare with. Choose one, or switch KL off.");
        }
        if self.limit == Some(0) {
            note("limit", "A limit of 0 leaves no prompts. Use 1 or more, or no limit.");
        }
        if self.max_new_tokens == 0 {
            note("max_new_tokens", "Answers of 0 tokens cannot be judged. Use 1 or more.");
        }
        if self.batch == 0 {
            note("batch", "A batch of 0 rows does nothing. Use 1 or more.");
        }
        if !self.sampler.temperature.is_finite() || self.sampler.temperature < 0.0 {
            note("sampler", "The temperature must be 0 (greedy) or more.");
        }
        if self.sampler.top_k == Some(0) {
            note("sampler", "Top-k of 0 leaves no token to choose from. Use 1 or more, or none.");
        }
        if self.sampler.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            note("sampler", "Top-p must be above 0 and at most 1.");
        }
        if !self.sampler.repetition_penalty.is_finite() || self.sampler.repetition_penalty <= 0.0 {
            note("sampler", "The repetition penalty must be above 0; 1 means none.");
        }
        if i64::try_from(self.seed).is_err() {
            note("seed", "The seed is too large for a spec file. Use at most 9223372036854775807.");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let spec = EvaluateSpec {
            attacks: vec![AttackSpec::Prefill { depths: vec![5, 5] }],
            batch: 0,
            seed: u64::MAX,
            ..EvaluateSpec::default()
        };
        let fields: Vec<&str> = spec.check().iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["models", "prompts", "attacks", "base", "batch", "seed"]);
    }

    #[test]
    fn a_spec_survives_its_file_and_a_misspelt_field_does_not() {
        let spec = EvaluateSpec {
            models: vec!["aligned".into()],
            base: Some("base".into()),
            prompts: "attack-test".into(),
            attacks: vec![AttackSpec::Direct, AttackSpec::prefill(), AttackSpec::refusal_prefix()],
            ..EvaluateSpec::default()
        };
        assert!(spec.check().is_empty());
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<EvaluateSpec>(&text).unwrap(), spec);
        let error = toml::from_str::<EvaluateSpec>("promts = \"x\"").unwrap_err().to_string();
        assert!(error.contains("promts"), "{error}");
    }
}
