//! The models of a project: where they are, what they are, and which came from which.

use super::{ModelRole, Project, ProjectError, check_id};
use crate::model;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// A model of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Its id, unique in the project.
    pub id: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
    /// What it is in the story.
    #[serde(default)]
    pub role: ModelRole,
    /// Its folder: relative to the project, or absolute.
    pub location: PathBuf,
    /// Id of the model it was trained from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl ModelEntry {
    /// Refuses a relative location that leads out of the project.
    pub(super) fn check_location(&self) -> Result<(), ProjectError> {
        let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        if self.location.is_absolute() || self.location.components().all(inside) {
            return Ok(());
        }
        Err(ProjectError::Outside { id: self.id.clone(), location: self.location.clone() })
    }
}

impl Project {
    /// The models, in the order in which they were added.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.file.models
    }

    /// The model with this id.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&ModelEntry> {
        self.file.models.iter().find(|model| model.id == id)
    }

    /// The folder of a model.
    pub fn model_folder(&self, id: &str) -> Result<PathBuf, ProjectError> {
        // Joining an absolute path gives that path.
        self.model(id).map(|model| self.root.join(&model.location)).ok_or_else(|| self.unknown_model(id))
    }

    /// Opens a model to answer: a checkpoint, an adapter, or a GGUF file.
    pub fn open_model(&self, id: &str) -> Result<model::Model, ProjectError> {
        model::open(&self.model_folder(id)?)
            .map_err(|source| ProjectError::Model { id: id.to_owned(), source })
    }

    /// Loads a checkpoint, which can be trained.
    pub fn load_model(&self, id: &str) -> Result<model::Checkpoint, ProjectError> {
        model::load(&self.model_folder(id)?)
            .map_err(|source| ProjectError::Model { id: id.to_owned(), source })
    }

    /// Adds a model. A folder inside the project is noted relative to it, so that the project can be moved.
    pub fn add_model(&mut self, mut entry: ModelEntry) -> Result<(), ProjectError> {
        check_id("model", &entry.id)?;
        if let Ok(inside) = entry.location.strip_prefix(&self.root).map(Path::to_owned) {
            entry.location = inside;
        }
        entry.check_location()?;
        self.change(|file| {
            if file.models.iter().any(|model| model.id == entry.id) {
                return Err(ProjectError::Duplicate { what: "model", id: entry.id });
            }
            file.models.push(entry);
            Ok(())
        })
    }

    /// Replaces title, role, parent and note of a model by those of `entry`, which names it by its id.
    pub fn update_model(&mut self, entry: ModelEntry) -> Result<(), ProjectError> {
        let unknown = self.unknown_model(&entry.id);
        entry.check_location()?;
        self.change(|file| match file.models.iter_mut().find(|model| model.id == entry.id) {
            Some(model) => {
                *model = entry;
                Ok(())
            }
            None => Err(unknown),
        })
    }

    /// Takes a model off the list. Its folder stays where it is.
    pub fn remove_model(&mut self, id: &str) -> Result<(), ProjectError> {
        let unknown = self.unknown_model(id);
        self.change(|file| {
            let before = file.models.len();
            file.models.retain(|model| model.id != id);
            if file.models.len() == before { Err(unknown) } else { Ok(()) }
        })
    }

    pub(super) fn unknown_model(&self, id: &str) -> ProjectError {
        let known = self.file.models.iter().map(|model| model.id.clone()).collect();
        ProjectError::Unknown { what: "model", id: id.to_owned(), known }
    }
}
