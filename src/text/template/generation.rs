//! `{% generation %} … {% endgeneration %}`, the tag with which `transformers` marks what a model says.

use std::borrow::Cow;

/// Replaces the tags by `with … endwith`, which minijinja knows and which does what matters in rendering: the body is
/// a scope of its own. The replacement is as long as the tag, so that errors name the right line and column;
/// whitespace control stays as written. Comments, texts and raw blocks are left alone.
pub(super) fn without_generation_tags(source: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(source);
    let mut at = 0;
    while let Some(found) = source[at..].find("{{").into_iter().chain(source[at..].find("{%")).chain(source[at..].find("{#")).min() {
        at += found;
        match source.as_bytes()[at + 1] {
            b'#' => at = end_of(source, at, "#}"),
            b'{' => at = end_of_expression(source, at + 2, "}}"),
            _ => {
                let inside = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
                let start = source.len() - inside.len();
                let name = &inside[..inside.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(inside.len())];
                let replacement = match name {
                    "generation" => "with      ",
                    "endgeneration" => "endwith      ",
                    _ => name,
                };
                out_replace(&mut out, start, name, replacement);
                at = end_of_expression(source, start + name.len(), "%}");
                if name == "raw" {
                    at = end_of_raw(source, at);
                }
            }
        }
    }
    out
}

fn out_replace(out: &mut Cow<'_, str>, start: usize, old: &str, new: &str) {
    if old != new {
        out.to_mut().replace_range(start..start + old.len(), new);
    }
}

/// The place behind the next `end`, or the end of the source.
fn end_of(source: &str, from: usize, end: &str) -> usize {
    source[from..].find(end).map_or(source.len(), |n| from + n + end.len())
}

/// The place behind the `end` of an expression that begins at `from`: one outside texts and brackets.
fn end_of_expression(source: &str, from: usize, end: &str) -> usize {
    let bytes = source.as_bytes();
    let mut open = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        if open == 0 && source.as_bytes()[at..].starts_with(end.as_bytes()) {
            return at + end.len();
        }
        match bytes[at] {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            quote @ (b'"' | b'\'') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// The place behind the `{% endraw %}` that closes a raw block.
fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(found) = source[at..].find("{%") {
        at += found + 2;
        let inside = source[at..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = inside.strip_prefix("endraw")
            && let Some(rest) = rest.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")
        {
            return source.len() - rest.len();
        }
    }
    source.len()
}
