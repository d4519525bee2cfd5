//! The training loop.

use super::TrainError;
use super::dynamics::{Dynamics, DynamicsPoint};
use super::objective::{Objective, Targets};
use super::optimiser::{AdamW, global_norm, learning_rate};
use super::plan::{Batch, Plan, Rows, TrainingData};
use super::saved::{self, Checkpoints, Reader, Saved, SavedState, Values};
use super::spec::{Normalisation, Recipe, TrainSpec};
use crate::model::fused::host;
use crate::model::{self, Adapter, Control, Decoder, Gradients, Parameters, PassOptions};
use crate::text::{Codec, Encoded};
use candle_core::Tensor;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Instant;

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: usize,
    /// Steps of the whole run.
    pub total: usize,
    /// The loss: the value of the objective in nats per trained token.
    pub loss: f64,
    /// Mean cross-entropy of the recovery tokens, where there is an anchor beside them.
    pub recovery_loss: Option<f64>,
    /// Mean cross-entropy of the anchor tokens.
    pub anchor_loss: Option<f64>,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Tokens in the rows of this step, context included.
    pub tokens: usize,
    /// Seconds that the step took.
    pub seconds: f64,
    /// What was measured at each answer position after this step, or, in the first one, before it.
    pub dynamics: Vec<DynamicsPoint>,
}

/// What a run made.
pub struct Outcome {
    /// The trained decoder, no longer tied to differentiation.
    pub decoder: Decoder,
    /// Steps done.
    pub steps: usize,
    /// Whether the observer stopped it before its end.
    pub stopped: bool,
}

/// A decoder being trained: its parameters, their gradients and their optimiser.
pub struct Trainer {
    decoder: Decoder,
    frozen: Decoder,
    parameters: Parameters,
    gradients: Gradients,
    optimiser: AdamW,
    options: PassOptions,
    /// Loss of the first step.
    first_loss: Option<f64>,
}

impl Trainer {
    /// Trains all weights of a copy of `start`, in f32.
    pub fn new(start: &Decoder, beta1: f64, beta2: f64, weight_decay: f64) -> Result<Self, TrainError> {
        let (decoder, parameters) = start.clone().trainable()?;
        Self::of(decoder, parameters, beta1, beta2, weight_decay)
    }

    /// Trains the given parameters of `decoder`, which it shares.
    pub fn of(
        decoder: Decoder,
        parameters: Parameters,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
    ) -> Result<Self, TrainError> {
        let frozen = decoder.frozen()?;
        let gradients = decoder.no_gradients(&parameters);
        let optimiser = AdamW::new(&parameters, beta1, beta2, weight_decay);
        Ok(Self {
            decoder,
            frozen,
            parameters,
            gradients,
            optimiser,
            options: PassOptions::default(),
            first_loss: None,
        })
    }

    /// How backward passes go.
    #[must_use]
    pub fn with_options(self, options: PassOptions) -> Self {
        Self { options, ..self }
    }

