//! `adapter_config.json`: the settings of an adapter, as PEFT writes and reads them.

use super::error::AdapterError;
use super::target::{ModulePattern, Rules, TargetModules};
use crate::model::ModelError;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Settings that make another method than plain LoRA, each with what it is. Any value that Python counts as true asks
/// for it.
const REFUSED: [(&str, &str); 14] = [
    ("use_dora", "DoRA rescales the base's weights"),
    ("use_qalora", "QA-LoRA pools the inputs"),
    ("lora_bias", "B has a bias"),
    ("fan_in_fan_out", "the base's weights lie transposed"),
    ("modules_to_save", "whole modules were trained beside LoRA"),
    ("trainable_token_indices", "embeddings of single tokens were trained beside LoRA"),
    ("target_parameters", "parameters outside linear layers are adapted"),
    ("layer_replication", "layers of the base are repeated"),
    ("alora_invocation_tokens", "aLoRA works from an invocation on"),
    ("use_bdlora", "the matrices are block-diagonal"),
    ("arrow_config", "Arrow routes between adapters"),
    ("kasa_config", "KaSA truncates the base's weights"),
    ("monteclora_config", "MonteCLoRA samples the weights"),
    ("megatron_config", "the layers are Megatron's"),
];

/// Initialisations that take something out of the base's weights, so that the adapter fits only what is left of them.
const CHANGES_BASE: [&str; 5] = ["pissa", "corda", "olora", "loftq", "lora_ga"];

/// Further settings that PEFT writes and that change nothing about how a finished adapter computes.
const HARMLESS: [&str; 15] = [
    "auto_mapping",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "inference_mode",
    "init_lora_weights",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "task_type",
    "velora_config",
];

/// Settings of a LoRA adapter (Hu et al., 2021): W + scale·B·A with A of rank r. Named as in PEFT's `LoraConfig`,
/// with its defaults for what the file does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// Rank r where no pattern says otherwise; `r` in the file.
    #[serde(rename = "r", default = "eight")]
    pub rank: usize,
    /// α where no pattern says otherwise; `lora_alpha` in the file.
    #[serde(rename = "lora_alpha", default = "eight_point", serialize_with = "whole")]
    pub alpha: f64,
    /// Share of A's inputs dropped in training; of no effect in a finished adapter. `lora_dropout` in the file.
    #[serde(rename = "lora_dropout", default)]
    pub dropout: f64,
    /// Which linear layers get an adapter.
    pub target_modules: TargetModules,
    /// Which of those get none after all.
    #[serde(default)]
    pub exclude_modules: Option<ModulePattern>,
    /// Other ranks, by patterns for the end of a module's path. The first that matches counts, so the order is kept.
    #[serde(default, deserialize_with = "pairs", serialize_with = "as_map")]
    pub rank_pattern: Vec<(String, usize)>,
    /// Other α, likewise.
    #[serde(default, deserialize_with = "pairs", serialize_with = "as_whole_map")]
    pub alpha_pattern: Vec<(String, f64)>,
    /// Scale by α / √r instead of α / r.
    #[serde(default)]
    pub use_rslora: bool,
    /// Numbers of the layers that get adapters; empty: all.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "or_null")]
    pub layers_to_transform: Vec<usize>,
    /// Names, as patterns, of the list of layers that those numbers count in; empty: any list.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "or_null")]
    pub layers_pattern: Vec<String>,
    /// The model that the adapter was trained on; see [`LoraConfig::base`].
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    /// Which revision of it.
    #[serde(default)]
    pub revision: Option<String>,
    /// What else stands in the file and is not the same in every adapter of plain LoRA; kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where an adapter's base is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseModel {
    /// A checkpoint folder.
    Folder(PathBuf),
    /// A model of the Hub.
    Hub {
        /// `owner/name`, or a name alone.
        name: String,
        /// The revision asked for.
        revision: Option<String>,
    },
}

impl LoraConfig {
    /// Settings for training a new adapter.
    #[must_use]
    pub fn new(rank: usize, alpha: f64, target_modules: TargetModules) -> Self {
        Self {
            rank,
            alpha,
            dropout: 0.0,
            target_modules,
            exclude_modules: None,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            use_rslora: false,
            layers_to_transform: Vec::new(),
            layers_pattern: Vec::new(),
            base_model_name_or_path: None,
            revision: None,
            other: Map::new(),
        }
    }

