//! What the window needs from disk and from models, fetched on named threads: `loader` owns the project, `inspector` runs
//! models over single answers, `files` reads and writes files from and for elsewhere. The window sends requests and drains replies; it never waits.

mod data;
mod exchange;
mod inspector;
mod models;
mod room;

pub use data::{DataReply, DataRequest, Strip, StripKind, StripRequest, StripToken};
pub use exchange::{
    BAD_ROWS, Checked, ExchangeReply, ExchangeRequest, ExportRequest, ImportRequest, Look, LookRequest, Part,
};
pub use inspector::{AnswerRequest, InspectedAnswer};
pub use models::{ModelsReply, ModelsRequest};

use crate::data::{DatasetKind, Decision, Examples, Review};
use crate::model::Card;
use crate::project::{DatasetEntry, EvaluationInfo, GenerationInfo, ModelEntry, ModelRole, RunInfo};
use crate::report::{Chart, ReportSpec};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Replies that wait for the window at most; a sleeping window makes the worker wait, not the memory grow.
const WAITING: usize = 64;

/// Wakes the window.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A model of the project with what its files say.
#[derive(Clone, Debug)]
pub struct ModelView {
    /// The project's entry.
    pub entry: ModelEntry,
    /// Where it lies.
    pub folder: PathBuf,
    /// What config and weights say, or why they cannot be read.
    pub card: Result<Card, String>,
}

/// The project as the window shows it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its folder.
    pub root: PathBuf,
    /// Its title.
    pub title: String,
    /// Whether another window has it open.
    pub read_only: bool,
    /// Its models.
    pub models: Vec<ModelView>,
    /// Its data sets.
    pub datasets: Vec<DatasetEntry>,
    /// Its evaluations, newest first.
    pub evaluations: Vec<EvaluationInfo>,
    /// What models wrote for data sets, newest first.
    pub generations: Vec<GenerationInfo>,
    /// Its training runs, newest first.
    pub runs: Vec<RunInfo>,
    /// What of it cannot be read, in sentences.
    pub problems: Vec<String>,
}

impl Snapshot {
    /// The model with this id.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&ModelView> {
        self.models.iter().find(|model| model.entry.id == id)
    }

    /// The role of the model with this id.
    #[must_use]
    pub fn role(&self, id: &str) -> ModelRole {
        self.model(id).map_or(ModelRole::Other, |model| model.entry.role)
    }
}

/// What the window asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Open the project; unpack the demo project there first if asked to and nothing is there.
    Open {
        /// The project's folder.
        root: PathBuf,
        /// Whether it is the demo project.
        demo: bool,
    },
    /// Make a project in a folder that is empty or not there yet, and open it.
    NewProject {
        /// The project's folder.
        root: PathBuf,
        /// Its title.
        title: String,
    },
    /// Look again at what jobs have added.
    Refresh,
    /// Of the Data screen.
    Data(DataRequest),
    /// Of the Models screen.
    Models(ModelsRequest),
    /// Write a chart into the project's folder reports.
    SaveChart {
        /// The chart.
        chart: Box<Chart<'static>>,
        /// As a picture, or else as a table.
        picture: bool,
    },
    /// Write the report.
    WriteReport {
        /// What it holds.
        spec: Box<ReportSpec>,
        /// The file.
        path: PathBuf,
    },
    /// Read a data set.
    Examples(String),
    /// Read the texts of a generation, with what was decided about them.
    Review(String),
    /// Write down what somebody decided about texts of a generation.
    Decide {
        /// The generation.
        generation: String,
        /// Ids of the texts, each with the decision.
        decisions: Vec<(String, Decision)>,
    },
    /// Make a data set of accepted texts.
    Assemble {
        /// Its id.
        id: String,
        /// What it holds.
        kind: DatasetKind,
        /// The generations.
        from: Vec<String>,
        /// Whether templates stand in for refusals.
        templates: bool,
    },
}

