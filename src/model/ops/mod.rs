//! The decoder's operations. Each picks its fused form for f32 on the CPU and its composed form elsewhere.

pub mod composed;
pub mod fused;
pub mod kernels;

use candle_core::{DType, Device, Result, Tensor};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

static COMPOSED_ONLY: AtomicBool = AtomicBool::new(false);

/// Makes every operation take its composed form: the switch by which tests compare the two.
pub fn use_composed_only(on: bool) {
    COMPOSED_ONLY.store(on, Ordering::SeqCst);
}

fn fusable(tensors: &[&Tensor]) -> bool {
    !COMPOSED_ONLY.load(Ordering::Relaxed)
        && tensors.iter().all(|t| t.dtype() == DType::F32 && t.device().is_cpu() && t.is_contiguous())
}

/// y = x · Wᵀ with x `[…, in]`, W `[out, in]`.
pub fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if fusable(&[x, w]) { x.apply_op2(w, fused::Linear) } else { composed::linear(x, w) }
}

/// RMSNorm over the last dimension (Zhang & Sennrich 2019).
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    if fusable(&[x, weight]) {
        x.apply_op2(weight, fused::RmsNorm { epsilon: epsilon as f32 })
    } else {
        composed::rms_norm(x, weight, epsilon)
    }
}

/// SwiGLU (Shazeer 2020).
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if fusable(&[gate, up]) { gate.apply_op2(up, fused::SwiGlu) } else { composed::swiglu(gate, up) }
}

/// Causal grouped-query attention with rotary position embedding. q `[B, T, heads·d]`, k and v `[B, T, kv_heads·d]`.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    kv_heads: usize,
    rotary: &Rotary,
) -> Result<Tensor> {
    if fusable(&[q, k, v]) {
        let operation = fused::Attention {
            heads,
            kv_heads,
            head_dim: rotary.head_dim,
            cos: rotary.cos.clone(),
            sin: rotary.sin.clone(),
            lse: Mutex::default(),
        };
        q.apply_op3(k, v, operation)
    } else {
        composed::attention(q, k, v, heads, kv_heads, rotary)
    }
}

/// log softmax(logits)[target] of each row of logits `[N, V]`, giving `[N]`.
pub fn token_log_probs(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    if fusable(&[logits]) {
        logits.apply_op1(fused::TokenLogProbs { targets: targets.to_vec(), lse: Mutex::default() })
    } else {
        composed::token_log_probs(logits, targets)
    }
}

/// KL(p ‖ q) of each pair of rows of logits `[N, V]`.
pub fn kl_divergence(p: &Tensor, q: &Tensor) -> Result<Vec<f32>> {
    let (p, q) =
        (p.to_dtype(DType::F32)?.to_device(&Device::Cpu)?, q.to_dtype(DType::F32)?.to_device(&Device::Cpu)?);
    let (p, q) = (p.contiguous()?, q.contiguous()?);
    let (n, vocab) = p.dims2()?;
    fused::with_slice(&p, |p| {
        fused::with_slice(&q, |q| {
            let mut out = vec![0.0; n];
            kernels::for_chunks(&mut out, kernels::rows_per_task(n), n * vocab, |task, out| {
                let first = task * kernels::rows_per_task(n);
                for (i, out) in out.iter_mut().enumerate() {
                    let row = (first + i) * vocab..(first + i + 1) * vocab;
                    *out = kernels::kl_divergence(&p[row.clone()], &q[row]);
                }
            });
            Ok(out)
        })
    })
}

/// The tables of rotary position embedding (Su et al. 2021): d/2 angles per position.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// Width d of a head.
    pub head_dim: usize,
    /// cos, d/2 values per position.
    pub cos: Arc<Vec<f32>>,
    /// sin, d/2 values per position.
    pub sin: Arc<Vec<f32>>,
}

impl Rotary {
    /// Tables for `positions` positions from the inverse frequencies (d/2 of them).
    #[must_use]
    pub fn new(inverse_frequencies: &[f64], positions: usize) -> Self {
        let angles = || (0..positions).flat_map(|p| inverse_frequencies.iter().map(move |f| p as f64 * f));
        Self {
            head_dim: 2 * inverse_frequencies.len(),
            cos: Arc::new(angles().map(|a| a.cos() as f32).collect()),
            sin: Arc::new(angles().map(|a| a.sin() as f32).collect()),
        }
    }

