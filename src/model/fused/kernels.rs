//! Loops over plain `f32` slices: what the fused form of the decoder is made of. No tensors here.
//!
//! Each loop is written once and compiled for several instruction sets by `multiversion`, which picks one at run
//! time.

use multiversion::{multiversion, target::target_cfg_f};
use rayon::prelude::*;
use std::cell::Cell;

/// Independent partial sums that let the compiler keep a reduction in vector registers.
const LANES: usize = 16;

/// Elements of a head whose sums over values are kept in registers.
const WIDE: usize = 4 * LANES;

/// Below this many elementary steps a loop is not worth spreading over threads.
const PARALLEL_WORK: usize = 1 << 16;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Threads that work may be spread over: those of the compute pool, or this one within [`alone`].
#[must_use]
pub fn threads() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}

/// Does work on this thread alone: where there is other work for every thread, spreading would only cost.
pub fn alone<R>(work: impl FnOnce() -> R) -> R {
    /// Says that the thread is not alone any more, also after a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    work()
}

/// `f` of each item, on all threads if there are several of both.
pub fn map_tasks<T: Send, R: Send>(tasks: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if threads() > 1 && tasks.len() > 1 {
        tasks.into_par_iter().map(f).collect()
    } else {
        tasks.into_iter().map(f).collect()
    }
}

/// Does work on a thread of the compute pool, where spreading it costs no change of threads: a decoder's pass spreads
/// hundreds of small loops.
pub fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Calls `f(index, chunk)` for each chunk of `size` elements of `out`, on all threads if `work` is worth it.
pub fn for_chunks(out: &mut [f32], size: usize, work: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if threads() > 1 && work >= PARALLEL_WORK {
        out.par_chunks_mut(size).enumerate().for_each(|(i, chunk)| f(i, chunk));
    } else {
        out.chunks_mut(size).enumerate().for_each(|(i, chunk)| f(i, chunk));
    }
}

/// Elements in one parallel task, about. Fixed rather than cut to the number of threads, so that sums over tasks, and
/// with them results, do not depend on how many threads there are.
const TASK_ELEMENTS: usize = 1 << 14;

/// Rows of `width` elements per parallel task.
#[must_use]
pub fn rows_per_task(width: usize) -> usize {
    (TASK_ELEMENTS / width.max(1)).max(1)
}

/// eˣ to about 2e-7 relative: argument reduction by ln 2 and a polynomial of degree 6 (Cephes `expf`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer that can be read from the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let t = x * std::f32::consts::LOG2_E + ROUND;
    let n = t - ROUND;
    let i = (t.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    (p * r * r + r + 1.0) * f32::from_bits(((i + 127) << 23) as u32)
}

/// Σ of partial sums, halves onto halves: a chain of additions would take longer than what led to them.
#[inline(always)]
fn sum_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            sums[l] += sums[l + half];
        }
        half /= 2;
    }
    sums[0]
}

