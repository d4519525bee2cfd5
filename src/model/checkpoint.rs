//! Checkpoint folders as `transformers` writes and reads them: `config.json`, safetensors, tokenizer.

use super::fused::host;
use super::links::check_links;
use super::memory::Needs;
use super::{Adapter, BaseModel, Config, Decoder, LoraConfig, ModelError};
use crate::model::companions::COMPANIONS;
use crate::text::Codec;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A model that can run: its decoder, and what turns words into its ids.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The decoder.
    pub decoder: Decoder,
    /// Tokenizer, template and end tokens.
    pub codec: Codec,
    /// Where it was read from.
    pub folder: PathBuf,
}

/// What a model's card shows; read without loading the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The architecture by its name in `config.json`.
    pub architecture: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Size of the weight files in bytes.
    pub bytes_on_disk: u64,
    /// Precision on disk, such as `BF16`.
    pub dtype: String,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Size of the vocabulary.
    pub vocab: usize,
    /// Longest context in tokens.
    pub context: usize,
    /// What stands beside the weights, such as "LoRA of rank 8 on 28 layers, 1,204,224 parameters".
    #[serde(default)]
    pub adapter: Option<String>,
    /// What it takes of memory; unknown for quantised models.
    #[serde(default)]
    pub needs: Option<Needs>,
}

/// Precision of weights on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16: half the size, 8 bits of mantissa.
    Bf16,
}

/// Loads a checkpoint folder, or the folder of an adapter and the checkpoint that it stands on. Everything that does not
/// fit together is refused before the weights are read.
pub fn load(folder: &Path) -> Result<Checkpoint, ModelError> {
    if let Some(file) = super::open::gguf_file(folder) {
        return Err(ModelError::OnlyAnswers { file });
    }
    if let Some((adapter, base)) = adapter_and_base(folder)? {
        let mut checkpoint = load_plain(&base)?;
        checkpoint.decoder = checkpoint.decoder.with_adapter(&adapter)?;
        checkpoint.folder = folder.to_owned();
        return Ok(checkpoint);
    }
    load_plain(folder)
}

fn load_plain(folder: &Path) -> Result<Checkpoint, ModelError> {
    let (config, codec) = read_shape(folder)?;
    let decoder = Decoder::new(&config, read_weights(&config, &weight_files(folder)?)?)?;
    Ok(Checkpoint { decoder, codec, folder: folder.to_owned() })
}

/// The folder with config and tokenizer: the folder itself, or that of the base if it holds an adapter.
pub fn base_folder(folder: &Path) -> Result<PathBuf, ModelError> {
    Ok(adapter_and_base(folder)?.map_or_else(|| folder.to_owned(), |(_, base)| base))
}

/// The adapter in a folder and the folder of its base; `None` if the folder holds a whole checkpoint.
fn adapter_and_base(folder: &Path) -> Result<Option<(Adapter, PathBuf)>, ModelError> {
    if folder.join("config.json").is_file() || !folder.join("adapter_config.json").is_file() {
        return Ok(None);
    }
    let adapter = Adapter::load(folder)?;
    let missing = |base: String| ModelError::NoBase { folder: folder.to_owned(), base };
    match adapter.config.base(folder) {
        Some(BaseModel::Folder(base)) if base.join("config.json").is_file() => Ok(Some((adapter, base))),
        Some(BaseModel::Folder(base)) => Err(missing(base.display().to_string())),
        Some(BaseModel::Hub { name, .. }) => Err(missing(format!("{name} of the Hub"))),
        None => Err(missing("(none is named)".to_owned())),
    }
}

/// Loads the decoder of a folder alone: one without a tokenizer can still be run on ids.
pub fn load_decoder(folder: &Path) -> Result<Decoder, ModelError> {
    let config = Config::from_folder(folder)?;
    Decoder::new(&config, read_weights(&config, &weight_files(folder)?)?)
}

/// Loads a decoder alone, from a config and one weight file.
pub fn load_weights(config: &Config, file: &Path) -> Result<Decoder, ModelError> {
    Decoder::new(config, read_weights(config, &[file.to_owned()])?)
}

/// Reads config and tensor headers and checks that they fit.
pub fn inspect(folder: &Path) -> Result<Card, ModelError> {
    if let Some((adapter, base)) = adapter_and_base(folder)? {
        let mut card = inspect_plain(&base)?;
        let weights = Config::from_folder(&base)?.weights();
        let shapes = weights.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        adapter.check(&super::LinearShape::of_weights(shapes))?;
        card.adapter = Some(format!(
            "LoRA of rank {} on {} layers, {} parameters",
            adapter.config.rank,
            adapter.modules.len(),
            adapter.parameter_count()
        ));
        return Ok(card);
    }
    inspect_plain(folder)
}

