//! The decoder as a composition of candle's own differentiable operations: the form for every device and precision,
//! and what the fused form is compared with.

use super::config::{Activation, Config};
use super::rope::Angles;
use super::weights::{Block, Linear, Weights};
use candle_core::{D, DType, Device, Result, Tensor};

/// Keys (turned) and values of one row in one layer, each `[kv_heads, T, d]`.
pub type LayerCache = Option<(Tensor, Tensor)>;

/// Where the tokens of a forward pass stand: all rows at the same positions.
pub struct Place<'a> {
    /// Position of the first token.
    pub start: usize,
    /// The angles of all positions.
    pub angles: &'a Angles,
}

/// Final hidden states `[B, T, H]` of embeddings `[B, T, H]`. With `cache`, one entry a block, rows attend to what it
/// holds as well, and are added to it.
pub fn hidden(
    config: &Config,
    weights: &Weights,
    embeddings: &Tensor,
    place: &Place<'_>,
    mut cache: Option<&mut [LayerCache]>,
) -> Result<Tensor> {
    let mut x = embeddings.clone();
    for (layer, b) in weights.blocks.iter().enumerate() {
        x = block(config, b, config.windows[layer], &x, place, cache.as_mut().map(|c| &mut c[layer]))?;
    }
    last_norm(config, weights, &x)
}

/// The norm before the output layer.
pub fn last_norm(config: &Config, weights: &Weights, x: &Tensor) -> Result<Tensor> {
    rms_norm(x, &weights.norm, config)
}

/// One block on `[B, T, H]`.
pub fn block(
    config: &Config,
    b: &Block,
    window: Option<usize>,
    x: &Tensor,
    place: &Place<'_>,
    cache: Option<&mut LayerCache>,
) -> Result<Tensor> {
    let y = attention(config, b, window, &rms_norm(x, &b.attention_norm, config)?, place, cache)?;
    let y = linear(&y, &b.output)?;
    let y = if let Some(norm) = &b.attention_output_norm { rms_norm(&y, norm, config)? } else { y };
    let x = (x + y)?;
    let y = feed_forward(config, b, &rms_norm(&x, &b.feed_forward_norm, config)?)?;
    let y = if let Some(norm) = &b.feed_forward_output_norm { rms_norm(&y, norm, config)? } else { y };
    x + y
}

fn feed_forward(config: &Config, b: &Block, y: &Tensor) -> Result<Tensor> {
    let parts: Vec<Tensor> = b.gate_up.iter().map(|l| linear(y, l)).collect::<Result<_>>()?;
    let joined = Tensor::cat(&parts, D::Minus1)?;
    let width = config.intermediate_size;
    let gate = joined.narrow(D::Minus1, 0, width)?.contiguous()?;
    let up = joined.narrow(D::Minus1, width, width)?;
    let gate = match config.activation {
        Activation::Silu => gate.silu()?,
        Activation::GeluTanh => gate.gelu()?,
    };
    linear(&(gate * up)?, &b.down)
}

/// Causal grouped-query attention with rotary positions, before the output projection.
fn attention(
    config: &Config,
    b: &Block,
    window: Option<usize>,
    y: &Tensor,
    place: &Place<'_>,
    cache: Option<&mut LayerCache>,
) -> Result<Tensor> {
    let (rows, t, _) = y.dims3()?;
    let (heads, kv_heads, d) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
    let parts: Vec<Tensor> = b.qkv.iter().map(|l| linear(y, l)).collect::<Result<_>>()?;
    let joined = Tensor::cat(&parts, D::Minus1)?;
    let split = |from: usize, n: usize| {
        joined.narrow(D::Minus1, from, n * d)?.reshape((rows, t, n, d))?.transpose(1, 2)?.contiguous()
    };
    let (q, k) = (split(0, heads)?, split(heads * d, kv_heads)?);
    let v = split((heads + kv_heads) * d, kv_heads)?;
    let (q, k) = match &b.query_key_norm {
        Some((qn, kn)) => (rms_norm(&q, qn, config)?, rms_norm(&k, kn, config)?),
        None => (q, k),
    };
    let (q, mut k, mut v) = (rotate(&q, place)?, rotate(&k, place)?, v);
    if let Some(cache) = cache {
        if let Some((keys, values)) = cache.as_ref() {
            k = Tensor::cat(&[keys, &k], 2)?;
            v = Tensor::cat(&[values, &v], 2)?;
        }
        *cache = Some((k.clone(), v.clone()));
    }
    let seen = k.dim(2)?;
    let repeat = |x: Tensor| -> Result<Tensor> {
        let group = heads / kv_heads;
        if group == 1 {
            return Ok(x);
        }
        x.unsqueeze(2)?.expand((rows, kv_heads, group, seen, d))?.reshape((rows, heads, seen, d))
    };
    let (k, v) = (repeat(k)?, repeat(v)?);
    let mut scores = (q.matmul(&k.t()?)? * config.attention_scale)?;
    if let Some(cap) = config.attn_logit_softcapping {
        scores = soft_cap(&scores, cap)?;
    }
    let scores = scores.to_dtype(DType::F32)?;
    let scores = scores.broadcast_add(&mask(t, place.start, seen, window, q.device())?)?;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let probabilities = shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?.to_dtype(v.dtype())?;
    probabilities.matmul(&v)?.transpose(1, 2)?.reshape((rows, t, heads * d))
}