/// a·b + c; in one step where the target has that, which is then faster, and rounded once.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32, one_step: bool) -> f32 {
    if one_step { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn dot_lanes(a: &[f32], b: &[f32], one_step: bool) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for l in 0..LANES {
            sums[l] = multiply_add(x[l], y[l], sums[l], one_step);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sum_lanes(sums) + rest
}

#[inline(always)]
fn max_lanes(x: &[f32]) -> f32 {
    let mut best = [f32::NEG_INFINITY; LANES];
    let (lanes, rest) = x.as_chunks::<LANES>();
    for c in lanes {
        for l in 0..LANES {
            best[l] = if c[l] > best[l] { c[l] } else { best[l] };
        }
    }
    rest.iter().chain(&best).fold(f32::NEG_INFINITY, |m, &v| m.max(v))
}

/// Replaces `x` by exp(x − shift) and returns the sum.
#[inline(always)]
fn exp_shifted(x: &mut [f32], shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (lanes, rest) = x.as_chunks_mut::<LANES>();
    for c in lanes {
        for l in 0..LANES {
            c[l] = exp(c[l] - shift);
            sums[l] += c[l];
        }
    }
    let mut sum = sum_lanes(sums);
    for v in rest {
        *v = exp(*v - shift);
        sum += *v;
    }
    sum
}

/// ln Σ exp(x).
#[inline(always)]
fn log_sum_exp(x: &[f32]) -> f32 {
    let max = max_lanes(x);
    let mut sums = [0.0_f32; LANES];
    let (lanes, rest) = x.as_chunks::<LANES>();
    for c in lanes {
        for l in 0..LANES {
            sums[l] += exp(c[l] - max);
        }
    }
    let rest: f32 = rest.iter().map(|&v| exp(v - max)).sum();
    max + (sum_lanes(sums) + rest).ln()
}

/// ln Σ exp of numbers that come in parts.
#[derive(Clone, Copy, Debug)]
pub struct LogSumExp {
    max: f32,
    /// Σ exp(x − max).
    sum: f32,
}

impl Default for LogSumExp {
    fn default() -> Self {
        Self { max: f32::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSumExp {
    /// ln Σ exp of what came so far.
    #[must_use]
    pub fn value(self) -> f32 {
        self.max + self.sum.ln()
    }
}

/// Takes more numbers into a ln Σ exp.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn log_sum_exp_onto(x: &[f32], so_far: &mut LogSumExp) {
    let max = max_lanes(x).max(so_far.max);
    let before = if so_far.sum > 0.0 { so_far.sum * exp(so_far.max - max) } else { 0.0 };
    let mut sums = [0.0_f32; LANES];
    let (lanes, rest) = x.as_chunks::<LANES>();
    for c in lanes {
        for l in 0..LANES {
            sums[l] += exp(c[l] - max);
        }
    }
    let rest: f32 = rest.iter().map(|&v| exp(v - max)).sum();
    *so_far = LogSumExp { max, sum: before + sum_lanes(sums) + rest };
}

/// The dot product of two slices of equal length.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_lanes(a, b, target_cfg_f!(target_feature = "fma"))
}

/// RMSNorm of rows of width `weight.len()`: y = x / √(mean(x²) + ε) · (weight + offset).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn rms_norm(x: &[f32], weight: &[f32], offset: f32, epsilon: f32, y: &mut [f32]) {
    let width = weight.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let r =
            1.0 / (dot_lanes(x, x, target_cfg_f!(target_feature = "fma")) / width as f32 + epsilon).sqrt();
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * r * (w + offset);
        }
    }
}

/// Gradients of [`rms_norm`], both added to what is there.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
#[allow(clippy::too_many_arguments, reason = "the operation's operands and their gradients")]
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    offset: f32,
    epsilon: f32,
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
) {
    let width = weight.len();
    for ((x, dy), dx) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
        let r =
            1.0 / (dot_lanes(x, x, target_cfg_f!(target_feature = "fma")) / width as f32 + epsilon).sqrt();
        let mut sums = [0.0_f32; LANES];
        let (lanes, rest) = x.as_chunks::<LANES>();
        for (i, x) in lanes.iter().enumerate() {
            let at = i * LANES;
            for l in 0..LANES {
                sums[l] += dy[at + l] * (weight[at + l] + offset) * x[l];
            }
        }
        let at = lanes.len() * LANES;
        let mut projected = sum_lanes(sums);
        for (l, x) in rest.iter().enumerate() {
            projected += dy[at + l] * (weight[at + l] + offset) * x;
        }
        let c = projected * r * r * r / width as f32;
        for ((((d, x), g), dw), w) in dx.iter_mut().zip(x).zip(dy).zip(dweight.iter_mut()).zip(weight) {
            *d += g * (w + offset) * r - x * c;
            *dw += g * x * r;
        }
    }
}

/// tanh(x) to about 3e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * x.abs());
    let large = ((1.0 - e) / (1.0 + e)).copysign(x);
    // Near 0 the quotient above loses its digits; the series does not.
    let square = x * x;
    let small = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0)));
    if x.abs() < 0.05 { small } else { large }
}

/// √(2/π), of GELU's tanh form.
const GELU: f32 = 0.797_884_6;
/// The cubic term of GELU's tanh form.
const CUBIC: f32 = 0.044_715;

/// SiLU and its derivative.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = 1.0 / (1.0 + exp(-x));
    (x * s, s + x * s * (1.0 - s))
}

/// GELU in its tanh form, which is x·σ(2u) with u = √(2/π)·(x + 0.044715·x³), and its derivative.
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let s = 1.0 / (1.0 + exp(-2.0 * GELU * (x + CUBIC * x * x * x)));
    (x * s, s + x * s * (1.0 - s) * 2.0 * GELU * (1.0 + 3.0 * CUBIC * x * x))
}

