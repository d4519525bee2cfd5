//! What was done in a project: its runs and evaluations, read from their folders.

use super::{DatasetEntry, GenerationInfo, Manifest, Project, ProjectError, plain_name, unreadable};
use crate::evaluate::{EvaluateSpec, GcgLine, KlLine, Records, Response, Summary, VerdictRow};
use crate::files::read_lines_dropping_torn;
use crate::train::{DynamicsPoint, TrainSpec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A training run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// Its id, which is the name of its folder.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What was asked for.
    pub spec: TrainSpec,
    /// What it was done with, and how it ended.
    pub manifest: Manifest,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationInfo {
    /// Its id, which is the name of its folder.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What was asked for.
    pub spec: EvaluateSpec,
    /// What it was done with, and how it ended.
    pub manifest: Manifest,
    /// What it found; `None` if it did not get to its end.
    pub summary: Option<Summary>,
}

/// What a project's folder holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Its data sets.
    pub datasets: Vec<DatasetEntry>,
    /// Its training runs, newest first.
    pub runs: Vec<RunInfo>,
    /// Its evaluations, newest first.
    pub evaluations: Vec<EvaluationInfo>,
    /// What models wrote, newest first.
    pub generations: Vec<GenerationInfo>,
    /// Everything that cannot be used, in words.
    pub problems: Vec<String>,
}

