//! The checkpoint's own chat template: how a conversation becomes one text.

mod date;
mod environment;
mod filters;
mod json;
mod methods;
mod python;
mod source;
#[cfg(test)]
mod tests;

use super::{Conversation, SpecialTokens, TextError, read_json};
use jiff::civil::Date;
use minijinja::value::Serde;
use minijinja::{Environment, Error, Value, context};
use serde::Serialize;
use serde_json::Value as Json;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The longest text that a template may print, in bytes.
const OUTPUT_CAP: usize = 4 << 20;
/// The longest source of a template, in bytes. Published ones have up to 20 kB.
const SOURCE_CAP: usize = 128 << 10;
/// The stack on which templates are compiled and run. Nested values are freed, and long chains of operators compiled,
/// by recursion whose depth the caps above bound; memory is taken only as far as it is used.
const STACK: usize = 512 << 20;
/// What a checkpoint without a template gets. Its name is [`ChatTemplate::PLAIN`].
const PLAIN_SOURCE: &str = "{{ bos_token }}{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}\n{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}";

/// A chat template in Jinja, as `transformers` renders it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    special_tokens: SpecialTokens,
    name: &'static str,
}

impl ChatTemplate {
    /// The name of the template that the checkpoint brought.
    pub const OWN: &'static str = "the checkpoint's own";
    /// The name of the plain format: `User: …` and `Assistant: …` on lines of their own.
    pub const PLAIN: &'static str = "plain (User: … / Assistant: …)";
    /// The day that templates print which ask for today's, so that results do not change with the calendar. A spec
    /// names another with [`Self::with_date`].
    pub const DEFAULT_DATE: Date = jiff::civil::date(2024, 7, 26);