/// The first elements of `x`, filled up with zeros.
#[inline(always)]
fn padded(x: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..x.len()].copy_from_slice(x);
    lanes
}

/// f(gate) · up, element by element.
#[inline(always)]
fn gated_lanes(gate: [f32; LANES], up: [f32; LANES], use_gelu: bool) -> [f32; LANES] {
    let mut y = [0.0; LANES];
    for l in 0..LANES {
        y[l] = if use_gelu { gelu(gate[l]).0 } else { silu(gate[l]).0 } * up[l];
    }
    y
}

/// The gradients of gate and up in [`gated_lanes`].
#[inline(always)]
fn gated_backward_lanes(
    gate: [f32; LANES],
    up: [f32; LANES],
    dy: [f32; LANES],
    use_gelu: bool,
) -> ([f32; LANES], [f32; LANES]) {
    let (mut dgate, mut dup) = ([0.0; LANES], [0.0; LANES]);
    for l in 0..LANES {
        let (value, slope) = if use_gelu { gelu(gate[l]) } else { silu(gate[l]) };
        dgate[l] = dy[l] * up[l] * slope;
        dup[l] = dy[l] * value;
    }
    (dgate, dup)
}

/// y = f(gate) · up for rows that hold gate, then up: `gate_up` `[N, 2·width]`, `y` `[N, width]`; f is GELU or SiLU.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn gated(gate_up: &[f32], width: usize, use_gelu: bool, y: &mut [f32]) {
    // Lanes are copied into registers and back: the compiler must take slices to overlap, and would go one by one.
    for (row, y) in gate_up.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
        let (gate, up) = row.split_at(width);
        let (gate, gate_rest) = gate.as_chunks::<LANES>();
        let (up, up_rest) = up.as_chunks::<LANES>();
        let (y, y_rest) = y.as_chunks_mut::<LANES>();
        for ((g, u), y) in gate.iter().zip(up).zip(y) {
            *y = gated_lanes(*g, *u, use_gelu);
        }
        let rest = gated_lanes(padded(gate_rest), padded(up_rest), use_gelu);
        y_rest.copy_from_slice(&rest[..y_rest.len()]);
    }
}

/// Gradients of [`gated`], in place of gate and up.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn gated_backward(gate_up: &mut [f32], width: usize, use_gelu: bool, dy: &[f32]) {
    for (row, dy) in gate_up.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)) {
        let (gate, up) = row.split_at_mut(width);
        let (gate, gate_rest) = gate.as_chunks_mut::<LANES>();
        let (up, up_rest) = up.as_chunks_mut::<LANES>();
        let (dy, dy_rest) = dy.as_chunks::<LANES>();
        for ((g, u), dy) in gate.iter_mut().zip(up).zip(dy) {
            (*g, *u) = gated_backward_lanes(*g, *u, *dy, use_gelu);
        }
        let (dgate, dup) =
            gated_backward_lanes(padded(gate_rest), padded(up_rest), padded(dy_rest), use_gelu);
        gate_rest.copy_from_slice(&dgate[..gate_rest.len()]);
        up_rest.copy_from_slice(&dup[..up_rest.len()]);
    }
}

/// Turns the first 2·half elements of a head by its angles ("rotate half" form) and scales all of it, in place.
/// `sign` is 1 forward and −1 backward (the transposed rotation).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32], sign: f32, scale: f32) {
    let half = cos.len();
    let (first, rest) = x.split_at_mut(half);
    let (second, rest) = rest.split_at_mut(half);
    for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        let s = s * sign;
        let (x, y) = (*a, *b);
        *a = (x * c - y * s) * scale;
        *b = (y * c + x * s) * scale;
    }
    for v in rest {
        *v *= scale;
    }
}

/// cap · tanh(x / cap), in place.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn soft_cap(x: &mut [f32], cap: f32) {
    let inverse = 1.0 / cap;
    for v in x {
        *v = cap * tanh(*v * inverse);
    }
}

/// dx · (1 − (y / cap)²), in place of dx: the gradient of [`soft_cap`] from its result y.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn soft_cap_backward(y: &[f32], cap: f32, dx: &mut [f32]) {
    let inverse = 1.0 / cap;
    for (d, y) in dx.iter_mut().zip(y) {
        let t = y * inverse;
        *d *= 1.0 - t * t;
    }
}

