//! What fine-tuning does to each position of an answer, measured while it runs (Qi et al., §4.1, Figures 3 and 4).

use super::TrainError;
use super::objective::Targets;
use super::trainer::Trainer;
use crate::model::{Batch, Decoder, kl_divergence};
use crate::text::Encoded;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// What is measured during a run, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DynamicsSpec {
    /// How often over the whole run, besides the start; 0 = never.
    pub points: usize,
    /// Answers of the data set that are measured.
    pub rows: usize,
    /// Answer positions that are measured, from the first on.
    pub positions: usize,
}

impl Default for DynamicsSpec {
    fn default() -> Self {
        Self { points: 8, rows: 8, positions: 20 }
    }
}

/// What was measured after some step. Index 0 of each list is answer position t = 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DynamicsPoint {
    /// Steps done.
    pub step: usize,
    /// Answers that reach t.
    pub n: Vec<usize>,
    /// Mean of −log `π_θ(y_t)`.
    pub cross_entropy: Vec<f64>,
    /// Mean of `KL(π_θ` ‖ `π_start`) in nats, over the whole vocabulary.
    pub kl: Vec<f64>,
    /// The positions t at which the gradient was measured: each costs a backward pass.
    pub gradient_at: Vec<usize>,
    /// Norm of the gradient of the mean cross-entropy at these positions alone, over all that is trained.
    pub gradient_norm: Vec<f64>,
}

/// Positions at which the gradient is measured: all of the first, fewer of the later ones.
fn gradient_positions(longest: usize) -> Vec<usize> {
    [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 60, 80, 100].into_iter().filter(|t| *t <= longest).collect()
}

/// Answers whose positions are measured again and again, and what the model said to them before training.
pub struct Dynamics {
    targets: Targets,
    start: Tensor,
    gradient_at: Vec<usize>,
}

impl Dynamics {
    /// Remembers what `start` predicts for the first positions of the answers in `rows`. `None` if they have no answers.
    pub fn new(start: &Decoder, rows: Vec<Encoded>, spec: &DynamicsSpec) -> Result<Option<Self>, TrainError> {
        let rows = rows.into_iter().map(|row| only_first(row, spec.positions));
        let rows: Vec<Encoded> = rows.filter(|row| row.trained() > 0).collect();
        let targets = match Targets::new(&rows.iter().collect::<Vec<_>>()) {
            Ok(targets) => targets,
            Err(TrainError::NothingTrained) => return Ok(None),
            Err(other) => return Err(other),
        };
        let longest = targets.positions.iter().copied().max().unwrap_or(0);
        let start = logits(start, &targets.batch)?;
        Ok(Some(Self { targets, start, gradient_at: gradient_positions(longest) }))
    }

    /// Measures the model as it now is. The gradients of the last step are lost; nothing else changes.
    pub fn measure(&self, trainer: &mut Trainer, step: usize) -> Result<DynamicsPoint, TrainError> {
        let model = trainer.current().clone();
        let log_probs = model.log_probs(&self.targets.batch)?;
        let (gradient_at, gradient_norm) = self.gradient(trainer)?;
        Ok(DynamicsPoint {
            step,
            n: self.counts(),
            cross_entropy: self.means(log_probs.into_iter().map(|log_prob| -f64::from(log_prob))),
            kl: self.kl(&model)?,
            gradient_at,
            gradient_norm,
        })
    }

    /// Mean of KL(model ‖ start) at each position, in nats.
    pub fn kl(&self, model: &Decoder) -> Result<Vec<f64>, TrainError> {
        let kl = kl_divergence(&logits(model, &self.targets.batch)?, &self.start)?;
        Ok(self.means(kl.into_iter().map(f64::from)))
    }

