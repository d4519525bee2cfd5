//! Matrix products: many rows through the `gemm` crate; few rows, as in decoding, through kernels that read each weight
//! once, because there the memory's bandwidth is the limit.

use super::kernels::{for_chunks, threads};
use rayon::prelude::*;

/// Up to this many rows, a product with a weight matrix reads the weights once and streams over them.
const FEW_ROWS: usize = 32;
/// Rows of a weight matrix in one parallel task of a product with few rows.
const TASK_ROWS: usize = 48;
/// Rows of x side by side in one vector.
const LANES: usize = 16;

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

/// `out = factor·a·b`, or `out += factor·a·b` with `accumulate`; `out` is row-major with rows `out_stride` apart.
/// With `parallel` the product is spread over the compute pool where it is large enough.
pub fn matmul_scaled(
    out: &mut [f32],
    out_stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    factor: f32,
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
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// [`matmul_scaled`] without a factor.
pub fn matmul(
    out: &mut [f32],
    out_stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    accumulate: bool,
    parallel: bool,
) {
    matmul_scaled(out, out_stride, a, b, 1.0, accumulate, parallel);
}

/// x `[m, k]` times each weight `[n_i, k]` transposed, side by side in `out` `[m, Σ n_i]`; added to it with
/// `accumulate`.
pub fn project(x: &[f32], k: usize, weights: &[&[f32]], out: &mut [f32], accumulate: bool) {
    let m = x.len() / k;
    let width: usize = weights.iter().map(|w| w.len() / k).sum();
    if m == 0 {
        return;
    }
    assert!(x.len() == m * k && out.len() >= m * width, "whole rows go in and come out");
    if m > FEW_ROWS || !few_rows_pay(m) {
        let mut at = 0;
        for w in weights {
            let n = w.len() / k;
            matmul(
                &mut out[at..],
                width,
                Matrix::new(x, m, k, k),
                Matrix::new(w, n, k, k).t(),
                accumulate,
                true,
            );
            at += n;
        }
        return;
    }
    // Results come out transposed, a run of m for each row of a weight, so that tasks write to runs of their own.
    let lanes = if m == 1 { 1 } else { m.next_multiple_of(LANES) };
    let x: std::borrow::Cow<'_, [f32]> = if m == 1 { x.into() } else { interleaved(x, m, k, lanes).into() };
    let mut transposed = vec![0.0_f32; width * lanes];
    let mut tasks = Vec::new();
    let mut rest = transposed.as_mut_slice();
    for w in weights {
        for w in w.chunks(TASK_ROWS * k) {
            let (out, others) = rest.split_at_mut(w.len() / k * lanes);
            tasks.push((w, out));
            rest = others;
        }
    }
    let each = |(w, out): (&[f32], &mut [f32])| {
        if m == 1 { dot_products(&x, w, out) } else { lane_products(&x, k, w, lanes, out) }
    };
    if threads() > 1 && width * k * m >= 1 << 17 {
        tasks.into_par_iter().for_each(each);
    } else {
        tasks.into_iter().for_each(each);
    }
    turn(&transposed, lanes, width, &mut out[..m * width], accumulate);
}

/// Writes `transposed` `[width, lanes]` to the rows of `out`, or adds it to them: some rows at a time, and for these
/// sixteen runs at a time, so that both sides are read and written by whole cache lines.
fn turn(transposed: &[f32], lanes: usize, width: usize, out: &mut [f32], accumulate: bool) {
    const ROWS: usize = LANES / 2;
    let work = transposed.len();
    for_chunks(out, ROWS * width, work, |chunk, out| {
        let first = chunk * ROWS;
        for (block, runs) in transposed.chunks(LANES * lanes).enumerate() {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let values = runs[first + i..].iter().step_by(lanes);
                for (y, value) in out[block * LANES..].iter_mut().zip(values) {
                    *y = if accumulate { *y + value } else { *value };
                }
            }
        }
    });
}

/// x transposed to `[k, lanes]`, zero beyond the m rows.
fn interleaved(x: &[f32], m: usize, k: usize, lanes: usize) -> Vec<f32> {
    let mut out = vec![0.0; k * lanes];
    for (i, row) in x.chunks_exact(k).take(m).enumerate() {
        for (j, v) in row.iter().enumerate() {
            out[j * lanes + i] = *v;
        }
    }
    out
}

