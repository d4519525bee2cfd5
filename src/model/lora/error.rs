//! What can be wrong with an adapter.

use std::path::PathBuf;

/// What can go wrong with a LoRA adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The folder does not exist.
    #[error(
        "{folder} is not a folder. Choose the folder that holds adapter_config.json and adapter_model.safetensors."
    )]
    NoFolder {
        /// The path given.
        folder: PathBuf,
    },
    /// The folder holds no adapter's weights.
    #[error(
        "{folder} holds no adapter_model.safetensors. Choose the folder that PEFT's save_pretrained wrote; a whole model is opened as a checkpoint, not as an adapter."
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// The weights are a pickle.
    #[error(
        "{file} is a pickle, and opening a pickle can run any program, so Plumbline opens safetensors only. Convert it where you trust it, with peft: PeftModel.from_pretrained(base_model, adapter_folder).save_pretrained(new_folder)."
    )]
    Pickle {
        /// The file.
        file: PathBuf,
    },
    /// The settings ask for something that is not supported, or contradict each other.
    #[error("{place} cannot be used: {reason}.")]
    Settings {
        /// The file, or "the LoRA settings" where there is none yet.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Tensors that the settings ask for are not in the file.
    #[error("{file} lacks {names}. Fetch or save the adapter again; half an adapter gives other answers.")]
    MissingTensors {
        /// The file.
        file: PathBuf,
        /// Names of the missing tensors.
        names: String,
    },
    /// Tensors that are not plain LoRA matrices.
    #[error(
        "{file} holds {names}, which plain LoRA on linear layers has no place for. Merge the adapter into its base with peft (merge_and_unload) and open the merged model."
    )]
    UnknownTensors {
        /// The file.
        file: PathBuf,
        /// Names of the tensors.
        names: String,
    },
    /// A matrix has another shape than the rank says.
    #[error(
        "{file}: tensor {name} has the shape {found:?}, but {expected}. The weights and adapter_config.json are not of the same adapter."
    )]
    Shape {
        /// The file.
        file: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// What it should be, in words.
        expected: String,
    },
    /// A tensor holds something else than finite floats.
    #[error(
        "{file}: tensor {name} {reason}. Go back to a checkpoint of the adapter from before that happened."
    )]
    Values {
        /// The file.
        file: PathBuf,
        /// Name of the tensor.
        name: String,
        /// What is wrong with its values.
        reason: String,
    },
    /// The adapter does not fit the base model.
    #[error(
        "the adapter belongs to another base: {reason}. Open it with the model that it was trained on{named}."
    )]
    OtherBase {
        /// The module that does not fit, and both shapes.
        reason: String,
        /// ", \"NAME\"" or nothing.
        named: String,
    },
    /// The settings select linear layers of the base that the adapter has no matrices for.
    #[error(
        "the adapter lacks the matrices of {names}, which its target_modules select in this base. Fetch or save the adapter again, or name only the modules that it holds."
    )]
    MissingModules {
        /// Paths of the modules.
        names: String,
    },
}

/// At most three names, and how many more there are.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