    /// Some positions, and the norm of the gradient of the mean cross-entropy at each of them alone.
    pub fn gradient(&self, trainer: &mut Trainer) -> Result<(Vec<usize>, Vec<f64>), TrainError> {
        let mut norms = Vec::with_capacity(self.gradient_at.len());
        for &t in &self.gradient_at {
            let batch = self.at(t);
            let each = -1.0 / batch.targets.len().max(1) as f32;
            norms.push(trainer.norm_of(&batch, &mut |_, _| each)?);
        }
        Ok((self.gradient_at.clone(), norms))
    }

    /// The longest answer, in positions that are measured.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.targets.positions.iter().copied().max().unwrap_or(0)
    }

    /// How many answers reach each position.
    fn counts(&self) -> Vec<usize> {
        let mut n = vec![0; self.positions()];
        for t in &self.targets.positions {
            n[t - 1] += 1;
        }
        n
    }

    /// The mean at each position of one value for each target.
    fn means(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let counts = self.counts();
        let mut sums = vec![0.0; counts.len()];
        for (t, value) in self.targets.positions.iter().zip(values) {
            sums[t - 1] += value;
        }
        sums.into_iter().zip(counts).map(|(sum, n)| sum / n.max(1) as f64).collect()
    }

    /// The targets at position t, with rows that end before them: nothing behind a token changes its gradient.
    fn at(&self, t: usize) -> Batch {
        let all = &self.targets.batch;
        let mut batch = Batch::default();
        let (mut start, mut kept) = (0, 0);
        for row in &all.rows {
            let here = start..start + row.len();
            let own = |&i: &usize| here.contains(&all.from[i]) && self.targets.positions[i] == t;
            let found: Vec<usize> = (0..all.from.len()).filter(own).collect();
            if let Some(last) = found.iter().map(|&i| all.from[i] - start).max() {
                batch.from.extend(found.iter().map(|&i| all.from[i] - start + kept));
                batch.targets.extend(found.iter().map(|&i| all.targets[i]));
                batch.rows.push(row[..=last].to_vec());
                kept += last + 1;
            }
            start += row.len();
        }
        batch
    }
}

/// Logits `[n, V]` from which each target is predicted.
fn logits(decoder: &Decoder, batch: &Batch) -> Result<Tensor, TrainError> {
    let rows: Vec<&[u32]> = batch.rows.iter().map(Vec::as_slice).collect();
    let from: Vec<u32> = batch.from.iter().map(|&i| i as u32).collect();
    let hidden = decoder.hidden(&rows)?.index_select(&Tensor::new(from, decoder.device())?, 0)?;
    Ok(decoder.head(&hidden)?)
}

/// The row up to position `positions` of its last answer, with nothing trained but the first positions of each answer.
fn only_first(mut row: Encoded, positions: usize) -> Encoded {
    row.weights.fill(0.0);
    let mut end = 0;
    for answer in &row.answers {
        end = answer.end.min(answer.start + positions);
        row.weights[answer.start..end].fill(1.0);
    }
    row.truncate(end);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_positions_of_each_answer_are_measured() {
        let row = Encoded { ids: (0..12).collect(), answers: vec![2..5, 6..12], weights: vec![1.0; 12] };
        let row = only_first(row, 2);
        assert_eq!(row.ids.len(), 8);
        assert_eq!(row.weights, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(only_first(Encoded::default(), 5), Encoded::default());
    }

    #[test]
    fn rows_end_before_the_position_that_is_measured() {
        let row = |first: u32| Encoded {
            ids: (first..first + 6).collect(),
            answers: std::iter::once(2..6).collect(),
            weights: vec![0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
        };
        let rows = [row(10), row(20)];
        let targets = Targets::new(&rows.iter().collect::<Vec<_>>()).unwrap();
        let start = Tensor::zeros(1, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let batch = Dynamics { targets, start, gradient_at: vec![] }.at(3);
        assert_eq!(batch.rows, [vec![10, 11, 12, 13], vec![20, 21, 22, 23]]);
        assert_eq!((batch.from, batch.targets), (vec![3, 7], vec![14, 24]));
    }
}
