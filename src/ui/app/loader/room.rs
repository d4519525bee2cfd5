//! The thread that owns the project.

use super::check::{self, Desk};
use super::evaluate::Shelf;
use super::{DataRequest, ModelView, Reply, Request, Snapshot, Waker, panic_text};
use crate::data::{DatasetKind, Decision, Examples, Review};
use crate::model::{self, device};
use crate::project::{Contents, Project};
use crate::report::{self, Chart, ReportSpec};
use crate::text::Codec;
use crate::ui::screens::Row;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<Request>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    let desk = check::spawn(replies.clone(), waker.clone())?;
    std::thread::Builder::new().name("loader".into()).spawn(move || {
        let mut room = Room { desk: Some(desk), ..Room::default() };
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            batch.extend(requests.try_iter());
            for request in newest_only(batch) {
                let reply = catch_unwind(AssertUnwindSafe(|| room.answer(request))).unwrap_or_else(|panic| {
                    let why = panic_text(panic.as_ref());
                    Some(Reply::Trouble(format!("Reading the project broke off: {why}")))
                });
                let Some(reply) = reply else { continue };
                if replies.send(reply).is_err() {
                    return;
                }
                waker();
            }
        }
    })?;
    Ok(())
}

/// While somebody types or drags, strips and searches are asked for faster than they are made: the last of each kind is
/// wanted.
fn newest_only(batch: Vec<Request>) -> Vec<Request> {
    let kind = |request: &Request| match request {
        Request::Data(DataRequest::Strip(_)) => Some(None),
        Request::Evaluate(request) if request.is_overtaken() => Some(Some(std::mem::discriminant(request))),
        _ => None,
    };
    let kinds: Vec<_> = batch.iter().map(kind).collect();
    let later = |index: usize| kinds[index].is_some() && kinds[index + 1..].contains(&kinds[index]);
    batch.into_iter().enumerate().filter(|(index, _)| !later(*index)).map(|(_, request)| request).collect()
}

#[derive(Default)]
pub(super) struct Room {
    pub(super) project: Option<Project>,
    pub(super) codecs: HashMap<PathBuf, Codec>,
    /// What was read of evaluations.
    pub(super) shelf: Shelf,
    /// Sets as edited, including changes that could not be written yet.
    pub(super) edited: HashMap<String, Edited>,
    /// Where sets are handed in to be looked through.
    pub(super) desk: Option<Desk>,
}

/// A set that is open for editing.
pub(super) struct Edited {
    pub(super) kind: DatasetKind,
    pub(super) rows: Vec<Row>,
}

pub(super) const NOT_OPEN: &str = "No project is open.";

impl Room {
    /// `None` where another thread answers.
    fn answer(&mut self, request: Request) -> Option<Reply> {
        Some(match request {
            Request::Open { root, demo } => Reply::Project(self.open(&root, demo)),
            Request::Refresh => Reply::Project(self.refresh()),
            Request::Examples(set) => {
                let result = self.examples(&set);
                Reply::Examples { set, result }
            }
            Request::Data(request) => Reply::Data(self.data(request)?),
            Request::Models(request) => Reply::Models(self.models(request)),
            Request::Evaluate(request) => self.evaluate(request),
            Request::Train(request) => Reply::Train(self.train(request)),
            Request::Inspect(request) => Reply::Inspect(self.inspect(request)),
            Request::Judging(request) => Reply::Judging(self.judging(request)),
            Request::NewProject { root, title } => Reply::Project(self.make(&root, &title)),
            Request::SaveChart { chart, picture } => Reply::Written(self.save_chart(&chart, picture)),
            Request::WriteReport { spec, path } => Reply::Written(self.write_report(&spec, path)),
            Request::Review(generation) => {
                let result = self.review(&generation, &[]);
                Reply::Review { generation, result }
            }
            Request::Decide { generation, decisions } => {
                let result = self.review(&generation, &decisions);
                Reply::Review { generation, result }
            }
            Request::Assemble { id, kind, from, templates } => {
                let made = match self.project.as_mut() {
                    Some(project) => project.assemble(&id, kind, &from, templates).map_err(|e| e.to_string()),
                    None => Err(NOT_OPEN.to_owned()),
                };
                Reply::Assembled(made.map(|(count, missing)| (id, count, missing)))
            }
        })
    }

    fn open(&mut self, root: &Path, demo: bool) -> Result<Snapshot, String> {
        // The old project lets go of its lock before the same folder is opened again.
        self.project = None;
        self.edited.clear();
        if demo && !root.join("project.toml").exists() {
            unpack_demo(root)?;
        }
        let project = Project::open(root).map_err(|e| e.to_string())?;
        let snapshot = snapshot(&project);
        self.project = Some(project);
        Ok(snapshot)
    }

    fn make(&mut self, root: &Path, title: &str) -> Result<Snapshot, String> {
        self.project = None;
        self.edited.clear();
        let project = Project::create(root, title).map_err(|e| e.to_string())?;
        let snapshot = snapshot(&project);
        self.project = Some(project);
        Ok(snapshot)
    }

