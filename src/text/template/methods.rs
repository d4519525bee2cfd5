//! Methods of Python's `str`, `list` and `dict` that templates call: those that minijinja's own compatibility layer
//! lacks, or answers differently from Python. Everything else is handed on to that layer.

use super::python;
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// Calls `value.method(args)` as Python does.
pub(super) fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => text_method(state, value.as_str().unwrap_or_default(), method, args),
        ValueKind::Seq | ValueKind::Iterable => list_method(value, method, args),
        ValueKind::Map if matches!(method, "clear" | "pop" | "popitem" | "setdefault" | "update") => {
            Err(immutable("dict", method))
        }
        ValueKind::Map if method == "copy" => from_args::<()>(args).map(|()| Some(value.clone())),
        _ => Ok(None),
    }?;
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn failed(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// Jinja's immutable sandbox, in which chat templates run, refuses what would change a list or a map.
fn immutable(kind: &str, method: &str) -> Error {
    failed(format!("{kind}.{method} would change a value, which chat templates may not"))
}

fn list_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "append" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort" | "clear" => {
            return Err(immutable("list", method));
        }
        "copy" => from_args::<()>(args).map(|()| value.clone())?,
        "count" => {
            let (wanted,): (Value,) = from_args(args)?;
            let mut count = 0;
            for item in value.try_iter()?.checked() {
                count += usize::from(item? == wanted);
            }
            Value::from(count)
        }
        "index" => {
            let (wanted,): (Value,) = from_args(args)?;
            for (index, item) in value.try_iter()?.checked().enumerate() {
                if item? == wanted {
                    return Ok(Some(Value::from(index)));
                }
            }
            return Err(failed(format!("{wanted} is not in list")));
        }
        _ => return Ok(None),
    }))
}

fn text_method(state: &State, text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (set,): (Option<String>,) = from_args(args)?;
            Value::from(strip(text, set.as_deref(), method != "rstrip", method != "lstrip"))
        }
        "split" | "rsplit" => {
            let (separator, most, named): (Option<String>, Option<i64>, Kwargs) = from_args(args)?;
            let separator = separator.or(named.get("sep")?);
            let most = most.or(named.get("maxsplit")?).and_then(|n| usize::try_from(n).ok());
            named.assert_all_used()?;
            split(text, separator.as_deref(), most, method == "rsplit")?
        }
        "splitlines" => {
            let (keep, named): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(named.get("keepends")?).unwrap_or(false);
            named.assert_all_used()?;
            split_lines(text, keep)
        }
        "partition" | "rpartition" => {
            let (separator,): (String,) = from_args(args)?;
            let last = method == "rpartition";
            let cut = if last { text.rsplit_once(&separator) } else { text.split_once(&separator) };
            let parts = match cut {
                Some((before, after)) => [before, &separator, after],
                None if last => ["", "", text],
                None => [text, "", ""],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let (prefix,): (String,) = from_args(args)?;
            Value::from(text.strip_prefix(&prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (String,) = from_args(args)?;
            Value::from(text.strip_suffix(&suffix).unwrap_or(text))
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let (wanted, start, end): (String, Option<i64>, Option<i64>) = from_args(args)?;
            search(text, &wanted, start, end, method)?
        }
        "startswith" | "endswith" => {
            let (wanted, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
            let part = window(text, start, end).map_or("", |(_, part)| part);
            let meets = |affix: &str| {
                if method == "startswith" { part.starts_with(affix) } else { part.ends_with(affix) }
            };
            let mut found = false;
            match wanted.as_str() {
                Some(affix) => found = meets(affix),
                None if wanted.is_tuple() => {
                    for affix in wanted.try_iter()?.checked() {
                        let affix = affix?;
                        found |= meets(affix.as_str().ok_or_else(|| not_text(method, &affix))?);
                    }
                }
                None => return Err(not_text(method, &wanted)),
            }
            Value::from(found)
        }
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let mut joined = String::new();
            for (index, item) in items.try_iter()?.checked().enumerate() {
                let item = item?;
                let part = item.as_str().ok_or_else(|| not_text(method, &item))?;
                // Paid for before the text grows.
                state.consume_fuel(((text.len() + part.len()) / 64) as u64)?;
                if index > 0 {
                    joined.push_str(text);
                }
                joined.push_str(part);
            }
            Value::from(joined)
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let (width, fill): (i64, Option<String>) = from_args(args)?;
            let fill = fill.and_then(|f| f.chars().next()).unwrap_or(' ');
            pad(state, text, usize::try_from(width).unwrap_or(0), fill, method)?
        }
        // A width makes a short template print much: none that a person reads has five digits.
        "format" if runs_of_digits(text).any(|run| run.len() > 4) => {
            return Err(failed("a width of more than four digits in str.format"));
        }
        "capitalize" => {
            let mut chars = text.chars();
            let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            Value::from(first + &chars.as_str().to_lowercase())
        }
        "title" => Value::from(title(text)),
        "swapcase" => Value::from(
            text.chars()
                .map(|c| {
                    if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() }
                })
                .collect::<String>(),
        ),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "isspace" => Value::from(!text.is_empty() && text.chars().all(python::is_space)),
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "istitle" => Value::from(text.chars().any(char::is_alphabetic) && title(text) == text),
        "isidentifier" => Value::from(
            text.chars().next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && text.chars().all(|c| c == '_' || c.is_alphanumeric()),
        ),
        _ => return Ok(None),
    }))
}