    /// The template of a checkpoint folder: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json` (a
    /// text, or a list of named ones), else the plain format.
    ///
    /// Of named templates the one called `default` is taken, else the first that is not for tools.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let special_tokens = SpecialTokens::from_folder(folder)?;
        let beside = folder.join("chat_template.jinja");
        if beside.is_file() {
            let source = std::fs::read_to_string(&beside)
                .map_err(|e| TextError::Unreadable { file: beside.clone(), reason: e.to_string() })?;
            return Self::compile(&source, special_tokens, Self::OWN)
                .map_err(|reason| TextError::Malformed { file: beside, reason });
        }
        let file = folder.join("tokenizer_config.json");
        let config = read_json(&file)?.unwrap_or_default();
        match from_config(&config["chat_template"]) {
            Some(source) => Self::compile(source, special_tokens, Self::OWN)
                .map_err(|reason| TextError::Malformed { file, reason: format!("chat_template: {reason}") }),
            None => Ok(Self::plain_with(special_tokens)),
        }
    }

    /// A template from its Jinja source. `special_tokens` are what it sees as `bos_token`, `eos_token`, ….
    pub fn from_source(source: &str, special_tokens: SpecialTokens) -> Result<Self, TextError> {
        Self::compile(source, special_tokens, Self::OWN).map_err(|reason| TextError::Template { reason })
    }

    /// The plain format without special tokens.
    #[must_use]
    pub fn plain() -> Self {
        Self::plain_with(SpecialTokens::default())
    }

    /// The same template on another day: what `strftime_now` tells, at midnight.
    #[must_use]
    pub fn with_date(mut self, template_date: Date) -> Self {
        environment::set_date(Arc::make_mut(&mut self.environment), template_date);
        self
    }

    /// Which template this is: [`Self::OWN`] or [`Self::PLAIN`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The special tokens that the template sees.
    #[must_use]
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special_tokens
    }

    /// Renders the conversation; with `add_generation_prompt` up to where the model's answer begins.
    pub fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<String, TextError> {
        self.render_messages(&conversation.messages, add_generation_prompt)
    }

    /// Renders messages of any form that the template knows: a list of maps with `role`, `content` and what else there
    /// may be.
    pub fn render_messages(
        &self,
        messages: &impl Serialize,
        add_generation_prompt: bool,
    ) -> Result<String, TextError> {
        let messages = Value::from(Serde(messages));
        // `transformers` says that there are no tools by `none`. A few templates take the length of `tools` unasked,
        // which fails there; without the name they render.
        let none = Value::from(());
        self.render_with(&messages, add_generation_prompt, none).or_else(|first| {
            if matches!(first, TextError::TemplateRaised { .. } | TextError::TemplateCap { .. }) {
                return Err(first);
            }
            self.render_with(&messages, add_generation_prompt, Value::UNDEFINED).map_err(|_| first)
        })
    }

    fn render_with(
        &self,
        messages: &Value,
        add_generation_prompt: bool,
        tools: Value,
    ) -> Result<String, TextError> {
        let special = self.special_tokens.iter().map(|(name, token)| (name, Value::from(Serde(token))));
        let context = context! {
            messages,
            add_generation_prompt,
            tools => tools.clone(),
            documents => tools,
            ..Value::from_pairs(special)
        };
        on_large_stack(move || {
            let mut out = Capped::default();
            let done = self
                .environment
                .get_template(environment::NAME)
                .and_then(|template| template.render_captured_to(context, &mut out).map(drop));
            match done {
                Ok(()) => Ok(String::from_utf8_lossy(&out.text).into_owned()),
                Err(_) if out.full => Err(TextError::TemplateCap { bytes: OUTPUT_CAP }),
                Err(error) => Err(failed(&error)),
            }
        })
    }

    fn plain_with(special_tokens: SpecialTokens) -> Self {
        Self::compile(PLAIN_SOURCE, special_tokens, Self::PLAIN).unwrap_or_else(|e| {
            // The source is a constant of this file and a test renders it.
            unreachable!("the plain template does not compile: {e}")
        })
    }

    /// The error says what is wrong with the source.
    fn compile(source: &str, special_tokens: SpecialTokens, name: &'static str) -> Result<Self, String> {
        if source.len() > SOURCE_CAP {
            return Err(format!("a template of {} bytes, more than the {SOURCE_CAP} allowed", source.len()));
        }
        let environment = on_large_stack(|| {
            environment::environment(source, Self::DEFAULT_DATE)
                .map_err(|e| TextError::Template { reason: format!("{e:#}") })
        })
        .map_err(|e| match e {
            TextError::Template { reason } => reason,
            other => other.to_string(),
        })?;
        Ok(Self { environment: Arc::new(environment), special_tokens, name })
    }
}

/// Runs `work` on a thread of its own with [`STACK`] bytes of stack.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, TextError> + Send) -> Result<T, TextError> {
    let trouble = |reason: String| TextError::Template { reason };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("chat template".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|e| trouble(format!("no thread for it could be started ({e})")))?
            .join()
            .unwrap_or_else(|_| Err(trouble("the template engine failed on it".to_owned())))
    })
}

/// The source in the value of `chat_template`: a text, or the right one of `[{"name": …, "template": …}, …]`.
fn from_config(value: &Json) -> Option<&str> {
    let named = match value {
        Json::String(text) => return Some(text),
        Json::Array(named) => named,
        _ => return None,
    };
    named
        .iter()
        .find(|entry| entry["name"] == "default")
        .or_else(|| named.iter().find(|entry| !matches!(entry["name"].as_str(), Some("tool_use" | "rag"))))
        .and_then(|entry| entry["template"].as_str())
}

fn failed(error: &Error) -> TextError {
    match environment::raised(error) {
        Some(message) => TextError::TemplateRaised { message: message.to_owned() },
        None => TextError::Template { reason: format!("{error:#}") },
    }
}

/// Takes what a template prints until it is too much.
#[derive(Default)]
struct Capped {
    text: Vec<u8>,
    full: bool,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > OUTPUT_CAP {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
