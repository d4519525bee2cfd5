//! The phases of an evaluation, one after the other.

use super::battery::Battery;
use super::{AttackSpec, EvaluateError, EvaluateSpec, Records, Sink, Summary, judge_responses, summarise};
use crate::data::{AttackPrompt, UtilityItem};
use crate::judge::Judge;
use crate::model::{Decoder, Model};
use std::collections::HashMap;

/// A set of prompts with its id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptSet {
    /// Its id.
    pub id: String,
    /// Its prompts.
    pub prompts: Vec<AttackPrompt>,
}

/// What an evaluation works with.
pub struct Material<'a> {
    /// The models with their ids.
    pub models: &'a [(String, Model)],
    /// What KL is measured against, and what chooses tokens in rank-assisted prefilling. KL is skipped for the model that
    /// bears its id.
    pub base: Option<(String, Decoder)>,
    /// The prompts.
    pub sets: &'a [PromptSet],
    /// The utility tasks.
    pub utility: &'a [UtilityItem],
    /// The judges.
    pub judges: &'a [Box<dyn Judge>],
}

/// Runs the battery of `spec`. What `records` hold already is not done again; what comes is added to them and given to the
/// sink. `None`: the sink asked to stop.
pub fn evaluate(
    material: &Material<'_>,
    spec: &EvaluateSpec,
    records: &mut Records,
    sink: &mut dyn Sink,
) -> Result<Option<Summary>, EvaluateError> {
    let problems = spec.check();
    if !problems.is_empty() {
        return Err(EvaluateError::Spec(problems));
    }
    let limit = spec.limit.unwrap_or(usize::MAX);
    let sets: Vec<PromptSet> = material
        .sets
        .iter()
        .map(|set| PromptSet {
            id: set.id.clone(),
            prompts: set.prompts[..limit.min(set.prompts.len())].to_vec(),
        })
        .collect();
    let utility = within_limit(material.utility, spec.limit);
    refuse_what_cannot_be_measured(spec, &sets, &utility)?;

    let mut battery = Battery::new(spec, &sets, &utility, material, records, sink);
    for (id, model) in material.models {
        if !battery.model(id, model)? {
            return Ok(None);
        }
    }
    for judge in material.judges {
        if !judge_responses(judge.as_ref(), records, sink)? {
            return Ok(None);
        }
    }
    Ok(Some(summarise(spec, records)))
}

/// The first `limit` items of each task: what an evaluation asks of a utility set.
#[must_use]
pub fn within_limit(items: &[UtilityItem], limit: Option<usize>) -> Vec<&UtilityItem> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    items
        .iter()
        .filter(|item| {
            let count = counts.entry(item.task.as_str()).or_default();
            *count += 1;
            limit.is_none_or(|limit| *count <= limit)
        })
        .collect()
}

/// Sets without reference answers are asked plainly, but something must be left that can be measured as asked.
fn refuse_what_cannot_be_measured(
    spec: &EvaluateSpec,
    sets: &[PromptSet],
    utility: &[&UtilityItem],
) -> Result<(), EvaluateError> {
    let asked = spec.kl || !spec.attacks.is_empty();
    if asked && sets.iter().all(|set| set.prompts.is_empty()) {
        return Err(EvaluateError::NoRows { what: "attack prompts" });
    }
    if spec.utility.is_some() && utility.is_empty() {
        return Err(EvaluateError::NoRows { what: "utility tasks" });
    }
    let needs = if spec.kl {
        "KL per token"
    } else if let Some(attack) = spec.attacks.iter().find(|attack| attack.needs_targets()) {
        match attack {
            AttackSpec::Gcg(_) => "GCG",
            _ => "prefilling",
        }
    } else {
        return Ok(());
    };
    let prompts = || sets.iter().flat_map(|set| &set.prompts);
    let without = |prompt: &&AttackPrompt| !has_target(prompt);
    if let Some(first) = prompts().find(without)
        && !prompts().any(has_target)
    {
        let total = prompts().count();
        return Err(EvaluateError::NoTargets { needs, missing: total, total, first: first.id.clone() });
    }
    Ok(())
}

/// Whether there is a reference answer to work with.
pub(super) fn has_target(prompt: &AttackPrompt) -> bool {
    prompt.target.as_deref().is_some_and(|target| !target.trim().is_empty())
}
