//! One block over packed rows, forward and backward.

use super::attention::{self, Row, Shape};
use super::kernels::{self, for_chunks, rows_per_task};
use super::linear::{self, Low};
use super::{Pool, host};
use crate::model::config::{Activation, Config};
use crate::model::gradients::HostGradients;
use crate::model::rope::Angles;
use crate::model::weights::Block;
use candle_core::{Result, Tensor};
use std::slice::from_ref;
use std::sync::Arc;

/// Keys (turned) and values of one row in one layer, `[T, kv_heads·d]` each.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    /// Keys.
    pub keys: Vec<f32>,
    /// Values.
    pub values: Vec<f32>,
}

/// What rows go on from.
pub enum Past<'a, 'b> {
    /// Nothing: they begin at position 0.
    None,
    /// Caches, one a row: rows attend to what these hold as well, and are added to them.
    Own(&'a mut [&'b mut LayerCache]),
    /// One text that all rows branch from, each at its own start. It stays as it is.
    Trunk(&'a LayerCache),
}

/// One of the packed rows.
pub struct Span {
    /// Position of its first token.
    pub start: usize,
    /// Number of its tokens.
    pub n: usize,
    /// The angles of its positions.
    pub angles: Arc<Angles>,
}

/// What all blocks of a pass share.
pub struct Context<'a> {
    /// The decoder's shape.
    pub config: &'a Config,
    /// The packed rows.
    pub spans: &'a [Span],
    /// Buffers.
    pub pool: &'a Pool,
}

/// What the backward pass of a block needs of its forward pass.
pub struct Trace {
    /// Queries (turned, scaled), keys (turned) and values.
    qkv: Vec<f32>,
    /// The same before norms and turning, where heads are normed.
    raw: Option<Vec<f32>>,
    qkv_low: Low,
    attended: Vec<f32>,
    lse: Vec<f32>,
    output_low: Low,
    attention_added: Option<Vec<f32>>,
    /// The residual stream after attention.
    middle: Vec<f32>,
    gate_up: Vec<f32>,
    gate_up_low: Low,
    down_low: Low,
    feed_forward_added: Option<Vec<f32>>,
}

impl Trace {
    /// Gives its buffers back.
    pub fn release(self, pool: &Pool) {
        let lows = [self.qkv_low, self.output_low, self.gate_up_low, self.down_low].into_iter().flatten();
        let optional = [self.raw, self.attention_added, self.feed_forward_added];
        let always = [self.qkv, self.attended, self.lse, self.middle, self.gate_up];
        for buffer in always.into_iter().chain(optional.into_iter().chain(lows).flatten()) {
            pool.give(buffer);
        }
    }
}

