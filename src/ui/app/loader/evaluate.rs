//! What the Evaluate screen asks for: the answers behind the rates, rates by category, two evaluations side by side, and how
//! long earlier evaluations took.

use super::Reply;
use super::room::{NOT_OPEN, Room};
use crate::evaluate::{
    AcrossRow, CategoryRow, Lesson, Pace, Records, Side, TranscriptChoices, TranscriptFilter, Transcripts,
    across, by_category,
};
use crate::model::device;
use crate::project::{EvaluationInfo, Project};
use crate::report;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the Evaluate screen asks for.
#[derive(Clone, Debug)]
pub enum EvaluateRequest {
    /// How long earlier evaluations took.
    Pace,
    /// The answers that pass a filter.
    Find {
        /// Which request this is; only the newest counts.
        serial: u64,
        /// The evaluation.
        evaluation: String,
        /// Which answers.
        filter: Box<TranscriptFilter>,
    },
    /// Rates by category.
    Categories {
        /// Which request this is; only the newest counts.
        serial: u64,
        /// The evaluation.
        evaluation: String,
        /// Set, attack and setting.
        cell: [String; 3],
    },
    /// Two evaluations side by side.
    Across {
        /// Which request this is; only the newest counts.
        serial: u64,
        /// The first evaluation and its model.
        before: [String; 2],
        /// The second evaluation and its model.
        after: [String; 2],
    },
    /// Write every rate of an evaluation as a table.
    SaveTable(String),
    /// Write rates by category as a table.
    SaveCategories(Arc<Vec<CategoryRow>>),
}

impl EvaluateRequest {
    /// Whether a later request of its kind makes it needless.
    pub(super) fn is_overtaken(&self) -> bool {
        !matches!(self, Self::SaveTable(_) | Self::SaveCategories(_))
    }
}

/// The answers that pass a filter.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The evaluation.
    pub evaluation: String,
    /// All of its answers.
    pub transcripts: Arc<Transcripts>,
    /// What there is to choose from.
    pub choices: Arc<TranscriptChoices>,
    /// The places of those that pass.
    pub rows: Arc<Vec<u32>>,
}

/// What comes back to it.
#[derive(Debug)]
pub enum EvaluateReply {
    /// How long earlier evaluations took.
    Pace(Box<Pace>),
    /// The answers that pass a filter, or why they cannot be read.
    Found {
        /// Which request.
        serial: u64,
        /// The answers.
        result: Result<Found, String>,
    },
    /// Rates by category, or why there are none.
    Categories {
        /// Which request.
        serial: u64,
        /// The rates.
        result: Result<Vec<CategoryRow>, String>,
    },
    /// Two evaluations side by side, or why not.
    Across {
        /// Which request.
        serial: u64,
        /// The rows.
        result: Result<Vec<AcrossRow>, String>,
    },
}

/// What was read of evaluations, so that the next question is answered at once.
#[derive(Default)]
pub(super) struct Shelf {
    /// What finished evaluations say about speed, by their folders.
    lessons: HashMap<PathBuf, Lesson>,
    open: Option<OpenEvaluation>,
}

/// The evaluation whose answers were asked for last.
struct OpenEvaluation {
    folder: PathBuf,
    /// Sizes of its logs when they were read: a judge may have added to them.
    sizes: [u64; 2],
    transcripts: Arc<Transcripts>,
    choices: Arc<TranscriptChoices>,
}

impl Room {
    pub(super) fn evaluate(&mut self, request: EvaluateRequest) -> Reply {
        Reply::Evaluate(match request {
            EvaluateRequest::Pace => EvaluateReply::Pace(Box::new(self.pace())),
            EvaluateRequest::Find { serial, evaluation, filter } => {
                EvaluateReply::Found { serial, result: self.find(evaluation, &filter) }
            }
            EvaluateRequest::Categories { serial, evaluation, cell: [set, attack, setting] } => {
                let result = self
                    .open_evaluation(&evaluation)
                    .map(|(info, records)| by_category(&info.spec, &records, &set, &attack, &setting));
                EvaluateReply::Categories { serial, result }
            }
            EvaluateRequest::Across { serial, before, after } => {
                EvaluateReply::Across { serial, result: self.across(&before, &after) }
            }
            EvaluateRequest::SaveTable(evaluation) => return Reply::Written(self.save_rates(&evaluation)),
            EvaluateRequest::SaveCategories(rows) => {
                let saved = self.project.as_ref().ok_or(NOT_OPEN.to_owned()).and_then(|project| {
                    report::save_table(project, "by category", &report::category_csv(&rows))
                        .map_err(|e| e.to_string())
                });
                return Reply::Written(saved);
            }
        })
    }

