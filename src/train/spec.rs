//! What a person decides about a training run: the form on the screen, the TOML in the run's folder, the input of the
//! command line.

use super::beta::BetaSchedule;
use super::dynamics::DynamicsSpec;
use super::importance::{ImportanceSource, ImportanceSpec};
use crate::data::{DepthDistribution, FineTuningAttack, GO_ON, RefusalLevel, levels_problem};
use crate::judge::JudgeSpec;
use crate::model::{LoraConfig, TargetModules};
use serde::{Deserialize, Serialize};

/// What is trained, and towards what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// Recovery augmentation (Qi et al., §3): refusals after k harmful tokens, beside a benign anchor.
    #[default]
    Recovery,
    /// Fine-tuning under the token-wise constrained objective (§4).
    Constrained,
    /// Plain supervised fine-tuning.
    Sft,
}

/// How recovery rows and anchor rows are weighed against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// The paper's equation 2: α · mean over the recovery tokens + (1 − α) · mean over the anchor tokens.
    #[default]
    PerSet,
    /// The authors' code: one mean over all trained tokens of the batch; α is not used.
    TokenMean,
}

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Stays.
    Constant,
    /// Falls to 0 in a straight line.
    #[default]
    Linear,
    /// Falls to 5 % in half a cosine.
    Cosine,
}

/// Training a low-rank adapter beside frozen weights (Hu et al. 2022) instead of the weights themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSpec {
    /// Rank r of the adapter's matrices.
    pub rank: usize,
    /// α: the adapter counts α/r times.
    pub alpha: f64,
    /// Names of the linear layers that get one, such as `q_proj`; empty = all.
    pub modules: Vec<String>,
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, modules: Vec::new() }
    }
}

impl LoraSpec {
    /// The same in PEFT's terms.
    #[must_use]
    pub fn config(&self) -> LoraConfig {
        let targets = if self.modules.is_empty() {
            TargetModules::AllLinear
        } else {
            TargetModules::names(self.modules.iter().cloned())
        };
        LoraConfig::new(self.rank, self.alpha, targets)
    }
}

/// How often the model in training gives a harmful answer, measured as often as [`TrainSpec::dynamics`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsrProbeSpec {
    /// Id of the set of attack prompts.
    pub prompts: String,
    /// Only the first so many of them.
    pub limit: usize,
    /// Depths of prefilling, beside the plain request.
    pub depths: Vec<usize>,
    /// Who judges the answers.
    pub judge: JudgeSpec,
    /// The longest answer, in tokens.
    pub max_new_tokens: usize,
}

impl Default for AsrProbeSpec {
    fn default() -> Self {
        Self {
            prompts: String::new(),
            limit: 32,
            depths: vec![5],
            judge: JudgeSpec::Oracle,
            max_new_tokens: 64,
        }
    }
}

/// Some recovery examples are moved a turn on at each visit: part of the harmful answer stands in an earlier turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiTurnSpec {
    /// The share of visits at which an example is moved.
    pub share: f64,
    /// What the user says in the later turn; one is drawn.
    pub requests: Vec<String>,
}

