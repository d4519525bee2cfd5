//! Plumbline without a window: the same jobs, specs and folders.
//!
//! Exit codes: 0 = done, 1 = failed, 2 = the input is not right, 130 = stopped.

mod benchmark;
mod check;
mod demo;
mod demo_results;
mod export;
#[cfg(feature = "hub")]
mod fetch;
mod import;
mod inspect;
mod judges;
mod merge;
mod review;
mod run;

use crate::data::{DataError, DatasetKind};
use crate::demo::build::BuildSpec;
use crate::evaluate::EvaluateError;
use crate::job::{JobError, sentence};
use crate::project::{Project, ProjectError};
use crate::world::Ablation;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Plumbline shows how many tokens deep a language model's safety alignment is, and makes it deeper.
#[derive(Debug, Parser)]
#[command(
    name = "plumbline",
    version,
    after_help = "Without a command, the window opens on the demo project.\nExit codes: 0 done, 1 failed, 2 the input is not right, 130 stopped."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the window on a project.
    Open {
        /// The project's folder.
        folder: PathBuf,
    },
    /// Make a project in a folder that is empty or does not exist yet.
    New {
        /// The folder.
        folder: PathBuf,
        /// What the project is called; the folder's name, if not given.
        #[arg(long, conflicts_with = "demo")]
        title: Option<String>,
        /// Fill it with the demo: the pair of models and its data sets.
        #[arg(long)]
        demo: bool,
    },
    /// Tell the paper's story on the shipped pair of models, in tables; or make the pair.
    #[command(args_conflicts_with_subcommands = true)]
    Demo {
        /// Tell it on another pair: a folder that holds the folders base and aligned.
        #[arg(long)]
        pair: Option<PathBuf>,
        /// Use the dev adjectives, on which settings are chosen, instead of the test adjectives.
        #[arg(long)]
        dev: bool,
        /// Seed of the training runs of the story.
        #[arg(long, default_value_t = BuildSpec::default().seed)]
        seed: u64,
        /// Write every figure to this file, as JSON.
        #[arg(long)]
        save: Option<PathBuf>,
        #[command(subcommand)]
        command: Option<DemoCommand>,
    },
    /// Do a job: train a model, or evaluate models.
    Run {
        /// The job's spec, such as the spec.toml of an earlier run.
        spec: PathBuf,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
        /// Print each event as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Go on with a training run or an evaluation that was stopped or cut off.
    Resume {
        /// The run's id: the name of its folder in runs.
        run: String,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
        /// Print each event as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a data set of a file from elsewhere: CSV, JSON, JSON lines, or Parquet in the shapes of Alpaca, `ShareGPT`, `OpenAI` and others.
    Import(import::ImportArguments),
    /// Write a data set as a file for other programs; answers that may be harmful stay here unless asked for.
    Export(export::ExportArguments),
    /// Public benchmarks by name: list them, fetch one, make a data set of its file.
    Benchmark {
        #[command(subcommand)]
        command: benchmark::BenchmarkCommand,
    },
    /// Look at the texts that a model wrote for a data set, and accept or reject them.
    Review(review::ReviewArguments),
    /// Make a data set of accepted texts.
    Assemble(review::AssembleArguments),
    /// What judges are worth: tables for people to label, their labels back, and how judges compare with them.
    Judges {
        #[command(subcommand)]
        command: judges::JudgesCommand,
    },
    /// Read a data set and list everything that is wrong with it.
    Check {
        /// The JSONL file.
        file: PathBuf,
        /// What its lines should be.
        #[arg(long)]
        kind: Kind,
        /// Also check that rows make sense for the model in this folder: what is empty, cut off, twice there, or no refusal.
        #[arg(long)]
        model: Option<PathBuf>,
    },
    /// Write an adapter and the model that it stands on as one checkpoint.
    Merge {
        /// The adapter's folder, with adapter_config.json.
        adapter: PathBuf,
        /// The folder to write.
        out: PathBuf,
    },
    /// Show what a model's folder holds, without loading its weights.
    Inspect {
        /// The folder with config.json and the weights.
        folder: PathBuf,
    },
    /// Fetch a model from the Hub into the cache that Python's client uses too.
    #[cfg(feature = "hub")]
    Fetch(fetch::Arguments),
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    /// Make the pair and its data sets from nothing: assets/demo and datasets/demo under the folder.
    Build {
        /// The folder; in the repository, `.` remakes what is shipped.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Seed of weights, corpus and order.
        #[arg(long, default_value_t = BuildSpec::default().seed)]
        seed: u64,
        /// Leave out a property of the world, to see what depends on it.
        #[arg(long, value_parser = ablation)]
        without: Option<Ablation>,
    },
    /// Attack the pair in every way that the paper names, before and after recovery augmentation: six minutes on two cores.
    Attacks(demo::AttacksArguments),
    /// Make the runs and evaluations that the demo project is shipped with.
    Results(demo_results::ResultsArguments),
    /// Ask on three independently trained pairs of models what holds, with every comparison in one table: about two and a half
    /// hours.
    /// What is done is kept, and a second call goes on.
    Study(demo::StudyArguments),
}

fn ablation(name: &str) -> Result<Ablation, String> {
    let found = Ablation::ALL.into_iter().find(|ablation| ablation.name() == name);
    found.ok_or_else(|| format!("there are {}", Ablation::ALL.map(Ablation::name).join(" and ")))
}

/// The kinds of data sets, by their names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Recovery,
    Chat,
    Attack,
    Utility,
}