/// What comes back.
#[derive(Debug)]
pub enum Reply {
    /// The project, opened or looked at again.
    Project(Result<Snapshot, String>),
    /// A data set.
    Examples {
        /// The set.
        set: String,
        /// Its examples, or why they cannot be read.
        result: Result<Examples, String>,
    },
    /// The texts of a generation.
    Review {
        /// The generation.
        generation: String,
        /// Its texts, or why they cannot be read or decided about.
        result: Result<Review, String>,
    },
    /// A data set was made: its id, its number of examples and what lacks a part; or why not.
    Assembled(Result<(String, usize, Vec<String>), String>),
    /// An answer, token by token.
    Answer {
        /// Which request.
        serial: u64,
        /// The answer, or why not.
        result: Result<InspectedAnswer, String>,
    },
    /// To the Data screen.
    Data(DataReply),
    /// Of files that come in or go out.
    Exchange {
        /// Which request.
        serial: u64,
        /// What came of it.
        reply: ExchangeReply,
    },
    /// To the Models screen.
    Models(ModelsReply),
    /// A file was written, or why not.
    Written(Result<PathBuf, String>),
    /// Something broke that belongs to no request.
    Trouble(String),
}

/// The window's end of the threads.
pub struct Loader {
    requests: Sender<Request>,
    answers: Sender<AnswerRequest>,
    files: Sender<(u64, ExchangeRequest)>,
    /// The newest request about files; older ones break off.
    newest: Arc<AtomicU64>,
    files_backlog: VecDeque<(u64, ExchangeRequest)>,
    replies: Receiver<Reply>,
    backlog: VecDeque<Request>,
}

impl Loader {
    /// Starts the threads. They end when the loader is dropped.
    pub fn start(waker: &Waker) -> std::io::Result<Self> {
        let (requests, inbox) = bounded(WAITING);
        let (answers, questions) = bounded(1);
        let (outbox, replies) = bounded(WAITING);
        let (files, errands) = bounded(4);
        let newest = Arc::new(AtomicU64::new(0));
        room::spawn(inbox, outbox.clone(), waker.clone())?;
        exchange::spawn(errands, newest.clone(), outbox.clone(), waker.clone())?;
        inspector::spawn(questions, outbox, waker.clone())?;
        Ok(Self {
            requests,
            answers,
            files,
            newest,
            files_backlog: VecDeque::new(),
            replies,
            backlog: VecDeque::new(),
        })
    }

    /// Asks something about files that come in or go out, and breaks off what was asked before. The answer names this
    /// number.
    pub fn exchange(&mut self, request: ExchangeRequest) -> u64 {
        let serial = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        self.files_backlog.push_back((serial, request));
        self.flush_files();
        serial
    }

    /// Hands on what was asked about files; what is out of date is not asked any more.
    fn flush_files(&mut self) {
        let newest = self.newest.load(Ordering::SeqCst);
        self.files_backlog.retain(|(serial, _)| *serial == newest);
        if let Some(errand) = self.files_backlog.pop_front()
            && let Err(TrySendError::Full(errand)) = self.files.try_send(errand)
        {
            self.files_backlog.push_front(errand);
        }
    }

    /// Sends a request; it waits here while the thread is busy.
    pub fn send(&mut self, request: Request) {
        self.backlog.push_back(request);
        self.flush();
    }

    /// Asks for one answer token by token; `false` while another is being computed and one waits.
    #[must_use]
    pub fn inspect(&self, request: AnswerRequest) -> bool {
        self.answers.try_send(request).is_ok()
    }

    /// Everything that has come back.
    pub fn drain(&mut self) -> Vec<Reply> {
        self.flush();
        self.flush_files();
        self.replies.try_iter().collect()
    }

    fn flush(&mut self) {
        while let Some(request) = self.backlog.pop_front() {
            match self.requests.try_send(request) {
                Ok(()) => {}
                Err(TrySendError::Full(request)) => {
                    self.backlog.push_front(request);
                    break;
                }
                // The thread is gone, which happens only while the window closes.
                Err(TrySendError::Disconnected(_)) => break,
            }
        }
    }
}

/// What a caught panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unnamed fault".to_owned())
}
