//! How Python writes values: what `{{ value }}` prints in a template that was written for Python's Jinja.

use super::OUTPUT_CAP;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// Deeper containers are refused, as Python's own recursion limit does.
pub(super) const MAX_DEPTH: usize = 200;

/// `str(value)`: texts as they are, everything else as [`repr`] writes it; an undefined value prints nothing.
pub(super) fn str(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match value.as_str() {
        Some(text) => out.push_str(text),
        None if value.is_undefined() => {}
        None => repr(value, &mut out, 0)?,
    }
    Ok(out)
}

/// `repr(value)`, appended to `out`. A list that holds another twice, and so on, is small and prints without end: the
/// text is bounded while it is written.
fn repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    if out.len() > OUTPUT_CAP {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a value that prints more than {OUTPUT_CAP} bytes"),
        ));
    }
    match value.kind() {
        ValueKind::String => repr_text(value.as_str().unwrap_or_default(), out),
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&float(f64::try_from(value.clone()).unwrap_or(f64::NAN), "nan", "inf"));
        }
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(&key, out, depth + 1)?;
                out.push_str(": ");
                repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            out.push(open);
            let mut written = 0;
            for item in value.try_iter()?.checked() {
                if written > 0 {
                    out.push_str(", ");
                }
                repr(&item?, out, depth + 1)?;
                written += 1;
            }
            if value.is_tuple() && written == 1 {
                out.push(',');
            }
            out.push(close);
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// The error for containers nested deeper than anyone writes.
pub(super) fn too_deep() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("lists or maps nested more than {MAX_DEPTH} deep"))
}

fn repr_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if printable(c) => out.push(c),
            c => out.push_str(&match c as u32 {
                code @ 0..=0xff => format!("\\x{code:02x}"),
                code @ 0x100..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable`. Rust keeps the same table for `escape_debug`, which treats a combining mark as
/// unprintable only where nothing stands before it.
fn printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ => !format!("a{c}").escape_debug().to_string().contains("\\u{"),
    }
}

/// `repr` of a float: the shortest digits that read back the same, in scientific notation outside 1e-4 … 1e16.
pub(super) fn float(x: f64, nan: &str, infinity: &str) -> String {
    if x.is_nan() {
        return nan.to_owned();
    }
    if x.is_infinite() {
        return format!("{}{infinity}", if x < 0.0 { "-" } else { "" });
    }
    let scientific = format!("{x:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let fixed = x.to_string();
    if fixed.contains('.') { fixed } else { format!("{fixed}.0") }
}

/// Python's `str.isspace` for one character, which counts four separators that Rust does not.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
