//! Actions of the Evaluate screen.

use super::About;
use egui_material_icons::icons;

/// An action of the Evaluate screen.
#[derive(Clone, Debug, PartialEq)]
pub enum EvaluateCommand {
    /// Evaluate with the settings of the form.
    Start,
    /// Tick a model and the one it came from, and go to the screen.
    Model(String),
    /// Look at one evaluation.
    Select(String),
}

impl EvaluateCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Start => About::new(
                "Start evaluation",
                "Attacks the ticked models in the background; the window stays free.",
            )
            .icon(icons::ICON_PLAY_ARROW),
            Self::Model(_) => {
                About::new("Evaluate it", "Measures how safe the new model is beside the one it came from.")
                    .icon(icons::ICON_ARROW_FORWARD)
            }
            Self::Select(id) => {
                About::new(format!("Open evaluation {id}"), "Shows the results of this evaluation.")
            }
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![Self::Start, Self::Model("…".into()), Self::Select("…".into())]
    }
}
