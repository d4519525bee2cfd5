//! The folder of one job: spec and manifest from the first moment on, a log, and an honest end whatever happens.

use super::{CancelToken, Ending, EventKind, JobError, JobSpec, Surroundings, guard};
use crate::files::{self, AppendLog};
use crate::project::{DONE, Manifest, Project, ProjectError, STOPPED};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a job's body has at hand.
pub(super) struct Desk<'a> {
    pub folder: PathBuf,
    pub manifest: Manifest,
    pub cancel: &'a CancelToken,
    emit: &'a mut dyn FnMut(EventKind),
    log: AppendLog,
}

/// Files of a model besides its weights that decide what it says.
const DECISIVE: [&str; 7] = [
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// What the body of a job says at its end.
pub(super) struct Outcome {
    pub message: String,
    pub stopped: bool,
}

impl Desk<'_> {
    pub(super) fn emit(&mut self, event: EventKind) {
        (self.emit)(event);
    }

    /// Writes a line into `log.txt` and tells it.
    pub(super) fn note(&mut self, text: impl Into<String>) -> Result<(), JobError> {
        let text = text.into();
        let line = format!("{} {text}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S"));
        self.log.line(&line).map_err(|e| keep(self.log.path(), &e))?;
        self.emit(EventKind::Log(text));
        Ok(())
    }

    /// Opens a log of the folder.
    pub(super) fn open_log(&self, name: &str) -> Result<AppendLog, JobError> {
        let path = self.folder.join(name);
        AppendLog::open(&path).map_err(|e| keep(&path, &e))
    }

    /// Writes a whole JSON file of the folder.
    pub(super) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<PathBuf, JobError> {
        let path = self.folder.join(name);
        let mut bytes = serde_json::to_vec_pretty(value)
            .map_err(|e| JobError::Keep { path: path.clone(), reason: e.to_string() })?;
        bytes.push(b'\n');
        files::write_atomic(&path, &bytes).map_err(|e| keep(&path, &e))?;
        Ok(path)
    }

    /// Notes the hash of a model's weights and tokenizer in the manifest.
    pub(super) fn hash_model(&mut self, id: &str, folder: &Path) -> Result<(), JobError> {
        self.manifest.hashes.extend(model_hashes(id, folder)?);
        Ok(())
    }

    /// Notes the hash of a data set in the manifest.
    pub(super) fn hash_dataset(&mut self, project: &Project, id: &str) -> Result<(), JobError> {
        self.manifest.hashes.insert(format!("datasets/{id}.jsonl"), project.dataset_hash(id)?);
        Ok(())
    }

    /// The error of a job that was stopped while it still got ready.
    pub(super) fn stopped_early(&self) -> Result<(), JobError> {
        if self.cancel.is_cancelled() {
            let message = "The job was stopped while it got ready; nothing was computed.".to_owned();
            return Err(JobError::Stopped { message, folder: Some(self.folder.clone()) });
        }
        Ok(())
    }
}

/// The hashes of a model's weights and tokenizer, and of what it stands on if it is an adapter, by their names in a manifest.
pub(super) fn model_hashes(id: &str, folder: &Path) -> Result<BTreeMap<String, String>, JobError> {
    let mut hashes = BTreeMap::new();
    let files: Vec<PathBuf> = if folder.is_file() {
        vec![folder.to_owned()]
    } else {
        let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
        entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
    };
    hash_files(&format!("models/{id}"), files, &mut hashes)?;
    // An adapter is nothing without what it stands on.
    if let Ok(base) = crate::model::base_folder(folder)
        && base != folder
        && let Ok(entries) = std::fs::read_dir(&base)
    {
        let files = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        hash_files(&format!("models/{id}/base"), files, &mut hashes)?;
    }
    Ok(hashes)
}

/// Adds the hashes of those files that decide what a model says.
fn hash_files(
    group: &str,
    files: Vec<PathBuf>,
    hashes: &mut BTreeMap<String, String>,
) -> Result<(), JobError> {
    for path in files {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let weights = path.extension().is_some_and(|e| e == "safetensors" || e == "gguf");
        if weights || DECISIVE.contains(&name) {
            hashes.insert(format!("{group}/{name}"), hash(&path)?);
        }
    }
    Ok(())
}

/// Makes the job's folder, does `body` in it, and writes how it ended: also after an error, a stop or a panic.
pub(super) fn in_folder(
    project: &mut Project,
    spec: &JobSpec,
    (seed, batch): (u64, usize),
    around: &mut Surroundings,
    body: impl FnOnce(&mut Project, &mut Desk) -> Result<Outcome, JobError>,
) -> Result<Ending, JobError> {
    let (_, folder) = project.new_folder(spec.group(), spec.word())?;
    let path = folder.join("spec.toml");
    let text = spec.to_toml().map_err(|e| JobError::Keep { path: path.clone(), reason: e.to_string() })?;
    files::write_atomic(&path, text.as_bytes()).map_err(|e| keep(&path, &e))?;
    let mut manifest = Manifest::begin(spec.word_of_job(), seed, batch);
    manifest.hashes.insert("spec.toml".to_owned(), hash(&path)?);
    go_on_in_folder(project, folder, manifest, spec.title(), around, body)
}

