//! Which rows come in which step: drawn from streams that are keyed by seed, epoch and example, so that any step can be
//! made without those before it.

use super::TrainError;
use super::objective::Targets;
use super::spec::{Recipe, TrainSpec};
use crate::data::{RecoveryExample, a_turn_later, level_text, sentences};
use crate::model::Decoder;
use crate::rng;
use crate::text::{Codec, Encoded, Message};
use rand::Rng;
use rand::seq::SliceRandom;
use std::borrow::Cow;

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
    /// Tokens of the rows of the largest step that can come, cut to `spec.max_tokens`: the longest first.
    pub fn lengths(&self, codec: &Codec, spec: &TrainSpec) -> Result<Vec<usize>, TrainError> {
        let longest = |mut lengths: Vec<usize>, rows: usize| {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.truncate(rows);
            lengths
        };
        let own = match &self.rows {
            Rows::Chat(rows) => rows.iter().map(|(_, row)| row.ids.len()).collect(),
            Rows::Recovery(rows) => {
                let mut lengths = Vec::with_capacity(rows.len());
                for row in rows {
                    let most = longest_of(row, codec, spec)?;
                    lengths.extend(std::iter::repeat_n(most, spec.recovery_points.max(1)));
                }
                lengths
            }
        };
        let anchor: Vec<usize> = self.anchor.iter().map(|row| row.ids.len()).collect();
        // Anchors go round: a step may hold one of them more than once.
        let rounds = spec.anchor_batch.div_ceil(anchor.len().max(1));
        let mut all = longest(own, spec.batch);
        all.extend(longest(anchor.repeat(rounds), spec.anchor_batch));
        for n in &mut all {
            *n = (*n).min(spec.max_tokens);
        }
        let count = all.len();
        Ok(longest(all, count))
    }
}

/// Tokens of the longest row that a recovery example can become.
fn longest_of(row: &RecoveryExample, codec: &Codec, spec: &TrainSpec) -> Result<usize, TrainError> {
    let deepest = row.cut.unwrap_or(spec.depths.max);
    let levels = spec.levels.iter().flat_map(|level| &level.templates);
    let own = row.refusals.iter().map(|refusal| &refusal.text).filter(|_| spec.levels.is_empty());
    let mut most = 0;
    for refusal in levels.chain(own) {
        let row = codec.recovery(&row.context, &row.harmful, refusal, deepest)?;
        most = most.max(row.ids.len());
    }
    // A turn later, the whole harmful answer may stand in the row, and what the user says then.
    if let Some(multi_turn) = &spec.multi_turn {
        let harmful = codec.answer(&row.harmful)?.len();
        let mut between = 0;
        for request in &multi_turn.requests {
            let turn = [Message::user(request.as_str())];
            between = between.max(codec.prompt(&turn)?.len() + 1);
        }
        most += harmful.saturating_sub(deepest) + between;
    }
    Ok(most)
}

/// How the rows of a run fit into its longest row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// Rows, anchor included.
    pub rows: usize,
    /// Rows that are or can become longer than what is allowed: their ends are cut off.
    pub too_long: usize,
    /// Tokens of the longest.
    pub longest: usize,
    /// Rows of which no token is trained: their answers are empty, or lie behind the cut.
    pub untrained: usize,
}

impl TrainingData {
    /// How the rows fit into `spec.max_tokens`.
    pub fn fit(&self, codec: &Codec, spec: &TrainSpec) -> Result<Fit, TrainError> {
        let mut fit = Fit::default();
        let mut count = |tokens: usize, trained: bool| {
            fit.rows += 1;
            fit.too_long += usize::from(tokens > spec.max_tokens);
            fit.longest = fit.longest.max(tokens);
            fit.untrained += usize::from(!trained);
        };
        match &self.rows {
            Rows::Chat(rows) => {
                for (_, row) in rows {
                    count(row.ids.len(), has_answer(row) && row.cut(spec.max_tokens).trained() > 0);
                }
            }
            Rows::Recovery(rows) => {
                for row in rows {
                    let said = !spec.levels.is_empty()
                        || row.refusals.iter().any(|refusal| !refusal.text.trim().is_empty());
                    // The refusal of the shallowest cut is the last to be lost.
                    let begins = codec.prompt(&row.context)?.len() + row.cut.unwrap_or(0);
                    count(longest_of(row, codec, spec)?, said && begins < spec.max_tokens);
                }
            }
        }
        for row in &self.anchor {
            count(row.ids.len(), has_answer(row) && row.cut(spec.max_tokens).trained() > 0);
        }
        Ok(fit)
    }
}

