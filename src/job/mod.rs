//! What runs in the background: a spec goes in, events come out, results go into the project's folder as they come.

mod asr_probe;
mod evaluate_job;
mod event;
mod folder;
mod generate_job;
mod keeper;
mod memory_check;
mod preflight;
mod priority;
mod progress;
mod queue;
mod reference_cache;
mod spec;
mod train_job;

pub use asr_probe::AsrPoint;
pub use event::{Event, EventKind, JobId};
pub use memory_check::available_memory;
pub use preflight::{Check, Light, Subject, preflight};
pub use priority::stand_back;
pub use queue::Queue;
pub use spec::{JobSpec, JudgeAgainSpec, ResumeSpec};
pub use train_job::{findings, training_data, why_not_resume};

use crate::evaluate::EvaluateError;
use crate::generate::GenerateError;
use crate::project::{Project, ProjectError};
use crate::text::TextError;
use crate::train::TrainError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a job to stop at its next step, or to wait there. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Wishes>);

#[derive(Debug, Default)]
struct Wishes {
    cancelled: AtomicBool,
    paused: AtomicBool,
}

impl CancelToken {
    /// Asks it to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked it to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Asks it to wait, or to go on.
    pub fn pause(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether it is to wait.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed) && !self.is_cancelled()
    }
}

/// Why a job did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The spec has problems: all of them, as (field, message).
    #[error("the job cannot start. {}", .0.iter().map(|(field, message)| format!("{field}: {message}")).collect::<Vec<_>>().join(" "))]
    Spec(Vec<(String, String)>),
    /// A spec file is none.
    #[error(
        "{file} is not a job: {reason}. A spec begins with job = \"train\", job = \"evaluate\", job = \"judge\" or job = \"generate\"; those in the runs and evaluations of a project can be used as patterns."
    )]
    SpecFile {
        /// The file.
        file: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// A data set is of the wrong kind for its place.
    #[error("data set \"{id}\" holds {found}, but the {place} must be {expected}. Choose another set.")]
    WrongKind {
        /// The data set.
        id: String,
        /// What it holds.
        found: &'static str,
        /// What it is used as.
        place: &'static str,
        /// What is needed there.
        expected: &'static str,
    },
    /// The project does not let the job work.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An example cannot be turned into tokens.
    #[error("example \"{example}\" of data set \"{dataset}\": {source}")]
    Example {
        /// The data set.
        dataset: String,
        /// The example's id.
        example: String,
        /// What happened.
        source: TextError,
    },
    /// Texts could not be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The evaluation failed.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// There is not enough memory.
    #[error("the run cannot begin: {0}")]
    Memory(String),
    /// Training broke, and there is a checkpoint from before.
    #[error("{error} The state after step {step} is kept in {folder}.")]
    Broken {
        /// What happened.
        error: TrainError,
        /// Steps of the last checkpoint.
        step: usize,
        /// Where it is.
        folder: PathBuf,
    },
    /// A run or evaluation cannot go on.
    #[error("{run} cannot go on: {reason}")]
    CannotResume {
        /// The run.
        run: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Results could not be kept.
    #[error(
        "{path} cannot be written: {reason}. Free some space or check that you may write there; then start the job again."
    )]
    Keep {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The job has a defect.
    #[error(
        "the job hit a defect of Plumbline: {message}. What it had made is in its folder. Please report this, with the job's log.txt."
    )]
    Panicked {
        /// What the defect said.
        message: String,
    },
    /// Somebody stopped it.
    #[error("{message}")]
    Stopped {
        /// What is left of it.
        message: String,
        /// The folder with what came by then; `None` if it had not begun.
        folder: Option<PathBuf>,
    },
}

/// What became of a job that ended without an error.
#[derive(Debug)]
pub(crate) struct Ending {
    pub folder: PathBuf,
    pub message: String,
    pub stopped: bool,
}

/// What a job works with besides its spec.
pub(crate) struct Surroundings<'a> {
    pub cancel: &'a CancelToken,
    pub emit: &'a mut dyn FnMut(EventKind),
}

/// Does a job here and now, and returns the folder of its results. `observe` sees every event, the last one included.
pub fn run_blocking(
    project_root: &Path,
    spec: &JobSpec,
    observe: &mut dyn FnMut(Event),
) -> Result<PathBuf, JobError> {
    run_cancellable(project_root, spec, &CancelToken::default(), observe)
}

/// [`run_blocking`] with a way to stop it; a stopped job gives [`JobError::Stopped`].
pub fn run_cancellable(
    project_root: &Path,
    spec: &JobSpec,
    cancel: &CancelToken,
    observe: &mut dyn FnMut(Event),
) -> Result<PathBuf, JobError> {
    conduct(cancel, &mut |kind| observe(Event { job: 0, kind }), |around| execute(project_root, spec, around))
}

/// Does the work, catches its panics, and tells its end.
pub(crate) fn conduct(
    cancel: &CancelToken,
    emit: &mut dyn FnMut(EventKind),
    work: impl FnOnce(&mut Surroundings) -> Result<Ending, JobError>,
) -> Result<PathBuf, JobError> {
    let result = if cancel.is_cancelled() {
        Err(JobError::Stopped { message: "The job was stopped before it began.".into(), folder: None })
    } else {
        guard(|| work(&mut Surroundings { cancel, emit }))
    };
    match result {
        Ok(Ending { folder, message, stopped: false }) => {
            emit(EventKind::Done { message });
            Ok(folder)
        }
        Ok(Ending { folder, message, stopped: true }) => {
            emit(EventKind::Stopped { message: message.clone() });
            Err(JobError::Stopped { message, folder: Some(folder) })
        }
        Err(JobError::Stopped { message, folder }) => {
            emit(EventKind::Stopped { message: message.clone() });
            Err(JobError::Stopped { message, folder })
        }
        Err(error) => {
            emit(EventKind::Failed { message: sentence(&error.to_string()) });
            Err(error)
        }
    }
}

/// Turns a panic into an error.
pub(crate) fn guard<T>(work: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    // What a panic left half-changed is dropped with the closure; results are only ever appended or replaced whole.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it gave no reason");
        Err(JobError::Panicked { message: message.to_owned() })
    })
}

fn execute(root: &Path, spec: &JobSpec, around: &mut Surroundings) -> Result<Ending, JobError> {
    let mut project = Project::attach(root)?;
    match spec {
        JobSpec::Train(spec) => train_job::run(&mut project, spec, around),
        JobSpec::Evaluate(spec) => evaluate_job::run(&project, spec, around),
        JobSpec::Generate(spec) => generate_job::run(&mut project, spec, around),
        JobSpec::Judge(spec) => evaluate_job::judge_again(&mut project, spec, around),
        JobSpec::Resume(spec) if root.join("evaluations").join(&spec.run).is_dir() => {
            evaluate_job::resume(&mut project, &spec.run, around)
        }
        JobSpec::Resume(spec) => train_job::resume(&mut project, &spec.run, around),
    }
}

/// An error as a sentence of its own.
#[must_use]
pub fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    // A path or a quoted name keeps its case.
    let first_word = message.split_whitespace().next().unwrap_or_default();
    let mut text = match characters.next() {
        Some(first) if first_word.chars().all(char::is_alphabetic) => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => message.to_owned(),
    };
    if !text.ends_with(['.', '?', '…', '}']) {
        text.push('.');
    }
    text
}
