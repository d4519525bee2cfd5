//! Checkpoint folders that are not what they should be: each is refused by a sentence that says what, where and what
//! to do, and loading never panics.

#![allow(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    clippy::struct_field_names,
    reason = "a test stops where something is not there"
)]

use candle_core::{DType, Device, Tensor};
use plumbline::demo;
use plumbline::model::{self, Precision};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Folder {
    _keep: tempfile::TempDir,
    path: PathBuf,
}

/// A copy of the demo base.
fn checkpoint() -> Folder {
    let keep = tempfile::tempdir().unwrap();
    demo::unpack_pair(keep.path()).unwrap();
    Folder { path: keep.path().join("models/base"), _keep: keep }
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let file = folder.join("config.json");
    let mut config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    edit(&mut config);
    fs::write(file, config.to_string()).unwrap();
}

/// Loading and inspecting must both refuse, with all of these words.
fn refused(folder: &Path, words: &[&str]) {
    for error in
        [model::load(folder).unwrap_err().to_string(), model::inspect(folder).unwrap_err().to_string()]
    {
        for word in words {
            assert!(error.contains(word), "{error:?} does not say {word:?}");
        }
    }
}

#[test]
fn the_demo_base_loads() {
    let folder = checkpoint();
    let checkpoint = model::load(&folder.path).unwrap();
    assert_eq!(checkpoint.decoder.parameter_count(), model::inspect(&folder.path).unwrap().parameters);
}

#[test]
fn a_folder_that_is_not_there() {
    refused(Path::new("/nowhere/at/all"), &["/nowhere/at/all is not a folder", "Choose the folder"]);
}

#[test]
fn missing_files_are_named() {
    let folder = checkpoint();
    fs::remove_file(folder.path.join("model.safetensors")).unwrap();
    refused(&folder.path, &["holds no model.safetensors", "convert"]);
    fs::write(folder.path.join("pytorch_model.bin"), b"pickle").unwrap();
    refused(&folder.path, &["pytorch_model.bin", "safetensors only"]);
    fs::remove_file(folder.path.join("config.json")).unwrap();
    refused(&folder.path, &["config.json cannot be read"]);
    let folder = checkpoint();
    fs::remove_file(folder.path.join("tokenizer.json")).unwrap();
    refused(&folder.path, &["tokenizer.json cannot be read"]);
}

#[test]
fn truncation_at_any_length_is_told_as_damage() {
    let folder = checkpoint();
    let file = folder.path.join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    for length in [0, 4, 8, 100, 3000, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        refused(&folder.path, &["model.safetensors is truncated or damaged", "Fetch the file again"]);
    }
}

#[test]
fn an_unknown_architecture_is_refused_by_name() {
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["architectures"] = serde_json::json!(["MambaForCausalLM"]));
    refused(&folder.path, &["MambaForCausalLM", "It runs: LlamaForCausalLM"]);
}

/// Rewrites the weights of a folder.
fn edit_weights(folder: &Path, edit: impl FnOnce(&mut HashMap<String, Tensor>)) {
    let file = folder.join("model.safetensors");
    let mut weights = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
    edit(&mut weights);
    candle_core::safetensors::save(&weights, &file).unwrap();
}

#[test]
fn tensors_that_the_config_has_no_place_for_are_named() {
    let folder = checkpoint();
    let bias = Tensor::zeros(128, DType::BF16, &Device::Cpu).unwrap();
    edit_weights(&folder.path, |w| {
        w.insert("model.layers.0.self_attn.q_proj.bias".to_owned(), bias.clone());
    });
    refused(&folder.path, &["model.layers.0.self_attn.q_proj.bias", "no place", "LlamaForCausalLM"]);
    // What only repeats or can be computed is no reason.
    let folder = checkpoint();
    edit_weights(&folder.path, |w| {
        let head = w["model.embed_tokens.weight"].clone();
        w.insert("lm_head.weight".to_owned(), head);
        w.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), bias);
    });
    model::load(&folder.path).unwrap();
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let folder = checkpoint();
    edit_weights(&folder.path, |w| {
        let norm = w.get_mut("model.norm.weight").unwrap();
        let mut values = norm.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap();
        values[7] = f32::NAN;
        *norm = Tensor::new(values, &Device::Cpu).unwrap();
    });
    let error = model::load(&folder.path).unwrap_err().to_string();
    assert!(error.contains("model.norm.weight") && error.contains("not finite"), "{error}");
}

