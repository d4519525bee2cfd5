//! What a job tells while it works.

use super::AsrPoint;
use crate::evaluate::GcgLine;
use crate::train::DynamicsPoint;
use std::path::PathBuf;

/// Names a job in its queue.
pub type JobId = u64;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The job.
    pub job: JobId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// Work began; results go into `folder`.
    Started {
        /// What the job is called.
        title: String,
        /// Where its results are.
        folder: PathBuf,
    },
    /// How far it is. Some of these are left out when nobody reads them in time.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// What is counted, in the plural.
        unit: &'static str,
        /// Units a second, of late.
        rate: f64,
        /// Seconds until all are done at this rate; `None` as long as that is a guess.
        seconds_left: Option<f64>,
    },
    /// Numbers of one step.
    Metric {
        /// The step, from 1.
        step: u64,
        /// Name and value.
        values: Vec<(&'static str, f64)>,
    },
    /// What was measured at each answer position.
    Measured(Box<DynamicsPoint>),
    /// How often the model in training gave a harmful answer.
    Asked(Box<AsrPoint>),
    /// A search for a suffix did a step.
    Suffix(Box<GcgLine>),
    /// A line of the job's log.
    Log(String),
    /// Something that lasts was made.
    Artifact {
        /// What it is, in words.
        what: String,
        /// Where it is.
        path: PathBuf,
    },
    /// All was done. One of the last three kinds ends each job, once.
    Done {
        /// What came of it.
        message: String,
    },
    /// Somebody stopped it.
    Stopped {
        /// What is left of it.
        message: String,
    },
    /// It could not be done.
    Failed {
        /// What happened and what to do.
        message: String,
    },
}

impl EventKind {
    /// Whether this is a job's last event.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Stopped { .. } | Self::Failed { .. })
    }
}
