//! Actions of the Evaluate screen.

use super::About;
use crate::evaluate::TranscriptFilter;
use crate::ui::app::EvaluateTab;
use egui_material_icons::icons;

/// An action of the Evaluate screen.
#[derive(Clone, Debug, PartialEq)]
pub enum EvaluateCommand {
    /// Evaluate with the settings of the form.
    Start,
    /// Agree that what is listed leaves this machine, and start.
    Send,
    /// Send nothing, and do not start.
    Keep,
    /// Tick a model and the one it came from, and go to the screen.
    Model(String),
    /// Look at one evaluation.
    Select(String),
    /// Go to a part of the screen.
    Tab(EvaluateTab),
    /// Tick what the paper measures.
    Paper,
    /// Read the answers of the open evaluation that pass a filter.
    Transcripts(Box<TranscriptFilter>),
    /// Go to the next answer.
    NextAnswer,
    /// Go back to the answer before.
    PreviousAnswer,
    /// Compare the open evaluation with another, or with none.
    CompareWith(Option<String>),
    /// Save every rate of an evaluation as a table.
    SaveTable(String),
    /// Save the rates by category that are on the screen as a table.
    SaveCategories,
}

impl EvaluateCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Start => About::new(
                "Start evaluation",
                "Attacks the ticked models in the background; the window stays free.",
            )
            .icon(icons::ICON_PLAY_ARROW),
            Self::Send => About::new(
                "Send and start",
                "Starts the evaluation, and sends its answers to the hosts that are named.",
            )
            .icon(icons::ICON_SEND),
            Self::Keep => {
                About::new("Keep them here", "Nothing is sent; the evaluation is not started.")
            }
            Self::Model(_) => {
                About::new("Evaluate it", "Measures how safe the new model is beside the one it came from.")
                    .icon(icons::ICON_ARROW_FORWARD)
            }
            Self::Select(id) => {
                About::new(format!("Open evaluation {id}"), "Shows the results of this evaluation.")
            }
            Self::Tab(tab) => About::new(format!("Evaluate: {}", tab.name()), tab.purpose())
                .icon(icons::ICON_FACT_CHECK),
            Self::Paper => About::new(
                "Everything in the paper",
                "Ticks what Qi et al. measure, with their sampling (temperature 0.9, top-p 0.6) and three seeds: the plain request, prefilling, refusal prefixes, sampling settings, a searched suffix (GCG, 500 steps), KL per token and utility.",
            )
            .icon(icons::ICON_DONE_ALL),
            Self::Transcripts(_) => {
                About::new("Read the answers", "Shows the answers that this number counts.")
                    .icon(icons::ICON_FORUM)
            }
            Self::NextAnswer => About::new("Next answer", "Shows the next answer of the list (key J).")
                .icon(icons::ICON_KEYBOARD_ARROW_DOWN),
            Self::PreviousAnswer => {
                About::new("Previous answer", "Shows the answer before in the list (key K).")
                    .icon(icons::ICON_KEYBOARD_ARROW_UP)
            }
            Self::CompareWith(Some(id)) => About::new(
                format!("Compare with {id}"),
                "Shows both evaluations row by row, the older one before.",
            )
            .icon(icons::ICON_COMPARE),
            Self::CompareWith(None) => {
                About::new("Compare with nothing", "Shows the open evaluation alone.").icon(icons::ICON_CLOSE)
            }
            Self::SaveTable(_) => About::new(
                "Save rates as CSV",
                "Saves every rate with its count and interval as a table in the project's folder reports.",
            )
            .icon(icons::ICON_TABLE),
            Self::SaveCategories => About::new(
                "Save categories as CSV",
                "Saves the rates by category as a table in the project's folder reports.",
            )
            .icon(icons::ICON_TABLE),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let mut all =
            vec![Self::Start, Self::Send, Self::Keep, Self::Model("…".into()), Self::Select("…".into())];
        all.extend(EvaluateTab::ALL.map(Self::Tab));
        all.extend([
            Self::Paper,
            Self::Transcripts(Box::default()),
            Self::NextAnswer,
            Self::PreviousAnswer,
            Self::CompareWith(Some("…".into())),
            Self::CompareWith(None),
            Self::SaveTable("…".into()),
            Self::SaveCategories,
        ]);
        all
    }
}
