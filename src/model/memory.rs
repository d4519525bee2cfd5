//! How much memory a model needs, part by part, before anything is loaded.

use super::ModelError;
use super::config::Config;
use super::fused::kernels::threads;
use super::fused::{LOGITS_AT_ONCE, Pool, groups};
use super::lora::{Adapter, LinearShape, LoraConfig, TargetModules};
use serde::{Deserialize, Serialize};

/// What a model is to do.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a question that is asked once")]
pub enum Work {
    /// Answer prompts by so many new tokens.
    Run {
        /// New tokens of each row.
        new_tokens: usize,
    },
    /// Train an adapter with these settings.
    TrainAdapter(LoraConfig),
    /// Train all weights.
    TrainAll,
}

/// Rows of [`Needs`].
pub const ROWS: usize = 16;
/// Tokens a row of [`Needs`], where the context is not shorter.
pub const TOKENS: usize = 256;

/// What a model's card says of memory: with [`ROWS`] rows of [`TOKENS`] tokens at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    /// To answer with as many new tokens.
    pub run: MemoryEstimate,
    /// To train an adapter of rank 8 on all linear layers.
    pub train_adapter: MemoryEstimate,
    /// To train all weights.
    pub train_all: MemoryEstimate,
    /// The same with gradient checkpointing.
    pub train_all_checkpointing: MemoryEstimate,
}

impl Needs {
    /// The needs of a decoder of this shape.
    pub fn of(config: &Config) -> Result<Self, ModelError> {
        let tokens = config.max_position_embeddings.min(TOKENS);
        let need = |work, checkpointing| estimate(config, &work, ROWS, tokens, checkpointing);
        Ok(Self {
            run: need(Work::Run { new_tokens: tokens }, false)?,
            train_adapter: need(
                Work::TrainAdapter(LoraConfig::new(8, 16.0, TargetModules::AllLinear)),
                false,
            )?,
            train_all: need(Work::TrainAll, false)?,
            train_all_checkpointing: need(Work::TrainAll, true)?,
        })
    }

    /// Each need by the name that people see.
    #[must_use]
    pub fn all(&self) -> [(&'static str, MemoryEstimate); 4] {
        [
            ("run", self.run),
            ("train an adapter", self.train_adapter),
            ("train all", self.train_all),
            ("… checkpointing", self.train_all_checkpointing),
        ]
    }
}

/// A need of memory in bytes, part by part. For the fused form: f32 on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEstimate {
    /// The model's weights, and those of an adapter.
    pub weights: u64,
    /// Gradients of what is trained.
    pub gradients: u64,
    /// The optimiser's two running means.
    pub optimiser: u64,
    /// Results of the blocks: in training those that the way back needs.
    pub activations: u64,
    /// Keys and values of the rows that are being answered.
    pub cache: u64,
    /// Logits.
    pub logits: u64,
}

impl MemoryEstimate {
    /// All parts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights + self.gradients + self.optimiser + self.activations + self.cache + self.logits
    }

    /// The parts that are not nothing, by the names that people see.
    #[must_use]
    pub fn parts(&self) -> Vec<(&'static str, u64)> {
        [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimiser", self.optimiser),
            ("activations", self.activations),
            ("KV cache", self.cache),
            ("logits", self.logits),
        ]
        .into_iter()
        .filter(|(_, bytes)| *bytes > 0)
        .collect()
    }
}

/// A number of bytes in the unit that people use for it.
#[must_use]
pub fn readable_size(bytes: u64) -> String {
    let x = bytes as f64;
    if bytes < 1_000_000_000 { format!("{:.1} MB", x / 1e6) } else { format!("{:.1} GB", x / 1e9) }
}

/// Bytes of a buffer of `n` elements.
fn buffer(n: usize) -> u64 {
    4 * Pool::class(n) as u64
}

/// What `work` needs with `rows` rows of `tokens` tokens at once (of the prompts, where it is to answer); `checkpointing` as in
/// [`super::PassOptions`].
pub fn estimate(
    config: &Config,
    work: &Work,
    rows: usize,
    tokens: usize,
    checkpointing: bool,
) -> Result<MemoryEstimate, ModelError> {
    let (h, i, layers) = (config.hidden_size, config.intermediate_size, config.num_hidden_layers as u64);
    let q = config.num_attention_heads * config.head_dim;
    let kv = config.num_key_value_heads * config.head_dim;
    let (qkv, heads, n) = (q + 2 * kv, config.num_attention_heads, rows * tokens);
    let stream = buffer(n * h);
    let mut need = MemoryEstimate { weights: 4 * config.parameter_count() as u64, ..Default::default() };
    if let Work::Run { new_tokens } = work {
        // The stream before and after, the one between, a normed one; and what a block makes in between.
        need.activations = 4 * stream
            + buffer(n * qkv)
            + buffer(n * q)
            + buffer(n * heads)
            + buffer(n * 2 * i)
            + buffer(n * i);
        need.cache = 2 * 4 * layers * ((n + rows * new_tokens) * kv) as u64;
        need.logits = 2 * 4 * (rows * config.vocab_size) as u64;
        return Ok(need);
    }
    let mut low = 0;
    let trained = match work {
        Work::TrainAdapter(lora) => {
            let weights = config.weights();
            let shapes = weights.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
            let sizes = Adapter::sizes(lora, &LinearShape::of_weights(shapes))?;
            low = sizes.iter().map(|(_, rank)| buffer(n * rank)).sum();
            let count = sizes.iter().map(|(l, rank)| rank * (l.in_features + l.out_features)).sum::<usize>();
            // A and B are kept once as the start and once as what is trained.
            need.weights += 2 * 4 * count as u64;
            count
        }
        _ => config.parameter_count(),
    };
    // Rows may go in groups, as many at once as there are threads, each group with gradients of its own.
    let groups = groups(trained, &vec![tokens; rows]);
    let at_once = groups.len().min(threads());
    let ends = groups.iter().skip(1).copied().chain([rows]);
    let largest = groups.iter().zip(ends).map(|(first, end)| end - first).max().unwrap_or(rows);
    let n = (largest * tokens * at_once).min(n);
    let stream = buffer(n * h);
    low = low.min(low * n as u64 / (rows * tokens).max(1) as u64);
    need.gradients = 4 * (groups.len() * trained) as u64;
    need.optimiser = 8 * trained as u64;
    // What a block keeps for the way back besides the stream that comes in.
    let raw = if config.query_key_norm { buffer(n * qkv) } else { 0 };
    let added = if config.output_norms { 2 * stream } else { 0 };
    let trace =
        buffer(n * qkv) + raw + buffer(n * q) + buffer(n * heads) + stream + added + buffer(n * 2 * i);
    let kept =
        if checkpointing { layers * stream + trace + low / layers } else { layers * (stream + trace) + low };
    // On the way back: the gradient of the stream and of what was normed, and those of one block's results.
    let way_back =
        4 * stream + 2 * buffer(n * i) + buffer(n * q) + buffer(n * qkv) + 4 * (n * (q + 2 * kv)) as u64;
    need.activations = kept + way_back;
    let logit_rows = (LOGITS_AT_ONCE / config.vocab_size).clamp(16, 4096).min((n / at_once).max(1));
    // The gradient of the output layer is a product of which gemm keeps a copy of one side, 256 columns at a time.
    let packed = if matches!(work, Work::TrainAll) { 4 * 256.min(n) * config.vocab_size } else { 0 };
    let each = buffer(logit_rows * config.vocab_size) + buffer(logit_rows * h) + packed as u64;
    need.logits = at_once as u64 * each;
    Ok(need)
}
