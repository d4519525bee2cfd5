//! An evaluation: models, prompts and tasks in; answers, verdicts and a summary out. It goes on where it was cut off, and other
//! judges can read its answers later.

use super::folder::{Desk, Outcome, go_on_in_folder, hash, in_folder, keep};
use super::progress::Meter;
use super::train_job::need_kind;
use super::{CancelToken, Ending, EventKind, JobError, JobSpec, JudgeAgainSpec, Surroundings};
use crate::data::{AttackPrompt, DatasetKind, Examples, UtilityItem};
use crate::evaluate::{
    AttackSpec, EvaluateError, EvaluateSpec, GcgLine, KlLine, Material, PromptSet, REFERENCE, Records,
    Response, Sink, VerdictRow, evaluate, judge_responses, summarise,
};
#[cfg(feature = "hub")]
use crate::evaluate::{PREFERENCE, compare_with_references};
use crate::files::AppendLog;
#[cfg(feature = "hub")]
use crate::judge::Asker;
use crate::judge::{EndpointSpec, Judge, JudgeContext, JudgeError, JudgeSpec, SystemKeys};
use crate::model::{Checkpoint, Control, Model};
use crate::project::{EvaluationInfo, Project, Resumption};
use std::io;
use std::sync::Arc;

pub(super) fn run(
    project: &Project,
    spec: &EvaluateSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    refuse_what_cannot_run(project, spec)?;
    let mut project = Project::attach(project.root())?;
    let job = JobSpec::Evaluate(spec.clone());
    in_folder(&mut project, &job, (spec.seed, spec.batch), around, |project, desk| {
        work(project, spec, Records::default(), None, desk)
    })
}

/// Goes on with an evaluation that was stopped or cut off: what is in its logs is not done again.
pub(super) fn resume(project: &mut Project, id: &str, around: &mut Surroundings) -> Result<Ending, JobError> {
    let cannot = |reason: &str| JobError::CannotResume { run: id.to_owned(), reason: reason.to_owned() };
    let EvaluationInfo { spec, mut manifest, folder, .. } = project.evaluation(id)?;
    if manifest.is_done() {
        return Err(cannot("it has come to its end. Other judges can read its answers."));
    }
    if manifest.plumbline != env!("CARGO_PKG_VERSION") {
        return Err(cannot(
            "it was begun by another version of Plumbline, which may answer otherwise. Start a new evaluation.",
        ));
    }
    let path = folder.join("spec.toml");
    if manifest.hashes.get("spec.toml").is_some_and(|known| hash(&path).is_ok_and(|now| now != *known)) {
        return Err(cannot(
            "its spec.toml was changed meanwhile. Undo the change, or start a new evaluation.",
        ));
    }
    refuse_what_cannot_run(project, &spec)?;
    let records = project.records(id)?;
    crate::project::RUNNING.clone_into(&mut manifest.ended);
    manifest.finished = None;
    let title = JobSpec::Evaluate(spec.clone()).title();
    go_on_in_folder(project, folder, manifest, title, around, |project, desk| {
        work(project, &spec, records, Some(id), desk)
    })
}

/// Has other judges read the answers of an evaluation, and sums it up anew. Answers and verdicts that are there stay.
pub(super) fn judge_again(
    project: &mut Project,
    again: &JudgeAgainSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    let EvaluationInfo { spec, manifest, folder, .. } = project.evaluation(&again.evaluation)?;
    let mut records = project.records(&again.evaluation)?;
    let judges = judges(project, &again.judges, around.cancel)?;
    let asker = asker(project, again.preference.as_ref(), around.cancel)?;
    let utility = tasks(project, &spec)?;
    let before = manifest.clone();
    let title = JobSpec::Judge(again.clone()).title();
    let ending = go_on_in_folder(project, folder.clone(), manifest, title, around, |_, desk| {
        let mut sink = FolderSink::new(desk, &spec)?;
        for judge in &judges {
            if !judge_responses(judge.as_ref(), &mut records, &mut sink)? {
                let message = "Judging was stopped. The verdicts that had come are kept.".to_owned();
                return Ok(Outcome { message, stopped: true });
            }
        }
        if !compare(asker.as_ref(), &utility, spec.seed, &mut records, &mut sink)? {
            let message = "Comparing was stopped. What had come is kept.".to_owned();
            return Ok(Outcome { message, stopped: true });
        }
        sink.close()?;
        let path = desk.write_json("summary.json", &summarise(&spec, &records))?;
        desk.emit(EventKind::Artifact { what: "summary".into(), path });
        let mut names: Vec<&str> = judges.iter().map(|judge| judge.name()).collect();
        if asker.is_some() {
            names.push("a judge of preferences");
        }
        Ok(Outcome { message: format!("The answers were read by {}.", names.join(", ")), stopped: false })
    });
    // Whatever became of the judging, the evaluation ended as it did.
    let now = crate::project::Manifest::load(&folder)?;
    crate::project::Manifest {
        ended: before.ended,
        finished: before.finished,
        seconds: before.seconds,
        ..now
    }
    .save(&folder)?;
    ending
}

