//! A set as a file for other programs.

use crate::data::{ExportSpec, export as write};
use crate::project::Project;
use std::path::PathBuf;

/// Asks for a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRequest {
    /// The project.
    pub root: PathBuf,
    /// The set.
    pub set: String,
    /// How it is written.
    pub spec: ExportSpec,
    /// The file.
    pub file: PathBuf,
}

pub(super) fn export(request: ExportRequest) -> Result<PathBuf, String> {
    let project = Project::open(&request.root).map_err(|e| e.to_string())?;
    let examples = project.examples(&request.set).map_err(|e| e.to_string())?;
    // The folder that is proposed is made when it is first used; any other is there, or its name is mistyped.
    let exports = request.root.join("exports");
    if request.file.parent() == Some(exports.as_path()) {
        std::fs::create_dir_all(&exports)
            .map_err(|e| format!("{} cannot be made: {e}", exports.display()))?;
    }
    write(&request.file, &examples, request.spec).map_err(|e| e.to_string())?;
    Ok(request.file)
}
