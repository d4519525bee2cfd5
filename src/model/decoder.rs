//! The decoder: token ids in, logits out, differentiable; with a KV cache for generation.

mod search;

use super::cache::{KvCache, RowLayers};
use super::composed::{self, Place};
use super::config::Config;
use super::fused::kernels::on_pool;
use super::fused::{self, Input, Pool};
use super::gradients::{DeviceGradients, Gradients, Values};
use super::lora::{Adapter, AdapterModule, LinearShape, LoraConfig, TargetModules};
use super::rope::Rotary;
use super::weights::{LowRank, Weights, embed};
use super::{ModelError, pad};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

thread_local! {
    static COMPOSED_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Makes every decoder that this thread calls run in its composed form: the switch by which tests compare the two.
pub fn use_composed_only(on: bool) {
    COMPOSED_ONLY.set(on);
}

/// A Llama-like decoder (Touvron et al. 2023): pre-norm blocks of grouped-query attention with rotary positions and a
/// gated feed-forward layer, with what its relatives changed. Cloning is cheap; the weights are shared.
///
/// It has two forms that compute the same: a fused one, for f32 on the CPU, and one composed of candle's differentiable
/// operations, for every device and precision.
#[derive(Clone, Debug)]
pub struct Decoder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    rotary: Rotary,
    tensors: HashMap<String, Tensor>,
    adapters: HashMap<String, LowRank>,
    weights: Weights,
    host: bool,
    /// The precision of the residual stream in the composed form.
    compute: DType,
    pool: Pool,
}

/// The trained parameters of a decoder by their checkpoint names.
pub type Parameters = Vec<(String, Var)>;

/// Rows of a batch and the tokens in them that a loss looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Token ids of each row.
    pub rows: Vec<Vec<u32>>,
    /// For each target, the index of the token before it, counted through all rows one after the other.
    pub from: Vec<usize>,
    /// The targets.
    pub targets: Vec<u32>,
}

impl Batch {
    fn slices(&self) -> Vec<&[u32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }
}

/// How a backward pass goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassOptions {
    /// Keep only the input of each block and compute the rest again on the way back (Chen et al. 2016): less memory,
    /// a third more time.
    pub checkpointing: bool,
}

impl Decoder {
    /// A decoder from weights by checkpoint name; names and shapes must be those of [`Config::weights`].
    pub fn new(config: &Config, tensors: HashMap<String, Tensor>) -> std::result::Result<Self, ModelError> {
        Self::with_adapters(config, tensors, HashMap::new())
    }

    /// A decoder from weights by checkpoint name, with adapters by the path of the module that they stand beside.
    fn with_adapters(
        config: &Config,
        tensors: HashMap<String, Tensor>,
        adapters: HashMap<String, LowRank>,
    ) -> std::result::Result<Self, ModelError> {
        let weights = Weights::new(config, &tensors, &adapters)?;
        let pairs = adapters.values().flat_map(|l| [&l.a, &l.b]);
        let host = tensors
            .values()
            .chain(pairs)
            .all(|t| t.dtype() == DType::F32 && t.device().is_cpu() && t.is_contiguous());
        let rotary = Rotary::new(&config.rope);
        let compute = weights.embedding.dtype();
        let (config, pool) = (config.clone(), Pool::default());
        let inner = Inner { config, rotary, tensors, adapters, weights, host, compute, pool };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The shape of the decoder.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Where the weights are.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.inner.weights.device()
    }