/// A line of `metrics.jsonl`: one training step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedStep {
    /// Steps done, this one included.
    pub step: usize,
    /// Steps of the whole run.
    pub total: usize,
    /// The objective.
    pub loss: f64,
    /// Mean cross-entropy of the recovery tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_loss: Option<f64>,
    /// Mean cross-entropy of the anchor tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_loss: Option<f64>,
    /// The learning rate.
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Tokens in the rows of this step.
    pub tokens: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Project {
    /// The training runs, newest first. One that cannot be read is among the [`problems`](Self::problems) instead.
    #[must_use]
    pub fn runs(&self) -> Vec<RunInfo> {
        self.list_runs().0
    }

    /// One training run.
    pub fn run(&self, id: &str) -> Result<RunInfo, ProjectError> {
        let folder = self.root.join("runs").join(id);
        if !plain_name(id) || !folder.is_dir() {
            let known = self.runs().into_iter().map(|run| run.id).collect();
            return Err(ProjectError::Unknown { what: "run", id: id.to_owned(), known });
        }
        let (spec, manifest) = (read_spec::<TrainSpec>(&folder)?, Manifest::load(&folder)?);
        Ok(RunInfo { id: id.to_owned(), folder, spec, manifest })
    }

    /// The evaluations, newest first. One that cannot be read is among the [`problems`](Self::problems) instead.
    #[must_use]
    pub fn evaluations(&self) -> Vec<EvaluationInfo> {
        self.list_evaluations().0
    }

    /// One evaluation.
    pub fn evaluation(&self, id: &str) -> Result<EvaluationInfo, ProjectError> {
        let folder = self.root.join("evaluations").join(id);
        if !plain_name(id) || !folder.is_dir() {
            let known = self.folders("evaluations");
            return Err(ProjectError::Unknown { what: "evaluation", id: id.to_owned(), known });
        }
        read_evaluation(id.to_owned(), folder)
    }

    /// Everything that an evaluation's logs hold.
    pub fn records(&self, evaluation: &str) -> Result<Records, ProjectError> {
        Ok(Records {
            responses: self.responses(evaluation, None)?,
            verdicts: self.verdicts(evaluation)?,
            kl: self.kl(evaluation)?,
        })
    }

    /// KL along each answer of an evaluation; empty where it was not measured.
    pub fn kl(&self, evaluation: &str) -> Result<Vec<KlLine>, ProjectError> {
        self.log("evaluations", "evaluation", evaluation, "kl.jsonl", None)
    }

    /// The steps of a run.
    pub fn metrics(&self, run: &str) -> Result<Vec<LoggedStep>, ProjectError> {
        self.log("runs", "run", run, "metrics.jsonl", None)
    }

    /// What was measured at each answer position during a run; empty where nothing was.
    pub fn dynamics(&self, run: &str) -> Result<Vec<DynamicsPoint>, ProjectError> {
        self.log("runs", "run", run, "dynamics.jsonl", None)
    }

    /// The first `limit` answers of an evaluation.
    pub fn responses(&self, evaluation: &str, limit: Option<usize>) -> Result<Vec<Response>, ProjectError> {
        self.log("evaluations", "evaluation", evaluation, "responses.jsonl", limit)
    }

    /// The steps of an evaluation's searches for suffixes; empty where nothing was searched for.
    pub fn searches(&self, evaluation: &str) -> Result<Vec<GcgLine>, ProjectError> {
        self.log("evaluations", "evaluation", evaluation, "gcg.jsonl", None)
    }

    /// The verdicts of an evaluation.
    pub fn verdicts(&self, evaluation: &str) -> Result<Vec<VerdictRow>, ProjectError> {
        self.log("evaluations", "evaluation", evaluation, "verdicts.jsonl", None)
    }

    /// Everything in the folder that cannot be used, in words; empty for a sound project.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.contents().problems
    }

    /// Everything in the folder, each file read once.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let (datasets, mut problems) = self.list_datasets();
        let (runs, of_runs) = self.list_runs();
        let (evaluations, of_evaluations) = self.list_evaluations();
        let (generations, of_generations) = self.list_generations();
        problems.extend(of_runs.into_iter().chain(of_evaluations).chain(of_generations));
        for model in self.models() {
            let folder = self.root.join(&model.location);
            // A GGUF model is a file.
            if !folder.exists() {
                problems.push(format!(
                    "The folder of model \"{}\" is missing: {}. Put it back, or remove the model from the project.",
                    model.id,
                    folder.display()
                ));
            }
        }
        Contents { datasets, runs, evaluations, generations, problems }
    }

    fn list_runs(&self) -> (Vec<RunInfo>, Vec<String>) {
        self.each("runs", |id, folder| {
            let spec = read_spec::<TrainSpec>(&folder)?;
            let manifest = Manifest::load(&folder)?;
            Ok(RunInfo { id, folder, spec, manifest })
        })
    }

    fn list_evaluations(&self) -> (Vec<EvaluationInfo>, Vec<String>) {
        self.each("evaluations", read_evaluation)
    }

    /// Reads every folder of a group, newest first, and says what could not be read.
    pub(super) fn each<T>(
        &self,
        group: &str,
        read: impl Fn(String, PathBuf) -> Result<T, ProjectError>,
    ) -> (Vec<T>, Vec<String>) {
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        let parent = self.root.join(group);
        let mut folders: Vec<PathBuf> = match std::fs::read_dir(&parent) {
            Ok(entries) => entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.is_dir()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                problems.push(unreadable(&parent, &e).to_string());
                Vec::new()
            }
        };
        folders.sort();
        for folder in folders.into_iter().rev() {
            let Some(id) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            match read(id, folder) {
                Ok(info) => found.push(info),
                Err(e) => problems.push(e.to_string()),
            }
        }
        (found, problems)
    }

    /// The names of the folders in a group.
    fn folders(&self, group: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(group)).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The lines of a log. A line in the middle that is not what it should be is an error, not skipped.
    pub(super) fn log<T: DeserializeOwned>(
        &self,
        group: &str,
        what: &'static str,
        id: &str,
        name: &str,
        limit: Option<usize>,
    ) -> Result<Vec<T>, ProjectError> {
        let folder = self.root.join(group).join(id);
        if !plain_name(id) || !folder.is_dir() {
            return Err(ProjectError::Unknown { what, id: id.to_owned(), known: self.folders(group) });
        }
        let path = folder.join(name);
        let lines = read_lines_dropping_torn(&path).map_err(|e| unreadable(&path, &e))?;
        lines
            .iter()
            .take(limit.unwrap_or(usize::MAX))
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|e| ProjectError::Malformed {
                    file: path.clone(),
                    reason: format!("line {}: {e}", index + 1),
                })
            })
            .collect()
    }
}

fn read_evaluation(id: String, folder: PathBuf) -> Result<EvaluationInfo, ProjectError> {
    let spec = read_spec::<EvaluateSpec>(&folder)?;
    let manifest = Manifest::load(&folder)?;
    let path = folder.join("summary.json");
    let summary = match std::fs::read(&path) {
        Ok(bytes) => Some(
            serde_json::from_slice(&bytes)
                .map_err(|e| ProjectError::Malformed { file: path, reason: e.to_string() })?,
        ),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(unreadable(&path, &e)),
    };
    Ok(EvaluationInfo { id, folder, spec, manifest, summary })
}

/// Reads `spec.toml` without its first word, which says what kind of job it is.
pub(super) fn read_spec<T: DeserializeOwned>(folder: &Path) -> Result<T, ProjectError> {
    let path = folder.join("spec.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
    let malformed = |reason: String| ProjectError::Malformed { file: path.clone(), reason };
    let mut table: toml::Table = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
    table.remove("job");
    table.try_into().map_err(|e: toml::de::Error| malformed(e.to_string()))
}
