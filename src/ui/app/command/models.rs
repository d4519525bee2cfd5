//! Actions of the Models screen, and the models in focus.

use super::About;
use egui_material_icons::icons;

/// A part of the Models screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelsPage {
    /// A card for each model.
    #[default]
    Cards,
    /// A chat with one model or two.
    Chat,
    /// Ways to get another model into the project.
    Add,
}

impl ModelsPage {
    /// All of them, in the order of their tabs.
    pub const ALL: [Self; 3] = [Self::Cards, Self::Chat, Self::Add];
}

/// An action of the Models screen, or about the models in focus.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelsCommand {
    /// Go to a part of the screen.
    Page(ModelsPage),
    /// Add the model of the form.
    Add,
    /// Put a model in focus, against which base it stands unchanged.
    Focus(String),
    /// Put a base in focus.
    FocusBase(String),
    /// Chat with a model.
    Chat(String),
    /// Send what is written in the chat.
    Send,
    /// Stop the answers that are being written.
    StopAnswer,
    /// Begin a new conversation.
    ClearChat,
    /// Bring the conversation back that was cleared.
    RestoreChat,
    /// Train a new model from one.
    TrainFrom(String),
    /// Begin to change what a model is called and what it is.
    Edit(String),
    /// Keep what was changed of a model.
    SaveEdit,
    /// Ask whether a model is to be taken off the list.
    Remove(String),
    /// Take a model off the list.
    RemoveNow(String),
    /// Put the model back that was taken off last.
    PutBack,
    /// Ask where a model is to be exported to.
    Export(String),
    /// Export it there.
    ExportNow,
    /// Ask what the merged model is to be called.
    Merge(String),
    /// Merge it.
    MergeNow,
    /// Close the question that is open.
    CloseQuestion,
    /// Ask the Hub what a model consists of.
    LookAtHub,
    /// Fetch that model.
    FetchFromHub,
    /// Add the demo pair.
    AddDemoPair,
    /// Stop what is being fetched, exported or merged.
    StopWork,
}

impl ModelsCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Page(ModelsPage::Cards) => {
                About::new("All models", "Shows a card for each model of this project.")
                    .icon(icons::ICON_DEPLOYED_CODE)
            }
            Self::Page(ModelsPage::Chat) => About::new(
                "Chat",
                "Asks one model, or two side by side, and shows the answers as they are written.",
            )
            .icon(icons::ICON_FORUM),
            Self::Page(ModelsPage::Add) => {
                About::new("Add a model", "Adds a model from a folder, from the Hub, or the demo pair.")
                    .icon(icons::ICON_ADD)
            }
            Self::Add => About::new("Add model", "Checks the folder and adds the model to this project.")
                .icon(icons::ICON_ADD),
            Self::Focus(id) => About::new(
                format!("Put {id} in focus"),
                "Training, evaluation and inspection start from this model.",
            ),
            Self::FocusBase(id) => {
                About::new(format!("Compare with {id}"), "KL is measured against this model.")
            }
            Self::Chat(id) => About::new(
                format!("Chat with {id}"),
                "Asks this model, and shows its answers as they are written.",
            )
            .icon(icons::ICON_FORUM),
            Self::Send => About::new("Send", "Asks the chosen models.").icon(icons::ICON_SEND),
            Self::StopAnswer => {
                About::new("Stop answering", "Ends the answers where they stand.").icon(icons::ICON_STOP)
            }
            Self::ClearChat => {
                About::new("Clear the chat", "Begins a new conversation. It can be brought back until then.")
                    .icon(icons::ICON_DELETE_SWEEP)
            }
            Self::RestoreChat => {
                About::new("Bring the chat back", "Shows the conversation again that was cleared.")
                    .icon(icons::ICON_UNDO)
            }
            Self::TrainFrom(id) => {
                About::new(format!("Train from {id}"), "Goes to training with this model as the start.")
                    .icon(icons::ICON_MODEL_TRAINING)
            }
            Self::Edit(id) => About::new(
                format!("Rename {id} or change its role…"),
                "Changes the name, the role, the parent and the note. It can be changed again at any time.",
            )
            .icon(icons::ICON_EDIT),
            Self::SaveEdit => About::new("Save", "Keeps what was changed of the model."),
            Self::Remove(id) => About::new(
                format!("Remove {id} from the project…"),
                "Takes the model off the list, after a question. Its files stay where they are.",
            )
            .icon(icons::ICON_DELETE),
            Self::RemoveNow(_) => {
                About::new("Remove it", "Takes the model off the list. Its files stay where they are.")
            }
            Self::PutBack => About::new("Put it back", "Puts the model back on the list.")
                .icon(icons::ICON_UNDO),
            Self::Export(id) => About::new(
                format!("Export {id} to a folder…"),
                "Writes a whole checkpoint that opens in transformers: config, weights, tokenizer and template.",
            )
            .icon(icons::ICON_FILE_EXPORT),
            Self::ExportNow => About::new("Export", "Writes the model into this folder."),
            Self::Merge(id) => About::new(
                format!("Merge {id} into a whole model…"),
                "Adds the adapter to the model that it stands on, and makes a new model of the two.",
            )
            .icon(icons::ICON_MERGE),
            Self::MergeNow => About::new("Merge", "Makes the new model."),
            Self::CloseQuestion => About::new("Cancel", "Changes nothing."),
            Self::LookAtHub => About::new(
                "Show files and size",
                "Asks the Hub what this model consists of. Nothing is downloaded yet.",
            )
            .icon(icons::ICON_SEARCH),
            Self::FetchFromHub => About::new(
                "Download and add",
                "Downloads the model and adds it to this project. What was stopped goes on where it was.",
            )
            .icon(icons::ICON_DOWNLOAD),
            Self::AddDemoPair => About::new(
                "Add the demo pair",
                "Adds the two small models of the fictional world Emberfall to this project.",
            )
            .icon(icons::ICON_SCIENCE),
            Self::StopWork => {
                About::new("Stop this", "Stops it. Nothing half made is left; a download goes on later where it was.")
                    .icon(icons::ICON_STOP)
            }
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let mut all: Vec<Self> = ModelsPage::ALL.into_iter().map(Self::Page).collect();
        all.extend([
            Self::Add,
            Self::Focus("…".into()),
            Self::FocusBase("…".into()),
            Self::Chat("…".into()),
            Self::Send,
            Self::StopAnswer,
            Self::ClearChat,
            Self::RestoreChat,
            Self::TrainFrom("…".into()),
            Self::Edit("…".into()),
            Self::SaveEdit,
            Self::Remove("…".into()),
            Self::RemoveNow("…".into()),
            Self::PutBack,
            Self::Export("…".into()),
            Self::ExportNow,
            Self::Merge("…".into()),
            Self::MergeNow,
            Self::CloseQuestion,
            Self::LookAtHub,
            Self::FetchFromHub,
            Self::AddDemoPair,
            Self::StopWork,
        ]);
        all
    }
}
