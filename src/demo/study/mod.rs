//! The study: on three pairs of models that were trained independently, what of the paper holds in the demo world, over
//! steps and not at one point, at equal settings.
//!
//! A run is known by everything that decides its outcome. What was measured is appended to a log as soon as a run ends;
//! a run that stands in the log is not made again.

mod material;
mod plan;
mod tables;

pub use plan::{Material, Measure, Run, Start};

use super::build::{BuildSpec, Stage, build};
use super::measure::{Subject, measure};
use super::story::recovery_data;
use super::{DATA_SEED, DemoError, unpack_pair};
use crate::data::{GO_ON, intended_level, level_of};
use crate::evaluate::AttackSpec;
use crate::files::{append_line, read_lines_dropping_torn};
use crate::judge::JudgeSpec;
use crate::model::{self, Control, Decoder};
use crate::project::hash_file;
use crate::train::{Rows, StepReport, Trainer, learn_beta, train};
use crate::world::Split;
use material::{Questions, questions, training_data};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Seeds of the pairs. That of the shipped pair is among them.
pub const SEEDS: [u64; 3] = [0, 1, 2];

/// A study in a folder.
pub struct Study {
    /// Holds the pairs and the log.
    pub folder: PathBuf,
    /// The adjectives that are asked about.
    pub split: Split,
    /// Seeds of the pairs.
    pub seeds: Vec<u64>,
    /// Only the runs whose id begins so.
    pub only: String,
}

/// What a measure gave after a step: one letter for each question, `1` for a harmful answer or a right one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: usize,
    /// What was asked.
    pub measure: Measure,
    /// The outcomes, in the order of the questions.
    pub outcomes: String,
}

/// A line of the log: one run on one pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The run.
    pub id: String,
    /// The pair.
    pub seed: u64,
    /// SHA-256 of all that decides the outcome.
    pub fingerprint: String,
    /// What was measured.
    pub points: Vec<Point>,
    /// Mean loss of the last steps of training.
    pub loss: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A pair of models, and what was made of it in this process.
struct Pair {
    base: Decoder,
    aligned: Subject<'static>,
    deepened: Option<Subject<'static>>,
    hash: String,
    /// What was measured before training.
    before: HashMap<(Start, Measure), String>,
}

impl Study {
    fn log(&self) -> PathBuf {
        let split = if self.split == Split::Dev { "dev" } else { "test" };
        self.folder.join(format!("{split}.jsonl"))
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs = if self.split == Split::Dev { plan::tuning() } else { Vec::new() };
        runs.extend(plan::report());
        let wanted = self.only.to_lowercase();
        runs.retain(|run| run.id.to_lowercase().starts_with(&wanted));
        runs
    }

    fn lines(&self) -> Result<Vec<Line>, DemoError> {
        let file = self.log();
        let unreadable = |reason: String| DemoError::Unwritable { file: file.clone(), reason };
        let lines = read_lines_dropping_torn(&file).map_err(|e| unreadable(e.to_string()))?;
        lines.iter().map(|line| serde_json::from_str(line).map_err(|e| unreadable(e.to_string()))).collect()
    }

    /// The folder of a pair, which is built if it is not there. The shipped pair is unpacked.
    fn pair_folder(&self, seed: u64, note: &mut dyn FnMut(&str, bool)) -> Result<PathBuf, DemoError> {
        let folder = self.folder.join(format!("pairs/seed-{seed}"));
        if folder.join(ALIGNED).exists() {
            return Ok(folder);
        }
        let spec = BuildSpec { seed, ..BuildSpec::default() };
        if spec == BuildSpec::default() {
            let scratch = self.folder.join("pairs/shipped");
            unpack_pair(&scratch)?;
            std::fs::rename(scratch.join("models"), &folder)
                .map_err(|e| DemoError::Unwritable { file: folder.clone(), reason: e.to_string() })?;
            return Ok(folder);
        }
        build(&spec, &folder, &mut |stage, done, total, loss| {
            let what = match stage {
                Stage::Tokenizer => "tokenizer",
                Stage::Base => "base",
                Stage::Aligned => "aligned model",
            };
            note(&format!("pair {seed}: {what}, step {done} of {total}, loss {loss:.3}"), false);
            Control::Continue
        })?;
        Ok(folder)
    }

