//! The header of a GGUF file: what model it holds, and whether candle runs exactly that model.
//!
//! The format: the GGUF specification of ggml. Names of keys and tensors: those of llama.cpp's converter.
//! What candle 0.11 leaves out, and what is therefore refused or limited here:
//! - stretched rotary frequencies (`rope_freqs.weight` of Llama 3.1, `rope.scaling.*`, longrope of Phi-3.5);
//! - sliding windows: the context ends where the window does, below that all tokens are visible anyway;
//! - biases and norms other than those of [`Header::tensors`], and mixtures of experts in today's files;
//! - Gemma altogether: candle's quantised Gemma 3 has SiLU where the architecture has GELU.

use super::super::ModelError;
use super::super::checkpoint::Card;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_transformers::models::quantized_llama;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The longest context that a model is given: candle's tables of rotary angles and its caches grow with it.
const LONGEST_CONTEXT: usize = 32_768;

/// The architectures of GGUF files that run, as `general.architecture` names them: Llama up to 3.0 and what shares its
/// form (Mistral 7B, TinyLlama, SmolLM), Qwen2 and 2.5, Qwen3 without experts, Phi-3 with a short context.
pub const GGUF_ARCHITECTURES: [&str; 4] = ["llama", "qwen2", "qwen3", "phi3"];

/// One of [`GGUF_ARCHITECTURES`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
    Phi3,
}

impl Architecture {
    /// In the order of [`GGUF_ARCHITECTURES`].
    const ALL: [Self; 4] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Phi3];

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// The name that begins the architecture's keys.
    fn name(self) -> &'static str {
        GGUF_ARCHITECTURES[self as usize]
    }
}

/// A header that has been checked: every tensor is there, in its shape and within the file, and nothing else.
pub(super) struct Header {
    /// Metadata and the places of the tensors, in the types that candle's models ask for.
    pub(super) content: Content,
    pub(super) architecture: Architecture,
    pub(super) vocab: usize,
    layers: usize,
    hidden: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    context: usize,
    bytes_on_disk: u64,
}

impl Header {
    /// Reads and checks the header of `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let unreadable =
            |e: std::io::Error| ModelError::Unreadable { file: path.to_owned(), reason: e.to_string() };
        let damaged = |reason: String| ModelError::Damaged { file: path.to_owned(), reason };
        let bad = |reason: String| ModelError::BadConfig { file: path.to_owned(), reason };
        let file = File::open(path).map_err(unreadable)?;
        let bytes_on_disk = file.metadata().map_err(unreadable)?.len();
        let mut reader = BufReader::new(file);
        // candle divides by the alignment that the file names, which may be 0.
        let mut content = catch_unwind(AssertUnwindSafe(|| Content::read(&mut reader)))
            .map_err(|_| damaged("its header names sizes that cannot be".to_owned()))?
            .map_err(|e| damaged(format!("its header cannot be read ({e})")))?;