/// The keys that query row `i` of a block sees, as a span of the block's score columns. The block's first query stands
/// at position `first`, its first key at `low`.
#[inline(always)]
fn seen(first: usize, i: usize, low: usize, keys: usize, window: usize) -> (usize, usize) {
    let to = (first + i + 1 - low).min(keys);
    ((first + i + 1).saturating_sub(window).saturating_sub(low).min(to), to)
}

/// Causal softmax of score rows: row i stands for the query at position `first + i` and sees the last `window` keys up
/// to its own; column 0 is the key at position `low`. The rest becomes 0. `lse[i]` receives ln Σ exp of the row.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn causal_softmax(
    scores: &mut [f32],
    keys: usize,
    first: usize,
    low: usize,
    window: usize,
    lse: &mut [f32],
) {
    for (i, (row, lse)) in scores.chunks_exact_mut(keys).zip(lse).enumerate() {
        let (from, to) = seen(first, i, low, keys, window);
        row[..from].fill(0.0);
        row[to..].fill(0.0);
        let row = &mut row[from..to];
        let max = max_lanes(row);
        let sum = exp_shifted(row, max);
        let inverse = 1.0 / sum;
        for v in row {
            *v *= inverse;
        }
        *lse = max + sum.ln();
    }
}

/// The probabilities of [`causal_softmax`] again, from scores and the stored ln Σ exp.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn causal_probabilities(
    scores: &mut [f32],
    keys: usize,
    first: usize,
    low: usize,
    window: usize,
    lse: &[f32],
) {
    for (i, (row, lse)) in scores.chunks_exact_mut(keys).zip(lse).enumerate() {
        let (from, to) = seen(first, i, low, keys, window);
        row[..from].fill(0.0);
        row[to..].fill(0.0);
        for v in &mut row[from..to] {
            *v = exp(*v - lse);
        }
    }
}

/// Gradient of the scores, in place of the probabilities: dS = P · (dP − δ), δ = `Σ_j` dO·O per row.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn softmax_backward(probabilities: &mut [f32], dp: &[f32], keys: usize, delta: &[f32]) {
    for ((p, dp), delta) in probabilities.chunks_exact_mut(keys).zip(dp.chunks_exact(keys)).zip(delta) {
        for (p, dp) in p.iter_mut().zip(dp) {
            *p *= dp - delta;
        }
    }
}

/// y += x.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// y = y · factor.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn scale(y: &mut [f32], factor: f32) {
    for y in y {
        *y *= factor;
    }
}

/// One query against the keys and values of one head: softmax(q·Kᵀ)·V into `out`. Key j begins at j·`stride`; `q` is
/// already scaled; `scores` holds one element for each key that is seen; `cap` bounds scores where it is above 0.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn attend(
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    stride: usize,
    cap: f32,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let one_step = target_cfg_f!(target_feature = "fma");
    let d = q.len();
    for (score, key) in scores.iter_mut().zip(keys.chunks(stride)) {
        *score = dot_lanes(q, &key[..d], target_cfg_f!(target_feature = "fma"));
    }
    if cap > 0.0 {
        let inverse = 1.0 / cap;
        for v in scores.iter_mut() {
            *v = cap * tanh(*v * inverse);
        }
    }
    let max = max_lanes(scores);
    let sum = exp_shifted(scores, max);
    let inverse = 1.0 / sum;
    // As many elements at a time as sum up in registers.
    for (i, out) in out.chunks_mut(WIDE).enumerate() {
        let mut sums = [0.0_f32; WIDE];
        for (p, value) in scores.iter().zip(values.chunks(stride)) {
            let value = &value[i * WIDE..d];
            if let Some(value) = value.first_chunk::<WIDE>() {
                for l in 0..WIDE {
                    sums[l] = multiply_add(*p, value[l], sums[l], one_step);
                }
            } else {
                for (sum, v) in sums.iter_mut().zip(value) {
                    *sum = multiply_add(*p, *v, *sum, one_step);
                }
            }
        }
        for (o, sum) in out.iter_mut().zip(sums) {
            *o = sum * inverse;
        }
    }
}

/// log softmax(logits row)[target] of each row of width `vocab`; `lse` receives ln Σ exp.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn token_log_probs(
    logits: &[f32],
    vocab: usize,
    targets: &[u32],
    log_probs: &mut [f32],
    lse: &mut [f32],
) {
    for (((row, &target), lp), lse) in logits.chunks_exact(vocab).zip(targets).zip(log_probs).zip(lse) {
        *lse = log_sum_exp(row);
        *lp = row[target as usize] - *lse;
    }
}