impl Context<'_> {
    fn shape(&self, layer: usize) -> Shape {
        let c = self.config;
        Shape {
            heads: c.num_attention_heads,
            kv_heads: c.num_key_value_heads,
            d: c.head_dim,
            window: c.windows[layer].unwrap_or(usize::MAX),
            cap: c.attn_logit_softcapping.unwrap_or(0.0) as f32,
        }
    }

    fn tokens(&self) -> usize {
        self.spans.iter().map(|s| s.n).sum()
    }

    /// RMSNorm of packed rows.
    pub fn norm(&self, x: &[f32], weight: &Tensor) -> Result<Vec<f32>> {
        let weight = host(weight)?;
        let mut y = self.pool.take(x.len());
        let size = rows_per_task(weight.len()) * weight.len();
        let (offset, epsilon) = (self.config.norm_offset as f32, self.config.rms_norm_eps as f32);
        for_chunks(&mut y, size, x.len(), |i, y| {
            kernels::rms_norm(&x[i * size..i * size + y.len()], &weight, offset, epsilon, y);
        });
        Ok(y)
    }

    /// Gradients of [`Self::norm`]: adds to `dx` and to the gradient of the weight, if it is trained.
    pub fn norm_backward(
        &self,
        x: &[f32],
        weight: &Tensor,
        dy: &[f32],
        dx: &mut [f32],
        gradients: &mut HostGradients,
    ) -> Result<()> {
        let weights = host(weight)?;
        let width = weights.len();
        let size = rows_per_task(width) * width;
        let (offset, epsilon) = (self.config.norm_offset as f32, self.config.rms_norm_eps as f32);
        // One partial sum per task, added in task order: any number of threads gives the same bytes.
        let tasks = dx.chunks_mut(size).zip(x.chunks(size).zip(dy.chunks(size))).collect();
        let partial = kernels::map_tasks(tasks, |(dx, (x, dy)): (&mut [f32], (&[f32], &[f32]))| {
            let mut dweight = vec![0.0; width];
            kernels::rms_norm_backward(x, &weights, offset, epsilon, dy, dx, &mut dweight);
            dweight
        });
        if let Some(gradient) = gradients.zeroed(weight) {
            for part in &partial {
                kernels::add(gradient, part);
            }
        }
        Ok(())
    }

    /// Turns queries and keys of `[N, W]` by their positions and scales queries, or does it backwards.
    fn rotate(&self, qkv: &mut [f32], sign: f32) {
        let c = self.config;
        let (d, heads) = (c.head_dim, c.num_attention_heads);
        let both = heads + c.num_key_value_heads;
        let width = (both + c.num_key_value_heads) * d;
        let turns: Vec<(&[f32], &[f32])> = self
            .spans
            .iter()
            .flat_map(|s| {
                let half = s.angles.half;
                (s.start..s.start + s.n).map(move |p| {
                    let span = p * half..(p + 1) * half;
                    (&s.angles.cos[span.clone()], &s.angles.sin[span])
                })
            })
            .collect();
        let rows = rows_per_task(width);
        for_chunks(qkv, rows * width, turns.len() * width, |i, chunk| {
            for (row, (cos, sin)) in chunk.chunks_exact_mut(width).zip(&turns[i * rows..]) {
                for (head, x) in row[..both * d].chunks_exact_mut(d).enumerate() {
                    let scale = if head < heads { c.attention_scale as f32 } else { 1.0 };
                    kernels::rotate(x, cos, sin, sign, scale);
                }
            }
        });
    }

    /// Norms each query and key head of `qkv`, from a copy of it, which is returned.
    fn norm_heads(&self, norms: &(Tensor, Tensor), qkv: &mut [f32]) -> Result<Vec<f32>> {
        let raw = self.pool.copy(qkv);
        let (q_norm, k_norm) = (host(&norms.0)?, host(&norms.1)?);
        let (offset, epsilon) = (self.config.norm_offset as f32, self.config.rms_norm_eps as f32);
        self.each_head(qkv, |at, is_query, y| {
            let weight = if is_query { &q_norm } else { &k_norm };
            kernels::rms_norm(&raw[at..at + y.len()], weight, offset, epsilon, y);
        });
        Ok(raw)
    }

    /// Gradients of [`Self::norm_heads`], in place of those of its result.
    fn norm_heads_backward(
        &self,
        norms: &(Tensor, Tensor),
        raw: &[f32],
        dqkv: &mut [f32],
        gradients: &mut HostGradients,
    ) -> Result<()> {
        let (offset, epsilon) = (self.config.norm_offset as f32, self.config.rms_norm_eps as f32);
        let (q_norm, k_norm) = (host(&norms.0)?, host(&norms.1)?);
        let d = q_norm.len();
        let (mut dq, mut dk, mut dy) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        // One after the other: sums in a fixed order, and heads are little beside the projections.
        let width = dqkv.len() / self.tokens().max(1);
        let heads = self.config.num_attention_heads;
        let both = heads + self.config.num_key_value_heads;
        for (i, row) in dqkv.chunks_exact_mut(width).enumerate() {
            for (head, dx) in row[..both * d].chunks_exact_mut(d).enumerate() {
                let at = i * width + head * d;
                dy.copy_from_slice(dx);
                dx.fill(0.0);
                let (weight, dweight) = if head < heads { (&q_norm, &mut dq) } else { (&k_norm, &mut dk) };
                kernels::rms_norm_backward(&raw[at..at + d], weight, offset, epsilon, &dy, dx, dweight);
            }
        }
        for (weight, sum) in [(&norms.0, dq), (&norms.1, dk)] {
            if let Some(gradient) = gradients.zeroed(weight) {
                kernels::add(gradient, &sum);
            }
        }
        Ok(())
    }

    /// Calls `f(offset, is a query, head)` for every query and key head of `[N, W]`.
    fn each_head(&self, qkv: &mut [f32], f: impl Fn(usize, bool, &mut [f32]) + Sync) {
        let c = self.config;
        let (d, heads) = (c.head_dim, c.num_attention_heads);
        let both = heads + c.num_key_value_heads;
        let width = (both + c.num_key_value_heads) * d;
        let size = rows_per_task(width) * width;
        let work = qkv.len();
        for_chunks(qkv, size, work, |chunk_index, chunk| {
            for (i, row) in chunk.chunks_exact_mut(width).enumerate() {
                for (head, x) in row[..both * d].chunks_exact_mut(d).enumerate() {
                    f(chunk_index * size + i * width + head * d, head < heads, x);
                }
            }
        });
    }

    fn gated(&self, gate_up: &[f32]) -> Vec<f32> {
        let width = self.config.intermediate_size;
        let use_gelu = self.config.activation == Activation::GeluTanh;
        let mut y = self.pool.take(gate_up.len() / 2);
        let size = rows_per_task(width) * width;
        for_chunks(&mut y, size, gate_up.len() * 4, |i, y| {
            kernels::gated(&gate_up[2 * i * size..2 * i * size + 2 * y.len()], width, use_gelu, y);
        });
        y
    }

    fn gated_backward(&self, gate_up: &mut [f32], dy: &[f32]) {
        let width = self.config.intermediate_size;
        let use_gelu = self.config.activation == Activation::GeluTanh;
        let size = rows_per_task(width) * width;
        let work = gate_up.len() * 4;
        for_chunks(gate_up, 2 * size, work, |i, gate_up| {
            let dy = &dy[i * size..i * size + gate_up.len() / 2];
            kernels::gated_backward(gate_up, width, use_gelu, dy);
        });
    }
}

