//! What a project shows of itself outside the window: charts as plain data, and the pages and files made of them.

mod categories;
mod chart;
mod charts;
mod escape;
mod grid;
mod look;
mod page;
mod picture;
mod spreadsheet;
mod svg;
mod tables;

pub use categories::{category_chart, category_csv};
pub use chart::{Chart, Hue, Scale, Series, Spread, role_rgb};
pub use charts::{kl_chart, prefill_charts, temperature_charts};
pub use grid::{GridRow, RateGrid, rate_grids, results_csv};
pub use look::{Dash, Marker, role_dash, role_marker};
pub use page::{Parts, ReportSpec, Section, page, write_report};
pub use spreadsheet::chart_csv;
pub use tables::{Row, Table, attack_words, depth_table, pairs_table, rates_table, utility_table};

use crate::files;
use crate::project::{Project, ProjectError, id_from_title};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// Why a report or a file of a chart could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It cannot be written.
    #[error(
        "{path} cannot be written: {reason}. Choose another place, or free the space and the permission."
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file would not be a page: it could be one of the project's own.
    #[error("{path} does not end in .html. A report is one HTML file: give it such a name.")]
    NotAPage {
        /// The file.
        path: PathBuf,
    },
    /// A chart cannot be drawn.
    #[error("The chart cannot be drawn as a picture: {reason}. Save it as CSV instead.")]
    Picture {
        /// Why.
        reason: String,
    },
    /// There is nothing to report on.
    #[error("The report would be empty. Choose at least one evaluation and one section.")]
    Empty,
    /// An evaluation has found nothing yet.
    #[error("The evaluation {id} did not get to its end. Let it go on, or leave it out of the report.")]
    Unfinished {
        /// The evaluation.
        id: String,
    },
    /// The project does not give what is asked for.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

/// Writes a chart into the folder `reports/charts` of a project, as a picture or as a table, and gives the file. It gets
/// the first number that is free: no older file is replaced.
pub fn save_chart(project: &Project, chart: &Chart<'_>, picture: bool) -> Result<PathBuf, ReportError> {
    writable(project)?;
    let bytes = if picture { picture::png(&svg::svg(chart))? } else { chart_csv(chart).into_bytes() };
    let (name, ending) = (id_from_title(&chart.id, "chart"), if picture { "png" } else { "csv" });
    save_numbered(project, "charts", &name, ending, &bytes)
}

/// Writes a table into the folder `reports/tables` of a project as CSV, and gives the file: the first number that is free.
pub fn save_table(project: &Project, name: &str, csv: &str) -> Result<PathBuf, ReportError> {
    writable(project)?;
    save_numbered(project, "tables", &id_from_title(name, "table"), "csv", csv.as_bytes())
}

fn save_numbered(
    project: &Project,
    group: &str,
    name: &str,
    ending: &str,
    bytes: &[u8],
) -> Result<PathBuf, ReportError> {
    let folder = project.root().join("reports").join(group);
    std::fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    let mut number = 1;
    loop {
        let path = folder.join(format!("{name}-{number}.{ending}"));
        // The empty file keeps the number from another window that saves the same chart now.
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => {
                return match files::write_atomic(&path, bytes) {
                    Ok(()) => Ok(path),
                    Err(e) => {
                        let _ = std::fs::remove_file(&path);
                        Err(unwritable(&path, &e))
                    }
                };
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(unwritable(&path, &e)),
        }
    }
}

/// Refuses to write into a project that somebody else has open.
fn writable(project: &Project) -> Result<(), ReportError> {
    match project.read_only_reason() {
        None => Ok(()),
        Some(reason) => {
            Err(ProjectError::ReadOnly { root: project.root().to_owned(), reason: reason.to_owned() }.into())
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> ReportError {
    ReportError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_chart_never_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(folder.path(), "charts").unwrap();
        let chart = svg::tests::example();
        let names: Vec<String> = (0..2)
            .map(|_| save_chart(&project, &chart, false).unwrap())
            .map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["reports/charts/an-example-1.csv", "reports/charts/an-example-2.csv"]);
        let text = std::fs::read_to_string(folder.path().join(&names[0])).unwrap();
        assert_eq!(text, chart_csv(&chart));
        let second = Project::open(folder.path()).unwrap();
        assert!(save_chart(&second, &chart, false).is_err(), "another window has it open");
    }

    #[test]
    fn a_picture_is_a_png_with_letters() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(folder.path(), "charts").unwrap();
        let chart = svg::tests::example();
        let path = save_chart(&project, &chart, true).unwrap();
        assert!(path.ends_with("reports/charts/an-example-1.png"), "{}", path.display());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(number(16), 1520);
        assert!((700..1000).contains(&number(20)), "{}", number(20));
        let mute = Chart { question: "".into(), ..chart };
        assert!(picture::png(&svg::svg(&mute)).unwrap().len() < bytes.len(), "letters leave no mark");
    }
}