/// Gradient of one row of [`token_log_probs`] with respect to its logits, in place: g · (one-hot − softmax).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn token_log_prob_backward(logits: &mut [f32], target: u32, lse: f32, g: f32) {
    for x in logits.iter_mut() {
        *x = -g * exp(*x - lse);
    }
    logits[target as usize] += g;
}

/// KL(p ‖ q) = Σ p·(ln p − ln q) of two rows of logits of equal length, without buffers of that length.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn kl_divergence(p_logits: &[f32], q_logits: &[f32]) -> f32 {
    let (p_lse, q_lse) = (log_sum_exp(p_logits), log_sum_exp(q_logits));
    let mut sums = [0.0_f32; LANES];
    let (p_lanes, p_rest) = p_logits.as_chunks::<LANES>();
    let (q_lanes, q_rest) = q_logits.as_chunks::<LANES>();
    for (p, q) in p_lanes.iter().zip(q_lanes) {
        for l in 0..LANES {
            let log_p = p[l] - p_lse;
            sums[l] += exp(log_p) * (log_p - (q[l] - q_lse));
        }
    }
    let mut sum = sum_lanes(sums);
    for (p, q) in p_rest.iter().zip(q_rest) {
        let log_p = p - p_lse;
        sum += exp(log_p) * (log_p - (q - q_lse));
    }
    sum.max(0.0)
}

/// Σ x².
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn sum_of_squares(x: &[f32]) -> f64 {
    x.chunks(4096).map(|c| f64::from(dot_lanes(c, c, target_cfg_f!(target_feature = "fma")))).sum()
}

/// The numbers of one AdamW step that are the same for all parameters.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// β₁, decay of the first moment.
    pub beta1: f32,
    /// β₂, decay of the second moment.
    pub beta2: f32,
    /// Learning rate / (1 − β₁ᵗ).
    pub step_size: f32,
    /// 1 / √(1 − β₂ᵗ).
    pub second_correction: f32,
    /// ε.
    pub epsilon: f32,
    /// 1 − learning rate · weight decay.
    pub decay: f32,
    /// Factor on the gradient (clipping).
    pub gradient_scale: f32,
}

/// One AdamW step (Loshchilov & Hutter 2019) on a parameter, its gradient and its two moments, in place.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn adamw(
    parameter: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    step: &AdamWStep,
) {
    for (((p, g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
        let g = g * step.gradient_scale;
        *m = step.beta1 * *m + (1.0 - step.beta1) * g;
        *v = step.beta2 * *v + (1.0 - step.beta2) * g * g;
        *p = *p * step.decay - step.step_size * *m / (v.sqrt() * step.second_correction + step.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_three_ten_millionths() {
        for i in -8000..8000 {
            let x = i as f32 * 0.01;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours - exact).abs() <= 3e-7 * exact, "exp({x}) = {ours}, not {exact}");
        }
    }

    #[test]
    fn a_log_sum_of_parts_is_that_of_the_whole() {
        let x: Vec<f32> = (0..101).map(|i| (i as f32 * 0.7).sin() * 30.0).collect();
        let exact = x.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln();
        for size in [1, 16, 37, 101] {
            let mut sum = LogSumExp::default();
            x.chunks(size).for_each(|part| log_sum_exp_onto(part, &mut sum));
            assert!((f64::from(sum.value()) - exact).abs() < 1e-5, "parts of {size}");
        }
    }

    #[test]
    fn kl_is_zero_for_equal_rows_and_exact_for_a_known_pair() {
        let p: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let q: Vec<f32> = (0..37).map(|i| (i as f32 * 1.3).cos() * 2.0).collect();
        assert!(kl_divergence(&p, &p) < 1e-6);
        let softmax = |x: &[f32]| {
            let e: Vec<f64> = x.iter().map(|&v| f64::from(v).exp()).collect();
            let s: f64 = e.iter().sum();
            e.into_iter().map(move |v| v / s).collect::<Vec<f64>>()
        };
        let exact: f64 = softmax(&p).iter().zip(softmax(&q)).map(|(a, b)| a * (a / b).ln()).sum();
        assert!((f64::from(kl_divergence(&p, &q)) - exact).abs() < 1e-5 * exact);
    }
}
