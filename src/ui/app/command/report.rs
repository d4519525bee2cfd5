//! Actions of the Report screen, and of every chart.

use super::About;
use crate::report::{Chart, ReportSpec};
use egui_material_icons::icons;
use std::path::PathBuf;

/// An action of the Report screen, or of a chart.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportCommand {
    /// Save a chart as a picture.
    SavePicture(Box<Chart<'static>>),
    /// Save the numbers of a chart.
    SaveTable(Box<Chart<'static>>),
    /// Write the report.
    Write {
        /// What it holds.
        spec: Box<ReportSpec>,
        /// The file.
        path: PathBuf,
    },
}

impl ReportCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::SavePicture(_) => About::new(
                "Save chart as PNG",
                "Saves this chart as a picture in the project's folder reports.",
            )
            .icon(icons::ICON_IMAGE),
            Self::SaveTable(_) => About::new(
                "Save chart as CSV",
                "Saves the numbers of this chart as a table in the project's folder reports.",
            )
            .icon(icons::ICON_TABLE),
            Self::Write { .. } => About::new(
                "Write report",
                "Writes the chosen tables and charts into one HTML file, and replaces a file of this name.",
            )
            .icon(icons::ICON_ARTICLE),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let chart = || Box::new(Chart::default());
        let write = Self::Write { spec: Box::default(), path: PathBuf::new() };
        vec![Self::SavePicture(chart()), Self::SaveTable(chart()), write]
    }
}
