//! Actions of the Generate screen.

use super::About;
use crate::data::{DatasetKind, Decision};
use egui_material_icons::icons;

/// An action of the Generate screen.
#[derive(Clone, Debug, PartialEq)]
pub enum GenerateCommand {
    /// Let a model write with the settings of the form.
    Start,
    /// Read the texts of a generation.
    Read(String),
    /// Decide about texts of a generation.
    Decide {
        /// The generation.
        generation: String,
        /// Ids of the texts, each with the decision.
        decisions: Vec<(String, Decision)>,
    },
    /// Make a data set of the accepted texts.
    Assemble {
        /// Its id.
        id: String,
        /// What it holds.
        kind: DatasetKind,
        /// The generations.
        from: Vec<String>,
        /// Whether templates stand in for refusals.
        templates: bool,
    },
}

impl GenerateCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Start => About::new("Start writing", "Writes in the background; the window stays free.")
                .icon(icons::ICON_EDIT_NOTE),
            Self::Read(_) => About::new("Read the texts", "Shows what the model wrote."),
            Self::Decide { decisions, .. } if decisions.len() > 1 => About::new(
                format!("Accept {} without doubt", decisions.len()),
                "Accepts every open text that reads as what it is meant to be. Read some of them first.",
            )
            .icon(icons::ICON_CHECK),
            Self::Decide { decisions, .. } => match decisions.first().map(|(_, decision)| decision) {
                Some(Decision::Reject) => {
                    About::new("Reject", "The text is not used. You can decide otherwise later.")
                        .icon(icons::ICON_CLOSE)
                }
                Some(Decision::Edit { .. }) => About::new(
                    "Accept with my words",
                    "The text becomes part of an example, as you wrote it.",
                )
                .icon(icons::ICON_CHECK),
                _ => About::new("Accept", "The text becomes part of an example, as it is.")
                    .icon(icons::ICON_CHECK),
            },
            Self::Assemble { .. } => {
                About::new("Make data set", "Puts the accepted texts together into a set of this project.")
            }
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let decide =
            |decision| Self::Decide { generation: String::new(), decisions: vec![(String::new(), decision)] };
        vec![
            Self::Start,
            Self::Read(String::new()),
            decide(Decision::Accept),
            decide(Decision::Edit { text: String::new() }),
            decide(Decision::Reject),
            Self::Assemble {
                id: String::new(),
                kind: DatasetKind::Recovery,
                from: Vec::new(),
                templates: false,
            },
        ]
    }
}
