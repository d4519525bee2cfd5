//! The screens of the window.

use eframe::egui::Key;
use egui_material_icons::{MaterialIcon, icons};

/// A screen that the rail leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The story of the project on one screen.
    Overview,
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
    /// The project as a page to hand on.
    Report,
    /// What runs and ran in the background.
    Jobs,
    /// What one person likes, and the project's folder.
    Settings,
}

impl Screen {
    /// All of them, in the rail's order.
    pub const ALL: [Self; 10] = [
        Self::Overview,
        Self::Data,
        Self::Generate,
        Self::Models,
        Self::Train,
        Self::Evaluate,
        Self::Inspect,
        Self::Report,
        Self::Jobs,
        Self::Settings,
    ];

    /// Its name in the rail.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Data => "Data",
            Self::Generate => "Generate",
            Self::Models => "Models",
            Self::Train => "Train",
            Self::Evaluate => "Evaluate",
            Self::Inspect => "Inspect",
            Self::Report => "Report",
            Self::Jobs => "Jobs",
            Self::Settings => "Settings",
        }
    }

    /// What it is for, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Overview => "See how deep each model's safety is, and what to do next.",
            Self::Data => "Read and edit the examples that models learn from and are tested with.",
            Self::Generate => "Let models write the texts of a data set, and decide about each.",
            Self::Models => "The models of this project, and where each comes from.",
            Self::Train => "Make a new model from one of these.",
            Self::Evaluate => "Attack models and count how often they comply.",
            Self::Inspect => "See at which answer tokens two models differ.",
            Self::Report => "Write the tables and charts of this project into one page to hand on.",
            Self::Jobs => "What runs in the background, and what has ended.",
            Self::Settings => "Colours, size, the tour, and which project is open.",
        }
    }

    /// Its picture.
    #[must_use]
    pub fn icon(self) -> MaterialIcon {
        match self {
            Self::Overview => icons::ICON_MONITORING,
            Self::Data => icons::ICON_DATABASE,
            Self::Generate => icons::ICON_EDIT_NOTE,
            Self::Models => icons::ICON_DEPLOYED_CODE,
            Self::Train => icons::ICON_MODEL_TRAINING,
            Self::Evaluate => icons::ICON_FACT_CHECK,
            Self::Inspect => icons::ICON_QUERY_STATS,
            Self::Report => icons::ICON_ARTICLE,
            Self::Jobs => icons::ICON_PENDING_ACTIONS,
            Self::Settings => icons::ICON_SETTINGS,
        }
    }

    /// The key that leads to it, with Ctrl.
    #[must_use]
    pub fn key(self) -> Option<Key> {
        Some(match self {
            Self::Overview => Key::Num1,
            Self::Data => Key::Num2,
            Self::Generate => Key::Num3,
            Self::Models => Key::Num4,
            Self::Train => Key::Num5,
            Self::Evaluate => Key::Num6,
            Self::Inspect => Key::Num7,
            Self::Report => Key::Num8,
            Self::Jobs => Key::Num9,
            Self::Settings => Key::Comma,
        })
    }
}
