//! The thread that reads files from elsewhere, writes sets for elsewhere, and fetches benchmarks. Only the newest request
//! counts: asking for something else, or for nothing, breaks off what is under way.

mod benchmarks;
mod export;
mod import;

pub use benchmarks::CheckedFile;
pub use export::ExportRequest;
pub use import::{BAD_ROWS, ImportRequest, Look, LookRequest, Part};

use super::{Reply, Waker, panic_text};
use crate::data::{Examples, TableFile};
use crate::project::{DatasetEntry, Project};
use crossbeam_channel::{Receiver, Sender};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the window is told how far something is.
const TELL: Duration = Duration::from_millis(100);
/// What comes of a request that was stopped.
const STOPPED: &str = "Stopped. Nothing was kept.";

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

impl ExchangeRequest {
    /// What says to whoever asked why nothing came of it.
    fn failed(&self) -> fn(String) -> ExchangeReply {
        match self {
            Self::Look(_) | Self::Forget => |why| ExchangeReply::Looked(Err(why)),
            Self::Import(_) | Self::Add { .. } => |why| ExchangeReply::Imported(Err(why)),
            Self::Export(_) => |why| ExchangeReply::Exported(Err(why)),
            Self::Fetch { .. } => |why| ExchangeReply::Fetched(Err(why)),
            Self::Check { .. } => |why| ExchangeReply::Checked(Err(why)),
        }
    }
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
            let failed = request.failed();
            let reply = catch_unwind(AssertUnwindSafe(|| desk.answer(request, &mut line)));
            let reply = match reply {
                Ok(Some(reply)) => reply,
                Ok(None) => continue,
                Err(panic) => {
                    desk = Desk::default();
                    failed(format!("This broke off: {}", panic_text(panic.as_ref())))
                }
            };
            if replies.send(Reply::Exchange { serial, reply }).is_err() {
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

    /// Asked just before something is written: what was stopped leaves nothing behind, as the window has said already.
    fn still_wanted(&self) -> Result<(), String> {
        if self.is_stale() { Err(STOPPED.to_owned()) } else { Ok(()) }
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

/// Adds a set to the project, unless that was stopped. One that was stopped while it was written is taken away again:
/// nobody would be told of it.
fn keep(
    line: &Line<'_>,
    project: &mut Project,
    entry: DatasetEntry,
    examples: &Examples,
) -> Result<(), String> {
    line.still_wanted()?;
    let id = entry.id.clone();
    project.add_dataset(entry, examples).map_err(|e| e.to_string())?;
    if let Err(stopped) = line.still_wanted() {
        project.remove_dataset(&id).map_err(|e| e.to_string())?;
        return Err(stopped);
    }
    Ok(())
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
            ExchangeRequest::Export(request) => ExchangeReply::Exported(export::export(request, line)),
            ExchangeRequest::Fetch { root, id } => {
                ExchangeReply::Fetched(benchmarks::fetch(&root, &id, line))
            }
            ExchangeRequest::Check { id, file } => {
                ExchangeReply::Checked(benchmarks::check(&id, &file).map(Box::new))
            }
            ExchangeRequest::Add { root, id, file, leave_out_bad } => {
                ExchangeReply::Imported(benchmarks::add(&root, &id, &file, leave_out_bad, line))
            }
            ExchangeRequest::Forget => {
                self.read = None;
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ChatExample, DatasetKind, ExportSpec};
    use crate::text::Message;
    use crossbeam_channel::bounded;

    #[test]
    fn what_was_stopped_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        let mut project = Project::create(&root, "x").unwrap();
        let examples = Examples::Chat(vec![ChatExample {
            id: "c1".into(),
            messages: vec![Message::user("Hail"), Message::assistant("Well met")],
            ..ChatExample::default()
        }]);
        let (replies, _inbox) = bounded(4);
        let waker: Waker = Arc::new(|| {});
        let newest = AtomicU64::new(2);
        let line = |serial| Line { serial, newest: &newest, replies: &replies, waker: &waker, told: None };
        let entry = |id: &str| DatasetEntry::new(id, id, DatasetKind::Chat);
        keep(&line(1), &mut project, entry("stopped"), &examples).unwrap_err();
        keep(&line(2), &mut project, entry("kept"), &examples).unwrap();
        let sets: Vec<String> = project.datasets().into_iter().map(|set| set.id).collect();
        assert_eq!(sets, ["kept"]);

        let file = root.join("exports").join("kept.jsonl");
        let request = |file: PathBuf| ExportRequest {
            root: root.clone(),
            set: "kept".into(),
            spec: ExportSpec::default(),
            file,
        };
        export::export(request(file.clone()), &line(1)).unwrap_err();
        assert!(!file.exists());
        export::export(request(file.clone()), &line(2)).unwrap();
        assert!(file.is_file());
        // Whatever way leads there, the project's own files are not replaced.
        for own in ["datasets/kept.jsonl", "exports/../datasets/kept.jsonl"] {
            let before = std::fs::read(root.join("datasets/kept.jsonl")).unwrap();
            export::export(request(root.join(own)), &line(2)).unwrap_err();
            assert_eq!(std::fs::read(root.join("datasets/kept.jsonl")).unwrap(), before);
        }
        // How many examples a set has is seen from its file.
        keep(&line(2), &mut project, entry("empty"), &Examples::none(DatasetKind::Chat)).unwrap();
        let empty = ExportRequest { set: "empty".into(), ..request(file.clone()) };
        assert_eq!(export::export(empty, &line(2)).unwrap_err(), "This set is empty.");
    }
}
