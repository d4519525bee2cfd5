//! The weights of a decoder, block by block.

use super::ModelError;
use super::config::Config;
use candle_core::{Device, Result, Tensor};
use std::collections::HashMap;

/// A low-rank adapter beside a weight matrix (Hu et al. 2022): y += scale · (x·Aᵀ)·Bᵀ.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// A `[r, in]`.
    pub a: Tensor,
    /// B `[out, r]`.
    pub b: Tensor,
    /// α/r, or α/√r with rank-stabilised adapters.
    pub scale: f64,
}

/// y = x·Wᵀ + bias, and what an adapter adds.
#[derive(Clone, Debug)]
pub struct Linear {
    /// W `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    /// The adapter, if there is one.
    pub adapter: Option<LowRank>,
}

impl Linear {
    /// Width of the output.
    pub fn width(&self) -> usize {
        self.weight.dims()[0]
    }
}

/// One block: attention, then a gated feed-forward layer, each added to the residual stream.
#[derive(Debug)]
pub struct Block {
    /// `input_layernorm`.
    pub attention_norm: Tensor,
    /// q, k and v projections, or one that is all three.
    pub qkv: Vec<Linear>,
    /// Norms of each query and key head (Qwen 3).
    pub query_key_norm: Option<(Tensor, Tensor)>,
    /// `o_proj`.
    pub output: Linear,
    /// Norm of what attention adds (Gemma 2).
    pub attention_output_norm: Option<Tensor>,
    /// The norm before the feed-forward layer.
    pub feed_forward_norm: Tensor,
    /// gate and up projections, or one that is both.
    pub gate_up: Vec<Linear>,
    /// `down_proj`.
    pub down: Linear,
    /// Norm of what the feed-forward layer adds (Gemma 2).
    pub feed_forward_output_norm: Option<Tensor>,
}

/// All weights of a decoder.
#[derive(Debug)]
pub struct Weights {
    /// `[V, H]`.
    pub embedding: Tensor,
    /// The blocks in order.
    pub blocks: Vec<Block>,
    /// The last norm.
    pub norm: Tensor,
    /// The output layer `[V, H]`; the embedding where they are tied.
    pub head: Tensor,
}

impl Weights {
    /// Takes the weights that `config` asks for out of `tensors`, and `adapters` by module path.
    pub fn new(
        config: &Config,
        tensors: &HashMap<String, Tensor>,
        adapters: &HashMap<String, LowRank>,
    ) -> std::result::Result<Self, ModelError> {
        let take = |name: &str| {
            tensors.get(name).cloned().ok_or_else(|| ModelError::MissingTensors { names: name.to_owned() })
        };
        let embedding = take("model.embed_tokens.weight")?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let norm = |name: &str| take(&format!("model.layers.{i}.{name}.weight"));
            let linear = |name: &str, bias: bool| {
                let path = format!("model.layers.{i}.{name}");
                Ok::<_, ModelError>(Linear {
                    weight: take(&format!("{path}.weight"))?,
                    bias: if bias { Some(take(&format!("{path}.bias"))?) } else { None },
                    adapter: adapters.get(&path).cloned(),
                })
            };
            let all = |names: &[&str], bias: bool| {
                names.iter().map(|name| linear(name, bias)).collect::<std::result::Result<Vec<_>, _>>()
            };
            let (qkv, gate_up): (&[&str], &[&str]) = if config.fused_projections {
                (&["self_attn.qkv_proj"], &["mlp.gate_up_proj"])
            } else {
                (
                    &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
                    &["mlp.gate_proj", "mlp.up_proj"],
                )
            };
            let outputs = config.output_norms;
            blocks.push(Block {
                attention_norm: norm("input_layernorm")?,
                qkv: all(qkv, config.qkv_bias)?,
                query_key_norm: if config.query_key_norm {
                    Some((norm("self_attn.q_norm")?, norm("self_attn.k_norm")?))
                } else {
                    None
                },
                output: linear("self_attn.o_proj", config.output_bias)?,
                // Llama's name for the norm before the feed-forward layer is Gemma 2's for the one after attention.
                attention_output_norm: if outputs { Some(norm("post_attention_layernorm")?) } else { None },
                feed_forward_norm: norm(if outputs {
                    "pre_feedforward_layernorm"
                } else {
                    "post_attention_layernorm"
                })?,
                gate_up: all(gate_up, config.mlp_bias)?,
                down: linear("mlp.down_proj", config.mlp_bias)?,
                feed_forward_output_norm: if outputs {
                    Some(norm("post_feedforward_layernorm")?)
                } else {
                    None
                },
            });
        }
        let norm = take("model.norm.weight")?;
        let head = if config.tie_word_embeddings { embedding.clone() } else { take("lm_head.weight")? };
        Ok(Self { embedding, blocks, norm, head })
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        self.embedding.device()
    }
}

/// Embeddings `[N, H]` of ids, scaled as the config says.
pub fn embed(config: &Config, weights: &Weights, ids: &[u32]) -> Result<Tensor> {
    let ids = Tensor::new(ids, weights.device())?;
    let rows = weights.embedding.index_select(&ids, 0)?;
    if (config.embedding_scale - 1.0).abs() < f64::EPSILON { Ok(rows) } else { rows * config.embedding_scale }
}
