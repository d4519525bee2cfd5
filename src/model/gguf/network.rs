//! candle's quantised models behind one face.

use super::super::{Control, ModelError};
use super::header::{Architecture, Header};
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_phi3, quantized_qwen2, quantized_qwen3};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A network with its weights and the KV cache of one row.
pub(super) enum Network {
    Llama(Box<quantized_llama::ModelWeights>),
    Qwen2(Box<quantized_qwen2::ModelWeights>),
    Qwen3(Box<quantized_qwen3::ModelWeights>),
    Phi3(Box<quantized_phi3::ModelWeights>),
}

impl Network {
    /// Reads the weights that the header promises.
    pub(super) fn read(header: Header, path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path)
            .map_err(|e| ModelError::Unreadable { file: path.to_owned(), reason: e.to_string() })?;
        let mut reader = BufReader::new(file);
        let (content, device) = (header.content, Device::Cpu);
        let network = match header.architecture {
            Architecture::Llama => quantized_llama::ModelWeights::from_gguf(content, &mut reader, &device)
                .map(Box::new)
                .map(Self::Llama),
            Architecture::Qwen2 => quantized_qwen2::ModelWeights::from_gguf(content, &mut reader, &device)
                .map(Box::new)
                .map(Self::Qwen2),
            Architecture::Qwen3 => quantized_qwen3::ModelWeights::from_gguf(content, &mut reader, &device)
                .map(Box::new)
                .map(Self::Qwen3),
            Architecture::Phi3 => {
                quantized_phi3::ModelWeights::from_gguf(false, content, &mut reader, &device)
                    .map(Box::new)
                    .map(Self::Phi3)
            }
        };
        network.map_err(|e| ModelError::Damaged { file: path.to_owned(), reason: e.to_string() })
    }

    /// Begins a new row with `prompt`, at most `chunk` tokens at a time (at least 2: candle's Qwen3 loses a lone token
    /// that others follow in one pass). Logits `[V]` of the token that follows, or `None` where `progress`, asked
    /// between chunks, stops it.
    pub(super) fn prefill(
        &mut self,
        prompt: &[u32],
        chunk: usize,
        progress: &mut dyn FnMut() -> Control,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        match self {
            Self::Llama(network) => network.clear_kv_cache(),
            Self::Qwen2(network) => network.clear_kv_cache(),
            Self::Qwen3(network) => network.clear_kv_cache(),
            Self::Phi3(_) => {} // clears it at position 0
        }
        let mut logits = Vec::new();
        for (index, ids) in prompt.chunks(chunk).enumerate() {
            if index > 0 && progress() == Control::Stop {
                return Ok(None);
            }
            logits = self.forward(ids, index * chunk)?;
        }
        Ok(Some(logits))
    }

    /// Appends `ids`, which stand at `position` of the row; logits `[V]` of the token that follows them, in f32.
    pub(super) fn forward(&mut self, ids: &[u32], position: usize) -> Result<Vec<f32>, ModelError> {
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let logits = match self {
            Self::Llama(network) => network.forward(&ids, position),
            Self::Qwen2(network) => network.forward(&ids, position),
            Self::Qwen3(network) => network.forward(&ids, position),
            Self::Phi3(network) => network.forward(&ids, position),
        }?;
        Ok(logits.squeeze(0)?.to_dtype(candle_core::DType::F32)?.to_vec1()?)
    }
}
