//! Causal grouped-query attention over packed rows, forward and backward.
//!
//! Scores are made block of queries by block of queries and never kept: the backward pass makes them again from
//! ln Σ exp of each score row (Dao 2023).

use super::kernels::{self, map_tasks};
use super::matmul::{Matrix, matmul};

/// Queries that are scored at once: bounds the score buffer for long rows.
const QUERY_BLOCK: usize = 64;

/// The shape of one layer's attention.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width d of a head.
    pub d: usize,
    /// Last keys that a query sees, its own included; `usize::MAX` = all.
    pub window: usize,
    /// Bound of the scores (soft cap); 0 = none.
    pub cap: f32,
}

/// One row: queries at positions `start..start + n`, keys and values from position 0 on. Queries are turned and scaled,
/// keys turned. Query i, head h begins at i·`q_stride` + h·d; key j of head h at j·`kv_stride` + h·d.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Elements from one query to the next.
    pub q_stride: usize,
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// Elements from one key to the next, and from one value to the next.
    pub kv_stride: usize,
    /// Position of the first query.
    pub start: usize,
    /// Number of queries.
    pub n: usize,
}

/// Attends, row by row: `out` is `[N, heads·d]`; `lse`, of N·heads elements, receives ln Σ exp of every score row, for
/// each block of queries head by head.
pub fn forward(shape: &Shape, rows: &[Row<'_>], out: &mut [f32], lse: &mut [f32]) {
    let width = shape.heads * shape.d;
    // Going on from a cache needs no ln Σ exp: nothing goes back from there.
    if rows.iter().all(|row| row.n == 1 && row.start > 0) {
        decode(shape, rows, out);
        return;
    }
    let mut tasks = Vec::new();
    let (mut out, mut lse) = (out, lse);
    for row in rows {
        for first in (0..row.n).step_by(QUERY_BLOCK) {
            let block = QUERY_BLOCK.min(row.n - first);
            let (own, rest) = out.split_at_mut(block * width);
            out = rest;
            let (own_lse, rest) = lse.split_at_mut(block * shape.heads);
            lse = rest;
            tasks.push((row, first, block, own, own_lse));
        }
    }
    let each = |(row, first, block, out, lse): (&Row<'_>, usize, usize, &mut [f32], &mut [f32])| {
        attend_block(shape, row, first, block, out, lse);
    };
    map_tasks(tasks, each);
}

/// The first key that any query of a block from position `at` on sees.
fn low(shape: &Shape, at: usize) -> usize {
    (at + 1).saturating_sub(shape.window)
}

fn attend_block(shape: &Shape, row: &Row<'_>, first: usize, block: usize, out: &mut [f32], lse: &mut [f32]) {
    let (d, width, group) = (shape.d, shape.heads * shape.d, shape.heads / shape.kv_heads);
    let at = row.start + first;
    let low = low(shape, at);
    let keys = at + block - low;
    let mut scores = vec![0.0; block * keys];
    for head in 0..shape.heads {
        let from = low * row.kv_stride + head / group * d;
        let query = Matrix::new(&row.q[first * row.q_stride + head * d..], block, d, row.q_stride);
        let key = Matrix::new(&row.k[from..], keys, d, row.kv_stride);
        matmul(&mut scores, keys, query, key.t(), false, false);
        if shape.cap > 0.0 {
            kernels::soft_cap(&mut scores, shape.cap);
        }
        let lse = &mut lse[head * block..(head + 1) * block];
        kernels::causal_softmax(&mut scores, keys, at, low, shape.window, lse);
        let value = Matrix::new(&row.v[from..], keys, d, row.kv_stride);
        matmul(&mut out[head * d..], width, Matrix::new(&scores, block, keys, keys), value, false, false);
    }
}

/// One query a row.
fn decode(shape: &Shape, rows: &[Row<'_>], out: &mut [f32]) {
    let (d, group) = (shape.d, shape.heads / shape.kv_heads);
    let work: usize = rows.iter().map(|row| (row.start + 1).min(shape.window) * shape.heads * d).sum();
    let each = |index: usize, out: &mut [f32]| {
        let (row, kv_head) = (&rows[index / shape.kv_heads], index % shape.kv_heads);
        let low = low(shape, row.start);
        let mut scores = vec![0.0; row.start + 1 - low];
        let from = low * row.kv_stride + kv_head * d;
        for (h, out) in out.chunks_exact_mut(d).enumerate() {
            let q = &row.q[(kv_head * group + h) * d..][..d];
            kernels::attend(q, &row.k[from..], &row.v[from..], row.kv_stride, shape.cap, &mut scores, out);
        }
    };
    kernels::for_chunks(out, group * d, 2 * work, each);
}

/// Gradients of queries, keys and values of whole rows (from position 0 on) into `dqkv`, which is laid out as `qkv`:
/// `[N, (heads + 2·kv_heads)·d]`. `out` and `lse` are what [`forward`] made, `dout` the gradient of `out`.
pub fn backward(
    shape: &Shape,
    lengths: &[usize],
    qkv: &[f32],
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
) {
    let (d, width) = (shape.d, shape.heads * shape.d);
    let stride = width + 2 * shape.kv_heads * d;
    let mut tasks = Vec::new();
    let mut at = 0;
    for &n in lengths {
        if n == 0 {
            continue;
        }
        tasks.extend((0..shape.kv_heads).map(|kv_head| (at, n, kv_head)));
        at += n;
    }
    let each = |(at, n, kv_head): (usize, usize, usize)| {
        let row = RowBackward {
            qkv: &qkv[at * stride..(at + n) * stride],
            out: &out[at * width..(at + n) * width],
            lse: &lse[at * shape.heads..(at + n) * shape.heads],
            dout: &dout[at * width..(at + n) * width],
            n,
        };
        group_backward(shape, &row, kv_head)
    };
    // Each task has buffers of its own, because heads lie side by side in `dqkv`.
    let parts = map_tasks(tasks.clone(), each);
    let group = shape.heads / shape.kv_heads;
    for (&(at, n, kv_head), part) in tasks.iter().zip(&parts) {
        let heads = (0..group)
            .map(|h| kv_head * group + h)
            .chain([shape.heads + kv_head, shape.heads + shape.kv_heads + kv_head]);
        for (head, values) in heads.zip(part.chunks_exact(n * d)) {
            for (i, values) in values.chunks_exact(d).enumerate() {
                dqkv[(at + i) * stride + head * d..][..d].copy_from_slice(values);
            }
        }
    }
}

struct RowBackward<'a> {
    qkv: &'a [f32],
    out: &'a [f32],
    lse: &'a [f32],
    dout: &'a [f32],
    n: usize,
}

/// The gradients of one group of heads in one row: each query head's `[n, d]`, then the key head's and the value head's.
fn group_backward(shape: &Shape, row: &RowBackward<'_>, kv_head: usize) -> Vec<f32> {
    let (d, n, width) = (shape.d, row.n, shape.heads * shape.d);
    let (group, stride) = (shape.heads / shape.kv_heads, width + 2 * shape.kv_heads * d);
    let mut parts = vec![0.0; (group + 2) * n * d];
    let (dq, dkv) = parts.split_at_mut(group * n * d);
    let (dk, dv) = dkv.split_at_mut(n * d);
    let key_at = width + kv_head * d;
    let value_at = key_at + shape.kv_heads * d;
    let largest = QUERY_BLOCK.min(n) * n;
    let (mut p, mut dp) = (vec![0.0; largest], vec![0.0; largest]);
    let mut capped = Vec::new();
    let mut delta = vec![0.0; QUERY_BLOCK];
    for (h, dq) in dq.chunks_exact_mut(n * d).enumerate() {
        let head = kv_head * group + h;
        for first in (0..n).step_by(QUERY_BLOCK) {
            let block = QUERY_BLOCK.min(n - first);
            let low = low(shape, first);
            let keys = first + block - low;
            let (p, dp) = (&mut p[..block * keys], &mut dp[..block * keys]);
            let query = Matrix::new(&row.qkv[first * stride + head * d..], block, d, stride);
            let key = Matrix::new(&row.qkv[low * stride + key_at..], keys, d, stride);
            let value = Matrix::new(&row.qkv[low * stride + value_at..], keys, d, stride);
            let dout = Matrix::new(&row.dout[first * width + head * d..], block, d, width);
            matmul(p, keys, query, key.t(), false, false);
            if shape.cap > 0.0 {
                kernels::soft_cap(p, shape.cap);
                capped.clear();
                capped.extend_from_slice(p);
            }
            let lse = &row.lse[first * shape.heads + head * block..][..block];
            kernels::causal_probabilities(p, keys, first, low, shape.window, lse);
            let probabilities = Matrix::new(p, block, keys, keys);
            matmul(&mut dv[low * d..], d, probabilities.t(), dout, true, false);
            matmul(dp, keys, dout, value.t(), false, false);
            for (i, delta) in delta[..block].iter_mut().enumerate() {
                let span = (first + i) * width + head * d..(first + i) * width + head * d + d;
                *delta = kernels::dot(&row.dout[span.clone()], &row.out[span]);
            }
            kernels::softmax_backward(p, dp, keys, &delta[..block]);
            if shape.cap > 0.0 {
                kernels::soft_cap_backward(&capped, shape.cap, p);
            }
            let dscores = Matrix::new(p, block, keys, keys);
            matmul(&mut dq[first * d..], d, dscores, key, false, false);
            matmul(&mut dk[low * d..], d, dscores.t(), query, true, false);
        }
    }
    parts
}
