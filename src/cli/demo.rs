//! `plumbline demo`: the paper's story on the shipped pair, and the making of the pair.

use super::Trouble;
use crate::demo::build::{BuildSpec, Stage};
use crate::demo::{DemoError, battery, ship, story, study, unpack_pair};
use crate::model::Control;
use crate::world::{Ablation, Split};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Stack of the thread that trains: differentiation walks the computation recursively.
const STACK: usize = 64 << 20;

impl From<DemoError> for Trouble {
    fn from(error: DemoError) -> Self {
        let message = error.to_string();
        match error {
            DemoError::Occupied { .. } | DemoError::Model(_) => Self::BadInput(message),
            DemoError::Stopped => Self::Stopped(message),
            _ => Self::Failed(message),
        }
    }
}

/// Tells the story: on the shipped pair, or on the one in `pair`. With `save`, the figures go to that file as JSON.
pub fn tell(pair: Option<PathBuf>, dev: bool, seed: u64, save: Option<PathBuf>) -> Result<(), Trouble> {
    on_a_thread(move || {
        let scratch =
            tempfile::tempdir().map_err(|e| Trouble::Failed(format!("no temporary folder: {e}")))?;
        let pair = match pair {
            Some(folder) => folder,
            None => {
                unpack_pair(scratch.path())?;
                scratch.path().join("models")
            }
        };
        let split = if dev { Split::Dev } else { Split::Test };
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        let mut tell = |title: &str, body: &str| bar.suspend(|| println!("### {title}\n\n{body}"));
        let mut note = |text: &str| bar.set_message(text.to_owned());
        let story = story::run(&pair, split, seed, &mut tell, &mut note)?;
        bar.finish_and_clear();
        println!("Told in {:.0} s on {} threads.", story.seconds, rayon::current_num_threads());
        write_json(save, &story)
    })
}

/// Builds pair and data sets under `folder`.
pub fn build(folder: &Path, seed: u64, ablation: Option<Ablation>) -> Result<(), Trouble> {
    let folder = folder.to_owned();
    on_a_thread(move || {
        let bar = ProgressBar::new(1);
        if let Ok(style) =
            ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} · {per_sec} · {eta} left")
        {
            bar.set_style(style);
        }
        let mut last = None;
        let spec = BuildSpec { seed, ablation, ..BuildSpec::default() };
        ship::ship(&spec, &folder, &mut |stage, done, total, loss| {
            if last != Some(stage) {
                last = Some(stage);
                bar.reset();
            }
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            bar.set_message(match stage {
                Stage::Tokenizer => "training the tokenizer".to_owned(),
                Stage::Base => format!("pre-training the base, loss {loss:.3}"),
                Stage::Aligned => format!("aligning it, loss {loss:.3}"),
            });
            Control::Continue
        })?;
        bar.finish_and_clear();
        println!("The pair is in {0}/assets/demo, the data sets are in {0}/datasets/demo.", folder.display());
        Ok(())
    })
}

/// The arguments of `plumbline demo attacks`.
#[derive(Debug, Args)]
pub struct AttacksArguments {
    /// Attack another pair: a folder that holds the folders base and aligned.
    #[arg(long)]
    pair: Option<PathBuf>,
    /// Use the dev adjectives, on which settings are chosen, instead of the test adjectives.
    #[arg(long)]
    dev: bool,
    /// Seed of the deepening, and the first of sampling.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write every figure to this file, as JSON.
    #[arg(long)]
    save: Option<PathBuf>,
}

/// Attacks the pair and prints the tables.
pub fn attacks(arguments: AttacksArguments) -> Result<(), Trouble> {
    on_a_thread(move || {
        let scratch =
            tempfile::tempdir().map_err(|e| Trouble::Failed(format!("no temporary folder: {e}")))?;
        let pair = match arguments.pair {
            Some(folder) => folder,
            None => {
                unpack_pair(scratch.path())?;
                scratch.path().join("models")
            }
        };
        let split = if arguments.dev { Split::Dev } else { Split::Test };
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        let found = battery::run(&pair, split, arguments.seed, &mut |text| bar.set_message(text.to_owned()))?;
        bar.finish_and_clear();
        for (title, body) in &found.sections {
            println!("### {title}\n\n{body}");
        }
        println!("Attacked in {:.0} s on {} threads.", found.seconds, rayon::current_num_threads());
        write_json(arguments.save, &found)
    })
}

/// Writes figures to a file, where one is asked for.
fn write_json<T: serde::Serialize>(file: Option<PathBuf>, figures: &T) -> Result<(), Trouble> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_string_pretty(figures).map_err(|e| Trouble::Failed(e.to_string()))?;
    crate::files::write_atomic(&file, text.as_bytes())
        .map_err(|e| Trouble::Failed(format!("{} cannot be written: {e}", file.display())))
}

/// The arguments of `plumbline demo study`.
#[derive(Debug, Args)]
pub struct StudyArguments {
    /// Where pairs and results are kept. A pair that is not there is built, which takes a quarter of an hour.
    #[arg(default_value = "study")]
    folder: PathBuf,
    /// Use the dev adjectives, on which settings are chosen, instead of the test adjectives.
    #[arg(long)]
    dev: bool,
    /// Seeds of the pairs.
    #[arg(long, value_delimiter = ',', default_values_t = study::SEEDS)]
    seeds: Vec<u64>,
    /// Only the runs whose name begins so, such as `harmful` or `harmful/sft`.
    #[arg(long, default_value = "")]
    only: String,
    /// Do nothing: print the tables of what is there.
    #[arg(long)]
    tables: bool,
}

/// Runs the study and prints its tables.
pub fn study(arguments: StudyArguments) -> Result<(), Trouble> {
    on_a_thread(move || {
        let split = if arguments.dev { Split::Dev } else { Split::Test };
        let study =
            study::Study { folder: arguments.folder, split, seeds: arguments.seeds, only: arguments.only };
        if !arguments.tables {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            study.run(&mut |text, done| {
                if done {
                    bar.suspend(|| println!("{text}"));
                } else {
                    bar.set_message(text.to_owned());
                }
            })?;
            bar.finish_and_clear();
        }
        println!("{}", study.tables()?);
        Ok(())
    })
}

pub(super) fn on_a_thread(
    work: impl FnOnce() -> Result<(), Trouble> + Send + 'static,
) -> Result<(), Trouble> {
    let thread = std::thread::Builder::new().name("plumbline-demo".to_owned()).stack_size(STACK).spawn(work);
    let thread = thread.map_err(|e| Trouble::Failed(format!("no thread could be started: {e}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Trouble::Failed("the demo stopped unexpectedly; see above".to_owned())))
}
