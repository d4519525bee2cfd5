//! The KV cache of a batch whose rows differ in length.

use super::config::Config;
use super::ops::{Rotary, fused::with_slice, kernels};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Keys (already rotated) and values of every row, layer and head. Each row has its own length, so rows neither wait
/// for nor see each other, and a finished row can leave.
pub struct KvCache {
    rows: Vec<Row>,
    kv_heads: usize,
    head_dim: usize,
}

struct Row {
    length: usize,
    layers: Vec<Layer>,
}

/// One layer of one row: for each head a run of `[position, d]`.
#[derive(Clone, Default)]
struct Layer {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl KvCache {
    /// An empty cache for `rows` rows.
    #[must_use]
    pub fn new(config: &Config, rows: usize) -> Self {
        let layer = Layer {
            keys: vec![Vec::new(); config.num_key_value_heads],
            values: vec![Vec::new(); config.num_key_value_heads],
        };
        let rows = (0..rows)
            .map(|_| Row { length: 0, layers: vec![layer.clone(); config.num_hidden_layers] })
            .collect();
        Self { rows, kv_heads: config.num_key_value_heads, head_dim: config.head_dim }
    }

    /// Tokens in the longest row.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.rows.iter().map(|r| r.length).max().unwrap_or(0)
    }

    /// Keeps the rows for which `keep` holds, in their order.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.rows.retain(|_| keep.next().copied().unwrap_or(false));
    }

    /// Appends the new keys and values of one layer and attends to all that each row then holds.
    pub(super) fn attend(
        &mut self,
        layer: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        lengths: &[usize],
        rotary: &Rotary,
    ) -> Result<Tensor> {
        let (_, t, q_width) = q.dims3()?;
        let (d, kv_heads) = (self.head_dim, self.kv_heads);
        let kv_width = kv_heads * d;
        let group = q_width / kv_width;
        let scale = 1.0 / (d as f32).sqrt();
        let mut out = vec![0.0; q.elem_count()];
        let rows = &mut self.rows;
        with_slice(q, |qs| {
            with_slice(k, |ks| {
                with_slice(v, |vs| {
                    let work = |index: usize, row: &mut Row, out: &mut [f32]| {
                        let (start, n) = (row.length, lengths[index]);
                        let layer = &mut row.layers[layer];
                        let (q, k, v) = (
                            &qs[index * t * q_width..],
                            &ks[index * t * kv_width..],
                            &vs[index * t * kv_width..],
                        );
                        let half = d / 2;
                        let span = start * half..(start + n) * half;
                        let (cos, sin) = (&rotary.cos[span.clone()], &rotary.sin[span]);
                        let (mut query, mut scores) = (vec![0.0; n * d], vec![0.0; start + n]);
                        for head in 0..kv_heads {
                            let (keys, values) = (&mut layer.keys[head], &mut layer.values[head]);
                            keys.resize((start + n) * d, 0.0);
                            let fresh = &mut keys[start * d..];
                            kernels::rotate(&k[head * d..], kv_width, cos, sin, 1.0, 1.0, fresh, d, d, n);
                            for i in 0..n {
                                values.extend_from_slice(&v[i * kv_width + head * d..][..d]);
                            }
                            for head in head * group..(head + 1) * group {
                                kernels::rotate(
                                    &q[head * d..],
                                    q_width,
                                    cos,
                                    sin,
                                    1.0,
                                    scale,
                                    &mut query,
                                    d,
                                    d,
                                    n,
                                );
                                for i in 0..n {
                                    let out = &mut out[i * q_width + head * d..][..d];
                                    kernels::attend(
                                        &query[i * d..][..d],
                                        keys,
                                        values,
                                        start + i + 1,
                                        &mut scores,
                                        out,
                                    );
                                }
                            }
                        }
                    };
                    if kernels::threads() > 1 && rows.len() > 1 {
                        rows.par_iter_mut()
                            .zip(out.par_chunks_mut(t * q_width))
                            .enumerate()
                            .for_each(|(i, (row, out))| work(i, row, out));
                    } else {
                        for (i, (row, out)) in rows.iter_mut().zip(out.chunks_mut(t * q_width)).enumerate() {
                            work(i, row, out);
                        }
                    }
                    Ok(())
                })
            })
        })?;
        Tensor::from_vec(out, q.shape(), &Device::Cpu)
    }

    /// Counts the tokens that every layer has appended.
    pub(super) fn advance(&mut self, lengths: &[usize]) {
        for (row, n) in self.rows.iter_mut().zip(lengths) {
            row.length += n;
        }
    }
}
