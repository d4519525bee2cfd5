//! LoRA adapters as files: PEFT's numbers and rules reproduced, and adapters that are not what they should be.
//!
//! `tests/reference/make_lora.py` made the adapter in `tests/reference/lora` and the numbers beside it;
//! `make_lora_patterns.py` asked PEFT which modules it adapts under settings of every kind.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not there")]

use candle_core::{DType, Device, Tensor};
use plumbline::model::{Adapter, BaseModel, LinearShape, LoraConfig, ModulePattern, TargetModules};
use plumbline::rng;
use proptest::prelude::*;
use rand::Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Weights = HashMap<String, Tensor>;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

fn weights_of(file: &Path) -> Weights {
    candle_core::safetensors::load(file, &Device::Cpu).unwrap()
}

fn base() -> Weights {
    weights_of(&reference().join("models/llama-2/model.safetensors"))
}

fn linears(weights: &Weights) -> Vec<LinearShape> {
    let mut linears = LinearShape::of_weights(weights.iter().map(|(name, w)| (name.as_str(), w.dims())));
    linears.sort_by(|a, b| a.path.cmp(&b.path));
    linears
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}

/// max|Δ| / max|expected|.
fn relative_error(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let expected = values(expected);
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    values(found).iter().zip(&expected).fold(0.0f32, |m, (f, e)| m.max((f - e).abs())) / largest
}

/// An adapter whose B is not zero.
fn random_adapter(config: LoraConfig, linears: &[LinearShape], seed: u64) -> Adapter {
    let mut adapter = Adapter::new(config, linears, seed).unwrap();
    for module in &mut adapter.modules {
        let mut stream = rng::stream(seed, "B", &module.path);
        let b: Vec<f32> = (0..module.b.elem_count()).map(|_| stream.random_range(-0.5..0.5)).collect();
        module.b = Tensor::from_vec(b, module.b.dims(), &Device::Cpu).unwrap();
    }
    adapter
}

fn assert_same(a: &Adapter, b: &Adapter) {
    assert_eq!(a.config, b.config);
    assert_eq!(a.modules.len(), b.modules.len());
    for module in &a.modules {
        let other = b.module(&module.path).unwrap();
        assert_eq!(module.scale.to_bits(), other.scale.to_bits(), "{}", module.path);
        for (one, two) in [(&module.a, &other.a), (&module.b, &other.b)] {
            assert_eq!(one.dims(), two.dims(), "{}", module.path);
            assert_eq!(bits(one), bits(two), "{}", module.path);
        }
    }
}

#[test]
fn pefts_adapter_loads_fits_its_base_and_merges_to_pefts_weights() {
    let adapter = Adapter::load(&reference().join("lora")).unwrap();
    let mut weights = base();
    adapter.check(&linears(&weights)).unwrap();
    let before = weights.clone();
    adapter.merge_into(&mut weights).unwrap();
    let expected = weights_of(&reference().join("lora/expected.safetensors"));
    let mut compared = 0;
    for (name, expected) in expected.iter().filter_map(|(n, t)| Some((n.strip_prefix("merged/")?, t))) {
        let error = relative_error(&weights[name], expected);
        assert!(error <= 1e-6, "{name}: {error:e}");
        assert!(relative_error(&before[name], expected) > 1e-3, "{name} was not changed by the adapter");
        compared += 1;
    }
    assert_eq!(compared, adapter.modules.len());
    assert_eq!(compared, linears(&weights).len(), "every projection of the reference is adapted");
    for (name, weight) in before.iter().filter(|(name, _)| !name.contains("_proj")) {
        assert_eq!(bits(weight), bits(&weights[name]), "{name} is not adapted");
    }
}