    fn save_chart(&self, chart: &Chart<'_>, picture: bool) -> Result<PathBuf, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        report::save_chart(project, chart, picture).map_err(|e| e.to_string())
    }

    fn write_report(&self, spec: &ReportSpec, path: PathBuf) -> Result<PathBuf, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        report::write_report(project, spec, &path).map_err(|e| e.to_string())?;
        Ok(path)
    }

    fn refresh(&mut self) -> Result<Snapshot, String> {
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        project.reload().map_err(|e| e.to_string())?;
        Ok(snapshot(project))
    }

    fn examples(&self, set: &str) -> Result<Examples, String> {
        if let Some(edited) = self.edited.get(set) {
            return Ok(Examples::of_rows(edited.kind, edited.rows.iter().map(Arc::as_ref)));
        }
        self.project.as_ref().ok_or(NOT_OPEN)?.examples(set).map_err(|e| e.to_string())
    }

    /// Writes decisions down and reads the texts again.
    fn review(&self, generation: &str, decisions: &[(String, Decision)]) -> Result<Review, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        for (candidate, decision) in decisions {
            project.decide(generation, candidate, decision.clone()).map_err(|e| e.to_string())?;
        }
        project.review(generation).map_err(|e| e.to_string())
    }
}

/// Unpacks the demo project beside its place and moves it there, so that an interrupted first start leaves nothing
/// half made in the way of the next.
fn unpack_demo(root: &Path) -> Result<(), String> {
    let fail = |e: &std::io::Error| {
        format!(
            "The demo project cannot be unpacked to {}: {e}. Free some space, or check that you may write there.",
            root.display()
        )
    };
    let parent = root.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| fail(&e))?;
    let beside = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(|e| fail(&e))?;
    let made = beside.path().join("demo");
    crate::demo::unpack(&made).map_err(|e| e.to_string())?;
    std::fs::rename(&made, root).map_err(|e| fail(&e))
}

fn snapshot(project: &Project) -> Snapshot {
    let models = project
        .models()
        .iter()
        .map(|entry| {
            let folder = project.model_folder(&entry.id).unwrap_or_else(|_| entry.location.clone());
            let card = model::inspect(&folder).map_err(|e| e.to_string());
            ModelView { entry: entry.clone(), folder, card }
        })
        .collect();
    let Contents { datasets, runs, evaluations, generations, problems } = project.contents();
    Snapshot {
        root: project.root().to_owned(),
        title: project.title().to_owned(),
        read_only: project.read_only(),
        models,
        datasets,
        runs,
        evaluations,
        generations,
        // Finding a GPU for the first time takes a moment; it is not the window that waits.
        device: device::name(&device::pick()),
        problems,
    }
}

/// `id`, or `id` with the first number that makes it new.
pub(super) fn free_id(id: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&id) {
        return id;
    }
    (2..).map(|n| format!("{id}-{n}")).find(|id| !taken(id)).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DepthDistribution, RecoveryExample};
    use crate::ui::app::{EvaluateRequest, StripRequest};

    #[test]
    fn a_taken_id_gets_a_number() {
        assert_eq!(free_id("tuned".into(), |_| false), "tuned");
        assert_eq!(free_id("base".into(), |id| id == "base" || id == "base-2"), "base-3");
    }

    #[test]
    fn of_waiting_strips_only_the_last_is_made_and_nothing_else_is_lost() {
        let strip = |serial| {
            Request::Data(DataRequest::Strip(StripRequest {
                serial,
                folder: PathBuf::new(),
                context_limit: 9,
                example: RecoveryExample::default(),
                epoch: 0,
                depths: DepthDistribution::default(),
            }))
        };
        let kept = newest_only(vec![strip(1), Request::Refresh, strip(2), strip(3), Request::Refresh]);
        let serials: Vec<u64> = kept
            .iter()
            .filter_map(|r| if let Request::Data(DataRequest::Strip(s)) = r { Some(s.serial) } else { None })
            .collect();
        assert_eq!((kept.len(), serials), (3, vec![3]));
    }

    #[test]
    fn of_waiting_searches_only_the_last_is_made() {
        let find = |serial| {
            Request::Evaluate(EvaluateRequest::Find {
                serial,
                evaluation: "e".into(),
                filter: Box::default(),
            })
        };
        let kept =
            newest_only(vec![find(1), Request::Evaluate(EvaluateRequest::Pace), find(2), Request::Refresh]);
        let last = matches!(&kept[1], Request::Evaluate(EvaluateRequest::Find { serial: 2, .. }));
        assert!(kept.len() == 3 && last, "{kept:?}");
    }

    #[test]
    fn an_interrupted_first_start_does_not_block_the_next() {
        let folder = tempfile::tempdir().unwrap();
        // What a killed unpacking leaves behind.
        std::fs::create_dir_all(folder.path().join(".unpacking-abc/demo/models")).unwrap();
        let root = folder.path().join("demo");
        unpack_demo(&root).unwrap();
        assert!(Project::open(&root).is_ok());
    }
}