/// Whether the kernels for few rows run on this machine; `gemm` is better than their plain form for several rows.
fn few_rows_pay(m: usize) -> bool {
    m == 1 || vectors::available()
}

/// One row: the dot product of x with each row of w.
fn dot_products(x: &[f32], w: &[f32], out: &mut [f32]) {
    if vectors::available() {
        vectors::dot_products(x, w, out);
        return;
    }
    for (y, row) in out.iter_mut().zip(w.chunks_exact(x.len())) {
        *y = super::kernels::dot(x, row);
    }
}

/// Several rows side by side in lanes: `out[r, l] = Σ_j w[r, j] · x[j, l]`.
fn lane_products(x: &[f32], k: usize, w: &[f32], lanes: usize, out: &mut [f32]) {
    if vectors::available() {
        vectors::lane_products(x, k, w, lanes, out);
        return;
    }
    for (row, out) in w.chunks_exact(k).zip(out.chunks_exact_mut(lanes)) {
        out.fill(0.0);
        for (w, x) in row.iter().zip(x.chunks_exact(lanes)) {
            for (o, x) in out.iter_mut().zip(x) {
                *o += w * x;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    //! The kernels for few rows in AVX-512: what the compiler makes of the plain loops is several times slower.
    #![allow(unsafe_code, reason = "vector loads from slices; every index is bounded by chunks_exact")]

    use super::LANES;
    use std::arch::x86_64::{
        __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    pub fn available() -> bool {
        std::arch::is_x86_feature_detected!("avx512f")
    }

    pub fn dot_products(x: &[f32], w: &[f32], out: &mut [f32]) {
        // Sound: only called where `available` said so.
        unsafe { dot_products_512(x, w, out) }
    }

    pub fn lane_products(x: &[f32], k: usize, w: &[f32], lanes: usize, out: &mut [f32]) {
        // Sound: only called where `available` said so.
        unsafe { lane_products_512(x, k, w, lanes, out) }
    }

    /// Four rows of w at a time: enough streams to keep the memory busy.
    #[target_feature(enable = "avx512f")]
    unsafe fn dot_products_512(x: &[f32], w: &[f32], out: &mut [f32]) {
        const ROWS: usize = 4;
        let k = x.len();
        let whole = k / LANES * LANES;
        let mut groups = w.chunks_exact(ROWS * k);
        let mut outs = out.chunks_exact_mut(ROWS);
        for (group, out) in groups.by_ref().zip(outs.by_ref()) {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &group[r * k..(r + 1) * k]);
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for at in (0..whole).step_by(LANES) {
                // Sound: at + LANES ≤ whole ≤ k, the length of x and of each row.
                let xs = unsafe { load(x, at) };
                for (r, (sum, row)) in sums.iter_mut().zip(rows).enumerate() {
                    prefetch(group, (ROWS + r) * k + at);
                    *sum = _mm512_fmadd_ps(unsafe { load(row, at) }, xs, *sum);
                }
            }
            for ((y, sum), row) in out.iter_mut().zip(sums).zip(rows) {
                let rest: f32 = row[whole..].iter().zip(&x[whole..]).map(|(w, x)| w * x).sum();
                *y = _mm512_reduce_add_ps(sum) + rest;
            }
        }
        for (row, y) in groups.remainder().chunks_exact(k).zip(outs.into_remainder()) {
            let mut sums = [_mm512_setzero_ps(); 2];
            let mut at = 0;
            while at + LANES <= whole {
                let sum = &mut sums[at / LANES % 2];
                *sum = _mm512_fmadd_ps(unsafe { load(row, at) }, unsafe { load(x, at) }, *sum);
                at += LANES;
            }
            let rest: f32 = row[whole..].iter().zip(&x[whole..]).map(|(w, x)| w * x).sum();
            *y = _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1])) + rest;
        }
    }

    /// Asks for a weight that is needed soon: rows are too short for the processor to see the stream by itself.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn prefetch(w: &[f32], at: usize) {
        // A prefetch reads nothing and may name any address.
        _mm_prefetch::<_MM_HINT_T0>(w.as_ptr().wrapping_add(at).cast());
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(x: &[f32], at: usize) -> __m512 {
        debug_assert!(at + LANES <= x.len());
        // Sound: the callers keep at + LANES within x.
        unsafe { _mm512_loadu_ps(x.as_ptr().add(at)) }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn lane_products_512(x: &[f32], k: usize, w: &[f32], lanes: usize, out: &mut [f32]) {
        /// Rows of w at a time.
        const ROWS: usize = 12;
        let mut groups = w.chunks_exact(ROWS * k);
        let mut outs = out.chunks_exact_mut(ROWS * lanes);
        for (w, out) in groups.by_ref().zip(outs.by_ref()) {
            for first in (0..lanes).step_by(LANES) {
                // Sound: `first` + LANES ≤ lanes, and x is `[k, lanes]`.
                unsafe { tile::<ROWS>(x, k, w, lanes, first, out) };
            }
        }
        let rest = groups.remainder().chunks_exact(k);
        for (w, out) in rest.zip(outs.into_remainder().chunks_exact_mut(lanes)) {
            for first in (0..lanes).step_by(LANES) {
                // Sound: as above.
                unsafe { tile::<1>(x, k, w, lanes, first, out) };
            }
        }
    }

    /// Rows of w below this length end before the processor has seen them as streams: the next rows, which lie behind
    /// them in memory, are asked for in time, line by line.
    const SHORT: usize = 1024;

    /// R rows of w times sixteen lanes of x from `first` on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const R: usize>(
        x: &[f32],
        k: usize,
        w: &[f32],
        lanes: usize,
        first: usize,
        out: &mut [f32],
    ) {
        let mut sums = [_mm512_setzero_ps(); R];
        let rows: [&[f32]; R] = std::array::from_fn(|r| &w[r * k..(r + 1) * k]);
        let whole = k / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            if first == 0 && k < SHORT {
                for r in 0..R {
                    prefetch(w, R * k + at * R + r * LANES);
                }
            }
            // Columns by the sixteen, so that addresses need no sums.
            let blocks: [&[f32; LANES]; R] =
                std::array::from_fn(|r| rows[r][at..].first_chunk().unwrap_or(&[0.0; LANES]));
            for j in 0..LANES {
                // Sound: at + j < k.
                let xs = unsafe { load(x, (at + j) * lanes + first) };
                for (sum, block) in sums.iter_mut().zip(blocks) {
                    *sum = _mm512_fmadd_ps(_mm512_set1_ps(block[j]), xs, *sum);
                }
            }
        }
        for j in whole..k {
            // Sound: j < k.
            let xs = unsafe { load(x, j * lanes + first) };
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = _mm512_fmadd_ps(_mm512_set1_ps(row[j]), xs, *sum);
            }
        }
        for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(lanes)) {
            let out = &mut out[first..first + LANES];
            // Sound: `out` holds LANES elements.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    pub fn available() -> bool {
        false
    }
    pub fn dot_products(_: &[f32], _: &[f32], _: &mut [f32]) {}
    pub fn lane_products(_: &[f32], _: usize, _: &[f32], _: usize, _: &mut [f32]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matmul_reads_strided_views() {
        let a: Vec<f32> = (0..12).map(|i| i as f32).collect();
        // columns 1..3 of a 3 × 4 matrix, times its own transpose
        let view = Matrix::new(&a[1..], 3, 2, 4);
        let mut out = vec![0.0; 9];
        matmul(&mut out, 3, view, view.t(), false, false);
        assert_eq!(out, [5.0, 17.0, 29.0, 17.0, 61.0, 105.0, 29.0, 105.0, 181.0]);
    }

    #[test]
    fn products_with_few_rows_equal_those_with_many() {
        for (m, k) in [(1, 37), (1, 64), (2, 48), (16, 33), (17, 64), (32, 50), (33, 20)] {
            let value = |i: usize| ((i * 7919 % 1000) as f32 - 500.0) / 500.0;
            let x: Vec<f32> = (0..m * k).map(value).collect();
            let weights: Vec<Vec<f32>> =
                [5, 64, 131].iter().map(|n| (0..n * k).map(|i| value(i + n)).collect()).collect();
            let weights: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
            let mut out = vec![1.0; m * 200];
            project(&x, k, &weights, &mut out, true);
            for i in 0..m {
                let rows = weights.iter().flat_map(|w| w.chunks_exact(k));
                for (j, row) in rows.enumerate() {
                    let exact: f64 =
                        row.iter().zip(&x[i * k..]).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>()
                            + 1.0;
                    assert!((f64::from(out[i * 200 + j]) - exact).abs() < 1e-4, "m {m} k {k} at {i}, {j}");
                }
            }
        }
    }
}
