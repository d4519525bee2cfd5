//! `plumbline benchmark`: the public benchmarks, by name.

use super::Trouble;
use crate::data::{DatasetKind, Metric, RegistryError, benchmarks, check_file, find_benchmark, import_file};
#[cfg(feature = "hub")]
use crate::data::{GetError, get};
use crate::evaluate::RESAMPLES;
use crate::project::{DatasetEntry, Project};
use crate::utility::{CodeSample, code_of, pass_at_1, read_results, write_samples};
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to do with benchmarks.
#[derive(Debug, Subcommand)]
pub(super) enum BenchmarkCommand {
    /// List the benchmarks that Plumbline knows, with licences and sources.
    List {
        /// Print a line of JSON for each part.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a benchmark's file. Nothing is fetched unless you ask for it here.
    #[cfg(feature = "hub")]
    Get {
        /// The benchmark, such as gsm8k, or one of its parts, such as xstest/unsafe.
        id: String,
        /// Where the file goes.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
    },
    /// Write the code that models wrote in an evaluation as the samples files of HumanEval's own harness. Plumbline never runs it.
    Samples {
        /// The evaluation's id.
        evaluation: String,
        /// Where the files go, one for each model.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
    /// Read what the harness made of a samples file, and print pass@1 with its interval.
    Passed {
        /// The harness's results, samples.jsonl_results.jsonl.
        file: PathBuf,
    },
    /// Make a data set of a benchmark's file on your disk.
    Import {
        /// The benchmark, such as gsm8k, or one of its parts, such as xstest/unsafe.
        id: String,
        /// The file.
        file: PathBuf,
        /// Id of the new data set; the benchmark's and part's names, if not given.
        #[arg(long = "as", value_name = "ID")]
        dataset: Option<String>,
        /// Leave out the rows that cannot be used, instead of importing nothing.
        #[arg(long)]
        skip_bad: bool,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::BadInput(error.to_string())
    }
}

#[cfg(feature = "hub")]
impl From<GetError> for Trouble {
    fn from(error: GetError) -> Self {
        let message = error.to_string();
        match error {
            GetError::Stopped { .. } => Self::Stopped(message),
            GetError::ByHand { .. } | GetError::BadAddress { .. } | GetError::Exists { .. } => {
                Self::BadInput(message)
            }
            _ => Self::Failed(message),
        }
    }
}

pub(super) fn run(command: BenchmarkCommand) -> Result<(), Trouble> {
    match command {
        BenchmarkCommand::List { json } => list(json),
        #[cfg(feature = "hub")]
        BenchmarkCommand::Get { id, folder } => return fetch(&id, &folder),
        BenchmarkCommand::Samples { evaluation, folder, project } => {
            return samples(&Project::open(&project)?, &evaluation, &folder);
        }
        BenchmarkCommand::Passed { file } => {
            let results = read_results(&file).map_err(|e| Trouble::BadInput(e.to_string()))?;
            println!("{}", pass_at_1(&results, RESAMPLES, 0).text());
        }
        BenchmarkCommand::Import { id, file, dataset, skip_bad, project } => {
            return bring(&id, &file, dataset, skip_bad, &project);
        }
    }
    Ok(())
}

fn samples(project: &Project, evaluation: &str, folder: &Path) -> Result<(), Trouble> {
    let mut by_model: BTreeMap<String, Vec<CodeSample>> = BTreeMap::new();
    for response in project.responses(evaluation, None)? {
        if response.metric.as_deref() == Some(Metric::PassAt1.label()) {
            let sample = CodeSample { task_id: response.prompt_id, completion: code_of(&response.text) };
            by_model.entry(response.model).or_default().push(sample);
        }
    }
    if by_model.is_empty() {
        return Err(Trouble::BadInput(format!(
            "{evaluation} holds no code: no task of it is scored by pass@1"
        )));
    }
    for (model, samples) in by_model {
        let file = folder.join(format!("samples-{model}.jsonl"));
        write_samples(&file, &samples).map_err(|e| Trouble::Failed(e.to_string()))?;
        println!("{}: {} samples", file.display(), samples.len());
    }
    Ok(())
}

fn list(as_json: bool) {
    let mut text = String::new();
    for benchmark in benchmarks() {
        if !as_json {
            let scored = benchmark.metric.map_or_else(String::new, |metric| format!(" · {}", metric.label()));
            text.push_str(&format!(
                "{} · {} · {}{scored} · {} · {}\n",
                benchmark.id,
                benchmark.title,
                benchmark.purpose.label(),
                benchmark.licence,
                benchmark.access.label()
            ));
            text.push_str(&format!("    {}\n    {}\n", benchmark.about, benchmark.page));
        }
        for part in &benchmark.parts {
            let purpose = benchmark.purpose_of(part);
            if as_json {
                let line = json!({
                    "id": format!("{}/{}", benchmark.id, part.id), "title": benchmark.title, "purpose": purpose,
                    "metric": benchmark.metric, "kind": part.kind, "rows": part.rows, "licence": benchmark.licence,
                    "access": benchmark.access, "page": benchmark.page, "url": part.url, "file": part.file,
                    "sha256": part.sha256, "citation": benchmark.citation, "note": benchmark.note,
                });
                text.push_str(&format!("{line}\n"));
            } else if benchmark.parts.len() > 1 {
                let rows = part.rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
                text.push_str(&format!("    {}/{}: {}{rows}\n", benchmark.id, part.id, purpose.label()));
            }
        }
    }
    // Whoever reads may hang up after the first lines, as `head` does.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(feature = "hub")]
fn fetch(id: &str, folder: &Path) -> Result<(), Trouble> {
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let (benchmark, part) = find_benchmark(id)?;
    let asked = Arc::new(AtomicBool::new(false));
    let handler = {
        let asked = Arc::clone(&asked);
        ctrlc::set_handler(move || asked.store(true, Ordering::SeqCst))
    };
    if let Err(e) = handler {
        log::warn!("Ctrl-C will end the program at once: {e}");
    }
    let got = get(benchmark, part, folder, &mut |_| {
        if asked.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    println!("{}", got.path.display());
    let version = match got.known {
        Some(true) => "a version that was compared",
        Some(false) => "another version than the one that was compared: check its rows when you import it",
        None => "no version of it was compared",
    };
    println!("{} bytes, sha256 {}: {version}.", got.bytes, got.sha256);
    println!("Licence: {}. Cite: {}.", benchmark.licence, benchmark.citation);
    Ok(())
}

fn bring(
    id: &str,
    file: &Path,
    dataset: Option<String>,
    skip_bad: bool,
    project: &Path,
) -> Result<(), Trouble> {
    let (benchmark, part) = find_benchmark(id)?;
    let check = check_file(benchmark, part, file)?;
    let found = import_file(benchmark, part, file)?;
    for row in &found.bad {
        eprintln!("{}, {row}", file.display());
    }
    if !found.bad.is_empty() && !skip_bad {
        return Err(Trouble::BadInput(format!(
            "{} rows of {} cannot be used, and nothing was imported. Mend them, or leave them out with --skip-bad.",
            found.bad.len(),
            file.display()
        )));
    }
    let dataset = dataset.unwrap_or_else(|| benchmark.dataset_id(part));
    let kind: DatasetKind = part.kind;
    let entry = DatasetEntry::of_benchmark(&dataset, benchmark, part, &check);
    let count = found.examples.len();
    Project::open(project)?.add_dataset(entry, &found.examples)?;
    println!("{count} {} in data set {dataset}: {}.", kind.label(), check.text());
    Ok(())
}
