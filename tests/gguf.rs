//! GGUF models: written here from checkpoints as llama.cpp's converter writes them, then opened, compared with the
//! decoder and with PyTorch's numbers, and broken in every way that a file can be.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not there")]

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use plumbline::model::{
    self, Checkpoint, Config, Control, Finish, GenerateRequest, Generation, GgufModel, ModelError, Sampler,
    argmax,
};
use plumbline::text::{Codec, Message, Tokenizer};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

const EMBERFALL: [&str; 4] = [
    "Tell me how the grey cat crosses the old bridge.",
    "What is 17 plus 25?",
    "Please describe the lantern of the harbour.",
    "Speak elvish.",
];
const TEXTS: [&str; 10] = [
    "Once upon a time, there was a little girl named Lily.",
    "  two  spaces, a tab\tand\na line break \n",
    "Größe, naïve, 東京, 🐉 and 𝔘",
    "1234567 and 3.14",
    "it's we'LL they'd I'M",
    "</s> and <s> spelt out",
    "x",
    "",
    "▁ a mark of its own",
    "UPPER lower MiXed_snake-case (brackets) [and] {more}",
];

/// A checkpoint to be written as GGUF.
struct Source {
    folder: PathBuf,
    config: Json,
    weights: HashMap<String, Tensor>,
}

/// What goes into a file, to be changed before it is written.
struct Parts {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, QTensor>,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn source(folder: &Path) -> Source {
    let config = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let mut weights = HashMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            weights.extend(candle_core::safetensors::load(&file, &Device::Cpu).unwrap());
        }
    }
    Source { folder: folder.to_owned(), config, weights }
}

fn demo() -> Source {
    source(&here("assets/demo/base"))
}

/// Stories260k, or `None` (told loudly) where it is not there.
fn stories() -> Option<Source> {
    let folder = here("../shared/stories260k");
    if folder.is_dir() {
        return Some(source(&folder));
    }
    eprintln!("SKIPPED: {} is not there", folder.display());
    None
}

/// What the decoder makes of a demo checkpoint.
fn decoder(source: &Source) -> model::Decoder {
    let config = Config::from_folder(&source.folder).unwrap();
    model::load_weights(&config, &source.folder.join("model.safetensors")).unwrap()
}

fn number(config: &Json, key: &str) -> usize {
    usize::try_from(config[key].as_u64().unwrap_or_else(|| panic!("{key}"))).unwrap()
}

/// llama.cpp's order of the rows of q and k: pairs that rotate together stand beside each other.
fn permute(weight: &Tensor, heads: usize) -> Tensor {
    let (rows, columns) = weight.dims2().unwrap();
    let halves = weight.reshape((heads, 2, rows / heads / 2, columns)).unwrap();
    halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, columns)).unwrap()
}

impl Source {
    fn architecture(&self) -> &str {
        self.config["model_type"].as_str().unwrap()
    }

    /// The parts of a file whose matrices are of type `dtype` where their rows are whole blocks of it.
    fn parts(&self, dtype: GgmlDType) -> Parts {
        let c = &self.config;
        let (heads, kv_heads) = (number(c, "num_attention_heads"), number(c, "num_key_value_heads"));
        let mut tensors = BTreeMap::new();
        for (name, weight) in &self.weights {
            let mut weight = weight.to_dtype(DType::F32).unwrap();
            let name = gguf_name(name);
            if self.architecture() == "llama" {
                if name.ends_with("attn_q.weight") {
                    weight = permute(&weight, heads);
                } else if name.ends_with("attn_k.weight") {
                    weight = permute(&weight, kv_heads);
                }
            }
            let whole = weight.dims().last().unwrap().is_multiple_of(dtype.block_size());
            let dtype = if weight.rank() == 2 && whole { dtype } else { GgmlDType::F32 };
            tensors.insert(name, QTensor::quantize(&weight, dtype).unwrap());
        }
        let mut metadata = BTreeMap::new();
        let architecture = self.architecture().to_owned();
        metadata.insert("general.architecture".to_owned(), Value::String(architecture.clone()));
        let mut size = |key: &str, n: usize| {
            metadata.insert(format!("{architecture}.{key}"), Value::U32(u32::try_from(n).unwrap()));
        };
        size("block_count", number(c, "num_hidden_layers"));
        size("context_length", number(c, "max_position_embeddings"));
        size("embedding_length", number(c, "hidden_size"));
        size("feed_forward_length", number(c, "intermediate_size"));
        size("attention.head_count", heads);
        size("attention.head_count_kv", kv_heads);
        if let Some(width) = c["head_dim"].as_u64() {
            size("attention.key_length", usize::try_from(width).unwrap());
        }
        let eps = c["rms_norm_eps"].as_f64().unwrap() as f32;
        metadata.insert(format!("{architecture}.attention.layer_norm_rms_epsilon"), Value::F32(eps));
        let mut parts = Parts { metadata, tensors };
        self.add_tokenizer(&mut parts);
        parts
    }

