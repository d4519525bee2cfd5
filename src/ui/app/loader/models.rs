//! What the Models screen asks for.

use super::room::{NOT_OPEN, Room, free_id};
use crate::demo;
use crate::model;
use crate::project::{ModelEntry, ModelRole, Project, hash_file, id_from_title};
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
    /// Add the demo pair, unless the project has it.
    AddDemoPair,
    /// Give a model another title, role, parent or note.
    Update(ModelEntry),
    /// Take a model off the project's list; its files stay.
    Remove(String),
    /// Put a model back that was taken off.
    PutBack(ModelEntry),
}

/// What comes back to it.
#[derive(Debug)]
pub enum ModelsReply {
    /// A model was added under this id, or why not.
    Added(Result<String, String>),
    /// The list was changed, with what to say of it; or why not.
    Changed(Result<String, String>),
    /// A model was taken off the list, or why not.
    Removed(Result<ModelEntry, String>),
    /// A model that was taken off could not be put back.
    NotBack {
        /// The model.
        entry: ModelEntry,
        /// Why not.
        error: String,
    },
}

impl Room {
    pub(super) fn models(&mut self, request: ModelsRequest) -> ModelsReply {
        match request {
            ModelsRequest::Add { folder, title, role } => {
                ModelsReply::Added(self.add_model(&folder, &title, role))
            }
            ModelsRequest::AddDemoPair => ModelsReply::Changed(self.add_demo_pair()),
            ModelsRequest::Update(entry) => {
                let said = format!("{} is changed.", entry.id);
                ModelsReply::Changed(self.with_project(|project| project.update_model(entry)).map(|()| said))
            }
            ModelsRequest::Remove(id) => ModelsReply::Removed(self.with_project(|project| {
                let entry = project.model(&id).cloned();
                project.remove_model(&id)?;
                Ok(entry.unwrap_or_default())
            })),
            ModelsRequest::PutBack(entry) => {
                let back = self.with_project(|project| project.add_model(entry.clone()));
                match back {
                    Ok(()) => ModelsReply::Changed(Ok(format!("{} is back.", entry.id))),
                    Err(error) => ModelsReply::NotBack { entry, error },
                }
            }
        }
    }

    fn with_project<T>(
        &mut self,
        change: impl FnOnce(&mut Project) -> Result<T, crate::project::ProjectError>,
    ) -> Result<T, String> {
        change(self.project.as_mut().ok_or(NOT_OPEN)?).map_err(|e| e.to_string())
    }

    fn add_model(&mut self, folder: &Path, title: &str, role: ModelRole) -> Result<String, String> {
        let folder = std::path::absolute(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        // Loading it whole now finds what headers cannot show: cut files, tensors that do not fit, small vocabularies.
        model::open(&folder).map_err(|e| e.to_string())?;
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        let id = free_id(id_from_title(title, "model"), |id| project.model(id).is_some());
        let parent = base_of(project, &folder);
        let entry = ModelEntry {
            id: id.clone(),
            title: title.trim().to_owned(),
            role,
            location: folder,
            parent,
            note: String::new(),
        };
        project.add_model(entry).map_err(|e| e.to_string())?;
        Ok(id)
    }

    /// Unpacks those of the pair that the project has not, under ids that are free.
    fn add_demo_pair(&mut self) -> Result<String, String> {
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        if let Some(reason) = project.read_only_reason() {
            return Err(format!("The project can only be read here: {reason}."));
        }
        let models = project.root().join("models");
        let unusable = |e: std::io::Error| format!("{} cannot be written: {e}.", models.display());
        std::fs::create_dir_all(&models).map_err(unusable)?;
        let beside = tempfile::Builder::new().prefix(".writing-").tempdir_in(&models).map_err(unusable)?;
        demo::unpack_pair(beside.path()).map_err(|e| e.to_string())?;
        let mut made = Vec::new();
        let mut base = None;
        for (name, title, role) in
            [("base", "Demo base", ModelRole::Base), ("aligned", "Demo aligned", ModelRole::Aligned)]
        {
            let unpacked = beside.path().join("models").join(name);
            let id = match same_weights(project, &unpacked) {
                Some(id) => id,
                None => {
                    let taken = |id: &str| project.model(id).is_some() || models.join(id).exists();
                    let id = free_id(format!("demo-{name}"), taken);
                    std::fs::rename(&unpacked, models.join(&id)).map_err(unusable)?;
                    let entry = ModelEntry {
                        id: id.clone(),
                        title: title.to_owned(),
                        role,
                        location: models.join(&id),
                        parent: base.take(),
                        note: "Of the fictional world Emberfall.".to_owned(),
                    };
                    project.add_model(entry).map_err(|e| e.to_string())?;
                    made.push(id.clone());
                    id
                }
            };
            base = Some(id);
        }
        Ok(match made.as_slice() {
            [] => "This project has both models of the demo pair already.".to_owned(),
            made => format!("Added {}.", made.join(" and ")),
        })
    }
}

/// The model of the project that an adapter stands on.
fn base_of(project: &Project, folder: &Path) -> Option<String> {
    let base = model::base_folder(folder).ok().filter(|base| base != folder)?.canonicalize().ok()?;
    let is_base = |entry: &&ModelEntry| {
        project.root().join(&entry.location).canonicalize().is_ok_and(|other| other == base)
    };
    project.models().iter().find(is_base).map(|entry| entry.id.clone())
}

/// The model of the project whose weights are the same bytes.
fn same_weights(project: &Project, folder: &Path) -> Option<String> {
    let weights = |folder: &Path| folder.join("model.safetensors");
    let size = |file: &Path| std::fs::metadata(file).map(|there| there.len()).ok();
    let own = weights(folder);
    let (length, hash) = (size(&own)?, hash_file(&own).ok()?);
    project
        .models()
        .iter()
        .find(|entry| {
            let other = weights(&project.root().join(&entry.location));
            size(&other) == Some(length) && hash_file(&other).is_ok_and(|other| other == hash)
        })
        .map(|entry| entry.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_pair_is_added_once_and_stands_beside_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("p");
        let mut project = Project::create(&root, "p").unwrap();
        std::fs::create_dir_all(root.join("models/demo-base")).unwrap();
        let entry =
            |id: &str| ModelEntry { id: id.into(), location: "models/x".into(), ..ModelEntry::default() };
        project.add_model(entry("demo-aligned")).unwrap();
        let mut room = Room { project: Some(project), ..Room::default() };
        assert_eq!(room.add_demo_pair().unwrap(), "Added demo-base-2 and demo-aligned-2.");
        let project = room.project.as_ref().unwrap();
        let aligned = project.model("demo-aligned-2").unwrap();
        assert_eq!(aligned.parent.as_deref(), Some("demo-base-2"));
        assert_eq!(aligned.location, Path::new("models/demo-aligned-2"));
        assert!(project.open_model("demo-aligned-2").is_ok());
        assert!(room.add_demo_pair().unwrap().contains("already"));
        // What cannot be put back is not lost.
        let again = room.models(ModelsRequest::PutBack(entry("demo-aligned")));
        assert!(
            matches!(&again, ModelsReply::NotBack { entry, .. } if entry.id == "demo-aligned"),
            "{again:?}"
        );
        assert_eq!(std::fs::read_dir(root.join("models")).unwrap().count(), 3, "nothing half made stays");
    }
}
