//! What an evaluation would send to other machines, and what waits until somebody has agreed to it.

use super::Snapshot;
use crate::evaluate::EvaluateSpec;
use crate::job::JobId;
use crate::judge::JudgeSpec;
use crate::ui::widgets::Parcel;

/// An evaluation that would send answers to other machines.
pub(super) struct Leaving {
    pub what: Waiting,
    pub parcels: Vec<Parcel>,
}

/// What waits for consent.
pub(super) enum Waiting {
    /// An evaluation, to start.
    Start(Box<EvaluateSpec>),
    /// An evaluation that was stopped, to go on; with the job that stopped, if this window ran it.
    GoOn(String, Option<JobId>),
}

/// What an evaluation sends to other machines, at most.
pub(super) fn parcels(spec: &EvaluateSpec, project: &Snapshot) -> Vec<Parcel> {
    let answers = spec.answers_to_judge(project.prompts_of(spec));
    let judges = spec.judges.iter().filter_map(|judge| match judge {
        JudgeSpec::Rubric(rubric) => Parcel::to_come(judge.name(), &rubric.endpoint, answers),
        _ => None,
    });
    let tasks = spec.utility.as_ref().map_or(0, |id| project.count(id)) * spec.models.len();
    let asker = spec.preference.iter();
    let asker = asker.filter_map(|endpoint| Parcel::to_come(endpoint.model.clone(), endpoint, tasks));
    judges.chain(asker).collect()
}
