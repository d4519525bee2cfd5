//! What was generated for data sets, and what people decided about it: `generations/<id>/`.

use super::{Manifest, Project, ProjectError, plain_name, unwritable};
use crate::data::{Candidate, Decided, Decision, Review};
use crate::files::AppendLog;
use crate::generate::GenerateSpec;
use std::path::PathBuf;

/// A generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationInfo {
    /// Its id, which is the name of its folder.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What was asked for.
    pub spec: GenerateSpec,
    /// What it was done with, and how it ended.
    pub manifest: Manifest,
}

impl Project {
    /// The generations, newest first.
    #[must_use]
    pub fn generations(&self) -> Vec<GenerationInfo> {
        self.list_generations().0
    }

    pub(super) fn list_generations(&self) -> (Vec<GenerationInfo>, Vec<String>) {
        self.each("generations", |id, folder| {
            let spec = super::history::read_spec::<GenerateSpec>(&folder)?;
            let manifest = Manifest::load(&folder)?;
            Ok(GenerationInfo { id, folder, spec, manifest })
        })
    }

    /// The texts of a generation, with what was decided about them.
    pub fn review(&self, generation: &str) -> Result<Review, ProjectError> {
        let candidates: Vec<Candidate> =
            self.log("generations", "generation", generation, "candidates.jsonl", None)?;
        let decided: Vec<Decided> =
            self.log("generations", "generation", generation, "decisions.jsonl", None)?;
        Ok(Review::new(candidates, decided))
    }

    /// Writes down what somebody decided about a text of a generation. The last word counts; earlier ones stay in the file.
    pub fn decide(&self, generation: &str, candidate: &str, decision: Decision) -> Result<(), ProjectError> {
        self.writable()?;
        let folder = self.root.join("generations").join(generation);
        if !plain_name(generation) || !folder.is_dir() {
            let known = self.generations().into_iter().map(|found| found.id).collect();
            return Err(ProjectError::Unknown { what: "generation", id: generation.to_owned(), known });
        }
        let path = folder.join("decisions.jsonl");
        let line =
            Decided { candidate: candidate.to_owned(), decision, at: jiff::Timestamp::now().to_string() };
        AppendLog::open(&path).and_then(|mut log| log.json(&line)).map_err(|e| unwritable(&path, &e))
    }
}
