//! A training run: data sets and checkpoint in, a new model of the project out.

use super::folder::{Desk, Outcome, in_folder};
use super::progress::Meter;
use super::{Ending, EventKind, JobError, JobSpec, Surroundings};
use crate::data::{ChatExample, DatasetKind, Examples};
use crate::model::{self, Control, Precision};
use crate::project::{LoggedStep, ModelEntry, ModelRole, Project, ProjectError, check_id};
use crate::text::{Codec, Encoded};
use crate::train::{Recipe, Rows, StepReport, TrainSpec, TrainingData, train};

pub(super) fn run(
    project: &mut Project,
    spec: &TrainSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    refuse_what_cannot_run(project, spec)?;
    let job = JobSpec::Train(spec.clone());
    in_folder(project, &job, (spec.seed, spec.batch), around, |project, desk| work(project, spec, desk))
}

/// What can be said before anything heavy is read.
fn refuse_what_cannot_run(project: &Project, spec: &TrainSpec) -> Result<(), JobError> {
    let problems = JobSpec::Train(spec.clone()).check();
    if !problems.is_empty() {
        return Err(JobError::Spec(problems));
    }
    check_id("model", &spec.name)?;
    if project.model(&spec.name).is_some() {
        return Err(ProjectError::Duplicate { what: "model", id: spec.name.clone() }.into());
    }
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
    let data = match spec.recipe {
        Recipe::Recovery => (DatasetKind::Recovery, "recovery set"),
        Recipe::Constrained | Recipe::Sft => (DatasetKind::Chat, "fine-tuning set"),
    };
    need_kind(project, &spec.data, data)?;
    if let Some(anchor) = &spec.anchor {
        need_kind(project, anchor, (DatasetKind::Chat, "anchor set"))?;
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
        (Recipe::Constrained | Recipe::Sft, Examples::Chat(rows)) => {
            Rows::Chat(encode(codec, &spec.data, &rows)?)
        }
        (recipe, other) => {
            let expected = if recipe == Recipe::Recovery { DatasetKind::Recovery } else { DatasetKind::Chat };
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
    Ok(TrainingData { rows, anchor })
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

fn work(project: &mut Project, spec: &TrainSpec, desk: &mut Desk) -> Result<Outcome, JobError> {
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
    desk.manifest.save(&desk.folder)?;
    desk.stopped_early()?;
    desk.note(if spec.recipe == Recipe::Constrained {
        "Computing the probabilities of the model before training, then training"
    } else {
        "Training"
    })?;

    let mut metrics = desk.open_log("metrics.jsonl")?;
    let mut meter = Meter::new("steps");
    let mut total = 0;
    let mut lost = None;
    let outcome = train(&checkpoint.codec, checkpoint.decoder, &data, spec, &mut |report, _| {
        total = report.total;
        desk.manifest.tokens += report.tokens as u64;
        if let Err(e) = metrics.json(&logged(report)) {
            lost = Some(JobError::Keep { path: metrics.path().to_owned(), reason: e.to_string() });
            return Control::Stop;
        }
        desk.emit(EventKind::Metric { step: report.step as u64, values: values(report) });
        if let Some(event) = meter.at(report.step as u64, report.total as u64) {
            desk.emit(event);
        }
        if desk.cancel.is_cancelled() { Control::Stop } else { Control::Continue }
    })?;
    if let Some(error) = lost {
        return Err(error);
    }
    metrics.sync().map_err(|e| JobError::Keep { path: metrics.path().to_owned(), reason: e.to_string() })?;

    let saved = desk.folder.join("model");
    match &spec.lora {
        Some(lora) => model::save_adapter(&saved, &outcome.decoder, lora.config(), &folder, project.root()),
        None => model::base_folder(&folder)
            .and_then(|base| model::save(&saved, &outcome.decoder, &base, Precision::F32)),
    }
    .map_err(|source| ProjectError::Model { id: spec.name.clone(), source })?;
    desk.emit(EventKind::Artifact { what: format!("model {}", spec.name), path: saved.clone() });
    if outcome.stopped {
        let message = format!(
            "Training was stopped after {} of {total} steps. What it had learnt is in {}; it can be added on the Models screen.",
            outcome.steps,
            saved.display()
        );
        return Ok(Outcome { message, stopped: true });
    }
    project.add_model(ModelEntry {
        id: spec.name.clone(),
        title: if spec.title.is_empty() { spec.name.clone() } else { spec.title.clone() },
        role: role(spec.recipe),
        location: saved,
        parent: Some(spec.model.clone()),
        note: String::new(),
    })?;
    let message = format!(
        "Model {} is trained: {} steps. It is in the project's list of models.",
        spec.name, outcome.steps
    );
    Ok(Outcome { message, stopped: false })
}

fn role(recipe: Recipe) -> ModelRole {
    match recipe {
        Recipe::Recovery => ModelRole::Deepened,
        Recipe::Constrained => ModelRole::Constrained,
        Recipe::Sft => ModelRole::Tuned,
    }
}

fn logged(report: &StepReport) -> LoggedStep {
    LoggedStep {
        step: report.step,
        total: report.total,
        loss: report.loss,
        recovery_loss: report.recovery_loss,
        anchor_loss: report.anchor_loss,
        learning_rate: report.learning_rate,
        gradient_norm: report.gradient_norm,
        tokens: report.tokens,
        seconds: report.seconds,
    }
}

fn values(report: &StepReport) -> Vec<(&'static str, f64)> {
    let mut values = vec![
        ("loss", report.loss),
        ("learning_rate", report.learning_rate),
        ("gradient_norm", report.gradient_norm),
        ("tokens_per_second", report.tokens as f64 / report.seconds.max(1e-9)),
    ];
    values.extend(report.recovery_loss.map(|loss| ("recovery_loss", loss)));
    values.extend(report.anchor_loss.map(|loss| ("anchor_loss", loss)));
    values
}
