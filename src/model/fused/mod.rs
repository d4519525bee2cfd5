//! The decoder in f32 on the CPU, forward and backward, over plain slices: the fused form.
//!
//! Rows are packed one after the other without padding; only attention knows where each begins. Every operation's
//! backward pass is written by hand, accumulates into buffers that are kept from step to step, and costs nothing for
//! weights that are not trained. The composed form ([`super::composed`]) computes the same with candle's operations.

mod attention;
mod block;
pub mod kernels;
mod linear;
pub mod matmul;
mod pass;

pub use block::LayerCache;
pub use pass::{Input, LOGITS_AT_ONCE, branch_log_probs, gradients, groups, head, hidden, log_probs};

use candle_core::{Device, Layout, Result, Shape, Storage, Tensor, bail};
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The elements of a contiguous f32 tensor on the CPU, borrowed.
pub struct Host<S> {
    storage: S,
    range: Range<usize>,
}

/// Borrows the elements of a contiguous f32 tensor on the CPU.
pub fn host(tensor: &Tensor) -> Result<Host<impl Deref<Target = Storage>>> {
    let (storage, layout): (_, &Layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the fused form needs contiguous tensors")
    };
    match &*storage {
        Storage::Cpu(candle_core::CpuStorage::F32(_)) => {}
        _ => bail!("the fused form needs f32 tensors on the CPU"),
    }
    Ok(Host { storage, range: start..end })
}

impl<S: Deref<Target = Storage>> Deref for Host<S> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(candle_core::CpuStorage::F32(values)) => &values[self.range.clone()],
            // `host` lets nothing else in.
            _ => &[],
        }
    }
}

/// A CPU tensor of `values`.
pub fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// Buffers that are used again: a step of training needs the same sizes as the one before, and memory that is fresh
/// from the system costs a page fault for every 4 KiB.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Free>,
}

/// Buffers that nobody uses, by their size, each with the pass in which it was given back.
#[derive(Debug, Default)]
struct Free {
    pass: u64,
    buffers: HashMap<usize, Vec<(u64, Vec<f32>)>>,
}

/// Passes that a buffer waits for its next use: rows of other lengths need other sizes, and memory must not pile up.
const PASSES: u64 = 2;

impl Pool {
    /// Sizes that share buffers: three leading bits are kept, so that at most an eighth of a buffer is unused.
    pub fn class(n: usize) -> usize {
        let step = (n.max(8).next_power_of_two() / 16).max(1);
        n.max(8).next_multiple_of(step)
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass begins: what the last ones did not use goes back to the system.
    pub fn begin(&self) {
        let mut free = self.free();
        free.pass += 1;
        let now = free.pass;
        free.buffers.retain(|_, all| {
            all.retain(|(pass, _)| pass + PASSES >= now);
            !all.is_empty()
        });
    }

    /// A buffer of `n` elements with anything in them.
    pub fn take(&self, n: usize) -> Vec<f32> {
        let class = Self::class(n);
        let found = self.free().buffers.get_mut(&class).and_then(Vec::pop);
        let mut buffer = found.map_or_else(|| Vec::with_capacity(class), |(_, buffer)| buffer);
        buffer.resize(n, 0.0);
        buffer
    }

    /// A buffer of `n` zeros.
    pub fn zeros(&self, n: usize) -> Vec<f32> {
        let mut buffer = self.take(n);
        buffer.fill(0.0);
        buffer
    }

    /// A copy of `values`.
    pub fn copy(&self, values: &[f32]) -> Vec<f32> {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<f32>) {
        let class = Self::class(buffer.len());
        // Buffers from elsewhere may not fit their class.
        if buffer.capacity() == class {
            let mut free = self.free();
            let pass = free.pass;
            free.buffers.entry(class).or_default().push((pass, buffer));
        }
    }

    /// Gives all memory that is not in use back to the system.
    pub fn clear(&self) {
        self.free().buffers.clear();
    }
}