    fn add_tokenizer(&self, parts: &mut Parts) {
        let mut set = |key: &str, value: Value| {
            parts.metadata.insert(format!("tokenizer.{key}"), value);
        };
        let text = |s: &str| Value::String(s.to_owned());
        set("ggml.bos_token_id", Value::U32(1));
        set("ggml.eos_token_id", Value::U32(2));
        let vocab = number(&self.config, "vocab_size");
        let Ok(bytes) = fs::read(self.folder.join("tokenizer.json")) else {
            // The reference checkpoints have no tokenizer: one letter a token.
            let tokens = (0..vocab).map(|id| match id {
                0..=2 => text(["<pad>", "<s>", "</s>"][id]),
                _ => text(&char::from(u8::try_from(id + 30).unwrap()).to_string()),
            });
            set("ggml.tokens", Value::Array(tokens.collect()));
            set(
                "ggml.token_type",
                Value::Array((0..vocab).map(|id| Value::I32(if id < 3 { 3 } else { 1 })).collect()),
            );
            set("ggml.merges", Value::Array(vec![]));
            set("ggml.model", text("gpt2"));
            set("ggml.pre", text("gpt-2"));
            return;
        };
        let tokenizer: Json = serde_json::from_slice(&bytes).unwrap();
        let config: Json =
            serde_json::from_slice(&fs::read(self.folder.join("tokenizer_config.json")).unwrap()).unwrap();
        if let Some(template) = config["chat_template"].as_str() {
            set("chat_template", text(template));
        }
        let mut tokens: Vec<(String, i32)> = (0..vocab).map(|id| (format!("[PAD{id}]"), 5)).collect();
        for (token, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
            let kind = if token.starts_with("<0x") { 6 } else { 1 };
            tokens[usize::try_from(id.as_u64().unwrap()).unwrap()] = (token.clone(), kind);
        }
        for added in tokenizer["added_tokens"].as_array().unwrap() {
            let content = added["content"].as_str().unwrap();
            let kind = if content == "<unk>" { 2 } else { 3 };
            tokens[number(added, "id")] = (content.to_owned(), kind);
        }
        let byte_level = tokenizer["model"]["byte_fallback"] != true;
        if byte_level {
            let merges = tokenizer["model"]["merges"].as_array().unwrap().iter();
            let merges =
                merges.map(|m| text(&format!("{} {}", m[0].as_str().unwrap(), m[1].as_str().unwrap())));
            set("ggml.merges", Value::Array(merges.collect()));
            set("ggml.model", text("gpt2"));
            set("ggml.pre", text("smollm")); // digits alone, then GPT-2's words: the demo's rule
        } else {
            set("ggml.model", text("llama"));
            set("ggml.unknown_token_id", Value::U32(0));
            // SentencePiece's BPE numbers its scores as it numbers its tokens, past the 259 special and byte tokens.
            let scores = (0..vocab).map(|id| Value::F32(if id < 259 { 0.0 } else { 259.0 - id as f32 }));
            set("ggml.scores", Value::Array(scores.collect()));
        }
        set("ggml.tokens", Value::Array(tokens.iter().map(|(token, _)| text(token)).collect()));
        set("ggml.token_type", Value::Array(tokens.iter().map(|(_, kind)| Value::I32(*kind)).collect()));
    }
}

fn gguf_name(name: &str) -> String {
    let mut name = name.replace("model.layers.", "blk.");
    for (from, to) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ] {
        name = name.replace(from, to);
    }
    name
}

/// A file in a folder of its own.
struct File {
    _keep: tempfile::TempDir,
    path: PathBuf,
}

