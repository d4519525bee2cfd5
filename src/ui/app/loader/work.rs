//! The thread for what takes long around models: fetching one from the Hub, writing one out, merging an adapter.
//! One thing at a time; each can be stopped, and leaves nothing half made behind.

use super::room::free_id;
use super::{Reply, Waker, panic_text};
use crate::job::{CancelToken, sentence};
use crate::model::{self, Control, ExportStage, readable_size};
use crate::project::{ModelEntry, ModelRole, Project, id_from_title};
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often progress is told.
const PACE: Duration = Duration::from_millis(100);

/// A model of the Hub, as it is written in the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubWish {
    /// `owner/name`, or the address of its page.
    pub repo: String,
    /// Branch, tag or commit; empty for `main`.
    pub revision: String,
    /// One file instead of a checkpoint; empty for a checkpoint.
    pub file: String,
    /// Use only what the cache has.
    pub offline: bool,
}

/// What a model of the Hub consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubView {
    /// The commit that the revision stands for.
    pub commit: String,
    /// Its files: name, size, and whether the cache has it.
    pub files: Vec<(String, u64, bool)>,
    /// Where the token is from that is sent along; `None` sends none.
    pub token: Option<String>,
    /// The folder where models of the Hub are kept.
    pub cache: PathBuf,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Work {
    /// Ask what a model of the Hub consists of.
    Look(HubWish),
    /// Fetch a model of the Hub and add it to the project.
    Fetch {
        /// Which.
        wish: HubWish,
        /// Its title; its id is made of it.
        title: String,
        /// Its role.
        role: ModelRole,
    },
    /// Write a model as a whole checkpoint.
    Export {
        /// Its folder.
        from: PathBuf,
        /// A folder that does not exist yet.
        to: PathBuf,
    },
    /// Merge an adapter into its base, as a new model of the project.
    Merge {
        /// The adapter's id.
        id: String,
        /// The new model's title; its id is made of it.
        title: String,
    },
}

/// A piece of work for the project in `root`.
#[derive(Clone, Debug)]
pub struct WorkRequest {
    /// Which this is.
    pub serial: u64,
    /// The project's folder.
    pub root: PathBuf,
    /// What is to be done.
    pub work: Work,
    /// Ends it.
    pub stop: CancelToken,
}

/// What happens with it.
#[derive(Clone, Debug)]
pub enum WorkEvent {
    /// How far it is.
    Progress {
        /// In words.
        text: String,
        /// The share that is done, where it is known.
        share: Option<f32>,
    },
    /// What a model of the Hub consists of.
    Looked(HubView),
    /// It is done: what to say, where the result lies, and whether the project has a new model.
    Done {
        /// What to say.
        text: String,
        /// Where the result lies.
        made: PathBuf,
        /// Whether the project has a new model.
        added: bool,
    },
    /// It was stopped, or could not be done.
    Failed {
        /// Why.
        text: String,
        /// Whether somebody asked for that.
        stopped: bool,
    },
}

/// What comes back.
#[derive(Debug)]
pub struct WorkReply {
    /// Which piece of work.
    pub serial: u64,
    /// What happened.
    pub event: WorkEvent,
}

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<WorkRequest>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("model work".into()).stack_size(64 << 20).spawn(move || {
        for request in requests {
            let serial = request.serial;
            let tell = |event| {
                let sent = replies.send(Reply::Work(WorkReply { serial, event })).is_ok();
                waker();
                sent
            };
            let mut desk = Desk { stop: &request.stop, tell: &tell, told: None };
            let end = catch_unwind(AssertUnwindSafe(|| desk.work(&request)))
                .unwrap_or_else(|panic| Err(format!("The work broke off: {}", panic_text(panic.as_ref()))));
            let stopped = request.stop.is_cancelled();
            let end = end.unwrap_or_else(|error| WorkEvent::Failed { text: sentence(&error), stopped });
            if !tell(end) {
                return;
            }
        }
    })?;
    Ok(())
}

/// Somebody at work, and whoever watches.
struct Desk<'a> {
    stop: &'a CancelToken,
    tell: &'a dyn Fn(WorkEvent) -> bool,
    told: Option<Instant>,
}

const STOPPED: &str = "Stopped. Nothing half made was left behind.";

