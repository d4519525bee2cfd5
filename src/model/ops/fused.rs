//! The decoder's operations as single candle operations with hand-written backward passes, for f32 on the CPU.
//!
//! A backward pass returns `None` for an operand that is not trained: frozen weights cost neither time nor memory.

use super::kernels::{self, Matrix, for_chunks, matmul, rows_per_task};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows of queries that are scored at once: bounds the score buffer for long sequences.
const QUERY_BLOCK: usize = 128;

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a fused operation needs contiguous tensors"),
    }
}

/// Calls `f` with the elements of a contiguous f32 CPU tensor.
pub fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => f(slice(cpu, layout)?),
        _ => bail!("a fused operation needs a tensor on the CPU"),
    }
}

fn tensor(values: Vec<f32>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &Device::Cpu)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept behind these locks is written whole; a panic elsewhere cannot leave it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// y = x · Wᵀ with x `[…, in]` and W `[out, in]`.
pub struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = lw.shape().dims2()?;
        let (x, w) = (slice(x, lx)?, slice(w, lw)?);
        let m = x.len() / k;
        let mut y = vec![0.0; m * n];
        matmul(&mut y, n, Matrix::new(x, m, k, k), Matrix::new(w, n, k, k).t(), false, true);
        let mut dims = lx.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = n;
        }
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (n, k) = w.dims2()?;
        with_slice(x, |xs| {
            with_slice(w, |ws| {
                with_slice(&dy, |gs| {
                    let m = xs.len() / k;
                    let g = Matrix::new(gs, m, n, n);
                    let dx = if x.track_op() {
                        let mut dx = vec![0.0; xs.len()];
                        matmul(&mut dx, k, g, Matrix::new(ws, n, k, k), false, true);
                        Some(tensor(dx, x.shape())?)
                    } else {
                        None
                    };
                    let dw = if w.track_op() {
                        let mut dw = vec![0.0; n * k];
                        matmul(&mut dw, k, g.t(), Matrix::new(xs, m, k, k), false, true);
                        Some(tensor(dw, w.shape())?)
                    } else {
                        None
                    };
                    Ok((dx, dw))
                })
            })
        })
    }
}

/// RMSNorm over the last dimension.
pub struct RmsNorm {
    /// ε.
    pub epsilon: f32,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (slice(x, lx)?, slice(w, lw)?);
        let mut y = vec![0.0; x.len()];
        let size = rows_per_task(x.len() / w.len()) * w.len();
        for_chunks(&mut y, size, x.len(), |i, y| {
            kernels::rms_norm(&x[i * size..i * size + y.len()], w, self.epsilon, y);
        });
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        with_slice(x, |xs| {
            with_slice(w, |ws| {
                with_slice(&dy, |gs| {
                    let width = ws.len();
                    let size = rows_per_task(xs.len() / width) * width;
                    let mut dx = vec![0.0; xs.len()];
                    // One partial sum per task, added in task order: the same threads give the same bytes.
                    let tasks = xs.len().div_ceil(size.max(1));
                    let partial: Vec<Mutex<Vec<f32>>> =
                        (0..tasks).map(|_| Mutex::new(vec![0.0; width])).collect();
                    for_chunks(&mut dx, size, xs.len(), |i, dx| {
                        let range = i * size..i * size + dx.len();
                        let mut dw = locked(&partial[i]);
                        kernels::rms_norm_backward(
                            &xs[range.clone()],
                            ws,
                            &gs[range],
                            self.epsilon,
                            dx,
                            &mut dw,
                        );
                    });
                    let mut dw = vec![0.0; width];
                    for part in &partial {
                        for (sum, value) in dw.iter_mut().zip(locked(part).iter()) {
                            *sum += value;
                        }
                    }
                    Ok((Some(tensor(dx, x.shape())?), Some(tensor(dw, w.shape())?)))
                })
            })
        })
    }
}