    /// Number of parameters, those of adapters not counted.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.inner.config.parameter_count()
    }

    /// The weights by checkpoint name, in the order of [`Config::weights`].
    #[must_use]
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let names = self.inner.config.weights().into_iter().map(|(name, _)| name);
        names.filter_map(|name| self.inner.tensors.get(&name).cloned().map(|t| (name, t))).collect()
    }

    /// The decoder with all its weights trained, in f32, and these as parameters; an adapter is merged first. Weights that
    /// nobody else holds are let go one by one as they are copied.
    pub fn trainable(self) -> std::result::Result<(Self, Parameters), ModelError> {
        let merged = self.merged()?;
        drop(self);
        let names: Vec<String> = merged.config().weights().into_iter().map(|(name, _)| name).collect();
        let compute = merged.inner.compute;
        let (config, mut tensors) = match Arc::try_unwrap(merged.inner) {
            Ok(inner) => (inner.config, inner.tensors),
            Err(shared) => (shared.config.clone(), shared.tensors.clone()),
        };
        let mut parameters = Vec::with_capacity(names.len());
        for name in names {
            let Some(tensor) = tensors.remove(&name) else { continue };
            parameters.push((name, Var::from_tensor(&tensor.to_dtype(DType::F32)?)?));
        }
        let trained = parameters.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        Ok((Self::new(&config, trained)?.computing_in(compute), parameters))
    }

    /// The same decoder with the residual stream in this precision: weights that are trained are kept in f32, and
    /// rounded where they are used.
    fn computing_in(self, compute: DType) -> Self {
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => {
                let host = inner.host && compute == DType::F32;
                Self { inner: Arc::new(Inner { host, compute, ..inner }) }
            }
            Err(inner) => Self { inner },
        }
    }

    /// The linear layers that adapters can stand beside.
    #[must_use]
    pub fn linears(&self) -> Vec<LinearShape> {
        let weights = self.inner.config.weights();
        LinearShape::of_weights(weights.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))
    }

    /// The same weights, shared, with an adapter beside them. An adapter that is there already is merged first.
    pub fn with_adapter(&self, adapter: &Adapter) -> std::result::Result<Self, ModelError> {
        adapter.check(&self.linears())?;
        let on_device = |t: &Tensor| t.to_device(self.device())?.to_dtype(DType::F32);
        let mut pairs = HashMap::new();
        for module in &adapter.modules {
            let low = LowRank { a: on_device(&module.a)?, b: on_device(&module.b)?, scale: module.scale };
            pairs.insert(module.path.clone(), low);
        }
        Self::with_adapters(self.config(), self.merged()?.inner.tensors.clone(), pairs)
    }

    /// [`Self::with_adapter`] with the adapter's matrices as the trained parameters, named as in PEFT's files. The
    /// weights get neither gradients nor memory of the optimiser.
    pub fn with_trainable_adapter(
        &self,
        adapter: &Adapter,
    ) -> std::result::Result<(Self, Parameters), ModelError> {
        let decoder = self.with_adapter(adapter)?;
        let (mut parameters, mut pairs) = (Vec::new(), HashMap::new());
        for module in &adapter.modules {
            let Some(low) = decoder.inner.adapters.get(&module.path) else { continue };
            let (a, b) = (Var::from_tensor(&low.a.copy()?)?, Var::from_tensor(&low.b.copy()?)?);
            let pair = LowRank { a: a.as_tensor().clone(), b: b.as_tensor().clone(), scale: low.scale };
            parameters.push((format!("{}.lora_A.weight", module.path), a));
            parameters.push((format!("{}.lora_B.weight", module.path), b));
            pairs.insert(module.path.clone(), pair);
        }
        Ok((Self::with_adapters(self.config(), decoder.inner.tensors.clone(), pairs)?, parameters))
    }

    /// The adapter beside the weights as it now is, with the settings given; `None` if there is none.
    #[must_use]
    pub fn adapter(&self, config: LoraConfig) -> Option<Adapter> {
        let mut modules = Vec::new();
        for linear in self.linears() {
            if let Some(low) = self.inner.adapters.get(&linear.path) {
                let (a, b) = (low.a.detach(), low.b.detach());
                modules.push(AdapterModule { path: linear.path, a, b, scale: low.scale });
            }
        }
        (!modules.is_empty()).then_some(Adapter { config, modules })
    }

    /// The decoder with its adapter added into the weights; itself if there is none.
    pub fn merged(&self) -> std::result::Result<Self, ModelError> {
        let any = LoraConfig::new(1, 1.0, TargetModules::AllLinear);
        let Some(adapter) = self.adapter(any) else { return Ok(self.clone()) };
        let mut tensors = self.inner.tensors.clone();
        adapter.merge_into(&mut tensors)?;
        Self::new(self.config(), tensors)
    }

    /// The same weights, shared, outside of differentiation: sees every update of the trained ones, records nothing.
    pub fn frozen(&self) -> std::result::Result<Self, ModelError> {
        let inner = &*self.inner;
        let tensors = inner.tensors.iter().map(|(name, t)| (name.clone(), t.detach())).collect();
        let detached = |l: &LowRank| LowRank { a: l.a.detach(), b: l.b.detach(), scale: l.scale };
        let adapters = inner.adapters.iter().map(|(path, l)| (path.clone(), detached(l))).collect();
        Ok(Self::with_adapters(self.config(), tensors, adapters)?.computing_in(inner.compute))
    }

    /// No gradients yet, for the given parameters of this decoder.
    #[must_use]
    pub fn no_gradients(&self, parameters: &Parameters) -> Gradients {
        Gradients::new(parameters, self.is_fused())
    }

    /// Whether a row of so many tokens uses LongRoPE's table for long ones.
    pub(super) fn is_long(&self, tokens: usize) -> bool {
        self.inner.rotary.is_long(tokens)
    }

    /// Whether passes run in the fused form.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.inner.host && !COMPOSED_ONLY.get()
    }

    /// Gives memory that earlier passes left for later ones back to the system.
    pub fn release_memory(&self) {
        self.inner.pool.clear();
    }

    fn input(&self) -> Input<'_> {
        let inner = &*self.inner;
        Input { config: &inner.config, weights: &inner.weights, rotary: &inner.rotary, pool: &inner.pool }
    }

    /// The normed hidden states `[N, H]` before the output layer, of all tokens of all rows, one row after the other.
    pub fn hidden(&self, rows: &[&[u32]]) -> std::result::Result<Tensor, ModelError> {
        self.fits(rows.iter().map(|r| r.len()).max().unwrap_or(0))?;
        self.known(rows)?;
        let n = rows.iter().map(|r| r.len()).sum::<usize>();
        if n == 0 {
            return Err(ModelError::EmptyPrompt);
        }
        if self.is_fused() {
            let hidden = on_pool(|| fused::hidden(self.input(), rows, &vec![0; rows.len()], None))?;
            return Ok(fused::tensor(hidden, (n, self.config().hidden_size))?);
        }
        Ok(self.composed_hidden(rows)?.0)
    }

    /// The hidden states of [`Self::hidden`] by candle's operations, and the padded embeddings that they come from.
    fn composed_hidden(&self, rows: &[&[u32]]) -> Result<(Tensor, Tensor)> {
        let ids = pad(rows.iter().copied(), self.device())?;
        let (b, t) = ids.dims2()?;
        let width = self.config().hidden_size;
        let flat = ids.flatten_all()?.to_vec1::<u32>()?;
        let embeddings = embed(self.config(), &self.inner.weights, &flat)?
            .to_dtype(self.inner.compute)?
            .reshape((b, t, width))?;
        Ok((self.composed_packed(rows, &embeddings)?, embeddings))
    }

    /// Packed hidden states of padded embeddings `[B, T, H]`. Rows are padded on the right: attention is causal, so no
    /// real token sees a pad.
    fn composed_packed(&self, rows: &[&[u32]], embeddings: &Tensor) -> Result<Tensor> {
        let inner = &*self.inner;
        let t = embeddings.dim(1)?;
        // LongRoPE's table is chosen by a row's own length, so rows on both sides of the border go apart.
        let mut parts: Vec<Option<Tensor>> = vec![None; rows.len()];
        for long in [false, true] {
            let members: Vec<usize> =
                (0..rows.len()).filter(|&i| inner.rotary.is_long(rows[i].len()) == long).collect();
            if members.is_empty() {
                continue;
            }
            let angles = inner.rotary.angles(t, long);
            let place = Place { start: 0, angles: &angles };
            let index: Vec<u32> = members.iter().map(|&i| i as u32).collect();
            let own = embeddings.index_select(&Tensor::new(index, self.device())?, 0)?;
            let hidden = composed::hidden(&inner.config, &inner.weights, &own, &place, None)?;
            for (at, i) in members.into_iter().enumerate() {
                parts[i] = Some(hidden.get(at)?.narrow(0, 0, rows[i].len())?);
            }
        }
        Tensor::cat(&parts.into_iter().flatten().collect::<Vec<_>>(), 0)
    }

    /// The output layer: hidden states `[N, H]` to logits `[N, V]`.
    pub fn head(&self, hidden: &Tensor) -> Result<Tensor> {
        let inner = &*self.inner;
        if self.is_fused() && !hidden.track_op() {
            let hidden = hidden.contiguous()?;
            let logits = on_pool(|| fused::head(&inner.config, &inner.weights, &fused::host(&hidden)?))?;
            return fused::tensor(logits, (hidden.dim(0)?, inner.config.vocab_size));
        }
        composed::head(&inner.config, &inner.weights, hidden)
    }

    /// Logits `[N, V]` of all tokens of all rows, one row after the other.
    pub fn logits(&self, rows: &[&[u32]]) -> std::result::Result<Tensor, ModelError> {
        Ok(self.head(&self.hidden(rows)?)?)
    }

    /// An empty cache for `rows` rows of this decoder.
    #[must_use]
    pub fn cache(&self, rows: usize) -> KvCache {
        KvCache::new(self.config(), rows, self.is_fused())
    }

    /// Appends new tokens to cached rows (at least one to each of `members`, rows of the cache in rising order) and
    /// returns the logits `[B, V]` after the last token of each, in f32.
    pub fn extend(
        &self,
        cache: &mut KvCache,
        members: &[usize],
        new: &[&[u32]],
    ) -> std::result::Result<Tensor, ModelError> {
        let inner = &*self.inner;
        // Everything is checked before the cache changes.
        for (&row, ids) in members.iter().zip(new) {
            if ids.is_empty() {
                return Err(ModelError::EmptyPrompt);
            }
            self.fits(cache.length(row) + ids.len())?;
        }
        self.known(new)?;
        let mut inputs: Vec<Vec<u32>> = Vec::with_capacity(new.len());
        for (&row, ids) in members.iter().zip(new) {
            let (before, after) = (cache.length(row), cache.length(row) + ids.len());
            // A row that outgrows the original context turns by the long table from its first token on.
            let grows = before > 0 && inner.rotary.is_long(after) && !inner.rotary.is_long(before);
            let mut input = if grows { cache.restart(row) } else { Vec::new() };
            input.extend_from_slice(ids);
            inputs.push(input);
        }
        let starts: Vec<usize> = members.iter().map(|&row| cache.length(row)).collect();
        let rows: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
        let hidden = if cache.is_fused() {
            self.extend_fused(cache, members, &rows, &starts)?
        } else {
            self.extend_composed(cache, members, &rows, &starts)?
        };
        for (&row, ids) in members.iter().zip(&rows) {
            cache.rows[row].ids.extend_from_slice(ids);
        }
        Ok(self.head(&hidden)?.to_dtype(DType::F32)?)
    }

    fn extend_fused(
        &self,
        cache: &mut KvCache,
        members: &[usize],
        rows: &[&[u32]],
        starts: &[usize],
    ) -> Result<Tensor> {
        let mut wanted = members.iter().peekable();
        let mut caches: Vec<&mut [fused::LayerCache]> = Vec::with_capacity(members.len());
        for (index, row) in cache.rows.iter_mut().enumerate() {
            if wanted.next_if_eq(&&index).is_some()
                && let RowLayers::Host(layers) = &mut row.layers
            {
                caches.push(layers);
            }
        }
        let hidden = on_pool(|| fused::hidden(self.input(), rows, starts, Some(&mut caches)))?;
        let width = self.config().hidden_size;
        let mut last = Vec::with_capacity(rows.len() * width);
        let mut end = 0;
        for row in rows {
            end += row.len();
            last.extend_from_slice(&hidden[(end - 1) * width..end * width]);
        }
        self.inner.pool.give(hidden);
        fused::tensor(last, (rows.len(), width))
    }

    /// Row by row: rows of a batch stand at different positions.
    fn extend_composed(
        &self,
        cache: &mut KvCache,
        members: &[usize],
        rows: &[&[u32]],
        starts: &[usize],
    ) -> Result<Tensor> {
        let inner = &*self.inner;
        let mut last = Vec::with_capacity(rows.len());
        for ((&member, ids), &start) in members.iter().zip(rows).zip(starts) {
            let RowLayers::Device(layers) = &mut cache.rows[member].layers else { continue };
            let end = start + ids.len();
            let angles = inner.rotary.angles(end, inner.rotary.is_long(end));
            let embeddings =
                embed(&inner.config, &inner.weights, ids)?.to_dtype(inner.compute)?.unsqueeze(0)?;
            let place = Place { start, angles: &angles };
            let hidden = composed::hidden(&inner.config, &inner.weights, &embeddings, &place, Some(layers))?;
            last.push(hidden.get(0)?.narrow(0, ids.len() - 1, 1)?);
        }
        Tensor::cat(&last, 0)
    }

    /// log π(target) of every target of the batch.
    pub fn log_probs(&self, batch: &Batch) -> std::result::Result<Vec<f32>, ModelError> {
        let rows = batch.slices();
        self.accepts(batch, &rows)?;
        if self.is_fused() {
            let input = self.input();
            return Ok(on_pool(|| fused::log_probs(input, &rows, &batch.from, &batch.targets))?);
        }
        Ok(self.composed_log_probs(batch, &self.composed_hidden(&rows)?.0)?.to_vec1()?)
    }

    fn composed_log_probs(&self, batch: &Batch, hidden: &Tensor) -> Result<Tensor> {
        let from: Vec<u32> = batch.from.iter().map(|&i| i as u32).collect();
        let hidden = hidden.index_select(&Tensor::new(from, self.device())?, 0)?;
        let logits = composed::head(&self.inner.config, &self.inner.weights, &hidden)?;
        composed::token_log_probs(&logits, &batch.targets)
    }

    /// log π(target) of every target of the batch; and, added to `gradients`, those of a loss that is a function of
    /// these: `derivative` gives d loss / d log π of target i.
    pub fn gradients(
        &self,
        batch: &Batch,
        derivative: &mut (dyn FnMut(usize, f32) -> f32 + Send),
        gradients: &mut Gradients,
        options: PassOptions,
    ) -> std::result::Result<Vec<f32>, ModelError> {
        let rows = batch.slices();
        self.accepts(batch, &rows)?;
        match &mut gradients.values {
            Values::Host(host) => {
                let (input, checkpointing) = (self.input(), options.checkpointing);
                let (from, targets) = (&batch.from, &batch.targets);
                let pass =
                    || fused::gradients(input, &rows, from, targets, derivative, host, checkpointing, false);
                Ok(on_pool(pass)?.0)
            }
            Values::Device(device) if options.checkpointing => {
                self.composed_checkpointing(batch, &rows, derivative, device)
            }
            Values::Device(device) => {
                let log_probs = self.composed_log_probs(batch, &self.composed_hidden(&rows)?.0)?;
                let values = log_probs.to_vec1::<f32>()?;
                let weights: Vec<f32> = values.iter().enumerate().map(|(i, &v)| derivative(i, v)).collect();
                let loss = (log_probs * Tensor::new(weights, self.device())?)?.sum_all()?;
                device.add(&loss.backward()?, self.all_tensors())?;
                Ok(values)
            }
        }
    }

    /// The backward pass of the composed form block by block: each is computed again from its input, as a graph of its
    /// own, and differentiated against the gradient that came down so far.
    fn composed_checkpointing(
        &self,
        batch: &Batch,
        rows: &[&[u32]],
        derivative: &mut (dyn FnMut(usize, f32) -> f32 + Send),
        device: &mut DeviceGradients,
    ) -> std::result::Result<Vec<f32>, ModelError> {
        let inner = &*self.inner;
        let (config, weights, frozen) = (&inner.config, &inner.weights, self.frozen()?);
        let mut log_probs = vec![0.0; batch.targets.len()];
        // Row by row: each has its own length, and so perhaps its own table of angles.
        let mut start = 0;
        for row in rows {
            let targets: Vec<usize> = (0..batch.from.len())
                .filter(|&i| (start..start + row.len()).contains(&batch.from[i]))
                .collect();
            let angles = inner.rotary.angles(row.len(), inner.rotary.is_long(row.len()));
            let place = Place { start: 0, angles: &angles };
            let embed = |w: &Weights| embed(config, w, row)?.to_dtype(inner.compute)?.unsqueeze(0);
            let mut streams = vec![embed(&frozen.inner.weights)?];
            for (layer, b) in frozen.inner.weights.blocks.iter().enumerate() {
                streams.push(composed::block(
                    config,
                    b,
                    config.windows[layer],
                    &streams[layer],
                    &place,
                    None,
                )?);
            }
            let mut add = |store: &GradStore| device.add(store, self.all_tensors());
            let last = Var::from_tensor(&streams.pop().map_or_else(|| embed(&frozen.inner.weights), Ok)?)?;
            let hidden = composed::last_norm(config, weights, last.as_tensor())?.squeeze(0)?;
            let own = Batch {
                rows: Vec::new(),
                from: targets.iter().map(|&i| batch.from[i] - start).collect(),
                targets: targets.iter().map(|&i| batch.targets[i]).collect(),
            };
            let found = self.composed_log_probs(&own, &hidden)?;
            let values = found.to_vec1::<f32>()?;
            let slopes: Vec<f32> = targets.iter().zip(&values).map(|(&i, &v)| derivative(i, v)).collect();
            for (&i, value) in targets.iter().zip(values) {
                log_probs[i] = value;
            }
            let store = (found * Tensor::new(slopes, self.device())?)?.sum_all()?.backward()?;
            add(&store)?;
            let mut above = store.get(&last).map_or_else(|| last.zeros_like(), |g| Ok(g.clone()))?;
            for (layer, b) in weights.blocks.iter().enumerate().rev() {
                let Some(x) = streams.pop() else { break };
                let x = Var::from_tensor(&x)?;
                let y = composed::block(config, b, config.windows[layer], x.as_tensor(), &place, None)?;
                let store = (y * above.detach())?.sum_all()?.backward()?;
                add(&store)?;
                above = store.get(&x).map_or_else(|| x.zeros_like(), |g| Ok(g.clone()))?;
            }
            add(&(embed(weights)? * above.detach())?.sum_all()?.backward()?)?;
            start += row.len();
        }
        Ok(log_probs)
    }

    fn all_tensors(&self) -> impl Iterator<Item = Tensor> {
        let inner = &*self.inner;
        let pairs = inner.adapters.values().flat_map(|l| [&l.a, &l.b]);
        inner.tensors.values().chain(pairs).cloned()
    }

    /// Refuses a batch that does not fit, is empty, or names what is not there.
    fn accepts(&self, batch: &Batch, rows: &[&[u32]]) -> std::result::Result<(), ModelError> {
        self.fits(rows.iter().map(|r| r.len()).max().unwrap_or(0))?;
        let n = rows.iter().map(|r| r.len()).sum::<usize>();
        if n == 0 || batch.from.iter().any(|&at| at >= n) || batch.from.len() != batch.targets.len() {
            return Err(ModelError::EmptyPrompt);
        }
        self.known(rows)?;
        self.known(&[&batch.targets])
    }

    /// Refuses ids that the embedding has no row for.
    fn known(&self, rows: &[&[u32]]) -> std::result::Result<(), ModelError> {
        let vocab = self.config().vocab_size;
        match rows.iter().flat_map(|r| r.iter()).find(|id| **id as usize >= vocab) {
            Some(&id) => Err(ModelError::UnknownId { id, vocab }),
            None => Ok(()),
        }
    }

    fn fits(&self, tokens: usize) -> std::result::Result<(), ModelError> {
        let limit = self.inner.config.max_position_embeddings;
        if tokens > limit { Err(ModelError::TooLong { tokens, limit }) } else { Ok(()) }
    }
}