/// `y += x`, on all threads.
fn add(y: &mut [f32], x: &[f32]) {
    let size = rows_per_task(1);
    let work = x.len();
    for_chunks(y, size, work, |i, y| kernels::add(y, &x[i * size..i * size + y.len()]));
}

/// The residual stream after the block, and what the backward pass needs.
pub fn forward(
    context: &Context<'_>,
    b: &Block,
    layer: usize,
    x: &[f32],
    past: Past<'_, '_>,
) -> Result<(Vec<f32>, Trace)> {
    let (c, pool, n) = (context.config, context.pool, context.tokens());
    let shape = context.shape(layer);
    let (q_width, kv_width) = (shape.heads * shape.d, shape.kv_heads * shape.d);
    let width = q_width + 2 * kv_width;

    let y = context.norm(x, &b.attention_norm)?;
    let mut qkv = pool.take(n * width);
    let qkv_low = linear::forward(&b.qkv, &y, &mut qkv, false, pool)?;
    pool.give(y);
    let raw = match &b.query_key_norm {
        Some(norms) => Some(context.norm_heads(norms, &mut qkv)?),
        None => None,
    };
    context.rotate(&mut qkv, 1.0);
    let mut attended = pool.take(n * q_width);
    let mut lse = pool.take(n * shape.heads);
    attend(context, &shape, &qkv, past, &mut attended, &mut lse);

    let mut middle = pool.copy(x);
    let (output_low, attention_added) =
        residual(context, from_ref(&b.output), &attended, b.attention_output_norm.as_ref(), &mut middle)?;

    let y = context.norm(&middle, &b.feed_forward_norm)?;
    let mut gate_up = pool.take(n * 2 * c.intermediate_size);
    let gate_up_low = linear::forward(&b.gate_up, &y, &mut gate_up, false, pool)?;
    pool.give(y);
    let gated = context.gated(&gate_up);
    let mut out = pool.copy(&middle);
    let (down_low, feed_forward_added) =
        residual(context, from_ref(&b.down), &gated, b.feed_forward_output_norm.as_ref(), &mut out)?;
    pool.give(gated);
    let trace = Trace {
        qkv,
        raw,
        qkv_low,
        attended,
        lse,
        output_low,
        attention_added,
        middle,
        gate_up,
        gate_up_low,
        down_low,
        feed_forward_added,
    };
    Ok((out, trace))
}

