//! Gradients of the parameters that are trained, kept from step to step and added up over several passes.

use super::Parameters;
use super::fused::kernels::{add, map_tasks};
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};
use std::collections::HashMap;

/// The gradients of some parameters: sums over the passes since they were last cleared.
pub struct Gradients {
    pub(super) values: Values,
}

pub(super) enum Values {
    /// Buffers in f32 that the fused form adds to.
    Host(HostGradients),
    /// Tensors where the composed form runs.
    Device(DeviceGradients),
}

impl Gradients {
    /// No gradients yet. `fused`: whether the decoder that they are of runs in its fused form.
    pub(super) fn new(parameters: &Parameters, fused: bool) -> Self {
        let slots = parameters.iter().enumerate().map(|(i, (_, var))| (var.as_tensor().id(), i)).collect();
        let values = if fused {
            Values::Host(HostGradients {
                slots,
                buffers: parameters.iter().map(|(_, var)| vec![0.0; var.elem_count()]).collect(),
                fresh: vec![true; parameters.len()],
                parts: Vec::new(),
            })
        } else {
            Values::Device(DeviceGradients { slots, sums: vec![None; parameters.len()] })
        };
        Self { values }
    }

    /// Forgets what has been added up.
    pub fn clear(&mut self) {
        match &mut self.values {
            Values::Host(host) => host.fresh.fill(true),
            Values::Device(device) => device.sums.fill(None),
        }
    }

    /// The gradient of parameter `index` as a tensor; `None` if no pass has reached it.
    pub fn tensor(&self, index: usize, parameters: &Parameters) -> Result<Option<Tensor>> {
        match &self.values {
            Values::Host(host) => host
                .get(index)
                .map(|values| super::fused::tensor(values.to_vec(), parameters[index].1.shape().clone()))
                .transpose(),
            Values::Device(device) => Ok(device.sums[index].clone()),
        }
    }

    /// The gradient of parameter `index` where it lies in the memory of the CPU.
    pub fn host(&self, index: usize) -> Option<&[f32]> {
        match &self.values {
            Values::Host(host) => host.get(index),
            Values::Device(_) => None,
        }
    }
}

/// Buffers that gradients are added to.
pub struct HostGradients {
    slots: HashMap<TensorId, usize>,
    buffers: Vec<Vec<f32>>,
    /// Whether nothing has been added yet, so that the first contribution may overwrite.
    fresh: Vec<bool>,
    /// Gradients of parts of a batch, until they are added up.
    parts: Vec<HostGradients>,
}

impl HostGradients {
    /// A place for nothing: passes that only want the gradient of their input.
    pub fn none() -> Self {
        Self { slots: HashMap::new(), buffers: Vec::new(), fresh: Vec::new(), parts: Vec::new() }
    }

    fn get(&self, index: usize) -> Option<&[f32]> {
        (!self.fresh[index]).then(|| self.buffers[index].as_slice())
    }

    /// Number of elements that are trained.
    pub fn parameters(&self) -> usize {
        self.buffers.iter().map(Vec::len).sum()
    }

    /// Gradients for `n` more parts of a batch, with nothing in them yet.
    pub fn take_parts(&mut self, n: usize) -> Vec<HostGradients> {
        let mut parts = std::mem::take(&mut self.parts);
        parts.resize_with(n, || Self {
            slots: self.slots.clone(),
            buffers: self.buffers.iter().map(|b| vec![0.0; b.len()]).collect(),
            fresh: Vec::new(),
            parts: Vec::new(),
        });
        for part in &mut parts {
            part.fresh = vec![true; self.buffers.len()];
        }
        parts
    }

    /// Adds the gradients of the parts, in their order, and keeps the parts for the next batch.
    pub fn add_parts(&mut self, parts: Vec<HostGradients>) {
        let tasks = self.buffers.iter_mut().zip(&mut self.fresh).enumerate().collect();
        map_tasks(tasks, |(slot, (sum, fresh)): (usize, (&mut Vec<f32>, &mut bool))| {
            for part in parts.iter().filter(|part| !part.fresh[slot]) {
                if std::mem::replace(fresh, false) {
                    sum.copy_from_slice(&part.buffers[slot]);
                } else {
                    add(sum, &part.buffers[slot]);
                }
            }
        });
        self.parts = parts;
    }

    /// Whether `weight` is trained.
    pub fn trains(&self, weight: &Tensor) -> bool {
        self.slots.contains_key(&weight.id())
    }

    /// The buffer of `weight`, and whether it must be added to rather than overwritten; `None` if it is not trained.
    pub fn of(&mut self, weight: &Tensor) -> Option<(&mut [f32], bool)> {
        let slot = *self.slots.get(&weight.id())?;
        let accumulate = !std::mem::replace(&mut self.fresh[slot], false);
        Some((&mut self.buffers[slot], accumulate))
    }

    /// The buffer of `weight`, to be added to; `None` if it is not trained.
    pub fn zeroed(&mut self, weight: &Tensor) -> Option<&mut [f32]> {
        let (buffer, accumulate) = self.of(weight)?;
        if !accumulate {
            buffer.fill(0.0);
        }
        Some(buffer)
    }
}

/// Gradients as tensors, wherever they are.
pub struct DeviceGradients {
    slots: HashMap<TensorId, usize>,
    sums: Vec<Option<Tensor>>,
}

impl DeviceGradients {
    /// Adds what a backward pass found for the parameters.
    pub fn add(&mut self, store: &GradStore, parameters: impl Iterator<Item = Tensor>) -> Result<()> {
        for parameter in parameters {
            let Some(&slot) = self.slots.get(&parameter.id()) else { continue };
            if let Some(gradient) = store.get(&parameter) {
                self.sums[slot] = Some(match self.sums[slot].take() {
                    Some(sum) => (sum + gradient)?,
                    None => gradient.clone(),
                });
            }
        }
        Ok(())
    }
}