/// SwiGLU of a gate and an up projection.
pub struct SwiGlu;

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        lg: &Layout,
        up: &CpuStorage,
        lu: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (slice(gate, lg)?, slice(up, lu)?);
        let mut y = vec![0.0; gate.len()];
        let size = rows_per_task(gate.len());
        for_chunks(&mut y, size, gate.len() * 4, |i, y| {
            let range = i * size..i * size + y.len();
            kernels::swiglu(&gate[range.clone()], &up[range], y);
        });
        Ok((CpuStorage::F32(y), lg.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        with_slice(gate, |gs| {
            with_slice(up, |us| {
                with_slice(&dy, |dys| {
                    let (mut dgate, mut dup) = (vec![0.0; gs.len()], vec![0.0; gs.len()]);
                    let size = rows_per_task(gs.len());
                    let parts: Vec<Mutex<&mut [f32]>> = dup.chunks_mut(size).map(Mutex::new).collect();
                    for_chunks(&mut dgate, size, gs.len() * 8, |i, dgate| {
                        let range = i * size..i * size + dgate.len();
                        let mut dup = locked(&parts[i]);
                        kernels::swiglu_backward(
                            &gs[range.clone()],
                            &us[range.clone()],
                            &dys[range],
                            dgate,
                            &mut dup,
                        );
                    });
                    drop(parts);
                    Ok((Some(tensor(dgate, gate.shape())?), Some(tensor(dup, up.shape())?)))
                })
            })
        })
    }
}

/// Causal grouped-query attention with rotary position embedding, over q `[B, T, heads·d]`, k and v
/// `[B, T, kv_heads·d]`, giving `[B, T, heads·d]`. Rows are padded on the right only: being causal, no real token
/// ever sees a pad, so there is no mask.
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width d of a head.
    pub head_dim: usize,
    /// cos of the rotation angles, d/2 per position.
    pub cos: Arc<Vec<f32>>,
    /// sin of the rotation angles, d/2 per position.
    pub sin: Arc<Vec<f32>>,
    /// ln Σ exp of every score row, `[B, heads, T]`, kept for the backward pass.
    pub lse: Mutex<Vec<f32>>,
}

