//! Every action a person can take, as one enum with its text, tooltip and shortcut: one file for each screen.

mod application;
mod data;
mod evaluate;
mod exchange;
mod generate;
mod inspect;
mod jobs;
mod judging;
mod models;
mod report;
mod train;

pub use application::{AppCommand, Wish};
pub use data::{Ask, DataCommand};
pub use evaluate::EvaluateCommand;
pub use exchange::ExchangeCommand;
pub use generate::GenerateCommand;
pub use inspect::{DynamicsMeasure, InspectCommand, InspectPart};
pub use jobs::JobCommand;
pub use judging::{JudgingCommand, JudgingPart};
pub use models::{ModelsCommand, ModelsPage};
pub use report::ReportCommand;
pub use train::TrainCommand;

use eframe::egui::{Key, KeyboardShortcut, Modifiers};
use egui_material_icons::MaterialIcon;
use std::borrow::Cow;

/// An action. Buttons, keys and the palette send it; [`super::App`] carries it out after the frame is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Of the window itself: screens, project, settings.
    App(AppCommand),
    /// Of the Data screen.
    Data(DataCommand),
    /// Of files that come in or go out.
    Exchange(ExchangeCommand),
    /// Of the Generate screen.
    Generate(GenerateCommand),
    /// Of the Models screen, and the models in focus.
    Models(ModelsCommand),
    /// Of the Train screen.
    Train(TrainCommand),
    /// Of the Evaluate screen.
    Evaluate(EvaluateCommand),
    /// Of judging: the part of the Evaluate screen about judges and people's labels.
    Judging(JudgingCommand),
    /// Of the Inspect screen.
    Inspect(InspectCommand),
    /// Of the Report screen, and of every chart.
    Report(ReportCommand),
    /// Of jobs.
    Job(JobCommand),
}

/// What an action says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// What its button says.
    pub text: Cow<'static, str>,
    /// What it does, in one sentence.
    pub tooltip: Cow<'static, str>,
    /// The picture on its button.
    pub icon: Option<MaterialIcon>,
    /// Its keys.
    pub keys: Option<KeyboardShortcut>,
}

impl About {
    /// An action with this button and this sentence.
    pub fn new(text: impl Into<Cow<'static, str>>, tooltip: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), tooltip: tooltip.into(), icon: None, keys: None }
    }

    /// With a picture.
    #[must_use]
    pub fn icon(mut self, icon: MaterialIcon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// With Ctrl (on a Mac: Cmd) and this key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys = Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        self
    }

    /// With Ctrl (on a Mac: Cmd), Shift and this key.
    #[must_use]
    pub fn shift_key(mut self, key: Key) -> Self {
        self.keys = Some(KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, key));
        self
    }
}

macro_rules! groups {
    ($($group:ident: $type:ident, $screen:literal;)*) => {
        $(impl From<$type> for Command {
            fn from(command: $type) -> Self {
                Self::$group(command)
            }
        })*

        impl Command {
            /// What it says of itself.
            #[must_use]
            pub fn about(&self) -> About {
                match self {
                    $(Self::$group(command) => command.about(),)*
                }
            }

            /// The screen that it belongs to.
            #[must_use]
            pub fn place(&self) -> &'static str {
                match self {
                    $(Self::$group(_) => $screen,)*
                }
            }

            /// One of every kind, for the table in the docs and for tests.
            #[must_use]
            pub fn samples() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($type::samples().into_iter().map(Self::$group));)*
                all
            }
        }
    };
}

groups! {
    App: AppCommand, "Everywhere";
    Data: DataCommand, "Data";
    Exchange: ExchangeCommand, "Data";
    Generate: GenerateCommand, "Generate";
    Models: ModelsCommand, "Models";
    Train: TrainCommand, "Train";
    Evaluate: EvaluateCommand, "Evaluate";
    Judging: JudgingCommand, "Evaluate";
    Inspect: InspectCommand, "Inspect";
    Report: ReportCommand, "Report";
    Job: JobCommand, "Jobs";
}

impl Command {
    /// What its button says.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        self.about().text
    }

    /// What it does, in one sentence.
    #[must_use]
    pub fn tooltip(&self) -> Cow<'static, str> {
        self.about().tooltip
    }

    /// Its keys.
    #[must_use]
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        self.about().keys
    }

    /// The commands that keys alone can send, longer combinations first: redo's keys contain undo's.
    #[must_use]
    pub fn with_keys() -> Vec<Self> {
        let mut all: Vec<Self> = Self::samples().into_iter().filter(|c| c.shortcut().is_some()).collect();
        let count = |c: &Self| {
            c.shortcut().map_or(0, |keys| {
                let m = keys.modifiers;
                usize::from(m.shift) + usize::from(m.alt) + usize::from(m.command)
            })
        };
        all.sort_by_key(|command| std::cmp::Reverse(count(command)));
        all
    }

    /// The table of all commands, as it stands in docs/commands.md.
    #[must_use]
    pub fn table() -> String {
        let mut text = String::from("| command | where | keys | what it does |\n|---|---|---|---|\n");
        for command in Self::samples() {
            let about = command.about();
            let keys = about.keys.map_or_else(String::new, |keys| {
                let shift = if keys.modifiers.shift { "Shift+" } else { "" };
                format!("Ctrl+{shift}{}", keys.logical_key.name())
            });
            text += &format!("| {} | {} | {keys} | {} |\n", about.text, command.place(), about.tooltip);
        }
        text
    }
}

/// A command that can be given now, or why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The command.
    pub command: Command,
    /// Why it cannot be given.
    pub blocked: Option<String>,
}

impl Offer {
    /// A command that can be given.
    pub fn now(command: impl Into<Command>) -> Self {
        Self { command: command.into(), blocked: None }
    }

    /// A command that can be given unless there is a reason against it.
    pub fn unless(command: impl Into<Command>, blocked: Option<impl Into<String>>) -> Self {
        Self { command: command.into(), blocked: blocked.map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_their_keys() {
        let all = Command::with_keys();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(a.shortcut(), b.shortcut(), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn every_tooltip_is_a_sentence_without_an_exclamation_mark() {
        for command in Command::samples() {
            let about = command.about();
            assert!(about.tooltip.ends_with('.') && !about.tooltip.contains('!'), "{command:?}: {about:?}");
            assert!(!about.text.is_empty(), "{command:?}");
        }
    }

    /// docs/commands.md lists every command. Written anew with PLUMBLINE_UPDATE_DOCS=1.
    #[test]
    fn the_docs_list_every_command() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, _) = text.split_once("| command |").unwrap();
        let wanted = format!("{head}{}", Command::table());
        if std::env::var_os("PLUMBLINE_UPDATE_DOCS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(
            text == wanted || std::env::var_os("PLUMBLINE_UPDATE_DOCS").is_some(),
            "run the test with PLUMBLINE_UPDATE_DOCS=1"
        );
    }
}
