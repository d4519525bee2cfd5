//! `plumbline export`: a data set as a file for other programs.

use super::Trouble;
use crate::data::{DatasetKind, ExportFormat, ExportSpec, REMOVED, export};
use crate::project::Project;
use clap::Args;
use std::path::PathBuf;

/// The arguments of `plumbline export`.
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Id of the data set.
    set: String,
    /// The file. Its name decides the form: .jsonl, .json, .csv, .tsv or .parquet, and .gz behind it packs it.
    file: PathBuf,
    /// Write conversations for training elsewhere, `{"messages": […]}` a line, instead of Plumbline's own rows.
    #[arg(long)]
    messages: bool,
    /// Write answers that may be harmful too; else a notice stands in their place.
    #[arg(long)]
    with_answers: bool,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    project: PathBuf,
}

pub(super) fn run(arguments: ExportArguments) -> Result<(), Trouble> {
    let name = arguments.file.to_string_lossy().to_lowercase();
    let (name, packed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = ExportFormat::ALL.into_iter().find(|format| format.ending() == ending);
    let format = match (known, arguments.messages) {
        (Some(ExportFormat::Lines), true) => ExportFormat::Messages,
        (Some(_), true) => {
            return Err(Trouble::BadInput(
                "Conversations are JSON lines: name a file that ends in .jsonl.".into(),
            ));
        }
        (Some(format), false) if packed && !format.can_be_packed() => {
            return Err(Trouble::BadInput("Parquet is packed as it is: leave out .gz.".into()));
        }
        (Some(format), false) => format,
        (None, _) => {
            return Err(Trouble::BadInput(
                "Name a file that ends in .jsonl, .json, .csv, .tsv or .parquet, or one of the first four with .gz behind it."
                    .into(),
            ));
        }
    };
    let examples = Project::open(&arguments.project)?.examples(&arguments.set)?;
    let spec = ExportSpec { format, packed, with_answers: arguments.with_answers };
    export(&arguments.file, &examples, spec).map_err(|e| Trouble::Failed(e.to_string()))?;
    println!("{} {} in {}.", examples.len(), examples.kind().label(), arguments.file.display());
    if spec.removes(&examples) {
        let what = match (examples.kind(), format) {
            (DatasetKind::Recovery, ExportFormat::Messages) => "Answers in earlier turns",
            _ => "Answers",
        };
        println!(
            "{what} were left out, and \"{REMOVED}\" stands in their place; --with-answers writes them."
        );
    }
    Ok(())
}