/// Does `body` in a folder that is there, and writes how it ended.
pub(super) fn go_on_in_folder(
    project: &mut Project,
    folder: PathBuf,
    manifest: Manifest,
    title: String,
    around: &mut Surroundings,
    body: impl FnOnce(&mut Project, &mut Desk) -> Result<Outcome, JobError>,
) -> Result<Ending, JobError> {
    let start = std::time::Instant::now();
    let before = manifest.seconds;
    manifest.save(&folder)?;
    let log_path = folder.join("log.txt");
    let log = AppendLog::open(&log_path).map_err(|e| keep(&log_path, &e))?;
    (around.emit)(EventKind::Started { title, folder: folder.clone() });
    let mut desk = Desk { folder, manifest, cancel: around.cancel, emit: around.emit, log };

    let result = guard(|| body(project, &mut desk));

    let (ended, last) = match &result {
        Ok(Outcome { message, stopped: false }) => (DONE.to_owned(), message.clone()),
        Ok(Outcome { message, stopped: true }) | Err(JobError::Stopped { message, .. }) => {
            (STOPPED.to_owned(), message.clone())
        }
        Err(error) => (format!("failed: {error}"), error.to_string()),
    };
    desk.manifest.ended = ended;
    desk.manifest.finished = Some(jiff::Timestamp::now().to_string());
    desk.manifest.seconds = before + start.elapsed().as_secs_f64();
    let kept = desk.log.line(&last).map_err(|e| keep(&log_path, &e));
    let kept = kept.and(desk.manifest.save(&desk.folder).map_err(JobError::from));
    // What went wrong in the work matters more than that its end could not be written down.
    let Outcome { message, stopped } = result?;
    kept?;
    Ok(Ending { folder: desk.folder, message, stopped })
}

/// SHA-256 of a file.
pub(super) fn hash(path: &Path) -> Result<String, JobError> {
    crate::project::hash_file(path).map_err(|e| unreadable(path, &e))
}

pub(super) fn keep(path: &Path, error: &std::io::Error) -> JobError {
    JobError::Keep { path: path.to_owned(), reason: error.to_string() }
}

fn unreadable(path: &Path, error: &std::io::Error) -> JobError {
    ProjectError::Unreadable { path: path.to_owned(), reason: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::super::conduct;
    use super::*;
    use crate::evaluate::EvaluateSpec;

    /// Does `body` as a job in a fresh project, and returns the events and the manifest that it left.
    fn played(
        cancel: &CancelToken,
        body: impl FnOnce(&mut Project, &mut Desk) -> Result<Outcome, JobError>,
    ) -> (Vec<EventKind>, Manifest) {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::create(&folder.path().join("p"), "Test").unwrap();
        let spec = JobSpec::Evaluate(EvaluateSpec::default());
        let mut events = Vec::new();
        let _ = conduct(cancel, &mut |event| events.push(event), |around| {
            in_folder(&mut project, &spec, (7, 1), around, body)
        });
        let Some(EventKind::Started { folder, .. }) = events.first() else { panic!("{events:?}") };
        let manifest = Manifest::load(folder).unwrap();
        (events, manifest)
    }

    #[test]
    fn a_panic_becomes_a_failed_job_with_a_manifest_that_says_so() {
        let (events, manifest) = played(&CancelToken::default(), |_, _| panic!("index out of bounds"));
        let Some(EventKind::Failed { message }) = events.last() else { panic!("{events:?}") };
        assert!(message.contains("index out of bounds") && message.contains("report"), "{message}");
        assert!(manifest.ended.starts_with("failed: ") && manifest.ended.contains("index out of bounds"));
        assert!(manifest.finished.is_some());
    }

    #[test]
    fn a_job_that_is_stopped_says_so_in_event_and_manifest() {
        let cancel = CancelToken::default();
        let (events, manifest) = played(&cancel.clone(), move |_, desk| {
            cancel.cancel();
            desk.stopped_early()?;
            panic!("went on after it was stopped")
        });
        assert!(matches!(events.last(), Some(EventKind::Stopped { .. })), "{events:?}");
        assert_eq!(manifest.ended, STOPPED);
    }

    #[test]
    fn the_manifest_says_running_while_the_job_runs() {
        let (events, manifest) = played(&CancelToken::default(), |_, desk| {
            assert_eq!(Manifest::load(&desk.folder).unwrap().ended, crate::project::RUNNING);
            desk.note("half way")?;
            assert!(std::fs::read_to_string(desk.folder.join("log.txt")).unwrap().contains("half way"));
            Ok(Outcome { message: "All is done.".into(), stopped: false })
        });
        assert_eq!(events.last(), Some(&EventKind::Done { message: "All is done.".into() }));
        assert_eq!((manifest.ended.as_str(), manifest.seed), (DONE, 7));
    }
}
