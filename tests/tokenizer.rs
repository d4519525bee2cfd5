//! Tokenizers: vectors of a published one, the traps that checkpoint folders hold, and text decoded as it comes.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::text::{ChatTemplate, Codec, Message, SpecialTokens, TextError, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A byte-level tokenizer of a few hundred tokens, with the special tokens given, as JSON.
fn byte_level(special: &[&str]) -> Value {
    let text =
        "Hello there, I cannot help with that. Once upon a time, the little fox went to the old mill. "
            .repeat(4);
    byte_level_of(special, &text)
}

fn byte_level_of(special: &[&str], text: &str) -> Value {
    use tokenizers::decoders::byte_level::ByteLevel as Decoder;
    use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(300 + special.len())
        .special_tokens(special.iter().map(|t| tokenizers::AddedToken::from(*t, true)).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = tokenizers::TokenizerBuilder::<
        BPE,
        tokenizers::NormalizerWrapper,
        ByteLevel,
        ByteLevel,
        Decoder,
    >::new()
    .with_model(BPE::default())
    .with_normalizer(None)
    .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
    .with_post_processor(None)
    .with_decoder(Some(Decoder::default()))
    .build()
    .unwrap();
    tokenizer.train(&mut trainer, std::iter::once(text.to_owned())).unwrap();
    serde_json::from_str(&tokenizer.to_string(false).unwrap()).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn stories() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stories260k");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not there", folder.display());
    None
}

#[test]
fn every_vector_of_stories260k_encodes_and_decodes_identically() {
    let Some(folder) = stories() else { return };
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let bytes = std::fs::read(folder.join("tokenizer_test_vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let ids: Vec<u32> = vector["hf_tokenizers_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect();
        assert_eq!(vector["ids"], vector["hf_tokenizers_ids"], "the two references differ on {text:?}");
        // The vectors begin with the token that begins a document, which a chat template writes itself.
        assert_eq!(ids[0], tokenizer.id_of("<s>").unwrap());
        assert_eq!(tokenizer.encode(text).unwrap(), ids[1..], "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{ids:?}");
    }
}

#[test]
fn a_length_beyond_64_bits_does_not_hinder_reading() {
    let config = r#"{"model_max_length": 1000000000000000019884624838656, "tokenizer_class": "TokenizersBackend",
        "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
        "chat_template": "{{ bos_token }}|{{ eos_token }}|{{ pad_token is defined }}"}"#;
    let folder = folder(&[("tokenizer_config.json", json!(config))]);
    let template = ChatTemplate::from_folder(folder.path()).unwrap();
    assert_eq!(template.render_messages(&Vec::<Message>::new(), false).unwrap(), "<s>|</s>|False");
}

#[test]
fn merges_may_be_texts_or_pairs() {
    let pairs = byte_level(&[]);
    let mut texts = pairs.clone();
    for merge in texts["model"]["merges"].as_array_mut().unwrap() {
        let joined = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap());
        *merge = joined.into();
    }
    assert_ne!(texts, pairs);
    let [pairs, texts] = [pairs, texts]
        .map(|json| Tokenizer::from_bytes(json.to_string().as_bytes(), Path::new("x")).unwrap());
    let text = "Once upon a time there was a fox";
    assert!(pairs.encode(text).unwrap().len() < text.len());
    assert_eq!(pairs.encode(text).unwrap(), texts.encode(text).unwrap());
}

#[test]
fn a_folder_without_tokenizer_config_gets_the_plain_format_and_its_name() {
    let folder = folder(&[
        ("tokenizer.json", byte_level(&["<s>", "</s>"])),
        ("config.json", json!({"eos_token_id": 1})),
    ]);
    let codec = Codec::from_folder(folder.path()).unwrap();
    assert_eq!(codec.template.name(), ChatTemplate::PLAIN);
    assert_eq!(
        codec.tokenizer.decode(&codec.prompt(&[Message::user("Hi")]).unwrap()).unwrap(),
        "User: Hi\nAssistant: "
    );
}

#[test]
fn a_folder_with_another_form_of_vocabulary_is_refused_with_the_way_to_convert_it() {
    let folder = folder(&[("tokenizer.model", json!("spm")), ("config.json", json!({"eos_token_id": 2}))]);
    let error = Codec::from_folder(folder.path()).unwrap_err();
    assert!(matches!(error, TextError::NeedsConversion { found: "tokenizer.model", .. }), "{error}");
    assert!(error.to_string().contains("save_pretrained"), "{error}");
}

