//! Actions of the Train screen.

use super::About;
use crate::ui::screens::{BetaPreset, TrainPane};
use egui_material_icons::icons;

/// An action of the Train screen.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainCommand {
    /// Train with the settings of the form.
    Start,
    /// Show one of the panes beside the form.
    Show(TrainPane),
    /// Set β at every answer token.
    Preset(BetaPreset),
    /// Show the gradient weights where this run ended beside those of the start; `None` only those.
    WeighAt(Option<String>),
    /// Show the next rows of the coming batches.
    NextRows,
    /// Show the rows before them.
    PreviousRows,
    /// Uncover the harmful words of the rows, or cover them.
    ShowHarmful(bool),
    /// Look again whether the run can begin.
    CheckAgain,
    /// Take a run into the comparison, or out of it.
    Compare(String, bool),
    /// Fill the form with the settings of a run.
    Again(String),
}

impl TrainCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Start => About::new("Start training", "Trains in the background; the window stays free.")
                .icon(icons::ICON_PLAY_ARROW),
            Self::Show(pane) => About::new(pane.name(), pane.purpose()),
            Self::Preset(preset) => About::new(preset.name(), preset.purpose()),
            Self::WeighAt(None) => {
                About::new("Weights of the start alone", "Shows how β acts before training.")
            }
            Self::WeighAt(Some(run)) => About::new(
                format!("Weights after {run}"),
                "Shows how much pull β leaves where this run ended, on the data of the form.",
            ),
            Self::NextRows => About::new("Next rows", "Shows the rows that come after these.")
                .icon(icons::ICON_CHEVRON_RIGHT),
            Self::PreviousRows => About::new("Rows before", "Shows the rows that come before these.")
                .icon(icons::ICON_CHEVRON_LEFT),
            Self::ShowHarmful(true) => {
                About::new("Show harmful words", "Uncovers the harmful words of these rows.")
                    .icon(icons::ICON_VISIBILITY)
            }
            Self::ShowHarmful(false) => {
                About::new("Cover harmful words", "Covers the harmful words of these rows.")
                    .icon(icons::ICON_VISIBILITY_OFF)
            }
            Self::CheckAgain => About::new("Check again", "Looks again at memory, disk, data and model.")
                .icon(icons::ICON_REFRESH),
            Self::Compare(run, true) => {
                About::new(format!("Compare {run}"), "Draws the run's curves beside the others.")
            }
            Self::Compare(run, false) => {
                About::new(format!("Leave {run} out"), "Takes the run out of the comparison.")
            }
            Self::Again(_) => About::new(
                "Train again with these settings",
                "Fills the form with the settings of this run; undo brings yours back.",
            )
            .icon(icons::ICON_REPLAY),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let mut all = vec![Self::Start];
        all.extend(TrainPane::ALL.map(Self::Show));
        all.extend(BetaPreset::ALL.map(Self::Preset));
        all.extend([
            Self::WeighAt(None),
            Self::WeighAt(Some("…".into())),
            Self::NextRows,
            Self::PreviousRows,
            Self::ShowHarmful(true),
            Self::ShowHarmful(false),
            Self::CheckAgain,
            Self::Compare("…".into(), true),
            Self::Compare("…".into(), false),
            Self::Again("…".into()),
        ]);
        all
    }
}
