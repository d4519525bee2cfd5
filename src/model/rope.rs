//! Rotary position embedding (Su et al. 2021): the angles by which queries and keys turn with their position.

use super::ModelError;
use super::config::Reader;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// How rotary frequencies are stretched for long contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency is divided by a factor (position interpolation).
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3's: low frequencies are divided by `factor`, high ones kept, those between interpolated.
    Llama3 {
        /// By how much low frequencies are divided.
        factor: f64,
        /// Wavelengths above original length / this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below original length / this are high frequencies.
        high_freq_factor: f64,
        /// Context length of pre-training.
        original_max_position_embeddings: f64,
    },
    /// LongRoPE (Ding et al. 2024): each frequency has a divisor of its own, one set for rows up to the original
    /// length and one for longer rows.
    LongRope {
        /// Divisors for rows of at most the original length.
        short_factor: Vec<f64>,
        /// Divisors for longer rows.
        long_factor: Vec<f64>,
        /// Context length of pre-training.
        original_max_position_embeddings: usize,
        /// What cos and sin are multiplied by.
        attention_factor: f64,
    },
}

/// What `config.json` says about rotary positions.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base θ of the frequencies.
    pub theta: f64,
    /// How many of a head's dimensions turn: all, but for Phi-4-mini.
    pub dimensions: usize,
    /// Stretching for long contexts.
    pub scaling: RopeScaling,
}

impl RopeConfig {
    /// Reads `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before it).
    pub(super) fn from_json(
        reader: &Reader<'_>,
        head_dim: usize,
        max_positions: usize,
    ) -> Result<Self, ModelError> {
        let map = reader.map;
        let empty = Map::new();
        let rope = ["rope_scaling", "rope_parameters"]
            .iter()
            .find_map(|key| map.get(*key)?.as_object())
            .unwrap_or(&empty);
        let either = |key: &str| rope.get(key).or(map.get(key)).filter(|value| !value.is_null());
        let number = |key: &str| {
            either(key)
                .and_then(Value::as_f64)
                .filter(|n| *n > 0.0)
                .ok_or_else(|| reader.bad(format!("its rope scaling lacks \"{key}\", a number above 0")))
        };
        let theta = either("rope_theta").and_then(Value::as_f64).unwrap_or(10000.0);
        let partial = either("partial_rotary_factor").and_then(Value::as_f64).unwrap_or(1.0);
        let dimensions = (head_dim as f64 * partial) as usize;
        if dimensions == 0 || !dimensions.is_multiple_of(2) || dimensions > head_dim {
            return Err(reader.bad(format!(
                "{dimensions} rotary dimensions of a head of {head_dim} are not an even number above 0"
            )));
        }
        let kind = rope.get("rope_type").or(rope.get("type")).and_then(Value::as_str).unwrap_or("default");
        let scaling = match kind {
            "default" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: number("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original_max_position_embeddings: number("original_max_position_embeddings")?,
            },
            "longrope" | "su" => {
                let divisors = |key: &str| -> Result<Vec<f64>, ModelError> {
                    let values: Vec<f64> = rope
                        .get(key)
                        .and_then(Value::as_array)
                        .map(|all| all.iter().filter_map(Value::as_f64).filter(|n| *n > 0.0).collect())
                        .unwrap_or_default();
                    if values.len() == dimensions / 2 {
                        return Ok(values);
                    }
                    let (found, needed) = (values.len(), dimensions / 2);
                    Err(reader.bad(format!(
                        "its rope scaling needs {needed} numbers above 0 in \"{key}\" and has {found}"
                    )))
                };
                // The top level comes first, and 4096 where the file does not say: Phi-3's own default.
                let original = [map, rope]
                    .iter()
                    .find_map(|place| place.get("original_max_position_embeddings")?.as_f64())
                    .filter(|n| *n > 1.0)
                    .unwrap_or(4096.0);
                let factor =
                    rope.get("factor").and_then(Value::as_f64).unwrap_or(max_positions as f64 / original);
                // LongRoPE's correction of the attention's temperature, where the file does not give it.
                let attention_factor = rope.get("attention_factor").and_then(Value::as_f64).unwrap_or({
                    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() }
                });
                RopeScaling::LongRope {
                    short_factor: divisors("short_factor")?,
                    long_factor: divisors("long_factor")?,
                    original_max_position_embeddings: original as usize,
                    attention_factor,
                }
            }
            other => {
                return Err(reader.bad(format!(
                    "rope scaling of type \"{other}\" is not supported (default, linear, llama3 and longrope are)"
                )));
            }
        };
        Ok(Self { theta, dimensions, scaling })
    }

    /// The longest row for which the short table holds; longer rows use the long one from their first token on.
    #[must_use]
    pub fn short_until(&self) -> usize {
        match &self.scaling {
            RopeScaling::LongRope { original_max_position_embeddings, .. } => {
                *original_max_position_embeddings
            }
            _ => usize::MAX,
        }
    }

    /// The frequencies 1/θ^(2i/d), stretched as the config says, and what cos and sin are multiplied by.
    #[must_use]
    pub fn inverse_frequencies(&self, long: bool) -> (Vec<f64>, f64) {
        let half = self.dimensions / 2;
        let plain: Vec<f64> = (0..half).map(|i| 1.0 / self.theta.powf(i as f64 / half as f64)).collect();
        match &self.scaling {
            RopeScaling::None => (plain, 1.0),
            RopeScaling::Linear { factor } => (plain.iter().map(|f| f / factor).collect(), 1.0),
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let stretch = |f: f64| {
                    let wavelength = 2.0 * std::f64::consts::PI / f;
                    let turns = original_max_position_embeddings / wavelength;
                    if turns < *low_freq_factor {
                        f / factor
                    } else if turns > *high_freq_factor {
                        f
                    } else {
                        let smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                };
                (plain.into_iter().map(stretch).collect(), 1.0)
            }
            RopeScaling::LongRope { short_factor, long_factor, attention_factor, .. } => {
                let divisors = if long { long_factor } else { short_factor };
                (plain.iter().zip(divisors).map(|(f, d)| f / d).collect(), *attention_factor)
            }
        }
    }
}

