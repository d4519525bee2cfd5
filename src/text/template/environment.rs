//! The Jinja environment of `transformers`: its syntax settings, functions and filters, with bounds on what a template
//! may spend.

use super::{date, filters, json, methods, python, source};
use jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// What a template may spend: one unit is an instruction or 64 bytes of text made, so that no template makes more than
/// 64 MB in all.
const FUEL: u64 = 1_000_000;
/// The name under which the one template is kept, and which errors show.
pub(super) const NAME: &str = "chat_template";

/// The mark of an error that the template itself raised.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);

/// An environment that holds `source` under [`NAME`].
pub(super) fn environment(source: &str, template_date: Date) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    // Block tags on lines of their own leave no trace. The last line break is dropped by `source::prepare`.
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|out, _state, value| match value.as_str() {
        Some(text) => Ok(out.write_str(text)?),
        None => Ok(out.write_str(&python::str(value)?)?),
    });
    environment.add_function("raise_exception", |message: Value| -> Result<String, Error> {
        let message = python::str(&message)?;
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    environment.add_filter("tojson", json::tojson);
    filters::add(&mut environment);
    set_date(&mut environment, template_date);
    environment.add_template_owned(NAME, source::prepare(source))?;
    Ok(environment)
}

/// Fixes the day that `strftime_now` tells.
pub(super) fn set_date(environment: &mut Environment<'static>, template_date: Date) {
    environment.add_function("strftime_now", move |format: String| date::strftime(template_date, &format));
}

/// What the template itself said through `raise_exception`, if that is why it failed.
pub(super) fn raised(error: &Error) -> Option<&str> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return Some(message);
        }
        source = inner.source();
    }
    None
}
