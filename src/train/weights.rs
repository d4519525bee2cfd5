//! What β does to the data at hand, before and after training: the gradient weights of the constrained objective at each
//! answer position.

use super::TrainError;
use super::beta::BetaSchedule;
use super::objective::{Targets, gradient_weight};
use crate::model::{Control, Decoder};
use crate::rng;
use crate::text::Encoded;
use rand::seq::SliceRandom;

/// Rows that go through a model at once.
const AT_ONCE: usize = 8;

/// The trained tokens of some answers with the log-probability that a model gives to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenLogProbs {
    /// Answers that they come from.
    pub answers: usize,
    /// Position t of each token in its answer, from 1.
    pub positions: Vec<usize>,
    /// log `π(y_t)` of each token.
    pub values: Vec<f32>,
}

/// Gradient weights at one answer position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightAt {
    /// The position, from 1.
    pub t: usize,
    /// Tokens there.
    pub n: usize,
    /// Their mean weight.
    pub mean: f64,
    /// A tenth of the tokens weigh less.
    pub low: f64,
    /// A tenth of the tokens weigh more.
    pub high: f64,
}

/// At most `count` of the rows, the same ones each time, cut after the first `positions` tokens of their last answers.
#[must_use]
pub fn sample_rows(
    mut rows: Vec<Encoded>,
    count: usize,
    positions: usize,
    max_tokens: usize,
) -> Vec<Encoded> {
    rows.shuffle(&mut rng::stream(0, "weights", ""));
    rows.truncate(count);
    for row in &mut rows {
        let end = row.answers.last().map_or(0, |answer| answer.start + positions);
        row.truncate(end.min(max_tokens));
        for i in 0..row.ids.len() {
            if row.answer_position(i).is_none_or(|t| t > positions) {
                row.weights[i] = 0.0;
            }
        }
    }
    rows.retain(|row| row.trained() > 0);
    rows
}

impl TokenLogProbs {
    /// Runs `model` over the rows. `observe` hears how many are done, and may stop: then there is no result.
    pub fn of(
        model: &Decoder,
        rows: &[Encoded],
        observe: &mut dyn FnMut(usize) -> Control,
    ) -> Result<Option<Self>, TrainError> {
        let mut all = Self { answers: rows.iter().map(|row| row.answers.len()).sum(), ..Self::default() };
        for (index, rows) in rows.chunks(AT_ONCE).enumerate() {
            if observe(index * AT_ONCE) == Control::Stop {
                return Ok(None);
            }
            let targets = Targets::new(&rows.iter().collect::<Vec<_>>())?;
            all.values.extend(model.log_probs(&targets.batch)?);
            all.positions.extend(targets.positions);
        }
        Ok(Some(all))
    }

    /// `w_t` of tokens that are learnt completely, `2σ(β_t` · log `π_aligned(y_t)`): `self` is the aligned model.
    #[must_use]
    pub fn weights_when_learnt(&self, beta: &BetaSchedule) -> Vec<WeightAt> {
        self.each(|i, t| gradient_weight(beta.at(t), self.values[i], 0.0))
    }

    /// `w_t` where the model has come to `now`, on the same rows: `self` is the aligned model.
    #[must_use]
    pub fn weights_at(&self, now: &Self, beta: &BetaSchedule) -> Vec<WeightAt> {
        assert_eq!(self.positions, now.positions, "both models read the same rows");
        self.each(|i, t| gradient_weight(beta.at(t), self.values[i], now.values[i]))
    }

    fn each(&self, weight: impl Fn(usize, usize) -> f64) -> Vec<WeightAt> {
        let longest = self.positions.iter().copied().max().unwrap_or(0);
        let mut by_position = vec![Vec::new(); longest];
        for (i, &t) in self.positions.iter().enumerate() {
            by_position[t - 1].push(weight(i, t));
        }
        let with_tokens = by_position.into_iter().enumerate().filter(|(_, weights)| !weights.is_empty());
        with_tokens
            .map(|(i, mut weights)| {
                weights.sort_unstable_by(f64::total_cmp);
                let n = weights.len();
                let at = |share: f64| weights[((n - 1) as f64 * share).round() as usize];
                WeightAt {
                    t: i + 1,
                    n,
                    mean: weights.iter().sum::<f64>() / n as f64,
                    low: at(0.1),
                    high: at(0.9),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_probs(positions: &[usize], values: &[f32]) -> TokenLogProbs {
        TokenLogProbs { answers: 2, positions: positions.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn weights_are_those_of_the_formula_position_by_position() {
        let aligned = log_probs(&[1, 2, 1, 2], &[-1.0, -2.0, -3.0, -2.0]);
        let beta = BetaSchedule::default();
        let found = aligned.weights_when_learnt(&beta);
        let expected = |beta: f64, log_prob: f64| 2.0 / (1.0 + (-beta * log_prob).exp());
        let first = f64::midpoint(expected(0.5, -1.0), expected(0.5, -3.0));
        assert!((found[0].mean - first).abs() < 1e-6, "{found:?}");
        assert!((found[0].low - expected(0.5, -3.0)).abs() < 1e-6, "{found:?}");
        assert!((found[1].mean - expected(2.0, -2.0)).abs() < 1e-6 && found[1].n == 2, "{found:?}");
        let same = aligned.weights_at(&aligned, &beta);
        assert!(
            same.iter().all(|at| (at.mean - 1.0).abs() < 1e-12),
            "at the start every weight is 1: {same:?}"
        );
    }

    #[test]
    fn a_sample_ends_where_it_is_looked_at() {
        let row = |first: u32| Encoded {
            ids: (first..first + 9).collect(),
            answers: std::iter::once(3..9).collect(),
            weights: [vec![0.0; 3], vec![1.0; 6]].concat(),
        };
        let rows = sample_rows(vec![row(0), row(10), row(20)], 2, 4, 100);
        assert_eq!((rows.len(), rows[0].ids.len(), rows[0].trained()), (2, 7, 4));
        assert_eq!(rows, sample_rows(vec![row(0), row(10), row(20)], 2, 4, 100));
        assert!(sample_rows(vec![row(0)], 2, 4, 3).is_empty(), "the answer lies behind the cut");
    }
}
