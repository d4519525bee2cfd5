//! The screens of the window.

use egui_material_icons::{MaterialIcon, icons};

/// A screen that the rail leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Data sets and the recovery editor.
    Data,
    /// Texts that models write for data sets, and what people say of them.
    Generate,
    /// The project's models.
    Models,
    /// Training.
    Train,
    /// Attacks on models and their results.
    Evaluate,
    /// KL by token.
    Inspect,
    /// What runs and ran in the background.
    Jobs,
}

impl Screen {
    /// All of them, in the rail's order.
    pub const ALL: [Self; 7] =
        [Self::Data, Self::Generate, Self::Models, Self::Train, Self::Evaluate, Self::Inspect, Self::Jobs];

    /// Its name in the rail.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "Data",
            Self::Generate => "Generate",
            Self::Models => "Models",
            Self::Train => "Train",
            Self::Evaluate => "Evaluate",
            Self::Inspect => "Inspect",
            Self::Jobs => "Jobs",
        }
    }

    /// What it is for, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Data => "Read and edit the examples that models learn from and are tested with.",
            Self::Generate => "Let models write the texts of a data set, and decide about each.",
            Self::Models => "The models of this project, and where each comes from.",
            Self::Train => "Make a new model from one of these.",
            Self::Evaluate => "Attack models and count how often they comply.",
            Self::Inspect => "See at which answer tokens two models differ.",
            Self::Jobs => "What runs in the background, and what has ended.",
        }
    }

    /// Its picture.
    #[must_use]
    pub fn icon(self) -> MaterialIcon {
        match self {
            Self::Data => icons::ICON_DATABASE,
            Self::Generate => icons::ICON_EDIT_NOTE,
            Self::Models => icons::ICON_DEPLOYED_CODE,
            Self::Train => icons::ICON_MODEL_TRAINING,
            Self::Evaluate => icons::ICON_FACT_CHECK,
            Self::Inspect => icons::ICON_QUERY_STATS,
            Self::Jobs => icons::ICON_PENDING_ACTIONS,
        }
    }
}
