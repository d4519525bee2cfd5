//! Which rows come in which step: drawn from streams that are keyed by seed, epoch and example, so that any step can be
//! made without those before it.

use super::TrainError;
use super::spec::{Recipe, TrainSpec};
use crate::data::RecoveryExample;
use crate::rng;
use crate::text::{Codec, Encoded, Message};
use rand::seq::SliceRandom;

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
    /// What [`super::reference_log_probs`] gives for the rows, where it is known already.
    pub reference: Option<Vec<Vec<f32>>>,
}

impl TrainingData {
    /// Tokens of the longest row that can come, cut to `spec.max_tokens`.
    pub fn longest(&self, codec: &Codec, spec: &TrainSpec) -> Result<usize, TrainError> {
        let mut longest = self.anchor.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        match &self.rows {
            Rows::Chat(rows) => longest = rows.iter().map(|(_, row)| row.ids.len()).fold(longest, usize::max),
            Rows::Recovery(rows) => {
                for row in rows {
                    let deepest = row.cut.unwrap_or(spec.depths.max);
                    for refusal in &row.refusals {
                        let row = codec.recovery(&row.context, &row.harmful, &refusal.text, deepest)?;
                        longest = longest.max(row.ids.len());
                    }
                }
            }
        }
        Ok(longest.min(spec.max_tokens))
    }
}

/// The rows of one step.
pub(super) struct Batch {
    pub rows: Vec<Encoded>,
    /// Index of each row in the data set.
    pub indices: Vec<usize>,
    pub anchor: Vec<Encoded>,
}

/// Which rows come in which step.
pub(super) struct Plan<'a> {
    codec: &'a Codec,
    data: &'a TrainingData,
    spec: &'a TrainSpec,
    per_epoch: usize,
}

impl<'a> Plan<'a> {
    pub fn new(codec: &'a Codec, data: &'a TrainingData, spec: &'a TrainSpec) -> Result<Self, TrainError> {
        if data.rows.len() == 0 {
            return Err(TrainError::NoRows);
        }
        match (&data.rows, spec.recipe) {
            (Rows::Recovery(_), Recipe::Recovery) | (Rows::Chat(_), Recipe::Constrained | Recipe::Sft) => {}
            _ => return Err(TrainError::WrongKind),
        }
        Ok(Self { codec, data, spec, per_epoch: data.rows.len().div_ceil(spec.batch) })
    }

    pub fn total(&self) -> usize {
        (self.per_epoch * self.spec.epochs).min(self.spec.max_steps.unwrap_or(usize::MAX))
    }

    pub fn batch(&self, step: usize) -> Result<Batch, TrainError> {
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

    /// Ids of the rows of a step, for people who look for the one at fault.
    pub fn names(&self, batch: &Batch) -> String {
        let id = |i: &usize| match &self.data.rows {
            Rows::Recovery(rows) => rows[*i].id.clone(),
            Rows::Chat(rows) => rows[*i].0.clone(),
        };
        let mut names = batch.indices.iter().take(8).map(id).collect::<Vec<_>>().join(", ");
        if batch.indices.len() > 8 {
            names += &format!(" and {} more", batch.indices.len() - 8);
        }
        names
    }

    /// The answers that are watched during the run: harmful ones of a recovery set, else those that are learnt.
    pub fn watched(&self) -> Result<Vec<Encoded>, TrainError> {
        let order = shuffled(self.data.rows.len(), self.spec.seed, "dynamics", 0);
        let chosen = order.into_iter().take(self.spec.dynamics.rows);
        let mut rows = match &self.data.rows {
            Rows::Chat(rows) => chosen.map(|i| rows[i].1.clone()).collect(),
            Rows::Recovery(rows) => chosen
                .map(|i| {
                    let mut messages = rows[i].context.clone();
                    messages.push(Message::assistant(rows[i].harmful.clone()));
                    self.codec.chat(&messages)
                })
                .collect::<Result<Vec<_>, _>>()?,
        };
        for row in &mut rows {
            row.truncate(self.spec.max_tokens);
        }
        Ok(rows)
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
