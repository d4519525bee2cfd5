//! What is changed in a template's source before minijinja reads it, so that it renders as in Python's Jinja.

/// The source with
/// - every line end written `\n`, and one at the very end dropped, as Jinja's lexer does;
/// - `{% generation %} … {% endgeneration %}`, the tag with which `transformers` marks what a model says, written as
///   `with … endwith`, which does what matters in rendering: the body is a scope of its own. The new tag is as long as
///   the old one, so that errors name the right line and column, and keeps its whitespace control;
/// - `{% raw %}` written `{% raw +%}`: `trim_blocks` does not apply to it in Jinja.
///
/// Comments, texts and raw blocks are left alone.
pub(super) fn prepare(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = next_opening(rest) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.as_bytes()[1] {
            b'#' => rest.find("#}").map_or(rest.len(), |n| n + 2),
            b'{' => end_of_expression(rest, 2, "}}"),
            _ => {
                let after = rest[2..].trim_start_matches(['-', '+']).trim_start();
                let start = rest.len() - after.len();
                let length = after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len());
                let name = &after[..length];
                let end = end_of_expression(rest, start + length, "%}");
                out.push_str(&rest[..start]);
                out.push_str(match name {
                    "generation" => "with      ",
                    "endgeneration" => "endwith      ",
                    _ => name,
                });
                rest = &rest[start + length..];
                let mut end = end - start - length;
                if name == "raw" {
                    let tag = rest[..end].strip_suffix("%}").unwrap_or(&rest[..end]);
                    out.push_str(tag);
                    out.push_str(if tag.ends_with('-') { "%}" } else { "+%}" });
                    rest = &rest[end..];
                    end = end_of_raw(rest);
                }
                end
            }
        };
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where the next `{{`, `{%` or `{#` stands.
fn next_opening(text: &str) -> Option<usize> {
    ["{{", "{%", "{#"].iter().filter_map(|opening| text.find(opening)).min()
}

/// The place behind the `end` of an expression that begins at `from`: one outside texts and brackets.
fn end_of_expression(text: &str, from: usize, end: &str) -> usize {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        if open == 0 && bytes[at..].starts_with(end.as_bytes()) {
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
    text.len()
}

/// The place behind the `{% endraw %}` that closes a raw block.
fn end_of_raw(text: &str) -> usize {
    let mut at = 0;
    while let Some(found) = text[at..].find("{%") {
        at += found + 2;
        let inside = text[at..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = inside.strip_prefix("endraw")
            && let Some(rest) = rest.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")
        {
            return text.len() - rest.len();
        }
    }
    text.len()
}
