//! What the window needs from disk and from models, fetched on named threads: `loader` owns the project, `files` reads and
//! writes files from and for elsewhere, `inspector` runs models over single answers, `scrubber` goes on from any depth of
//! one, `chat` lets them answer, `judges` asks judges, `work` does what takes long, `rehearsal` and `weights` look at runs
//! that have not begun. The window sends requests and drains replies; it never waits.

mod chat;
mod check;
mod data;
mod evaluate;
mod exchange;
mod fits;
mod inspect;
mod inspector;
mod judges;
mod judging;
mod models;
mod room;
mod scrubber;
mod sets;
mod train;
mod work;

pub use chat::*;
pub use check::*;
pub use data::*;
pub use evaluate::*;
pub use exchange::*;
pub use inspect::*;
pub use inspector::*;
pub use judges::*;
pub use judging::*;
pub use models::*;
pub use scrubber::*;
pub use sets::*;
pub use train::*;
pub use work::*;

use crate::data::{DatasetKind, Decision, Examples, Review};
use crate::evaluate::EvaluateSpec;
use crate::model::Card;
use crate::project::{DatasetEntry, EvaluationInfo, GenerationInfo, ModelEntry, ModelRole, RunInfo};
use crate::report::{Chart, ReportSpec};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use scrubber::Scrubber;
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
    /// What computes, by its name for people.
    pub device: String,
    /// What of it cannot be read, in sentences.
    pub problems: Vec<String>,
}

impl Snapshot {
    /// The model with this id.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&ModelView> {
        self.models.iter().find(|model| model.entry.id == id)
    }

    /// How many examples this set holds.
    #[must_use]
    pub fn count(&self, set: &str) -> usize {
        self.datasets.iter().find(|entry| entry.id == set).map_or(0, |entry| entry.count)
    }

    /// How many prompts an evaluation asks each model.
    #[must_use]
    pub fn prompts_of(&self, spec: &EvaluateSpec) -> usize {
        let limit = spec.limit.unwrap_or(usize::MAX);
        spec.prompts.iter().map(|id| self.count(id).min(limit)).sum()
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
    /// Of the Evaluate screen.
    Evaluate(EvaluateRequest),
    /// Of the Train screen.
    Train(TrainRequest),
    /// Of the Inspect screen.
    Inspect(InspectRequest),
    /// Of judging.
    Judging(JudgingRequest),
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
    /// To the Evaluate screen.
    Evaluate(EvaluateReply),
    /// More of a chat.
    Chat(ChatReply),
    /// Of long work on models.
    Work(WorkReply),
    /// To the Train screen.
    Train(TrainReply),
    /// To the Inspect screen.
    Inspect(InspectReply),
    /// Of the prefill scrubber.
    Scrub(ScrubReply),
    /// To judging.
    Judging(JudgingReply),
    /// A file was written, or why not.
    Written(Result<PathBuf, String>),
    /// Something broke that belongs to no request.
    Trouble(String),
}

/// The window's end of the threads.
pub struct Loader {
    requests: Sender<Request>,
    answers: Sender<AnswerRequest>,
    chats: Sender<ChatRequest>,
    work: Sender<WorkRequest>,
    scrubber: Scrubber,
    judges: Sender<JudgesRequest>,
    files: Sender<(u64, ExchangeRequest)>,
    /// The newest request about files; older ones break off.
    newest: Arc<AtomicU64>,
    files_backlog: VecDeque<(u64, ExchangeRequest)>,
    replies: Receiver<Reply>,
    /// Where the Train screen asks what a run would begin with.
    pub train: TrainDesk,
    backlog: VecDeque<Request>,
}

impl Loader {
    /// Starts the threads. They end when the loader is dropped. `at_once` wakes the window without the delay that spares it
    /// during jobs: a slider is being dragged.
    pub fn start(waker: &Waker, at_once: Waker) -> std::io::Result<Self> {
        let (requests, inbox) = bounded(WAITING);
        let (answers, questions) = bounded(1);
        let (chats, talk) = bounded(2);
        let (work, tasks) = bounded(1);
        let (judges, cases) = bounded(8);
        let (outbox, replies) = bounded(WAITING);
        let (files, errands) = bounded(4);
        let newest = Arc::new(AtomicU64::new(0));
        room::spawn(inbox, outbox.clone(), waker.clone())?;
        exchange::spawn(errands, newest.clone(), outbox.clone(), waker.clone())?;
        inspector::spawn(questions, outbox.clone(), waker.clone())?;
        chat::spawn(talk, outbox.clone(), waker.clone())?;
        judges::spawn(cases, outbox.clone(), waker.clone())?;
        let train = TrainDesk::start(&outbox, waker)?;
        work::spawn(tasks, outbox, waker.clone())?;
        let scrubber = Scrubber::start(at_once)?;
        Ok(Self {
            requests,
            answers,
            chats,
            work,
            judges,
            scrubber,
            files,
            newest,
            files_backlog: VecDeque::new(),
            replies,
            train,
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

    /// Asks models to answer; `false` while an earlier request is being answered and more wait.
    #[must_use]
    pub fn chat(&self, request: ChatRequest) -> bool {
        self.chats.try_send(request).is_ok()
    }

    /// Begins long work on models; `false` while other work is under way.
    #[must_use]
    pub fn work(&self, request: WorkRequest) -> bool {
        self.work.try_send(request).is_ok()
    }

    /// Asks how models go on from one depth; what was asked of the scrubber before is let go.
    pub fn scrub(&self, request: ScrubRequest) {
        self.scrubber.ask(request);
    }

    /// Asks for something that judges do; `false` while too much of it waits.
    #[must_use]
    pub fn judge(&self, request: JudgesRequest) -> bool {
        self.judges.try_send(request).is_ok()
    }

    /// Lets the scrubber's work go.
    pub fn rest(&self) {
        self.scrubber.stop();
    }

    /// Everything that has come back.
    pub fn drain(&mut self) -> Vec<Reply> {
        self.flush();
        self.flush_files();
        self.replies.try_iter().chain(self.scrubber.drain().into_iter().map(Reply::Scrub)).collect()
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

/// A number that no other request of this process has: what comes late, after another project was opened, is known by it.
pub fn next_serial() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// What a caught panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unnamed fault".to_owned())
}
