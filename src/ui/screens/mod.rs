//! The screens: one screen, one file or folder.

mod data;
mod evaluate;
mod generate;
mod inspect;
mod jobs;
mod judges;
mod judging;
mod models;
mod overview;
mod report;
mod settings;
mod train;

pub use data::{Change, DataScreen, Row};
pub use evaluate::{EvaluateScreen, EvaluateTab};
pub use generate::GenerateScreen;
pub use inspect::InspectScreen;
pub use jobs::show_jobs;
pub use judging::{Agreed, JudgingPanel};
pub use models::ModelsScreen;
pub use overview::OverviewScreen;
pub use report::ReportScreen;
pub use settings::SettingsScreen;
pub use train::{BetaPreset, TrainPane, TrainScreen};
