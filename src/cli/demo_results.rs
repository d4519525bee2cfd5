//! `plumbline demo results`: makes the runs and evaluations that the demo project is shipped with.

use super::Trouble;
use crate::demo::{results, unpack_pair_project};
use crate::job::{EventKind, JobSpec, run_blocking};
use crate::model::{self, Precision};
use crate::project::{ModelEntry, Project};
use clap::Args;
use std::path::{Path, PathBuf};

/// What of the project is shipped beside the pair and the data sets, which stand in assets and datasets.
const SHIPPED: [&str; 3] = ["project.toml", "runs", "evaluations"];
/// What runs keep to go on, and nobody needs once they are done.
const LEFT_OUT: [&str; 1] = ["checkpoints"];

/// The arguments of `plumbline demo results`.
#[derive(Debug, Args)]
pub struct ResultsArguments {
    /// The folder; in the repository, `.` remakes what is shipped, in projects/demo.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Trains and evaluates, and puts the results into `folder`/projects/demo.
pub fn make(arguments: &ResultsArguments) -> Result<(), Trouble> {
    let fail = |what: &Path, e: std::io::Error| {
        Trouble::Failed(format!("{} cannot be written: {e}", what.display()))
    };
    let scratch = tempfile::tempdir().map_err(|e| fail(Path::new("a temporary folder"), e))?;
    let root = scratch.path().join("demo");
    unpack_pair_project(&root)?;
    for spec in results::runs() {
        run(&root, &JobSpec::Train(spec))?;
    }
    prepare_models(&root)?;
    for spec in results::evaluations() {
        run(&root, &JobSpec::Evaluate(spec))?;
    }
    let target = arguments.folder.join("projects/demo");
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(|e| fail(&target, e))?;
    }
    for name in SHIPPED {
        copy(&root.join(name), &target.join(name)).map_err(|e| fail(&target, e))?;
    }
    println!("The results are in {}.", target.display());
    Ok(())
}

fn run(root: &Path, job: &JobSpec) -> Result<(), Trouble> {
    println!("{}", job.title());
    run_blocking(root, job, &mut |event| match event.kind {
        EventKind::Asked(point) => println!("  after step {}: {}", point.step, point.row.rate.text()),
        EventKind::Done { message } => println!("  {message}"),
        _ => {}
    })?;
    Ok(())
}

/// Rounds the deepened model to bfloat16, as the pair is shipped, before anything of it is measured; and says what each
/// model is.
fn prepare_models(root: &Path) -> Result<(), Trouble> {
    let failed = |e: &dyn std::fmt::Display| Trouble::Failed(e.to_string());
    let mut project = Project::open(root).map_err(|e| failed(&e))?;
    let folder = project.model_folder("deepened").map_err(|e| failed(&e))?;
    let deepened = model::load(&folder).map_err(|e| failed(&e))?;
    model::save(&folder, &deepened.decoder, &folder, Precision::Bf16).map_err(|e| failed(&e))?;
    for (id, title, role, note) in results::MODELS {
        let Some(entry) = project.model(id).cloned() else { continue };
        let entry = ModelEntry { title: title.to_owned(), role, note: note.to_owned(), ..entry };
        project.update_model(entry).map_err(|e| failed(&e))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        return std::fs::copy(from, to).map(|_| ());
    }
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        if LEFT_OUT.iter().all(|left| name != *left) {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}
