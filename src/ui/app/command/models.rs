//! Actions of the Models screen, and the models in focus.

use super::About;
use egui_material_icons::icons;

/// An action of the Models screen, or about the models in focus.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelsCommand {
    /// Add the model of the form.
    Add,
    /// Put a model in focus, against which base it stands unchanged.
    Focus(String),
    /// Put a base in focus.
    FocusBase(String),
}

impl ModelsCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Add => About::new("Add model", "Checks the folder and adds the model to this project.")
                .icon(icons::ICON_ADD),
            Self::Focus(id) => About::new(
                format!("Put {id} in focus"),
                "Training, evaluation and inspection start from this model.",
            ),
            Self::FocusBase(id) => {
                About::new(format!("Compare with {id}"), "KL is measured against this model.")
            }
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![Self::Add, Self::Focus("…".into()), Self::FocusBase("…".into())]
    }
}