        let name = match content.metadata.get("general.architecture") {
            Some(Value::String(name)) => name.clone(),
            _ => return Err(bad("it names no architecture under \"general.architecture\"".to_owned())),
        };
        let Some(architecture) = Architecture::from_name(&name) else {
            return Err(ModelError::UnknownArchitecture {
                file: path.to_owned(),
                architecture: name,
                known: GGUF_ARCHITECTURES.join(", "),
            });
        };
        normalise(&mut content, architecture);
        let optional = |key: &str| match content.metadata.get(&format!("{name}.{key}")) {
            Some(&Value::U32(n)) => Some(n as usize),
            _ => None,
        };
        let size = |key: &str| {
            optional(key)
                .filter(|&n| n > 0)
                .ok_or_else(|| bad(format!("\"{name}.{key}\" is missing or not a positive number")))
        };
        let (hidden, heads) = (size("embedding_length")?, size("attention.head_count")?);
        let kv_heads = optional("attention.head_count_kv").unwrap_or(heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(bad(format!(
                "its {heads} query heads are not a multiple of its {kv_heads} key heads"
            )));
        }
        let head_dim = optional("attention.key_length").unwrap_or(hidden / heads);
        let own_width = architecture == Architecture::Qwen3;
        if head_dim == 0 || !head_dim.is_multiple_of(2) || (!own_width && head_dim * heads != hidden) {
            return Err(bad(format!(
                "its {heads} heads of width {head_dim} do not make up its hidden size {hidden}, which is not \
                 supported for {name} in GGUF files. Use the model's safetensors checkpoint"
            )));
        }
        if optional("rope.dimension_count").is_some_and(|n| n != head_dim) {
            return Err(bad(
                "it rotates a part of each head only, which is not supported in GGUF files".to_owned()
            ));
        }
        if optional("expert_count").is_some_and(|n| n > 1) {
            return Err(bad("it is a mixture of experts, which is not supported".to_owned()));
        }
        let mut context = size("context_length")?.min(LONGEST_CONTEXT);
        if architecture == Architecture::Llama {
            context = context.min(quantized_llama::MAX_SEQ_LEN);
        }
        if let Some(window) = optional("attention.sliding_window").filter(|&n| n > 0) {
            context = context.min(window);
        }
        let embedding = content
            .tensor_infos
            .get("token_embd.weight")
            .ok_or_else(|| damaged("it holds no token_embd.weight".to_owned()))?;
        let vocab = embedding.shape.dims().first().copied().unwrap_or(0);
        let (layers, feed_forward) = (size("block_count")?, size("feed_forward_length")?);
        let number = |key: &str| match content.metadata.get(&format!("{name}.{key}")) {
            Some(&Value::F32(x)) => Some(x),
            _ => None,
        };
        if !number("attention.layer_norm_rms_epsilon").is_some_and(|x| x > 0.0) {
            return Err(bad(format!(
                "\"{name}.attention.layer_norm_rms_epsilon\" is missing or not above 0"
            )));
        }
        let base = number("rope.freq_base");
        if architecture == Architecture::Phi3 && base.is_some_and(|x| (x - 10_000.0).abs() > 1e-3) {
            return Err(bad("its rotary base is not 10000, which is not supported for phi3".to_owned()));
        }
        let header = Self {
            content,
            architecture,
            vocab,
            layers,
            hidden,
            feed_forward,
            heads,
            kv_heads,
            head_dim,
            context,
            bytes_on_disk,
        };
        header.check_rotary(path)?;
        header.check_tensors(path)?;
        Ok(header.completed())
    }

    /// What a card shows.
    pub(super) fn card(&self) -> Card {
        let mut parameters = 0;
        let mut elements = BTreeMap::<String, usize>::new();
        for info in self.content.tensor_infos.values() {
            let count = info.shape.elem_count();
            parameters += count;
            *elements.entry(dtype_name(info.ggml_dtype)).or_default() += count;
        }
        Card {
            architecture: self.architecture.name().to_owned(),
            parameters,
            bytes_on_disk: self.bytes_on_disk,
            // Files mix types; most of the weights name the file.
            dtype: elements.into_iter().max_by_key(|(_, n)| *n).map_or_else(String::new, |(name, _)| name),
            layers: self.layers,
            hidden: self.hidden,
            vocab: self.vocab,
            context: self.context,
            adapter: None,
            needs: None,
        }
    }

    /// Refuses rotary frequencies that candle's models would not stretch.
    fn check_rotary(&self, path: &Path) -> Result<(), ModelError> {
        let key = format!("{}.rope.scaling.type", self.architecture.name());
        let factor = ["rope.scaling.factor", "rope.scale_linear"].into_iter().find(|key| {
            let key = format!("{}.{key}", self.architecture.name());
            matches!(self.content.metadata.get(&key), Some(&Value::F32(x)) if (x - 1.0).abs() > 1e-6)
        });
        let scaling = match self.content.metadata.get(&key) {
            Some(Value::String(kind)) if kind != "none" && !kind.is_empty() => Some(kind.as_str()),
            _ => ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"]
                .into_iter()
                .find(|&name| self.content.tensor_infos.contains_key(name))
                .or(factor),
        };
        match scaling {
            None => Ok(()),
            Some(found) => Err(ModelError::BadConfig {
                file: path.to_owned(),
                reason: format!(
                    "it stretches its rotary frequencies ({found}), which is not supported in GGUF files: the \
                     answers would not be this model's. Use the model's safetensors checkpoint"
                ),
            }),
        }
    }

    /// The tensors of the architecture with their shapes; the flag says that a file may lack the tensor.
    fn tensors(&self) -> Vec<(String, Vec<usize>, bool)> {
        let (h, f, d) = (self.hidden, self.feed_forward, self.head_dim);
        let (q, kv) = (self.heads * d, self.kv_heads * d);
        let tied = self.architecture != Architecture::Phi3;
        let mut all = vec![
            ("token_embd.weight".to_owned(), vec![self.vocab, h], false),
            ("output_norm.weight".to_owned(), vec![h], false),
            ("output.weight".to_owned(), vec![self.vocab, h], tied),
        ];
        for i in 0..self.layers {
            let mut add = |name: &str, shape: Vec<usize>| all.push((format!("blk.{i}.{name}"), shape, false));
            add("attn_norm.weight", vec![h]);
            add("ffn_norm.weight", vec![h]);
            add("attn_output.weight", vec![h, q]);
            add("ffn_down.weight", vec![h, f]);
            if self.architecture == Architecture::Phi3 {
                add("attn_qkv.weight", vec![q + 2 * kv, h]);
                add("ffn_up.weight", vec![2 * f, h]);
                continue;
            }
            add("attn_q.weight", vec![q, h]);
            add("attn_k.weight", vec![kv, h]);
            add("attn_v.weight", vec![kv, h]);
            add("ffn_gate.weight", vec![f, h]);
            add("ffn_up.weight", vec![f, h]);
            match self.architecture {
                Architecture::Qwen2 => {
                    add("attn_q.bias", vec![q]);
                    add("attn_k.bias", vec![kv]);
                    add("attn_v.bias", vec![kv]);
                }
                Architecture::Qwen3 => {
                    add("attn_q_norm.weight", vec![d]);
                    add("attn_k_norm.weight", vec![d]);
                }
                Architecture::Llama | Architecture::Phi3 => {}
            }
        }
        all
    }

    /// Every tensor must be there in its shape, whole within the file, and no other may be: one that is not read
    /// would be left out of the computation in silence.
    fn check_tensors(&self, path: &Path) -> Result<(), ModelError> {
        let damaged = |reason: String| ModelError::Damaged { file: path.to_owned(), reason };
        let infos = &self.content.tensor_infos;
        // The number of layers is the file's word; tensors that exist bound it before a list is made of it.
        if self.layers > infos.len() {
            return Err(damaged(format!(
                "it names {} layers but holds {} tensors",
                self.layers,
                infos.len()
            )));
        }
        let mut unread: std::collections::BTreeSet<&str> = infos.keys().map(String::as_str).collect();
        for (name, shape, optional) in self.tensors() {
            let Some(info) = infos.get(&name) else {
                if optional {
                    continue;
                }
                return Err(damaged(format!("it lacks the tensor {name}")));
            };
            unread.remove(name.as_str());
            let found = info.shape.dims();
            if found != shape {
                return Err(damaged(format!(
                    "tensor {name} has the shape {found:?} where its header asks for {shape:?}"
                )));
            }
            let row = shape.last().copied().unwrap_or(0);
            if row == 0 || !row.is_multiple_of(info.ggml_dtype.block_size()) {
                let dtype = dtype_name(info.ggml_dtype);
                return Err(damaged(format!("the rows of tensor {name} are not whole blocks of {dtype}")));
            }
            let size =
                shape.iter().try_fold(1_u64, |size, &n| size.checked_mul(n as u64)).and_then(|elements| {
                    (elements / info.ggml_dtype.block_size() as u64)
                        .checked_mul(info.ggml_dtype.type_size() as u64)
                });
            let end = size
                .and_then(|size| size.checked_add(info.offset))
                .and_then(|end| end.checked_add(self.content.tensor_data_offset));
            if end.is_none_or(|end| end > self.bytes_on_disk) {
                return Err(damaged(format!("it ends before tensor {name} does")));
            }
        }
        match unread.first() {
            None => Ok(()),
            Some(name) => Err(ModelError::BadConfig {
                file: path.to_owned(),
                reason: format!(
                    "it holds the tensor {name}, which the {} of GGUF files here does not use: the answers would \
                     not be this model's. Use the model's safetensors checkpoint",
                    self.architecture.name()
                ),
            }),
        }
    }

    /// Writes out what the specification lets a file leave out and candle's models ask for.
    fn completed(mut self) -> Self {
        let name = self.architecture.name();
        let mut set = |key: &str, value: usize| {
            self.content.metadata.insert(key.replace('*', name), Value::U32(value as u32));
        };
        set("*.attention.head_count_kv", self.kv_heads);
        set("*.attention.key_length", self.head_dim);
        set("*.rope.dimension_count", self.head_dim);
        // Tables and caches are made for this many tokens.
        set("*.context_length", self.context);
        // candle's Qwen3 computes rotary angles in this type, by default f16, which has no integers above 2048.
        set("general.dtype", 0);
        let base = format!("{name}.rope.freq_base");
        self.content.metadata.entry(base).or_insert(Value::F32(10_000.0));
        self
    }
}

