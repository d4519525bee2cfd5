//! The same operations as compositions of candle's own differentiable ones: for devices and precisions that the
//! fused forms do not cover, and as what tests compare the fused forms with.

use super::Rotary;
use candle_core::{D, DType, Result, Tensor};

/// y = x · Wᵀ.
pub fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let k = dims.pop().unwrap_or(1);
    let m: usize = dims.iter().product();
    dims.push(w.dim(0)?);
    x.reshape((m, k))?.matmul(&w.t()?)?.reshape(dims)
}

/// RMSNorm over the last dimension, computed in f32.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = x.to_dtype(DType::F32)?;
    let r = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    x.broadcast_div(&r)?.to_dtype(dtype)?.broadcast_mul(weight)
}

/// gate · σ(gate) · up.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}

/// Causal grouped-query attention with rotary position embedding; shapes as in the fused form.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    kv_heads: usize,
    rotary: &Rotary,
) -> Result<Tensor> {
    let (rows, t, q_width) = q.dims3()?;
    let d = q_width / heads;
    let split = |x: &Tensor, n: usize| x.reshape((rows, t, n, d))?.transpose(1, 2)?.contiguous();
    let (cos, sin) = rotary.tables(t, q.device(), q.dtype())?;
    let rotate = |x: &Tensor| -> Result<Tensor> {
        let (a, b) = (x.narrow(D::Minus1, 0, d / 2)?, x.narrow(D::Minus1, d / 2, d / 2)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[first, second], D::Minus1)
    };
    let repeat = |x: Tensor| -> Result<Tensor> {
        let group = heads / kv_heads;
        if group == 1 {
            return Ok(x);
        }
        x.unsqueeze(2)?.expand((rows, kv_heads, group, t, d))?.reshape((rows, heads, t, d))
    };
    let q = rotate(&split(q, heads)?)?;
    let k = repeat(rotate(&split(k, kv_heads)?)?)?;
    let v = repeat(split(v, kv_heads)?)?;
    let scores = (q.matmul(&k.t()?)? * (1.0 / (d as f64).sqrt()))?;
    let mask: Vec<f32> =
        (0..t).flat_map(|i| (0..t).map(move |j| if j <= i { 0.0 } else { f32::NEG_INFINITY })).collect();
    let mask = Tensor::from_vec(mask, (1, 1, t, t), q.device())?.to_dtype(q.dtype())?;
    let scores = scores.broadcast_add(&mask)?;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let probabilities = shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?;
    probabilities.matmul(&v)?.transpose(1, 2)?.reshape((rows, t, q_width))
}

/// log softmax(logits)[target] of each row of `[N, V]`.
pub fn token_log_probs(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(1)?.detach())?;
    let lse = shifted.exp()?.sum_keepdim(1)?.log()?;
    let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    (shifted.gather(&targets, 1)? - lse)?.squeeze(1)
}
