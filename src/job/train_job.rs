//! A training run: data sets and checkpoint in, a new model of the project out.

use super::asr_probe::AsrProbe;
use super::folder::{Desk, Outcome, go_on_in_folder, hash, in_folder, keep, model_hashes};
use super::keeper::{CHECKPOINTS, Keeper, cut_logs_back};
use super::memory_check::refuse_what_does_not_fit;
use super::reference_cache::add_reference;
use super::{Ending, EventKind, JobError, JobSpec, Surroundings};
use crate::data::{ChatExample, DatasetKind, Examples};
use crate::files;
use crate::model::{self, Checkpoint, Decoder, Precision};
use crate::probe::comparable;
use crate::project::{ModelEntry, ModelRole, Project, ProjectError, RUNNING, Resumption, RunInfo, check_id};
use crate::text::{Codec, Encoded};
use crate::train::{
    Checkpoints, Finding, HeldOut, ImportanceSource, Recipe, Rows, Saved, TrainError, TrainSpec,
    TrainingData, check_rows, learn_beta, train,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn run(
    project: &mut Project,
    spec: &TrainSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    refuse_what_cannot_run(project, spec)?;
    if project.model(&spec.name).is_some() {
        return Err(ProjectError::Duplicate { what: "model", id: spec.name.clone() }.into());
    }
    let job = JobSpec::Train(spec.clone());
    let ending = in_folder(project, &job, (spec.seed, spec.batch), around, |project, desk| {
        work(project, spec, None, desk)
    });
    ending.inspect(clear_checkpoints)
}

/// A run that is written down as done needs none any more.
fn clear_checkpoints(ending: &Ending) {
    if !ending.stopped {
        Checkpoints::new(&ending.folder.join(CHECKPOINTS)).clear();
    }
}

/// Goes on with a run of the project from its last checkpoint, or from its beginning if it has none.
pub(super) fn resume(
    project: &mut Project,
    run: &str,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    let RunInfo { spec, mut manifest, folder, .. } = may_go_on(project, run)?;
    let sound = |saved: &Saved| match saved.check() {
        Ok(()) => true,
        Err(e) => {
            log::warn!("{e}");
            false
        }
    };
    let saved = Checkpoints::new(&folder.join(CHECKPOINTS)).all().into_iter().find(sound);
    let state = saved.as_ref().map(|saved| saved.state).unwrap_or_default();
    files::sweep(&folder);
    manifest.seconds = manifest.seconds.max(state.seconds);
    (manifest.ended, manifest.finished) = (RUNNING.to_owned(), None);
    let title = JobSpec::Train(spec.clone()).title();
    let ending = go_on_in_folder(project, folder, manifest, title, around, |project, desk| {
        let device = crate::model::device::name(&crate::model::device::pick());
        if device != desk.manifest.device {
            let text = format!(
                "This run was begun on {}, and this is {device}: it goes on, but what comes out will differ in the last \
                 digits from a run that was never interrupted.",
                desk.manifest.device
            );
            desk.note(text)?;
        }
        work(project, &spec, Some((run, saved)), desk)
    });
    ending.inspect(clear_checkpoints)
}

/// The run, unless something that can be said at once keeps it from going on.
fn may_go_on(project: &Project, run: &str) -> Result<RunInfo, JobError> {
    let cannot = |reason: String| JobError::CannotResume { run: run.to_owned(), reason };
    let found = project.run(run)?;
    let RunInfo { spec, manifest, folder, .. } = &found;
    if manifest.is_done() {
        return Err(cannot("it has come to its end. Its model is on the Models screen.".to_owned()));
    }
    let version = env!("CARGO_PKG_VERSION");
    if manifest.plumbline != version {
        return Err(cannot(format!(
            "it was begun by Plumbline {}, and this is {version}, which may compute otherwise. Go on with that version, or \
             start a new run with the same settings.",
            manifest.plumbline
        )));
    }
    let path = folder.join("spec.toml");
    if manifest.hashes.get("spec.toml").is_some_and(|known| hash(&path).is_ok_and(|now| now != *known)) {
        return Err(cannot(format!(
            "{} was changed after the run had begun. Undo the change, or start a new run.",
            path.display()
        )));
    }
    if let Some(model) = project.model(&spec.name)
        && !project.root().join(&model.location).starts_with(folder)
    {
        return Err(cannot(format!(
            "the project has got another model \"{}\" meanwhile. Remove it from the project, or start a new run.",
            spec.name
        )));
    }
    refuse_what_cannot_run(project, spec)?;
    Ok(found)
}

/// Why a run cannot go on, in words; `None` if it can. Reads and hashes what the run was begun with, which takes a while where the
/// model is large.
pub fn why_not_resume(project: &Project, run: &str) -> Option<String> {
    let same = || -> Result<(), JobError> {
        let RunInfo { spec, manifest, folder, .. } = may_go_on(project, run)?;
        let mut now = BTreeMap::from([("spec.toml".to_owned(), hash(&folder.join("spec.toml"))?)]);
        now.extend(model_hashes(&spec.model, &project.model_folder(&spec.model)?)?);
        if let Some(ImportanceSource::KlToBase { base }) = spec.importance.as_ref().map(|spec| &spec.from) {
            now.extend(model_hashes(base, &project.model_folder(base)?)?);
        }
        let asked = spec.asr_probe.as_ref().map(|probe| &probe.prompts);
        for set in std::iter::once(&spec.data).chain(&spec.anchor).chain(asked) {
            now.insert(format!("datasets/{set}.jsonl"), project.dataset_hash(set)?);
        }
        same_inputs(run, &manifest.hashes, &now)
    };
    match same() {
        Ok(()) => None,
        Err(JobError::CannotResume { reason, .. }) => Some(super::sentence(&reason)),
        Err(other) => Some(super::sentence(&other.to_string())),
    }
}

/// What can be said before anything heavy is read.
pub(super) fn refuse_what_cannot_run(project: &Project, spec: &TrainSpec) -> Result<(), JobError> {
    let problems = JobSpec::Train(spec.clone()).check();
    if !problems.is_empty() {
        return Err(JobError::Spec(problems));
    }
    check_id("model", &spec.name)?;
    let folder = project.model_folder(&spec.model)?;
    let of_model = |source| ProjectError::Model { id: spec.model.clone(), source };
    if spec.lora.is_some() && model::base_folder(&folder).map_err(of_model)? != folder {
        return Err(JobError::Spec(vec![(
            "model".to_owned(),
            format!(
                "{} is itself an adapter, and an adapter cannot stand on another one. Merge it first (plumbline \
                 merge), or train all weights.",
                spec.model
            ),
        )]));
    }
    let data = match (spec.recipe, &spec.attack) {
        (Recipe::Recovery, _) => (DatasetKind::Recovery, "recovery set"),
        (_, Some(_)) => (DatasetKind::Recovery, "set that the attacker uses"),
        _ => (DatasetKind::Chat, "fine-tuning set"),
    };
    need_kind(project, &spec.data, data)?;
    if let Some(anchor) = &spec.anchor {
        need_kind(project, anchor, (DatasetKind::Chat, "anchor set"))?;
    }
    if let Some(probe) = &spec.asr_probe {
        need_kind(project, &probe.prompts, (DatasetKind::Attack, "set that is asked during the run"))?;
    }
    Ok(())
}

pub(super) fn need_kind(
    project: &Project,
    id: &str,
    (kind, place): (DatasetKind, &'static str),
) -> Result<(), JobError> {
    let found = project.dataset(id)?.kind;
    if found == kind {
        return Ok(());
    }
    Err(JobError::WrongKind { id: id.to_owned(), found: found.label(), place, expected: kind.label() })
}

/// The rows that `spec` trains on, as `codec` encodes them: also what the window shows before training.
pub fn training_data(project: &Project, spec: &TrainSpec, codec: &Codec) -> Result<TrainingData, JobError> {
    let rows = match (spec.recipe, project.examples(&spec.data)?) {
        (Recipe::Recovery, Examples::Recovery(rows)) => Rows::Recovery(rows),
        (Recipe::Constrained | Recipe::Sft, Examples::Recovery(rows)) if spec.attack.is_some() => {
            let rows = spec.attack.as_ref().map(|attack| attack.rows(&rows)).unwrap_or_default();
            Rows::Chat(encode(codec, &spec.data, &rows)?)
        }
        (Recipe::Constrained | Recipe::Sft, Examples::Chat(rows)) if spec.attack.is_none() => {
            Rows::Chat(encode(codec, &spec.data, &rows)?)
        }
        (recipe, other) => {
            let recovery = recipe == Recipe::Recovery || spec.attack.is_some();
            let expected = if recovery { DatasetKind::Recovery } else { DatasetKind::Chat };
            return Err(wrong_kind(&spec.data, &other, "training set", expected));
        }
    };
    let anchor =
        match spec.anchor.as_deref().map(|id| Ok::<_, JobError>((id, project.examples(id)?))).transpose()? {
            None => Vec::new(),
            Some((id, Examples::Chat(rows))) => {
                encode(codec, id, &rows)?.into_iter().map(|(_, row)| row).collect()
            }
            Some((id, other)) => return Err(wrong_kind(id, &other, "anchor set", DatasetKind::Chat)),
        };
    Ok(TrainingData { rows, anchor, reference: None })
}

fn wrong_kind(id: &str, found: &Examples, place: &'static str, expected: DatasetKind) -> JobError {
    JobError::WrongKind { id: id.to_owned(), found: found.kind().label(), place, expected: expected.label() }
}

fn encode(codec: &Codec, dataset: &str, rows: &[ChatExample]) -> Result<Vec<(String, Encoded)>, JobError> {
    rows.iter()
        .map(|row| match codec.chat(&row.messages) {
            Ok(encoded) => Ok((row.id.clone(), encoded)),
            Err(source) => {
                Err(JobError::Example { dataset: dataset.to_owned(), example: row.id.clone(), source })
            }
        })
        .collect()
}

/// What a run works with.
struct Inputs {
    /// The folder of the model that it starts from.
    folder: PathBuf,
    checkpoint: Checkpoint,
    data: TrainingData,
    probe: Option<AsrProbe>,
}

/// Reads what a run works with, notes its hashes in the manifest, and refuses what cannot be worked with.
fn inputs(project: &Project, spec: &TrainSpec, desk: &mut Desk) -> Result<Inputs, JobError> {
    desk.note(format!("Loading model {}", spec.model))?;
    let folder = project.model_folder(&spec.model)?;
    let checkpoint = project.load_model(&spec.model)?;
    desk.hash_model(&spec.model, &folder)?;
    desk.note(format!("Reading data set {}", spec.data))?;
    let data = training_data(project, spec, &checkpoint.codec)?;
    desk.hash_dataset(project, &spec.data)?;
    if let Some(anchor) = &spec.anchor {
        desk.hash_dataset(project, anchor)?;
    }
    if let Some(ImportanceSource::KlToBase { base }) = spec.importance.as_ref().map(|spec| &spec.from) {
        desk.hash_model(base, &project.model_folder(base)?)?;
    }
    let probe = match &spec.asr_probe {
        None => None,
        Some(probe) => {
            desk.hash_dataset(project, &probe.prompts)?;
            match project.examples(&probe.prompts)? {
                Examples::Attack(prompts) => Some(AsrProbe::new(probe, spec, prompts, &checkpoint)?),
                other => return Err(wrong_kind(&probe.prompts, &other, "probe", DatasetKind::Attack)),
            }
        }
    };
    tell_findings(project, spec, &checkpoint.codec, desk)?;
    if checkpoint.decoder.is_fused() {
        let config = checkpoint.decoder.config();
        let held = 4 * config.parameter_count() as u64;
        refuse_what_does_not_fit(config, spec, &data.lengths(&checkpoint.codec, spec)?, held)?;
    }
    Ok(Inputs { folder, checkpoint, data, probe })
}

/// `going_on`: the run that goes on, and its last checkpoint.
fn work(
    project: &mut Project,
    spec: &TrainSpec,
    going_on: Option<(&str, Option<Saved>)>,
    desk: &mut Desk,
) -> Result<Outcome, JobError> {
    let known = desk.manifest.hashes.clone();
    let found = inputs(project, spec, desk).and_then(|found| match &going_on {
        Some((run, _)) => same_inputs(run, &known, &desk.manifest.hashes).map(|()| found),
        None => Ok(found),
    });
    if found.is_err() && going_on.is_some() {
        // What the run began with stays written down: the next try is to be refused for the same reason.
        desk.manifest.hashes = known;
    }
    let Inputs { folder, checkpoint, mut data, probe } = found?;
    let from = match going_on {
        None => None,
        Some((_, saved)) => {
            let state = saved.as_ref().map(|saved| saved.state).unwrap_or_default();
            cut_logs_back(&desk.folder, state.step)?;
            desk.manifest.tokens = state.tokens;
            let threads = rayon::current_num_threads();
            let at = jiff::Timestamp::now().to_string();
            desk.manifest.resumed.push(Resumption { at, step: state.step, threads });
            desk.note(match &saved {
                Some(saved) => format!("Going on after step {}", saved.state.step),
                None => "Going on from the beginning: there is no checkpoint".to_owned(),
            })?;
            saved
        }
    };
    desk.manifest.save(&desk.folder)?;
    desk.stopped_early()?;
    if spec.recipe == Recipe::Constrained {
        add_reference(project, spec, &checkpoint.decoder, &mut data, desk)?;
    }
    let spec = &learnt_beta(project, spec, &checkpoint.decoder, &data, desk)?;
    desk.note("Training")?;

    let mut keeper = Keeper::new(desk, spec, probe)?;
    if from.is_none() {
        keeper.ask(desk, &checkpoint.decoder, 0)?;
    }
    let mut total = 0;
    let outcome =
        train(&checkpoint.codec, checkpoint.decoder, &data, spec, from.as_ref(), &mut |report, trainer| {
            total = report.total;
            keeper.step(desk, report, trainer)
        });
    let kept = keeper.close();
    let outcome = outcome.map_err(|error| at_last_checkpoint(error, &desk.folder))?;
    kept?;

    // What a stopped run had learnt has a folder of its own: somebody may use it while the run goes on.
    let name = if outcome.stopped { format!("model-after-{:06}", outcome.steps) } else { "model".to_owned() };
    let saved = desk.folder.join(&name);
    remove_what_was_cut_off(&saved)?;
    match &spec.lora {
        Some(lora) => model::save_adapter(&saved, &outcome.decoder, lora.config(), &folder, project.root()),
        None => model::base_folder(&folder)
            .and_then(|base| model::save(&saved, &outcome.decoder, &base, Precision::F32)),
    }
    .map_err(|source| ProjectError::Model { id: spec.name.clone(), source })?;
    desk.manifest.result = Some(name);
    desk.emit(EventKind::Artifact { what: format!("model {}", spec.name), path: saved.clone() });
    if outcome.stopped {
        let message = format!(
            "Training was stopped after {} of {total} steps. It goes on from there with: plumbline resume {} --project {}. \
             What it had learnt is in {}; it can be added on the Models screen.",
            outcome.steps,
            desk.folder.file_name().unwrap_or_default().display(),
            project.root().display(),
            saved.display()
        );
        return Ok(Outcome { message, stopped: true });
    }
    if project.model(&spec.name).is_none() {
        project.add_model(ModelEntry {
            id: spec.name.clone(),
            title: if spec.title.is_empty() { spec.name.clone() } else { spec.title.clone() },
            role: role(spec),
            location: saved,
            parent: Some(spec.model.clone()),
            note: String::new(),
        })?;
    }
    let message = format!(
        "Model {} is trained: {} steps. It is in the project's list of models.",
        spec.name, outcome.steps
    );
    Ok(Outcome { message, stopped: false })
}

/// The file with what β was learnt from, position by position.
pub const BETA: &str = "beta.json";

/// The spec with the β that is learnt from the data, where it asks for that.
fn learnt_beta(
    project: &Project,
    spec: &TrainSpec,
    model: &Decoder,
    data: &TrainingData,
    desk: &mut Desk,
) -> Result<TrainSpec, JobError> {
    let (Some(importance), Rows::Chat(rows)) = (&spec.importance, &data.rows) else {
        return Ok(spec.clone());
    };
    desk.note("Learning β from the data")?;
    let base = match &importance.from {
        ImportanceSource::KlToBase { base } => {
            let base = project.load_model(base)?.decoder;
            comparable(model, &base).map_err(TrainError::from)?;
            Some(base)
        }
        ImportanceSource::GradientNorm => None,
    };
    let rows: Vec<Encoded> = rows.iter().map(|(_, row)| row.clone()).collect();
    let Some(learnt) = learn_beta(model, base.as_ref(), &rows, spec.max_tokens, importance)? else {
        return Ok(spec.clone());
    };
    let path = desk.folder.join(BETA);
    let text = serde_json::to_string_pretty(&learnt).unwrap_or_default();
    files::write_atomic(&path, text.as_bytes()).map_err(|e| keep(&path, &e))?;
    let told: Vec<String> = learnt.beta.iter().map(|beta| format!("{beta:.2}")).collect();
    desk.note(format!("β of answer tokens 1 to {}: {}", told.len(), told.join(" ")))?;
    Ok(TrainSpec { beta: learnt.schedule(&spec.beta), ..spec.clone() })
}

/// Removes a model's folder that was cut off while it was written, so that nothing of it stays beside the whole one.
fn remove_what_was_cut_off(folder: &Path) -> Result<(), JobError> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(keep(folder, &e)),
        _ => Ok(()),
    }
}

