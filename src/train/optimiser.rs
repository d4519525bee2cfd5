//! AdamW in place, with clipping by the global norm; and the learning-rate schedules.

use super::TrainError;
use super::spec::Schedule;
use crate::model::Parameters;
use crate::model::ops::fused::with_slice;
use crate::model::ops::kernels::{self, AdamWStep};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, bail};
use std::sync::{Mutex, PoisonError};

/// AdamW (Loshchilov & Hutter 2019). Weight decay acts on matrices only.
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    step: i32,
    moments: Vec<Mutex<Moments>>,
}

#[derive(Default)]
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl AdamW {
    /// A fresh optimiser for `parameters`.
    #[must_use]
    pub fn new(parameters: &Parameters, beta1: f64, beta2: f64, weight_decay: f64) -> Self {
        let moments = parameters
            .iter()
            .map(|(_, var)| {
                let n = var.elem_count();
                Mutex::new(Moments { first: vec![0.0; n], second: vec![0.0; n] })
            })
            .collect();
        Self { beta1, beta2, epsilon: 1e-8, weight_decay, step: 0, moments }
    }

    /// One step at `learning_rate`; gradients are scaled down so that their global norm is at most `clip` (0 = not
    /// clipped). Returns the norm before clipping.
    pub fn step(
        &mut self,
        parameters: &Parameters,
        gradients: &GradStore,
        learning_rate: f64,
        clip: f64,
    ) -> std::result::Result<f64, TrainError> {
        let mut squares = 0.0;
        let mut present = Vec::with_capacity(parameters.len());
        for (name, var) in parameters {
            // A parameter without a gradient would silently stay as it is.
            let gradient = gradients.get(var).ok_or_else(|| TrainError::NoGradient { name: name.clone() })?;
            let gradient = gradient.contiguous()?;
            squares += with_slice(&gradient, |g| Ok(kernels::sum_of_squares(g)))?;
            present.push(gradient);
        }
        let norm = squares.sqrt();
        if !norm.is_finite() {
            return Err(TrainError::NotFinite { what: "gradient" });
        }
        self.step += 1;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let correct = |beta: f64| 1.0 - beta.powi(self.step);
        for (((_, var), gradient), moments) in parameters.iter().zip(&present).zip(&self.moments) {
            let decay = if var.rank() > 1 { self.weight_decay } else { 0.0 };
            let step = AdamWStep {
                beta1: self.beta1 as f32,
                beta2: self.beta2 as f32,
                step_size: (learning_rate / correct(self.beta1)) as f32,
                second_correction: (1.0 / correct(self.beta2).sqrt()) as f32,
                epsilon: self.epsilon as f32,
                decay: (1.0 - learning_rate * decay) as f32,
                gradient_scale: scale as f32,
            };
            var.as_tensor().inplace_op2(gradient, &Update { moments, step })?;
        }
        Ok(norm)
    }
}

struct Update<'a> {
    moments: &'a Mutex<Moments>,
    step: AdamWStep,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        lp: &Layout,
        gradient: &CpuStorage,
        lg: &Layout,
    ) -> Result<()> {
        let (Some((p0, p1)), Some((g0, g1))) = (lp.contiguous_offsets(), lg.contiguous_offsets()) else {
            bail!("AdamW needs contiguous tensors")
        };
        let (CpuStorage::F32(p), CpuStorage::F32(g)) = (parameter, gradient) else {
            bail!("AdamW trains f32 parameters")
        };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let Moments { first, second } = &mut *moments;
        kernels::adamw(&mut p[p0..p1], &g[g0..g1], first, second, &self.step);
        Ok(())
    }
}

/// The learning rate at `step` (0-based) of `total`: linear warm-up over `warmup` steps, then the schedule. Linear
/// and cosine decays run from the end of the warm-up to the last step; cosine ends at 5 % of the peak.
#[must_use]
pub fn learning_rate(peak: f64, schedule: Schedule, warmup: usize, step: usize, total: usize) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let progress = (step - warmup) as f64 / (total.saturating_sub(warmup)).max(1) as f64;
    match schedule {
        Schedule::Constant => peak,
        Schedule::Linear => peak * (1.0 - progress),
        Schedule::Cosine => peak * (0.05 + 0.95 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_to_the_peak_and_the_schedules_fall_from_it() {
        let at = |schedule, step| learning_rate(1.0, schedule, 4, step, 104);
        assert!((at(Schedule::Linear, 0) - 0.25).abs() < 1e-12);
        assert!((at(Schedule::Linear, 4) - 1.0).abs() < 1e-12);
        assert!((at(Schedule::Linear, 54) - 0.5).abs() < 1e-12);
        assert!((at(Schedule::Cosine, 54) - 0.525).abs() < 1e-12);
        assert!((at(Schedule::Constant, 103) - 1.0).abs() < 1e-12);
    }
}
