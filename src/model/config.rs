//! A checkpoint's `config.json`: the shape of its decoder.

use super::ModelError;
use serde_json::{Map, Value};
use std::path::Path;

/// The architectures that [`super::Decoder`] runs, as `config.json` names them.
pub const ARCHITECTURES: [&str; 1] = ["LlamaForCausalLM"];

/// How rotary angles are stretched for long contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
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
}

/// The shape of a decoder, in the names of HF's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the architecture.
    pub architecture: String,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// ε of RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Stretching of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// Longest context.
    pub max_position_embeddings: usize,
    /// Whether the output layer is the embedding.
    pub tie_word_embeddings: bool,
    /// Precision that the file names.
    pub dtype: String,
}

impl Config {
    /// Reads `config.json` of a checkpoint folder.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let file = folder.join("config.json");
        let bytes = std::fs::read(&file).map_err(|e| {
            if folder.is_dir() {
                ModelError::Unreadable { file: file.clone(), reason: e.to_string() }
            } else {
                ModelError::NoFolder { folder: folder.to_owned() }
            }
        })?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| ModelError::BadConfig { file: file.clone(), reason: e.to_string() })?;
        let Value::Object(map) = value else {
            return Err(ModelError::BadConfig { file, reason: "it is not a JSON object".to_owned() });
        };
        Self::from_json(&map, &file)
    }

    /// Reads the keys of a `config.json`, those of transformers 5 (`rope_parameters`, `dtype`) and those before it
    /// (`rope_theta`, `rope_scaling`, `torch_dtype`).
    fn from_json(map: &Map<String, Value>, file: &Path) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::BadConfig { file: file.to_owned(), reason };
        let architecture = map
            .get("architectures")
            .and_then(|a| a[0].as_str())
            .ok_or_else(|| bad("it names no architecture under \"architectures\"".to_owned()))?;
        if !ARCHITECTURES.contains(&architecture) {
            return Err(ModelError::UnknownArchitecture {
                file: file.to_owned(),
                architecture: architecture.to_owned(),
                known: ARCHITECTURES.join(", "),
            });
        }
        let optional = |key: &str| map.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let size = |key: &str| {
            optional(key)
                .filter(|&n| n > 0)
                .ok_or_else(|| bad(format!("\"{key}\" is missing or not a positive number")))
        };
        for unsupported in ["attention_bias", "mlp_bias"] {
            if map.get(unsupported).and_then(Value::as_bool) == Some(true) {
                return Err(bad(format!("\"{unsupported}\": true is not supported for {architecture}")));
            }
        }
        if let Some(act) = map.get("hidden_act").and_then(Value::as_str)
            && act != "silu"
        {
            return Err(bad(format!(
                "\"hidden_act\": \"{act}\" is not supported for {architecture}; it must be silu"
            )));
        }
        let (hidden_size, heads) = (size("hidden_size")?, size("num_attention_heads")?);
        let kv_heads = optional("num_key_value_heads").unwrap_or(heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(bad(format!(
                "num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}"
            )));
        }
        let head_dim = optional("head_dim").unwrap_or(hidden_size / heads);
        if head_dim == 0 || !head_dim.is_multiple_of(2) {
            return Err(bad(format!("head_dim {head_dim} is not an even number above 0")));
        }
        let rope = ["rope_parameters", "rope_scaling"].iter().find_map(|key| map.get(*key)?.as_object());
        let rope_theta = rope
            .and_then(|r| r.get("rope_theta"))
            .or(map.get("rope_theta"))
            .and_then(Value::as_f64)
            .unwrap_or(10000.0);
        let rope_scaling =
            match rope.and_then(|r| r.get("rope_type").or(r.get("type"))).and_then(Value::as_str) {
                None | Some("default") => RopeScaling::None,
                Some("llama3") => {
                    let number = |key: &str| {
                        rope.and_then(|r| r.get(key))
                            .and_then(Value::as_f64)
                            .filter(|n| *n > 0.0)
                            .ok_or_else(|| bad(format!("rope scaling \"llama3\" lacks \"{key}\"")))
                    };
                    RopeScaling::Llama3 {
                        factor: number("factor")?,
                        low_freq_factor: number("low_freq_factor")?,
                        high_freq_factor: number("high_freq_factor")?,
                        original_max_position_embeddings: number("original_max_position_embeddings")?,
                    }
                }
                Some(other) => {
                    return Err(bad(format!(
                        "rope scaling of type \"{other}\" is not supported (default and llama3 are)"
                    )));
                }
            };
        Ok(Self {
            architecture: architecture.to_owned(),
            vocab_size: size("vocab_size")?,
            hidden_size,
            intermediate_size: size("intermediate_size")?,
            num_hidden_layers: size("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rms_norm_eps: map.get("rms_norm_eps").and_then(Value::as_f64).unwrap_or(1e-6),
            rope_theta,
            rope_scaling,
            max_position_embeddings: optional("max_position_embeddings").unwrap_or(2048),
            tie_word_embeddings: map.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false),
            dtype: ["dtype", "torch_dtype"]
                .iter()
                .find_map(|key| map.get(*key)?.as_str())
                .unwrap_or("float32")
                .to_owned(),
        })
    }

    /// The rotary frequencies 1/θ^(2i/d), stretched as the config says.
    #[must_use]
    pub fn inverse_frequencies(&self) -> Vec<f64> {
        let half = self.head_dim / 2;
        let plain = (0..half).map(|i| 1.0 / self.rope_theta.powf(i as f64 / half as f64));
        match self.rope_scaling {
            RopeScaling::None => plain.collect(),
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => plain
                .map(|f| {
                    let wavelength = 2.0 * std::f64::consts::PI / f;
                    let turns = original_max_position_embeddings / wavelength;
                    if turns < low_freq_factor {
                        f / factor
                    } else if turns > high_freq_factor {
                        f
                    } else {
                        let smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                })
                .collect(),
        }
    }

    /// Every weight of the decoder: its name in the checkpoint and its shape.
    #[must_use]
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let (h, f, d) = (self.hidden_size, self.intermediate_size, self.head_dim);
        let (q, kv) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, h])];
        for i in 0..self.num_hidden_layers {
            for (name, shape) in [
                ("input_layernorm", vec![h]),
                ("self_attn.q_proj", vec![q, h]),
                ("self_attn.k_proj", vec![kv, h]),
                ("self_attn.v_proj", vec![kv, h]),
                ("self_attn.o_proj", vec![h, q]),
                ("post_attention_layernorm", vec![h]),
                ("mlp.gate_proj", vec![f, h]),
                ("mlp.up_proj", vec![f, h]),
                ("mlp.down_proj", vec![h, f]),
            ] {
                all.push((format!("model.layers.{i}.{name}.weight"), shape));
            }
        }
        all.push(("model.norm.weight".to_owned(), vec![h]));
        if !self.tie_word_embeddings {
            all.push(("lm_head.weight".to_owned(), vec![self.vocab_size, h]));
        }
        all
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.weights().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}