/// What is wrong with the rows of the sets that `spec` trains on, set by set.
pub fn findings(
    project: &Project,
    spec: &TrainSpec,
    codec: &Codec,
) -> Result<Vec<(String, Vec<Finding>)>, JobError> {
    let mut held_out = Vec::new();
    for set in project.datasets() {
        let requests = match (set.kind, project.examples(&set.id)) {
            (DatasetKind::Attack, Ok(Examples::Attack(rows))) => {
                rows.into_iter().map(|row| row.goal).collect()
            }
            (DatasetKind::Utility, Ok(Examples::Utility(rows))) => {
                rows.into_iter().map(|row| row.prompt).collect()
            }
            _ => continue,
        };
        held_out.push(HeldOut { set: set.id.clone(), requests });
    }
    let sets = std::iter::once(&spec.data).chain(&spec.anchor);
    sets.map(|id| Ok((id.clone(), check_rows(&project.examples(id)?, codec, spec.max_tokens, &held_out))))
        .collect()
}

/// Findings that the log spells out; the rest is counted.
const SHOWN_FINDINGS: usize = 20;

/// Writes what is wrong with the data into the log, and refuses what cannot be trained on.
fn tell_findings(
    project: &Project,
    spec: &TrainSpec,
    codec: &Codec,
    desk: &mut Desk,
) -> Result<(), JobError> {
    let mut blocking = Vec::new();
    for (set, findings) in findings(project, spec, codec)? {
        for finding in findings.iter().take(SHOWN_FINDINGS) {
            desk.note(format!("{set}, row {} ({}): {}", finding.row, finding.id, finding.message))?;
        }
        if findings.len() > SHOWN_FINDINGS {
            desk.note(format!("{set}: {} more findings like these", findings.len() - SHOWN_FINDINGS))?;
        }
        let blocks = findings.into_iter().filter(|finding| finding.blocks);
        blocking.extend(blocks.map(|f| (format!("{set}, row {} ({})", f.row, f.id), f.message)));
    }
    if blocking.is_empty() { Ok(()) } else { Err(JobError::Spec(blocking)) }
}

/// Whether model and data are those that the run began with.
fn same_inputs(
    run: &str,
    known: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Result<(), JobError> {
    let changed: Vec<&str> = known
        .iter()
        .filter(|(name, hash)| now.get(*name) != Some(hash))
        .map(|(name, _)| name.as_str())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "what it was begun with has changed since: {}. Put back what was there, or start a new run.",
        changed.join(", ")
    );
    Err(JobError::CannotResume { run: run.to_owned(), reason })
}

/// A run that broke says where it can be taken up again.
fn at_last_checkpoint(error: TrainError, folder: &Path) -> JobError {
    let last = Checkpoints::new(&folder.join(CHECKPOINTS)).all().into_iter().next();
    match (error, last) {
        (error @ TrainError::Diverged { .. }, Some(last)) => {
            JobError::Broken { error, step: last.state.step, folder: last.folder }
        }
        (error, _) => error.into(),
    }
}

fn role(spec: &TrainSpec) -> ModelRole {
    match spec.recipe {
        _ if spec.attack.is_some() => ModelRole::Attacked,
        Recipe::Recovery => ModelRole::Deepened,
        Recipe::Constrained => ModelRole::Constrained,
        Recipe::Sft => ModelRole::Tuned,
    }
}