    /// The same with AdamW's ε.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { optimiser: self.optimiser.with_epsilon(epsilon), ..self }
    }

    /// The decoder as it now is, recording nothing.
    #[must_use]
    pub fn current(&self) -> &Decoder {
        &self.frozen
    }

    /// The trained parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The gradients of the last step.
    #[must_use]
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// Computes the objective and its gradients, `rows` rows at a time: a step over many rows needs the memory of few.
    /// Returns the objective's value and what each trained token contributes to it.
    pub fn backward(
        &mut self,
        targets: &Targets,
        objective: &Objective<'_>,
        rows: usize,
    ) -> Result<(f64, Vec<f64>), TrainError> {
        self.gradients.clear();
        let mut values = vec![0.0; targets.len()];
        for (first, part) in targets.parts(rows) {
            let mut derivative = |i: usize, log_prob: f32| {
                let (value, derivative) = objective.at(first + i, log_prob);
                values[first + i] = value;
                derivative
            };
            self.decoder.gradients(&part, &mut derivative, &mut self.gradients, self.options)?;
        }
        Ok((values.iter().sum(), values))
    }

    /// One step down the gradients of the last [`Self::backward`]. Returns their norm before clipping.
    pub fn step(&mut self, learning_rate: f64, clip: f64) -> Result<f64, TrainError> {
        self.optimiser.step(&self.parameters, &self.gradients, learning_rate, clip)
    }

    /// The norm of the gradient of a loss with the given derivative at each target (see [`Decoder::gradients`]). The
    /// gradients of the last step are lost.
    pub fn norm_of(
        &mut self,
        batch: &model::Batch,
        derivative: &mut (dyn FnMut(usize, f32) -> f32 + Send),
    ) -> Result<f64, TrainError> {
        self.gradients.clear();
        self.decoder.gradients(batch, derivative, &mut self.gradients, self.options)?;
        global_norm(&self.parameters, &self.gradients)
    }

    /// Keeps all that is needed to go on. `state` says how far it is; the loss of the first step is added to it.
    pub fn save(&self, checkpoints: &Checkpoints, state: SavedState) -> Result<PathBuf, TrainError> {
        let state = SavedState { first_loss: self.first_loss, ..state };
        checkpoints.add(&state, |folder| {
            // What lies in the memory of the CPU is written from where it lies.
            let held: Vec<_> = self.parameters.iter().map(|(_, var)| host(var.as_tensor()).ok()).collect();
            let mut values = Vec::with_capacity(held.len());
            for ((name, var), held) in self.parameters.iter().zip(&held) {
                let elements = match held {
                    Some(held) => Cow::Borrowed(&**held),
                    None => Cow::Owned(var.as_tensor().flatten_all()?.to_vec1()?),
                };
                values.push((name.clone(), Values { shape: var.dims().to_vec(), values: elements }));
            }
            saved::write(&folder.join(saved::TRAINED), &values)?;
            self.optimiser.save(&self.parameters, &folder.join(saved::OPTIMISER))
        })
    }

    /// Goes on from a checkpoint.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), TrainError> {
        let reader = Reader::open(&saved.folder.join(saved::TRAINED))?;
        for (name, var) in &self.parameters {
            let values = reader.values(name, var.dims())?;
            var.set(&Tensor::from_vec(values, var.shape().clone(), var.device())?)?;
        }
        let path = saved.folder.join(saved::OPTIMISER);
        self.optimiser.restore(&self.parameters, &path, saved.state.step, self.decoder.is_fused())?;
        self.first_loss = saved.state.first_loss;
        Ok(())
    }

    /// Whether a loss is none any more, or so far above the first one and above a blind guess that training broke.
    fn has_exploded(&mut self, loss: f64) -> bool {
        let first = *self.first_loss.get_or_insert(loss);
        let guess = (self.decoder.config().vocab_size as f64).ln();
        !loss.is_finite() || loss > EXPLODED * first.max(guess)
    }
}

/// So many times the loss of the first step, or of guessing blindly, is no training any more.
const EXPLODED: f64 = 10.0;

/// Trains `start`, or a copy of it where somebody else holds it too; `from` a checkpoint of the same run, if there is one.
/// `observe` sees every step and the trainer after it, and may stop.
///
/// Order and depths come from streams keyed by seed and example id: the same spec, data, device, threads and batch give
/// the same bytes, whether or not the run was interrupted.
pub fn train(
    codec: &Codec,
    start: Decoder,
    data: &TrainingData,
    spec: &TrainSpec,
    from: Option<&Saved>,
    observe: &mut dyn FnMut(&StepReport, &Trainer) -> Control,
) -> Result<Outcome, TrainError> {
    let plan = Plan::new(codec, data, spec)?;
    let reference: Option<Cow<'_, [Vec<f32>]>> = match (&data.rows, spec.recipe, &data.reference) {
        (Rows::Chat(_), Recipe::Constrained, Some(known)) => Some(Cow::Borrowed(known)),
        (Rows::Chat(rows), Recipe::Constrained, None) => {
            let at_once = spec.rows_at_once.unwrap_or(spec.batch);
            Some(Cow::Owned(reference_log_probs(&start, rows, spec.max_tokens, at_once)?))
        }
        _ => None,
    };
    start.release_memory();
    let (decoder, parameters) = match &spec.lora {
        Some(lora) => {
            let adapter = Adapter::new(lora.config(), &start.linears(), spec.seed)?;
            start.with_trainable_adapter(&adapter)?
        }
        None => start.trainable()?,
    };
    let mut trainer = Trainer::of(decoder, parameters, spec.adam_beta1, spec.adam_beta2, spec.weight_decay)?
        .with_options(PassOptions { checkpointing: spec.checkpointing })
        .with_epsilon(spec.adam_epsilon);
    let total = plan.total();
    let watched = match spec.dynamics.points {
        0 => None,
        points => Dynamics::new(trainer.current(), plan.watched()?, &spec.dynamics)?
            .map(|dynamics| (dynamics, total.div_ceil(points).max(1))),
    };
    if let Some(saved) = from {
        trainer.restore(saved)?;
    }
    for step in from.map_or(0, |saved| saved.state.step)..total {
        let mut dynamics = Vec::new();
        if step == 0
            && let Some((watched, _)) = &watched
        {
            dynamics.push(watched.measure(&mut trainer, 0)?);
        }
        let started = Instant::now();
        let batch = plan.batch(step, Some(trainer.current()))?;
        let rate = learning_rate(spec.learning_rate, spec.schedule, spec.warmup_steps, step, total);
        let mut report = backward(&mut trainer, &batch, spec, reference.as_deref())?;
        let diverged = |loss| TrainError::Diverged { step: step + 1, loss, rows: plan.names(&batch) };
        if trainer.has_exploded(report.loss) {
            return Err(diverged(report.loss));
        }
        report.gradient_norm = trainer.step(rate, spec.clip).map_err(|e| match e {
            TrainError::NotFinite { .. } => diverged(f64::NAN),
            other => other,
        })?;
        (report.step, report.total, report.learning_rate) = (step + 1, total, rate);
        report.tokens = batch.rows.iter().chain(&batch.anchor).map(|r| r.ids.len()).sum();
        report.seconds = started.elapsed().as_secs_f64();
        if let Some((watched, every)) = &watched
            && ((step + 1).is_multiple_of(*every) || step + 1 == total)
        {
            dynamics.push(watched.measure(&mut trainer, step + 1)?);
        }
        report.dynamics = dynamics;
        if observe(&report, &trainer) == Control::Stop {
            return Ok(Outcome {
                decoder: trainer.current().clone(),
                steps: step + 1,
                stopped: step + 1 < total,
            });
        }
    }
    Ok(Outcome { decoder: trainer.current().clone(), steps: total, stopped: false })
}

