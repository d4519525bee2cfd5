//! Models from the Hub: fetched at a pinned commit into the cache that Python's client uses too.
//!
//! hf-hub speaks with the Hub: what a revision stands for, which files there are, and their bytes. What it does not do
//! is done around it: going on with a file that was cut off, comparing hashes, stopping in the middle, and saying what
//! to do. Only what a checkpoint needs is fetched; pickles never are.

mod cache;
mod connection;
mod digest;
mod error;
mod files;
mod options;

pub use error::HubError;
pub use options::{HubOptions, HubToken};

use super::Control;
use cache::{ModelCache, Partial};
use connection::{Connection, Listing, RemoteFile};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The branch that is fetched where no revision is given.
const DEFAULT_REVISION: &str = "main";

/// Where the pages of models are.
const PAGES: [&str; 2] = ["https://huggingface.co/", "https://hf.co/"];

/// How long to wait before asking again for a file that somebody else is fetching.
const LOCKED: Duration = Duration::from_millis(100);

/// A model of the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit; `None` is `main`.
    pub revision: Option<String>,
    /// One file instead of a checkpoint: a GGUF or safetensors file, by its path in the repository.
    pub file: Option<String>,
}

impl FromStr for HubModel {
    type Err = HubError;

    /// Reads `owner/name`, or the address of a model's page, with or without the revision in it.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = || HubError::BadRepo { repo: text.to_owned() };
        let text = text.trim();
        let path = PAGES.into_iter().find_map(|pages| text.strip_prefix(pages)).unwrap_or(text);
        let mut parts = path.trim_end_matches('/').splitn(4, '/');
        let repo = match (parts.next(), parts.next()) {
            (Some(owner), Some(name)) => format!("{owner}/{name}"),
            _ => return Err(bad()),
        };
        let revision = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some("tree" | "commit"), Some(revision)) => Some(revision.to_owned()),
            _ => return Err(bad()),
        };
        let model = Self { repo, revision, file: None };
        model.check()?;
        Ok(model)
    }
}

impl HubModel {
    /// The model `owner/name` at `main`.
    pub fn new(repo: &str) -> Self {
        Self { repo: repo.to_owned(), revision: None, file: None }
    }

    fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }

    /// Refuses what cannot be a repository, a revision or a file: all three become paths on this machine.
    fn check(&self) -> Result<(), HubError> {
        let name = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (1..=96).contains(&text.len())
                && text.chars().all(plain)
                && !text.starts_with(['.', '-'])
                && !text.contains("..")
                && !text.contains("--")
        };
        if !self.repo.split_once('/').is_some_and(|(owner, repo)| name(owner) && name(repo)) {
            return Err(HubError::BadRepo { repo: self.repo.clone() });
        }
        let revision = self.revision();
        if !files::is_path(revision) || revision.contains(char::is_whitespace) {
            return Err(HubError::BadRevision { revision: revision.to_owned() });
        }
        match &self.file {
            Some(file) if !files::is_path(file) || !is_model_file(file) => {
                Err(HubError::BadFile { file: file.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a file is in a format that is opened.
fn is_model_file(file: &str) -> bool {
    is_gguf(file) || file.ends_with(".safetensors")
}

fn is_gguf(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// How far a fetch is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubProgress {
    /// The file that is being fetched.
    pub file: String,
    /// Files that are there.
    pub files_done: usize,
    /// Files in all.
    pub files: usize,
    /// Bytes that are there, those of an earlier fetch included.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// A model that is in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedModel {
    /// The snapshot's folder.
    pub folder: PathBuf,
    /// The commit: 40 hexadecimal digits. With it as the revision, the same files are fetched again.
    pub commit: String,
    /// Bytes that came over the network this time.
    pub downloaded: u64,
}

/// Fetches a model, or finds it in the cache.
///
/// Files that are in the cache are not fetched again; one that was cut off goes on where it stopped. `progress` is
/// called at least ten times a second on the calling thread; when it answers [`Control::Stop`], the connection is
/// closed and what has arrived is kept. Offline, a model is opened only if it is whole.
///
/// Not to be called from inside a tokio runtime: it waits on one of its own.
pub fn fetch(
    model: &HubModel,
    options: &HubOptions,
    progress: &mut dyn FnMut(&HubProgress) -> Control,
) -> Result<FetchedModel, HubError> {
    model.check()?;
    let cache = ModelCache::new(&options.cache, &model.repo);
    if options.offline {
        return find(model, options, &cache);
    }
    let connection = Connection::new(&model.repo, options)?;
    let mut watch = Watch { repo: &model.repo, progress, state: HubProgress::default() };
    let listing = connection.list(model.revision(), &mut watch)?;
    let snapshot = cache.snapshot(&listing.commit);
    // What has to be fetched is asked before anything is, so that the progress knows its end.
    let Plan { here, waiting } = plan(model, &connection, &listing, &snapshot, &mut watch)?;
    watch.state.files = here.len() + waiting.len();
    watch.state.files_done = here.len();
    watch.state.bytes_done = here.iter().map(|(_, size)| size).sum();
    watch.state.bytes = watch.state.bytes_done + waiting.iter().map(|file| file.size).sum::<u64>();
    watch.tick()?;

    let mut downloaded = 0;
    for file in &waiting {
        watch.state.file.clone_from(&file.name);
        downloaded += fetch_blob(&connection, &cache, &listing.commit, file, &mut watch)?;
        cache.link(&listing.commit, &file.name, &file.etag)?;
        watch.state.files_done += 1;
        watch.tick()?;
    }
    cache.note_commit(model.revision(), &listing.commit)?;
    Ok(FetchedModel { folder: snapshot, commit: listing.commit, downloaded })
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// Its path in the repository.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the cache has it.
    pub here: bool,
}

/// What a model consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubContents {
    /// The commit that the revision stands for now.
    pub commit: String,
    /// The files that [`fetch`] would bring.
    pub files: Vec<HubFile>,
}

/// Asks what a model consists of, without fetching any of it. `progress` is called as by [`fetch`].
pub fn look(
    model: &HubModel,
    options: &HubOptions,
    progress: &mut dyn FnMut(&HubProgress) -> Control,
) -> Result<HubContents, HubError> {
    model.check()?;
    let cache = ModelCache::new(&options.cache, &model.repo);
    if options.offline {
        let found = find(model, options, &cache)?;
        let names = model.file.clone().map_or_else(|| files::present(&found.folder), |file| vec![file]);
        let size = |name: &str| std::fs::metadata(found.folder.join(name)).map_or(0, |there| there.len());
        let files = names.into_iter().map(|name| HubFile { size: size(&name), name, here: true }).collect();
        return Ok(HubContents { commit: found.commit, files });
    }
    let connection = Connection::new(&model.repo, options)?;
    let mut watch = Watch { repo: &model.repo, progress, state: HubProgress::default() };
    let listing = connection.list(model.revision(), &mut watch)?;
    let snapshot = cache.snapshot(&listing.commit);
    let Plan { here, waiting } = plan(model, &connection, &listing, &snapshot, &mut watch)?;
    let here = here.into_iter().map(|(name, size)| HubFile { name, size, here: true });
    let waiting = waiting.into_iter().map(|file| HubFile { name: file.name, size: file.size, here: false });
    Ok(HubContents { commit: listing.commit, files: here.chain(waiting).collect() })
}

/// What of a model is in the cache, with its sizes, and what has to come.
struct Plan {
    here: Vec<(String, u64)>,
    waiting: Vec<RemoteFile>,
}

fn plan(
    model: &HubModel,
    connection: &Connection,
    listing: &Listing,
    snapshot: &Path,
    watch: &mut Watch,
) -> Result<Plan, HubError> {
    let mut plan = Plan { here: Vec::new(), waiting: Vec::new() };
    for name in choose(model, listing)? {
        match std::fs::metadata(snapshot.join(&name)) {
            Ok(there) => plan.here.push((name, there.len())),
            Err(_) => plan.waiting.push(connection.describe(&name, listing, watch)?),
        }
    }
    Ok(plan)
}

/// The files of a model to fetch.
fn choose(model: &HubModel, listing: &Listing) -> Result<Vec<String>, HubError> {
    match &model.file {
        None => files::wanted(&model.repo, &listing.files),
        Some(file) if listing.files.contains(file) => Ok(vec![file.clone()]),
        Some(file) => Err(HubError::NoFile {
            repo: model.repo.clone(),
            commit: listing.commit.clone(),
            file: file.clone(),
            found: listing.files.iter().filter(|name| is_gguf(name)).cloned().collect(),
        }),
    }
}

/// Opens a model from the cache alone.
fn find(model: &HubModel, options: &HubOptions, cache: &ModelCache) -> Result<FetchedModel, HubError> {
    let offline = |missing: Vec<String>, held: Vec<String>| HubError::Offline {
        repo: model.repo.clone(),
        revision: model.revision().to_owned(),
        cache: options.cache.clone(),
        missing,
        held,
    };
    let commit = cache.commit(model.revision());
    let folder = commit.as_ref().map(|commit| cache.snapshot(commit)).filter(|folder| folder.is_dir());
    let (Some(commit), Some(folder)) = (commit, folder) else {
        let everything = model.file.clone().unwrap_or_else(|| "every file of this revision".to_owned());
        return Err(offline(vec![everything], cache.commits()));
    };
    let missing = match &model.file {
        Some(file) if folder.join(file).is_file() => Vec::new(),
        Some(file) => vec![file.clone()],
        None => files::missing(&folder),
    };
    if missing.is_empty() {
        Ok(FetchedModel { folder, commit, downloaded: 0 })
    } else {
        Err(offline(missing, Vec::new()))
    }
}

/// Brings the contents of a file into the cache and returns how many bytes came for it.
fn fetch_blob(
    connection: &Connection,
    cache: &ModelCache,
    commit: &str,
    file: &RemoteFile,
    watch: &mut Watch,
) -> Result<u64, HubError> {
    let blob = cache.blob(&file.etag);
    let before = watch.state.bytes_done;
    let _lock = loop {
        if blob.exists() {
            watch.state.bytes_done = before + file.size;
            return Ok(0);
        }
        if let Some(lock) = cache.lock(&file.etag)? {
            break lock;
        }
        std::thread::sleep(LOCKED);
        watch.tick()?;
    };
    // Between the look and the lock somebody may have finished it.
    if blob.exists() {
        watch.state.bytes_done = before + file.size;
        return Ok(0);
    }
    let mut partial = Partial::open(&blob, &file.etag, file.size, || watch.tick())?;
    let mut downloaded = 0;
    while partial.done < file.size {
        let from = partial.done;
        watch.state.bytes_done = before + from;
        let resumed = connection.stream(commit, file, from, watch, |piece, watch| {
            partial.append(&file.name, piece)?;
            downloaded += piece.len() as u64;
            watch.state.bytes_done = before + partial.done.min(file.size);
            watch.tick()
        })?;
        if !resumed {
            partial.restart(&file.etag)?;
        }
    }
    partial.finish(&file.name, &file.etag, &blob)?;
    watch.state.bytes_done = before + file.size;
    Ok(downloaded)
}

/// The progress, and whoever watches it.
struct Watch<'a> {
    repo: &'a str,
    progress: &'a mut dyn FnMut(&HubProgress) -> Control,
    state: HubProgress,
}

impl Watch<'_> {
    /// Reports, and asks whether to go on.
    fn tick(&mut self) -> Result<(), HubError> {
        match (self.progress)(&self.state) {
            Control::Continue => Ok(()),
            Control::Stop => Err(HubError::Stopped { repo: self.repo.to_owned() }),
        }
    }
}