/// Adds what a projection makes of `x` to the residual stream, through a norm if there is one; returns what it made
/// before that norm.
fn residual(
    context: &Context<'_>,
    projection: &[crate::model::weights::Linear],
    x: &[f32],
    norm: Option<&Tensor>,
    stream: &mut [f32],
) -> Result<(Low, Option<Vec<f32>>)> {
    let Some(norm) = norm else {
        return Ok((linear::forward(projection, x, stream, true, context.pool)?, None));
    };
    let mut added = context.pool.take(stream.len());
    let low = linear::forward(projection, x, &mut added, false, context.pool)?;
    let normed = context.norm(&added, norm)?;
    add(stream, &normed);
    context.pool.give(normed);
    Ok((low, Some(added)))
}

/// Makes room for `more` elements, an eighth beyond what is there at a time: doubling would waste half of a large cache.
fn grow(values: &mut Vec<f32>, more: usize) {
    if values.capacity() - values.len() < more {
        values.reserve_exact(more.max(values.len() / 8));
    }
}

fn attend(
    context: &Context<'_>,
    shape: &Shape,
    qkv: &[f32],
    past: Past<'_, '_>,
    attended: &mut [f32],
    lse: &mut [f32],
) {
    let (q_width, kv_width) = (shape.heads * shape.d, shape.kv_heads * shape.d);
    let width = q_width + 2 * kv_width;
    let mut at = 0;
    let mut starts = Vec::with_capacity(context.spans.len());
    for span in context.spans {
        starts.push(at * width);
        at += span.n;
    }
    // Keys and values of branches: attention wants those of a row in one piece.
    let mut joined = (Vec::new(), Vec::new());
    let rows: Vec<Row<'_>> = match past {
        Past::None => context
            .spans
            .iter()
            .zip(starts)
            .filter(|(span, _)| span.n > 0)
            .map(|(span, at)| Row {
                q: &qkv[at..],
                q_stride: width,
                k: &qkv[at + q_width..],
                v: &qkv[at + q_width + kv_width..],
                kv_stride: width,
                start: 0,
                n: span.n,
            })
            .collect(),
        Past::Own(caches) => context
            .spans
            .iter()
            .zip(starts)
            .zip(caches)
            .map(|((span, at), cache)| {
                for values in [&mut cache.keys, &mut cache.values] {
                    grow(values, span.n * kv_width);
                }
                for row in qkv[at..at + span.n * width].chunks_exact(width) {
                    cache.keys.extend_from_slice(&row[q_width..q_width + kv_width]);
                    cache.values.extend_from_slice(&row[q_width + kv_width..]);
                }
                Row {
                    q: &qkv[at..],
                    q_stride: width,
                    k: &cache.keys,
                    v: &cache.values,
                    kv_stride: kv_width,
                    start: span.start,
                    n: span.n,
                }
            })
            .collect(),
        Past::Trunk(trunk) => {
            let size = context.spans.iter().map(|span| (span.start + span.n) * kv_width).sum();
            joined = (context.pool.take(size), context.pool.take(size));
            let mut to = 0;
            for (span, &at) in context.spans.iter().zip(&starts) {
                let shared = span.start * kv_width;
                joined.0[to..to + shared].copy_from_slice(&trunk.keys[..shared]);
                joined.1[to..to + shared].copy_from_slice(&trunk.values[..shared]);
                to += shared;
                for row in qkv[at..at + span.n * width].chunks_exact(width) {
                    joined.0[to..to + kv_width].copy_from_slice(&row[q_width..q_width + kv_width]);
                    joined.1[to..to + kv_width].copy_from_slice(&row[q_width + kv_width..]);
                    to += kv_width;
                }
            }
            let mut from = 0;
            let row = |(span, at): (&Span, usize)| {
                let row = Row {
                    q: &qkv[at..],
                    q_stride: width,
                    k: &joined.0[from..],
                    v: &joined.1[from..],
                    kv_stride: kv_width,
                    start: span.start,
                    n: span.n,
                };
                from += (span.start + span.n) * kv_width;
                row
            };
            context.spans.iter().zip(starts).map(row).collect()
        }
    };
    attention::forward(shape, &rows, attended, lse);
    context.pool.give(joined.0);
    context.pool.give(joined.1);
}

