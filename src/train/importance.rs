//! Token importance: β of the constrained objective learnt from the data instead of set by hand. A position at which alignment
//! has changed the model much, or at which the data pull at it hard, is held strongly; the others hardly.

use super::TrainError;
use super::beta::BetaSchedule;
use super::dynamics::{Dynamics, DynamicsSpec};
use super::trainer::Trainer;
use crate::model::Decoder;
use crate::text::Encoded;
use serde::{Deserialize, Serialize};

/// What tells how important a position is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ImportanceSource {
    /// KL of the model that is trained from its base, at each position of the answers: where alignment sits (Qi et al., §2.2,
    /// Figure 1).
    KlToBase {
        /// Id of the base.
        base: String,
    },
    /// The norm of the gradient at each position, before training: where the data pull hardest (Figure 3).
    GradientNorm,
}

/// How β is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportanceSpec {
    /// What is measured.
    pub from: ImportanceSource,
    /// β of the least important position; the paper's value for all tokens but the first five.
    #[serde(default = "least")]
    pub least: f64,
    /// β of the most important one; the paper's value for tokens 2 to 5.
    #[serde(default = "most")]
    pub most: f64,
    /// Answer positions that are measured, from the first on; later ones keep the fixed schedule.
    #[serde(default = "positions")]
    pub positions: usize,
    /// Answers that are measured.
    #[serde(default = "rows")]
    pub rows: usize,
}

fn least() -> f64 {
    0.1
}

fn most() -> f64 {
    2.0
}

fn positions() -> usize {
    20
}

fn rows() -> usize {
    32
}

impl ImportanceSpec {
    /// The usual settings.
    #[must_use]
    pub fn new(from: ImportanceSource) -> Self {
        Self { from, least: least(), most: most(), positions: positions(), rows: rows() }
    }

    /// What keeps it from being used, in words.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let fits = |beta: f64| beta > 0.0 && beta.is_finite();
        match &self.from {
            _ if !(fits(self.least) && fits(self.most) && self.least <= self.most) => {
                Some("The smallest β must be above 0, and the largest at least as large.")
            }
            _ if self.positions == 0 || self.rows == 0 => {
                Some("Measure at least one position of one answer.")
            }
            ImportanceSource::KlToBase { base } if base.is_empty() => {
                Some("Choose the base model that the aligned one was made of.")
            }
            _ => None,
        }
    }
}

/// What was measured, and the β that follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The mean KL in nats, or the norm of the gradient, at answer token t = 1, 2, …
    pub curve: Vec<f64>,
    /// `β_1`, `β_2`, …
    pub beta: Vec<f64>,
}

/// `β_t` = least + (most − least) · `c_t` / max c, c the curve.
fn scaled(curve: &[f64], least: f64, most: f64) -> Vec<f64> {
    let highest = curve.iter().copied().fold(0.0, f64::max);
    let share = |value: f64| if highest > 0.0 { (value / highest).clamp(0.0, 1.0) } else { 0.0 };
    curve.iter().map(|value| least + (most - least) * share(*value)).collect()
}

/// Values between the positions at which there are some, in a straight line; before the first and after the last as these.
fn filled(at: &[usize], values: &[f64], positions: usize) -> Vec<f64> {
    let value = |t: usize| {
        let next = at.partition_point(|known| *known < t);
        match (next.checked_sub(1), at.get(next)) {
            (None, _) => values[0],
            (Some(last), None) => values[last],
            (Some(before), Some(&right)) => {
                let share = (t - at[before]) as f64 / (right - at[before]) as f64;
                values[before] + share * (values[next] - values[before])
            }
        }
    };
    (1..=positions).map(value).collect()
}

/// Learns β for the answers in `rows`, cut to `max_tokens`, of the model that is to be trained. `base` is needed for
/// [`ImportanceSource::KlToBase`]. `None`: there is no answer to measure.
pub fn learn_beta(
    model: &Decoder,
    base: Option<&Decoder>,
    rows: &[Encoded],
    max_tokens: usize,
    spec: &ImportanceSpec,
) -> Result<Option<Importance>, TrainError> {
    let mut rows: Vec<Encoded> = rows.iter().take(spec.rows).cloned().collect();
    for row in &mut rows {
        row.truncate(max_tokens);
    }
    let measured = DynamicsSpec { points: 1, rows: spec.rows, positions: spec.positions };
    let curve = match (&spec.from, base) {
        (ImportanceSource::KlToBase { .. }, Some(base)) => match Dynamics::new(base, rows, &measured)? {
            None => return Ok(None),
            Some(dynamics) => dynamics.kl(model)?,
        },
        _ => match Dynamics::new(model, rows, &measured)? {
            None => return Ok(None),
            Some(dynamics) => {
                let mut trainer = Trainer::new(model, 0.9, 0.999, 0.0)?;
                let (at, norms) = dynamics.gradient(&mut trainer)?;
                filled(&at, &norms, dynamics.positions())
            }
        },
    };
    if !curve.iter().any(|value| *value > 0.0) {
        return Err(TrainError::NothingDiffers);
    }
    let beta = scaled(&curve, spec.least, spec.most);
    Ok(Some(Importance { curve, beta }))
}

impl Importance {
    /// The schedule: what was learnt where something was, the fixed one behind it.
    #[must_use]
    pub fn schedule(&self, fixed: &BetaSchedule) -> BetaSchedule {
        BetaSchedule { drawn: self.beta.clone(), ..fixed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_important_position_is_held_most() {
        assert_eq!(scaled(&[4.0, 2.0, 0.0], 0.1, 2.1), [2.1, 1.1, 0.1]);
        assert_eq!(scaled(&[0.0, 0.0], 0.1, 2.0), [0.1, 0.1]);
    }

    #[test]
    fn positions_between_are_filled() {
        assert_eq!(filled(&[1, 2, 4], &[3.0, 1.0, 2.0], 6), [3.0, 1.0, 1.5, 2.0, 2.0, 2.0]);
        assert_eq!(filled(&[2], &[3.0], 3), [3.0, 3.0, 3.0]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let spec = ImportanceSpec::new(ImportanceSource::KlToBase { base: String::new() });
        assert!(spec.problem().unwrap().contains("base model"));
        let spec = ImportanceSpec { least: 3.0, ..ImportanceSpec::new(ImportanceSource::GradientNorm) };
        assert!(spec.problem().unwrap().contains("at least as large"));
        assert_eq!(ImportanceSpec::new(ImportanceSource::GradientNorm).problem(), None);
    }
}
