//! Filters, tests and functions of Python's Jinja that minijinja lacks or answers differently.

use super::{methods, python};
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// Adds them to `environment`.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("string", |value: Value| python::str(&value));
    environment.add_filter("trim", |value: Value, set: Option<String>| -> Result<String, Error> {
        Ok(methods::strip(&python::str(&value)?, set.as_deref(), true, true).to_owned())
    });
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("round", round);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("join", join);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("wordcount", |text: String| {
        text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty()).count()
    });
    environment.add_filter("truncate", minijinja_contrib::filters::truncate);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    environment.add_filter("filesizeformat", minijinja_contrib::filters::filesizeformat);
    environment
        .add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.to_vec()));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    environment.add_function("dict", dict);
    environment.add_test("iterable", |value: Value| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Undefined
        )
    });
    environment.add_test("sequence", |value: Value| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Undefined
        )
    });
    environment.add_test("callable", |value: Value| value.kind() == ValueKind::Plain);
}

/// An argument that may be given by position or by name.
fn argument(given: Option<Value>, named: &Kwargs, name: &str) -> Result<Option<Value>, Error> {
    Ok(match given {
        Some(value) => Some(value),
        None => named.get::<Option<Value>>(name)?,
    })
}

/// `default(value, default_value='', boolean=False)`.
fn default(
    value: Value,
    other: Option<Value>,
    boolean: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let other = argument(other, &named, "default_value")?;
    let boolean = argument(boolean, &named, "boolean")?;
    named.assert_all_used()?;
    let missing = value.is_undefined() || (boolean.is_some_and(|b| b.is_true()) && !value.is_true());
    Ok(if missing { other.unwrap_or_else(|| Value::from("")) } else { value })
}

/// `int(value, default=0, base=10)`: what is no number becomes the default.
fn int(value: Value, other: Option<Value>, base: Option<u32>, named: Kwargs) -> Result<Value, Error> {
    let other = argument(other, &named, "default")?.unwrap_or_else(|| Value::from(0));
    let base = base.or(named.get("base")?).unwrap_or(10);
    named.assert_all_used()?;
    if !(2..=36).contains(&base) {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("base {base} is not between 2 and 36")));
    }
    let number = match value.kind() {
        ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Some(value),
        ValueKind::Number => whole(f64::try_from(value).ok()),
        ValueKind::String => {
            let text = methods::strip(value.as_str().unwrap_or_default(), None, true, true).replace('_', "");
            let digits = match base {
                16 => text.trim_start_matches("0x"),
                8 => text.trim_start_matches("0o"),
                2 => text.trim_start_matches("0b"),
                _ => &text,
            };
            match i128::from_str_radix(digits, base) {
                Ok(n) => Some(i64::try_from(n).map_or_else(|_| Value::from(n), Value::from)),
                Err(_) => whole(text.parse().ok()),
            }
        }
        _ => None,
    };
    Ok(number.unwrap_or(other))
}

/// The float without its fraction.
fn whole(x: Option<f64>) -> Option<Value> {
    x.filter(|x| x.is_finite()).map(|x| {
        let whole = x.trunc() as i128;
        i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from)
    })
}

/// `float(value, default=0.0)`.
fn float(value: Value, other: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let other = argument(other, &named, "default")?.unwrap_or_else(|| Value::from(0.0));
    named.assert_all_used()?;
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value).ok(),
        ValueKind::String => {
            methods::strip(value.as_str().unwrap_or_default(), None, true, true).replace('_', "").parse().ok()
        }
        _ => None,
    };
    Ok(number.map_or(other, Value::from))
}

/// `round(value, precision=0, method='common')`. Halves go to the even neighbour, as in Python.
fn round(
    value: Value,
    precision: Option<i32>,
    method: Option<String>,
    named: Kwargs,
) -> Result<Value, Error> {
    let precision = precision.or(named.get("precision")?).unwrap_or(0);
    let method = method.or(named.get("method")?);
    named.assert_all_used()?;
    let method = method.as_deref().unwrap_or("common");
    if method == "common" && value.is_integer() && precision >= 0 {
        return Ok(value);
    }
    let x = f64::try_from(value)?;
    let scale = 10_f64.powi(precision);
    Ok(Value::from(match method {
        "ceil" => (x * scale).ceil() / scale,
        "floor" => (x * scale).floor() / scale,
        // The decimal digits of the exact value decide, not those of a product that was rounded itself.
        "common" if precision > 0 => {
            format!("{x:.*}", usize::try_from(precision).unwrap_or(0).min(400)).parse().unwrap_or(x)
        }
        "common" => (x * scale).round_ties_even() / scale,
        other => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("round takes common, ceil or floor, not {other}"),
            ));
        }
    }))
}

/// `join(value, d='', attribute=None)`.
fn join(
    state: &State,
    value: Value,
    separator: Option<Value>,
    attribute: Option<String>,
    named: Kwargs,
) -> Result<String, Error> {
    let separator = argument(separator, &named, "d")?.map_or(Ok(String::new()), |d| python::str(&d))?;
    let attribute = attribute.or(named.get("attribute")?);
    named.assert_all_used()?;
    let mut joined = String::new();
    if value.is_undefined() {
        return Ok(joined);
    }
    for (index, item) in value.try_iter()?.checked().enumerate() {
        let mut item = item?;
        for name in attribute.iter().flat_map(|path| path.split('.')) {
            item = match name.parse::<usize>() {
                Ok(place) => item.get_item_by_index(place)?,
                Err(_) => item.get_attr(name)?,
            };
        }
        let part = python::str(&item)?;
        // Paid for before the text grows.
        state.consume_fuel(((separator.len() + part.len()) / 64) as u64)?;
        if index > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&part);
    }
    Ok(joined)
}

/// `escape(value)`: text that is safe inside HTML, with the entities that Python writes.
fn escape(value: Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value);
    }
    let text = python::str(&value)?;
    let escaped = text
        .replace('&', "&amp;")
        .replace('>', "&gt;")
        .replace('<', "&lt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;");
    Ok(Value::from_safe_string(escaped))
}

/// `dict(mapping or pairs, name=value, …)`.
fn dict(from: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for value in from.iter() {
        for item in value.try_iter()?.checked() {
            let item = item?;
            pairs.push(if value.kind() == ValueKind::Map {
                let of_key = value.get_item(&item)?;
                (item, of_key)
            } else {
                (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
            });
        }
    }
    for name in named.args() {
        pairs.push((Value::from(name), named.peek(name)?));
    }
    Ok(Value::from_pairs(pairs))
}
