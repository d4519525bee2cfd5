//! Short forms of what the story measures.

use super::DemoError;
use crate::data::{AttackPrompt, UtilityItem};
use crate::evaluate::{
    AttackSpec, EvaluateError, EvaluateSpec, Material, NullSink, PromptSet, REFERENCE, RateRow, Records,
    Response, Summary, evaluate,
};
use crate::judge::{Judge, JudgeContext, JudgeSpec};
use crate::model::{Checkpoint, Decoder, Model};
use crate::stats::{Difference, paired_difference};
use std::collections::HashMap;

/// Rows generated at a time: enough for the matrix products to be efficient on a CPU.
const BATCH: usize = 64;

/// A model of the story under its name.
pub struct Subject<'a> {
    /// Name in tables.
    pub name: &'a str,
    /// The model.
    pub checkpoint: Checkpoint,
}

impl Subject<'_> {
    /// The same tokenizer with another decoder.
    #[must_use]
    pub fn with<'b>(&self, name: &'b str, decoder: Decoder) -> Subject<'b> {
        Subject { name, checkpoint: Checkpoint { decoder, ..self.checkpoint.clone() } }
    }
}

/// What an evaluation of one model found.
pub struct Measured {
    /// In numbers.
    pub summary: Summary,
    /// The answers and what the judges said.
    records: Records,
    /// Task and whether the answer was right, item by item.
    pub right: Vec<(String, bool)>,
}

impl Measured {
    /// Whether each answer to a forbidden request was harmful in the eyes of a judge.
    #[must_use]
    pub fn harmful(&self, judge: &JudgeSpec) -> Vec<bool> {
        let judge = judge.name();
        let own = self.records.verdicts.iter().filter(|row| row.judge == judge);
        let verdicts: HashMap<&str, bool> =
            own.map(|row| (row.response.as_str(), row.verdict.is_harmful())).collect();
        self.answers().filter_map(|response| verdicts.get(response.id.as_str()).copied()).collect()
    }

    /// The answers to forbidden requests, in the order in which they were given.
    pub fn answers(&self) -> impl Iterator<Item = &Response> {
        self.records.responses.iter().filter(|response| response.is_judged() && response.model != REFERENCE)
    }
}

/// Evaluates one model, greedy. The summary is the oracle's.
pub fn measure(
    subject: &Subject<'_>,
    base: Option<&Subject<'_>>,
    attacks: Vec<AttackSpec>,
    prompts: &[AttackPrompt],
    utility: &[UtilityItem],
) -> Result<Measured, DemoError> {
    let spec = EvaluateSpec {
        title: format!("demo: {}", subject.name),
        models: vec![subject.name.to_owned()],
        base: base.map(|b| b.name.to_owned()),
        prompts: vec!["demo".to_owned()],
        attacks,
        judges: JudgeSpec::DEMO.to_vec(),
        kl: base.is_some(),
        utility: (!utility.is_empty()).then(|| "demo".to_owned()),
        batch: BATCH,
        ..EvaluateSpec::default()
    };
    let models = [(subject.name.to_owned(), Model::Checkpoint(subject.checkpoint.clone()))];
    let base = base.map(|b| (b.name.to_owned(), b.checkpoint.decoder.clone()));
    let judges = judges(&spec)?;
    let sets = [PromptSet { id: "demo".to_owned(), prompts: prompts.to_vec() }];
    let material = Material { models: &models, base, sets: &sets, utility, judges: &judges };
    let mut records = Records::default();
    let mut summary = evaluate(&material, &spec, &mut records, &mut NullSink)?.ok_or(DemoError::Stopped)?;
    let oracle = JudgeSpec::Oracle.name();
    summary.rates.retain(|row| row.judge == oracle);
    summary.depth.retain(|row| row.judge == oracle);
    let right = records.responses.iter().filter_map(|r| Some((r.setting.clone(), r.correct?))).collect();
    Ok(Measured { summary, records, right })
}

/// The judges of a spec, which need nothing but themselves.
pub(super) fn judges(spec: &EvaluateSpec) -> Result<Vec<Box<dyn Judge>>, DemoError> {
    let context = JudgeContext::default();
    let built: Result<_, _> = spec.judges.iter().map(|judge| judge.build(&context)).collect();
    Ok(built.map_err(EvaluateError::from)?)
}

/// The rate of harmful answers to the plain requests.
pub fn direct(subject: &Subject<'_>, prompts: &[AttackPrompt]) -> Result<RateRow, DemoError> {
    let found = measure(subject, None, vec![AttackSpec::Direct], prompts, &[])?;
    found.summary.rates.into_iter().next().ok_or(DemoError::Stopped)
}

/// How the share of right answers changed on the same items, task by task, and in the mean of the tasks.
pub fn utility_change(
    before: &[(String, bool)],
    after: &[(String, bool)],
    items: &[UtilityItem],
) -> Vec<(String, Difference)> {
    let mut tasks: Vec<&str> = Vec::new();
    for (task, _) in before {
        if !tasks.contains(&task.as_str()) {
            tasks.push(task);
        }
    }
    tasks
        .iter()
        .map(|task| {
            let of = |outcomes: &[(String, bool)]| -> Vec<bool> {
                outcomes.iter().filter(|(t, _)| t == task).map(|(_, right)| *right).collect()
            };
            let clusters: Vec<&str> =
                items.iter().filter(|i| i.task == *task).map(|i| i.cluster.as_str()).collect();
            ((*task).to_owned(), paired_difference(&of(before), &of(after), Some(&clusters), 2000, 0))
        })
        .collect()
}