/// 0 where the token of a row may see a key, −∞ elsewhere: `[1, 1, t, seen]`.
fn mask(t: usize, start: usize, seen: usize, window: Option<usize>, device: &Device) -> Result<Tensor> {
    let visible = |i: usize, j: usize| j <= start + i && window.is_none_or(|w| start + i < j + w);
    let mask: Vec<f32> = (0..t)
        .flat_map(|i| (0..seen).map(move |j| if visible(i, j) { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Tensor::from_vec(mask, (1, 1, t, seen), device)
}

/// Turns the first dimensions of `[B, heads, T, d]` by the angles of their positions ("rotate half" form).
fn rotate(x: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let (t, d, half) = (x.dim(2)?, x.dim(3)?, place.angles.half);
    let span = place.start * half..(place.start + t) * half;
    let table = |values: &[f32]| {
        Tensor::from_slice(&values[span.clone()], (t, half), x.device())?.to_dtype(x.dtype())
    };
    let (cos, sin) = (table(&place.angles.cos)?, table(&place.angles.sin)?);
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    if d == 2 * half {
        return Tensor::cat(&[first, second], D::Minus1);
    }
    Tensor::cat(&[first, second, x.narrow(D::Minus1, 2 * half, d - 2 * half)?], D::Minus1)
}

/// Logits of hidden states `[…, H]`.
pub fn head(config: &Config, weights: &Weights, hidden: &Tensor) -> Result<Tensor> {
    let logits = product(hidden, &weights.head)?;
    match config.final_logit_softcapping {
        Some(cap) => soft_cap(&logits, cap),
        None => Ok(logits),
    }
}

/// cap · tanh(x / cap).
fn soft_cap(x: &Tensor, cap: f64) -> Result<Tensor> {
    (x * (1.0 / cap))?.tanh()? * cap
}

/// x·Wᵀ.
fn product(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let k = dims.pop().unwrap_or(1);
    let m: usize = dims.iter().product();
    dims.push(w.dim(0)?);
    // Weights that are trained are f32, whatever the stream is.
    x.reshape((m, k))?.matmul(&w.to_dtype(x.dtype())?.t()?)?.reshape(dims)
}

fn linear(x: &Tensor, l: &Linear) -> Result<Tensor> {
    let mut y = product(x, &l.weight)?;
    if let Some(bias) = &l.bias {
        y = y.broadcast_add(&bias.to_dtype(y.dtype())?)?;
    }
    if let Some(adapter) = &l.adapter {
        let low = product(&x.to_dtype(adapter.a.dtype())?, &adapter.a)?;
        y = (&y + (product(&low, &adapter.b)? * adapter.scale)?.to_dtype(y.dtype())?)?;
    }
    Ok(y)
}

/// RMSNorm over the last dimension, computed in f32.
fn rms_norm(x: &Tensor, weight: &Tensor, config: &Config) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = x.to_dtype(DType::F32)?;
    let r = (x.sqr()?.mean_keepdim(D::Minus1)? + config.rms_norm_eps)?.sqrt()?;
    let y = x.broadcast_div(&r)?;
    // As the reference: Gemma multiplies before it rounds, the others after.
    if config.norm_offset == 0.0 {
        y.to_dtype(dtype)?.broadcast_mul(&weight.to_dtype(dtype)?)
    } else {
        y.broadcast_mul(&(weight.to_dtype(DType::F32)? + config.norm_offset)?)?.to_dtype(dtype)
    }
}

/// log softmax(logits)[target] of each row of `[N, V]`.
pub fn token_log_probs(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let logits = logits.to_dtype(DType::F32)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(1)?.detach())?;
    let lse = shifted.exp()?.sum_keepdim(1)?.log()?;
    let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    (shifted.gather(&targets, 1)? - lse)?.squeeze(1)
}
