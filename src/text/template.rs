//! The checkpoint's own chat template: how a conversation becomes one text.

use super::{Conversation, TextError};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

/// Steps that a template may take before it is stopped.
const FUEL: u64 = 2_000_000;
/// The longest text that a template may print, in bytes.
const OUTPUT_CAP: usize = 4 << 20;
/// What a checkpoint without a template gets. Its name is [`ChatTemplate::PLAIN`].
const PLAIN_SOURCE: &str = "{{ bos_token }}{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}\n{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}";

/// A chat template in Jinja, as `transformers` renders it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    bos_token: String,
    eos_token: String,
    name: &'static str,
}

impl ChatTemplate {
    /// The name of the template that the checkpoint brought.
    pub const OWN: &'static str = "the checkpoint's own";
    /// The name of the plain format: `User: …` and `Assistant: …` on lines of their own.
    pub const PLAIN: &'static str = "plain (User: … / Assistant: …)";

    /// The template of a checkpoint folder: `chat_template` in `tokenizer_config.json` (a text, or a list of named
    /// ones of which `default` is taken), else `chat_template.jinja`, else the plain format.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let file = folder.join("tokenizer_config.json");
        let config: Json = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| TextError::Malformed { file: file.clone(), reason: e.to_string() })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Json::Null,
            Err(e) => return Err(TextError::Unreadable { file, reason: e.to_string() }),
        };
        let beside = folder.join("chat_template.jinja");
        let source = match &config["chat_template"] {
            Json::String(text) => Some(text.clone()),
            Json::Array(named) => named
                .iter()
                .find(|entry| entry["name"] == "default")
                .or(named.first())
                .and_then(|entry| entry["template"].as_str())
                .map(str::to_owned),
            _ if beside.is_file() => Some(
                std::fs::read_to_string(&beside)
                    .map_err(|e| TextError::Unreadable { file: beside.clone(), reason: e.to_string() })?,
            ),
            _ => None,
        };
        let bos = token_text(&config["bos_token"]);
        let eos = token_text(&config["eos_token"]);
        match source {
            Some(source) => Self::new(source, bos, eos, Self::OWN)
                .map_err(|e| TextError::Malformed { file, reason: format!("chat_template: {e:#}") }),
            None => Ok(Self::plain_with(bos, eos)),
        }
    }

    /// The plain format without special tokens.
    #[must_use]
    pub fn plain() -> Self {
        Self::plain_with(String::new(), String::new())
    }

    /// Which template this is: [`Self::OWN`] or [`Self::PLAIN`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Renders the conversation; with `add_generation_prompt` up to where the model's answer begins.
    pub fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<String, TextError> {
        let fail = |e: minijinja::Error| TextError::Template { reason: format!("{e:#}") };
        let template = self.environment.get_template("chat").map_err(fail)?;
        let messages: Vec<Value> = conversation
            .messages
            .iter()
            .map(|m| Value::from_pairs([("role", m.role.name()), ("content", m.content.as_str())]))
            .collect();
        let text = template
            .render(context! {
                messages,
                add_generation_prompt,
                bos_token => self.bos_token.as_str(),
                eos_token => self.eos_token.as_str(),
            })
            .map_err(fail)?;
        if text.len() > OUTPUT_CAP {
            return Err(TextError::Template {
                reason: format!("it printed {} bytes, more than the {OUTPUT_CAP} allowed", text.len()),
            });
        }
        Ok(text)
    }

    fn plain_with(bos: String, eos: String) -> Self {
        Self::new(PLAIN_SOURCE.to_owned(), bos, eos, Self::PLAIN).unwrap_or_else(|e| {
            // The source is a constant of this file and a test renders it.
            unreachable!("the plain template does not compile: {e}")
        })
    }

    fn new(
        source: String,
        bos_token: String,
        eos_token: String,
        name: &'static str,
    ) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        // What `transformers` sets: block tags on lines of their own leave no trace.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", source)?;
        Ok(Self { environment: Arc::new(environment), bos_token, eos_token, name })
    }
}

/// `bos_token` and its kin are a text or an object with `content`.
fn token_text(value: &Json) -> String {
    value.as_str().or_else(|| value["content"].as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Message;

    fn conversation() -> Conversation {
        Conversation { messages: vec![Message::user("Hello"), Message::assistant("Good day")] }
    }

    #[test]
    fn the_plain_format_renders_every_role_and_the_generation_prompt() {
        let text = ChatTemplate::plain().render(&conversation(), true).unwrap();
        assert_eq!(text, "User: Hello\nAssistant: Good day\nAssistant: ");
    }

    #[test]
    fn a_template_that_loops_for_ever_is_stopped() {
        let source = "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}";
        let template = ChatTemplate::new(source.into(), String::new(), String::new(), "test").unwrap();
        let error = template.render(&conversation(), false).unwrap_err().to_string();
        assert!(error.contains("fuel"), "{error}");
    }

    #[test]
    fn what_a_template_raises_reaches_the_reader() {
        let template = ChatTemplate::new(
            "{{ raise_exception('no system role') }}".into(),
            String::new(),
            String::new(),
            "t",
        )
        .unwrap();
        let error = template.render(&conversation(), false).unwrap_err().to_string();
        assert!(error.contains("no system role"), "{error}");
    }
}
