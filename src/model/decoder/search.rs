//! What a search for tokens asks of the decoder: how a swap would change a loss to first order, and the true losses of many texts
//! that share most of their tokens (Zou et al. 2023).

use super::{Batch, Decoder};
use crate::model::ModelError;
use crate::model::cache::{KvCache, RowLayers};
use crate::model::fused::{self, kernels::on_pool};
use crate::model::gradients::HostGradients;
use candle_core::{DType, Tensor, Var};

impl Decoder {
    /// log π(target) of every target of the batch, whose rows go on from a text that row 0 of `cache` holds, row i from its
    /// position `starts[i]` on: what they share with it is computed once. [`Batch::from`] counts tokens of the batch.
    pub fn branch_log_probs(
        &self,
        cache: &KvCache,
        starts: &[usize],
        batch: &Batch,
    ) -> std::result::Result<Vec<f32>, ModelError> {
        let (rows, trunk) = (batch.slices(), cache.ids(0));
        self.accepts(batch, &rows)?;
        let ends = || rows.iter().zip(starts).map(|(row, start)| row.len() + start);
        self.fits(ends().max().unwrap_or(0))?;
        // A text beyond LongRoPE's border turns by another table than its shorter beginning.
        let long = self.is_long(trunk.len());
        let alike = ends().all(|end| self.is_long(end) == long);
        if let RowLayers::Host(layers) = &cache.rows[0].layers
            && self.is_fused()
            && alike
        {
            let (input, from, targets) = (self.input(), &batch.from, &batch.targets);
            return Ok(on_pool(|| fused::branch_log_probs(input, layers, &rows, starts, from, targets))?);
        }
        let mut whole = Batch { targets: batch.targets.clone(), ..Batch::default() };
        let (mut before, mut at) = (0, 0);
        let mut from = batch.from.iter().peekable();
        for (row, &start) in rows.iter().zip(starts) {
            while let Some(&position) = from.next_if(|&&position| position < at + row.len()) {
                whole.from.push(before + start + position - at);
            }
            whole.rows.push([&trunk[..start], row].concat());
            before += start + row.len();
            at += row.len();
        }
        self.log_probs(&whole)
    }

    /// The value of −mean log π over the targets, and its gradient `[S, V]` with respect to the one-hot vectors of the
    /// packed tokens `span`: what a token swap would change, to first order (Zou et al. 2023).
    pub fn one_hot_gradient(
        &self,
        batch: &Batch,
        span: std::ops::Range<usize>,
    ) -> std::result::Result<(f64, Tensor), ModelError> {
        let weights = vec![-1.0 / batch.targets.len().max(1) as f32; batch.targets.len()];
        self.weighted_one_hot_gradient(batch, &weights, span)
    }

    /// The value of Σ wᵢ log π(target i), and its gradient `[S, V]` with respect to the one-hot vectors of the packed
    /// tokens `span`.
    pub fn weighted_one_hot_gradient(
        &self,
        batch: &Batch,
        weights: &[f32],
        span: std::ops::Range<usize>,
    ) -> std::result::Result<(f64, Tensor), ModelError> {
        let rows = batch.slices();
        self.accepts(batch, &rows)?;
        let width = self.config().hidden_size;
        let (log_probs, gradient) = if self.is_fused() {
            let (input, from, targets) = (self.input(), &batch.from, &batch.targets);
            let mut none = HostGradients::none();
            let pass = || {
                fused::gradients(input, &rows, from, targets, &mut |i, _| weights[i], &mut none, false, true)
            };
            let (log_probs, gradient) = on_pool(pass)?;
            let gradient = gradient.unwrap_or_default();
            let values = gradient[span.start * width..span.end * width].to_vec();
            (log_probs, fused::tensor(values, (span.len(), width))?)
        } else {
            let (_, embeddings) = self.composed_hidden(&rows)?;
            let embeddings = Var::from_tensor(&embeddings.detach())?;
            let hidden = self.composed_packed(&rows, embeddings.as_tensor())?;
            let log_probs = self.composed_log_probs(batch, &hidden)?;
            let loss = (&log_probs * Tensor::new(weights, self.device())?)?.sum_all()?;
            let store = loss.backward()?;
            let t = embeddings.dim(1)?;
            let padded: Vec<u32> = rows
                .iter()
                .enumerate()
                .flat_map(|(b, row)| (0..row.len()).map(move |i| (b * t + i) as u32))
                .collect();
            let all = store.get(&embeddings).map_or_else(|| embeddings.zeros_like(), |g| Ok(g.clone()))?;
            let packed = all.flatten(0, 1)?.index_select(&Tensor::new(padded, self.device())?, 0)?;
            (log_probs.to_vec1::<f32>()?, packed.narrow(0, span.start, span.len())?)
        };
        let loss = log_probs.iter().zip(weights).map(|(&v, &w)| f64::from(v * w)).sum();
        // The embedding of a one-hot row is scale · row · E.
        let table = self.inner.weights.embedding.detach().to_dtype(DType::F32)?;
        let gradient = gradient.to_dtype(DType::F32)?;
        let one_hot = (gradient.matmul(&table.t()?)? * self.config().embedding_scale)?;
        Ok((loss, one_hot))
    }
}