#[test]
fn a_shard_index_and_links_cannot_lead_out_of_the_folder() {
    let folder = checkpoint();
    fs::remove_file(folder.path.join("model.safetensors")).unwrap();
    let index = r#"{"weight_map": {"model.norm.weight": "../base/model.safetensors"}}"#;
    fs::write(folder.path.join("model.safetensors.index.json"), index).unwrap();
    refused(&folder.path, &["../base/model.safetensors", "not a plain file name"]);
    #[cfg(unix)]
    {
        let (folder, elsewhere) = (checkpoint(), checkpoint());
        let file = folder.path.join("model.safetensors");
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(elsewhere.path.join("model.safetensors"), &file).unwrap();
        refused(&folder.path, &["link that leads out", "model.safetensors"]);
    }
}

#[test]
fn tensors_that_do_not_fit_the_config_are_named() {
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["intermediate_size"] = 400.into());
    refused(&folder.path, &["mlp", "has the shape", "not of the same model"]);
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["num_hidden_layers"] = 5.into());
    refused(&folder.path, &["lack", "model.layers.4.", "and 6 more"]);
}

#[test]
fn a_vocabulary_smaller_than_the_tokenizer() {
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["vocab_size"] = 1000.into());
    // The weights misfit as well; what matters is that the tokenizer is named where they do not.
    let error = model::load(&folder.path).unwrap_err().to_string();
    assert!(error.contains("the tokenizer has") && error.contains("only 1000"), "{error}");
}

#[test]
fn nonsense_in_config_is_told() {
    let folder = checkpoint();
    fs::write(folder.path.join("config.json"), "{ not json").unwrap();
    refused(&folder.path, &["config.json cannot be used"]);
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["hidden_size"] = serde_json::Value::Null);
    refused(&folder.path, &["\"hidden_size\" is missing"]);
    let folder = checkpoint();
    edit_config(&folder.path, |c| c["num_key_value_heads"] = 3.into());
    refused(&folder.path, &["not a multiple"]);
}

#[test]
fn a_shard_index_does_not_lead_out_of_its_folder() {
    let folder = checkpoint();
    fs::remove_file(folder.path.join("model.safetensors")).unwrap();
    let index = r#"{"weight_map": {"model.norm.weight": "../../secret.safetensors"}}"#;
    fs::write(folder.path.join("model.safetensors.index.json"), index).unwrap();
    refused(&folder.path, &["not a plain file name"]);
}

#[test]
fn a_saved_model_is_the_model() {
    let folder = checkpoint();
    let checkpoint = model::load(&folder.path).unwrap();
    let copy = folder.path.parent().unwrap().join("copy");
    model::save(&copy, &checkpoint.decoder, &folder.path, Precision::F32).unwrap();
    let again = model::load(&copy).unwrap();
    for ((name, a), (_, b)) in checkpoint.decoder.weights().iter().zip(again.decoder.weights()) {
        let a = a.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(a, b.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
    }
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(copy.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["torch_dtype"], "float32");
    assert_eq!(model::inspect(&copy).unwrap().dtype, "F32");
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let folder = checkpoint();
    let checkpoint = model::load(&folder.path).unwrap();
    let file = folder.path.join("a-file");
    fs::write(&file, "").unwrap();
    let error =
        model::save(&file, &checkpoint.decoder, &folder.path, Precision::F32).unwrap_err().to_string();
    assert!(error.contains("cannot be written") && error.contains("Choose another folder"), "{error}");
}
