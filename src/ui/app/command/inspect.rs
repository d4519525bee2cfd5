//! Actions of the Inspect screen.

use super::About;
use egui_material_icons::icons;

/// An action of the Inspect screen.
#[derive(Clone, Debug, PartialEq)]
pub enum InspectCommand {
    /// Look at one evaluation's KL by token.
    Evaluation(String),
    /// Compute one answer token by token.
    Answer,
}

impl InspectCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Evaluation(_) => {
                About::new("Inspect token by token", "Shows at which answer tokens the models differ.")
                    .icon(icons::ICON_QUERY_STATS)
            }
            Self::Answer => About::new("Compare the models on it", "Runs both models over this answer.")
                .icon(icons::ICON_QUERY_STATS),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![Self::Evaluation("…".into()), Self::Answer]
    }
}