#[test]
fn saving_keeps_every_byte_of_the_tensors_and_every_setting() {
    let adapter = Adapter::load(&reference().join("lora")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    adapter.save(folder.path()).unwrap();
    assert_same(&adapter, &Adapter::load(folder.path()).unwrap());
    let raw = |folder: &Path| {
        let bytes = fs::read(folder.join("adapter_model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        tensors
            .iter()
            .map(|(name, view)| {
                (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
            })
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(raw(&reference().join("lora")), raw(folder.path()));
    let settings = |folder: &Path| -> Value {
        serde_json::from_slice(&fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
    };
    assert_eq!(settings(&reference().join("lora")), settings(folder.path()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
}

#[test]
fn which_modules_with_which_rank_and_scale_is_what_peft_says() {
    let file: Value =
        serde_json::from_slice(&fs::read(reference().join("lora_patterns.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config_file = folder.path().join("adapter_config.json");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let name = &case["name"];
        let linears: Vec<LinearShape> = file["models"][case["model"].as_str().unwrap()]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, shape)| LinearShape {
                path: path.clone(),
                out_features: shape[0].as_u64().unwrap() as usize,
                in_features: shape[1].as_u64().unwrap() as usize,
            })
            .collect();
        let mut config = case["config"].clone();
        config["peft_type"] = "LORA".into();
        fs::write(&config_file, config.to_string()).unwrap();
        let adapter = LoraConfig::load(&config_file).and_then(|config| Adapter::new(config, &linears, 1));
        let Some(expected) = case["modules"].as_object() else {
            assert!(adapter.is_err(), "{name}: PEFT refuses this");
            continue;
        };
        let adapter = adapter.unwrap_or_else(|e| panic!("{name}: {e}"));
        let paths = |paths: Vec<&str>| {
            paths.into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(
            paths(adapter.modules.iter().map(|m| m.path.as_str()).collect()),
            paths(expected.keys().map(String::as_str).collect()),
            "{name}"
        );
        for module in &adapter.modules {
            let rank = expected[&module.path][0].as_u64().unwrap();
            let scale = expected[&module.path][1].as_f64().unwrap();
            assert_eq!(module.a.dims()[0] as u64, rank, "{name}: rank of {}", module.path);
            assert_eq!(module.b.dims()[1] as u64, rank, "{name}: rank of {}", module.path);
            assert!((module.scale - scale).abs() <= 1e-15 * scale, "{name}: scale of {}", module.path);
        }
        adapter.check(&linears).unwrap();
        // The file keeps all of it, the order of the patterns too.
        adapter.save(folder.path()).unwrap();
        let again = Adapter::load(folder.path()).unwrap();
        assert_same(&adapter, &again);
    }
}

#[test]
fn a_new_adapter_is_pefts_initialisation_and_changes_nothing() {
    let mut weights = base();
    let linears = linears(&weights);
    let config = LoraConfig::new(16, 32.0, TargetModules::AllLinear);
    let adapter = Adapter::new(config.clone(), &linears, 7).unwrap();
    for module in &adapter.modules {
        let (a, bound) = (values(&module.a), 1.0 / (module.a.dims()[1] as f32).sqrt());
        let n = a.len() as f32;
        let (mean, square) = (a.iter().sum::<f32>() / n, a.iter().map(|v| v * v).sum::<f32>() / n);
        assert!(a.iter().all(|v| v.abs() <= bound), "{}", module.path);
        // Mean 0 and variance bound²/3, within five standard errors.
        assert!(mean.abs() < 5.0 * bound / (3.0 * n).sqrt(), "{}: mean {mean}", module.path);
        let off = square / (bound * bound / 3.0) - 1.0;
        assert!(off.abs() < 5.0 * (0.8 / n).sqrt(), "{}: variance off by {off}", module.path);
        assert!(values(&module.b).iter().all(|&v| v == 0.0));
        assert!((module.scale - 2.0).abs() < 1e-15);
    }
    let before = weights.clone();
    adapter.merge_into(&mut weights).unwrap();
    for (name, weight) in &before {
        assert_eq!(values(weight), values(&weights[name]), "{name}");
    }
    // Draws are keyed by seed and path: fewer targets, the same numbers.
    let fewer = LoraConfig { target_modules: TargetModules::names(["v_proj"]), ..config.clone() };
    for module in &Adapter::new(fewer, &linears, 7).unwrap().modules {
        assert_eq!(bits(&module.a), bits(&adapter.module(&module.path).unwrap().a));
    }
    let other = Adapter::new(config, &linears, 8).unwrap();
    assert_ne!(bits(&other.modules[0].a), bits(&adapter.modules[0].a));
    assert_ne!(bits(&adapter.modules[0].a), bits(&adapter.modules[1].a));
}

#[test]
fn fused_projections_work_by_their_names() {
    let shapes =
        [("self_attn.qkv_proj", 96, 48), ("self_attn.o_proj", 48, 48), ("mlp.gate_up_proj", 160, 48)];
    let mut weights: Weights = shapes
        .into_iter()
        .map(|(name, rows, columns)| {
            let weight = Tensor::ones((rows, columns), DType::BF16, &Device::Cpu).unwrap();
            (format!("model.layers.0.{name}.weight"), weight)
        })
        .collect();
    let config = LoraConfig::new(3, 6.0, TargetModules::names(["qkv_proj", "gate_up_proj"]));
    let adapter = random_adapter(config, &linears(&weights), 3);
    let folder = tempfile::tempdir().unwrap();
    adapter.save(folder.path()).unwrap();
    let adapter = Adapter::load(folder.path()).unwrap();
    adapter.check(&linears(&weights)).unwrap();
    adapter.merge_into(&mut weights).unwrap();
    assert_eq!(adapter.modules.len(), 2);
    assert_eq!(adapter.parameter_count(), 3 * (96 + 48 + 160 + 48));
    for module in &adapter.modules {
        let merged = &weights[&format!("{}.weight", module.path)];
        assert_eq!(merged.dtype(), DType::BF16, "a weight keeps its precision");
        let (a, b) = (module.a.to_vec2::<f32>().unwrap(), module.b.to_vec2::<f32>().unwrap());
        let merged = merged.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
        for (i, row) in merged.iter().enumerate() {
            for (j, &found) in row.iter().enumerate() {
                let expected = 1.0 + 2.0 * (0..3).map(|k| b[i][k] * a[k][j]).sum::<f32>();
                assert!((found - expected).abs() <= expected.abs() / 128.0, "{} [{i}, {j}]", module.path);
            }
        }
    }
}

#[test]
fn the_base_is_a_folder_or_a_name_of_the_hub() {
    let root = tempfile::tempdir().unwrap();
    let adapter = root.path().join("runs/one/model");
    fs::create_dir_all(&adapter).unwrap();
    for name in ["models/base", "models/empty"] {
        fs::create_dir_all(root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("models/base/config.json"), "{}").unwrap();
    let of = |name: Option<&str>, revision: Option<&str>| {
        let mut config = LoraConfig::new(1, 1.0, TargetModules::AllLinear);
        config.base_model_name_or_path = name.map(str::to_owned);
        config.revision = revision.map(str::to_owned);
        config.base(&adapter)
    };
    assert_eq!(of(None, None), None);
    assert_eq!(of(Some(""), None), None);
    assert_eq!(of(Some("models/base"), None), Some(BaseModel::Folder(root.path().join("models/base"))));
    let hub = |name: &str, revision: Option<&str>| {
        Some(BaseModel::Hub { name: name.to_owned(), revision: revision.map(str::to_owned) })
    };
    assert_eq!(of(Some("models/other"), None), hub("models/other", None));
    assert_eq!(of(Some("models/empty"), None), hub("models/empty", None), "no checkpoint is there");
    assert_eq!(of(Some("some-owner/Some.Model_7b"), Some("v1")), hub("some-owner/Some.Model_7b", Some("v1")));
    let absolute = root.path().join("nowhere");
    assert_eq!(of(absolute.to_str(), None), Some(BaseModel::Folder(absolute)));
    assert_eq!(of(Some("../base"), None), Some(BaseModel::Folder(adapter.join("../base"))));
    assert_eq!(of(Some("a/b/c"), None), Some(BaseModel::Folder(adapter.join("a/b/c"))));
    let shipped = Adapter::load(&reference().join("lora")).unwrap();
    let found = shipped.config.base(&reference().join("lora"));
    assert_eq!(found, Some(BaseModel::Folder(reference().join("models/llama-2"))));
}

// Adapters that are not what they should be.

/// A copy of the reference adapter.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(reference().join("lora").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let file = folder.join("adapter_config.json");
    let mut config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    edit(&mut config);
    fs::write(file, config.to_string()).unwrap();
}

fn edit_tensors(folder: &Path, edit: impl FnOnce(&mut Weights)) {
    let file = folder.join("adapter_model.safetensors");
    let mut tensors = weights_of(&file);
    edit(&mut tensors);
    candle_core::safetensors::save(&tensors, file).unwrap();
}

#[track_caller]
fn says(error: &plumbline::model::ModelError, words: &[&str]) {
    let error = error.to_string();
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

#[track_caller]
fn refused(folder: &Path, words: &[&str]) {
    says(&Adapter::load(folder).unwrap_err(), words);
}

const Q: &str = "base_model.model.model.layers.1.self_attn.q_proj";

#[test]
fn folders_that_hold_no_adapter() {
    refused(Path::new("/nowhere/at/all"), &["/nowhere/at/all is not a folder", "adapter_config.json"]);
    refused(&reference().join("models/llama-2"), &["holds no adapter_model.safetensors", "checkpoint"]);
    let folder = copy();
    fs::remove_file(folder.path().join("adapter_config.json")).unwrap();
    refused(folder.path(), &["adapter_config.json cannot be read"]);
    let folder = copy();
    fs::rename(folder.path().join("adapter_model.safetensors"), folder.path().join("adapter_model.bin"))
        .unwrap();
    refused(folder.path(), &["adapter_model.bin is a pickle", "Convert it", "save_pretrained"]);
}

#[test]
fn truncation_at_any_length_is_told_as_damage() {
    let folder = copy();
    let file = folder.path().join("adapter_model.safetensors");
    let whole = fs::read(&file).unwrap();
    for length in [0, 4, 8, 100, 3000, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        refused(
            folder.path(),
            &["adapter_model.safetensors is truncated or damaged", "Fetch the file again"],
        );
    }
}

#[test]
fn an_adapter_of_another_base_is_told_with_module_and_shapes() {
    let adapter = Adapter::load(&reference().join("lora")).unwrap();
    let mut other = weights_of(&reference().join("models/llama-3/model.safetensors"));
    let before = other.clone();
    let words = ["belongs to another base", "model.layers.0", "in this model, and [", "\"models/llama-2\""];
    says(&adapter.check(&linears(&other)).unwrap_err(), &words);
    says(&adapter.merge_into(&mut other).unwrap_err(), &words);
    for (name, weight) in &before {
        assert_eq!(bits(weight), bits(&other[name]), "a refused merge left {name} alone");
    }
    let mut shallow = base();
    shallow.retain(|name, _| !name.contains("layers.1."));
    let words = ["model.layers.1.", "which this model does not have"];
    says(&adapter.check(&linears(&shallow)).unwrap_err(), &words);
    says(&adapter.merge_into(&mut shallow).unwrap_err(), &words);
    // A base with more layers than the adapter was trained on.
    let mut deep = base();
    let extra = deep["model.layers.0.self_attn.q_proj.weight"].clone();
    deep.insert("model.layers.9.self_attn.q_proj.weight".into(), extra);
    says(
        &adapter.check(&linears(&deep)).unwrap_err(),
        &["lacks the matrices of model.layers.9.self_attn.q_proj"],
    );
}

#[test]
fn tensors_that_do_not_fit_the_settings_are_named() {
    let folder = copy();
    edit_tensors(folder.path(), |t| drop(t.remove(&format!("{Q}.lora_B.weight"))));
    refused(folder.path(), &["lacks", "layers.1.self_attn.q_proj.lora_B.weight"]);

    let folder = copy();
    edit_config(folder.path(), |c| c["r"] = 5.into());
    refused(folder.path(), &["lora_A.weight has the shape [4, ", "by its rank it is [5, in]"]);
    let folder = copy();
    edit_config(folder.path(), |c| c["rank_pattern"] = json!({"layers.1.self_attn.q_proj": 2}));
    refused(folder.path(), &["layers.1.self_attn.q_proj", "[2, in]"]);
    let folder = copy();
    edit_tensors(folder.path(), |t| {
        let b = t[&format!("{Q}.lora_B.weight")].t().unwrap().contiguous().unwrap();
        t.insert(format!("{Q}.lora_B.weight"), b);
    });
    refused(folder.path(), &["q_proj.lora_B.weight", "by its rank it is [out, 4]"]);

    let folder = copy();
    edit_config(folder.path(), |c| c["target_modules"] = json!(["q_proj"]));
    refused(folder.path(), &["do not select", "adapter_config.json cannot be used"]);
    let folder = copy();
    edit_tensors(folder.path(), HashMap::clear);
    refused(folder.path(), &["lacks every LoRA matrix"]);
}

#[test]
fn tensors_that_plain_lora_has_no_place_for_are_named() {
    for name in [
        "base_model.model.lm_head.lora_A.weight",
        "base_model.model.model.embed_tokens.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
    ] {
        let folder = copy();
        edit_tensors(folder.path(), |t| {
            t.insert(name.to_owned(), Tensor::ones((4, 8), DType::F32, &Device::Cpu).unwrap());
        });
        // The name of an adapter's tensor given twice: either of the two is told.
        let told = name.replace(".lora_A.default.weight", ".lora_A");
        refused(folder.path(), &[&told, "has no place for", "merge_and_unload"]);
    }
}

#[test]
fn an_adapters_own_name_may_stand_in_the_tensors_names() {
    let folder = copy();
    edit_tensors(folder.path(), |t| {
        *t = t.drain().map(|(name, tensor)| (name.replace(".weight", ".default.weight"), tensor)).collect();
    });
    assert_same(&Adapter::load(folder.path()).unwrap(), &Adapter::load(&reference().join("lora")).unwrap());
}

#[test]
fn values_that_are_not_finite_floats_are_told() {
    for bad in [f32::NAN, f32::INFINITY] {
        let folder = copy();
        edit_tensors(folder.path(), |t| {
            let a = &t[&format!("{Q}.lora_A.weight")];
            let (shape, mut values) = (a.dims().to_vec(), values(a));
            values[shape[1] + 2] = bad;
            t.insert(format!("{Q}.lora_A.weight"), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
        });
        refused(folder.path(), &["q_proj.lora_A.weight holds NaN or infinity (first at row 1, column 2)"]);
    }
    let folder = copy();
    edit_tensors(folder.path(), |t| {
        let a = t[&format!("{Q}.lora_A.weight")].to_dtype(DType::U8).unwrap();
        t.insert(format!("{Q}.lora_A.weight"), a);
    });
    refused(folder.path(), &["q_proj.lora_A.weight holds U8 and not floats"]);
}

#[test]
fn half_precision_is_read_exactly() {
    for dtype in [DType::BF16, DType::F16] {
        let folder = copy();
        let mut expected = HashMap::new();
        edit_tensors(folder.path(), |t| {
            for tensor in t.values_mut() {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
            expected.clone_from(t);
        });
        for module in Adapter::load(folder.path()).unwrap().modules {
            assert_eq!(module.a.dtype(), DType::F32);
            let name = format!("base_model.model.{}.lora_A.weight", module.path);
            assert_eq!(bits(&module.a), bits(&expected[&name]));
        }
    }
}

#[test]
fn settings_that_would_change_the_results_are_refused_by_name() {
    for (key, value) in [
        ("use_dora", json!(true)),
        ("use_qalora", json!(true)),
        ("lora_bias", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("trainable_token_indices", json!([1, 2])),
        ("target_parameters", json!(["experts.gate_up_proj"])),
        ("layer_replication", json!([[0, 2], [1, 2]])),
        ("alora_invocation_tokens", json!([5])),
        ("megatron_config", json!({"a": 1})),
        ("bias", json!("all")),
        ("peft_type", json!("IA3")),
        ("peft_type", Value::Null),
        ("task_type", json!("SEQ_CLS")),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("init_lora_weights", json!("OLoRA")),
        ("target_modules", Value::Null),
        ("lora_dropout", json!(1.5)),
        ("lora_dropout", json!("much")),
        ("layers_pattern", json!(["layers"])),
        ("rank_pattern", json!({"q_proj(": 4})),
        ("alpha_pattern", json!({"q_proj(": 4})),
        ("target_modules", json!("q_proj(")),
        ("exclude_modules", json!("q_proj(")),
    ] {
        let folder = copy();
        edit_config(folder.path(), |c| c[key] = value.clone());
        let key = if value == "much" { "a setting has a value of another kind" } else { key };
        refused(folder.path(), &["adapter_config.json cannot be used", key]);
    }
    let folder = copy();
    edit_config(folder.path(), |c| c["r"] = 0.into());
    refused(folder.path(), &["adapter_config.json cannot be used", "the rank of \"r\" is 0"]);
    for text in ["{ not json", "[]", "{\"r\": NaN}"] {
        fs::write(folder.path().join("adapter_config.json"), text).unwrap();
        refused(folder.path(), &["adapter_config.json cannot be used"]);
    }
}

#[test]
fn settings_that_change_nothing_are_kept() {
    let folder = copy();
    edit_config(folder.path(), |c| {
        c["lora_dropout"] = json!(0.1);
        c["some_new_setting"] = json!({"kept": [1, 2.5]});
        c["init_lora_weights"] = json!("gaussian");
        c.as_object_mut().unwrap().remove("bias");
    });
    let adapter = Adapter::load(folder.path()).unwrap();
    let plain = Adapter::load(&reference().join("lora")).unwrap();
    for module in &plain.modules {
        let found = adapter.module(&module.path).unwrap();
        assert_eq!((bits(&module.a), bits(&module.b)), (bits(&found.a), bits(&found.b)));
        assert_eq!(module.scale.to_bits(), found.scale.to_bits());
    }
    let copy = tempfile::tempdir().unwrap();
    adapter.save(copy.path()).unwrap();
    let written: Value =
        serde_json::from_slice(&fs::read(copy.path().join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!(written["lora_dropout"], 0.1);
    assert_eq!(written["some_new_setting"], json!({"kept": [1, 2.5]}));
    assert_eq!(written["init_lora_weights"], "gaussian");
    assert_eq!(written["bias"], "none");
    assert_eq!(written["lora_alpha"].to_string(), "8", "a whole number stays one");
}

#[test]
fn settings_of_a_new_adapter_are_checked() {
    let weights = base();
    let linears = linears(&weights);
    assert!(linears.iter().all(|l| l.path.contains("_proj")));
    for targets in [TargetModules::names(["q_proj", "lm_head"]), TargetModules::names(["embed_tokens"])] {
        let error = Adapter::new(LoraConfig::new(2, 4.0, targets), &linears, 1).unwrap_err();
        says(&error, &["neither the embedding nor the output layer", "leave it out"]);
    }
    let error =
        Adapter::new(LoraConfig::new(2, 4.0, TargetModules::names(["query"])), &linears, 1).unwrap_err();
    says(&error, &["select no linear layer", "down_proj, gate_proj, k_proj"]);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let adapter = Adapter::load(&reference().join("lora")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    says(&adapter.save(&file).unwrap_err(), &["a-file cannot be written", "Choose another folder"]);
    fs::create_dir(folder.path().join("adapter_model.safetensors")).unwrap();
    says(&adapter.save(folder.path()).unwrap_err(), &["adapter_model.safetensors cannot be written"]);
}

// PEFT itself.

/// A Python with torch and peft: `PLUMBLINE_PYTHON`, or `python3`.
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("PLUMBLINE_PYTHON").unwrap_or_else(|| "python3".into());
    let ready = Command::new(&python).args(["-c", "import torch, transformers, peft"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!(
        "SKIPPED: {} has no torch, transformers and peft; name one that has in PLUMBLINE_PYTHON",
        python.display()
    );
    None
}

/// What peft makes of the adapter that was just saved in `folder`, beside what it is merged to here.
fn peft_agrees(python: &std::ffi::OsStr, adapter: &Adapter, folder: &Path, expected: Option<&Path>) {
    let mut weights = base();
    adapter.merge_into(&mut weights).unwrap();
    weights.retain(|name, _| name.contains("_proj"));
    let merged = folder.join("merged.safetensors");
    candle_core::safetensors::save(&weights, &merged).unwrap();
    let output = Command::new(python)
        .env("HF_HUB_OFFLINE", "1")
        .arg(reference().join("check_lora.py"))
        .args([&reference().join("models/llama-2"), folder, &merged])
        .args(expected)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    eprintln!("{out}");
}

#[test]
fn peft_reads_what_was_saved() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::load(&reference().join("lora")).unwrap();
    adapter.save(folder.path()).unwrap();
    peft_agrees(&python, &adapter, folder.path(), Some(&reference().join("lora/expected.safetensors")));

    let folder = tempfile::tempdir().unwrap();
    let mut config = LoraConfig::new(3, 7.5, TargetModules::AllLinear);
    config.exclude_modules = Some(ModulePattern::Names(vec!["o_proj".into()]));
    config.use_rslora = true;
    // In the order in which a file sorted by key would turn them round.
    config.rank_pattern.push(("q_proj".into(), 5));
    config.rank_pattern.push(("layers.0.self_attn.q_proj".into(), 2));
    config.alpha_pattern.push((r"layers\.1\..*".into(), 2.0));
    let adapter = random_adapter(config, &linears(&base()), 5);
    adapter.save(folder.path()).unwrap();
    peft_agrees(&python, &adapter, folder.path(), None);
}

// Any settings, any numbers.

fn settings() -> impl Strategy<Value = LoraConfig> {
    let names = prop::sample::subsequence(vec!["q_proj", "k_proj", "self_attn.v_proj", "up_proj"], 1..=4);
    let targets = prop_oneof![
        Just(TargetModules::AllLinear),
        names.prop_map(TargetModules::names),
        Just(TargetModules::Matching(ModulePattern::Regex(r".*\.(q|gate)_proj".into()))),
    ];
    let ranked = vec!["q_proj", r"layers\.0\..*", "^model.layers.1.mlp.up_proj", "[kv]_proj"];
    let ranked = prop::sample::subsequence(ranked, 0..=4).prop_shuffle();
    let patterns = (ranked, prop::collection::vec(1..6usize, 4));
    let alphas = prop::collection::btree_map("(gate|up|q|k|o)_proj", -8.0..8.0f64, 0..3);
    let strings = (prop::option::of("\\PC{0,12}"), prop::option::of("[a-z0-9]{1,8}"));
    (
        targets,
        1..6usize,
        -64.0..64.0f64,
        any::<bool>(),
        0.0..0.99f64,
        patterns,
        alphas,
        strings,
        any::<bool>(),
    )
        .prop_map(|(targets, rank, alpha, rslora, dropout, ranks, alphas, (base, revision), layers)| {
            let mut config = LoraConfig::new(rank, alpha, targets);
            config.use_rslora = rslora;
            config.dropout = dropout;
            config.rank_pattern = ranks.0.into_iter().map(str::to_owned).zip(ranks.1).collect();
            config.alpha_pattern = alphas.into_iter().collect();
            config.base_model_name_or_path = base;
            config.revision = revision;
            if layers && matches!(&config.target_modules, TargetModules::Matching(ModulePattern::Names(_))) {
                config.layers_to_transform = vec![1];
                config.layers_pattern = vec!["layers".into()];
            }
            config
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loading_what_was_saved_is_the_same_adapter(config in settings(), seed: u64) {
        let linears = linears(&base());
        let adapter = random_adapter(config, &linears, seed);
        let folder = tempfile::tempdir().unwrap();
        adapter.save(folder.path()).unwrap();
        let again = Adapter::load(folder.path()).unwrap();
        again.check(&linears).unwrap();
        assert_same(&adapter, &again);
        // Saving over it again gives the same two files.
        let bytes = |name| fs::read(folder.path().join(name)).unwrap();
        let before = ["adapter_config.json", "adapter_model.safetensors"].map(bytes);
        Adapter::load(folder.path()).unwrap().save(folder.path()).unwrap();
        prop_assert_eq!(before, ["adapter_config.json", "adapter_model.safetensors"].map(bytes));
    }
}
