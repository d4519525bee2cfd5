//! KL divergence between rows of logits.

use super::fused::{host, kernels};
use candle_core::{DType, Device, Result, Tensor};

/// KL(p ‖ q) in nats of each pair of rows of logits `[N, V]`, without a buffer of probabilities.
pub fn kl_divergence(p: &Tensor, q: &Tensor) -> Result<Vec<f32>> {
    let on_cpu = |t: &Tensor| t.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous();
    let (p, q) = (on_cpu(p)?, on_cpu(q)?);
    let (n, vocab) = p.dims2()?;
    let (p, q) = (host(&p)?, host(&q)?);
    let (p, q) = (&*p, &*q);
    let rows = kernels::rows_per_task(vocab);
    let mut out = vec![0.0; n];
    kernels::for_chunks(&mut out, rows, n * vocab, |task, out| {
        for (i, out) in out.iter_mut().enumerate() {
            let row = (task * rows + i) * vocab..(task * rows + i + 1) * vocab;
            *out = kernels::kl_divergence(&p[row.clone()], &q[row]);
        }
    });
    Ok(out)
}
