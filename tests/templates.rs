//! Chat templates as model vendors publish them, against what `transformers`' Jinja makes of them.

use plumbline::text::{ChatTemplate, SpecialTokens, TextError};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

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
