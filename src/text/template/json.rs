//! The `tojson` filter of `transformers`: Python's `json.dumps` with `ensure_ascii=False`.

use super::python;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// How `json.dumps` is asked to write.
struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// `tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(
    state: &State,
    value: &Value,
    ensure_ascii: Option<Value>,
    indent: Option<Value>,
    named: Kwargs,
) -> Result<String, Error> {
    let argument = |given: Option<Value>, name: &str| -> Result<Value, Error> {
        let value = match given {
            Some(value) => value,
            None => named.get::<Option<Value>>(name)?.unwrap_or_default(),
        };
        Ok(if value.is_undefined() { Value::from(()) } else { value })
    };
    let ensure_ascii = argument(ensure_ascii, "ensure_ascii")?.is_true();
    let indent = argument(indent, "indent")?;
    let separators = argument(None, "separators")?;
    let sort_keys = argument(None, "sort_keys")?.is_true();
    named.assert_all_used()?;
    let indent = match indent.as_str() {
        Some(text) => Some(text.to_owned()),
        None if indent.is_none() => None,
        None => {
            let width = usize::try_from(indent.as_i64().unwrap_or(0).max(0)).unwrap_or(usize::MAX);
            // Paid for before it is made, so that a huge width costs fuel and no memory.
            state.consume_fuel(width as u64 / 64)?;
            Some(" ".repeat(width))
        }
    };
    let (item_separator, key_separator) = if separators.is_none() {
        (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned())
    } else {
        let item = separators.get_item_by_index(0)?;
        let key = separators.get_item_by_index(1)?;
        (python::str(&item)?, python::str(&key)?)
    };
    let style = Style { ensure_ascii, indent, item_separator, key_separator, sort_keys };
    let mut out = String::new();
    write(state, value, &style, 0, &mut out)?;
    Ok(out)
}

fn write(state: &State, value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > python::MAX_DEPTH {
        return Err(python::too_deep());
    }
    let before = out.len();
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => text(value.as_str().unwrap_or_default(), style.ensure_ascii, out),
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            container(state, style, depth, out, ('{', '}'), keys.into_iter().map(Ok), |key, out| {
                text(&key_text(&key)?, style.ensure_ascii, out);
                out.push_str(&style.key_separator);
                write(state, &value.get_item(&key)?, style, depth + 1, out)
            })?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            container(state, style, depth, out, ('[', ']'), value.try_iter()?.checked(), |item, out| {
                write(state, &item, style, depth + 1, out)
            })?;
        }
        kind => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("a value of type {kind} cannot be written as JSON"),
            ));
        }
    }
    // Containers have paid for their items; what is charged here again is bounded by the depth.
    state.consume_fuel((out.len() - before) as u64 / 64)
}

fn container(
    state: &State,
    style: &Style,
    depth: usize,
    out: &mut String,
    brackets: (char, char),
    items: impl Iterator<Item = Result<Value, Error>>,
    mut write_item: impl FnMut(Value, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |depth: usize, out: &mut String| -> Result<(), Error> {
        if let Some(indent) = &style.indent {
            state.consume_fuel((indent.len() * depth) as u64 / 64)?;
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
        Ok(())
    };
    out.push(brackets.0);
    let mut empty = true;
    for item in items {
        if !empty {
            out.push_str(&style.item_separator);
        }
        empty = false;
        new_line(depth + 1, out)?;
        write_item(item?, out)?;
    }
    if !empty {
        new_line(depth, out)?;
    }
    out.push(brackets.1);
    Ok(())
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        value.to_string()
    } else {
        python::float(f64::try_from(value.clone()).unwrap_or(f64::NAN), "NaN", "Infinity")
    }
}

/// Keys become texts: numbers and constants as JSON writes them.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a key of type {kind} cannot be written as JSON"),
        )),
    }
}

fn text(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ensure_ascii && !(' '..='~').contains(&c)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