impl Attention {
    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        lq: &Layout,
        k: &CpuStorage,
        lk: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, t, q_width) = lq.shape().dims3()?;
        let (q, k, v) = (slice(q, lq)?, slice(k, lk)?, slice(v, lv)?);
        let (d, kv_width, group) = (self.head_dim, self.kv_heads * self.head_dim, self.heads / self.kv_heads);
        let (cos, sin) = (&self.cos[..t * d / 2], &self.sin[..t * d / 2]);
        let mut out = vec![0.0; rows * t * q_width];
        let mut lse = vec![0.0; rows * self.heads * t];
        let lse_rows: Vec<Mutex<&mut [f32]>> = lse.chunks_mut(self.heads * t).map(Mutex::new).collect();
        for_chunks(&mut out, t * q_width, rows * t * t * q_width, |row, out| {
            let mut lse = locked(&lse_rows[row]);
            let (q, k, v) = (&q[row * t * q_width..], &k[row * t * kv_width..], &v[row * t * kv_width..]);
            let (mut keys, mut queries) = (vec![0.0; t * d], vec![0.0; t * d]);
            let mut scores = vec![0.0; QUERY_BLOCK.min(t) * t];
            for head in 0..self.heads {
                let at = head / group * d;
                if head % group == 0 {
                    kernels::rotate(&k[at..], kv_width, cos, sin, 1.0, 1.0, &mut keys, d, d, t);
                }
                kernels::rotate(&q[head * d..], q_width, cos, sin, 1.0, self.scale(), &mut queries, d, d, t);
                for first in (0..t).step_by(QUERY_BLOCK) {
                    let block = QUERY_BLOCK.min(t - first);
                    let seen = first + block;
                    let scores = &mut scores[..block * seen];
                    let query = Matrix::new(&queries[first * d..], block, d, d);
                    matmul(scores, seen, query, Matrix::new(&keys, seen, d, d).t(), false, false);
                    kernels::causal_softmax(scores, seen, first, &mut lse[head * t + first..head * t + seen]);
                    let values = Matrix::new(&v[at..], seen, d, kv_width);
                    let target = &mut out[first * q_width + head * d..];
                    matmul(target, q_width, Matrix::new(scores, block, seen, seen), values, false, false);
                }
            }
        });
        drop(lse_rows);
        *locked(&self.lse) = lse;
        Ok((CpuStorage::F32(out), lq.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        o: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (rows, t, q_width) = q.dims3()?;
        let (d, kv_width, group) = (self.head_dim, self.kv_heads * self.head_dim, self.heads / self.kv_heads);
        let (cos, sin) = (&self.cos[..t * d / 2], &self.sin[..t * d / 2]);
        let lse = locked(&self.lse);
        let lse = &lse[..];
        let (mut dq, mut dk, mut dv) =
            (vec![0.0; rows * t * q_width], vec![0.0; rows * t * kv_width], vec![0.0; rows * t * kv_width]);
        let kv_rows: Vec<Mutex<(&mut [f32], &mut [f32])>> =
            dk.chunks_mut(t * kv_width).zip(dv.chunks_mut(t * kv_width)).map(Mutex::new).collect();
        with_slice(q, |qs| {
            with_slice(k, |ks| {
                with_slice(v, |vs| {
                    with_slice(o, |os| {
                        with_slice(&dy, |gs| {
                            for_chunks(&mut dq, t * q_width, rows * t * t * q_width, |row, dq| {
                                let mut kv = locked(&kv_rows[row]);
                                let (dk, dv) = &mut *kv;
                                let (q_at, kv_at) = (row * t * q_width, row * t * kv_width);
                                let (q, o, g) = (&qs[q_at..], &os[q_at..], &gs[q_at..]);
                                let (k, v) = (&ks[kv_at..], &vs[kv_at..]);
                                let block_size = QUERY_BLOCK.min(t) * t;
                                let (mut p, mut dp) = (vec![0.0; block_size], vec![0.0; block_size]);
                                let (mut keys, mut queries, mut dqueries) =
                                    (vec![0.0; t * d], vec![0.0; t * d], vec![0.0; t * d]);
                                let (mut dkeys, mut dvalues, mut delta) =
                                    (vec![0.0; t * d], vec![0.0; t * d], vec![0.0; t]);
                                for head in 0..self.heads {
                                    let at = head / group * d;
                                    if head % group == 0 {
                                        kernels::rotate(
                                            &k[at..],
                                            kv_width,
                                            cos,
                                            sin,
                                            1.0,
                                            1.0,
                                            &mut keys,
                                            d,
                                            d,
                                            t,
                                        );
                                        dkeys.fill(0.0);
                                        dvalues.fill(0.0);
                                    }
                                    let scale = self.scale();
                                    kernels::rotate(
                                        &q[head * d..],
                                        q_width,
                                        cos,
                                        sin,
                                        1.0,
                                        scale,
                                        &mut queries,
                                        d,
                                        d,
                                        t,
                                    );
                                    for (i, delta) in delta.iter_mut().enumerate() {
                                        let span = i * q_width + head * d..i * q_width + head * d + d;
                                        *delta = kernels::dot(&g[span.clone()], &o[span]);
                                    }
                                    for first in (0..t).step_by(QUERY_BLOCK) {
                                        let block = QUERY_BLOCK.min(t - first);
                                        let seen = first + block;
                                        let (p, dp) = (&mut p[..block * seen], &mut dp[..block * seen]);
                                        let query = Matrix::new(&queries[first * d..], block, d, d);
                                        let dout =
                                            Matrix::new(&g[first * q_width + head * d..], block, d, q_width);
                                        matmul(
                                            p,
                                            seen,
                                            query,
                                            Matrix::new(&keys, seen, d, d).t(),
                                            false,
                                            false,
                                        );
                                        let lse = &lse[(row * self.heads + head) * t + first..][..block];
                                        kernels::causal_probabilities(p, seen, first, lse);
                                        let pt = Matrix::new(p, block, seen, seen).t();
                                        matmul(&mut dvalues, d, pt, dout, true, false);
                                        let values = Matrix::new(&v[at..], seen, d, kv_width);
                                        matmul(dp, seen, dout, values.t(), false, false);
                                        kernels::softmax_backward(p, dp, seen, &delta[first..seen]);
                                        let ds = Matrix::new(p, block, seen, seen);
                                        let dquery = &mut dqueries[first * d..];
                                        matmul(dquery, d, ds, Matrix::new(&keys, seen, d, d), false, false);
                                        matmul(&mut dkeys, d, ds.t(), query, true, false);
                                    }
                                    let target = &mut dq[head * d..];
                                    kernels::rotate(
                                        &dqueries, d, cos, sin, -1.0, scale, target, q_width, d, t,
                                    );
                                    if head % group == group - 1 {
                                        kernels::rotate(
                                            &dkeys,
                                            d,
                                            cos,
                                            sin,
                                            -1.0,
                                            1.0,
                                            &mut dk[at..],
                                            kv_width,
                                            d,
                                            t,
                                        );
                                        for (i, row) in dvalues.chunks_exact(d).enumerate() {
                                            dv[i * kv_width + at..i * kv_width + at + d].copy_from_slice(row);
                                        }
                                    }
                                }
                            });
                            Ok(())
                        })
                    })
                })
            })
        })?;
        drop(kv_rows);
        Ok((Some(tensor(dq, q.shape())?), Some(tensor(dk, k.shape())?), Some(tensor(dv, v.shape())?)))
    }
}

