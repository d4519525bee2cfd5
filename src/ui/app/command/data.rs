//! Actions of the Data screen.

use super::About;
use egui_material_icons::icons;

/// An action of the Data screen.
#[derive(Clone, Debug, PartialEq)]
pub enum DataCommand {
    /// Look at a data set.
    Select(String),
    /// Put a new example into the open set.
    AddExample,
    /// Take the selected example out of the open set.
    RemoveExample,
    /// Write the open data set again after a failed attempt.
    SaveAgain,
}

impl DataCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Select(id) => About::new(format!("Open data set {id}"), "Shows the examples of this set."),
            Self::AddExample => About::new("Add example", "Adds an empty example below the selected one.")
                .icon(icons::ICON_ADD),
            Self::RemoveExample => About::new(
                "Delete example",
                "Takes the selected example out of the set. Undo brings it back.",
            )
            .icon(icons::ICON_DELETE),
            Self::SaveAgain => About::new("Save again", "Tries once more to write the data set."),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![Self::Select("…".into()), Self::AddExample, Self::RemoveExample, Self::SaveAgain]
    }
}
