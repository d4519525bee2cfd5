//! What can be computed, or asked, again: kept for the next job, and out of git.

use super::Project;
use crate::files;
use std::io;
use std::path::PathBuf;

impl Project {
    /// The folder of the cache. It is no matter for those who share the project in git.
    pub fn cache_folder(&self) -> io::Result<PathBuf> {
        let folder = self.root.join(".cache");
        std::fs::create_dir_all(&folder)?;
        files::write_atomic(&folder.join(".gitignore"), b"*\n")?;
        Ok(folder)
    }
}