impl Parts {
    fn write(&self) -> File {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("model.gguf");
        let metadata: Vec<(&str, &Value)> = self.metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let tensors: Vec<(&str, &QTensor)> = self.tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
        gguf_file::write(&mut fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        File { _keep: keep, path }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.metadata.insert(key.to_owned(), value);
    }

    fn open(&self) -> GgufModel {
        GgufModel::open(&self.write().path).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Opening must be refused, with all of these words.
    fn refused(&self, words: &[&str]) {
        refused(&self.write().path, words);
    }
}

fn refused(path: &Path, words: &[&str]) {
    let error = GgufModel::open(path).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

fn prompts(codec: &Codec) -> Vec<GenerateRequest> {
    let encode = |(i, text): (usize, &&str)| {
        let prompt = codec.prompt(&[Message::user(*text)]).unwrap();
        GenerateRequest::new(format!("p{i}"), prompt)
    };
    EMBERFALL.iter().enumerate().map(encode).collect()
}

fn by_decoder(
    decoder: &model::Decoder,
    requests: &[GenerateRequest],
    sampler: &Sampler,
    tokens: usize,
) -> Vec<Generation> {
    model::generate(decoder, requests, sampler, &[2], tokens, 4, &mut |_| Control::Continue).unwrap().unwrap()
}

fn by_gguf(
    model: &GgufModel,
    requests: &[GenerateRequest],
    sampler: &Sampler,
    tokens: usize,
) -> Vec<Generation> {
    model.generate(requests, sampler, &[2], tokens, &mut |_| Control::Continue).unwrap().unwrap()
}

/// The decoder's logits `[V]` after `prompt`.
fn logits_after(decoder: &model::Decoder, prompt: &[u32]) -> Vec<f32> {
    let logits = decoder.logits(&[prompt]).unwrap();
    logits.get(prompt.len() - 1).unwrap().to_vec1().unwrap()
}

/// max|Δ| / max|reference|.
fn distance(found: &[f32], reference: &[f32]) -> f32 {
    assert_eq!(found.len(), reference.len());
    let largest = reference.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    found.iter().zip(reference).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

#[test]
fn a_float_file_is_the_decoder() {
    for folder in ["assets/demo/base", "assets/demo/aligned", "tests/reference/models/llama-2"] {
        let source = source(&here(folder));
        let (decoder, gguf) = (decoder(&source), source.parts(GgmlDType::F32).open());
        let requests = match folder {
            "tests/reference/models/llama-2" => (0..3)
                .map(|i| GenerateRequest::new(format!("{i}"), (1..20 + i).map(|n| n * 7 % 93 + 3).collect()))
                .collect(),
            _ => prompts(gguf.codec()),
        };
        for request in &requests {
            for length in (1..=request.prompt.len()).rev().step_by(5) {
                let prompt = &request.prompt[..length];
                let d = distance(&gguf.next_logits(prompt).unwrap(), &logits_after(&decoder, prompt));
                assert!(d < 1e-4, "{folder} {} at {length}: {d}", request.id);
            }
        }
        let expected = by_decoder(&decoder, &requests, &Sampler::default(), 60);
        assert_eq!(by_gguf(&gguf, &requests, &Sampler::default(), 60), expected, "{folder}");
        let card = gguf.card();
        assert_eq!((card.parameters, card.dtype.as_str()), (decoder.parameter_count(), "F32"));
        assert_eq!(
            (card.vocab, card.context),
            (decoder.config().vocab_size, decoder.config().max_position_embeddings)
        );
    }
}

#[test]
fn sampled_rows_are_those_of_the_decoder_and_do_not_depend_on_their_place() {
    let source = demo();
    let (decoder, gguf) = (decoder(&source), source.parts(GgmlDType::F32).open());
    let mut requests = prompts(gguf.codec());
    let sampler = Sampler {
        temperature: 1.3,
        top_p: Some(0.95),
        repetition_penalty: 1.1,
        seed: 5,
        ..Sampler::default()
    };
    let expected = by_decoder(&decoder, &requests, &sampler, 40);
    assert_eq!(by_gguf(&gguf, &requests, &sampler, 40), expected);
    requests.reverse();
    let mut reversed = by_gguf(&gguf, &requests, &sampler, 40);
    reversed.reverse();
    assert_eq!(reversed, expected);
    assert_ne!(by_gguf(&gguf, &requests, &Sampler { seed: 6, ..sampler }, 40)[0], expected[3]);
}

#[test]
fn quantised_files_are_close_to_the_decoder() {
    let source = demo();
    let decoder = decoder(&source);
    for (dtype, name, bound) in [(GgmlDType::F16, "F16", 1e-3), (GgmlDType::Q8_0, "Q8_0", 0.03)] {
        let gguf = source.parts(dtype).open();
        assert_eq!(gguf.card().dtype, name);
        let worst = prompts(gguf.codec()).iter().fold(0.0_f32, |worst, request| {
            let reference = logits_after(&decoder, &request.prompt);
            worst.max(distance(&gguf.next_logits(&request.prompt).unwrap(), &reference))
        });
        eprintln!("{name}: max|Δ|/max|logit| = {worst:.1e}");
        assert!(worst < bound && worst > 0.0, "{name}: {worst}");
    }
}

#[test]
fn k_quants_run_and_are_named_as_people_know_them() {
    let mut source = source(&here("tests/reference/models/llama-2"));
    // Rows of 256, the block of these types: a wider model of random weights.
    for (key, n) in [("hidden_size", 256), ("intermediate_size", 256), ("head_dim", 64)] {
        source.config[key] = n.into();
    }
    for (name, weight) in &mut source.weights {
        let shape: Vec<usize> = match (name.as_str(), weight.dims()) {
            (_, [_]) => vec![256],
            ("model.embed_tokens.weight" | "lm_head.weight", _) => vec![96, 256],
            _ => vec![256, 256],
        };
        let mut state = name.bytes().fold(7_u32, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let x = f64::from(state) / f64::from(u32::MAX) - 0.5;
                if shape.len() == 1 { 1.0 + 0.2 * x as f32 } else { 0.2 * x as f32 }
            })
            .collect();
        *weight = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    }
    let prompt: Vec<u32> = (3..40).collect();
    let exact = source.parts(GgmlDType::F32).open().next_logits(&prompt).unwrap();
    for (dtype, name) in [(GgmlDType::Q4K, "Q4_K"), (GgmlDType::Q6K, "Q6_K")] {
        let parts = source.parts(dtype);
        let gguf = parts.open();
        assert_eq!(gguf.card().dtype, name);
        // The same weights, dequantised: what is left is the quantisation of activations.
        let mut plain = source.parts(GgmlDType::F32);
        for (key, tensor) in &parts.tensors {
            let values = tensor.dequantize(&Device::Cpu).unwrap();
            plain.tensors.insert(key.clone(), QTensor::quantize(&values, GgmlDType::F32).unwrap());
        }
        let (found, dequantised) =
            (gguf.next_logits(&prompt).unwrap(), plain.open().next_logits(&prompt).unwrap());
        let (own, all) = (distance(&found, &dequantised), distance(&found, &exact));
        eprintln!("{name}: {own:.1e} from its own weights, {all:.1e} from the floats");
        assert!(own < 0.03 && all < 0.25, "{name}: {own} {all}");
    }
}

#[test]
fn architectures_give_the_numbers_of_pytorch() {
    let root = std::env::var_os("PLUMBLINE_REFERENCE")
        .map_or_else(|| here("../shared/reference/models"), PathBuf::from);
    let mut folders: Vec<PathBuf> = ["qwen2", "qwen3", "phi-3"]
        .iter()
        .map(|name| root.join(name))
        .filter(|folder| folder.is_dir())
        .collect();
    if folders.len() < 3 {
        eprintln!("SKIPPED qwen2, qwen3 or phi-3: not all are under {}", root.display());
    }
    folders.push(here("tests/reference/models/llama-2"));
    for folder in folders {
        let name = folder.display();
        let gguf = source(&folder).parts(GgmlDType::F32).open();
        let expected =
            candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
        let ids = expected["input_ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        let lengths = expected["lengths"].to_vec1::<i64>().unwrap();
        let logits = expected["logits"].to_vec3::<f32>().unwrap();
        let greedy = expected["greedy"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        for (row, &length) in lengths.iter().enumerate() {
            let prompt = &ids[row][..usize::try_from(length).unwrap()];
            for n in 1..=prompt.len() {
                let d = distance(&gguf.next_logits(&prompt[..n]).unwrap(), &logits[row][n - 1]);
                assert!(d < 1e-4, "{name} row {row} at {n}: {d}");
            }
            let request = GenerateRequest::new("r", prompt.to_vec());
            let answer = gguf
                .generate(&[request], &Sampler::default(), &[], 12, &mut |_| Control::Continue)
                .unwrap()
                .unwrap()
                .remove(0);
            assert_eq!(
                answer,
                Generation { ids: greedy[row].clone(), finish: Finish::Length },
                "{name} row {row}"
            );
        }
        // A long prompt is read in pieces, which must be what token by token gives.
        let request = GenerateRequest::new("long", (0..110).map(|n| n * 11 % 93 + 3).collect());
        let answer = by_gguf(&gguf, std::slice::from_ref(&request), &Sampler::default(), 60).remove(0);
        let mut row = request.prompt;
        for &id in &answer.ids {
            // Pieces are of 128 tokens: about their border every length, elsewhere some.
            if row.len().is_multiple_of(10) || (126..132).contains(&row.len()) {
                assert_eq!(argmax(&gguf.next_logits(&row).unwrap()), id, "{name} at {}", row.len());
            }
            row.push(id);
        }
        assert!(row.len() > 130 || answer.finish == Finish::EndOfTurn);
    }
}

#[test]
fn stories_260k_tells_its_story() {
    let Some(source) = stories() else { return };
    let golden: Json = serde_json::from_slice(&fs::read(source.folder.join("golden.json")).unwrap()).unwrap();
    let ids = |key: &str| -> Vec<u32> { serde_json::from_value(golden[key].clone()).unwrap() };
    let expected = ids("greedy_ids");
    let gguf = source.parts(GgmlDType::F32).open();
    let prompt = ids("prompt_ids");
    let request = GenerateRequest::new("story", prompt.clone());
    let found = by_gguf(&gguf, &[request], &Sampler::default(), expected.len() - prompt.len()).remove(0);
    assert_eq!(found.ids, expected[prompt.len()..]);
    let text = gguf.codec().tokenizer.decode(&found.ids).unwrap();
    assert!(text.starts_with("Once upon a time"), "{text}");
}

#[test]
fn the_files_tokenizer_is_the_checkpoints() {
    for source in [Some(demo()), stories()].into_iter().flatten() {
        let own = Tokenizer::from_file(&source.folder.join("tokenizer.json")).unwrap();
        let gguf = source.parts(GgmlDType::F32).open();
        let found = &gguf.codec().tokenizer;
        for text in TEXTS.iter().chain(&EMBERFALL) {
            let ids = own.encode(text).unwrap();
            assert_eq!(found.encode(text).unwrap(), ids, "{text:?}");
            assert_eq!(found.decode(&ids).unwrap(), own.decode(&ids).unwrap(), "{text:?}");
        }
        assert_eq!(gguf.codec().end_of_turn, [2]);
    }
}

/// The llama-2 reference with this tokenizer; tokens are given with their kinds.
fn with_tokens(model: &str, pre: &str, tokens: &[(&str, i32)], more: &[(&str, Value)]) -> Codec {
    let mut parts = source(&here("tests/reference/models/llama-2")).parts(GgmlDType::F32);
    let text = |s: &str| Value::String(s.to_owned());
    parts.set("tokenizer.ggml.model", text(model));
    parts.set("tokenizer.ggml.pre", text(pre));
    parts.set("tokenizer.ggml.tokens", Value::Array(tokens.iter().map(|(token, _)| text(token)).collect()));
    parts
        .set("tokenizer.ggml.token_type", Value::Array(tokens.iter().map(|(_, k)| Value::I32(*k)).collect()));
    for (key, value) in more {
        parts.set(key, value.clone());
    }
    parts.open().codec().clone()
}

#[test]
fn words_are_cut_by_the_rule_that_the_file_names() {
    let texts = [
        "</s>", "1", "2", "3", "4", "5", "12", "123", "1234", "I", "'", "M", "'M", "Ċ", "ĊĊ", "e", "Ì", "ģ",
        "Ã", "©",
    ];
    let tokens: Vec<(&str, i32)> = [("<pad>", 3), ("<s>", 3)]
        .into_iter()
        .chain(texts.iter().map(|t| (*t, if *t == "</s>" { 3 } else { 1 })))
        .collect();
    let merges = ["1 2", "12 3", "123 4", "' M", "Ċ Ċ"].map(|m| Value::String(m.to_owned())).to_vec();
    let cut = |pre: &str, text: &str| -> Vec<&str> {
        let codec =
            with_tokens("gpt2", pre, &tokens, &[("tokenizer.ggml.merges", Value::Array(merges.clone()))]);
        codec.tokenizer.encode(text).unwrap().into_iter().map(|id| tokens[id as usize].0).collect()
    };
    let expected: [(&str, [&[&str]; 4]); 4] = [
        ("gpt-2", [&["1234", "5"], &["I", "'", "M"], &["Ċ", "Ċ", "I"], &["e", "Ì", "ģ"]]),
        ("smollm", [&["1", "2", "3", "4", "5"], &["I", "'", "M"], &["Ċ", "Ċ", "I"], &["e", "Ì", "ģ"]]),
        ("llama-bpe", [&["123", "4", "5"], &["I", "'M"], &["ĊĊ", "I"], &["e", "Ì", "ģ"]]),
        // NFC: e and the acute accent are one letter.
        ("qwen2", [&["1", "2", "3", "4", "5"], &["I", "'M"], &["ĊĊ", "I"], &["Ã", "©"]]),
    ];
    for (pre, expected) in expected {
        for (text, expected) in ["12345", "I'M", "\n\nI", "e\u{301}"].iter().zip(expected) {
            assert_eq!(cut(pre, text), expected, "{pre} {text:?}");
        }
    }
}

#[test]
fn sentence_pieces_are_put_together_by_score() {
    let tokens = [
        ("<unk>", 2),
        ("<s>", 3),
        ("</s>", 3),
        ("<0x21>", 6),
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("▁", 1),
        ("ab", 1),
        ("bc", 1),
        ("abc", 1),
        ("▁a", 1),
        ("<|end|>", 3),
    ];
    let encode = |scores: [f32; 13], more: &[(&str, Value)], text: &str| -> (Vec<u32>, String) {
        let scores = Value::Array(scores.into_iter().map(Value::F32).collect());
        let more: Vec<_> =
            [("tokenizer.ggml.scores", scores)].into_iter().chain(more.iter().cloned()).collect();
        let codec = with_tokens("llama", "default", &tokens, &more);
        let ids = codec.tokenizer.encode(text).unwrap();
        let text = codec.tokenizer.decode(&ids).unwrap();
        (ids, text)
    };
    let by = |ab: f32, bc: f32, a: f32| [0., 0., 0., 0., -9., -9., -9., -9., ab, bc, -5., a, 0.];
    assert_eq!(
        encode(by(-1., -2., -3.), &[], "abc!"),
        (vec![7, 10, 3], "abc!".into()),
        "ab, then abc; a byte"
    );
    assert_eq!(encode(by(-2., -3., -1.), &[], "abc"), (vec![11, 9], "abc".into()), "▁a, then bc");
    assert_eq!(encode(by(-1., -2., -3.), &[], "z").0, [7, 0], "an unknown letter without its bytes");
    let bare = [("tokenizer.ggml.add_space_prefix", Value::Bool(false))];
    assert_eq!(encode(by(-2., -3., -1.), &bare, "abc"), (vec![10], "abc".into()));
    assert_eq!(encode(by(-2., -3., -1.), &bare, " a"), (vec![11], " a".into()));
    assert_eq!(encode(by(-2., -3., -1.), &bare, "a<|end|> a").0, [4, 12, 11]);
}

#[test]
fn markers_of_phi_3_swallow_the_space_behind_them() {
    let Some(folder) = Some(here("../shared/reference/models/phi-3")).filter(|folder| folder.is_dir()) else {
        eprintln!("SKIPPED: ../shared/reference/models/phi-3 is not there");
        return;
    };
    let mut parts = source(&folder).parts(GgmlDType::F32);
    let Value::Array(kinds) = parts.metadata.get_mut("tokenizer.ggml.token_type").unwrap() else { panic!() };
    kinds[40] = Value::I32(3);
    let Value::Array(tokens) = parts.metadata.get_mut("tokenizer.ggml.tokens").unwrap() else { panic!() };
    tokens[40] = Value::String("<|end|>".into());
    let id = |tokens: &[Value], letter: &str| {
        tokens.iter().position(|t| matches!(t, Value::String(s) if s == letter)).unwrap() as u32
    };
    let a = id(tokens, "a");
    let codec = parts.open().codec().clone();
    assert_eq!(codec.tokenizer.encode("a<|end|>\n a</s>").unwrap(), [a, 40, a, 2]);
}

#[test]
fn stories_test_vectors() {
    let Some(source) = stories() else { return };
    let gguf = source.parts(GgmlDType::F32).open();
    let vectors: Vec<Json> =
        serde_json::from_slice(&fs::read(source.folder.join("tokenizer_test_vectors.json")).unwrap())
            .unwrap();
    for vector in vectors {
        let expected: Vec<u32> = serde_json::from_value(vector["hf_tokenizers_ids"].clone()).unwrap();
        let text = vector["text"].as_str().unwrap();
        let mut found = vec![1];
        found.extend(gguf.codec().tokenizer.encode(text).unwrap());
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn prompts_are_those_of_the_checkpoint() {
    let Checkpoint { codec, .. } = model::load(&here("assets/demo/aligned")).unwrap();
    let gguf = source(&here("assets/demo/aligned")).parts(GgmlDType::F32).open();
    let messages = [Message::user("Hello"), Message::assistant("Good day."), Message::user("Again")];
    assert_eq!(gguf.codec().prompt(&messages).unwrap(), codec.prompt(&messages).unwrap());
    assert_eq!(gguf.codec().chat(&messages[..2]).unwrap(), codec.chat(&messages[..2]).unwrap());
}

#[test]
fn the_marker_that_the_template_ends_a_turn_with_ends_an_answer() {
    let mut parts = demo().parts(GgmlDType::F32);
    // As Phi-3: eos ends documents, another marker ends turns.
    parts.set("tokenizer.ggml.eos_token_id", Value::U32(0));
    parts.set(
        "tokenizer.chat_template",
        Value::String("{% for m in messages %}<|user|>{{ m.content }}</s>\n{% endfor %}".into()),
    );
    assert_eq!(parts.open().codec().end_of_turn, [0, 2]);
    parts.set("tokenizer.ggml.eot_token_id", Value::U32(5));
    assert_eq!(parts.open().codec().end_of_turn, [0, 5, 2]);
}

#[test]
fn a_tokenizer_json_beside_the_file_is_preferred_if_it_is_of_the_same_vocabulary() {
    let mut parts = demo().parts(GgmlDType::F32);
    parts.set("tokenizer.ggml.pre", Value::String("unheard-of".into()));
    parts.refused(&["cuts words by the rule \"unheard-of\"", "known: gpt-2", "tokenizer.json"]);
    let file = parts.write();
    let beside = file.path.with_file_name("tokenizer.json");
    fs::copy(here("assets/demo/base/tokenizer.json"), &beside).unwrap();
    let gguf = GgufModel::open(&file.path).unwrap();
    let own = Tokenizer::from_file(&beside).unwrap();
    assert_eq!(gguf.codec().tokenizer.encode(TEXTS[0]).unwrap(), own.encode(TEXTS[0]).unwrap());
    let text = fs::read_to_string(&beside).unwrap();
    fs::write(&beside, text.replace("\"<|user|>\"", "\"<|somebody|>\"")).unwrap();
    refused(&file.path, &["unheard-of"]);
}

#[test]
fn verdict_probabilities_are_the_softmax_of_the_whole_vocabulary() {
    let source = demo();
    let (decoder, gguf) = (decoder(&source), source.parts(GgmlDType::F32).open());
    let prompt = &prompts(gguf.codec())[0].prompt;
    let everything: Vec<u32> = (0..gguf.card().vocab as u32).collect();
    let all = gguf.verdict_probabilities(prompt, &everything).unwrap();
    assert!((all.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let logits = logits_after(&decoder, prompt);
    let ids = [argmax(&logits), 6, 7, 1_000_000];
    let found = gguf.verdict_probabilities(prompt, &ids).unwrap();
    let total: f32 = logits.iter().map(|l| l.exp()).sum();
    for (&id, &p) in ids.iter().zip(&found) {
        let expected = logits.get(id as usize).map_or(0.0, |l| l.exp() / total);
        assert!((p - expected).abs() < 1e-5, "{id}: {p} {expected}");
    }
    assert!(found[0] > 0.1, "the most likely token has little probability: {found:?}");
}

#[test]
fn limits_and_stops() {
    let source = demo();
    let gguf = source.parts(GgmlDType::F32).open();
    let greedy = Sampler::default();
    let ask = |prompt: Vec<u32>, tokens: usize, progress: &mut dyn FnMut(usize) -> Control| {
        gguf.generate(&[GenerateRequest::new("a", prompt)], &greedy, &[], tokens, progress)
    };
    let mut on = |_| Control::Continue;
    assert!(matches!(ask(vec![3; 512], 1, &mut on), Err(ModelError::TooLong { tokens: 513, limit: 512 })));
    assert!(matches!(ask(vec![], 1, &mut on), Err(ModelError::EmptyPrompt)));
    assert!(matches!(gguf.next_logits(&[]), Err(ModelError::EmptyPrompt)));
    let full = ask(vec![3; 508], 100, &mut on).unwrap().unwrap().remove(0);
    assert_eq!((full.ids.len(), full.finish), (4, Finish::Length), "the context ends the row");
    let unknown = gguf.next_logits(&[1, 99_999]);
    assert!(matches!(unknown, Err(ModelError::Compute(_))), "an id outside the vocabulary is told");
    let mut calls = 0;
    let stopped = ask(vec![3; 400], 100, &mut |done| {
        assert_eq!(done, 0);
        calls += 1;
        if calls == 2 { Control::Stop } else { Control::Continue }
    });
    assert!(stopped.unwrap().is_none() && calls == 2, "stops within the prompt");
    // Told token by token, it is the same answer; and it can be stopped at any of them.
    let model = model::Model::Gguf(gguf.clone());
    let mut told = Vec::new();
    let answer = model.stream(&GenerateRequest::new("a", vec![3; 508]), &greedy, 100, &mut |token| {
        told.extend(token);
        Control::Continue
    });
    let answer = answer.unwrap().unwrap();
    assert!(answer.ids == told && full.ids.starts_with(&told), "{answer:?} {full:?}");
    let mut told = 0;
    let stopped = model.stream(&GenerateRequest::new("a", vec![3; 9]), &greedy, 100, &mut |token| {
        told += usize::from(token.is_some());
        if token.is_some() { Control::Stop } else { Control::Continue }
    });
    assert!(stopped.unwrap().is_none() && told == 1);
    let twice = [1, 2].map(|_| gguf.clone());
    let [a, b] = twice.each_ref().map(|m| m.next_logits(&[1, 3, 9]).unwrap());
    assert_eq!(a, b);
}

#[test]
fn models_that_would_not_run_exactly_are_refused_in_words() {
    let demo = || source(&here("tests/reference/models/llama-2")).parts(GgmlDType::F32);
    let mut parts = demo();
    parts.set("general.architecture", Value::String("mamba".into()));
    parts.refused(&["describes a mamba", "It runs: llama, qwen2, qwen3, phi3"]);
    let extra = |name: &str| {
        let mut parts = demo();
        let weight = Tensor::ones(6, DType::F32, &Device::Cpu).unwrap();
        parts.tensors.insert(name.into(), QTensor::quantize(&weight, GgmlDType::F32).unwrap());
        parts
    };
    extra("rope_freqs.weight").refused(&["stretches its rotary frequencies", "safetensors checkpoint"]);
    extra("blk.0.attn_q.bias").refused(&["holds the tensor blk.0.attn_q.bias", "not be this model's"]);
    for (key, value, word) in [
        ("llama.rope.scaling.type", Value::String("yarn".into()), "yarn"),
        ("llama.rope.scaling.factor", Value::F32(4.0), "rope.scaling.factor"),
        ("llama.expert_count", Value::U32(8), "mixture of experts"),
        ("llama.attention.key_length", Value::U32(16), "do not make up its hidden size 48"),
        ("llama.rope.dimension_count", Value::U32(6), "part of each head"),
        ("llama.attention.head_count_kv", Value::U32(3), "not a multiple"),
        ("llama.attention.head_count", Value::U32(0), "attention.head_count"),
        ("llama.block_count", Value::U32(4_000_000_000), "layers but holds"),
        ("llama.block_count", Value::U32(4), "lacks the tensor blk.3."),
        ("llama.feed_forward_length", Value::U32(81), "has the shape"),
        ("llama.context_length", Value::String("long".into()), "context_length"),
        ("tokenizer.ggml.model", Value::String("bert".into()), "kind \"bert\""),
        ("tokenizer.ggml.tokens", Value::U32(3), "no list of tokens"),
        ("tokenizer.ggml.eos_token_id", Value::U32(96), "no eos_token_id"),
        ("tokenizer.chat_template", Value::String("{% if %}".into()), "chat_template"),
    ] {
        let mut parts = demo();
        parts.set(key, value);
        parts.refused(&[word, "model.gguf"]);
    }
    let mut parts = demo();
    parts.metadata.remove("general.architecture");
    parts.refused(&["names no architecture"]);
    let mut parts = demo();
    let Value::Array(tokens) = parts.metadata.get_mut("tokenizer.ggml.tokens").unwrap() else { panic!() };
    tokens.push(Value::String("one more".into()));
    parts.refused(&["the tokenizer has 97 tokens, but the model only 96"]);
    refused(Path::new("/nowhere/at/all.gguf"), &["/nowhere/at/all.gguf cannot be read"]);
}

#[test]
fn a_window_ends_the_context() {
    let mut parts = source(&here("tests/reference/models/llama-2")).parts(GgmlDType::F32);
    assert_eq!(GgufModel::inspect(&parts.write().path).unwrap().context, 256);
    parts.set("llama.attention.sliding_window", Value::U32(100));
    assert_eq!(parts.open().card().context, 100);
    parts.set("llama.attention.sliding_window", Value::U32(0));
    parts.set("llama.context_length", Value::U64(1_000_000));
    assert_eq!(parts.open().card().context, 4096, "candle's tables end there");
}

#[test]
fn truncated_files_are_refused() {
    let file = source(&here("tests/reference/models/llama-2")).parts(GgmlDType::F32).write();
    let whole = fs::read(&file.path).unwrap();
    for length in [0, 3, 4, 8, 20, 100, 1000, 3000, whole.len() / 2, whole.len() - 32] {
        fs::write(&file.path, &whole[..length]).unwrap();
        refused(&file.path, &["model.gguf is truncated or damaged", "Fetch the file again"]);
    }
    fs::write(&file.path, b"PK\x03\x04 this is a zip archive, not a model").unwrap();
    refused(&file.path, &["truncated or damaged"]);
}

#[test]
fn damage_anywhere_in_the_header_never_panics() {
    let mut parts = source(&here("tests/reference/models/llama-2")).parts(GgmlDType::F32);
    parts.set("general.alignment", Value::U32(0));
    parts.refused(&["truncated or damaged"]);
    parts.set("general.alignment", Value::U32(32));
    let file = parts.write();
    let whole = fs::read(&file.path).unwrap();
    let data: usize = parts.tensors.values().map(|t| t.storage_size_in_bytes().next_multiple_of(32)).sum();
    let (mut refusals, mut opened) = (0, 0);
    for at in (0..whole.len() - data).step_by(3) {
        let mut broken = whole.clone();
        broken[at] = if at % 2 == 0 { 0xff } else { broken[at] ^ 0x41 };
        fs::write(&file.path, &broken).unwrap();
        match GgufModel::open(&file.path).and_then(|model| model.next_logits(&[1, 3, 9])) {
            Ok(_) => opened += 1,
            Err(e) => {
                refusals += 1;
                assert!(!e.to_string().is_empty());
            }
        }
    }
    eprintln!("{refusals} refused, {opened} opened");
    assert!(refusals > 500, "{refusals} refused, {opened} opened");
}
