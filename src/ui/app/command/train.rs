//! Actions of the Train screen.

use super::About;
use egui_material_icons::icons;

/// An action of the Train screen.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainCommand {
    /// Train with the settings of the form.
    Start,
}

impl TrainCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Start => About::new("Start training", "Trains in the background; the window stays free.")
                .icon(icons::ICON_PLAY_ARROW),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![Self::Start]
    }
}
