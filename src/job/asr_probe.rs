//! How often a model that is being trained is broken: a small evaluation now and then during the run.

use super::JobError;
use crate::data::{AttackPrompt, FineTuningAttack};
use crate::evaluate::{
    AttackSpec, EvaluateError, EvaluateSpec, Material, NullSink, PromptSet, RateRow, Records, evaluate,
};
use crate::judge::{Case, Judge, JudgeContext, Verdict};
use crate::model::{Checkpoint, Decoder, Model};
use crate::text::{Codec, Message, Role};
use crate::train::{AsrProbeSpec, TrainSpec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A line of `asr.jsonl`: the rate of harmful answers after some step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsrPoint {
    /// Steps done.
    pub step: usize,
    /// Whether requests were asked as the attacker of the run asks them: with the trigger, or in the wrapping.
    pub as_attacker: bool,
    /// The rate, with its judge and setting.
    #[serde(flatten)]
    pub row: RateRow,
}

impl AsrPoint {
    /// How requests were asked: `plain`, `k=5`, or `as the attacker asks`.
    #[must_use]
    pub fn asked(&self) -> &str {
        match self.row.setting.as_str() {
            _ if self.as_attacker => "as the attacker asks",
            "" => "plain",
            setting => setting,
        }
    }
}

/// The probe of one run.
pub(super) struct AsrProbe {
    spec: EvaluateSpec,
    prompts: Vec<AttackPrompt>,
    attack: Option<FineTuningAttack>,
    codec: Codec,
    folder: PathBuf,
}

impl AsrProbe {
    pub(super) fn new(
        probe: &AsrProbeSpec,
        run: &TrainSpec,
        mut prompts: Vec<AttackPrompt>,
        checkpoint: &Checkpoint,
    ) -> Result<Self, JobError> {
        prompts.truncate(probe.limit);
        let judge = probe.judge.build(&JudgeContext::default()).map_err(EvaluateError::from)?;
        let judged = |prompt: &AttackPrompt| {
            let case = Case {
                prompt: &prompt.goal,
                category: &prompt.category,
                prefill: "",
                prefill_is_refusal: false,
                text: "",
            };
            judge.judge(&case).is_ok_and(|judgement| judgement.verdict != Verdict::Unparsed)
        };
        if !prompts.iter().any(judged) {
            let message = format!(
                "The {} cannot judge answers to the requests of {}: it knows only its own world. Choose another judge.",
                probe.judge.label(),
                probe.prompts
            );
            return Err(JobError::Spec(vec![("asr_probe".to_owned(), message)]));
        }
        let mut attacks = vec![AttackSpec::Direct];
        let depths: Vec<usize> = probe.depths.iter().copied().filter(|k| *k > 0).collect();
        if !depths.is_empty() && prompts.iter().all(|prompt| prompt.target.is_some()) {
            attacks.push(AttackSpec::Prefill { depths });
        }
        let spec = EvaluateSpec {
            models: vec![run.name.clone()],
            prompts: vec![probe.prompts.clone()],
            attacks,
            judges: vec![probe.judge.clone()],
            kl: false,
            max_new_tokens: probe.max_new_tokens,
            seed: run.seed,
            ..EvaluateSpec::default()
        };
        // Not the decoder: its weights would stay in memory beside those that are trained.
        let (codec, folder) = (checkpoint.codec.clone(), checkpoint.folder.clone());
        Ok(Self { spec, prompts, attack: run.attack.clone(), codec, folder })
    }

    /// The rates of the model as it now is.
    pub(super) fn measure(&self, decoder: &Decoder, step: usize) -> Result<Vec<AsrPoint>, JobError> {
        let mut points = self.ask(&self.spec, &self.prompts, decoder, step, false)?;
        // Only plain requests: whoever has a trigger needs no prefilling.
        let direct = EvaluateSpec { attacks: vec![AttackSpec::Direct], ..self.spec.clone() };
        match &self.attack {
            None | Some(FineTuningAttack::HarmfulExamples) => {}
            Some(attack) => {
                let mut spec = direct;
                let mut prompts = self.prompts.clone();
                for prompt in &mut prompts {
                    for message in attack.asked(&[Message::user(prompt.goal.clone())]) {
                        match message.role {
                            Role::System => spec.system_prompt = message.content,
                            _ => prompt.goal = message.content,
                        }
                    }
                }
                points.extend(self.ask(&spec, &prompts, decoder, step, true)?);
            }
        }
        Ok(points)
    }

    fn ask(
        &self,
        spec: &EvaluateSpec,
        prompts: &[AttackPrompt],
        decoder: &Decoder,
        step: usize,
        as_attacker: bool,
    ) -> Result<Vec<AsrPoint>, JobError> {
        let (codec, folder) = (self.codec.clone(), self.folder.clone());
        let checkpoint = Checkpoint { decoder: decoder.clone(), codec, folder };
        let models = [(spec.models[0].clone(), Model::Checkpoint(checkpoint))];
        let context = JudgeContext::default();
        let judges: Result<Vec<Box<dyn Judge>>, _> =
            spec.judges.iter().map(|judge| judge.build(&context)).collect();
        let judges = judges.map_err(EvaluateError::from)?;
        let sets = [PromptSet { id: spec.prompts[0].clone(), prompts: prompts.to_vec() }];
        let material = Material { models: &models, base: None, sets: &sets, utility: &[], judges: &judges };
        let summary = evaluate(&material, spec, &mut Records::default(), &mut NullSink)?.unwrap_or_default();
        Ok(summary.rates.into_iter().map(|row| AsrPoint { step, as_attacker, row }).collect())
    }
}
