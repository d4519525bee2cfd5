//! A checkpoint's `config.json`: the shape of its decoder.

use super::ModelError;
use super::rope::RopeConfig;
use serde_json::{Map, Value};
use std::path::Path;

/// The architectures that [`super::Decoder`] runs, as `config.json` names them.
pub const ARCHITECTURES: [&str; 7] = [
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "GemmaForCausalLM",
    "Gemma2ForCausalLM",
    "Phi3ForCausalLM",
];

/// The gate's function in a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · σ(x): SwiGLU (Shazeer 2020).
    Silu,
    /// GELU in its tanh form: GeGLU.
    GeluTanh,
}

/// The shape of a decoder, in the names of HF's `config.json` where it has one.
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
    /// Added to the weights of RMSNorm: 1 for Gemma, whose files hold the weights minus one.
    pub norm_offset: f64,
    /// Rotary positions.
    pub rope: RopeConfig,
    /// Longest context.
    pub max_position_embeddings: usize,
    /// For each block the number of last tokens that a token sees, itself included; `None` = all before it.
    pub windows: Vec<Option<usize>>,
    /// What attention scores are multiplied by: 1/√d, but for Gemma 2.
    pub attention_scale: f64,
    /// c of c·tanh(score/c), by which Gemma 2 bounds attention scores.
    pub attn_logit_softcapping: Option<f64>,
    /// c of c·tanh(logit/c), by which Gemma 2 bounds logits.
    pub final_logit_softcapping: Option<f64>,
    /// What embeddings are multiplied by: √width for Gemma.
    pub embedding_scale: f64,
    /// The gate's function.
    pub activation: Activation,
    /// Whether q, k and v projections have biases.
    pub qkv_bias: bool,
    /// Whether the output projection of attention has a bias.
    pub output_bias: bool,
    /// Whether the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Whether queries and keys are normed head by head (Qwen 3).
    pub query_key_norm: bool,
    /// Whether q, k, v are one weight, and gate and up another (Phi-3).
    pub fused_projections: bool,
    /// Whether what attention and feed-forward layers add is normed first (Gemma 2).
    pub output_norms: bool,
    /// Whether the output layer is the embedding.
    pub tie_word_embeddings: bool,
    /// Precision that the file names.
    pub dtype: String,
}

/// No size in a config is larger; a file that says so is damaged or meant to harm.
const LARGEST: u64 = 1 << 24;
/// No decoder has more blocks.
const MOST_LAYERS: usize = 10_000;

/// A `config.json` being read: its keys, and the file for errors.
pub(super) struct Reader<'a> {
    pub map: &'a Map<String, Value>,
    pub file: &'a Path,
}