#[test]
fn special_tokens_come_from_both_files() {
    let map = json!({"bos_token": {"content": "<b>"}, "unk_token": "<u>", "additional_special_tokens": ["<x>", {"content": "<y>"}]});
    let config = json!({"bos_token": "<s>", "pad_token": "<p>", "image_token": "<i>", "add_bos_token": true});
    let both = folder(&[("tokenizer_config.json", config.clone()), ("special_tokens_map.json", map.clone())]);
    let special = SpecialTokens::from_folder(both.path()).unwrap();
    let names = ["bos_token", "unk_token", "pad_token", "image_token", "add_bos_token"];
    assert_eq!(
        names.map(|name| special.get(name)),
        [Some("<b>"), Some("<u>"), Some("<p>"), Some("<i>"), None]
    );
    let list = special.iter().find(|(name, _)| *name == "additional_special_tokens").unwrap().1;
    assert_eq!(list, &json!(["<x>", "<y>"]));

    let mut newer = config;
    newer["added_tokens_decoder"] = json!({});
    let newer = folder(&[("tokenizer_config.json", newer), ("special_tokens_map.json", map)]);
    assert_eq!(SpecialTokens::from_folder(newer.path()).unwrap().get("bos_token"), Some("<s>"));
}

#[test]
fn the_template_is_a_text_one_of_a_list_or_a_file_beside_which_wins() {
    let render = |files: &[(&str, Value)]| {
        let folder = folder(files);
        ChatTemplate::from_folder(folder.path())
            .unwrap()
            .render_messages(&Vec::<Message>::new(), false)
            .unwrap()
    };
    let named = |names: &[&str]| {
        let all: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "template": format!("[{name}]")})).collect();
        ("tokenizer_config.json", json!({"chat_template": all}))
    };
    assert_eq!(render(&[("tokenizer_config.json", json!({"chat_template": "text"}))]), "text");
    assert_eq!(render(&[named(&["tool_use", "rag", "default"])]), "[default]");
    assert_eq!(render(&[named(&["tool_use", "short", "long"])]), "[short]");
    assert_eq!(render(&[named(&["tool_use"])]), "", "the plain format of an empty conversation");
    assert_eq!(render(&[named(&["default"]), ("chat_template.jinja", json!("beside"))]), "beside");
}

const PHI: &str = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}";

#[test]
fn the_token_that_the_template_writes_after_a_turn_ends_it() {
    let special = ["<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>"];
    let files = |eos: Value| {
        [
            ("tokenizer.json", byte_level(&special)),
            ("tokenizer_config.json", json!({"eos_token": "<|endoftext|>", "chat_template": PHI})),
            ("generation_config.json", json!({ "eos_token_id": eos })),
            ("config.json", json!({"eos_token_id": 3})),
        ]
    };
    let codec = Codec::from_folder(folder(&files(json!(0))).path()).unwrap();
    assert_eq!((codec.closing(), codec.end_of_turn.as_slice()), (1, &[0, 1][..]));
    let codec = Codec::from_folder(folder(&files(json!([0, 1]))).path()).unwrap();
    assert_eq!((codec.closing(), codec.end_of_turn.as_slice()), (1, &[0, 1][..]));
    let codec = Codec::from_folder(folder(&files(Value::Null)).path()).unwrap();
    assert_eq!(
        (codec.closing(), codec.end_of_turn.as_slice()),
        (1, &[3, 1][..]),
        "config.json is the second source"
    );
    let row = codec.chat(&[Message::user("Hi"), Message::assistant("Hello")]).unwrap();
    assert_eq!(row.ids.last(), Some(&1));
}

#[test]
fn a_folder_that_names_no_end_of_turn_is_refused_unless_the_tokenizer_has_one() {
    let tokenizer = ("tokenizer.json", byte_level(&["<s>", "</s>"]));
    let error = Codec::from_folder(folder(std::slice::from_ref(&tokenizer)).path()).unwrap_err();
    assert!(matches!(error, TextError::NoEndOfTurn { .. }), "{error}");
    let files = [tokenizer, ("tokenizer_config.json", json!({"eos_token": "</s>"}))];
    assert_eq!(Codec::from_folder(folder(&files).path()).unwrap().closing(), 1);
}

fn codec(source: &str) -> Codec {
    let special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"];
    let tokenizer =
        Tokenizer::from_bytes(byte_level(&special).to_string().as_bytes(), Path::new("x")).unwrap();
    let names = SpecialTokens::default().with("bos_token", "<s>").with("eos_token", "</s>");
    Codec::new(tokenizer, ChatTemplate::from_source(source, names).unwrap(), vec![1]).unwrap()
}

