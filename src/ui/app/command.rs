//! Every action a person can take, as one enum with its text, tooltip and shortcut.

use super::Screen;
use crate::data::{DatasetKind, Decision};
use crate::job::JobId;
use eframe::egui::{Key, KeyboardShortcut, Modifiers};
use egui_material_icons::{MaterialIcon, icons};
use std::borrow::Cow;

/// An action. Buttons and shortcuts send it; [`super::App`] carries it out after the frame is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go to a screen.
    Show(Screen),
    /// Look at a data set.
    SelectDataset(String),
    /// Take back the last edit of the open data set.
    Undo,
    /// Make the edit again that was taken back.
    Redo,
    /// Put a new example into the open recovery set.
    AddExample,
    /// Take the selected example out of the open recovery set.
    RemoveExample,
    /// Write the open data set again after a failed attempt.
    SaveAgain,
    /// Let the system's dialog choose a model folder.
    ChooseModelFolder,
    /// Add the model of the form.
    AddModel,
    /// Put a model in focus, against which base it stands unchanged.
    FocusModel(String),
    /// Put a base in focus.
    FocusBase(String),
    /// Train with the settings of the form.
    StartTraining,
    /// Let a model write with the settings of the form.
    StartGenerating,
    /// Read the texts of a generation.
    ReadTexts(String),
    /// Decide about texts of a generation.
    Decide {
        /// The generation.
        generation: String,
        /// Ids of the texts, each with the decision.
        decisions: Vec<(String, Decision)>,
    },
    /// Make a data set of the accepted texts.
    Assemble {
        /// Its id.
        id: String,
        /// What it holds.
        kind: DatasetKind,
        /// The generations.
        from: Vec<String>,
        /// Whether templates stand in for refusals.
        templates: bool,
    },
    /// Evaluate with the settings of the form.
    StartEvaluation,
    /// Tick a model on the evaluation screen and go there.
    EvaluateModel(String),
    /// Look at one evaluation.
    SelectEvaluation(String),
    /// Look at one evaluation's KL by token.
    InspectEvaluation(String),
    /// Compute one answer token by token.
    InspectAnswer,
    /// Stop a job; what it has made so far is kept.
    Stop(JobId),
    /// Let a running training wait, or go on after that.
    Pause(JobId, bool),
    /// Go on with a training run that was stopped or broke.
    Resume(JobId),
    /// Go to where a job's result is shown.
    OpenResult(JobId),
    /// Read the project again after a failed attempt.
    OpenProject,
    /// Close the window, asking first if a job is running.
    Quit,
    /// Stop the running jobs, then close the window.
    StopAndQuit,
    /// Leave the question and let the job go on.
    KeepRunning,
}