impl Reader<'_> {
    pub fn bad(&self, reason: String) -> ModelError {
        ModelError::BadConfig { file: self.file.to_owned(), reason }
    }

    fn optional(&self, key: &str) -> Option<usize> {
        self.map.get(key).and_then(Value::as_u64).filter(|n| *n <= LARGEST).map(|n| n as usize)
    }

    fn size(&self, key: &str) -> Result<usize, ModelError> {
        self.optional(key)
            .filter(|&n| n > 0)
            .ok_or_else(|| self.bad(format!("\"{key}\" is missing or not a sensible positive number")))
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        self.map.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.map.get(key).and_then(Value::as_f64)
    }

    /// A key that may be null on purpose: absent gives the architecture's default, null gives `None`.
    fn nullable(&self, key: &str, default: Option<f64>) -> Option<f64> {
        match self.map.get(key) {
            None => default,
            Some(value) => value.as_f64(),
        }
    }
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
    /// (`rope_theta`, `rope_scaling`, `torch_dtype`). A key that is absent has its architecture's default.
    fn from_json(map: &Map<String, Value>, file: &Path) -> Result<Self, ModelError> {
        let reader = Reader { map, file };
        let architecture = map
            .get("architectures")
            .and_then(|a| a[0].as_str())
            .ok_or_else(|| reader.bad("it names no architecture under \"architectures\"".to_owned()))?;
        if !ARCHITECTURES.contains(&architecture) {
            return Err(ModelError::UnknownArchitecture {
                file: file.to_owned(),
                architecture: architecture.to_owned(),
                known: ARCHITECTURES.join(", "),
            });
        }
        if map.get("quantization_config").is_some_and(|q| !q.is_null()) {
            return Err(reader.bad(
                "its weights are quantised (\"quantization_config\"), which Plumbline does not read; take the \
                 unquantised checkpoint, or a GGUF file"
                    .to_owned(),
            ));
        }
        let family = architecture.trim_end_matches("ForCausalLM");
        let gemma = matches!(family, "Gemma" | "Gemma2");
        let (hidden_size, heads) = (reader.size("hidden_size")?, reader.size("num_attention_heads")?);
        let layers = reader.size("num_hidden_layers")?;
        if layers > MOST_LAYERS {
            return Err(reader.bad(format!("num_hidden_layers {layers} is more than any decoder has")));
        }
        if gemma && reader.flag("use_bidirectional_attention", false) {
            return Err(reader.bad("its attention looks ahead, which Plumbline's does not".to_owned()));
        }
        let kv_heads = reader.optional("num_key_value_heads").unwrap_or(match family {
            "Mistral" => 8,
            "Gemma2" => 4,
            _ => heads,
        });
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(reader.bad(format!(
                "num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}"
            )));
        }
        let head_dim = reader.optional("head_dim").unwrap_or(match family {
            "Qwen3" => 128,
            "Gemma" | "Gemma2" => 256,
            _ => hidden_size / heads,
        });
        if head_dim == 0 || !head_dim.is_multiple_of(2) {
            return Err(reader.bad(format!("head_dim {head_dim} is not an even number above 0")));
        }
        let max_position_embeddings = reader.optional("max_position_embeddings").unwrap_or(match family {
            "Llama" => 2048,
            "Mistral" => 131_072,
            "Gemma" | "Gemma2" => 8192,
            "Phi3" => 4096,
            _ => 32768,
        });
        let attention_bias = reader.flag("attention_bias", false);
        Ok(Self {
            architecture: architecture.to_owned(),
            vocab_size: reader.size("vocab_size")?,
            hidden_size,
            intermediate_size: reader.size("intermediate_size")?,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rms_norm_eps: reader.number("rms_norm_eps").unwrap_or(if family == "Phi3" { 1e-5 } else { 1e-6 }),
            norm_offset: if gemma { 1.0 } else { 0.0 },
            rope: RopeConfig::from_json(&reader, head_dim, max_position_embeddings)?,
            max_position_embeddings,
            windows: windows(&reader, family, layers)?,
            attention_scale: match family {
                "Gemma2" => reader.number("query_pre_attn_scalar").unwrap_or(256.0).powf(-0.5),
                _ => (head_dim as f64).powf(-0.5),
            },
            attn_logit_softcapping: reader
                .nullable("attn_logit_softcapping", Some(50.0))
                .filter(|_| family == "Gemma2"),
            final_logit_softcapping: reader
                .nullable("final_logit_softcapping", Some(30.0))
                .filter(|_| family == "Gemma2"),
            embedding_scale: if gemma { (hidden_size as f64).sqrt() } else { 1.0 },
            activation: activation(&reader, gemma)?,
            qkv_bias: family == "Qwen2" || (!matches!(family, "Mistral" | "Phi3") && attention_bias),
            output_bias: attention_bias && matches!(family, "Llama" | "Qwen3" | "Gemma" | "Gemma2"),
            mlp_bias: family == "Llama" && reader.flag("mlp_bias", false),
            query_key_norm: family == "Qwen3",
            fused_projections: family == "Phi3",
            output_norms: family == "Gemma2",
            tie_word_embeddings: reader.flag("tie_word_embeddings", gemma),
            dtype: ["dtype", "torch_dtype"]
                .iter()
                .find_map(|key| map.get(*key)?.as_str())
                .unwrap_or("float32")
                .to_owned(),
        })
    }

    /// Every weight of the decoder: its name in the checkpoint and its shape.
    #[must_use]
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let (h, f, d) = (self.hidden_size, self.intermediate_size, self.head_dim);
        let (q, kv) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, h])];
        for i in 0..self.num_hidden_layers {
            let mut one =
                |name: &str, shape: &[usize]| all.push((format!("model.layers.{i}.{name}"), shape.to_vec()));
            let mut linear = |name: &str, out: usize, inner: usize, bias: bool| {
                one(&format!("{name}.weight"), &[out, inner]);
                if bias {
                    one(&format!("{name}.bias"), &[out]);
                }
            };
            if self.fused_projections {
                linear("self_attn.qkv_proj", q + 2 * kv, h, self.qkv_bias);
            } else {
                linear("self_attn.q_proj", q, h, self.qkv_bias);
                linear("self_attn.k_proj", kv, h, self.qkv_bias);
                linear("self_attn.v_proj", kv, h, self.qkv_bias);
            }
            linear("self_attn.o_proj", h, q, self.output_bias);
            if self.fused_projections {
                linear("mlp.gate_up_proj", 2 * f, h, self.mlp_bias);
            } else {
                linear("mlp.gate_proj", f, h, self.mlp_bias);
                linear("mlp.up_proj", f, h, self.mlp_bias);
            }
            linear("mlp.down_proj", h, f, self.mlp_bias);
            one("input_layernorm.weight", &[h]);
            one("post_attention_layernorm.weight", &[h]);
            if self.query_key_norm {
                one("self_attn.q_norm.weight", &[d]);
                one("self_attn.k_norm.weight", &[d]);
            }
            if self.output_norms {
                one("pre_feedforward_layernorm.weight", &[h]);
                one("post_feedforward_layernorm.weight", &[h]);
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

/// The window of each block: `layer_types` where the file has it, else the architecture's rule.
fn windows(reader: &Reader<'_>, family: &str, layers: usize) -> Result<Vec<Option<usize>>, ModelError> {
    let window = match family {
        "Mistral" | "Gemma2" => reader.nullable("sliding_window", Some(4096.0)),
        "Phi3" => reader.nullable("sliding_window", None),
        "Qwen2" | "Qwen3" if reader.flag("use_sliding_window", false) => {
            reader.nullable("sliding_window", Some(4096.0))
        }
        _ => None,
    }
    .map(|w| w as usize);
    if window == Some(0) {
        return Err(reader.bad("\"sliding_window\" is 0, so that no token would see any".to_owned()));
    }
    let types = reader.map.get("layer_types").and_then(Value::as_array);
    let from = reader.optional("max_window_layers").unwrap_or(28);
    let slides = |layer: usize| match (family, types) {
        ("Gemma2" | "Qwen2" | "Qwen3", Some(types)) => {
            types.get(layer).is_some_and(|t| t == "sliding_attention")
        }
        ("Gemma2", None) => layer.is_multiple_of(2),
        ("Qwen2" | "Qwen3", None) => layer >= from,
        _ => true,
    };
    Ok((0..layers).map(|layer| window.filter(|_| slides(layer))).collect())
}

fn activation(reader: &Reader<'_>, gemma: bool) -> Result<Activation, ModelError> {
    let name = ["hidden_activation", "hidden_act"].iter().find_map(|key| reader.map.get(*key)?.as_str());
    match name {
        None if gemma => Ok(Activation::GeluTanh),
        None | Some("silu" | "swish") => Ok(Activation::Silu),
        // Gemma's first files say "gelu" and mean the tanh form.
        Some("gelu") if gemma => Ok(Activation::GeluTanh),
        Some("gelu_pytorch_tanh" | "gelu_new") => Ok(Activation::GeluTanh),
        Some(other) => Err(reader
            .bad(format!("the activation \"{other}\" is not supported (silu and gelu_pytorch_tanh are)"))),
    }
}
