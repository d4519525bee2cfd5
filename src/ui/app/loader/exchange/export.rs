//! A set as a file for other programs.

use super::{Line, STOPPED};
use crate::data::ExportSpec;
use crate::project::Project;
use std::path::{Path, PathBuf};

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

pub(super) fn export(request: ExportRequest, line: &Line<'_>) -> Result<PathBuf, String> {
    let project = Project::open(&request.root).map_err(|e| e.to_string())?;
    let examples = project.examples(&request.set).map_err(|e| e.to_string())?;
    // The window's count may be older than the last edit; the file is what counts.
    if examples.is_empty() {
        return Err("This set is empty.".to_owned());
    }
    line.still_wanted()?;
    // The folder that is proposed is made when it is first used; any other is there, or its name is mistyped.
    let exports = request.root.join("exports");
    if request.file.parent() == Some(exports.as_path()) {
        std::fs::create_dir_all(&exports)
            .map_err(|e| format!("{} cannot be made: {e}", exports.display()))?;
    }
    if is_own(&request.file, &request.root) {
        return Err(
            "Inside the project, only the folder exports takes files. Choose another folder.".to_owned()
        );
    }
    let written = request.spec.export_unless(&request.file, &examples, || line.is_stale());
    if written.map_err(|e| e.to_string())? { Ok(request.file) } else { Err(STOPPED.to_owned()) }
}

/// Whether a file would stand among the project's own, also if a link leads there.
fn is_own(file: &Path, root: &Path) -> bool {
    // A folder that is not there cannot be written to, which is said when that is tried.
    let Some(Ok(folder)) = file.parent().map(Path::canonicalize) else { return false };
    let Ok(root) = root.canonicalize() else { return false };
    folder.starts_with(&root) && !folder.starts_with(root.join("exports"))
}