fn not_text(method: &str, value: &Value) -> Error {
    failed(format!("str.{method} needs text, not a value of type {}", value.kind()))
}

/// `str.strip` and its one-sided kin: whitespace, or the characters of `set`.
pub(super) fn strip<'a>(text: &'a str, set: Option<&str>, left: bool, right: bool) -> &'a str {
    let gone = |c: char| set.map_or_else(|| python::is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(gone) } else { text };
    if right { text.trim_end_matches(gone) } else { text }
}

/// `str.split` and `str.rsplit`: at most `most` cuts; without a separator at runs of whitespace, dropping empty parts.
fn split(text: &str, separator: Option<&str>, most: Option<usize>, last: bool) -> Result<Value, Error> {
    let parts = most.map_or(usize::MAX, |n| n.saturating_add(1));
    let mut found: Vec<&str> = match separator {
        Some("") => return Err(failed("empty separator")),
        Some(separator) if last => text.rsplitn(parts, separator).collect(),
        Some(separator) => text.splitn(parts, separator).collect(),
        None => {
            let mut found = Vec::new();
            let mut rest = strip(text, None, !last, last);
            while !rest.is_empty() {
                let cut = if found.len() + 1 >= parts {
                    None
                } else if last {
                    rest.char_indices()
                        .rfind(|(_, c)| python::is_space(*c))
                        .map(|(at, c)| (at, at + c.len_utf8()))
                } else {
                    rest.char_indices().find(|(_, c)| python::is_space(*c)).map(|(at, _)| (at, at))
                };
                let Some((before, after)) = cut else {
                    // What is left keeps the whitespace of its far end once the cuts are used up.
                    found.push(rest);
                    break;
                };
                if last {
                    found.push(&rest[after..]);
                    rest = strip(&rest[..before], None, false, true);
                } else {
                    found.push(&rest[..before]);
                    rest = strip(&rest[after..], None, true, false);
                }
            }
            found
        }
    };
    if last {
        found.reverse();
    }
    Ok(found.into_iter().map(Value::from).collect())
}

/// `str.splitlines`, with Python's line ends.
fn split_lines(text: &str, keep: bool) -> Value {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((at, c)) = rest.char_indices().find(|(_, c)| ends(*c)) else {
            lines.push(Value::from(rest));
            break;
        };
        let end = if rest[at..].starts_with("\r\n") { at + 2 } else { at + c.len_utf8() };
        lines.push(Value::from(&rest[..if keep { end } else { at }]));
        rest = &rest[end..];
    }
    Value::from(lines)
}

/// The part of `text` between two Python indices in characters, with the character index at which it begins, or `None`
/// where the start lies behind the end.
fn window(text: &str, start: Option<i64>, end: Option<i64>) -> Option<(usize, &str)> {
    let start = start.unwrap_or(0);
    if start == 0 && end.is_none() {
        return Some((0, text));
    }
    let length = text.chars().count();
    let clamp = |index: i64| {
        let index = if index < 0 { index.saturating_add(length as i64).max(0) } else { index };
        usize::try_from(index).unwrap_or(usize::MAX)
    };
    let (start, end) = (clamp(start), end.map_or(length, clamp).min(length));
    if start > end {
        return None;
    }
    let byte = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
    Some((start, &text[byte(start)..byte(end)]))
}

/// `str.find`, `rfind`, `index`, `rindex` and `count`, in characters.
fn search(
    text: &str,
    wanted: &str,
    start: Option<i64>,
    end: Option<i64>,
    method: &str,
) -> Result<Value, Error> {
    let window = window(text, start, end);
    if method == "count" {
        return Ok(Value::from(window.map_or(0, |(_, part)| part.matches(wanted).count())));
    }
    let found = window.and_then(|(first, part)| {
        let at = if method.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) }?;
        Some(first + part[..at].chars().count())
    });
    match found {
        Some(index) => Ok(Value::from(index)),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(failed("substring not found")),
    }
}

/// `str.center`, `ljust`, `rjust` and `zfill`.
fn pad(state: &State, text: &str, width: usize, fill: char, method: &str) -> Result<Value, Error> {
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    // Paid for before it is made, so that a huge width costs fuel and no memory.
    state.consume_fuel(missing as u64 / 16)?;
    let run = |n: usize, fill: char| fill.to_string().repeat(n);
    Ok(Value::from(match method {
        "ljust" => format!("{text}{}", run(missing, fill)),
        "rjust" => format!("{}{text}", run(missing, fill)),
        "zfill" => {
            let digits = text.trim_start_matches(['+', '-']);
            let sign = if text.len() - digits.len() == 1 { &text[..1] } else { "" };
            format!("{sign}{}{}", run(missing, '0'), &text[sign.len()..])
        }
        _ => {
            // Python puts the odd one on the left where the width is odd.
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", run(left, fill), run(missing - left, fill))
        }
    }))
}

/// `str.title`: the first letter of every run of letters is a capital.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

fn runs_of_digits(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit())
}
