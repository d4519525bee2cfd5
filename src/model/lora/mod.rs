//! LoRA adapters in PEFT's folders: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! An adapter holds, for some linear layers with weight W `[out, in]`, two matrices A `[r, in]` and B `[out, r]`; the
//! layer then computes with W + scale·B·A (Hu et al., 2021, equation 3).

mod config;
mod error;
mod target;

pub use config::{BaseModel, LoraConfig};
pub use error::AdapterError;
pub use target::{ModulePattern, TargetModules};

use super::ModelError;
use crate::rng;
use candle_core::{DType, Device, Tensor};
use error::list;
use rand::Rng;
use safetensors::SafeTensors;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

const CONFIG_FILE: &str = "adapter_config.json";
const WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// What PEFT puts before the path of a module in the base.
const PREFIX: &str = "base_model.model.";

/// A linear layer of a base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Its path, such as `model.layers.0.self_attn.q_proj`: the name of its weight without `.weight`.
    pub path: String,
    /// Rows of its weight.
    pub out_features: usize,
    /// Columns of its weight.
    pub in_features: usize,
}

impl LinearShape {
    /// The linear layers among a checkpoint's weights, given by name and shape: matrices named `….weight` other than
    /// those of the embedding and the output layer, in the order given.
    pub fn of_weights<'a>(weights: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Vec<Self> {
        weights
            .into_iter()
            .filter_map(|(name, shape)| {
                let path = name.strip_suffix(".weight")?;
                let &[out_features, in_features] = shape else { return None };
                let linear = !is_embedding(path);
                linear.then(|| Self { path: path.to_owned(), out_features, in_features })
            })
            .collect()
    }
}

/// Embedding and output layer share their weight in tied models and are never adapted here.
fn is_embedding(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("embed_tokens" | "lm_head"))
}

/// The matrices of one linear layer.
#[derive(Clone, Debug)]
pub struct AdapterModule {
    /// Path of the layer in the base, such as `model.layers.0.self_attn.q_proj`.
    pub path: String,
    /// A `[r, in]`.
    pub a: Tensor,
    /// B `[out, r]`.
    pub b: Tensor,
    /// What B·A is multiplied by.
    pub scale: f64,
}

impl AdapterModule {
    /// What the adapter adds to the layer's weight: scale·B·A `[out, in]`, in f32.
    pub fn delta(&self) -> candle_core::Result<Tensor> {
        (self.b.to_dtype(DType::F32)?.matmul(&self.a.to_dtype(DType::F32)?))?.affine(self.scale, 0.0)
    }

    fn out_features(&self) -> usize {
        self.b.dims().first().copied().unwrap_or(0)
    }

    fn in_features(&self) -> usize {
        self.a.dims().last().copied().unwrap_or(0)
    }
}

/// A LoRA adapter.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its settings.
    pub config: LoraConfig,
    /// Its matrices, at most one pair for each linear layer of the base.
    pub modules: Vec<AdapterModule>,
}

impl Adapter {
    /// A new adapter that changes nothing yet, for the layers of `linears` that `config` selects, initialised as PEFT
    /// does by default: A uniform within ±1/√in (Kaiming with a = √5), B zero. The draws depend on `seed` and the
    /// layer's path alone. Matrices are f32 on the CPU.
    pub fn new(config: LoraConfig, linears: &[LinearShape], seed: u64) -> Result<Self, ModelError> {
        let mut modules = Vec::new();
        for (linear, rank, scale) in selected(&config, linears)? {
            let LinearShape { path, out_features, in_features } = linear;
            let bound = 1.0 / (*in_features as f32).sqrt();
            let mut stream = rng::stream(seed, "lora", path);
            let a: Vec<f32> = (0..rank * in_features).map(|_| stream.random_range(-bound..bound)).collect();
            modules.push(AdapterModule {
                path: path.clone(),
                a: Tensor::from_vec(a, (rank, *in_features), &Device::Cpu)?,
                b: Tensor::zeros((*out_features, rank), DType::F32, &Device::Cpu)?,
                scale,
            });
        }
        if modules.is_empty() {
            let known: BTreeSet<&str> = linears.iter().filter_map(|l| l.path.rsplit('.').next()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(settings(format!(
                "they select no linear layer of this model; name some of its modules: {known}"
            )));
        }
        Ok(Self { config, modules })
    }

    /// The layers of `linears` that `config` selects, each with its rank: the size of an adapter without its matrices.
    pub fn sizes(
        config: &LoraConfig,
        linears: &[LinearShape],
    ) -> Result<Vec<(LinearShape, usize)>, ModelError> {
        Ok(selected(config, linears)?.into_iter().map(|(linear, rank, _)| (linear.clone(), rank)).collect())
    }

    /// Reads an adapter that PEFT or [`Adapter::save`] wrote, as f32 on the CPU. Refused are: settings that are not
    /// plain LoRA, pickles, tensors that are missing, foreign, of another shape than the rank says, or not finite.
    /// Whether it fits a base is for [`Adapter::check`].
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        if !folder.is_dir() {
            return Err(AdapterError::NoFolder { folder: folder.to_owned() }.into());
        }
        let file = folder.join(WEIGHTS_FILE);
        if !file.is_file() {
            let pickle = folder.join("adapter_model.bin");
            return Err(if pickle.is_file() {
                AdapterError::Pickle { file: pickle }.into()
            } else {
                AdapterError::NoWeights { folder: folder.to_owned() }.into()
            });
        }
        let config_file = folder.join(CONFIG_FILE);
        let config = LoraConfig::load(&config_file)?;
        let modules = read_modules(&file, &config, &config_file)?;
        Ok(Self { config, modules })
    }