impl Command {
    /// What its button says.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Show(screen) => screen.name().into(),
            Self::SelectDataset(id) => format!("Open data set {id}").into(),
            Self::Undo => "Undo".into(),
            Self::Redo => "Redo".into(),
            Self::AddExample => "Add example".into(),
            Self::RemoveExample => "Delete example".into(),
            Self::SaveAgain => "Save again".into(),
            Self::ChooseModelFolder => "Choose folder…".into(),
            Self::AddModel => "Add model".into(),
            Self::FocusModel(id) => format!("Put {id} in focus").into(),
            Self::FocusBase(id) => format!("Compare with {id}").into(),
            Self::StartTraining => "Start training".into(),
            Self::StartEvaluation => "Start evaluation".into(),
            Self::StartGenerating => "Let it write".into(),
            Self::ReadTexts(_) => "Read the texts".into(),
            Self::Decide { decisions, .. } => match decisions.first().map(|(_, decision)| decision) {
                _ if decisions.len() > 1 => format!("Accept {} without doubt", decisions.len()).into(),
                Some(Decision::Reject) => "Reject".into(),
                Some(Decision::Edit { .. }) => "Accept with my words".into(),
                _ => "Accept".into(),
            },
            Self::Assemble { .. } => "Make data set".into(),
            Self::EvaluateModel(_) => "Evaluate it".into(),
            Self::SelectEvaluation(id) => format!("Open evaluation {id}").into(),
            Self::InspectEvaluation(_) => "Inspect token by token".into(),
            Self::InspectAnswer => "Compare the models on it".into(),
            Self::Stop(_) => "Stop".into(),
            Self::Pause(_, true) => "Pause".into(),
            Self::Pause(_, false) => "Continue".into(),
            Self::Resume(_) => "Go on".into(),
            Self::OpenResult(_) => "Open result".into(),
            Self::OpenProject => "Open the project again".into(),
            Self::Quit => "Quit".into(),
            Self::StopAndQuit => "Stop and quit".into(),
            Self::KeepRunning => "Keep running".into(),
        }
    }

    /// What it does, in one sentence.
    #[must_use]
    pub fn tooltip(&self) -> Cow<'static, str> {
        match self {
            Self::Show(screen) => screen.purpose().into(),
            Self::SelectDataset(_) => "Shows the examples of this set.".into(),
            Self::Undo => "Takes back the last change to this data set.".into(),
            Self::Redo => "Makes the change again that was taken back.".into(),
            Self::AddExample => "Adds an empty example below the selected one.".into(),
            Self::RemoveExample => "Takes the selected example out of the set. Undo brings it back.".into(),
            Self::SaveAgain => "Tries once more to write the data set.".into(),
            Self::ChooseModelFolder => {
                "Picks a folder with config.json, model.safetensors and tokenizer.json.".into()
            }
            Self::AddModel => "Checks the folder and adds the model to this project.".into(),
            Self::FocusModel(_) => "Training, evaluation and inspection start from this model.".into(),
            Self::FocusBase(_) => "KL is measured against this model.".into(),
            Self::StartTraining => "Trains in the background; the window stays free.".into(),
            Self::StartEvaluation => {
                "Attacks the ticked models in the background; the window stays free.".into()
            }
            Self::StartGenerating => "Writes in the background; the window stays free.".into(),
            Self::ReadTexts(_) => "Shows what the model wrote.".into(),
            Self::Decide { decisions, .. } => match decisions.first().map(|(_, decision)| decision) {
                _ if decisions.len() > 1 => {
                    "Accepts every open text that reads as what it is meant to be. Read some of them first."
                        .into()
                }
                Some(Decision::Reject) => "The text is not used. You can decide otherwise later.".into(),
                Some(Decision::Edit { .. }) => "The text becomes part of an example, as you wrote it.".into(),
                _ => "The text becomes part of an example, as it is.".into(),
            },
            Self::Assemble { .. } => "Puts the accepted texts together into a set of this project.".into(),
            Self::EvaluateModel(_) => {
                "Measures how safe the new model is beside the one it came from.".into()
            }
            Self::SelectEvaluation(_) => "Shows the results of this evaluation.".into(),
            Self::InspectEvaluation(_) => "Shows at which answer tokens the models differ.".into(),
            Self::InspectAnswer => "Runs both models over this answer.".into(),
            Self::Pause(_, true) => {
                "Waits after the current step and keeps a checkpoint; the processor is free meanwhile.".into()
            }
            Self::Pause(_, false) => "Goes on with the next step.".into(),
            Self::Resume(_) => {
                "Goes on from the last checkpoint, and ends as if it had never been stopped.".into()
            }
            Self::Stop(_) => "Stops the job after the current step. What is finished is kept.".into(),
            Self::OpenResult(_) => "Goes to the screen that shows what this job made.".into(),
            Self::OpenProject => "Reads the project's folder once more.".into(),
            Self::Quit => "Closes the window.".into(),
            Self::StopAndQuit => "Stops the jobs, keeps what they have made, and closes the window.".into(),
            Self::KeepRunning => "Goes back to the window.".into(),
        }
    }

    /// Its keys.
    #[must_use]
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        let key = match self {
            Self::Show(Screen::Data) => Key::Num1,
            Self::Show(Screen::Generate) => Key::Num2,
            Self::Show(Screen::Models) => Key::Num3,
            Self::Show(Screen::Train) => Key::Num4,
            Self::Show(Screen::Evaluate) => Key::Num5,
            Self::Show(Screen::Inspect) => Key::Num6,
            Self::Show(Screen::Jobs) => Key::Num7,
            Self::Undo => Key::Z,
            Self::Redo => return Some(KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)),
            Self::Quit => Key::Q,
            _ => return None,
        };
        Some(KeyboardShortcut::new(Modifiers::COMMAND, key))
    }

    /// The picture on its button.
    #[must_use]
    pub fn icon(&self) -> Option<MaterialIcon> {
        Some(match self {
            Self::Show(screen) => screen.icon(),
            Self::Undo => icons::ICON_UNDO,
            Self::Redo => icons::ICON_REDO,
            Self::AddExample | Self::AddModel => icons::ICON_ADD,
            Self::RemoveExample => icons::ICON_DELETE,
            Self::ChooseModelFolder => icons::ICON_FOLDER_OPEN,
            Self::StartTraining | Self::StartEvaluation | Self::Resume(_) | Self::Pause(_, false) => {
                icons::ICON_PLAY_ARROW
            }
            Self::Pause(_, true) => icons::ICON_PAUSE,
            Self::EvaluateModel(_) | Self::OpenResult(_) => icons::ICON_ARROW_FORWARD,
            Self::InspectEvaluation(_) | Self::InspectAnswer => icons::ICON_QUERY_STATS,
            Self::Stop(_) => icons::ICON_STOP,
            Self::Decide { decisions, .. } => match decisions.first().map(|(_, decision)| decision) {
                Some(Decision::Reject) => icons::ICON_CLOSE,
                _ => icons::ICON_CHECK,
            },
            _ => return None,
        })
    }

    /// The commands that keys alone can send.
    #[must_use]
    pub fn with_keys() -> Vec<Self> {
        let mut all: Vec<Self> = Screen::ALL.iter().map(|&screen| Self::Show(screen)).collect();
        // Redo before undo: its keys contain undo's.
        all.extend([Self::Redo, Self::Undo, Self::Quit]);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_their_keys() {
        let all = Command::with_keys();
        for (i, a) in all.iter().enumerate() {
            assert!(a.shortcut().is_some(), "{a:?} has no keys");
            for b in &all[i + 1..] {
                assert_ne!(a.shortcut(), b.shortcut(), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn every_tooltip_is_a_sentence_without_an_exclamation_mark() {
        for command in Command::with_keys() {
            let tip = command.tooltip();
            assert!(tip.ends_with('.') && !tip.contains('!'), "{tip}");
        }
    }
}
