//! Loops over plain `f32` slices: what the fused operations of the decoder are made of. No tensors here.
//!
//! Each loop is written once and compiled for several instruction sets by `multiversion`, which picks one at run
//! time. Matrix products go to the `gemm` crate.

use multiversion::multiversion;
use rayon::prelude::*;

/// Independent partial sums that let the compiler keep a reduction in vector registers.
const LANES: usize = 16;

/// Below this many elementary steps a loop is not worth spreading over threads.
const PARALLEL_WORK: usize = 1 << 16;

/// Threads of the compute pool.
#[must_use]
pub fn threads() -> usize {
    rayon::current_num_threads()
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

/// A matrix view: element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major view whose rows begin `row_stride` elements apart.
    #[must_use]
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= data.len(),
            "view out of bounds"
        );
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transposed view.
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a·b`, or `out += a·b` with `accumulate`; `out` is row-major with rows `out_stride` apart.
/// With `parallel` the product is spread over the compute pool where it is large enough.
pub fn matmul(
    out: &mut [f32],
    out_stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    accumulate: bool,
    parallel: bool,
) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "inner dimensions differ");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * out_stride + n <= out.len() && n <= out_stride, "output out of bounds");
    let parallelism = if parallel && threads() > 1 && m * n * k >= 1 << 19 {
        gemm::Parallelism::Rayon(threads())
    } else {
        gemm::Parallelism::None
    };
    // Sound: `Matrix::new` and the assertions above bound every access that the strides can reach, and `out` is
    // borrowed exclusively, so it cannot overlap the inputs.
    #[allow(unsafe_code, reason = "gemm takes raw pointers; bounds are asserted above")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if accumulate { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
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

#[inline(always)]
fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for l in 0..LANES {
            sums[l] += x[l] * y[l];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
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
    let mut sum = sums.iter().sum::<f32>();
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
    max + (sums.iter().sum::<f32>() + rest).ln()
}

/// The dot product of two slices of equal length.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_lanes(a, b)
}

/// RMSNorm of rows of width `weight.len()`: y = x / √(mean(x²) + ε) · weight.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32]) {
    let width = weight.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let r = 1.0 / (dot_lanes(x, x) / width as f32 + epsilon).sqrt();
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * r * w;
        }
    }
}

/// Gradients of [`rms_norm`]: `dx` is overwritten, `dweight` added to.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    epsilon: f32,
    dx: &mut [f32],
    dweight: &mut [f32],
) {
    let width = weight.len();
    for ((x, dy), dx) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
        let r = 1.0 / (dot_lanes(x, x) / width as f32 + epsilon).sqrt();
        for ((d, g), w) in dx.iter_mut().zip(dy).zip(weight) {
            *d = g * w;
        }
        let c = dot_lanes(dx, x) * r * r * r / width as f32;
        for ((((d, x), g), dw), _) in dx.iter_mut().zip(x).zip(dy).zip(dweight.iter_mut()).zip(weight) {
            *d = *d * r - x * c;
            *dw += g * x * r;
        }
    }
}

/// SwiGLU: y = gate · σ(gate) · up.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn swiglu(gate: &[f32], up: &[f32], y: &mut [f32]) {
    for ((g, u), y) in gate.iter().zip(up).zip(y) {
        *y = g / (1.0 + exp(-*g)) * u;
    }
}

/// Gradients of [`swiglu`].
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn swiglu_backward(gate: &[f32], up: &[f32], dy: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
    for ((((g, u), dy), dg), du) in gate.iter().zip(up).zip(dy).zip(dgate).zip(dup) {
        let s = 1.0 / (1.0 + exp(-*g));
        let silu = g * s;
        *du = dy * silu;
        *dg = dy * u * (s + silu * (1.0 - s));
    }
}

/// Rotates the two halves of each row (rotary position embedding, "rotate half" form) and scales the result.
/// Row i of `x` begins at i·`x_stride`, of `y` at i·`y_stride`; `cos`, `sin` hold d/2 values per row. `sign` is 1
/// forward and −1 backward (the transposed rotation).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
#[allow(clippy::too_many_arguments, reason = "two strided matrices and two tables")]
pub fn rotate(
    x: &[f32],
    x_stride: usize,
    cos: &[f32],
    sin: &[f32],
    sign: f32,
    scale: f32,
    y: &mut [f32],
    y_stride: usize,
    d: usize,
    rows: usize,
) {
    let half = d / 2;
    for i in 0..rows {
        let (x, y) = (&x[i * x_stride..i * x_stride + d], &mut y[i * y_stride..i * y_stride + d]);
        let (cos, sin) = (&cos[i * half..(i + 1) * half], &sin[i * half..(i + 1) * half]);
        let ((x0, x1), (y0, y1)) = (x.split_at(half), y.split_at_mut(half));
        for j in 0..half {
            let s = sin[j] * sign;
            y0[j] = (x0[j] * cos[j] - x1[j] * s) * scale;
            y1[j] = (x1[j] * cos[j] + x0[j] * s) * scale;
        }
    }
}

/// Causal softmax of score rows: row i stands for query `first + i` and sees keys 0..=first + i; the rest becomes 0.
/// `lse[i]` receives ln Σ exp of the row.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn causal_softmax(scores: &mut [f32], keys: usize, first: usize, lse: &mut [f32]) {
    for (i, (row, lse)) in scores.chunks_exact_mut(keys).zip(lse).enumerate() {
        let (seen, hidden) = row.split_at_mut((first + i + 1).min(keys));
        let max = max_lanes(seen);
        let sum = exp_shifted(seen, max);
        let inverse = 1.0 / sum;
        for v in seen {
            *v *= inverse;
        }
        hidden.fill(0.0);
        *lse = max + sum.ln();
    }
}

/// The probabilities of [`causal_softmax`] again, from scores and the stored ln Σ exp.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn causal_probabilities(scores: &mut [f32], keys: usize, first: usize, lse: &[f32]) {
    for (i, (row, lse)) in scores.chunks_exact_mut(keys).zip(lse).enumerate() {
        let (seen, hidden) = row.split_at_mut((first + i + 1).min(keys));
        for v in seen {
            *v = exp(*v - lse);
        }
        hidden.fill(0.0);
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

/// One query against `n` cached keys and values of one head (rows of width d): softmax(q·Kᵀ)·V into `out`.
/// `q` is already scaled; `scores` is scratch of at least n elements.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn attend(q: &[f32], keys: &[f32], values: &[f32], n: usize, scores: &mut [f32], out: &mut [f32]) {
    let d = q.len();
    let scores = &mut scores[..n];
    for (score, key) in scores.iter_mut().zip(keys.chunks_exact(d)) {
        *score = dot_lanes(q, key);
    }
    let max = max_lanes(scores);
    let sum = exp_shifted(scores, max);
    out.fill(0.0);
    for (p, value) in scores.iter().zip(values.chunks_exact(d)) {
        for (o, v) in out.iter_mut().zip(value) {
            *o += p * v;
        }
    }
    let inverse = 1.0 / sum;
    for o in out {
        *o *= inverse;
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

/// Gradient of [`token_log_probs`] with respect to the logits: g · (one-hot − softmax).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn token_log_probs_backward(
    logits: &[f32],
    vocab: usize,
    targets: &[u32],
    lse: &[f32],
    g: &[f32],
    dlogits: &mut [f32],
) {
    for ((((row, &target), lse), &g), d) in
        logits.chunks_exact(vocab).zip(targets).zip(lse).zip(g).zip(dlogits.chunks_exact_mut(vocab))
    {
        for (d, x) in d.iter_mut().zip(row) {
            *d = -g * exp(x - lse);
        }
        d[target as usize] += g;
    }
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
    let mut sum = sums.iter().sum::<f32>();
    for (p, q) in p_rest.iter().zip(q_rest) {
        let log_p = p - p_lse;
        sum += exp(log_p) * (log_p - (q - q_lse));
    }
    sum.max(0.0)
}

/// Σ x².
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub fn sum_of_squares(x: &[f32]) -> f64 {
    x.chunks(4096).map(|c| f64::from(dot_lanes(c, c))).sum()
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

    #[test]
    fn matmul_reads_strided_views() {
        let a: Vec<f32> = (0..12).map(|i| i as f32).collect();
        // columns 1..3 of a 3 × 4 matrix, times its own transpose
        let view = Matrix::new(&a[1..], 3, 2, 4);
        let mut out = vec![0.0; 9];
        matmul(&mut out, 3, view, view.t(), false, false);
        assert_eq!(out, [5.0, 17.0, 29.0, 17.0, 61.0, 105.0, 29.0, 105.0, 181.0]);
    }
}