fn inspect_plain(folder: &Path) -> Result<Card, ModelError> {
    let (config, _) = read_shape(folder)?;
    let files = weight_files(folder)?;
    let mut bytes_on_disk = 0;
    let mut dtypes = BTreeMap::<String, usize>::new();
    check(&config, &files, |_, view| {
        *dtypes.entry(format!("{:?}", view.dtype())).or_default() += 1;
        Ok(())
    })?;
    for file in &files {
        bytes_on_disk += std::fs::metadata(file).map_err(|e| unreadable(file, &e))?.len();
    }
    Ok(Card {
        architecture: config.architecture.clone(),
        parameters: config.parameter_count(),
        bytes_on_disk,
        dtype: dtypes.into_iter().max_by_key(|(_, n)| *n).map_or_else(String::new, |(name, _)| name),
        layers: config.num_hidden_layers,
        hidden: config.hidden_size,
        vocab: config.vocab_size,
        context: config.max_position_embeddings,
        adapter: None,
        needs: Some(Needs::of(&config)?),
    })
}

/// Writes the adapter of `decoder`, with the settings given, into a folder that PEFT opens. A base inside `root` is named
/// relative to it, so that the whole can be moved.
pub fn save_adapter(
    folder: &Path,
    decoder: &Decoder,
    mut config: LoraConfig,
    base: &Path,
    root: &Path,
) -> Result<(), ModelError> {
    let named = base.strip_prefix(root).unwrap_or(base);
    config.base_model_name_or_path = Some(named.display().to_string());
    match decoder.adapter(config) {
        Some(adapter) => adapter.save(folder),
        None => Ok(()),
    }
}

/// Writes a checkpoint folder that `transformers` opens: the weights of `decoder`, its adapter merged, and config, tokenizer and template
/// as they stand in `source`. Files are written beside their place and renamed, `config.json` last, so that an
/// interrupted save leaves no folder that looks whole.
pub fn save(folder: &Path, decoder: &Decoder, source: &Path, precision: Precision) -> Result<(), ModelError> {
    let unwritable = |file: &Path, e: &dyn std::fmt::Display| ModelError::Unwritable {
        file: file.to_owned(),
        reason: e.to_string(),
    };
    std::fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
    let dtype = match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    };
    let weights = decoder
        .merged()?
        .weights()
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.detach().to_dtype(dtype)?.contiguous()?)))
        .collect::<Result<Vec<_>, ModelError>>()?;
    let file = folder.join("model.safetensors");
    let temporary = folder.join(".model.safetensors.partial");
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = weights.iter().map(|(name, tensor)| (name.as_str(), tensor));
    safetensors::serialize_to_file(views, Some(metadata), &temporary)
        .map_err(|e| unwritable(&temporary, &e))?;
    std::fs::File::open(&temporary)
        .and_then(|f| f.sync_all())
        .and_then(|()| std::fs::rename(&temporary, &file))
        .map_err(|e| unwritable(&file, &e))?;
    for name in COMPANIONS {
        let (from, to) = (source.join(name), folder.join(name));
        if from == to || !from.is_file() {
            continue;
        }
        if name == "config.json" {
            let text = std::fs::read_to_string(&from).map_err(|e| unreadable(&from, &e))?;
            let mut config: Value = serde_json::from_str(&text)
                .map_err(|e| ModelError::BadConfig { file: from.clone(), reason: e.to_string() })?;
            let key = if config.get("torch_dtype").is_some() { "torch_dtype" } else { "dtype" };
            config[key] = if precision == Precision::F32 { "float32" } else { "bfloat16" }.into();
            let text = serde_json::to_string_pretty(&config).unwrap_or(text);
            crate::files::write_atomic(&to, (text + "\n").as_bytes()).map_err(|e| unwritable(&to, &e))?;
        } else {
            let bytes = std::fs::read(&from).map_err(|e| unreadable(&from, &e))?;
            crate::files::write_atomic(&to, &bytes).map_err(|e| unwritable(&to, &e))?;
        }
    }
    Ok(())
}

/// Config and codec of a folder, if they fit together.
fn read_shape(folder: &Path) -> Result<(Config, Codec), ModelError> {
    let config = Config::from_folder(folder)?;
    check_links(folder)?;
    let codec = Codec::from_folder(folder)?;
    let (tokenizer, model) = (codec.tokenizer.vocab_size(), config.vocab_size);
    if tokenizer > model {
        return Err(ModelError::SmallVocabulary { folder: folder.to_owned(), tokenizer, model });
    }
    Ok((config, codec))
}