impl Desk<'_> {
    fn work(&mut self, request: &WorkRequest) -> Result<WorkEvent, String> {
        match &request.work {
            Work::Look(wish) => self.look(wish),
            Work::Fetch { wish, title, role } => self.fetch(&request.root, wish, title, *role),
            Work::Export { from, to } => {
                if !self.export(from, to)? {
                    return Err(STOPPED.to_owned());
                }
                let name = to.file_name().unwrap_or_default().to_string_lossy();
                Ok(WorkEvent::Done { text: format!("Exported to {name}."), made: to.clone(), added: false })
            }
            Work::Merge { id, title } => self.merge(&request.root, id, title),
        }
    }

    /// Tells how far the work is, but not more often than anybody sees.
    fn progress(&mut self, text: impl FnOnce() -> String, share: Option<f32>) -> Control {
        if self.told.is_none_or(|at| at.elapsed() >= PACE) {
            self.told = Some(Instant::now());
            (self.tell)(WorkEvent::Progress { text: text(), share });
        }
        if self.stop.is_cancelled() { Control::Stop } else { Control::Continue }
    }

    fn export(&mut self, from: &Path, to: &Path) -> Result<bool, String> {
        let to = std::path::absolute(to).map_err(|e| format!("{}: {e}", to.display()))?;
        model::export(from, &to, &mut |stage| match stage {
            ExportStage::Copying { done, of } => self.progress(
                || format!("Copying: {} of {}", readable_size(done), readable_size(of)),
                Some(done as f32 / of.max(1) as f32),
            ),
            ExportStage::Loading => {
                self.told = None;
                self.progress(|| "Reading the base and the adapter".to_owned(), None)
            }
            ExportStage::Writing => {
                self.told = None;
                self.progress(|| "Writing the merged weights".to_owned(), None)
            }
        })
        .map_err(|e| e.to_string())
    }

    fn merge(&mut self, root: &Path, id: &str, title: &str) -> Result<WorkEvent, String> {
        let mut project = Project::attach(root).map_err(|e| e.to_string())?;
        let adapter = project.model(id).cloned().ok_or_else(|| format!("there is no model {id} any more"))?;
        let from = project.model_folder(id).map_err(|e| e.to_string())?;
        let models = root.join("models");
        let taken = |id: &str| project.model(id).is_some() || models.join(id).exists();
        let new = free_id(id_from_title(title, "merged"), taken);
        let made = models.join(&new);
        if !self.export(&from, &made)? {
            return Err(STOPPED.to_owned());
        }
        let entry = ModelEntry {
            id: new.clone(),
            title: title.trim().to_owned(),
            role: adapter.role,
            location: made.clone(),
            parent: Some(id.to_owned()),
            note: format!("{id}, merged into its base."),
        };
        project.add_model(entry).map_err(|e| e.to_string())?;
        Ok(WorkEvent::Done { text: format!("Added {new}, a whole checkpoint."), made, added: true })
    }

    #[cfg(feature = "hub")]
    fn look(&mut self, wish: &HubWish) -> Result<WorkEvent, String> {
        use crate::model::hub;
        let (model, options) = hub_model(wish)?;
        let contents =
            hub::look(&model, &options, &mut |_| self.progress(|| "Asking the Hub".to_owned(), None));
        let contents = contents.map_err(|e| e.to_string())?;
        Ok(WorkEvent::Looked(HubView {
            commit: contents.commit,
            files: contents.files.into_iter().map(|file| (file.name, file.size, file.here)).collect(),
            token: options.token.as_ref().map(|token| token.origin().to_owned()),
            cache: options.cache,
        }))
    }

    #[cfg(feature = "hub")]
    fn fetch(
        &mut self,
        root: &Path,
        wish: &HubWish,
        title: &str,
        role: ModelRole,
    ) -> Result<WorkEvent, String> {
        use crate::model::hub;
        // A project that cannot be written is told before hours of fetching, not after.
        let mut project = Project::attach(root).map_err(|e| e.to_string())?;
        let (model, options) = hub_model(wish)?;
        let fetched = hub::fetch(&model, &options, &mut |progress| {
            let share = progress.bytes_done as f32 / progress.bytes.max(1) as f32;
            let text = || {
                let (done, of) = (readable_size(progress.bytes_done), readable_size(progress.bytes));
                format!("{done} of {of} · {}", progress.file)
            };
            self.progress(text, Some(share))
        })
        .map_err(|e| e.to_string())?;
        let folder = std::path::absolute(&fetched.folder).unwrap_or(fetched.folder);
        let made = model.file.as_ref().map_or_else(|| folder.clone(), |file| folder.join(file));
        // What the Hub sent whole may still be nothing that is run here.
        model::inspect(&made).map_err(|e| format!("It was fetched, but it cannot be used: {e}"))?;
        project.reload().map_err(|e| e.to_string())?;
        if let Some(there) = project.models().iter().find(|entry| entry.location == made) {
            let text = format!("This project has it already, as {}.", there.id);
            return Ok(WorkEvent::Done { text, made, added: false });
        }
        let title = if title.trim().is_empty() {
            model.repo.rsplit('/').next().unwrap_or_default()
        } else {
            title.trim()
        };
        let id = free_id(id_from_title(title, "model"), |id| project.model(id).is_some());
        let entry = ModelEntry {
            id: id.clone(),
            title: title.to_owned(),
            role,
            location: made.clone(),
            parent: None,
            note: format!("{} at {}, from the Hub", model.repo, fetched.commit),
        };
        project.add_model(entry).map_err(|e| e.to_string())?;
        Ok(WorkEvent::Done { text: format!("Added {id} from the Hub."), made, added: true })
    }

    #[cfg(not(feature = "hub"))]
    #[allow(clippy::unused_self, reason = "stands in for what the feature hub brings")]
    fn look(&mut self, _wish: &HubWish) -> Result<WorkEvent, String> {
        Err(NO_HUB.to_owned())
    }

    #[cfg(not(feature = "hub"))]
    #[allow(clippy::unused_self, reason = "stands in for what the feature hub brings")]
    fn fetch(&mut self, _: &Path, _: &HubWish, _: &str, _: ModelRole) -> Result<WorkEvent, String> {
        Err(NO_HUB.to_owned())
    }
}

/// What a build says that cannot fetch.
pub const NO_HUB: &str = "This build of Plumbline has no connection to the Hub. Download the model's files in a browser and add their folder, or use a build with the feature hub.";

#[cfg(feature = "hub")]
fn hub_model(wish: &HubWish) -> Result<(model::hub::HubModel, model::hub::HubOptions), String> {
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut model: model::hub::HubModel =
        wish.repo.parse().map_err(|e: model::hub::HubError| e.to_string())?;
    model.revision = text(&wish.revision).or(model.revision);
    model.file = text(&wish.file);
    let options = model::hub::HubOptions::from_environment(wish.offline).map_err(|e| e.to_string())?;
    Ok((model, options))
}
