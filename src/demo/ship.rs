//! From the source of the world to what the repository ships: the pair, the data sets, and the manifest that says
//! what made them.

use super::build::{BuildSpec, Stage, build};
use super::{DATA_SEED, DemoError, datasets};
use crate::model::Control;
use crate::project::{Project, hash_file};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Builds the pair into `root`/assets/demo and the data sets into `root`/datasets/demo: run in the repository, it
/// remakes what is shipped.
pub fn ship(
    spec: &BuildSpec,
    root: &Path,
    observe: &mut dyn FnMut(Stage, usize, usize, f64) -> Control,
) -> Result<(), DemoError> {
    let started = Instant::now();
    let assets = root.join("assets/demo");
    build(spec, &assets, observe)?;
    write_datasets(root)?;
    let hash = |file: &str| -> Result<Value, DemoError> {
        let path = assets.join(file);
        let hash =
            hash_file(&path).map_err(|e| DemoError::Unwritable { file: path, reason: e.to_string() })?;
        Ok(Value::String(hash))
    };
    let manifest = json!({
        "plumbline": env!("CARGO_PKG_VERSION"),
        "command": format!("plumbline demo build --seed {}", spec.seed),
        "spec": serde_json::to_value(spec).unwrap_or_default(),
        "data_seed": DATA_SEED,
        "threads": rayon::current_num_threads(),
        "seconds": started.elapsed().as_secs(),
        "sha256": {
            "base/model.safetensors": hash("base/model.safetensors")?,
            "aligned/model.safetensors": hash("aligned/model.safetensors")?,
            "base/tokenizer.json": hash("base/tokenizer.json")?,
        },
    });
    let file = assets.join("manifest.json");
    std::fs::write(&file, format!("{manifest:#}\n"))
        .map_err(|e| DemoError::Unwritable { file, reason: e.to_string() })
}

/// Writes the data sets into `root`/datasets/demo, in the form that a project's `datasets` folder has.
pub fn write_datasets(root: &Path) -> Result<(), DemoError> {
    let unwritable = |file: &Path, e: &std::io::Error| DemoError::Unwritable {
        file: file.to_owned(),
        reason: e.to_string(),
    };
    let target = root.join("datasets/demo");
    std::fs::create_dir_all(&target).map_err(|e| unwritable(&target, &e))?;
    let scratch = tempfile::tempdir().map_err(|e| unwritable(&target, &e))?;
    let mut project = Project::create(&scratch.path().join("project"), "scratch")?;
    for (entry, examples) in datasets::all(DATA_SEED) {
        let id = entry.id.clone();
        project.add_dataset(entry, &examples)?;
        for end in ["jsonl", "toml"] {
            let name = format!("{id}.{end}");
            let to = target.join(&name);
            std::fs::copy(project.root().join("datasets").join(&name), &to)
                .map_err(|e| unwritable(&to, &e))?;
        }
    }
    Ok(())
}