/// Whether an answer says more than that it ends.
fn has_answer(row: &Encoded) -> bool {
    row.answers.iter().any(|answer| answer.len() > 1)
}

/// A row as it comes in a step: what the model will see.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenRow {
    /// Id of its example; empty in the anchor.
    pub id: String,
    /// Whether it belongs to the anchor.
    pub anchor: bool,
    /// Its tokens, cut as in training.
    pub row: Encoded,
}

/// The rows of `step`, from 0, as training will see them, and how many steps there are. Where the spec looks for hard
/// depths, which the model in training decides about, these are the first that are drawn.
pub fn rows_of_step(
    codec: &Codec,
    data: &TrainingData,
    spec: &TrainSpec,
    step: usize,
) -> Result<(Vec<SeenRow>, usize), TrainError> {
    let plan = Plan::new(codec, data, spec)?;
    let total = plan.total();
    let batch = plan.batch(step.min(total.saturating_sub(1)), None)?;
    let id = |i: &usize| match &data.rows {
        Rows::Recovery(rows) => rows[*i].id.clone(),
        Rows::Chat(rows) => rows[*i].0.clone(),
    };
    let mut rows: Vec<SeenRow> = batch
        .rows
        .into_iter()
        .zip(&batch.indices)
        .map(|(row, i)| SeenRow { id: id(i), anchor: false, row })
        .collect();
    rows.extend(batch.anchor.into_iter().map(|row| SeenRow { id: String::new(), anchor: true, row }));
    Ok((rows, total))
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
    /// How often a row comes in an epoch, each time cut anew.
    visits: usize,
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
        let visits = if spec.recipe == Recipe::Recovery { spec.recovery_points.max(1) } else { 1 };
        let per_epoch = (data.rows.len() * visits).div_ceil(spec.batch);
        Ok(Self { codec, data, spec, visits, per_epoch })
    }

    pub fn total(&self) -> usize {
        (self.per_epoch * self.spec.epochs).min(self.spec.max_steps.unwrap_or(usize::MAX))
    }

    /// The rows of a step. `model` is what is trained, as it now is: it chooses among depths where the spec says so.
    pub fn batch(&self, step: usize, model: Option<&Decoder>) -> Result<Batch, TrainError> {
        let (epoch, within) = (step / self.per_epoch, step % self.per_epoch);
        let n = self.data.rows.len();
        let order = shuffled(n * self.visits, self.spec.seed, "order", epoch);
        let chosen: Vec<usize> =
            order.into_iter().skip(within * self.spec.batch).take(self.spec.batch).collect();
        let indices: Vec<usize> = chosen.iter().map(|i| i % n).collect();
        let visit = |i: &usize| (i % n, epoch * self.visits + i / n);
        let mut rows = match model.filter(|_| self.spec.hardest_of > 1) {
            Some(model) if matches!(self.data.rows, Rows::Recovery(_)) => {
                chosen.iter().map(|i| self.hardest(model, visit(i))).collect::<Result<Vec<_>, _>>()?
            }
            _ => chosen
                .iter()
                .map(|i| {
                    let (index, visit) = visit(i);
                    self.row(index, visit, 0)
                })
                .collect::<Result<Vec<_>, _>>()?,
        };
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

    /// A row at one of its visits. Each `draw` cuts it anew.
    fn row(&self, index: usize, visit: usize, draw: usize) -> Result<Encoded, TrainError> {
        match &self.data.rows {
            Rows::Chat(rows) => Ok(rows[index].1.clone()),
            Rows::Recovery(examples) => {
                let example = self.turned(&examples[index], visit);
                let length = self.codec.answer(&example.harmful)?.len();
                let drawn = || {
                    // The first draw is that of the id alone, so that looking for hard depths changes nothing else.
                    let id = if draw == 0 { example.id.clone() } else { format!("{}#{draw}", example.id) };
                    self.spec.depths.draw(self.spec.seed, &id, visit, length)
                };
                let depth = example.cut.map_or_else(drawn, |cut| cut.min(length));
                let stream = &mut rng::stream(self.spec.seed, "level", &format!("{}@{visit}", example.id));
                let refusal = level_text(&self.spec.levels, depth, stream)
                    .or_else(|| example.refusal_at(depth).map(|refusal| refusal.text.as_str()))
                    .ok_or_else(|| TrainError::NoRefusal { id: example.id.clone(), depth })?;
                Ok(self.codec.recovery(&example.context, &example.harmful, refusal, depth)?)
            }
        }
    }

    /// An example as it comes at a visit: a turn later, if the spec says so and it is long enough.
    fn turned<'e>(&self, example: &'e RecoveryExample, visit: usize) -> Cow<'e, RecoveryExample> {
        let Some(multi_turn) = &self.spec.multi_turn else { return Cow::Borrowed(example) };
        let stream = &mut rng::stream(self.spec.seed, "later turn", &format!("{}@{visit}", example.id));
        let sentences = sentences(&example.harmful);
        let requests: Vec<&String> =
            multi_turn.requests.iter().filter(|text| !text.trim().is_empty()).collect();
        if sentences < 2 || requests.is_empty() || !stream.random_bool(multi_turn.share.clamp(0.0, 1.0)) {
            return Cow::Borrowed(example);
        }
        let count = stream.random_range(1..sentences);
        let request = requests[stream.random_range(0..requests.len())];
        a_turn_later(example, count, request).map_or(Cow::Borrowed(example), Cow::Owned)
    }

    /// Of some draws of a row, the one after which `model` is least likely to recover: whose first refusal tokens have the
    /// lowest mean log-probability.
    fn hardest(&self, model: &Decoder, (index, visit): (usize, usize)) -> Result<Encoded, TrainError> {
        let mut draws = Vec::with_capacity(self.spec.hardest_of);
        for draw in 0..self.spec.hardest_of {
            let row = self.row(index, visit, draw)?;
            if !draws.contains(&row) {
                draws.push(row);
            }
        }
        let mut hardest: Option<(f64, usize)> = None;
        for (i, row) in draws.iter().enumerate() {
            let beginning = beginning_of_refusal(row.cut(self.spec.max_tokens));
            let Ok(targets) = Targets::new(&[&beginning]) else { continue };
            let log_probs = model.log_probs(&targets.batch)?;
            let mean = log_probs.iter().map(|v| f64::from(*v)).sum::<f64>() / log_probs.len() as f64;
            if hardest.is_none_or(|(least, _)| mean < least) {
                hardest = Some((mean, i));
            }
        }
        Ok(draws.swap_remove(hardest.map_or(0, |(_, i)| i)))
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

/// Tokens of a refusal that tell whether a model recovers.
const DECISIVE: usize = 5;

/// The row up to the first tokens of its refusal.
fn beginning_of_refusal(mut row: Encoded) -> Encoded {
    if let Some(first) = row.weights.iter().position(|weight| *weight > 0.0) {
        row.truncate(first + DECISIVE);
    }
    row
}

fn shuffled(n: usize, seed: u64, purpose: &str, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng::stream(seed, purpose, &round.to_string()));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_first_tokens() {
        let weights = [vec![0.0; 4], vec![1.0; 9]].concat();
        let row = Encoded { ids: (0..13).collect(), answers: std::iter::once(2..13).collect(), weights };
        let begun = beginning_of_refusal(row);
        assert_eq!((begun.ids.len(), begun.trained()), (9, DECISIVE));
    }
}
