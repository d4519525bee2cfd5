//! What the Models screen asks for.

use super::room::{NOT_OPEN, Room, free_id};
use crate::model;
use crate::project::{ModelEntry, ModelRole, id_from_title};
use std::path::{Path, PathBuf};

/// What the Models screen asks for.
#[derive(Clone, Debug)]
pub enum ModelsRequest {
    /// Check a folder and add it as a model.
    Add {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// Its title; its id is made of it.
        title: String,
        /// Its role.
        role: ModelRole,
    },
}

/// What comes back to it.
#[derive(Debug)]
pub enum ModelsReply {
    /// A model was added under this id, or why not.
    Added(Result<String, String>),
}

impl Room {
    pub(super) fn models(&mut self, request: ModelsRequest) -> ModelsReply {
        match request {
            ModelsRequest::Add { folder, title, role } => {
                ModelsReply::Added(self.add_model(&folder, &title, role))
            }
        }
    }

    fn add_model(&mut self, folder: &Path, title: &str, role: ModelRole) -> Result<String, String> {
        let folder = std::path::absolute(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        // Loading it whole now finds what headers cannot show: cut files, tensors that do not fit, small vocabularies.
        model::open(&folder).map_err(|e| e.to_string())?;
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        let id = free_id(id_from_title(title, "model"), |id| project.model(id).is_some());
        let entry = ModelEntry {
            id: id.clone(),
            title: title.trim().to_owned(),
            role,
            location: folder,
            parent: None,
            note: String::new(),
        };
        project.add_model(entry).map_err(|e| e.to_string())?;
        Ok(id)
    }
}