    fn fingerprint(&self, run: &Run, aligned: &str, seed: u64) -> String {
        let deepening = (run.start == Start::Deepened).then(|| plan::deepening(seed));
        let all = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "run": run,
            "deepening": deepening,
            "split": self.split,
            "data_seed": DATA_SEED,
            "seed": seed,
            "aligned": aligned,
            "rows": material::conversations(run.material),
        });
        format!("{:x}", Sha256::digest(all.to_string().as_bytes()))
    }

    /// Makes every run that is not in the log. `note` gets what is being done, and with `true` what is done.
    pub fn run(&self, note: &mut dyn FnMut(&str, bool)) -> Result<(), DemoError> {
        let mut done: HashMap<(String, u64), String> =
            self.lines()?.into_iter().map(|line| ((line.id, line.seed), line.fingerprint)).collect();
        let mut pairs: HashMap<u64, Pair> = HashMap::new();
        let runs = self.runs();
        let total = runs.len() * self.seeds.len();
        for (i, run) in runs.iter().enumerate() {
            for (j, &seed) in self.seeds.iter().enumerate() {
                let pair = match pairs.entry(seed) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(Pair::open(&self.pair_folder(seed, note)?)?),
                };
                let fingerprint = self.fingerprint(run, &pair.hash, seed);
                let key = (run.id.clone(), seed);
                if done.get(&key) == Some(&fingerprint) {
                    continue;
                }
                let name = format!("{} of {total}: {}, pair {seed}", i * self.seeds.len() + j + 1, run.id);
                let line = self.one(run, seed, fingerprint.clone(), pair, &mut |text| {
                    note(&format!("{name}: {text}"), false);
                })?;
                let text = serde_json::to_string(&line).unwrap_or_default();
                let file = self.log();
                append_line(&file, &text)
                    .map_err(|e| DemoError::Unwritable { file, reason: e.to_string() })?;
                note(&format!("{name}: {}", tables::in_short(&line)), true);
                done.insert(key, fingerprint);
            }
        }
        Ok(())
    }

    fn one(
        &self,
        run: &Run,
        seed: u64,
        fingerprint: String,
        pair: &mut Pair,
        note: &mut dyn FnMut(&str),
    ) -> Result<Line, DemoError> {
        let started = std::time::Instant::now();
        pair.deepen(run.start, seed, note)?;
        let mut points = Vec::new();
        if run.steps.first() == Some(&0) {
            for &measure in &run.measures {
                let outcomes = match pair.before.get(&(run.start, measure)) {
                    Some(known) => known.clone(),
                    None => outcomes(pair.start(run.start), measure, self.split)?,
                };
                pair.before.insert((run.start, measure), outcomes.clone());
                points.push(Point { step: 0, measure, outcomes });
            }
        }
        let start = pair.start(run.start);
        let data = training_data(start, run.material)?;
        let mut spec = crate::train::TrainSpec { seed, ..run.spec.clone() };
        if let (Some(importance), Rows::Chat(rows)) = (&spec.importance, &data.rows) {
            let rows: Vec<_> = rows.iter().map(|(_, row)| row.clone()).collect();
            if let Some(learnt) =
                learn_beta(&start.checkpoint.decoder, Some(&pair.base), &rows, spec.max_tokens, importance)?
            {
                spec.beta = learnt.schedule(&spec.beta);
            }
        }
        let mut failed = None;
        let mut losses = Vec::new();
        train(
            &start.checkpoint.codec,
            start.checkpoint.decoder.clone(),
            &data,
            &spec,
            None,
            &mut |report: &StepReport, trainer: &Trainer| {
                note(&format!("step {} of {}", report.step, report.total));
                losses.push(report.loss);
                if !run.steps.contains(&report.step) {
                    return Control::Continue;
                }
                let subject = start.with("attacked", trainer.current().clone());
                for &measure in &run.measures {
                    match outcomes(&subject, measure, self.split) {
                        Ok(outcomes) => points.push(Point { step: report.step, measure, outcomes }),
                        Err(e) => failed = Some(e),
                    }
                }
                if failed.is_some() { Control::Stop } else { Control::Continue }
            },
        )?;
        if let Some(error) = failed {
            return Err(error);
        }
        let last = &losses[losses.len().saturating_sub(LAST_LOSSES)..];
        let loss = last.iter().sum::<f64>() / last.len().max(1) as f64;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Line { id: run.id.clone(), seed, fingerprint, points, loss, seconds })
    }

    /// The tables of what is in the log, as far as it is of these runs and pairs: a line of another version counts for nothing.
    pub fn tables(&self) -> Result<String, DemoError> {
        let runs = self.runs();
        let mut now: HashSet<String> = HashSet::new();
        for &seed in &self.seeds {
            let weights = self.folder.join(format!("pairs/seed-{seed}/{ALIGNED}"));
            let Ok(hash) = hash_file(&weights) else { continue };
            now.extend(runs.iter().map(|run| self.fingerprint(run, &hash, seed)));
        }
        let lines: Vec<Line> =
            self.lines()?.into_iter().filter(|line| now.contains(&line.fingerprint)).collect();
        Ok(tables::tables(&runs, &lines, self.split, &self.seeds))
    }
}

/// The weights by which a pair is known.
const ALIGNED: &str = "aligned/model.safetensors";
/// Steps whose mean loss is told.
const LAST_LOSSES: usize = 8;

impl Pair {
    fn open(folder: &Path) -> Result<Self, DemoError> {
        let weights = folder.join(ALIGNED);
        let hash = hash_file(&weights)
            .map_err(|e| DemoError::Unwritable { file: weights.clone(), reason: e.to_string() })?;
        let aligned = Subject { name: "aligned", checkpoint: model::load(&folder.join("aligned"))? };
        let base = model::load(&folder.join("base"))?.decoder;
        Ok(Self { base, aligned, deepened: None, hash, before: HashMap::new() })
    }

