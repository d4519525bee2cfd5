//! Linear layers side by side on one input, with biases and adapters, forward and backward.

use super::matmul::{Matrix, matmul, matmul_scaled, project};
use super::{Pool, host};
use crate::model::gradients::HostGradients;
use crate::model::weights::Linear;
use candle_core::Result;

/// x·Aᵀ of each adapter, kept for the backward pass.
pub type Low = Vec<Option<Vec<f32>>>;

/// `out` `[N, Σ width]` = x·Wᵀ + bias of each layer side by side, and what their adapters add; added to what is there
/// with `accumulate`.
pub fn forward(layers: &[Linear], x: &[f32], out: &mut [f32], accumulate: bool, pool: &Pool) -> Result<Low> {
    let weights = layers.iter().map(|l| host(&l.weight)).collect::<Result<Vec<_>>>()?;
    let slices: Vec<&[f32]> = weights.iter().map(|w| &**w).collect();
    let k = layers[0].weight.dims()[1];
    let (n, width) = (x.len() / k, out.len() * k / x.len());
    project(x, k, &slices, out, accumulate);
    let mut lows = Vec::with_capacity(layers.len());
    let mut at = 0;
    for layer in layers {
        if let Some(bias) = &layer.bias {
            let bias = host(bias)?;
            for row in out.chunks_exact_mut(width) {
                super::kernels::add(&mut row[at..at + bias.len()], &bias);
            }
        }
        let mut low = None;
        if let Some(adapter) = &layer.adapter {
            let (a, b) = (host(&adapter.a)?, host(&adapter.b)?);
            let rank = a.len() / k;
            let mut values = pool.take(n * rank);
            matmul(&mut values, rank, Matrix::new(x, n, k, k), Matrix::new(&a, rank, k, k).t(), false, true);
            let (low_rows, b) =
                (Matrix::new(&values, n, rank, rank), Matrix::new(&b, layer.width(), rank, rank));
            matmul_scaled(&mut out[at..], width, low_rows, b.t(), adapter.scale as f32, true, true);
            low = Some(values);
        }
        lows.push(low);
        at += layer.width();
    }
    Ok(lows)
}

/// Gradients of [`forward`]: overwrites `dx`, unless nobody needs it, and adds to the gradients of what is trained.
pub fn backward(
    layers: &[Linear],
    x: &[f32],
    low: &Low,
    dy: &[f32],
    mut dx: Option<&mut [f32]>,
    gradients: &mut HostGradients,
    pool: &Pool,
) -> Result<()> {
    let k = layers[0].weight.dims()[1];
    let (n, width) = (x.len() / k, dy.len() * k / x.len());
    let x = Matrix::new(x, n, k, k);
    let mut at = 0;
    let mut fresh = true;
    for (layer, low) in layers.iter().zip(low) {
        let out = layer.width();
        let dy_rows = Matrix::new(&dy[at..], n, out, width);
        if let Some((gradient, accumulate)) = gradients.of(&layer.weight) {
            matmul(gradient, k, dy_rows.t(), x, accumulate, true);
        }
        if let Some(bias) = &layer.bias
            && let Some(gradient) = gradients.zeroed(bias)
        {
            for row in dy.chunks_exact(width) {
                super::kernels::add(gradient, &row[at..at + out]);
            }
        }
        if let Some(dx) = dx.as_deref_mut() {
            let weight = host(&layer.weight)?;
            matmul(dx, k, dy_rows, Matrix::new(&weight, out, k, k), !fresh, true);
            fresh = false;
        }
        if let (Some(adapter), Some(low)) = (&layer.adapter, low) {
            let (a, b) = (host(&adapter.a)?, host(&adapter.b)?);
            let (rank, scale) = (a.len() / k, adapter.scale as f32);
            if let Some((gradient, accumulate)) = gradients.of(&adapter.b) {
                let low = Matrix::new(low, n, rank, rank);
                matmul_scaled(gradient, rank, dy_rows.t(), low, scale, accumulate, true);
            }
            let mut dlow = pool.take(n * rank);
            matmul_scaled(&mut dlow, rank, dy_rows, Matrix::new(&b, out, rank, rank), scale, false, true);
            let dlow_rows = Matrix::new(&dlow, n, rank, rank);
            if let Some((gradient, accumulate)) = gradients.of(&adapter.a) {
                matmul(gradient, k, dlow_rows.t(), x, accumulate, true);
            }
            if let Some(dx) = dx.as_deref_mut() {
                matmul(dx, k, dlow_rows, Matrix::new(&a, rank, k, k), true, true);
            }
            pool.give(dlow);
        }
        at += out;
    }
    Ok(())
}
