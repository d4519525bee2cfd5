//! Texts for data sets: requests and a model in; candidates for review out.

use super::folder::{Desk, Outcome, in_folder};
use super::progress::Meter;
use super::{Ending, EventKind, JobError, JobSpec, Surroundings};
use crate::generate::{GenerateSpec, generate, requests};
use crate::model::Control;
use crate::project::Project;

pub(super) fn run(
    project: &mut Project,
    spec: &GenerateSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    let job = JobSpec::Generate(spec.clone());
    let problems = job.check();
    if !problems.is_empty() {
        return Err(JobError::Spec(problems));
    }
    project.model_folder(&spec.model)?;
    project.dataset(&spec.requests)?;
    in_folder(project, &job, (spec.seed, spec.batch), around, |project, desk| work(project, spec, desk))
}

fn work(project: &Project, spec: &GenerateSpec, desk: &mut Desk) -> Result<Outcome, JobError> {
    let asked = requests(&project.examples(&spec.requests)?);
    desk.hash_dataset(project, &spec.requests)?;
    desk.note(format!("Loading model {}", spec.model))?;
    let model = project.open_model(&spec.model)?;
    desk.hash_model(&spec.model, &project.model_folder(&spec.model)?)?;
    desk.manifest.save(&desk.folder)?;
    desk.stopped_early()?;
    desk.note(format!("Asking {} for each {}", spec.model, spec.part.label()))?;

    let mut log = desk.open_log("candidates.jsonl")?;
    let (mut count, mut doubtful) = (0, 0);
    let total = (spec.limit.unwrap_or(usize::MAX).min(asked.len()) * spec.samples) as u64;
    let mut meter = Meter::new("texts");
    let mut take = |candidate: crate::data::Candidate| {
        count += 1;
        doubtful += usize::from(candidate.doubt.is_some());
        log.json(&candidate)
    };
    let whole = generate(&model, &asked, spec, &mut take, &mut |done| {
        if let Some(event) = meter.at(done, total) {
            desk.emit(event);
        }
        if desk.cancel.is_cancelled() { Control::Stop } else { Control::Continue }
    })?;
    log.sync().map_err(|e| super::folder::keep(log.path(), &e))?;
    let path = log.path().to_owned();
    desk.emit(EventKind::Artifact { what: "texts to review".into(), path });
    let message = format!(
        "{count} texts{} wait to be reviewed; {doubtful} of them are doubtful. None becomes an example before somebody \
         accepts it.",
        if whole { "" } else { " came before the job was stopped; they" }
    );
    Ok(Outcome { message, stopped: !whole })
}
