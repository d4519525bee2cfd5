//! `project.toml`.

use super::{ModelEntry, ProjectError, check_id, unreadable, write};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the project format that this build writes.
pub const FORMAT_VERSION: i64 = 1;

/// The file's name.
pub(super) const NAME: &str = "project.toml";

/// What stands in `project.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectFile {
    pub format_version: i64,
    pub title: String,
    #[serde(default)]
    pub notes: String,
    #[serde(default)]
    pub models: Vec<ModelEntry>,
}

/// What is read first: the version says whether the rest can be understood.
#[derive(Deserialize)]
struct Version {
    format_version: i64,
}

impl ProjectFile {
    pub(super) fn new(title: &str) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            title: title.to_owned(),
            notes: String::new(),
            models: Vec::new(),
        }
    }

    pub(super) fn load(root: &Path) -> Result<Self, ProjectError> {
        let path = root.join(NAME);
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                ProjectError::NoProject { root: root.to_owned() }
            }
            _ => unreadable(&path, &e),
        })?;
        let malformed = |reason: String| ProjectError::Malformed { file: path.clone(), reason };
        let version: Version = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        if version.format_version > FORMAT_VERSION {
            let (found, known) = (version.format_version, FORMAT_VERSION);
            return Err(ProjectError::Newer { file: path, found, known });
        }
        let file: Self = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        for (index, model) in file.models.iter().enumerate() {
            check_id("model", &model.id).map_err(|e| malformed(e.to_string()))?;
            model.check_location().map_err(|e| malformed(e.to_string()))?;
            if file.models[..index].iter().any(|earlier| earlier.id == model.id) {
                return Err(malformed(format!("model \"{}\" is listed twice", model.id)));
            }
        }
        Ok(file)
    }

    pub(super) fn save(&self, root: &Path) -> Result<(), ProjectError> {
        let path = root.join(NAME);
        let text = toml::to_string(self)
            .map_err(|e| ProjectError::Unwritable { path: path.clone(), reason: e.to_string() })?;
        write(&path, text.as_bytes())
    }
}