/// Turns the numbers of the architecture's keys into the types that candle's models insist on: converters write
/// sizes in any integer type.
fn normalise(content: &mut Content, architecture: Architecture) {
    let prefix = format!("{}.", architecture.name());
    for (_, value) in content.metadata.iter_mut().filter(|(key, _)| key.starts_with(&prefix)) {
        if let Some(n) = integer(value).and_then(|n| u32::try_from(n).ok()) {
            *value = Value::U32(n);
        } else if let Value::F64(x) = *value {
            *value = Value::F32(x as f32);
        }
    }
}

/// A number of any integer type, if it is not negative.
pub(super) fn integer(value: &Value) -> Option<u64> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::U16(n) => Some(n.into()),
        Value::U32(n) => Some(n.into()),
        Value::U64(n) => Some(n),
        Value::I8(n) => n.try_into().ok(),
        Value::I16(n) => n.try_into().ok(),
        Value::I32(n) => n.try_into().ok(),
        Value::I64(n) => n.try_into().ok(),
        _ => None,
    }
}

/// The name that people know a type of weights by, such as `Q4_K`.
fn dtype_name(dtype: GgmlDType) -> String {
    let name = format!("{dtype:?}");
    match name.strip_suffix('K') {
        Some(bits) => format!("{bits}_K"),
        None => name,
    }
}
