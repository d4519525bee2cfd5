//! Actions about jobs.

use super::About;
use crate::job::JobId;
use egui_material_icons::icons;

/// An action about a job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobCommand {
    /// Stop a job; what it has made so far is kept.
    Stop(JobId),
    /// Let a running training wait, or go on after that.
    Pause(JobId, bool),
    /// Go on with a run or an evaluation of this window that was stopped or broke.
    Resume(JobId),
    /// Go on with a run or an evaluation of an earlier day, by its id.
    ResumeFolder(String),
    /// Agree that answers of the evaluation that goes on are sent to its judges' hosts.
    SendAndGoOn,
    /// Do not go on with that evaluation.
    KeepAnswers,
    /// Go to where a job's result is shown.
    OpenResult(JobId),
}

impl JobCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Stop(_) => {
                About::new("Stop", "Stops the job after the current step. What is finished is kept.")
                    .icon(icons::ICON_STOP)
            }
            Self::Pause(_, true) => About::new(
                "Pause",
                "Waits after the current step and keeps a checkpoint; the processor is free meanwhile.",
            )
            .icon(icons::ICON_PAUSE),
            Self::Pause(_, false) => {
                About::new("Continue", "Goes on with the next step.").icon(icons::ICON_PLAY_ARROW)
            }
            Self::Resume(_) | Self::ResumeFolder(_) => About::new(
                "Go on",
                "Goes on from the last checkpoint, and ends as if it had never been stopped.",
            )
            .icon(icons::ICON_PLAY_ARROW),
            Self::SendAndGoOn => About::new(
                "Send and go on",
                "Goes on with the evaluation, and sends its answers to the hosts that are named.",
            )
            .icon(icons::ICON_SEND),
            Self::KeepAnswers => {
                About::new("Keep them here", "Nothing is sent; the evaluation stays as it is.")
            }
            Self::OpenResult(_) => {
                About::new("Open result", "Goes to the screen that shows what this job made.")
                    .icon(icons::ICON_ARROW_FORWARD)
            }
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![
            Self::Stop(0),
            Self::Pause(0, true),
            Self::Pause(0, false),
            Self::Resume(0),
            Self::ResumeFolder(String::new()),
            Self::SendAndGoOn,
            Self::KeepAnswers,
            Self::OpenResult(0),
        ]
    }
}
