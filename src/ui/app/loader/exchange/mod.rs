//! The thread that reads files from elsewhere, writes sets for elsewhere, and fetches benchmarks. Only the newest request
//! counts: asking for something else, or for nothing, breaks off what is under way.

mod benchmarks;
mod export;
mod import;

pub use benchmarks::CheckedFile;
pub use export::ExportRequest;
pub use import::{BAD_ROWS, ImportRequest, Look, LookRequest, Part};

use super::{Reply, Waker, panic_text};
use crate::data::TableFile;
use crossbeam_channel::{Receiver, Sender};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the window is told how far something is.
const TELL: Duration = Duration::from_millis(100);

/// What is asked of this thread.
#[derive(Clone, Debug)]
pub enum ExchangeRequest {
    /// Read a file, and say what becomes of its rows.
    Look(Box<LookRequest>),
    /// Make a data set of a file that was looked at.
    Import(Box<ImportRequest>),
    /// Write a data set for other programs.
    Export(ExportRequest),
    /// Fetch a benchmark's file over the network.
    Fetch {
        /// The project, in whose cache the file is kept.
        root: PathBuf,
        /// The benchmark's part, such as `gsm8k/test`.
        id: String,
    },
    /// Compare a file with what is known of a benchmark.
    Check {
        /// The benchmark's part.
        id: String,
        /// The file.
        file: PathBuf,
    },
    /// Make a data set of a benchmark's file.
    Add {
        /// The project.
        root: PathBuf,
        /// The benchmark's part.
        id: String,
        /// The file.
        file: PathBuf,
        /// Whether rows that cannot be used are left out.
        leave_out_bad: bool,
    },
    /// Let go of the file that was read.
    Forget,
}

/// What comes back.
#[derive(Debug)]
pub enum ExchangeReply {
    /// How far it is: from 0 to 1 where that is known, and in words.
    Progress(Option<f32>, String),
    /// A file was read, or why not.
    Looked(Result<Box<Look>, String>),
    /// A data set was made: its id and number of examples; or why not.
    Imported(Result<(String, usize), String>),
    /// A file was written, or why not.
    Exported(Result<PathBuf, String>),
    /// A benchmark's file is here, or why not.
    Fetched(Result<PathBuf, String>),
    /// A benchmark's file was compared, or why not.
    Checked(Result<Box<CheckedFile>, String>),
}

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<(u64, ExchangeRequest)>,
    newest: Arc<AtomicU64>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("files".into()).spawn(move || {
        let mut desk = Desk::default();
        for (serial, request) in requests {
            let mut line = Line { serial, newest: &newest, replies: &replies, waker: &waker, told: None };
            if line.is_stale() && !matches!(request, ExchangeRequest::Forget) {
                continue;
            }
            let reply = catch_unwind(AssertUnwindSafe(|| desk.answer(request, &mut line)));
            let reply = match reply {
                Ok(Some(reply)) => Reply::Exchange { serial, reply },
                Ok(None) => continue,
                Err(panic) => {
                    desk = Desk::default();
                    Reply::Trouble(format!("Reading the file broke off: {}", panic_text(panic.as_ref())))
                }
            };
            if replies.send(reply).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(())
}

/// The line to the window while something is under way.
struct Line<'a> {
    serial: u64,
    newest: &'a AtomicU64,
    replies: &'a Sender<Reply>,
    waker: &'a Waker,
    told: Option<Instant>,
}

impl Line<'_> {
    /// Whether the window has asked for something else meanwhile.
    fn is_stale(&self) -> bool {
        self.newest.load(Ordering::SeqCst) != self.serial
    }

    /// Tells how far it is, now and then, and whether to go on.
    fn tell(&mut self, share: Option<f32>, text: impl FnOnce() -> String) -> ControlFlow<()> {
        if self.is_stale() {
            return ControlFlow::Break(());
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            let reply = ExchangeReply::Progress(share, text());
            // A window that has not read the last ones needs no more of them.
            if self.replies.try_send(Reply::Exchange { serial: self.serial, reply }).is_ok() {
                (self.waker)();
            }
        }
        ControlFlow::Continue(())
    }
}

/// What the thread has before it: the file that was read last.
#[derive(Default)]
struct Desk {
    read: Option<Read>,
}

/// A file that was read.
struct Read {
    file: PathBuf,
    header: Option<bool>,
    content: TableFile,
}

impl Desk {
    fn answer(&mut self, request: ExchangeRequest, line: &mut Line<'_>) -> Option<ExchangeReply> {
        Some(match request {
            ExchangeRequest::Look(request) => ExchangeReply::Looked(self.look(&request, line).map(Box::new)),
            ExchangeRequest::Import(request) => ExchangeReply::Imported(self.import(*request, line)),
            ExchangeRequest::Export(request) => ExchangeReply::Exported(export::export(request)),
            ExchangeRequest::Fetch { root, id } => {
                ExchangeReply::Fetched(benchmarks::fetch(&root, &id, line))
            }
            ExchangeRequest::Check { id, file } => {
                ExchangeReply::Checked(benchmarks::check(&id, &file).map(Box::new))
            }
            ExchangeRequest::Add { root, id, file, leave_out_bad } => {
                ExchangeReply::Imported(benchmarks::add(&root, &id, &file, leave_out_bad))
            }
            ExchangeRequest::Forget => {
                self.read = None;
                return None;
            }
        })
    }
}