/// The text of a row's ids with special tokens shown.
fn spelled(codec: &Codec, ids: &[u32]) -> String {
    ids.iter()
        .map(|&id| {
            if codec.tokenizer.is_special(id) {
                codec.tokenizer.token(id).unwrap()
            } else {
                codec.tokenizer.decode(&[id]).unwrap()
            }
        })
        .collect()
}

#[test]
fn a_conversation_is_encoded_as_the_template_writes_it() {
    // Writes a blank before answers, trims them, and shows thinking only in the last turn.
    let source = "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}{% else %}{% if not loop.last %}{{ ' ' + m.content.split('</think>')[-1].strip() + eos_token }}{% else %}{{ ' ' + m.content.strip() + eos_token }}{% endif %}{% endif %}{% endfor %}";
    let codec = codec(source);
    let messages = [
        Message::user(" Hi "),
        Message::assistant("<think>\nfox\n</think>\n\n Hello there "),
        Message::user("Again"),
        Message::assistant(" I cannot help "),
    ];
    let row = codec.chat(&messages).unwrap();
    assert_eq!(
        spelled(&codec, &row.ids),
        "<s>[INST] Hi [/INST] Hello there</s><s>[INST] Again [/INST] I cannot help</s>"
    );
    let answers: Vec<String> = row.answers.iter().map(|r| spelled(&codec, &row.ids[r.clone()])).collect();
    assert_eq!(answers, [" Hello there</s>", " I cannot help</s>"]);
    assert_eq!(row.trained(), row.answers.iter().map(ExactSizeIterator::len).sum::<usize>());
}

#[test]
fn thinking_that_only_the_last_turn_shows_does_not_hinder_several_turns() {
    let source = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    let codec = codec(source);
    let row = codec
        .chat(&[
            Message::user("Hi"),
            Message::assistant("Hello"),
            Message::user("Again"),
            Message::assistant("there"),
        ])
        .unwrap();
    assert_eq!(
        spelled(&codec, &row.ids),
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nAgain<|im_end|>\n<|im_start|>assistant\nthere<|im_end|>"
    );
}

#[test]
fn a_template_that_refuses_a_conversation_says_why() {
    let source = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}";
    let error = codec(source).prompt(&[Message::system("x")]).unwrap_err();
    assert!(error.to_string().contains("System role not supported"), "{error}");
}

/// Pieces of a stream, joined, and what decoding everything at once gives.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> (String, String) {
    let mut stream = tokenizer.stream();
    let mut text = String::new();
    for &id in ids {
        text.extend(stream.push(id).unwrap());
    }
    text.extend(stream.finish().unwrap());
    (text, tokenizer.decode(ids).unwrap())
}

#[test]
fn a_stream_gives_a_character_once_it_is_complete() {
    let tokenizer = Tokenizer::from_bytes(byte_level(&[]).to_string().as_bytes(), Path::new("x")).unwrap();
    let ids = tokenizer.encode("a🙂b").unwrap();
    assert_eq!(ids.len(), 6);
    let mut stream = tokenizer.stream();
    let pieces: Vec<Option<String>> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(pieces, [some("a"), None, None, None, some("🙂"), some("b")]);
}

proptest! {
    #[test]
    fn streamed_pieces_are_the_decoded_text_for_bytes(ids in prop::collection::vec(0_u32..302, 0..40)) {
        let tokenizer = BYTES.get_or_init(|| {
            Tokenizer::from_bytes(byte_level(&["<s>", "</s>"]).to_string().as_bytes(), Path::new("x")).unwrap()
        });
        let (text, whole) = streamed(tokenizer, &ids);
        prop_assert_eq!(text, whole);
    }

    #[test]
    fn streamed_pieces_are_the_decoded_text_for_any_words(words in "\\PC{0,30}") {
        let Some(folder) = stories() else { return Ok(()) };
        let tokenizer = STORIES.get_or_init(|| Tokenizer::from_folder(&folder).unwrap());
        let (text, whole) = streamed(tokenizer, &tokenizer.encode(&words).unwrap());
        prop_assert_eq!(text, whole);
    }

    #[test]
    fn streamed_pieces_are_the_decoded_text_for_sentencepiece(ids in prop::collection::vec(0_u32..512, 0..40)) {
        let Some(folder) = stories() else { return Ok(()) };
        let tokenizer = STORIES.get_or_init(|| Tokenizer::from_folder(&folder).unwrap());
        let (text, whole) = streamed(tokenizer, &ids);
        prop_assert_eq!(text, whole);
    }
}

static BYTES: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
static STORIES: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