    /// Reads an `adapter_config.json`. Settings that would change the results and are not supported are refused by
    /// name; keys that are unknown to peft 0.21 are kept and, as PEFT does, ignored with a warning in the log.
    pub fn load(file: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(file)
            .map_err(|e| ModelError::Unreadable { file: file.to_owned(), reason: e.to_string() })?;
        Self::parse(&bytes)
            .map_err(|reason| AdapterError::Settings { place: file.display().to_string(), reason }.into())
    }

    /// Writes the settings as PEFT reads them, keys in order; whole or not at all.
    pub fn save(&self, file: &Path) -> Result<(), ModelError> {
        let unwritable = |reason| ModelError::Unwritable { file: file.to_owned(), reason };
        let mut text = serde_json::to_string_pretty(&self.to_file().map_err(|e| unwritable(e.to_string()))?)
            .map_err(|e| unwritable(e.to_string()))?;
        text.push('\n');
        crate::files::write_atomic(file, text.as_bytes()).map_err(|e| unwritable(e.to_string()))
    }

    /// Checks that the settings make sense together; an error is a sentence without a full stop.
    pub(super) fn check(&self) -> Result<Rules<'_>, String> {
        for (key, rank) in std::iter::once(("r", self.rank))
            .chain(self.rank_pattern.iter().map(|(pattern, rank)| (pattern.as_str(), *rank)))
        {
            if rank == 0 {
                return Err(format!("the rank of {key:?} is 0; a rank is at least 1"));
            }
        }
        if let Some(pattern) = twice(&self.rank_pattern).or_else(|| twice(&self.alpha_pattern)) {
            return Err(format!("the pattern {pattern:?} is given twice; keep one of them"));
        }
        for (key, alpha) in std::iter::once(("lora_alpha", self.alpha))
            .chain(self.alpha_pattern.iter().map(|(pattern, alpha)| (pattern.as_str(), *alpha)))
        {
            if !alpha.is_finite() {
                return Err(format!("the alpha of {key:?} is {alpha}; give a finite number"));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("lora_dropout is {}; it is a share from 0 to below 1", self.dropout));
        }
        let by_name = matches!(&self.target_modules, TargetModules::Matching(ModulePattern::Names(_)));
        let by_layer = !self.layers_to_transform.is_empty() || !self.layers_pattern.is_empty();
        if by_layer && !by_name {
            return Err("layers_to_transform and layers_pattern work only where target_modules is a list of names; name the modules, or put the layers into the regular expression".to_owned());
        }
        if self.layers_to_transform.is_empty() && !self.layers_pattern.is_empty() {
            return Err("layers_pattern needs layers_to_transform; add the layers' numbers".to_owned());
        }
        Rules::new(self)
    }

    /// The base that `base_model_name_or_path` names, for an adapter in `folder`. A relative path is looked for in
    /// the adapter's folder and those that hold it, nearest first, until a checkpoint stands there; otherwise what can
    /// be a name of the Hub is one.
    #[must_use]
    pub fn base(&self, folder: &Path) -> Option<BaseModel> {
        let name = self.base_model_name_or_path.as_deref().filter(|name| !name.is_empty())?;
        let path = Path::new(name);
        if path.is_absolute() {
            return Some(BaseModel::Folder(path.to_owned()));
        }
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let found = absolute
            .ancestors()
            .map(|place| place.join(path))
            .find(|place| place.join("config.json").is_file());
        let hub = name.split('/').count() <= 2
            && name.split('/').all(|part| {
                part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                    && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            });
        Some(match found {
            Some(folder) => BaseModel::Folder(folder),
            None if hub => BaseModel::Hub { name: name.to_owned(), revision: self.revision.clone() },
            None => BaseModel::Folder(folder.join(path)),
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| format!("it is not JSON ({e}); fetch or save the adapter again"))?;
        let keys = value
            .as_object()
            .ok_or("it is not a JSON object; choose the adapter_config.json that PEFT wrote")?;
        refuse(keys)?;
        let mut config: Self = serde_json::from_value(value.clone()).map_err(|e| {
            format!("a setting has a value of another kind than PEFT writes ({e}); correct it")
        })?;
        config.layers_pattern.retain(|pattern| !pattern.is_empty());
        let constants = always_written();
        config.other.retain(|key, value| constants.get(key.as_str()) != Some(value));
        config.check()?;
        for (key, value) in &config.other {
            let known = HARMLESS.contains(&key.as_str()) || REFUSED.iter().any(|(name, _)| name == key);
            if !known && is_true(value) {
                log::warn!("adapter_config.json: {key} is unknown and ignored: {value}");
            }
        }
        Ok(config)
    }

    /// The whole file, its keys in order.
    fn to_file(&self) -> serde_json::Result<BTreeMap<String, Value>> {
        let mut all: BTreeMap<String, Value> =
            always_written().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if let Value::Object(own) = serde_json::to_value(self)? {
            all.extend(own);
        }
        Ok(all)
    }
}