impl From<Kind> for DatasetKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Recovery => Self::Recovery,
            Kind::Chat => Self::Chat,
            Kind::Attack => Self::Attack,
            Kind::Utility => Self::Utility,
        }
    }
}

/// Why a command did not do what it was asked, with the exit code that says so.
#[derive(Debug)]
enum Trouble {
    /// It could not be done: 1.
    Failed(String),
    /// What was given is not right: 2.
    BadInput(String),
    /// Somebody stopped it: 130, as a shell says after Ctrl-C.
    Stopped(String),
}

impl Trouble {
    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Failed(message) => (1, message),
            Self::BadInput(message) => (2, message),
            Self::Stopped(message) => (130, message),
        }
    }
}

impl From<ProjectError> for Trouble {
    fn from(error: ProjectError) -> Self {
        let message = error.to_string();
        match error {
            ProjectError::Unwritable { .. }
            | ProjectError::ReadOnly { .. }
            | ProjectError::Data(DataError::Unwritable { .. }) => Self::Failed(message),
            _ => Self::BadInput(message),
        }
    }
}

impl From<JobError> for Trouble {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Stopped { .. } => Self::Stopped(message),
            JobError::Project(error) => error.into(),
            JobError::Spec(_)
            | JobError::SpecFile { .. }
            | JobError::WrongKind { .. }
            | JobError::Example { .. }
            | JobError::CannotResume { .. }
            | JobError::Evaluate(
                EvaluateError::Spec(_)
                | EvaluateError::NoTargets { .. }
                | EvaluateError::NoRows { .. }
                | EvaluateError::OtherTokenizer { .. }
                | EvaluateError::Text { .. },
            ) => Self::BadInput(message),
            JobError::Train(_)
            | JobError::Broken { .. }
            | JobError::Memory(_)
            | JobError::Generate(_)
            | JobError::Evaluate(_)
            | JobError::Keep { .. }
            | JobError::Panicked { .. } => Self::Failed(message),
        }
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let arguments = Arguments::parse();
    if let Err(error) = crate::model::device::check() {
        eprintln!("{}", sentence(&error.to_string()));
        return ExitCode::from(2);
    }
    let result = match arguments.command {
        None => open_window(None),
        Some(Command::Open { folder }) => open_window(Some(folder)),
        Some(Command::New { folder, demo: true, .. }) => new_demo(&folder),
        Some(Command::New { folder, title, .. }) => new(&folder, title),
        Some(Command::Demo { command: Some(DemoCommand::Build { folder, seed, without }), .. }) => {
            demo::build(&folder, seed, without)
        }
        Some(Command::Demo { command: Some(DemoCommand::Attacks(arguments)), .. }) => {
            demo::attacks(arguments)
        }
        Some(Command::Demo { command: Some(DemoCommand::Results(arguments)), .. }) => {
            demo::on_a_thread(move || demo_results::make(&arguments))
        }
        Some(Command::Demo { command: Some(DemoCommand::Study(arguments)), .. }) => demo::study(arguments),
        Some(Command::Demo { pair, dev, seed, save, command: None }) => demo::tell(pair, dev, seed, save),
        Some(Command::Run { spec, project, json }) => run::run(&spec, &project, json),
        Some(Command::Resume { run, project, json }) => run::resume(run, &project, json),
        Some(Command::Import(arguments)) => import::run(arguments),
        Some(Command::Export(arguments)) => export::run(arguments),
        Some(Command::Judges { command }) => judges::run(command),
        Some(Command::Benchmark { command }) => benchmark::run(command),
        Some(Command::Review(arguments)) => review::review(&arguments),
        Some(Command::Assemble(arguments)) => review::assemble(&arguments),
        Some(Command::Check { file, kind, model }) => check::check(&file, kind.into(), model.as_deref()),
        Some(Command::Merge { adapter, out }) => merge::merge(&adapter, &out),
        Some(Command::Inspect { folder }) => inspect::inspect(&folder),
        #[cfg(feature = "hub")]
        Some(Command::Fetch(arguments)) => fetch::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            let (code, message) = trouble.parts();
            eprintln!("{}", sentence(message));
            ExitCode::from(code)
        }
    }
}

/// Opens the window. The compute pool leaves one core to it, and stands back behind it.
fn open_window(project: Option<PathBuf>) -> Result<(), Trouble> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.saturating_sub(1).max(1));
    if let Err(e) = pool.start_handler(|_| crate::job::stand_back()).build_global() {
        log::warn!("the compute pool keeps its default size: {e}");
    }
    crate::ui::open(project).map_err(|e| Trouble::Failed(e.to_string()))
}

fn new(folder: &Path, title: Option<String>) -> Result<(), Trouble> {
    let name = || {
        folder.file_name().map_or_else(|| "Project".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let project = Project::create(folder, &title.unwrap_or_else(name))?;
    println!("Project \"{}\" is in {}.", project.title(), project.root().display());
    Ok(())
}

fn new_demo(folder: &Path) -> Result<(), Trouble> {
    crate::demo::unpack(folder)?;
    println!("The demo project is in {}.", folder.display());
    Ok(())
}