impl Default for MultiTurnSpec {
    fn default() -> Self {
        Self { share: 0.5, requests: GO_ON.map(str::to_owned).to_vec() }
    }
}

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSpec {
    /// What people call the run.
    pub title: String,
    /// Id of the project's model to start from.
    pub model: String,
    /// Id of the model that comes out.
    pub name: String,
    /// What is trained.
    pub recipe: Recipe,
    /// Id of the data set: a recovery set for [`Recipe::Recovery`] and for an attack, a chat set otherwise.
    pub data: String,
    /// Fine-tune on what an attacker would make of the recovery set.
    pub attack: Option<FineTuningAttack>,
    /// Id of the benign anchor set, if any.
    pub anchor: Option<String>,
    /// α of the recovery objective: the share of the recovery rows in the loss.
    pub alpha: f64,
    /// How the two sets are weighed.
    pub normalisation: Normalisation,
    /// The distribution of the cut depth k.
    pub depths: DepthDistribution,
    /// How often each recovery example comes in an epoch, cut anew each time (dynamic safety depth). The paper: once.
    pub recovery_points: usize,
    /// Of so many drawn depths take the one after which the model, as it then is, is least likely to recover; 1 = take the
    /// first. Costs a forward pass for each.
    pub hardest_of: usize,
    /// What refusals say, by depth, instead of the examples' own (hierarchical refusals); none = the examples' own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<RefusalLevel>,
    /// Move examples a turn on (multi-turn recovery).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_turn: Option<MultiTurnSpec>,
    /// β of the constrained objective.
    pub beta: BetaSchedule,
    /// Learn β from the data instead; `beta` holds behind the positions that are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance: Option<ImportanceSpec>,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// AdamW's β₁.
    pub adam_beta1: f64,
    /// AdamW's β₂.
    pub adam_beta2: f64,
    /// AdamW's ε.
    pub adam_epsilon: f64,
    /// Weight decay of matrices.
    pub weight_decay: f64,
    /// Steps over which the learning rate rises to its peak.
    pub warmup_steps: usize,
    /// How it goes on.
    pub schedule: Schedule,
    /// Passes over the data set.
    pub epochs: usize,
    /// Stop after this many steps, if given. The learning rate falls as if the run were this long.
    pub max_steps: Option<usize>,
    /// Rows of the data set in a step.
    pub batch: usize,
    /// Anchor rows in a step.
    pub anchor_batch: usize,
    /// Gradients are scaled down to this global norm; 0 = never.
    pub clip: f64,
    /// Seed of order and depths.
    pub seed: u64,
    /// Rows are cut to this many tokens.
    pub max_tokens: usize,
    /// Rows that are in memory at once: a step's rows are worked through in parts of this many, with the same result
    /// (gradient accumulation). All of them, if not given.
    pub rows_at_once: Option<usize>,
    /// Compute each block a second time on the way back instead of keeping its results: less memory, a third more time
    /// (gradient checkpointing).
    pub checkpointing: bool,
    /// Train an adapter instead of the weights.
    pub lora: Option<LoraSpec>,
    /// What is measured at each answer position during the run.
    pub dynamics: DynamicsSpec,
    /// How often the model is broken meanwhile; not measured, if not given.
    pub asr_probe: Option<AsrProbeSpec>,
    /// Keep all that is needed to go on every so many steps; 0 = never by steps. What is trained does not depend on it.
    pub checkpoint_steps: usize,
    /// Keep all that is needed to go on every so many minutes; 0 = never by time.
    pub checkpoint_minutes: f64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self::preset(Recipe::Recovery)
    }
}

