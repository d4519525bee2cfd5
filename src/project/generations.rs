//! What was generated for data sets, and what people decided about it: `generations/<id>/`.

use super::DatasetEntry;
use super::{Manifest, Project, ProjectError, plain_name, unwritable};
use crate::data::{
    Candidate, DatasetKind, Decided, Decision, Examples, REFUSAL_TEMPLATES, Review, anchor_examples,
    recovery_examples,
};
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

    /// Makes data set `id` of the accepted texts of some generations: recovery examples, or conversations for an anchor. With
    /// `templates`, a template stands in where no refusal was accepted. Gives the number of examples, and the requests that
    /// lack a part.
    pub fn assemble(
        &mut self,
        id: &str,
        kind: DatasetKind,
        from: &[String],
        templates: bool,
    ) -> Result<(usize, Vec<String>), ProjectError> {
        let reviews = from.iter().map(|id| self.review(id)).collect::<Result<Vec<Review>, _>>()?;
        let templates: &[&str] = if templates { &REFUSAL_TEMPLATES } else { &[] };
        let (examples, missing) = match kind {
            DatasetKind::Recovery => {
                let (rows, missing) = recovery_examples(&reviews, templates);
                (Examples::Recovery(rows), missing)
            }
            _ => (Examples::Chat(anchor_examples(&reviews)), Vec::new()),
        };
        if examples.is_empty() {
            return Err(ProjectError::NothingAccepted { kind: kind.label(), missing });
        }
        let mut entry = DatasetEntry::new(id, id, examples.kind());
        entry.source = format!("generated: {}", from.join(", "));
        self.add_dataset(entry, &examples)?;
        Ok((examples.len(), missing))
    }
}