    fn pace(&mut self) -> Pace {
        let Some(project) = &self.project else { return Pace::default() };
        let lessons = &mut self.shelf.lessons;
        let mut used: Vec<&Path> = Vec::new();
        // What another kind of device took says nothing about this one.
        let here = device::name(&device::pick());
        let evaluations: Vec<EvaluationInfo> = project
            .evaluations()
            .into_iter()
            .filter(|info| info.manifest.is_done() && info.manifest.device == here)
            .collect();
        for info in &evaluations {
            if !lessons.contains_key(&info.folder) {
                // An evaluation that cannot be read says nothing about speed; reading its answers will say why.
                let Ok(lesson) = lesson(project, info) else { continue };
                lessons.insert(info.folder.clone(), lesson);
            }
            used.push(&info.folder);
        }
        Pace::of(used.into_iter().filter_map(|folder| lessons.get(folder)))
    }

    fn find(&mut self, evaluation: String, filter: &TranscriptFilter) -> Result<Found, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        let folder = project.root().join("evaluations").join(&evaluation);
        let sizes = ["responses.jsonl", "verdicts.jsonl"]
            .map(|name| std::fs::metadata(folder.join(name)).map_or(0, |data| data.len()));
        let known = self.shelf.open.as_ref().is_some_and(|open| open.folder == folder && open.sizes == sizes);
        if !known {
            let records = project.records(&evaluation).map_err(|e| e.to_string())?;
            let transcripts = Arc::new(Transcripts::new(records));
            let choices = Arc::new(transcripts.choices());
            self.shelf.open = Some(OpenEvaluation { folder, sizes, transcripts, choices });
        }
        let Some(open) = &self.shelf.open else { return Err(NOT_OPEN.to_owned()) };
        Ok(Found {
            evaluation,
            transcripts: open.transcripts.clone(),
            choices: open.choices.clone(),
            rows: Arc::new(open.transcripts.find(filter)),
        })
    }

    fn open_evaluation(&self, id: &str) -> Result<(EvaluationInfo, Records), String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        let info = project.evaluation(id).map_err(|e| e.to_string())?;
        let records = project.records(id).map_err(|e| e.to_string())?;
        Ok((info, records))
    }

    fn across(&self, before: &[String; 2], after: &[String; 2]) -> Result<Vec<AcrossRow>, String> {
        let open = |[id, model]: &[String; 2]| {
            let (info, records) = self.open_evaluation(id)?;
            let summary = info.summary.clone().ok_or_else(|| {
                format!("The evaluation {id} did not get to its end. Let it go on, or choose another one.")
            })?;
            Ok::<_, String>((info.spec, records, summary, model.clone()))
        };
        let (before, after) = (open(before)?, open(after)?);
        Ok(across(
            Side { spec: &before.0, records: &before.1, summary: &before.2, model: &before.3 },
            Side { spec: &after.0, records: &after.1, summary: &after.2, model: &after.3 },
        ))
    }

    fn save_rates(&self, evaluation: &str) -> Result<PathBuf, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        let info = project.evaluation(evaluation).map_err(|e| e.to_string())?;
        let summary = info.summary.ok_or_else(|| {
            format!("The evaluation {evaluation} did not get to its end, so there is no table of it yet.")
        })?;
        report::save_table(project, &format!("rates {evaluation}"), &report::results_csv(&summary))
            .map_err(|e| e.to_string())
    }
}

fn lesson(project: &Project, info: &EvaluationInfo) -> Result<Lesson, String> {
    let responses = project.responses(&info.id, None).map_err(|e| e.to_string())?;
    let steps = project.searches(&info.id).map_err(|e| e.to_string())?;
    Ok(Lesson::of(&info.spec, info.manifest.seconds, &responses, &steps))
}
