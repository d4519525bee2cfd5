//! The decoder: token ids in, logits out, differentiable; with a KV cache for generation.

use super::ModelError;
use super::cache::KvCache;
use super::config::Config;
use super::ops::{self, Rotary};
use candle_core::{DType, Device, Result, Tensor, Var};
use std::collections::HashMap;
use std::sync::Arc;

/// A Llama-like decoder (Touvron et al. 2023): pre-norm blocks of grouped-query attention with rotary positions and a
/// SwiGLU feed-forward layer. Cloning is cheap; the weights are shared.
#[derive(Clone, Debug)]
pub struct Decoder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    rotary: Rotary,
    embedding: Tensor,
    blocks: Vec<Block>,
    norm: Tensor,
    head: Tensor,
}

#[derive(Debug)]
struct Block {
    input_norm: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    post_attention_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

/// The trained parameters of a decoder by their checkpoint names, in the order of [`Config::weights`].
pub type Parameters = Vec<(String, Var)>;

impl Decoder {
    /// A decoder from weights by checkpoint name; names and shapes must be those of [`Config::weights`].
    pub fn new(
        config: &Config,
        mut weights: HashMap<String, Tensor>,
    ) -> std::result::Result<Self, ModelError> {
        let mut take = |name: &str| {
            weights.remove(name).ok_or_else(|| ModelError::MissingTensors { names: name.to_owned() })
        };
        let embedding = take("model.embed_tokens.weight")?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let mut weight = |name: &str| take(&format!("model.layers.{i}.{name}.weight"));
            blocks.push(Block {
                input_norm: weight("input_layernorm")?,
                q: weight("self_attn.q_proj")?,
                k: weight("self_attn.k_proj")?,
                v: weight("self_attn.v_proj")?,
                o: weight("self_attn.o_proj")?,
                post_attention_norm: weight("post_attention_layernorm")?,
                gate: weight("mlp.gate_proj")?,
                up: weight("mlp.up_proj")?,
                down: weight("mlp.down_proj")?,
            });
        }
        let norm = take("model.norm.weight")?;
        let head = if config.tie_word_embeddings { embedding.clone() } else { take("lm_head.weight")? };
        let rotary = Rotary::new(&config.inverse_frequencies(), config.max_position_embeddings);
        Ok(Self { inner: Arc::new(Inner { config: config.clone(), rotary, embedding, blocks, norm, head }) })
    }