/// cos and sin of every angle, `half` of each per position.
#[derive(Debug)]
pub struct Angles {
    /// Half of the dimensions that turn.
    pub half: usize,
    /// cos, `half` values per position.
    pub cos: Vec<f32>,
    /// sin, `half` values per position.
    pub sin: Vec<f32>,
}

/// The tables of angles of one decoder, made as far as they are needed.
#[derive(Debug)]
pub struct Rotary {
    config: RopeConfig,
    short: Mutex<Arc<Angles>>,
    long: Mutex<Arc<Angles>>,
}

impl Rotary {
    /// Empty tables.
    #[must_use]
    pub fn new(config: &RopeConfig) -> Self {
        let empty = || {
            let half = config.dimensions / 2;
            Mutex::new(Arc::new(Angles { half, cos: Vec::new(), sin: Vec::new() }))
        };
        Self { config: config.clone(), short: empty(), long: empty() }
    }

    /// Whether a row of `length` tokens uses the long table.
    #[must_use]
    pub fn is_long(&self, length: usize) -> bool {
        length > self.config.short_until()
    }

    /// The angles of at least `positions` positions.
    ///
    /// Frequencies and angles are rounded to f32 as the reference does, so that far positions agree with it.
    #[must_use]
    pub fn angles(&self, positions: usize, long: bool) -> Arc<Angles> {
        let table = if long { &self.long } else { &self.short };
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let half = table.half;
        if table.cos.len() < positions * half {
            let positions = positions.next_power_of_two().max(256);
            let (frequencies, factor) = self.config.inverse_frequencies(long);
            let angle = |p: usize| frequencies.iter().map(move |f| f64::from(p as f32 * *f as f32));
            let all = || (0..positions).flat_map(angle);
            *table = Arc::new(Angles {
                half,
                cos: all().map(|a| (a.cos() * factor) as f32).collect(),
                sin: all().map(|a| (a.sin() * factor) as f32).collect(),
            });
        }
        table.clone()
    }
}
