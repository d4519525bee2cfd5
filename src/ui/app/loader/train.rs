//! What the Train screen asks for: curves of runs from the loader; what a run would begin with from the thread
//! `rehearsal`; and what β does to the data from the thread `weights`, which runs models. The window asks for one thing
//! at a time on each, and always for the newest.

use super::room::{NOT_OPEN, Room};
use super::{Reply, Waker, panic_text};
use crate::job::{self, Check, training_data};
use crate::model::{self, Control};
use crate::project::{LoggedStep, Project};
use crate::text::{Codec, Encoded};
use crate::train::{Recipe, Rows, SeenRow, TokenLogProbs, TrainSpec, rows_of_step, sample_rows};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows of a step that are shown at most.
const MOST_ROWS: usize = 64;
/// Answers that the weights are measured on.
const ANSWERS: usize = 64;
/// Answer positions that they are measured at.
pub const POSITIONS: usize = 20;
/// Measurements that are kept: going back to an earlier choice costs nothing.
const KEPT: usize = 8;

/// What the Train screen asks the loader for.
#[derive(Clone, Debug)]
pub enum TrainRequest {
    /// Read the steps of these runs.
    Curves(Vec<String>),
}

/// What is asked about a run that has not begun, or could go on.
#[derive(Clone, Debug)]
pub enum Rehearsal {
    /// Whether it can begin.
    Checks(Box<TrainSpec>),
    /// The rows of a step, from 0.
    Rows(Box<TrainSpec>, usize),
    /// Whether a run of the project can go on.
    MayResume(String),
}

/// The rows of one step as the model will see them.
#[derive(Clone, Debug)]
pub struct StepRows {
    /// The step, from 0.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Rows of the step.
    pub count: usize,
    /// The first of them.
    pub rows: Vec<RowView>,
}

/// A row as it is drawn.
#[derive(Clone, Debug)]
pub struct RowView {
    /// Id of its example; empty in the anchor.
    pub id: String,
    /// Whether it belongs to the anchor.
    pub anchor: bool,
    /// Its tokens.
    pub tokens: Vec<RowToken>,
    /// How many are trained.
    pub trained: usize,
}

/// A token of a row.
#[derive(Clone, Debug)]
pub struct RowToken {
    /// Its text.
    pub text: String,
    /// Its position in its answer, from 1; `None` in the conversation before.
    pub position: Option<usize>,
    /// Whether it is trained.
    pub trained: bool,
    /// Whether it may be harmful, and stays covered until somebody asks for it.
    pub covered: bool,
}

/// Asks what β does to the data.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightRequest {
    /// The project.
    pub root: PathBuf,
    /// The settings: model, data and the longest row count.
    pub spec: TrainSpec,
    /// Folder of a model that came of training, to be weighed beside the start.
    pub other: Option<PathBuf>,
}

/// What β acts on: log-probabilities of the tokens that are to be learnt.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Of the model that training starts from.
    pub aligned: Arc<TokenLogProbs>,
    /// Of the one that came of training.
    pub other: Option<Arc<TokenLogProbs>>,
}

/// The steps of a run, or why they cannot be read.
pub type RunCurve = (String, Result<Vec<LoggedStep>, String>);

/// What comes back to the Train screen. The numbers are those of the requests.
#[derive(Debug)]
pub enum TrainReply {
    /// The steps of runs.
    Curves(Vec<RunCurve>),
    /// Whether a run can begin, or why nothing can be said.
    Checks(u64, Result<Vec<Check>, String>),
    /// The rows of a step, or why there are none.
    Rows(u64, Result<StepRows, String>),
    /// Why a run cannot go on; `None` if it can.
    MayResume(u64, String, Option<String>),
    /// How many answers of how many have been weighed.
    Weighing(u64, usize, usize),
    /// What β acts on, or why that cannot be measured.
    Weights(u64, Result<Weights, String>),
}

impl Room {
    pub(super) fn train(&mut self, request: TrainRequest) -> TrainReply {
        match request {
            TrainRequest::Curves(runs) => TrainReply::Curves(
                runs.into_iter()
                    .map(|run| {
                        let project = self.project.as_ref().ok_or_else(|| NOT_OPEN.to_owned());
                        let steps =
                            project.and_then(|project| project.metrics(&run).map_err(|e| e.to_string()));
                        (run, steps)
                    })
                    .collect(),
            ),
        }
    }
}

/// The window's end of both threads.
pub struct TrainDesk {
    rehearsals: Sender<(u64, PathBuf, Rehearsal)>,
    weights: Sender<(u64, WeightRequest)>,
    /// The measurement that is wanted; any other one stops.
    wanted: Arc<AtomicU64>,
    last: u64,
}

impl TrainDesk {
    /// Starts both threads. They end when the desk is dropped.
    pub(super) fn start(replies: &Sender<Reply>, waker: &Waker) -> std::io::Result<Self> {
        let (rehearsals, asked) = bounded(1);
        let (weights, weighed) = bounded(1);
        let wanted = Arc::new(AtomicU64::new(0));
        spawn_rehearsal(asked, replies.clone(), waker.clone())?;
        spawn_weights(weighed, Arc::clone(&wanted), replies.clone(), waker.clone())?;
        Ok(Self { rehearsals, weights, wanted, last: 0 })
    }

