//! Actions of the window itself: screens, the project, settings, closing.

use super::About;
use crate::ui::app::{Screen, Theme};
use crate::ui::terms::Term;
use eframe::egui::Key;
use egui_material_icons::icons;
use std::path::PathBuf;

/// What the system's dialog is to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// The folder of a model that is to be added.
    ModelFolder,
    /// Where a model is exported to.
    ExportFolder,
    /// The folder of a project that is to be opened or made.
    ProjectFolder,
    /// Where a report is written to.
    ReportFile,
    /// A file that becomes a data set.
    DataFile,
    /// Where a data set is written to.
    ExportFile,
}

/// An action of the window itself.
#[derive(Clone, Debug, PartialEq)]
pub enum AppCommand {
    /// Go to a screen.
    Show(Screen),
    /// Open the list of all actions.
    Palette,
    /// Let the system's dialog choose something.
    Choose(Wish),
    /// Open the project in this folder.
    OpenFolder(PathBuf),
    /// Make a project in this folder, and open it.
    NewProject(PathBuf, String),
    /// Open the demo project.
    OpenDemo,
    /// Read the project again after a failed attempt.
    OpenAgain,
    /// Take back the last edit of what is open.
    Undo,
    /// Make the edit again that was taken back.
    Redo,
    /// Choose light or dark.
    SetTheme(Theme),
    /// Show harmful answers without being asked, or cover them again.
    Uncover(bool),
    /// The name under which this person labels and writes.
    SetAuthor(String),
    /// Make everything larger.
    Larger,
    /// Make everything smaller.
    Smaller,
    /// Give everything its usual size.
    UsualSize,
    /// Begin the tour, or end it.
    Tour(bool),
    /// Open the glossary.
    Glossary,
    /// Open the glossary at one term.
    Explain(Term),
    /// Copy what a report of a fault needs to say.
    CopyDiagnostics,
    /// Show a file or folder in the system's file manager.
    Reveal(PathBuf),
    /// Take the message below the screen away.
    CloseMessage,
    /// Close the window, asking first if a job is running.
    Quit,
    /// Stop the running jobs, then close the window.
    StopAndQuit,
    /// Leave the question and let the job go on.
    KeepRunning,
}