/// log softmax(logits)[target] of each row of logits `[N, V]`, giving `[N]`, without a buffer of probabilities.
pub struct TokenLogProbs {
    /// One target id per row.
    pub targets: Vec<u32>,
    /// ln Σ exp of every row, kept for the backward pass.
    pub lse: Mutex<Vec<f32>>,
}

impl CustomOp1 for TokenLogProbs {
    fn name(&self) -> &'static str {
        "token-log-probs"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, vocab) = layout.shape().dims2()?;
        let logits = slice(logits, layout)?;
        let (mut log_probs, mut lse) = (vec![0.0; n], vec![0.0; n]);
        let size = rows_per_task(n);
        let parts: Vec<Mutex<&mut [f32]>> = lse.chunks_mut(size).map(Mutex::new).collect();
        for_chunks(&mut log_probs, size, n * vocab, |i, log_probs| {
            let (from, to) = (i * size, i * size + log_probs.len());
            let mut lse = locked(&parts[i]);
            let rows = &logits[from * vocab..to * vocab];
            kernels::token_log_probs(rows, vocab, &self.targets[from..to], log_probs, &mut lse);
        });
        drop(parts);
        *locked(&self.lse) = lse;
        Ok((CpuStorage::F32(log_probs), Shape::from(n)))
    }

    fn bwd(&self, logits: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let (n, vocab) = logits.dims2()?;
        let lse = locked(&self.lse);
        let lse = &lse[..];
        with_slice(logits, |logits_values| {
            with_slice(&dy, |g| {
                let mut dlogits = vec![0.0; n * vocab];
                let rows = rows_per_task(n);
                for_chunks(&mut dlogits, rows * vocab, n * vocab, |i, d| {
                    let (from, to) = (i * rows, i * rows + d.len() / vocab);
                    let x = &logits_values[from * vocab..to * vocab];
                    kernels::token_log_probs_backward(
                        x,
                        vocab,
                        &self.targets[from..to],
                        &lse[from..to],
                        &g[from..to],
                        d,
                    );
                });
                Ok(Some(tensor(dlogits, logits.shape())?))
            })
        })
    }
}