    /// Writes a folder that PEFT opens. Each file is written beside its place and renamed, the settings last, so that
    /// an interrupted save leaves no new folder that looks whole. Matrices keep their precision.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let file = folder.join(WEIGHTS_FILE);
        std::fs::create_dir_all(folder)
            .map_err(|e| ModelError::Unwritable { file: folder.to_owned(), reason: e.to_string() })?;
        let mut tensors = Vec::new();
        for module in &self.modules {
            for (letter, matrix) in [('A', &module.a), ('B', &module.b)] {
                tensors.push((tensor_name(&module.path, letter), matrix.detach().contiguous()?));
            }
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let unwritable = |reason| ModelError::Unwritable { file: file.clone(), reason };
        let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| unwritable(e.to_string()))?;
        crate::files::write_atomic(&file, &bytes).map_err(|e| unwritable(e.to_string()))?;
        self.config.save(&folder.join(CONFIG_FILE))
    }

    /// Checks that the adapter belongs to a base with these linear layers: each of its modules is there in its shape,
    /// and it has matrices for all that its settings select there.
    pub fn check(&self, linears: &[LinearShape]) -> Result<(), ModelError> {
        let shapes: HashMap<&str, &LinearShape> = linears.iter().map(|l| (l.path.as_str(), l)).collect();
        for module in &self.modules {
            let found = shapes.get(module.path.as_str()).map(|l| (l.out_features, l.in_features));
            self.check_module(module, found)?;
        }
        let own: BTreeSet<&str> = self.modules.iter().map(|module| module.path.as_str()).collect();
        let missing: Vec<String> = selected(&self.config, linears)?
            .into_iter()
            .filter(|(linear, ..)| !own.contains(linear.path.as_str()))
            .map(|(linear, ..)| linear.path.clone())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(AdapterError::MissingModules { names: list(&missing) }.into())
    }

    /// Adds the adapter to a base's weights, given by name: W + scale·B·A, computed in f32 and kept in W's precision.
    /// Where one of the weights does not fit, all are left as they were.
    pub fn merge_into(&self, weights: &mut HashMap<String, Tensor>) -> Result<(), ModelError> {
        let mut merged = Vec::with_capacity(self.modules.len());
        for module in &self.modules {
            let name = format!("{}.weight", module.path);
            let weight = weights.get(&name);
            self.check_module(module, weight.and_then(|weight| weight.dims2().ok()))?;
            let Some(weight) = weight else { continue };
            let delta = module.delta()?.to_device(weight.device())?;
            let sum = (weight.to_dtype(DType::F32)? + delta)?.to_dtype(weight.dtype())?;
            merged.push((name, sum));
        }
        weights.extend(merged);
        Ok(())
    }

    /// The matrices of the layer at `path`, if the adapter changes it.
    #[must_use]
    pub fn module(&self, path: &str) -> Option<&AdapterModule> {
        self.modules.iter().find(|module| module.path == path)
    }

    /// Number of parameters in its matrices.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.modules.iter().map(|module| module.a.elem_count() + module.b.elem_count()).sum()
    }

    /// Refuses a module that the base has not, or has in another shape.
    fn check_module(&self, module: &AdapterModule, base: Option<(usize, usize)>) -> Result<(), AdapterError> {
        let own = (module.out_features(), module.in_features());
        let path = &module.path;
        let reason = match base {
            Some(shape) if shape == own => return Ok(()),
            Some((rows, columns)) => {
                format!(
                    "{path} is [{rows}, {columns}] in this model, and [{}, {}] in the adapter",
                    own.0, own.1
                )
            }
            None => format!("it changes {path} [{}, {}], which this model does not have", own.0, own.1),
        };
        let named =
            self.config.base_model_name_or_path.as_ref().map_or_else(String::new, |n| format!(", {n:?}"));
        Err(AdapterError::OtherBase { reason, named })
    }
}

/// The layers of `linears` that `config` selects, each with its rank and scale.
fn selected<'a>(
    config: &LoraConfig,
    linears: &'a [LinearShape],
) -> Result<Vec<(&'a LinearShape, usize, f64)>, ModelError> {
    let rules = config.check().map_err(settings)?;
    if config.target_modules != TargetModules::AllLinear {
        // PEFT would adapt these too.
        for path in ["lm_head", "model.embed_tokens"] {
            if rules.selects(path).map_err(settings)? {
                return Err(settings(format!(
                    "they select {path}, and Plumbline adapts neither the embedding nor the output layer; leave it out"
                )));
            }
        }
    }
    let mut all = Vec::new();
    for linear in linears {
        if rules.selects(&linear.path).map_err(settings)? {
            let (rank, scale) = (rules.rank(&linear.path), rules.scale(&linear.path));
            all.push((linear, rank.map_err(settings)?, scale.map_err(settings)?));
        }
    }
    Ok(all)
}