/// Turns `dx`, the gradient of the block's result, into that of its input `x`, and adds to the gradients of what is
/// trained. With `first`, nothing below is trained, and `dx` is left undefined.
#[allow(clippy::too_many_arguments, reason = "a block, what came in, what came out, and what goes back")]
pub fn backward(
    context: &Context<'_>,
    b: &Block,
    layer: usize,
    x: &[f32],
    mut trace: Trace,
    dx: &mut [f32],
    first: bool,
    gradients: &mut HostGradients,
) -> Result<()> {
    let (c, pool, n) = (context.config, context.pool, context.tokens());
    let shape = context.shape(layer);

    // The feed-forward layer.
    let added = residual_backward(
        context,
        trace.feed_forward_added.as_deref(),
        b.feed_forward_output_norm.as_ref(),
        dx,
        gradients,
    )?;
    let gated = context.gated(&trace.gate_up);
    let mut dgated = pool.take(n * c.intermediate_size);
    linear::backward(
        from_ref(&b.down),
        &gated,
        &trace.down_low,
        added.as_deref().unwrap_or(dx),
        Some(&mut dgated),
        gradients,
        pool,
    )?;
    pool.give(gated);
    context.gated_backward(&mut trace.gate_up, &dgated);
    pool.give(dgated);
    if let Some(buffer) = added {
        pool.give(buffer);
    }
    let y = context.norm(&trace.middle, &b.feed_forward_norm)?;
    let mut dy = pool.take(dx.len());
    linear::backward(&b.gate_up, &y, &trace.gate_up_low, &trace.gate_up, Some(&mut dy), gradients, pool)?;
    pool.give(y);
    context.norm_backward(&trace.middle, &b.feed_forward_norm, &dy, dx, gradients)?;

    // Attention.
    let added = residual_backward(
        context,
        trace.attention_added.as_deref(),
        b.attention_output_norm.as_ref(),
        dx,
        gradients,
    )?;
    let mut dattended = pool.take(trace.attended.len());
    linear::backward(
        from_ref(&b.output),
        &trace.attended,
        &trace.output_low,
        added.as_deref().unwrap_or(dx),
        Some(&mut dattended),
        gradients,
        pool,
    )?;
    if let Some(buffer) = added {
        pool.give(buffer);
    }
    let mut dqkv = pool.take(trace.qkv.len());
    let lengths: Vec<usize> = context.spans.iter().map(|s| s.n).collect();
    attention::backward(&shape, &lengths, &trace.qkv, &trace.attended, &trace.lse, &dattended, &mut dqkv);
    pool.give(dattended);
    context.rotate(&mut dqkv, -1.0);
    if let (Some(norms), Some(raw)) = (&b.query_key_norm, &trace.raw) {
        context.norm_heads_backward(norms, raw, &mut dqkv, gradients)?;
    }
    let y = context.norm(x, &b.attention_norm)?;
    let wanted = if first && !gradients.trains(&b.attention_norm) { None } else { Some(dy.as_mut_slice()) };
    let needed = wanted.is_some();
    linear::backward(&b.qkv, &y, &trace.qkv_low, &dqkv, wanted, gradients, pool)?;
    pool.give(y);
    pool.give(dqkv);
    if needed {
        context.norm_backward(x, &b.attention_norm, &dy, dx, gradients)?;
    }
    pool.give(dy);
    trace.release(pool);
    Ok(())
}

/// The gradient of what was added to the residual stream before its norm; `None` where there is no norm, because then it
/// is that of the stream.
fn residual_backward(
    context: &Context<'_>,
    added: Option<&[f32]>,
    norm: Option<&Tensor>,
    dx: &[f32],
    gradients: &mut HostGradients,
) -> Result<Option<Vec<f32>>> {
    let (Some(added), Some(norm)) = (added, norm) else { return Ok(None) };
    let mut dadded = context.pool.zeros(dx.len());
    context.norm_backward(added, norm, dx, &mut dadded, gradients)?;
    Ok(Some(dadded))
}