    /// Positions that the tables cover.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.cos.len() / (self.head_dim / 2)
    }

    fn tables(&self, t: usize, device: &Device, dtype: DType) -> Result<(Tensor, Tensor)> {
        let half = self.head_dim / 2;
        let table =
            |values: &[f32]| Tensor::from_slice(&values[..t * half], (t, half), device)?.to_dtype(dtype);
        Ok((table(&self.cos)?, table(&self.sin)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    fn noise(seed: u64, shape: &[usize]) -> Tensor {
        use rand::Rng;
        let mut rng = crate::rng::stream(seed, "test", "noise");
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f32 {
        let top =
            |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        top(&(a - b).unwrap()) / top(b).max(1e-12)
    }

    /// Forward and backward of a fused operation against its composed form on the same inputs.
    fn compare(
        inputs: &[Tensor],
        fused: impl Fn(&[Tensor]) -> Tensor,
        composed: impl Fn(&[Tensor]) -> Tensor,
    ) {
        let run = |f: &dyn Fn(&[Tensor]) -> Tensor| {
            let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
            let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let y = f(&tensors);
            let g = noise(99, y.dims());
            let grads = (&y * g).unwrap().sum_all().unwrap().backward().unwrap();
            let grads: Vec<Tensor> =
                vars.iter().map(|v| grads.get(v).expect("every input gets a gradient").clone()).collect();
            (y, grads)
        };
        let ((y, dy), (z, dz)) = (run(&fused), run(&composed));
        assert!(distance(&y, &z) < 1e-5, "forward differs by {}", distance(&y, &z));
        for (i, (a, b)) in dy.iter().zip(&dz).enumerate() {
            assert!(distance(a, b) < 1e-4, "gradient {i} differs by {}", distance(a, b));
        }
    }

    #[test]
    fn every_fused_operation_equals_its_composed_form() {
        compare(
            &[noise(1, &[3, 5, 24]), noise(2, &[40, 24])],
            |t| t[0].apply_op2(&t[1], fused::Linear).unwrap(),
            |t| composed::linear(&t[0], &t[1]).unwrap(),
        );
        compare(
            &[noise(3, &[3, 5, 24]), noise(4, &[24])],
            |t| t[0].apply_op2(&t[1], fused::RmsNorm { epsilon: 1e-5 }).unwrap(),
            |t| composed::rms_norm(&t[0], &t[1], 1e-5).unwrap(),
        );
        compare(
            &[noise(5, &[3, 5, 24]), noise(6, &[3, 5, 24])],
            |t| t[0].apply_op2(&t[1], fused::SwiGlu).unwrap(),
            |t| composed::swiglu(&t[0], &t[1]).unwrap(),
        );
        let targets = vec![0, 3, 16, 7];
        compare(
            &[noise(7, &[4, 17])],
            |t| token_log_probs(&t[0], &targets).unwrap(),
            |t| composed::token_log_probs(&t[0], &targets).unwrap(),
        );
    }

    #[test]
    fn fused_attention_equals_its_composed_form_with_groups_and_several_query_blocks() {
        for (t, heads, kv_heads) in [(7, 4, 2), (150, 2, 2), (300, 3, 1)] {
            let frequencies: Vec<f64> = (0..4).map(|i| 1.0 / 10000_f64.powf(f64::from(i) / 4.0)).collect();
            let rotary = Rotary::new(&frequencies, t);
            compare(
                &[
                    noise(1, &[2, t, heads * 8]),
                    noise(2, &[2, t, kv_heads * 8]),
                    noise(3, &[2, t, kv_heads * 8]),
                ],
                |x| attention(&x[0], &x[1], &x[2], heads, kv_heads, &rotary).unwrap(),
                |x| composed::attention(&x[0], &x[1], &x[2], heads, kv_heads, &rotary).unwrap(),
            );
        }
    }
}