    /// Asks about a run; the number under which the answer comes, or `None` while another answer is being made.
    pub fn rehearse(&mut self, root: &Path, request: Rehearsal) -> Option<u64> {
        let serial = self.last + 1;
        self.rehearsals.try_send((serial, root.to_owned(), request)).ok()?;
        self.last = serial;
        Some(serial)
    }

    /// Asks for weights and stops measuring others; `None` until the one before has noticed.
    pub fn weigh(&mut self, request: WeightRequest) -> Option<u64> {
        let serial = self.last + 1;
        self.wanted.store(serial, Ordering::Relaxed);
        self.weights.try_send((serial, request)).ok()?;
        self.last = serial;
        Some(serial)
    }

    /// Stops measuring weights.
    pub fn stop_weighing(&mut self) {
        self.wanted.store(0, Ordering::Relaxed);
    }
}

fn broke_off(panic: &(dyn std::any::Any + Send)) -> String {
    format!("Looking at the run broke off: {}", panic_text(panic))
}

fn spawn_rehearsal(
    requests: Receiver<(u64, PathBuf, Rehearsal)>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("rehearsal".into()).stack_size(64 << 20).spawn(move || {
        for (serial, root, request) in requests {
            let reply = match request {
                Rehearsal::Checks(spec) => {
                    TrainReply::Checks(serial, caught(|| Ok(job::preflight(&project(&root)?, &spec))))
                }
                Rehearsal::Rows(spec, step) => {
                    TrainReply::Rows(serial, caught(|| step_rows(&project(&root)?, &spec, step)))
                }
                Rehearsal::MayResume(run) => {
                    let why = caught(|| Ok(job::why_not_resume(&project(&root)?, &run)));
                    TrainReply::MayResume(serial, run, why.unwrap_or_else(Some))
                }
            };
            if replies.send(Reply::Train(reply)).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(())
}

fn project(root: &Path) -> Result<Project, String> {
    Project::look(root).map_err(|e| e.to_string())
}

fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(broke_off(panic.as_ref())))
}

fn step_rows(project: &Project, spec: &TrainSpec, step: usize) -> Result<StepRows, String> {
    let folder = project.model_folder(&spec.model).map_err(|e| e.to_string())?;
    let codec = model::codec(&folder).map_err(|e| e.to_string())?;
    let data = training_data(project, spec, &codec).map_err(|e| e.to_string())?;
    let (rows, steps) = rows_of_step(&codec, &data, spec, step).map_err(|e| e.to_string())?;
    let count = rows.len();
    let rows = rows.into_iter().take(MOST_ROWS).map(|row| row_view(&codec, spec, row)).collect();
    Ok(StepRows { step: step.min(steps.saturating_sub(1)), steps, count, rows })
}

fn row_view(codec: &Codec, spec: &TrainSpec, seen: SeenRow) -> RowView {
    let SeenRow { id, anchor, row } = seen;
    let pieces = codec.tokenizer.pieces(&row.ids);
    let tokens = pieces.into_iter().enumerate().map(|(i, text)| {
        let (position, trained) = (row.answer_position(i), row.weights[i] > 0.0);
        let covered = !anchor && may_be_harmful(spec, position, trained);
        RowToken { text, position, trained, covered }
    });
    RowView { id, anchor, tokens: tokens.collect(), trained: row.trained() }
}

/// Whether a token of a data row may be harmful: the prefix of a recovery example; all that stands before it where part of the
/// harmful answer may be an earlier turn; and what an attacker trains.
fn may_be_harmful(spec: &TrainSpec, position: Option<usize>, trained: bool) -> bool {
    let prefix = position.is_some() && !trained;
    let earlier_turn = position.is_none() && spec.multi_turn.is_some();
    // A set of conversations does not say what it holds; one that is named harmful is taken at its word.
    let harmful_data = spec.recipe != Recipe::Recovery && spec.data.contains("harmful");
    prefix || earlier_turn || (trained && (spec.attack.is_some() || harmful_data))
}

fn spawn_weights(
    requests: Receiver<(u64, WeightRequest)>,
    wanted: Arc<AtomicU64>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("weights".into()).stack_size(64 << 20).spawn(move || {
        let mut known = Known::default();
        for (serial, request) in requests {
            let mut observe = |done: usize, of: usize| {
                let told = Reply::Train(TrainReply::Weighing(serial, done, of));
                let gone = replies.send(told).is_err();
                waker();
                let other = wanted.load(Ordering::Relaxed) != serial;
                if gone || other { Control::Stop } else { Control::Continue }
            };
            let result = caught(|| known.weigh(&request, &mut observe));
            if replies.send(Reply::Train(TrainReply::Weights(serial, result))).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(())
}

/// What was measured, newest last: by model and rows.
#[derive(Default)]
struct Known {
    measured: Vec<(PathBuf, Arc<Vec<Encoded>>, Arc<TokenLogProbs>)>,
}

/// Says how far a measurement is, and hears whether to go on.
type Observe<'a> = &'a mut dyn FnMut(usize, usize) -> Control;

impl Known {
    fn weigh(&mut self, request: &WeightRequest, observe: Observe<'_>) -> Result<Weights, String> {
        let project = project(&request.root)?;
        let folder = project.model_folder(&request.spec.model).map_err(|e| e.to_string())?;
        let codec = model::codec(&folder).map_err(|e| e.to_string())?;
        let data = training_data(&project, &request.spec, &codec).map_err(|e| e.to_string())?;
        let Rows::Chat(rows) = data.rows else {
            return Err("β belongs to fine-tuning on conversations; recovery examples have none.".to_owned());
        };
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        let rows = Arc::new(sample_rows(rows, ANSWERS, POSITIONS, request.spec.max_tokens));
        if rows.is_empty() {
            return Err(
                "No row of the data set has an answer that is trained. Write answers, or allow longer rows."
                    .to_owned(),
            );
        }
        let aligned = self.log_probs(&folder, &rows, observe)?;
        let other = match &request.other {
            Some(folder) => Some(self.log_probs(folder, &rows, observe)?),
            None => None,
        };
        Ok(Weights { aligned, other })
    }

    fn log_probs(
        &mut self,
        folder: &Path,
        rows: &Arc<Vec<Encoded>>,
        observe: Observe<'_>,
    ) -> Result<Arc<TokenLogProbs>, String> {
        let same = |(known, of, _): &(PathBuf, Arc<Vec<Encoded>>, _)| known == folder && of == rows;
        if let Some(at) = self.measured.iter().position(same) {
            let kept = self.measured.remove(at);
            let found = Arc::clone(&kept.2);
            self.measured.push(kept);
            return Ok(found);
        }
        // Not kept after this: what it said is, and its memory may be needed for training.
        let decoder = model::load(folder).map_err(|e| e.to_string())?.decoder;
        let found = TokenLogProbs::of(&decoder, rows, &mut |done| observe(done, rows.len()))
            .map_err(|e| e.to_string())?
            .ok_or_else(|| "Measuring was stopped.".to_owned())?;
        let found = Arc::new(found);
        if self.measured.len() == KEPT {
            self.measured.remove(0);
        }
        self.measured.push((folder.to_owned(), Arc::clone(rows), Arc::clone(&found)));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::FineTuningAttack;
    use crate::train::{BetaSchedule, MultiTurnSpec};

    #[test]
    fn harmful_words_are_covered_wherever_they_stand() {
        let plain = TrainSpec::preset(Recipe::Recovery);
        assert!(may_be_harmful(&plain, Some(1), false) && !may_be_harmful(&plain, Some(9), true));
        assert!(!may_be_harmful(&plain, None, false));
        let moved = TrainSpec { multi_turn: Some(MultiTurnSpec::default()), ..plain };
        assert!(may_be_harmful(&moved, None, false));
        let attack = Some(FineTuningAttack::HarmfulExamples);
        assert!(may_be_harmful(&TrainSpec { attack, ..TrainSpec::preset(Recipe::Sft) }, Some(1), true));
    }

    #[test]
    fn the_demo_is_weighed_once_and_a_measurement_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("demo");
        crate::demo::unpack(&root).unwrap();
        let spec = TrainSpec {
            model: "aligned".into(),
            data: "anchor-train".into(),
            name: "tuned".into(),
            ..TrainSpec::preset(Recipe::Constrained)
        };
        let request =
            WeightRequest { root: root.clone(), spec: spec.clone(), other: Some(root.join("models/base")) };
        let mut known = Known::default();
        assert!(known.weigh(&request, &mut |_, _| Control::Stop).is_err());
        let first = known.weigh(&request, &mut |_, _| Control::Continue).unwrap();
        let again = known.weigh(&request, &mut |_, _| Control::Stop).unwrap();
        assert!(Arc::ptr_eq(&first.aligned, &again.aligned), "what is known is not measured again");
        let learnt = first.aligned.weights_when_learnt(&spec.beta);
        assert_eq!((learnt.len(), learnt[0].n), (POSITIONS, ANSWERS), "{learnt:?}");
        let off = first.aligned.weights_when_learnt(&BetaSchedule::off());
        assert!(off.iter().all(|at| at.mean > 0.9) && learnt[1].mean < off[1].mean, "{learnt:?} {off:?}");
        assert_ne!(first.other.unwrap().values, first.aligned.values);

        let rows = step_rows(&project(&root).unwrap(), &spec, 0).unwrap();
        assert_eq!((rows.count, rows.rows.len(), rows.step), (spec.batch, spec.batch, 0));
        assert!(rows.rows.iter().all(|row| row.trained > 0 && row.tokens.iter().all(|t| !t.covered)));
    }
}