fn unreadable(file: &Path, error: &std::io::Error) -> ModelError {
    ModelError::Unreadable { file: file.to_owned(), reason: error.to_string() }
}

/// The safetensors files of a folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
pub(super) fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        let pickle = ["pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"]
            .into_iter()
            .find(|name| folder.join(name).is_file());
        let found = pickle.map_or_else(String::new, |name| format!(" (but {name})"));
        return Err(ModelError::NoWeights { folder: folder.to_owned(), found });
    }
    let damaged = |reason: String| ModelError::Damaged { file: index.clone(), reason };
    let bytes = std::fs::read(&index).map_err(|e| unreadable(&index, &e))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    let map = value["weight_map"].as_object().ok_or_else(|| damaged("it has no weight_map".to_owned()))?;
    let mut names: Vec<&str> = map.values().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            // A shard is a plain file name: an index must not lead out of its folder.
            if Path::new(name).file_name() == Some(name.as_ref()) {
                Ok(folder.join(name))
            } else {
                Err(damaged(format!("the shard name {name:?} is not a plain file name")))
            }
        })
        .collect()
}

/// Checks that the files hold every weight of the config in its shape, calling `each` for those.
fn check(
    config: &Config,
    files: &[PathBuf],
    mut each: impl FnMut(&str, &safetensors::tensor::TensorView<'_>) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let mut wanted: BTreeMap<String, Vec<usize>> = config.weights().into_iter().collect();
    let mut extra = Vec::new();
    for file in files {
        let bytes = map_file(file)?;
        let damaged =
            |e: &dyn std::fmt::Display| ModelError::Damaged { file: file.clone(), reason: e.to_string() };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&e))?;
        for (name, view) in tensors.iter() {
            let Some(expected) = wanted.remove(name) else {
                if !harmless(config, name) {
                    extra.push(name.to_owned());
                }
                continue;
            };
            if view.shape() != expected {
                let (name, found) = (name.to_owned(), view.shape().to_vec());
                return Err(ModelError::Shape { name, found, expected });
            }
            each(name, &view)?;
        }
    }
    if !wanted.is_empty() {
        return Err(ModelError::MissingTensors { names: some(wanted.into_keys()) });
    }
    if !extra.is_empty() {
        let architecture = config.architecture.clone();
        return Err(ModelError::ExtraTensors { names: some(extra.into_iter()), architecture });
    }
    Ok(())
}

/// The first three of some names, and how many more there are.
fn some(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(3);
    let mut text = names.take(3).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// Tensors that files hold beside the weights and that change nothing: an output layer that is tied to the embedding, and
/// tables that are computed.
fn harmless(config: &Config, name: &str) -> bool {
    (config.tie_word_embeddings && name == "lm_head.weight") || name.ends_with("rotary_emb.inv_freq")
}

fn read_weights(config: &Config, files: &[PathBuf]) -> Result<HashMap<String, Tensor>, ModelError> {
    let mut weights = HashMap::new();
    check(config, files, |name, view| {
        let dtype = DType::try_from(view.dtype())?;
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
        let tensor = tensor.to_dtype(DType::F32)?;
        if !host(&tensor)?.par_chunks(1 << 16).all(|part| part.iter().all(|v| v.is_finite())) {
            return Err(ModelError::NotFinite { name: name.to_owned() });
        }
        weights.insert(name.to_owned(), place(&tensor)?);
        Ok(())
    })?;
    Ok(weights)
}

/// Moves a weight to the device that computes: f32 on the CPU, bfloat16 on a GPU, where memory is scarcer than digits.
fn place(tensor: &Tensor) -> candle_core::Result<Tensor> {
    match super::device::pick() {
        Device::Cpu => Ok(tensor.clone()),
        gpu => tensor.to_dtype(DType::BF16)?.to_device(&gpu),
    }
}

/// Maps a file into memory: only what is used is read.
fn map_file(file: &Path) -> Result<memmap2::Mmap, ModelError> {
    let handle = std::fs::File::open(file).map_err(|e| unreadable(file, &e))?;
    // Sound as long as nobody truncates the file while it is mapped: Plumbline writes weight files beside their place
    // and renames them, never in place, and what is read is copied before the map is dropped.
    #[allow(unsafe_code, reason = "memory-mapping a file that is never rewritten in place")]
    let map = unsafe { memmap2::Mmap::map(&handle) }.map_err(|e| unreadable(file, &e))?;
    Ok(map)
}