fn settings(reason: String) -> ModelError {
    AdapterError::Settings { place: "the LoRA settings".to_owned(), reason }.into()
}

fn tensor_name(path: &str, letter: char) -> String {
    format!("{PREFIX}{path}.lora_{letter}.weight")
}

/// Path and letter of a tensor's name. PEFT leaves the adapter's name out when it saves; in files saved by other means
/// it stands there, by default as `default`.
fn parse_name(name: &str) -> Option<(&str, char)> {
    let rest = name.strip_prefix(PREFIX)?;
    let rest = rest.strip_suffix(".default.weight").or_else(|| rest.strip_suffix(".weight"))?;
    let path = rest.strip_suffix(".lora_A").map(|path| (path, 'A'));
    path.or_else(|| rest.strip_suffix(".lora_B").map(|path| (path, 'B')))
}

fn read_modules(
    file: &Path,
    config: &LoraConfig,
    config_file: &Path,
) -> Result<Vec<AdapterModule>, ModelError> {
    let bytes = std::fs::read(file)
        .map_err(|e| ModelError::Unreadable { file: file.to_owned(), reason: e.to_string() })?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| ModelError::Damaged { file: file.to_owned(), reason: e.to_string() })?;

    let mut pairs = BTreeMap::<&str, [Option<&str>; 2]>::new();
    let mut unknown = Vec::new();
    for name in tensors.names() {
        match parse_name(name) {
            Some((path, letter)) if !is_embedding(path) => {
                let twice = pairs.entry(path).or_default()[usize::from(letter == 'B')].replace(name);
                unknown.extend(twice.map(str::to_owned));
            }
            _ => unknown.push(name.to_owned()),
        }
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        return Err(AdapterError::UnknownTensors { file: file.to_owned(), names: list(&unknown) }.into());
    }
    if pairs.is_empty() {
        let names = "every LoRA matrix".to_owned();
        return Err(AdapterError::MissingTensors { file: file.to_owned(), names }.into());
    }
    let mut missing = Vec::new();
    for (path, [a, b]) in &pairs {
        missing.extend(a.is_none().then(|| tensor_name(path, 'A')));
        missing.extend(b.is_none().then(|| tensor_name(path, 'B')));
    }
    if !missing.is_empty() {
        return Err(AdapterError::MissingTensors { file: file.to_owned(), names: list(&missing) }.into());
    }

    let place = config_file.display().to_string();
    let settings = |reason| AdapterError::Settings { place: place.clone(), reason };
    let rules = config.check().map_err(settings)?;
    let mut modules = Vec::with_capacity(pairs.len());
    for (path, names) in pairs {
        let [Some(a), Some(b)] = names else { continue };
        if !rules.selects(path).map_err(settings)? {
            let reason = format!(
                "its target_modules do not select {path}, which {WEIGHTS_FILE} has matrices for; the two are not of the same adapter"
            );
            return Err(settings(reason).into());
        }
        let rank = rules.rank(path).map_err(settings)?;
        let shape = |name: &str, at: usize, what: &str| {
            let found = tensors.tensor(name).map(|view| view.shape().to_vec()).unwrap_or_default();
            if found.len() == 2 && found[at] == rank && !found.contains(&0) {
                return Ok(());
            }
            let (file, name) = (file.to_owned(), name.to_owned());
            Err(AdapterError::Shape { file, name, found, expected: format!("by its rank it is {what}") })
        };
        shape(a, 0, &format!("[{rank}, in]"))?;
        shape(b, 1, &format!("[out, {rank}]"))?;
        modules.push(AdapterModule {
            path: path.to_owned(),
            a: read_matrix(file, &tensors, a)?,
            b: read_matrix(file, &tensors, b)?,
            scale: rules.scale(path).map_err(settings)?,
        });
    }
    Ok(modules)
}

/// A tensor as f32, if it holds finite floats.
fn read_matrix(file: &Path, tensors: &SafeTensors<'_>, name: &str) -> Result<Tensor, ModelError> {
    let view = tensors
        .tensor(name)
        .map_err(|e| ModelError::Damaged { file: file.to_owned(), reason: e.to_string() })?;
    let bad = |reason| AdapterError::Values { file: file.to_owned(), name: name.to_owned(), reason };
    let dtype = DType::try_from(view.dtype()).ok().filter(DType::is_float);
    let Some(dtype) = dtype else {
        return Err(bad(format!("holds {:?} and not floats", view.dtype())).into());
    };
    let matrix =
        Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?.to_dtype(DType::F32)?;
    let columns = view.shape()[1];
    match matrix.flatten_all()?.to_vec1::<f32>()?.iter().position(|value| !value.is_finite()) {
        None => Ok(matrix),
        Some(at) => {
            let reason =
                format!("holds NaN or infinity (first at row {}, column {})", at / columns, at % columns);
            Err(bad(reason).into())
        }
    }
}
