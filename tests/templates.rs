//! Chat templates as model vendors publish them, against what `transformers`' Jinja makes of them.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::text::{ChatTemplate, Codec, Message, SpecialTokens, TextError, Tokenizer};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// `expectations.json`.
#[derive(Deserialize)]
struct Expectations {
    templates: HashMap<String, String>,
    renders: Vec<Render>,
}

/// One row: what a template makes of one conversation, or why it refuses it.
#[derive(Deserialize)]
struct Render {
    template: String,
    conversation: String,
    messages: serde_json::Value,
    add_generation_prompt: bool,
    bos_token: String,
    eos_token: String,
    rendered: Option<String>,
    error: Option<String>,
}

/// The expectations, or `None` where they are absent.
fn expectations() -> Option<Expectations> {
    let file = std::env::var_os("PLUMBLINE_TEMPLATES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/chat_templates/expectations.json")),
        PathBuf::from,
    );
    if !file.is_file() {
        eprintln!("SKIPPED: {} is not there; PLUMBLINE_TEMPLATES names another", file.display());
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

#[test]
fn every_published_template_renders_as_transformers_renders_it() {
    let Some(expected) = expectations() else { return };
    assert!(!expected.renders.is_empty());
    let mut wrong = Vec::new();
    for row in &expected.renders {
        let special =
            SpecialTokens::default().with("bos_token", &row.bos_token).with("eos_token", &row.eos_token);
        let got = ChatTemplate::from_source(&expected.templates[&row.template], special)
            .and_then(|template| template.render_messages(&row.messages, row.add_generation_prompt));
        let right = match (&got, &row.rendered, &row.error) {
            (Ok(text), Some(rendered), None) => text == rendered,
            (Err(TextError::TemplateRaised { message }), None, Some(error)) => {
                error.contains(message.as_str())
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "{} / {} / prompt {}:\n   got      {got:?}\n   expected {:?}",
                row.template,
                row.conversation,
                row.add_generation_prompt,
                row.rendered.as_ref().or(row.error.as_ref())
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), expected.renders.len(), wrong.join("\n"));
}

/// A byte-level tokenizer with the special tokens that published templates write, and half of the words below.
fn tokenizer() -> Tokenizer {
    use tokenizers::decoders::byte_level::ByteLevel as Decoder;
    use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let special = [
        "<s>",
        "</s>",
        "<bos>",
        "<eos>",
        "<|im_start|>",
        "<|im_end|>",
        "<|end|>",
        "<|user|>",
        "<|assistant|>",
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜Assistant｜>",
        "<｜User｜>",
        "<|END_OF_TURN_TOKEN|>",
    ];
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(350)
        .special_tokens(special.iter().map(|token| tokenizers::AddedToken::from(*token, true)).collect())
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
    let text = "The little fox went to the old mill, and Hello there: I cannot help with that. ".repeat(5);
    tokenizer.train(&mut trainer, std::iter::once(text)).unwrap();
    Tokenizer::from_bytes(tokenizer.to_string(false).unwrap().as_bytes(), Path::new("byte-level")).unwrap()
}

/// Whether the ids of prompt and answer, put together, begin the ids of the whole conversation: for every template
/// whose rendering goes on from its own generation prompt with blanks at most.
#[test]
fn prompt_and_answer_are_the_ids_of_the_rendered_conversation() {
    let Some(expected) = expectations() else { return };
    let tokenizer = tokenizer();
    let (mut same, mut other, mut wrong) = (0, Vec::new(), Vec::new());
    let mut tokens: HashMap<&str, (&str, &str)> = HashMap::new();
    for row in &expected.renders {
        tokens.insert(&row.template, (&row.bos_token, &row.eos_token));
    }
    for (name, source) in &expected.templates {
        let (bos, eos) = tokens.get(name.as_str()).copied().unwrap_or(("<s>", "</s>"));
        let special = SpecialTokens::default().with("bos_token", bos).with("eos_token", eos);
        let end = tokenizer.id_of(eos).unwrap_or(1);
        let template = ChatTemplate::from_source(source, special).unwrap();
        let codec = match Codec::new(tokenizer.clone(), template, vec![end]) {
            Ok(codec) => codec,
            Err(e) => panic!("{name}: {e}"),
        };
        for answer in ["Hello there", " The fox, went! ", "I cannot help", "5 mills\n\nold"] {
            let question = [Message::user("Hi")];
            let both = [question[0].clone(), Message::assistant(answer)];
            let text = |messages: &[Message], prompt| codec.template.render_messages(&messages, prompt);
            let (Ok(prompt), Ok(whole)) = (text(&question, true), text(&both, false)) else { continue };
            let row = codec.chat(&both).unwrap();
            let written = [answer, answer.trim()].into_iter().find(|written| {
                whole.strip_prefix(&prompt).is_some_and(|rest| {
                    rest.trim_start_matches(' ').starts_with(written.trim_start_matches(' '))
                })
            });
            if written.is_none() {
                other.push(name);
                continue;
            }
            let ids = tokenizer.encode(&whole).unwrap();
            let before = row.answers[0].end - 1;
            if ids.starts_with(&row.ids[..before]) {
                same += 1;
            } else {
                wrong.push(format!(
                    "{name} {answer:?}\n   {whole:?}\n   {:?}\n   {:?}",
                    tokenizer.pieces(&ids),
                    tokenizer.pieces(&row.ids)
                ));
            }
        }
    }
    eprintln!(
        "{same} identical; {} conversations whose rendering does not go on from the prompt: {other:?}",
        other.len()
    );
    assert!(same > 100 || std::env::var_os("PLUMBLINE_TEMPLATES").is_some());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