/// The rows of the first step: what the model will see.
pub fn first_batch(codec: &Codec, data: &TrainingData, spec: &TrainSpec) -> Result<Vec<Encoded>, TrainError> {
    let batch = Plan::new(codec, data, spec)?.batch(0, None)?;
    Ok(batch.rows.into_iter().chain(batch.anchor).collect())
}

/// The gradients of a step's loss, and a report with what can be read from it.
fn backward(
    trainer: &mut Trainer,
    batch: &Batch,
    spec: &TrainSpec,
    reference: Option<&[Vec<f32>]>,
) -> Result<StepReport, TrainError> {
    let mut report = StepReport {
        step: 0,
        total: 0,
        loss: 0.0,
        recovery_loss: None,
        anchor_loss: None,
        learning_rate: 0.0,
        gradient_norm: 0.0,
        tokens: 0,
        seconds: 0.0,
        dynamics: Vec::new(),
    };
    // One objective over data rows and anchor rows together.
    let all: Vec<&Encoded> = batch.rows.iter().chain(&batch.anchor).collect();
    let targets = Targets::new(&all)?;
    let rows = spec.rows_at_once.unwrap_or(usize::MAX);
    if let Some(reference) = reference {
        let reference: Vec<f32> = batch.indices.iter().flat_map(|&i| reference[i].iter().copied()).collect();
        let objective = Objective::constrained(&targets, &reference, &spec.beta);
        report.loss = trainer.backward(&targets, &objective, rows)?.0;
        return Ok(report);
    }
    let trained = batch.rows.iter().map(Encoded::trained).sum::<usize>();
    if batch.anchor.is_empty() || trained == 0 || trained == targets.len() {
        report.loss = trainer.backward(&targets, &Objective::cross_entropy(&targets), rows)?.0;
        return Ok(report);
    }
    let (objective, shares) = match spec.normalisation {
        Normalisation::PerSet => {
            (Objective::two_means(&targets, trained, spec.alpha), (spec.alpha, 1.0 - spec.alpha))
        }
        Normalisation::TokenMean => {
            let total: f32 = targets.weights.iter().sum();
            let share = f64::from(targets.weights[..trained].iter().sum::<f32>() / total);
            (Objective::cross_entropy(&targets), (share, 1.0 - share))
        }
    };
    let (loss, values) = trainer.backward(&targets, &objective, rows)?;
    report.loss = loss;
    // Each set's own mean; a share of 0 leaves nothing to divide.
    let mean = |values: &[f64], share: f64| (share > 0.0).then(|| values.iter().sum::<f64>() / share);
    report.recovery_loss = mean(&values[..trained], shares.0);
    report.anchor_loss = mean(&values[trained..], shares.1);
    Ok(report)
}

/// log `π_aligned(y_t)` of every trained token of every row, cut to `max_tokens`, from the model before training; `batch` rows
/// at a time.
pub fn reference_log_probs(
    decoder: &Decoder,
    rows: &[(String, Encoded)],
    max_tokens: usize,
    batch: usize,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let mut all = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(batch) {
        let mut chunk: Vec<Encoded> = chunk.iter().map(|(_, row)| row.clone()).collect();
        for row in &mut chunk {
            row.truncate(max_tokens);
        }
        // A chunk without a trained token is no reason to stop: others have some.
        let values = match Targets::new(&chunk.iter().collect::<Vec<_>>()) {
            Ok(targets) => decoder.log_probs(&targets.batch)?,
            Err(TrainError::NothingTrained) => Vec::new(),
            Err(other) => return Err(other),
        };
        let mut rest = values.as_slice();
        for row in &chunk {
            let (own, others) = rest.split_at(row.trained());
            all.push(own.to_vec());
            rest = others;
        }
    }
    Ok(all)
}