/// What other readers look for in the file, as it stands there for plain LoRA.
fn always_written() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("peft_type", json!("LORA")),
        ("task_type", json!("CAUSAL_LM")),
        ("auto_mapping", Value::Null),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        ("init_lora_weights", json!(true)),
        ("lora_bias", json!(false)),
        ("modules_to_save", Value::Null),
        ("use_dora", json!(false)),
    ])
}

/// Refuses what is not plain LoRA on the linear layers of a causal language model.
fn refuse(keys: &Map<String, Value>) -> Result<(), String> {
    let merge = "merge the adapter into its base with peft (merge_and_unload) and open the merged model";
    match keys.get("peft_type").unwrap_or(&Value::Null) {
        Value::String(kind) if kind == "LORA" => {}
        other => {
            return Err(format!("its peft_type is {other}, and Plumbline runs LORA only; {merge}"));
        }
    }
    match keys.get("task_type").unwrap_or(&Value::Null) {
        Value::Null => {}
        Value::String(task) if task == "CAUSAL_LM" => {}
        other => {
            return Err(format!(
                "its task_type is {other}, and Plumbline runs adapters for CAUSAL_LM only; choose an adapter of a language model"
            ));
        }
    }
    for (key, meaning) in REFUSED {
        if let Some(value) = keys.get(key).filter(|value| is_true(value)) {
            return Err(format!(
                "it sets {key} to {value} ({meaning}), which Plumbline does not run; {merge}"
            ));
        }
    }
    if let Some(bias) = keys.get("bias").filter(|bias| !matches!(bias.as_str(), Some("none"))) {
        return Err(format!(
            "it sets bias to {bias} (the base's biases were trained beside LoRA), which Plumbline does not run; {merge}"
        ));
    }
    if let Some(Value::String(kind)) = keys.get("init_lora_weights") {
        let kind = kind.to_lowercase();
        if CHANGES_BASE.iter().any(|name| kind.starts_with(name)) {
            return Err(format!(
                "its init_lora_weights {kind:?} changes the base's weights, so that it does not fit the base as it is; save it with peft's path_initial_model_for_weight_conversion, which makes plain LoRA of it"
            ));
        }
    }
    if keys.get("target_modules").is_none_or(Value::is_null) {
        return Err("it does not say target_modules; add the names of the modules that the adapter changes, such as [\"q_proj\", \"v_proj\"]".to_owned());
    }
    Ok(())
}

/// What Python counts as true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(set) => *set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}

/// A pattern that is given more than once: a file cannot hold both.
fn twice<T>(patterns: &[(String, T)]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    patterns.iter().map(|(pattern, _)| pattern.as_str()).find(|pattern| !seen.insert(*pattern))
}

fn eight() -> usize {
    8
}

fn eight_point() -> f64 {
    8.0
}

/// A number without a fraction as PEFT writes it: 16, not 16.0.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn whole<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    number(*value).serialize(serializer)
}

fn as_whole_map<S: Serializer>(values: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, number(*value))))
}

fn as_map<S: Serializer, T: Serialize>(values: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, value)))
}

fn or_null<S: Serializer, T: Serialize>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    (!values.is_empty()).then_some(values).serialize(serializer)
}

/// A map in the order of the file.
fn pairs<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<(String, T)>, D::Error> {
    let map: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    map.unwrap_or_default()
        .into_iter()
        .map(|(key, value)| Ok((key, serde_json::from_value(value).map_err(D::Error::custom)?)))
        .collect()
}

/// PEFT takes one value in place of a list of one.
fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(value)) => vec![value],
        Some(OneOrMany::Many(values)) => values,
    })
}
