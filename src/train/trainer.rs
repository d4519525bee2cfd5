//! The training loop.

use super::TrainError;
use super::objective::{Objective, Targets};
use super::optimiser::{AdamW, learning_rate};
use super::spec::{Normalisation, Recipe, TrainSpec};
use crate::data::RecoveryExample;
use crate::model::{Adapter, Control, Decoder, Gradients, Parameters, PassOptions};
use crate::rng;
use crate::text::{Codec, Encoded};
use rand::seq::SliceRandom;
use std::time::Instant;

/// The rows to train on.
pub enum Rows {
    /// Cut anew at every visit.
    Recovery(Vec<RecoveryExample>),
    /// Fixed rows, each with its id.
    Chat(Vec<(String, Encoded)>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Recovery(rows) => rows.len(),
            Self::Chat(rows) => rows.len(),
        }
    }
}

/// What a run trains on.
pub struct TrainingData {
    /// The data set.
    pub rows: Rows,
    /// The benign anchor; may be empty.
    pub anchor: Vec<Encoded>,
}

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
        Ok(Self { decoder, frozen, parameters, gradients, optimiser, options: PassOptions::default() })
    }

    /// How backward passes go.
    #[must_use]
    pub fn with_options(self, options: PassOptions) -> Self {
        Self { options, ..self }
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
}

/// Trains `start`, or a copy of it where somebody else holds it too. `observe` sees every step and the decoder as it then
/// is, and may stop.
///
/// Order and depths come from streams keyed by seed and example id: the same spec, data, device, threads and batch give
/// the same bytes.
pub fn train(
    codec: &Codec,
    start: Decoder,
    data: &TrainingData,
    spec: &TrainSpec,
    observe: &mut dyn FnMut(&StepReport, &Decoder) -> Control,
) -> Result<Outcome, TrainError> {
    let plan = Plan::new(codec, data, spec)?;
    let reference = match (&data.rows, spec.recipe) {
        (Rows::Chat(rows), Recipe::Constrained) => {
            Some(reference_log_probs(&start, rows, spec.max_tokens, spec.rows_at_once.unwrap_or(spec.batch))?)
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
        .with_options(PassOptions { checkpointing: spec.checkpointing });
    let total = plan.total();
    for step in 0..total {
        let started = Instant::now();
        let batch = plan.batch(step)?;
        let rate = learning_rate(spec.learning_rate, spec.schedule, spec.warmup_steps, step, total);
        let mut report = backward(&mut trainer, &batch, spec, reference.as_deref())?;
        if !report.loss.is_finite() {
            return Err(TrainError::Diverged { step: step + 1 });
        }
        report.gradient_norm = trainer.step(rate, spec.clip).map_err(|e| match e {
            TrainError::NotFinite { .. } => TrainError::Diverged { step: step + 1 },
            other => other,
        })?;
        (report.step, report.total, report.learning_rate) = (step + 1, total, rate);
        report.tokens = batch.rows.iter().chain(&batch.anchor).map(|r| r.ids.len()).sum();
        report.seconds = started.elapsed().as_secs_f64();
        if observe(&report, trainer.current()) == Control::Stop {
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
    let batch = Plan::new(codec, data, spec)?.batch(0)?;
    Ok(batch.rows.into_iter().chain(batch.anchor).collect())
}

/// The rows of one step.
struct Batch {
    rows: Vec<Encoded>,
    /// Index of each row in the data set.
    indices: Vec<usize>,
    anchor: Vec<Encoded>,
}

/// Which rows come in which step.
struct Plan<'a> {
    codec: &'a Codec,
    data: &'a TrainingData,
    spec: &'a TrainSpec,
    per_epoch: usize,
}

impl<'a> Plan<'a> {
    fn new(codec: &'a Codec, data: &'a TrainingData, spec: &'a TrainSpec) -> Result<Self, TrainError> {
        if data.rows.len() == 0 {
            return Err(TrainError::NoRows);
        }
        match (&data.rows, spec.recipe) {
            (Rows::Recovery(_), Recipe::Recovery) | (Rows::Chat(_), Recipe::Constrained | Recipe::Sft) => {}
            _ => return Err(TrainError::WrongKind),
        }
        Ok(Self { codec, data, spec, per_epoch: data.rows.len().div_ceil(spec.batch) })
    }

    fn total(&self) -> usize {
        (self.per_epoch * self.spec.epochs).min(self.spec.max_steps.unwrap_or(usize::MAX))
    }

    fn batch(&self, step: usize) -> Result<Batch, TrainError> {
        let (epoch, within) = (step / self.per_epoch, step % self.per_epoch);
        let order = shuffled(self.data.rows.len(), self.spec.seed, "order", epoch);
        let indices: Vec<usize> =
            order.into_iter().skip(within * self.spec.batch).take(self.spec.batch).collect();
        let mut rows = indices.iter().map(|&i| self.row(i, epoch)).collect::<Result<Vec<_>, _>>()?;
        let mut anchor = self.anchor(step);
        for row in rows.iter_mut().chain(&mut anchor) {
            row.truncate(self.spec.max_tokens);
        }
        Ok(Batch { rows, indices, anchor })
    }

    fn row(&self, index: usize, epoch: usize) -> Result<Encoded, TrainError> {
        match &self.data.rows {
            Rows::Chat(rows) => Ok(rows[index].1.clone()),
            Rows::Recovery(examples) => {
                let example = &examples[index];
                let length = self.codec.answer(&example.harmful)?.len();
                let depth = match example.cut {
                    Some(cut) => cut.min(length),
                    None => self.spec.depths.draw(self.spec.seed, &example.id, epoch, length),
                };
                let refusal = example
                    .refusal_at(depth)
                    .ok_or_else(|| TrainError::NoRefusal { id: example.id.clone(), depth })?;
                Ok(self.codec.recovery(&example.context, &example.harmful, &refusal.text, depth)?)
            }
        }
    }

    /// Anchor rows go round and round, in a new order each round.
    fn anchor(&self, step: usize) -> Vec<Encoded> {
        let anchor = &self.data.anchor;
        if anchor.is_empty() {
            return Vec::new();
        }
        let size = self.spec.anchor_batch;
        (step * size..(step + 1) * size)
            .map(|i| {
                let order = shuffled(anchor.len(), self.spec.seed, "anchor-order", i / anchor.len());
                anchor[order[i % anchor.len()]].clone()
            })
            .collect()
    }
}

fn shuffled(n: usize, seed: u64, purpose: &str, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng::stream(seed, purpose, &round.to_string()));
    order
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

/// log `π_aligned(y_t)` of every trained token of every row, from the frozen model, once.
fn reference_log_probs(
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
