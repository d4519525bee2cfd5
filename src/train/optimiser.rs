//! AdamW in place, with clipping by the global norm; and the learning-rate schedules.

use super::TrainError;
use super::saved::{self, Reader, Values};
use super::spec::Schedule;
use crate::model::fused::kernels::{self, AdamWStep};
use crate::model::{Gradients, Parameters};
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Elements that one task updates.
const TASK: usize = 1 << 16;

/// AdamW (Loshchilov & Hutter 2019). Weight decay acts on matrices only.
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    step: i32,
    moments: Vec<Moments>,
}

/// The running means of a parameter's gradient and of its square, made where the parameter is first updated.
enum Moments {
    None,
    Host(Mutex<(Vec<f32>, Vec<f32>)>),
    Device(Tensor, Tensor),
}

impl AdamW {
    /// A fresh optimiser for `parameters`.
    #[must_use]
    pub fn new(parameters: &Parameters, beta1: f64, beta2: f64, weight_decay: f64) -> Self {
        let moments = parameters.iter().map(|_| Moments::None).collect();
        Self { beta1, beta2, epsilon: 1e-8, weight_decay, step: 0, moments }
    }

    /// The same with another ε. Far above the size of gradients, it makes the step momentum SGD at learning rate η/ε.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// One step at `learning_rate`; gradients are scaled down so that their global norm is at most `clip` (0 = not
    /// clipped). Returns the norm before clipping.
    pub fn step(
        &mut self,
        parameters: &Parameters,
        gradients: &Gradients,
        learning_rate: f64,
        clip: f64,
    ) -> std::result::Result<f64, TrainError> {
        let norm = global_norm(parameters, gradients)?;
        if !norm.is_finite() {
            return Err(TrainError::NotFinite { what: "gradient" });
        }
        self.step += 1;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let correct = |beta: f64| 1.0 - beta.powi(self.step);
        for (index, (_, var)) in parameters.iter().enumerate() {
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
            let moments = &mut self.moments[index];
            if let Some(gradient) = gradients.host(index) {
                if !matches!(moments, Moments::Host(_)) {
                    *moments =
                        Moments::Host(Mutex::new((vec![0.0; gradient.len()], vec![0.0; gradient.len()])));
                }
                if let Moments::Host(moments) = moments {
                    var.as_tensor().inplace_op1(&Update { gradient, moments, step })?;
                }
            } else if let Some(gradient) = gradients.tensor(index, parameters)? {
                update(var, &gradient, moments, &step)?;
            }
        }
        Ok(norm)
    }
}

impl AdamW {
    /// Writes both running means of every parameter.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> std::result::Result<(), TrainError> {
        let held: Vec<Held<'_>> = self.moments.iter().map(Moments::held).collect::<Result<_>>()?;
        let mut values = Vec::with_capacity(2 * held.len());
        for ((name, var), held) in parameters.iter().zip(&held) {
            let Some((first, second)) = held.slices() else { continue };
            for (which, moment) in [("first", first), ("second", second)] {
                let view = Values { shape: var.dims().to_vec(), values: moment.into() };
                values.push((format!("{which}.{name}"), view));
            }
        }
        saved::write(path, &values)
    }

    /// Goes on from what [`Self::save`] wrote after `step` steps. `host`: whether gradients lie in the memory of the CPU.
    pub fn restore(
        &mut self,
        parameters: &Parameters,
        path: &Path,
        step: usize,
        host: bool,
    ) -> std::result::Result<(), TrainError> {
        let reader = Reader::open(path)?;
        for ((name, var), moments) in parameters.iter().zip(&mut self.moments) {
            let first = reader.values(&format!("first.{name}"), var.dims())?;
            let second = reader.values(&format!("second.{name}"), var.dims())?;
            *moments = if host {
                Moments::Host(Mutex::new((first, second)))
            } else {
                let tensor = |values| Tensor::from_vec(values, var.shape().clone(), var.device());
                Moments::Device(tensor(first)?, tensor(second)?)
            };
        }
        self.step = step as i32;
        Ok(())
    }
}

/// The norm of all gradients together.
pub(super) fn global_norm(
    parameters: &Parameters,
    gradients: &Gradients,
) -> std::result::Result<f64, TrainError> {
    let mut squares = 0.0;
    for (index, (name, _)) in parameters.iter().enumerate() {
        squares += match gradients.host(index) {
            // Added in the order of the tasks: any number of threads gives the same norm.
            Some(gradient) => {
                gradient.par_chunks(TASK).map(kernels::sum_of_squares).collect::<Vec<f64>>().iter().sum()
            }
            None => {
                // A parameter without a gradient would silently stay as it is.
                let missing = || TrainError::NoGradient { name: name.clone() };
                let gradient = gradients.tensor(index, parameters)?.ok_or_else(missing)?;
                f64::from(gradient.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()?)
            }
        };
    }
    Ok(squares.sqrt())
}

/// The two running means of a parameter, held while they are written.
enum Held<'a> {
    None,
    Host(MutexGuard<'a, (Vec<f32>, Vec<f32>)>),
    Copied(Vec<f32>, Vec<f32>),
}

impl Held<'_> {
    fn slices(&self) -> Option<(&[f32], &[f32])> {
        match self {
            Self::None => None,
            Self::Host(moments) => Some((&moments.0, &moments.1)),
            Self::Copied(first, second) => Some((first, second)),
        }
    }
}

impl Moments {
    fn held(&self) -> Result<Held<'_>> {
        Ok(match self {
            Self::None => Held::None,
            Self::Host(moments) => Held::Host(moments.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Device(first, second) => {
                Held::Copied(first.flatten_all()?.to_vec1()?, second.flatten_all()?.to_vec1()?)
            }
        })
    }
}

/// The fused form of the update: f32 on the CPU.
struct Update<'a> {
    gradient: &'a [f32],
    moments: &'a Mutex<(Vec<f32>, Vec<f32>)>,
    step: AdamWStep,
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, parameter: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((from, to)) = layout.contiguous_offsets() else {
            bail!("AdamW needs contiguous parameters")
        };
        let CpuStorage::F32(values) = parameter else { bail!("AdamW trains f32 parameters") };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = &mut *moments;
        values[from..to]
            .par_chunks_mut(TASK)
            .zip(self.gradient.par_chunks(TASK))
            .zip(first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK)))
            .for_each(|((p, g), (m, v))| kernels::adamw(p, g, m, v, &self.step));
        Ok(())
    }
}

/// The same update by candle's operations, on any device.
fn update(var: &Var, gradient: &Tensor, moments: &mut Moments, step: &AdamWStep) -> Result<()> {
    let g = (gradient.to_dtype(DType::F32)? * f64::from(step.gradient_scale))?;
    let (m, v) = match moments {
        Moments::Device(m, v) => (m.clone(), v.clone()),
        _ => (g.zeros_like()?, g.zeros_like()?),
    };
    let (beta1, beta2) = (f64::from(step.beta1), f64::from(step.beta2));
    let m = ((m * beta1)? + (&g * (1.0 - beta1))?)?;
    let v = ((v * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
    let root = ((v.sqrt()? * f64::from(step.second_correction))? + f64::from(step.epsilon))?;
    let change = ((&m / root)? * f64::from(step.step_size))?;
    var.set(&((var.as_tensor().detach() * f64::from(step.decay))? - change)?)?;
    *moments = Moments::Device(m, v);
    Ok(())
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
