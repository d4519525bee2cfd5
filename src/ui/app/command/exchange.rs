//! Actions on files that come in or go out: import, export, public benchmarks.

use super::About;
use crate::data::{BenchmarkPart, find_benchmark};
use egui_material_icons::icons;
use std::path::PathBuf;

/// An action on a file that comes in or goes out.
#[derive(Clone, Debug, PartialEq)]
pub enum ExchangeCommand {
    /// Open the dialog that imports a file.
    OpenImport,
    /// The same, with a file that was dropped on the window.
    OpenFile(PathBuf),
    /// Open the dialog that exports a set.
    OpenExport(String),
    /// Open the list of public benchmarks.
    OpenBenchmarks,
    /// Read the file that is named in the dialog.
    Read,
    /// Break off what the dialog is doing.
    Stop,
    /// Make a data set of the file that was read.
    Import,
    /// Write the set.
    Export,
    /// Fetch a benchmark's file over the network.
    Fetch(String),
    /// Make a data set of a benchmark's file.
    Add,
    /// Close the dialog.
    Close,
}

impl ExchangeCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::OpenImport => About::new(
                "Import…",
                "Makes a data set of a CSV, JSON, JSON lines, Parquet or text file, after showing what becomes of its rows.",
            )
            .icon(icons::ICON_UPLOAD_FILE),
            Self::OpenFile(file) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                About::new(format!("Import {name}"), "Shows what becomes of the rows of a dropped file.")
                    .icon(icons::ICON_UPLOAD_FILE)
            }
            Self::OpenExport(_) => About::new(
                "Export…",
                "Writes the open set as a file for other programs. Harmful answers stay here unless you say so.",
            )
            .icon(icons::ICON_OUTPUT),
            Self::OpenBenchmarks => About::new(
                "Public benchmarks…",
                "Lists the benchmarks that Plumbline knows, with licences and sources, and brings them into the project.",
            )
            .icon(icons::ICON_LIBRARY_BOOKS),
            Self::Read => About::new("Read file", "Reads the file and shows what becomes of its rows.")
                .icon(icons::ICON_REFRESH),
            Self::Stop => About::new("Stop", "Breaks off what is under way. Nothing is kept of it.")
                .icon(icons::ICON_STOP),
            Self::Import => About::new("Import", "Makes a data set of the file's rows and opens it."),
            Self::Export => {
                About::new("Export", "Writes the set to this file, and replaces a file of this name.")
            }
            Self::Fetch(id) => About::new(fetch_text(id), "Fetches this one file, and nothing else.")
                .icon(icons::ICON_DOWNLOAD),
            Self::Add => About::new("Add to project", "Makes a data set of the benchmark's file and opens it."),
            Self::Close => About::new("Close", "Closes the dialog. What was not imported or written is dropped."),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![
            Self::OpenImport,
            Self::OpenFile("…".into()),
            Self::OpenExport("…".into()),
            Self::OpenBenchmarks,
            Self::Read,
            Self::Stop,
            Self::Import,
            Self::Export,
            Self::Fetch(String::new()),
            Self::Add,
            Self::Close,
        ]
    }
}

/// Names whom a file is asked of, and how much of it comes.
fn fetch_text(id: &str) -> String {
    let known = find_benchmark(id).ok();
    match known.and_then(|(_, part)| Some((host(part)?, part.bytes))) {
        Some((host, Some(bytes))) => format!("Fetch from {host} ({})", size(bytes)),
        Some((host, None)) => format!("Fetch from {host} (size unknown)"),
        None => "Fetch over the network".to_owned(),
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

/// The host that a part's file is asked of.
fn host(part: &BenchmarkPart) -> Option<&str> {
    part.url.as_deref()?.strip_prefix("https://")?.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetching_names_host_and_size() {
        assert_eq!(fetch_text("advbench"), "Fetch from raw.githubusercontent.com (83 kB)");
        assert!(fetch_text("math").starts_with("Fetch from huggingface.co (size unknown)"));
    }
}
