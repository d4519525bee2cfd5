//! Actions of the Inspect screen.

use super::About;
use crate::judge::JudgeSpec;
use egui_material_icons::icons;

/// What the Inspect screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InspectPart {
    /// KL by answer token, on average and along one answer.
    #[default]
    Kl,
    /// The prefill scrubber.
    Scrubber,
    /// What fine-tuning did at each answer position.
    Dynamics,
}

impl InspectPart {
    /// Every part, in the order of the tabs.
    pub const ALL: [Self; 3] = [Self::Kl, Self::Scrubber, Self::Dynamics];

    /// What its tab says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Kl => "KL by token",
            Self::Scrubber => "Prefill scrubber",
            Self::Dynamics => "Fine-tuning dynamics",
        }
    }

    /// What it shows, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Kl => "Shows at which answer tokens two models differ, on average and along one answer.",
            Self::Scrubber => {
                "Puts the first k tokens of a harmful answer into a model's mouth and shows how it goes on."
            }
            Self::Dynamics => "Shows what a training run changed at each answer position, step by step.",
        }
    }
}

/// What was measured at each answer position during a training run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamicsMeasure {
    /// Mean cross-entropy.
    #[default]
    Loss,
    /// Norm of the gradient.
    Gradient,
    /// KL to the model before training.
    Kl,
}

impl DynamicsMeasure {
    /// Every measure, from left to right.
    pub const ALL: [Self; 3] = [Self::Loss, Self::Gradient, Self::Kl];

    /// As people read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Gradient => "Gradient norm",
            Self::Kl => "KL to the start",
        }
    }
}

/// An action of the Inspect screen.
#[derive(Clone, Debug, PartialEq)]
pub enum InspectCommand {
    /// Show a part of the screen.
    Show(InspectPart),
    /// Look at one evaluation's KL by token.
    Evaluation(String),
    /// Show the curve of every single request of this model on this set.
    Curves {
        /// The model.
        model: String,
        /// The set.
        set: String,
    },
    /// Put the curve of this request forward, and open its answer.
    Curve {
        /// The set.
        set: String,
        /// The request.
        prompt: String,
    },
    /// Compute one answer token by token.
    Answer,
    /// Show both models' guesses at this token of the answer, from 0.
    Token(usize),
    /// Take requests from this set.
    Set(String),
    /// Choose the request with this id.
    Prompt(String),
    /// Show or cover harmful words on this screen.
    Uncover(bool),
    /// Show this model beside the one in focus, or none.
    Beside(Option<String>),
    /// Let this judge say what a refusal is.
    Judge(JudgeSpec),
    /// Let the models go on after k harmful tokens.
    Depth(usize),
    /// Measure the refusal probability at depths all along the answer.
    MeasureDepths,
    /// Stop that.
    StopMeasuring,
    /// Show the dynamics of this run.
    Run(String),
    /// Show this measure by answer position.
    Measure(DynamicsMeasure),
    /// Show it after the measurement with this number, from 0.
    Point(usize),
}

impl InspectCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Show(part) => About::new(part.label(), part.purpose()).icon(icons::ICON_QUERY_STATS),
            Self::Evaluation(_) => {
                About::new("Inspect token by token", "Shows at which answer tokens the models differ.")
                    .icon(icons::ICON_QUERY_STATS)
            }
            Self::Answer => About::new("Compare the models on it", "Runs both models over this answer.")
                .icon(icons::ICON_QUERY_STATS),
            Self::Curves { model, set } => About::new(
                format!("Single requests of {model} on {set}"),
                "Shows the KL of this model on every single request behind the means.",
            ),
            Self::Curve { prompt, .. } => About::new(
                format!("Open the answer to {prompt}"),
                "Puts this request's curve forward and shows its answer token by token.",
            ),
            Self::Token(index) => About::new(
                format!("Look at token {}", index + 1),
                "Shows what both models would rather have said at this token.",
            ),
            Self::Set(id) => {
                About::new(format!("Inspect requests of {id}"), "Takes requests to inspect from this set.")
            }
            Self::Prompt(id) => {
                About::new(format!("Inspect request {id}"), "Looks at the answer to this request.")
            }
            Self::Uncover(true) => About::new(
                "Show words",
                "Shows the harmful words on this screen until they are covered again.",
            )
            .icon(icons::ICON_VISIBILITY),
            Self::Uncover(false) => About::new("Cover words", "Covers the harmful words on this screen.")
                .icon(icons::ICON_VISIBILITY_OFF),
            Self::Beside(Some(id)) => About::new(
                format!("Scrub {id} beside it"),
                "Lets this model go on from the same place as the model in focus.",
            ),
            Self::Beside(None) => {
                About::new("Scrub one model", "Lets the model in focus alone go on, which is faster.")
            }
            Self::Judge(judge) => About::new(
                format!("Count refusals by the {}", judge.label()),
                "Lets this judge say which continuations are refusals.",
            ),
            Self::Depth(k) => About::new(
                format!("Go on after {k} harmful tokens"),
                "Lets the models go on after so many tokens of the harmful answer.",
            ),
            Self::MeasureDepths => About::new(
                "Measure all depths",
                "Measures in the background how often the models refuse after 0, 5, 10, … harmful tokens.",
            )
            .icon(icons::ICON_PLAY_ARROW),
            Self::StopMeasuring => {
                About::new("Stop measuring", "Stops; what has been measured stays.").icon(icons::ICON_STOP)
            }
            Self::Run(id) => About::new(
                format!("Dynamics of {id}"),
                "Shows what this run changed at each answer position.",
            ),
            Self::Measure(measure) => {
                About::new(measure.label(), "Shows this measure by answer position and training step.")
            }
            Self::Point(index) => About::new(
                format!("Look at measurement {}", index + 1),
                "Shows the answer positions as they were after this measurement's step.",
            ),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let mut all: Vec<Self> = InspectPart::ALL.into_iter().map(Self::Show).collect();
        all.extend([
            Self::Evaluation("…".into()),
            Self::Curves { model: "…".into(), set: "…".into() },
            Self::Curve { set: "…".into(), prompt: "…".into() },
            Self::Answer,
            Self::Token(0),
            Self::Set("…".into()),
            Self::Prompt("…".into()),
            Self::Uncover(true),
            Self::Uncover(false),
            Self::Beside(Some("…".into())),
            Self::Beside(None),
            Self::Judge(JudgeSpec::Keyword),
            Self::Depth(0),
            Self::MeasureDepths,
            Self::StopMeasuring,
            Self::Run("…".into()),
        ]);
        all.extend(DynamicsMeasure::ALL.into_iter().map(Self::Measure));
        all.push(Self::Point(0));
        all
    }
}