impl AppCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Show(screen) => {
                let about = About::new(screen.name(), screen.purpose()).icon(screen.icon());
                match screen.key() {
                    Some(key) => about.key(key),
                    None => about,
                }
            }
            Self::Palette => About::new("Find an action", "Finds actions, screens, terms and what the project holds by a few letters.")
                .icon(icons::ICON_SEARCH)
                .key(Key::K),
            Self::Choose(wish) => {
                let (text, tip) = match wish {
                    Wish::ModelFolder => (
                        "Choose folder…",
                        "Picks the folder of a checkpoint, an adapter, or a GGUF file.",
                    ),
                    Wish::ExportFolder => (
                        "Choose where to export…",
                        "Picks the folder in which the model gets a folder of its own.",
                    ),
                    Wish::ProjectFolder => ("Choose project folder…", "Picks the folder of a project."),
                    Wish::DataFile => ("Choose file…", "Picks a file with rows that become a data set."),
                    Wish::ExportFile => {
                        ("Choose where to save the set…", "Picks the file that the data set is written to.")
                    }
                    Wish::ReportFile => {
                        ("Choose where to save the report…", "Picks the file that the report is written to.")
                    }
                };
                About::new(text, tip).icon(icons::ICON_FOLDER_OPEN)
            }
            Self::OpenFolder(root) => {
                About::new(format!("Open {}", root.display()), "Opens the project in this folder.")
                    .icon(icons::ICON_FOLDER_OPEN)
            }
            Self::NewProject(..) => {
                About::new("Make project", "Makes an empty project in this folder and opens it.")
                    .icon(icons::ICON_CREATE_NEW_FOLDER)
            }
            Self::OpenDemo => About::new(
                "Open the demo project",
                "Opens the project with the two small models of the fictional world Emberfall.",
            )
            .icon(icons::ICON_SCIENCE),
            Self::OpenAgain => About::new("Open the project again", "Reads the project's folder once more.")
                .icon(icons::ICON_REFRESH),
            Self::Undo => About::new("Undo", "Takes back the last change on this screen.")
                .icon(icons::ICON_UNDO)
                .key(Key::Z),
            Self::Redo => About::new("Redo", "Makes the change again that was taken back.")
                .icon(icons::ICON_REDO)
                .shift_key(Key::Z),
            Self::SetTheme(theme) => About::new(theme.command(), "Changes the colours of the window."),
            Self::Uncover(true) => About::new(
                "Show harmful answers",
                "Shows answers to harmful requests everywhere without being asked. The choice is yours alone.",
            )
            .icon(icons::ICON_VISIBILITY),
            Self::Uncover(false) => About::new(
                "Cover harmful answers",
                "Covers answers to harmful requests until you open them.",
            )
            .icon(icons::ICON_VISIBILITY_OFF),
            Self::SetAuthor(_) => {
                About::new("Use this name", "Your labels and the examples that you write carry this name.")
            }
            Self::Larger => About::new("Larger", "Makes everything in the window larger.")
                .icon(icons::ICON_ZOOM_IN)
                .key(Key::Plus),
            Self::Smaller => About::new("Smaller", "Makes everything in the window smaller.")
                .icon(icons::ICON_ZOOM_OUT)
                .key(Key::Minus),
            Self::UsualSize => {
                About::new("Usual size", "Gives everything in the window its usual size.").key(Key::Num0)
            }
            Self::Tour(true) => {
                About::new("Take the tour", "Shows in five steps what Plumbline does.").icon(icons::ICON_TOUR)
            }
            Self::Tour(false) => About::new("Skip the tour", "Ends the tour. Settings starts it again."),
            Self::Glossary => About::new("Glossary", "Explains the terms of the field in plain words.")
                .icon(icons::ICON_MENU_BOOK)
                .key(Key::G),
            Self::Explain(term) => About::new(format!("What is: {}", term.name()), "Opens the glossary at this term.")
                .icon(icons::ICON_MENU_BOOK),
            Self::CopyDiagnostics => About::new(
                "Copy diagnostics",
                "Copies versions, device and the last messages. Messages can name files of yours: read them before you hand them on.",
            )
            .icon(icons::ICON_CONTENT_COPY),
            Self::Reveal(_) => About::new("Show in folder", "Opens the folder in the system's file manager.")
                .icon(icons::ICON_FOLDER_OPEN),
            Self::CloseMessage => About::new("Close this message", "Takes the message away."),
            Self::Quit => About::new("Quit", "Closes the window.").key(Key::Q),
            Self::StopAndQuit => About::new(
                "Stop and quit",
                "Stops the jobs, keeps what they have made, and closes the window.",
            ),
            Self::KeepRunning => About::new("Keep running", "Goes back to the window."),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let mut all: Vec<Self> = Screen::ALL.into_iter().map(Self::Show).collect();
        all.extend([
            Self::Palette,
            Self::Choose(Wish::ProjectFolder),
            Self::Choose(Wish::ModelFolder),
            Self::Choose(Wish::ExportFolder),
            Self::Choose(Wish::ReportFile),
            Self::Choose(Wish::DataFile),
            Self::Choose(Wish::ExportFile),
            Self::OpenFolder("…".into()),
            Self::NewProject(PathBuf::new(), String::new()),
            Self::OpenDemo,
            Self::OpenAgain,
            Self::Undo,
            Self::Redo,
            Self::SetTheme(Theme::System),
            Self::SetTheme(Theme::Light),
            Self::SetTheme(Theme::Dark),
            Self::Uncover(true),
            Self::Uncover(false),
            Self::SetAuthor(String::new()),
            Self::Larger,
            Self::Smaller,
            Self::UsualSize,
            Self::Tour(true),
            Self::Tour(false),
            Self::Glossary,
            Self::Explain(Term::SafetyDepth),
            Self::CopyDiagnostics,
            Self::Reveal(PathBuf::new()),
            Self::CloseMessage,
            Self::Quit,
            Self::StopAndQuit,
            Self::KeepRunning,
        ]);
        all
    }
}
