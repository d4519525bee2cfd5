//! What one person likes, on this machine: a small file in the user's configuration folder.

use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the file that this build writes.
const VERSION: u32 = 1;
/// The file's name.
const NAME: &str = "preferences.toml";
/// Projects that are remembered.
const RECENT: usize = 8;
/// The smallest and the largest scale.
pub const SCALES: std::ops::RangeInclusive<f32> = 0.7..=2.5;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// As people read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::System => "As the system",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    /// What choosing it is called.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::System => "Colours as the system",
            Self::Light => "Light colours",
            Self::Dark => "Dark colours",
        }
    }
}

/// What one person likes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// The version of the file.
    pub version: u32,
    /// Light or dark.
    pub theme: Theme,
    /// How large everything is; 1 = the usual size.
    pub scale: f32,
    /// Whether the tour was taken or skipped.
    pub toured: bool,
    /// Whether harmful answers are shown without being asked for.
    pub uncovered: bool,
    /// The name under which this person labels and writes; empty if none was given.
    pub author: String,
    /// Projects opened last, newest first.
    pub recent: Vec<PathBuf>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            version: VERSION,
            theme: Theme::System,
            scale: 1.0,
            toured: false,
            uncovered: false,
            author: String::new(),
            recent: Vec::new(),
        }
    }
}

impl Preferences {
    /// What stands in the folder; the defaults where nothing can be read. Preferences are never worth an error.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join(NAME)).unwrap_or_default();
        let mut read: Self = toml::from_str(&text).unwrap_or_else(|e| {
            log::warn!("the preferences cannot be read and start anew: {e}");
            Self::default()
        });
        read.version = VERSION;
        read.scale =
            if read.scale.is_finite() { read.scale.clamp(*SCALES.start(), *SCALES.end()) } else { 1.0 };
        read
    }

    /// Writes them into the folder.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(folder)?;
        files::write_atomic(&folder.join(NAME), text.as_bytes()).map_err(std::io::Error::other)
    }

    /// Puts a project at the head of those opened last.
    pub fn opened(&mut self, root: &Path) {
        self.recent.retain(|known| known != root);
        self.recent.insert(0, root.to_owned());
        self.recent.truncate(RECENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_survive_their_file_and_a_damaged_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("config");
        assert_eq!(Preferences::load(&folder), Preferences::default());
        let mut own = Preferences { theme: Theme::Dark, scale: 1.5, ..Preferences::default() };
        for name in ["a", "b", "a"] {
            own.opened(Path::new(name));
        }
        own.save(&folder).unwrap();
        let read = Preferences::load(&folder);
        assert_eq!(read, own);
        assert_eq!(read.recent, [PathBuf::from("a"), PathBuf::from("b")]);
        std::fs::write(folder.join(NAME), "scale = \"huge\"").unwrap();
        assert_eq!(Preferences::load(&folder), Preferences::default());
        std::fs::write(folder.join(NAME), "scale = 99.0\nfrom_the_future = 1").unwrap();
        assert!((Preferences::load(&folder).scale - 2.5).abs() < 1e-6);
    }
}
