//! The KV cache of a batch whose rows differ in length.

use super::composed;
use super::config::Config;
use super::fused::LayerCache;
use candle_core::{Result, Tensor};

/// Keys (already turned) and values of every row and layer. Each row has its own length, so rows neither wait for nor
/// see each other, and a finished row can leave.
pub struct KvCache {
    pub(super) rows: Vec<CacheRow>,
    layers: usize,
    fused: bool,
}

/// One row of a cache: its tokens so far, and what the layers hold of them.
#[derive(Clone)]
pub(super) struct CacheRow {
    /// The tokens: LongRoPE turns all keys anew when a row outgrows the original context.
    pub ids: Vec<u32>,
    pub layers: RowLayers,
}

#[derive(Clone)]
pub(super) enum RowLayers {
    Host(Vec<LayerCache>),
    Device(Vec<composed::LayerCache>),
}

impl KvCache {
    pub(super) fn new(config: &Config, rows: usize, fused: bool) -> Self {
        let mut cache = Self { rows: Vec::new(), layers: config.num_hidden_layers, fused };
        cache.rows = (0..rows).map(|_| cache.empty_row()).collect();
        cache
    }

    fn empty_row(&self) -> CacheRow {
        let layers = if self.fused {
            RowLayers::Host(vec![LayerCache::default(); self.layers])
        } else {
            RowLayers::Device(vec![None; self.layers])
        };
        CacheRow { ids: Vec::new(), layers }
    }

    /// Whether it is of a decoder in its fused form.
    pub(super) fn is_fused(&self) -> bool {
        self.fused
    }

    /// Adds an empty row at the end.
    pub fn push(&mut self) {
        self.rows.push(self.empty_row());
    }

    /// The tokens of row `index` so far.
    #[must_use]
    pub fn ids(&self, index: usize) -> &[u32] {
        &self.rows[index].ids
    }

    /// Tokens in row `index`.
    #[must_use]
    pub fn length(&self, index: usize) -> usize {
        self.rows[index].ids.len()
    }

    /// Keeps the rows for which `keep` holds, in their order.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.rows.retain(|_| keep.next().copied().unwrap_or(false));
    }

    /// Forgets the tokens of row `index` from `length` on.
    pub fn truncate(&mut self, index: usize, length: usize) -> Result<()> {
        if length < self.rows[index].ids.len() {
            self.share(index, index, length)?;
        }
        Ok(())
    }

    /// Forgets what row `index` holds of its tokens, to be computed again.
    pub(super) fn restart(&mut self, index: usize) -> Vec<u32> {
        let empty = self.empty_row();
        std::mem::replace(&mut self.rows[index], empty).ids
    }

    /// Makes row `to` a copy of the first `length` tokens of row `from`: what prompts share is computed once.
    pub fn share(&mut self, from: usize, to: usize, length: usize) -> Result<()> {
        self.rows[to] = self.rows[from].first(length)?;
        Ok(())
    }

    /// Adds a row at the end that is a copy of the first `length` tokens of row `from` of another cache of the same decoder.
    pub fn push_copy(&mut self, other: &KvCache, from: usize, length: usize) -> Result<()> {
        self.rows.push(other.rows[from].first(length)?);
        Ok(())
    }
}

impl CacheRow {
    /// A copy of its first `length` tokens.
    fn first(&self, length: usize) -> Result<CacheRow> {
        let width = |values: &[f32]| values.len() / self.ids.len().max(1) * length;
        let layers = match &self.layers {
            RowLayers::Host(layers) => RowLayers::Host(
                layers
                    .iter()
                    .map(|l| LayerCache {
                        keys: l.keys[..width(&l.keys)].to_vec(),
                        values: l.values[..width(&l.values)].to_vec(),
                    })
                    .collect(),
            ),
            RowLayers::Device(layers) => {
                let cut = |t: &Tensor| t.narrow(2, 0, length);
                RowLayers::Device(
                    layers
                        .iter()
                        .map(|l| l.as_ref().map(|(k, v)| Ok((cut(k)?, cut(v)?))).transpose())
                        .collect::<Result<_>>()?,
                )
            }
        };
        Ok(CacheRow { ids: self.ids[..length].to_vec(), layers })
    }
}
