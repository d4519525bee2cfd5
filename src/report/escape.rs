//! Text that stands inside HTML and SVG.

/// `text` with what would be read as markup written out, and without the control characters that XML does not allow.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            // One of these would make the whole picture unreadable.
            '\u{FFFE}' | '\u{FFFF}' => {}
            _ if c.is_control() => {}
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_escaped_is_markup() {
        assert_eq!(
            escape("<script>alert('1' & \"2\")"),
            "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)"
        );
        assert_eq!(escape("a\u{0}b\nc\u{1b}"), "ab c");
    }
}
