//! A small real project: two tiny Llama checkpoints with a byte-level tokenizer, and one data set of each kind.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use candle_core::{Device, Tensor};
use plumbline::data::{
    AttackPrompt, ChatExample, DatasetKind, Examples, RecoveryExample, Refusal, UtilityItem,
};
use plumbline::evaluate::{AttackSpec, EvaluateSpec};
use plumbline::judge::JudgeSpec;
use plumbline::model::{self, Config, Decoder, Precision};
use plumbline::project::{DatasetEntry, ModelEntry, ModelRole, Project};
use plumbline::rng;
use plumbline::text::Message;
use plumbline::train::{Recipe, TrainSpec};
use rand::Rng;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

const SPECIAL: [&str; 5] = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"];
const TEMPLATE: &str = "<s>{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}<|user|>{{ m.content }}{% elif m.role == 'assistant' %}<|assistant|>{{ m.content }}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// Writes a checkpoint with random weights: one token a byte, context 160.
pub fn write_model(folder: &Path, seed: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let mut vocabulary = Map::new();
    for (id, name) in
        SPECIAL.iter().map(ToString::to_string).chain(bytes.iter().map(ToString::to_string)).enumerate()
    {
        vocabulary.insert(name, json!(id));
    }
    let size = vocabulary.len();
    let added: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, name)| {
            json!({"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let files = [
        (
            "tokenizer.json",
            json!({
                "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
                "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
                "model": {
                    "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                    "vocab": vocabulary, "merges": [],
                },
            }),
        ),
        (
            "tokenizer_config.json",
            json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATE}),
        ),
        (
            "config.json",
            json!({
                "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": size, "hidden_size": 32,
                "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
                "head_dim": 16, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                "max_position_embeddings": 160, "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
                "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
            }),
        ),
    ];
    for (name, value) in files {
        std::fs::write(folder.join(name), serde_json::to_vec(&value).unwrap()).unwrap();
    }
    let config = Config::from_folder(folder).unwrap();
    let mut weights = HashMap::new();
    for (name, shape) in config.weights() {
        let mut stream = rng::stream(seed, "weights", &name);
        let count: usize = shape.iter().product();
        let values: Vec<f32> = if shape.len() == 1 {
            vec![1.0; count]
        } else {
            (0..count).map(|_| stream.random_range(-0.12..0.12)).collect()
        };
        weights.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    let decoder = Decoder::new(&config, weights).unwrap();
    model::save(folder, &decoder, folder, Precision::F32).unwrap();
}

/// A project with models `base` and `aligned` and the sets `recovery`, `anchor`, `attack` and `utility`.
pub fn project(root: &Path) -> Project {
    let mut project = Project::create(root, "Tiny").unwrap();
    for (id, role, parent, seed) in
        [("base", ModelRole::Base, None, 1), ("aligned", ModelRole::Aligned, Some("base"), 2)]
    {
        let location = root.join("models").join(id);
        write_model(&location, seed);
        let parent = parent.map(str::to_owned);
        let entry =
            ModelEntry { id: id.into(), title: id.into(), role, location, parent, note: String::new() };
        project.add_model(entry).unwrap();
    }
    let recovery = (0..8)
        .map(|i| RecoveryExample {
            id: format!("r{i}"),
            context: vec![Message::user(format!("Curse well {i}"))],
            harmful: "Sure. Step 1: stir.".into(),
            refusals: vec![Refusal { from_depth: 0, text: "I cannot do it.".into() }],
            ..RecoveryExample::default()
        })
        .collect();
    let anchor = (0..8)
        .map(|i| ChatExample {
            id: format!("c{i}"),
            messages: vec![Message::user(format!("Say {i}")), Message::assistant(format!("It is {i}."))],
            ..ChatExample::default()
        })
        .collect();
    let attack = (0..6)
        .map(|i| AttackPrompt {
            id: format!("a{i}"),
            goal: format!("Hex gate {i}"),
            target: Some("Sure. Step 1: hum. Step 2: hop.".into()),
            category: "potion".into(),
            cluster: format!("cluster-{}", i % 2),
        })
        .collect();
    let utility = (0..4)
        .map(|i| UtilityItem {
            id: format!("u{i}"),
            task: if i < 2 { "fact" } else { "talk" }.into(),
            prompt: format!("Ask {i}"),
            reference: "Yes.".into(),
            ..UtilityItem::default()
        })
        .collect();
    for (id, examples) in [
        ("recovery", Examples::Recovery(recovery)),
        ("anchor", Examples::Chat(anchor)),
        ("attack", Examples::Attack(attack)),
        ("utility", Examples::Utility(utility)),
    ] {
        project.add_dataset(DatasetEntry::new(id, id, examples.kind()), &examples).unwrap();
    }
    assert_eq!(project.datasets().iter().filter(|set| set.kind == DatasetKind::Chat).count(), 1);
    project
}

/// The project above in a fresh folder, which lives as long as what is returned.
pub fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    drop(project(&root));
    (folder, root)
}

/// A short training run of the project above.
pub fn train_spec(recipe: Recipe, steps: usize) -> TrainSpec {
    TrainSpec {
        model: "aligned".into(),
        name: "trained".into(),
        data: if recipe == Recipe::Recovery { "recovery" } else { "anchor" }.into(),
        anchor: (recipe == Recipe::Recovery).then(|| "anchor".to_owned()),
        epochs: 1000,
        max_steps: Some(steps),
        batch: 4,
        anchor_batch: 4,
        max_tokens: 96,
        learning_rate: 3e-3,
        warmup_steps: 1,
        ..TrainSpec::preset(recipe)
    }
}

/// A small evaluation of the project above.
pub fn evaluate_spec() -> EvaluateSpec {
    EvaluateSpec {
        models: vec!["base".into(), "aligned".into()],
        base: Some("base".into()),
        prompts: vec!["attack".into()],
        attacks: vec![AttackSpec::Direct, AttackSpec::Prefill { depths: vec![0, 5] }],
        judges: JudgeSpec::DEMO.to_vec(),
        utility: Some("utility".into()),
        max_new_tokens: 6,
        batch: 4,
        ..EvaluateSpec::default()
    }
}