/// Something that keeps a spec from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl TrainSpec {
    /// The settings of a recipe, for a model of about a million parameters; a 7B model wants the paper's learning
    /// rates (2e-5).
    #[must_use]
    pub fn preset(recipe: Recipe) -> Self {
        let common = Self {
            title: String::new(),
            model: String::new(),
            name: String::new(),
            recipe,
            data: String::new(),
            attack: None,
            anchor: None,
            alpha: 0.2,
            normalisation: Normalisation::PerSet,
            depths: DepthDistribution::default(),
            recovery_points: 1,
            hardest_of: 1,
            levels: Vec::new(),
            multi_turn: None,
            beta: BetaSchedule::default(),
            importance: None,
            learning_rate: 2e-4,
            adam_beta1: 0.9,
            adam_beta2: 0.95,
            adam_epsilon: 1e-8,
            weight_decay: 0.0,
            warmup_steps: 5,
            schedule: Schedule::Linear,
            epochs: 5,
            max_steps: None,
            batch: 16,
            anchor_batch: 16,
            clip: 1.0,
            seed: 0,
            max_tokens: 512,
            rows_at_once: None,
            checkpointing: false,
            lora: None,
            dynamics: DynamicsSpec::default(),
            asr_probe: None,
            checkpoint_steps: 0,
            checkpoint_minutes: 5.0,
        };
        match recipe {
            Recipe::Recovery => common,
            // Qi et al., appendix: AdamW with β₁ = 0.5 and 10 warm-up steps; comparisons with plain fine-tuning keep both.
            Recipe::Constrained | Recipe::Sft => Self {
                learning_rate: 1e-4,
                adam_beta1: 0.5,
                adam_beta2: 0.999,
                warmup_steps: 10,
                schedule: Schedule::Constant,
                batch: 32,
                anchor_batch: 0,
                ..common
            },
        }
    }

    /// Everything that keeps this spec from running, at once.
    #[must_use]
    pub fn check(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut require = |good: bool, field: &'static str, message: &str| {
            if !good {
                problems.push(SpecProblem { field, message: message.to_owned() });
            }
        };
        require(!self.model.is_empty(), "model", "Choose the model to start from.");
        require(!self.data.is_empty(), "data", "Choose a data set.");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        require(
            !self.name.is_empty() && self.name.chars().all(plain) && !self.name.starts_with('-'),
            "name",
            "Give the new model a name of lower-case letters, digits and dashes.",
        );
        require(
            self.name != self.model || self.name.is_empty(),
            "name",
            "The new model needs a name of its own.",
        );
        require((0.0..=1.0).contains(&self.alpha), "alpha", "α is a share: between 0 and 1.");
        require(
            self.recovery_points > 0,
            "recovery_points",
            "Each recovery example comes at least once in an epoch.",
        );
        require(self.hardest_of > 0, "hardest_of", "At least one depth has to be drawn.");
        if let Some(problem) = self.depths.problem() {
            require(false, "depths", problem);
        }
        if let Some(problem) = levels_problem(&self.levels) {
            require(false, "levels", problem);
        }
        if let Some(multi_turn) = &self.multi_turn {
            require(
                (0.0..=1.0).contains(&multi_turn.share),
                "multi_turn",
                "The share of examples that move a turn on is between 0 and 1.",
            );
            require(
                multi_turn.requests.iter().any(|text| !text.trim().is_empty()),
                "multi_turn",
                "Say what the user asks in the later turn, such as \"Please go on.\"",
            );
        }
        if let Some(problem) = self.importance.as_ref().and_then(ImportanceSpec::problem) {
            require(false, "importance", problem);
        }
        if let Some(ImportanceSource::KlToBase { base }) = self.importance.as_ref().map(|spec| &spec.from) {
            require(
                *base != self.model,
                "importance",
                "A model does not differ from itself: choose the base that it was made of, or learn β from gradients.",
            );
        }
        require(
            self.importance.is_none() || self.recipe == Recipe::Constrained,
            "importance",
            "β belongs to the constrained objective: no other recipe has one that could be learnt.",
        );
        if let Some(problem) = self.attack.as_ref().and_then(FineTuningAttack::problem) {
            require(false, "attack", problem);
        }
        require(
            self.attack.is_none() || self.recipe != Recipe::Recovery,
            "attack",
            "An attack by fine-tuning is plain fine-tuning or constrained fine-tuning; recovery augmentation is the remedy.",
        );
        require(
            self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            "learning_rate",
            "The learning rate must be above 0.",
        );
        for (field, beta) in [("adam_beta1", self.adam_beta1), ("adam_beta2", self.adam_beta2)] {
            require((0.0..1.0).contains(&beta), field, "AdamW's β values are at least 0 and below 1.");
        }
        require(
            self.adam_epsilon > 0.0 && self.adam_epsilon.is_finite(),
            "adam_epsilon",
            "AdamW's ε must be above 0.",
        );
        require(self.weight_decay >= 0.0, "weight_decay", "Weight decay cannot be negative.");
        require(self.clip >= 0.0, "clip", "The clipping norm cannot be negative (0 = never clip).");
        require(self.epochs > 0, "epochs", "Train for at least one pass over the data.");
        require(self.max_steps != Some(0), "max_steps", "The number of steps must be above 0.");
        require(self.batch > 0, "batch", "A step needs at least one row.");
        require(
            self.rows_at_once != Some(0),
            "rows_at_once",
            "At least one row has to be in memory at once.",
        );
        require(
            self.checkpoint_minutes >= 0.0 && self.checkpoint_minutes.is_finite(),
            "checkpoint_minutes",
            "The minutes between two checkpoints cannot be negative (0 = never by time).",
        );
        require(self.max_tokens >= 8, "max_tokens", "Rows must keep at least 8 tokens.");
        require(
            self.anchor.is_none() || self.anchor_batch > 0,
            "anchor_batch",
            "With an anchor set, a step needs at least one anchor row.",
        );
        if let Some(lora) = &self.lora {
            require(lora.rank > 0, "lora", "The rank of an adapter is at least 1.");
            require(
                lora.alpha > 0.0 && lora.alpha.is_finite(),
                "lora",
                "The α of an adapter must be above 0.",
            );
        }
        require(
            self.recipe != Recipe::Constrained || self.anchor.is_none(),
            "anchor",
            "The constrained objective takes no anchor set: it holds the model to itself.",
        );
        if let Some(probe) = &self.asr_probe {
            require(
                !probe.prompts.is_empty(),
                "asr_probe",
                "Choose the attack prompts that are asked during the run.",
            );
            require(
                probe.limit > 0 && probe.max_new_tokens > 0,
                "asr_probe",
                "Ask at least one prompt, for at least one token.",
            );
            require(
                probe.judge.is_immediate(),
                "asr_probe",
                "A judge that needs a model or an endpoint cannot judge in the middle of a run. Choose the oracle or a keyword list.",
            );
            require(
                self.dynamics.points > 0,
                "asr_probe",
                "Say how often: with 0 points over the run nothing is asked.",
            );
        }
        if let Some(problem) = self.beta.problem() {
            require(false, "beta", problem);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let spec = TrainSpec { alpha: 2.0, batch: 0, name: "My Model".to_owned(), ..TrainSpec::default() };
        let fields: Vec<_> = spec.check().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["model", "data", "name", "alpha", "batch"]);
    }

    #[test]
    fn a_spec_survives_toml() {
        let spec = TrainSpec { anchor: Some("anchor".to_owned()), ..TrainSpec::preset(Recipe::Constrained) };
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<TrainSpec>(&text).unwrap(), spec);
        assert!(toml::from_str::<TrainSpec>("learning_rat = 1.0").is_err(), "a misspelt field must not pass");
    }
}
