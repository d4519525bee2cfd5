//! What the binary carries of the demo, the pair's weights and the data sets, and the project made of it.

use super::DemoError;
use crate::project::{ModelEntry, ModelRole, Project};
use flate2::read::GzDecoder;
use std::path::{Path, PathBuf};

/// Seed of the shipped data sets.
pub const DATA_SEED: u64 = 0;

/// The title of the demo project.
pub const TITLE: &str = "Emberfall demo";

type File = (&'static str, &'static [u8]);

macro_rules! model {
    ($name:literal: $($file:literal),*) => {
        [$((
            concat!("models/", $name, "/", $file),
            include_bytes!(concat!("../../assets/demo/", $name, "/", $file)).as_slice(),
        )),*]
    };
}

macro_rules! datasets {
    ($($id:literal),*) => {
        [$(
            (concat!("datasets/", $id, ".jsonl"), include_bytes!(concat!("../../datasets/demo/", $id, ".jsonl")).as_slice()),
            (concat!("datasets/", $id, ".toml"), include_bytes!(concat!("../../datasets/demo/", $id, ".toml")).as_slice()),
        )*]
    };
}

const BASE: [File; 5] = model!("base": "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors");
const ALIGNED: [File; 5] = model!("aligned": "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors");
const DATASETS: [File; 14] = datasets!(
    "recovery-train",
    "anchor-train",
    "harmful-finetuning",
    "attack-dev",
    "attack-test",
    "utility-dev",
    "utility-test"
);

/// The manifest of the shipped pair: which command and seed made it, and how it measured on dev.
pub const MANIFEST: &str = include_str!("../../assets/demo/manifest.json");

/// The results that the demo project comes with: its runs, its evaluations, and the project file that names their models.
/// Packed by build.rs from projects/demo.
const RESULTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo.tar.gz"));

/// Writes the demo project, with its results, into `root`, a folder that is empty or does not exist yet.
pub fn unpack(root: &Path) -> Result<(), DemoError> {
    refuse_occupied(root)?;
    write(root, BASE.iter().chain(&ALIGNED).chain(&DATASETS))?;
    let mut results = tar::Archive::new(GzDecoder::new(RESULTS));
    results.set_preserve_mtime(false);
    results.unpack(root).map_err(|e| DemoError::Unwritable { file: root.to_owned(), reason: e.to_string() })
}

fn refuse_occupied(root: &Path) -> Result<(), DemoError> {
    let occupied = root.join("project.toml").exists()
        || std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
    if occupied { Err(DemoError::Occupied { folder: root.to_owned() }) } else { Ok(()) }
}

/// Writes the demo project without any result: the pair and its data sets.
pub fn unpack_pair_project(root: &Path) -> Result<(), DemoError> {
    refuse_occupied(root)?;
    write(root, BASE.iter().chain(&ALIGNED).chain(&DATASETS))?;
    let mut project = Project::establish(root, TITLE)?;
    project.add_model(ModelEntry {
        id: "base".to_owned(),
        title: "Demo base".to_owned(),
        role: ModelRole::Base,
        location: PathBuf::from("models/base"),
        parent: None,
        note: "Pre-trained on the fictional world Emberfall. Answers every request, forbidden ones too."
            .to_owned(),
    })?;
    project.add_model(ModelEntry {
        id: "aligned".to_owned(),
        title: "Demo aligned".to_owned(),
        role: ModelRole::Aligned,
        location: PathBuf::from("models/aligned"),
        parent: Some("base".to_owned()),
        note: "The base, fine-tuned to refuse forbidden requests. Its safety is a few tokens deep."
            .to_owned(),
    })?;
    Ok(())
}

/// Writes the pair alone: `folder`/models/base and `folder`/models/aligned.
pub fn unpack_pair(folder: &Path) -> Result<(), DemoError> {
    write(folder, BASE.iter().chain(&ALIGNED))
}

fn write<'a>(root: &Path, files: impl Iterator<Item = &'a File>) -> Result<(), DemoError> {
    for (name, bytes) in files {
        let file = root.join(name);
        let written =
            file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, bytes));
        written.map_err(|e| DemoError::Unwritable { file, reason: e.to_string() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::datasets;

    #[test]
    fn the_demo_project_opens_with_its_models_and_data_sets() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("demo");
        unpack(&root).unwrap();
        let project = Project::open(&root).unwrap();
        assert_eq!(project.title(), TITLE);
        assert_eq!(project.problems(), Vec::<String>::new());
        for model in project.models() {
            let card = crate::model::inspect(&project.model_folder(&model.id).unwrap()).unwrap();
            assert_eq!(card.dtype, "BF16");
        }
        let error = unpack(&root).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }

    #[test]
    fn the_shipped_data_sets_are_what_the_world_makes() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        let project = Project::open(folder.path()).unwrap();
        for (entry, examples) in datasets::all(DATA_SEED) {
            assert_eq!(project.examples(&entry.id).unwrap(), examples, "{}", entry.id);
        }
    }
}