    /// The shape of the decoder.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Where the weights are.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.inner.embedding.device()
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.inner.config.parameter_count()
    }

    /// The weights by checkpoint name, in the order of [`Config::weights`].
    #[must_use]
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let inner = &*self.inner;
        let mut tensors = vec![&inner.embedding];
        for b in &inner.blocks {
            tensors.extend([
                &b.input_norm,
                &b.q,
                &b.k,
                &b.v,
                &b.o,
                &b.post_attention_norm,
                &b.gate,
                &b.up,
                &b.down,
            ]);
        }
        tensors.push(&inner.norm);
        tensors.push(&inner.head); // dropped by the zip where it is tied
        inner.config.weights().into_iter().map(|(name, _)| name).zip(tensors.into_iter().cloned()).collect()
    }

    /// A copy whose weights are trained, in f32, and the trained parameters.
    pub fn trainable(&self) -> std::result::Result<(Self, Parameters), ModelError> {
        let mut parameters = Vec::new();
        let mut weights = HashMap::new();
        for (name, tensor) in self.weights() {
            let var = Var::from_tensor(&tensor.to_dtype(DType::F32)?.copy()?)?;
            weights.insert(name.clone(), var.as_tensor().clone());
            parameters.push((name, var));
        }
        Ok((Self::new(self.config(), weights)?, parameters))
    }

    /// The same weights, shared, outside of differentiation: sees every update of the trained ones, records nothing.
    pub fn frozen(&self) -> std::result::Result<Self, ModelError> {
        let weights = self.weights().into_iter().map(|(name, tensor)| (name, tensor.detach())).collect();
        Self::new(self.config(), weights)
    }

    /// Logits `[B, T, V]` of right-padded rows of ids `[B, T]`. What stands at pad positions is undefined.
    pub fn logits(&self, ids: &Tensor) -> std::result::Result<Tensor, ModelError> {
        Ok(self.head(&self.hidden(ids)?)?)
    }

    /// The normed hidden states `[B, T, H]` before the output layer.
    pub fn hidden(&self, ids: &Tensor) -> std::result::Result<Tensor, ModelError> {
        self.hidden_from_embeddings(&self.embed(ids)?)
    }

    /// Hidden states from embeddings `[B, T, H]` (attacks differentiate with respect to these).
    pub fn hidden_from_embeddings(&self, embeddings: &Tensor) -> std::result::Result<Tensor, ModelError> {
        let inner = &*self.inner;
        let c = &inner.config;
        self.fits(embeddings.dim(1)?)?;
        let mut x = embeddings.clone();
        for block in &inner.blocks {
            x = block.forward(&x, c, |q, k, v| {
                ops::attention(q, k, v, c.num_attention_heads, c.num_key_value_heads, &inner.rotary)
            })?;
        }
        Ok(ops::rms_norm(&x, &inner.norm, c.rms_norm_eps)?)
    }

    /// Hidden states of the next tokens of cached rows: ids `[B, T]` right-padded, of which `lengths[b]` are real.
    /// They are appended to the cache, whose rows may differ in length. Records nothing for differentiation.
    pub fn hidden_cached(
        &self,
        ids: &Tensor,
        lengths: &[usize],
        cache: &mut KvCache,
    ) -> std::result::Result<Tensor, ModelError> {
        let inner = &*self.inner;
        let c = &inner.config;
        self.fits(cache.longest() + ids.dim(1)?)?;
        let mut x = self.embed(ids)?;
        for (layer, block) in inner.blocks.iter().enumerate() {
            x = block.forward(&x, c, |q, k, v| cache.attend(layer, q, k, v, lengths, &inner.rotary))?;
        }
        cache.advance(lengths);
        Ok(ops::rms_norm(&x, &inner.norm, c.rms_norm_eps)?)
    }

    /// The output layer: hidden `[…, H]` to logits `[…, V]`.
    pub fn head(&self, hidden: &Tensor) -> Result<Tensor> {
        ops::linear(hidden, &self.inner.head)
    }

    /// Embeddings `[B, T, H]` of ids `[B, T]`.
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let (b, t) = ids.dims2()?;
        self.inner.embedding.index_select(&ids.flatten_all()?, 0)?.reshape((
            b,
            t,
            self.inner.config.hidden_size,
        ))
    }

    /// The embedding table `[V, H]`.
    #[must_use]
    pub fn embedding(&self) -> &Tensor {
        &self.inner.embedding
    }

    fn fits(&self, tokens: usize) -> std::result::Result<(), ModelError> {
        let limit = self.inner.config.max_position_embeddings;
        if tokens > limit { Err(ModelError::TooLong { tokens, limit }) } else { Ok(()) }
    }
}

impl Block {
    fn forward(
        &self,
        x: &Tensor,
        config: &Config,
        attention: impl FnOnce(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let y = ops::rms_norm(x, &self.input_norm, config.rms_norm_eps)?;
        let (q, k, v) = (ops::linear(&y, &self.q)?, ops::linear(&y, &self.k)?, ops::linear(&y, &self.v)?);
        let x = (x + ops::linear(&attention(&q, &k, &v)?, &self.o)?)?;
        let y = ops::rms_norm(&x, &self.post_attention_norm, config.rms_norm_eps)?;
        let y = ops::swiglu(&ops::linear(&y, &self.gate)?, &ops::linear(&y, &self.up)?)?;
        &x + ops::linear(&y, &self.down)?
    }
}
