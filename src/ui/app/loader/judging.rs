//! What judging asks of the disk: an evaluation's answers with all that was said of them, and labels to be kept.

use super::room::{NOT_OPEN, Room};
use crate::evaluate::{REFERENCE, Records, Response};
use crate::judge::Label;
use crate::judge::calibration::calibration_sample;
use std::collections::HashMap;
use std::sync::Arc;

/// What judging asks for.
#[derive(Clone, Debug)]
pub enum JudgingRequest {
    /// Read the answers of an evaluation.
    Read {
        /// The evaluation.
        evaluation: String,
        /// By which the order of labelling is drawn.
        seed: u64,
    },
    /// Write labels down.
    Label {
        /// The evaluation.
        evaluation: String,
        /// The labels.
        labels: Vec<Label>,
    },
}

/// What comes back to it.
#[derive(Debug)]
pub enum JudgingReply {
    /// The answers of an evaluation, or why they cannot be read.
    Read {
        /// The evaluation.
        evaluation: String,
        /// The answers.
        result: Result<Box<JudgedAnswers>, String>,
    },
    /// Labels were written: all that now stand, or why they could not be.
    Labelled {
        /// The evaluation.
        evaluation: String,
        /// The labels.
        result: Result<Vec<Label>, String>,
    },
    /// What the chosen judges will read.
    Planned {
        /// Which request.
        serial: u64,
        /// One plan for each judge.
        plans: Vec<super::JudgePlan>,
    },
    /// What labels say of judges.
    Calibrated {
        /// Which request.
        serial: u64,
        /// What they say.
        found: Box<crate::evaluate::Calibration>,
    },
    /// How judges did on probes.
    Probed {
        /// Which request.
        serial: u64,
        /// One for each judge.
        judges: Vec<super::ProbedJudge>,
    },
    /// A request broke off.
    Broke {
        /// Which request.
        serial: u64,
        /// What happened.
        error: String,
    },
}

/// The answers of one evaluation, with what was said of them.
#[derive(Clone, Debug, Default)]
pub struct JudgedAnswers {
    /// Answers and verdicts.
    pub records: Arc<Records>,
    /// The labels that stand.
    pub labels: Vec<Label>,
    /// Ids of the answers that judges read, in the order in which they are drawn for labelling.
    pub order: Vec<String>,
    /// By which that order was drawn.
    pub seed: u64,
    places: HashMap<String, usize>,
}

impl JudgedAnswers {
    fn new(records: Records, labels: Vec<Label>, seed: u64) -> Self {
        let judged: Vec<&str> = records
            .responses
            .iter()
            .filter(|response| response.is_judged() && response.model != REFERENCE)
            .map(|response| response.id.as_str())
            .collect();
        let order = calibration_sample(&judged, judged.len(), seed).into_iter().map(str::to_owned).collect();
        let places =
            records.responses.iter().enumerate().map(|(at, response)| (response.id.clone(), at)).collect();
        Self { records: Arc::new(records), labels, order, seed, places }
    }

    /// The answer with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Response> {
        self.records.responses.get(*self.places.get(id)?)
    }
}

impl Room {
    pub(super) fn judging(&self, request: JudgingRequest) -> JudgingReply {
        match request {
            JudgingRequest::Read { evaluation, seed } => {
                let result = self.judged_answers(&evaluation, seed).map(Box::new);
                JudgingReply::Read { evaluation, result }
            }
            JudgingRequest::Label { evaluation, labels } => {
                let result = self.label(&evaluation, &labels);
                JudgingReply::Labelled { evaluation, result }
            }
        }
    }

    fn judged_answers(&self, evaluation: &str, seed: u64) -> Result<JudgedAnswers, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        let records = project.records(evaluation).map_err(|e| e.to_string())?;
        let labels = project.labels(evaluation).map_err(|e| e.to_string())?;
        Ok(JudgedAnswers::new(records, labels, seed))
    }

    fn label(&self, evaluation: &str, labels: &[Label]) -> Result<Vec<Label>, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        project.add_labels(evaluation, labels).map_err(|e| e.to_string())?;
        project.labels(evaluation).map_err(|e| e.to_string())
    }
}
