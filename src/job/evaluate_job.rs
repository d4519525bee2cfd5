//! An evaluation: models, prompts and tasks in; answers, verdicts and a summary out.

use super::folder::{Desk, Outcome, in_folder};
use super::progress::Meter;
use super::train_job::need_kind;
use super::{Ending, EventKind, JobError, JobSpec, Surroundings};
use crate::data::{AttackPrompt, DatasetKind, Examples};
use crate::evaluate::{EvaluateError, EvaluateSpec, Response, Sink, VerdictRow, evaluate};
use crate::files::AppendLog;
use crate::model::{Checkpoint, Control, Model};
use crate::project::Project;
use std::io;

pub(super) fn run(
    project: &Project,
    spec: &EvaluateSpec,
    around: &mut Surroundings,
) -> Result<Ending, JobError> {
    let problems = spec.check();
    if !problems.is_empty() {
        return Err(EvaluateError::Spec(problems).into());
    }
    for id in spec.models.iter().chain(spec.base.iter().filter(|_| spec.kl)) {
        project.model_folder(id)?;
    }
    if needs_prompts(spec) {
        need_kind(project, &spec.prompts, (DatasetKind::Attack, "set of prompts"))?;
    }
    if let Some(utility) = &spec.utility {
        need_kind(project, utility, (DatasetKind::Utility, "utility set"))?;
    }
    let mut project = Project::attach(project.root())?;
    let job = JobSpec::Evaluate(spec.clone());
    in_folder(&mut project, &job, (spec.seed, spec.batch), around, |project, desk| work(project, spec, desk))
}

fn needs_prompts(spec: &EvaluateSpec) -> bool {
    spec.kl || !spec.attacks.is_empty()
}

fn work(project: &Project, spec: &EvaluateSpec, desk: &mut Desk) -> Result<Outcome, JobError> {
    let mut prompts = Vec::new();
    if needs_prompts(spec)
        && let Examples::Attack(rows) = project.examples(&spec.prompts)?
    {
        desk.hash_dataset(project, &spec.prompts)?;
        prompts = rows;
    }
    let mut utility = Vec::new();
    if let Some(id) = &spec.utility
        && let Examples::Utility(rows) = project.examples(id)?
    {
        desk.hash_dataset(project, id)?;
        utility = rows;
    }
    let mut models: Vec<(String, Model)> = Vec::new();
    for id in &spec.models {
        desk.stopped_early()?;
        desk.note(format!("Loading model {id}"))?;
        models.push((id.clone(), project.open_model(id)?.with_template_date(spec.template_date)));
        desk.hash_model(id, &project.model_folder(id)?)?;
    }
    let base = match spec.base.as_ref().filter(|_| spec.kl) {
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
            refuse_other_tokenizers(&models, id, &base, &prompts)?;
            Some((id.clone(), base.decoder))
        }
    };
    desk.manifest.save(&desk.folder)?;
    desk.stopped_early()?;

    let responses = desk.open_log("responses.jsonl")?;
    let verdicts = desk.open_log("verdicts.jsonl")?;
    let mut sink = FolderSink { desk, responses, verdicts, meter: Meter::new("rows"), rows: 0 };
    let summary = evaluate(&models, base, &prompts, &utility, spec, &mut sink)?;
    let rows = sink.rows;
    sink.responses.sync().and_then(|()| sink.verdicts.sync()).map_err(EvaluateError::Keep)?;
    let Some(summary) = summary else {
        let message = format!(
            "The evaluation was stopped. The {rows} answers that had come are in {}; there is no summary.",
            desk.folder.display()
        );
        return Ok(Outcome { message, stopped: true });
    };
    let path = desk.write_json("summary.json", &summary)?;
    desk.emit(EventKind::Artifact { what: "summary".into(), path });
    let message = format!("The evaluation is done: {rows} answers of {}.", spec.models.join(", "));
    Ok(Outcome { message, stopped: false })
}

/// KL compares distributions over the same tokens: what is measured must be the same ids under both tokenizers.
fn refuse_other_tokenizers(
    models: &[(String, Model)],
    base_id: &str,
    base: &Checkpoint,
    prompts: &[AttackPrompt],
) -> Result<(), JobError> {
    for (id, model) in models.iter().filter(|(id, _)| id != base_id) {
        let text = |source| EvaluateError::Text { model: id.clone(), source };
        for words in
            prompts.iter().flat_map(|prompt| [Some(prompt.goal.as_str()), prompt.target.as_deref()]).flatten()
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
    meter: Meter,
    rows: u64,
}

impl Sink for FolderSink<'_, '_> {
    fn response(&mut self, response: &Response) -> io::Result<()> {
        self.rows += 1;
        self.desk.manifest.tokens += response.tokens as u64;
        self.responses.json(response)
    }

    fn verdict(&mut self, verdict: &VerdictRow) -> io::Result<()> {
        self.verdicts.json(verdict)
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
