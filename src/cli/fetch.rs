//! `plumbline fetch`: a model from the Hub, with its progress on the terminal or as lines of JSON.

use super::Trouble;
use crate::model::Control;
use crate::model::hub::{FetchedModel, HubError, HubModel, HubOptions, HubProgress, fetch};
use crate::project::{ModelEntry, Project, ProjectError, id_from_title};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often progress is printed as JSON.
const PACE: Duration = Duration::from_millis(500);

/// What to fetch, and where it goes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The model: owner/name, or the address of its page on the Hub.
    model: String,
    /// Branch, tag or commit; the commit that it stands for is printed.
    #[arg(long)]
    revision: Option<String>,
    /// Fetch this one file, such as a .gguf, instead of the checkpoint.
    #[arg(long, conflicts_with = "project")]
    file: Option<String>,
    /// Add the model to the project in this folder.
    #[arg(long)]
    project: Option<PathBuf>,
    /// Use only what is in the cache.
    #[arg(long)]
    offline: bool,
    /// Print progress and result as lines of JSON.
    #[arg(long)]
    json: bool,
}

impl From<HubError> for Trouble {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::Stopped { .. } => Self::Stopped(message),
            HubError::BadRepo { .. }
            | HubError::BadRevision { .. }
            | HubError::BadFile { .. }
            | HubError::BadEndpoint { .. }
            | HubError::BadToken { .. }
            | HubError::NoRepo { .. }
            | HubError::NoRevision { .. }
            | HubError::NoFile { .. }
            | HubError::NoWeights { .. }
            | HubError::OnlyGguf { .. } => Self::BadInput(message),
            _ => Self::Failed(message),
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result<(), Trouble> {
    let mut model: HubModel = arguments.model.parse()?;
    if arguments.revision.is_some() {
        model.revision = arguments.revision;
    }
    model.file = arguments.file;
    // A project that cannot be written is told before hours of fetching, not after.
    let mut project = arguments.project.as_deref().map(writable).transpose()?;
    let options = HubOptions::from_environment(arguments.offline)?;
    let asked = Arc::new(AtomicBool::new(false));
    let handler = {
        let asked = Arc::clone(&asked);
        ctrlc::set_handler(move || {
            // The first Ctrl-C keeps what has arrived; the second ends the program where it stands.
            if asked.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })
    };
    if let Err(e) = handler {
        log::warn!("Ctrl-C will end the program at once: {e}");
    }
    let mut show = Show::new(arguments.json);
    let fetched = fetch(&model, &options, &mut |progress| {
        show.progress(progress);
        if asked.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    });
    show.close();
    let fetched = fetched?;
    let id = project.as_mut().map(|project| add(project, &model, &fetched)).transpose()?;
    report(arguments.json, &model, &fetched, id.as_deref());
    Ok(())
}

fn writable(folder: &Path) -> Result<Project, Trouble> {
    let project = Project::open(folder)?;
    match project.read_only_reason().map(str::to_owned) {
        Some(reason) => Err(ProjectError::ReadOnly { root: folder.to_owned(), reason }.into()),
        None => Ok(project),
    }
}

/// Puts the model on the project's list, or finds it there, and returns its id.
fn add(project: &mut Project, model: &HubModel, fetched: &FetchedModel) -> Result<String, Trouble> {
    let location = std::path::absolute(&fetched.folder).unwrap_or_else(|_| fetched.folder.clone());
    if let Some(entry) = project.models().iter().find(|entry| entry.location == location) {
        return Ok(entry.id.clone());
    }
    let title = model.repo.rsplit('/').next().unwrap_or(&model.repo).to_owned();
    let plain = id_from_title(&title, "model");
    let id = (2..).map(|n| id_from_title(&format!("{title} {n}"), "model"));
    let id = std::iter::once(plain).chain(id).find(|id| project.model(id).is_none()).unwrap_or_default();
    let note = format!("{} at {}, from the Hub", model.repo, fetched.commit);
    project.add_model(ModelEntry { id: id.clone(), title, location, note, ..ModelEntry::default() })?;
    Ok(id)
}

fn report(json: bool, model: &HubModel, fetched: &FetchedModel, id: Option<&str>) {
    if json {
        let done = json!({
            "event": "done", "repo": model.repo, "commit": fetched.commit, "folder": fetched.folder,
            "file": model.file, "downloaded": fetched.downloaded, "model": id,
        });
        println!("{done}");
        return;
    }
    let place = model.file.as_ref().map_or_else(|| fetched.folder.clone(), |file| fetched.folder.join(file));
    println!("{} at {}", model.repo, fetched.commit);
    println!("{}", place.display());
    if let Some(id) = id {
        println!("The project has it as model \"{id}\".");
    }
}

/// Where progress goes: a bar on a terminal, lines of JSON, or nowhere.
struct Show {
    json: bool,
    bar: Option<ProgressBar>,
    printed: Option<Instant>,
}

impl Show {
    fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{bar:32} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left · {msg}",
            );
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { json, bar, printed: None }
    }

    fn progress(&mut self, progress: &HubProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.bytes);
            bar.set_position(progress.bytes_done);
            bar.set_message(format!(
                "{} ({} of {} files)",
                progress.file, progress.files_done, progress.files
            ));
        }
        if self.json && self.printed.is_none_or(|at| at.elapsed() >= PACE) {
            self.printed = Some(Instant::now());
            let HubProgress { file, files_done, files, bytes_done, bytes } = progress;
            println!(
                "{}",
                json!({
                    "event": "progress", "file": file, "files_done": files_done, "files": files,
                    "bytes_done": bytes_done, "bytes": bytes,
                })
            );
        }
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
