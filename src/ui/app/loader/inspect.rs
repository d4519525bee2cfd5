//! What the Inspect screen asks of the project: KL along every answer of an evaluation, and the dynamics of a run.

use super::room::{NOT_OPEN, Room};
use crate::evaluate::KlLine;
use crate::train::DynamicsPoint;

/// What the Inspect screen asks for.
#[derive(Clone, Debug)]
pub enum InspectRequest {
    /// KL along each answer of an evaluation.
    Curves(String),
    /// What was measured during a run.
    Dynamics(String),
}

/// What comes back to it.
#[derive(Debug)]
pub enum InspectReply {
    /// KL along each answer.
    Curves {
        /// The evaluation.
        evaluation: String,
        /// The curves, or why they cannot be read.
        result: Result<Vec<KlLine>, String>,
    },
    /// What was measured during a run.
    Dynamics {
        /// The run.
        run: String,
        /// The measurements, or why they cannot be read.
        result: Result<Vec<DynamicsPoint>, String>,
    },
}

impl Room {
    pub(super) fn inspect(&mut self, request: InspectRequest) -> InspectReply {
        let project = self.project.as_ref();
        match request {
            InspectRequest::Curves(evaluation) => {
                let result = match project {
                    Some(project) => project.kl(&evaluation).map_err(|e| e.to_string()),
                    None => Err(NOT_OPEN.to_owned()),
                };
                InspectReply::Curves { evaluation, result }
            }
            InspectRequest::Dynamics(run) => {
                let result = match project {
                    Some(project) => project.dynamics(&run).map_err(|e| e.to_string()),
                    None => Err(NOT_OPEN.to_owned()),
                };
                InspectReply::Dynamics { run, result }
            }
        }
    }
}