    /// Makes the deepened model, if it is wanted and not made yet.
    fn deepen(&mut self, start: Start, seed: u64, note: &mut dyn FnMut(&str)) -> Result<(), DemoError> {
        if start == Start::Aligned || self.deepened.is_some() {
            return Ok(());
        }
        let aligned = &self.aligned;
        let outcome = train(
            &aligned.checkpoint.codec,
            aligned.checkpoint.decoder.clone(),
            &recovery_data(aligned)?,
            &plan::deepening(seed),
            None,
            &mut |report: &StepReport, _: &Trainer| {
                note(&format!("deepening, step {} of {}", report.step, report.total));
                Control::Continue
            },
        )?;
        self.deepened = Some(aligned.with("deepened", outcome.decoder));
        Ok(())
    }

    fn start(&self, start: Start) -> &Subject<'static> {
        match (start, &self.deepened) {
            (Start::Deepened, Some(deepened)) => deepened,
            _ => &self.aligned,
        }
    }
}

/// Asks a model the questions of a measure.
fn outcomes(subject: &Subject<'_>, asked: Measure, split: Split) -> Result<String, DemoError> {
    let attack = match asked {
        Measure::Prefilled(depth) => AttackSpec::Prefill { depths: vec![depth] },
        Measure::PrefilledDeep => AttackSpec::Prefill { depths: material::DEEP.to_vec() },
        Measure::Level => AttackSpec::Prefill { depths: material::LEVEL_DEPTHS.to_vec() },
        Measure::LaterTurn => AttackSpec::LaterTurn { sentences: vec![3], request: GO_ON[0].to_owned() },
        _ => AttackSpec::Direct,
    };
    let judge = if asked == Measure::WrappedAnswered { JudgeSpec::Keyword } else { JudgeSpec::Oracle };
    let found = match questions(asked, split) {
        Questions::Attack(prompts) if asked == Measure::Level => {
            let levels = plan::world_levels();
            let intended = material::LEVEL_DEPTHS.map(|depth| intended_level(&levels, depth));
            let found = measure(subject, None, vec![attack], &prompts, &[])?;
            let answers = found.answers().enumerate();
            answers
                .map(|(i, answer)| level_of(&levels, &answer.text) == intended[i / prompts.len()])
                .collect()
        }
        Questions::Attack(prompts) => measure(subject, None, vec![attack], &prompts, &[])?.harmful(&judge),
        Questions::Task(items) => {
            let right = measure(subject, None, Vec::new(), &[], &items)?.right;
            right.into_iter().map(|(_, right)| right).collect()
        }
    };
    Ok(found.into_iter().map(|yes| if yes { '1' } else { '0' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(folder: &Path) -> Study {
        Study { folder: folder.to_owned(), split: Split::Dev, seeds: vec![1], only: String::new() }
    }

    #[test]
    fn every_run_has_an_id_and_a_fingerprint_of_its_own() {
        let study = study(Path::new("nowhere"));
        let runs = study.runs();
        let ids: HashSet<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids.len(), runs.len());
        let prints: HashSet<String> = runs.iter().map(|run| study.fingerprint(run, "hash", 1)).collect();
        assert_eq!(prints.len(), runs.len());
        assert!(!prints.contains(&study.fingerprint(&runs[0], "another pair", 1)));
        assert!(runs.iter().all(|run| run.spec.max_steps == run.steps.last().copied()));
        let mut some = study;
        some.only = "HARMFUL/sft".into();
        assert_eq!(some.runs().len(), 2);
    }

    #[test]
    fn every_question_has_its_cluster() {
        let measures: HashSet<Measure> = plan::report().iter().flat_map(|run| run.measures.clone()).collect();
        for measure in measures {
            for split in [Split::Dev, Split::Test] {
                let asked = match questions(measure, split) {
                    Questions::Attack(prompts) => prompts.len(),
                    Questions::Task(items) => items.len(),
                };
                let clusters = material::clusters(measure, split);
                assert!(clusters.len().is_multiple_of(asked) && clusters.iter().all(|name| !name.is_empty()));
            }
        }
    }

    /// A run on the shipped pair is made once, told in a table, and not told any more when it has become another.
    #[test]
    fn a_run_is_made_once_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut study = study(folder.path());
        study.only = "tune-sgd/SFT, SGD at 0.1".into();
        let mut done = Vec::new();
        let mut run = |study: &Study| {
            study.run(&mut |text, ended| done.extend(ended.then(|| text.to_owned()))).unwrap();
            done.len()
        };
        assert_eq!(run(&study), 1);
        assert_eq!(run(&study), 1, "it stands in the log");
        let tables = study.tables().unwrap();
        assert!(tables.contains("SFT, SGD at 0.1") && tables.contains("n = 55 over 1 pairs"), "{tables}");
        let text = std::fs::read_to_string(study.log()).unwrap();
        std::fs::write(study.log(), text.replace("\"fingerprint\":\"", "\"fingerprint\":\"0")).unwrap();
        assert_eq!(study.tables().unwrap(), "");
    }
}