fn refuse_what_cannot_run(project: &Project, spec: &EvaluateSpec) -> Result<(), JobError> {
    let problems = spec.check();
    if !problems.is_empty() {
        return Err(EvaluateError::Spec(problems).into());
    }
    for id in spec.models.iter().chain(spec.base.iter().filter(|_| needs_base(spec))) {
        project.model_folder(id)?;
    }
    if needs_prompts(spec) {
        for set in &spec.prompts {
            need_kind(project, set, (DatasetKind::Attack, "set of prompts"))?;
        }
    }
    if let Some(utility) = &spec.utility {
        need_kind(project, utility, (DatasetKind::Utility, "utility set"))?;
    }
    Ok(())
}

fn needs_prompts(spec: &EvaluateSpec) -> bool {
    spec.kl || !spec.attacks.is_empty()
}

fn needs_base(spec: &EvaluateSpec) -> bool {
    spec.kl || spec.attacks.iter().any(AttackSpec::needs_base)
}

/// Gives `build` what judges need from outside. What endpoints say is kept in the project's cache, so that nothing is paid for
/// twice.
fn with_context<T>(
    project: &Project,
    cancel: &CancelToken,
    build: impl FnOnce(&JudgeContext<'_>) -> Result<T, JudgeError>,
) -> Result<T, JobError> {
    let cache = project.cache_folder().map_err(|e| keep(&project.root().join(".cache"), &e))?.join("judges");
    let cancel = cancel.clone();
    let watch = Arc::new(move || if cancel.is_cancelled() { Control::Stop } else { Control::Continue });
    let model = |id: &str| project.model_folder(id).ok();
    let context = JudgeContext { cache: Some(&cache), keys: &SystemKeys, model: &model, watch };
    Ok(build(&context).map_err(EvaluateError::from)?)
}

fn judges(
    project: &Project,
    specs: &[JudgeSpec],
    cancel: &CancelToken,
) -> Result<Vec<Box<dyn Judge>>, JobError> {
    with_context(project, cancel, |context| specs.iter().map(|spec| spec.build(context)).collect())
}

/// `going_on`: the id of the evaluation that goes on from `records`.
fn work(
    project: &Project,
    spec: &EvaluateSpec,
    mut records: Records,
    going_on: Option<&str>,
    desk: &mut Desk,
) -> Result<Outcome, JobError> {
    let known = desk.manifest.hashes.clone();
    let mut sets = Vec::new();
    if needs_prompts(spec) {
        for id in &spec.prompts {
            if let Examples::Attack(prompts) = project.examples(id)? {
                desk.hash_dataset(project, id)?;
                sets.push(PromptSet { id: id.clone(), prompts });
            }
        }
    }
    let utility = tasks(project, spec)?;
    if let Some(id) = &spec.utility {
        desk.hash_dataset(project, id)?;
    }
    let asker = asker(project, spec.preference.as_ref(), desk.cancel)?;
    let judges = judges(project, &spec.judges, desk.cancel)?;
    let mut models: Vec<(String, Model)> = Vec::new();
    for id in &spec.models {
        desk.stopped_early()?;
        desk.note(format!("Loading model {id}"))?;
        models.push((id.clone(), project.open_model(id)?.with_template_date(spec.template_date)));
        desk.hash_model(id, &project.model_folder(id)?)?;
    }
    let base = match spec.base.as_ref().filter(|_| needs_base(spec)) {
        None => None,
        Some(id) => {
            let base =
                if let Some((_, Model::Checkpoint(base))) = models.iter().find(|(model, _)| model == id) {
                    base.clone()
                } else {
                    desk.note(format!("Loading base {id}"))?;
                    desk.hash_model(id, &project.model_folder(id)?)?;
                    let base = project.load_model(id)?;
                    Checkpoint { codec: base.codec.with_template_date(spec.template_date), ..base }
                };
            let prompts = sets.iter().flat_map(|set| &set.prompts);
            refuse_other_tokenizers(&models, id, &base, prompts)?;
            Some((id.clone(), base.decoder))
        }
    };
    if let Some(id) = going_on {
        if let Some(changed) =
            known.iter().find(|(name, hash)| desk.manifest.hashes.get(*name).is_some_and(|now| now != *hash))
        {
            let reason = format!(
                "{} was changed after it had begun. Undo the change, or start a new evaluation.",
                changed.0
            );
            desk.manifest.hashes.clone_from(&known);
            return Err(JobError::CannotResume { run: id.to_owned(), reason });
        }
        let (at, threads) = (jiff::Timestamp::now().to_string(), rayon::current_num_threads());
        let step = answers(&records);
        desk.manifest.resumed.push(Resumption { at, step, threads });
        desk.note(format!("Going on: {step} answers are there"))?;
    }
    desk.manifest.save(&desk.folder)?;
    desk.stopped_early()?;

    let mut sink = FolderSink::new(desk, spec)?;
    let material = Material { models: &models, base, sets: &sets, utility: &utility, judges: &judges };
    let mut result = evaluate(&material, spec, &mut records, &mut sink);
    if asker.is_some() && matches!(result, Ok(Some(_))) {
        let compared = compare(asker.as_ref(), &utility, spec.seed, &mut records, &mut sink);
        result = compared.map(|finished| finished.then(|| summarise(spec, &records)));
    }
    sink.close()?;
    let rows = answers(&records);
    let name = desk.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(summary) = result? else {
        let message = format!(
            "The evaluation was stopped. The {rows} answers that had come are in {}. It goes on from there with: plumbline resume {name} --project {}.",
            desk.folder.display(),
            project.root().display()
        );
        return Ok(Outcome { message, stopped: true });
    };
    let path = desk.write_json("summary.json", &summary)?;
    desk.emit(EventKind::Artifact { what: "summary".into(), path });
    let message = format!("The evaluation is done: {rows} answers of {}.", spec.models.join(", "));
    Ok(Outcome { message, stopped: false })
}

/// Who compares answers with references. It is looked for before anything is computed: a key that is missing is told at once.
#[cfg(feature = "hub")]
fn asker(
    project: &Project,
    endpoint: Option<&EndpointSpec>,
    cancel: &CancelToken,
) -> Result<Option<Asker>, JobError> {
    let Some(endpoint) = endpoint else { return Ok(None) };
    with_context(project, cancel, |context| Asker::new(endpoint, PREFERENCE, context)).map(Some)
}

/// Nobody: this build has no network.
#[cfg(not(feature = "hub"))]
struct Asker;

#[cfg(not(feature = "hub"))]
fn asker(_: &Project, endpoint: Option<&EndpointSpec>, _: &CancelToken) -> Result<Option<Asker>, JobError> {
    match endpoint {
        None => Ok(None),
        Some(endpoint) => Err(EvaluateError::from(JudgeError::NoNetwork {
            judge: "preference".to_owned(),
            host: endpoint.host().unwrap_or_default(),
        })
        .into()),
    }
}

/// Compares answers to pairwise tasks with their references; `false`: it was stopped.
#[cfg(feature = "hub")]
fn compare(
    asker: Option<&Asker>,
    utility: &[UtilityItem],
    seed: u64,
    records: &mut Records,
    sink: &mut FolderSink<'_, '_>,
) -> Result<bool, EvaluateError> {
    asker.map_or(Ok(true), |asker| compare_with_references(asker, utility, seed, records, sink))
}

#[cfg(not(feature = "hub"))]
#[allow(clippy::unnecessary_wraps, reason = "it stands in for the one above")]
fn compare(
    _: Option<&Asker>,
    _: &[UtilityItem],
    _: u64,
    _: &mut Records,
    _: &mut FolderSink<'_, '_>,
) -> Result<bool, EvaluateError> {
    Ok(true)
}

/// What models answered: what is left of reference answers is nobody's.
fn answers(records: &Records) -> usize {
    records.responses.iter().filter(|response| response.model != REFERENCE).count()
}

/// The tasks of an evaluation's utility set.
fn tasks(project: &Project, spec: &EvaluateSpec) -> Result<Vec<UtilityItem>, JobError> {
    match spec.utility.as_ref().map(|id| project.examples(id)).transpose()? {
        Some(Examples::Utility(items)) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

/// KL compares distributions over the same tokens: what is measured must be the same ids under both tokenizers.
fn refuse_other_tokenizers<'a>(
    models: &[(String, Model)],
    base_id: &str,
    base: &Checkpoint,
    prompts: impl Iterator<Item = &'a AttackPrompt> + Clone,
) -> Result<(), JobError> {
    for (id, model) in models.iter().filter(|(id, _)| id != base_id) {
        let text = |source| EvaluateError::Text { model: id.clone(), source };
        for words in prompts
            .clone()
            .flat_map(|prompt| [Some(prompt.goal.as_str()), prompt.target.as_deref()])
            .flatten()
        {
            let same =
                model.codec().answer(words).map_err(text)? == base.codec.answer(words).map_err(text)?;
            if !same {
                return Err(
                    EvaluateError::OtherTokenizer { model: id.clone(), base: base_id.to_owned() }.into()
                );
            }
        }
    }
    Ok(())
}

/// Writes what comes into the folder, and tells how far the evaluation is.
struct FolderSink<'a, 'b> {
    desk: &'a mut Desk<'b>,
    responses: AppendLog,
    verdicts: AppendLog,
    kl: Option<AppendLog>,
    gcg: Option<AppendLog>,
    meter: Meter,
}

impl<'a, 'b> FolderSink<'a, 'b> {
    fn new(desk: &'a mut Desk<'b>, spec: &EvaluateSpec) -> Result<Self, JobError> {
        let (responses, verdicts) = (desk.open_log("responses.jsonl")?, desk.open_log("verdicts.jsonl")?);
        let kl = spec.kl.then(|| desk.open_log("kl.jsonl")).transpose()?;
        let searches = spec.attacks.iter().any(|attack| matches!(attack, AttackSpec::Gcg(_)));
        let gcg = searches.then(|| desk.open_log("gcg.jsonl")).transpose()?;
        Ok(Self { desk, responses, verdicts, kl, gcg, meter: Meter::new("answers") })
    }

    fn close(&self) -> Result<(), JobError> {
        let logs = [Some(&self.responses), Some(&self.verdicts), self.kl.as_ref(), self.gcg.as_ref()];
        for log in logs.into_iter().flatten() {
            log.sync().map_err(|e| keep(log.path(), &e))?;
        }
        Ok(())
    }
}

impl Sink for FolderSink<'_, '_> {
    fn response(&mut self, response: &Response) -> io::Result<()> {
        self.desk.manifest.tokens += response.tokens as u64;
        self.responses.json(response)
    }

    fn verdict(&mut self, verdict: &VerdictRow) -> io::Result<()> {
        self.verdicts.json(verdict)
    }

    fn kl(&mut self, line: &KlLine) -> io::Result<()> {
        self.kl.as_mut().map_or(Ok(()), |log| log.json(line))
    }

    fn gcg(&mut self, line: &GcgLine) -> io::Result<()> {
        self.desk.emit(EventKind::Suffix(Box::new(line.clone())));
        self.gcg.as_mut().map_or(Ok(()), |log| log.json(line))
    }

    fn decided(&mut self, what: &str, value: String) {
        self.desk.manifest.decided.insert(what.to_owned(), value);
    }

    fn progress(&mut self, done: u64, total: u64) -> Control {
        if let Some(event) = self.meter.at(done, total) {
            self.desk.emit(event);
        }
        if self.desk.cancel.is_cancelled() { Control::Stop } else { Control::Continue }
    }

    fn note(&mut self, text: &str) {
        // The log of the steps is a convenience; answers and verdicts are what must not be lost, and they report it.
        if let Err(e) = self.desk.note(text) {
            log::warn!("{e}");
        }
    }
}
