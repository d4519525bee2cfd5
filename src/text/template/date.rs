//! `strftime_now` at a fixed date.

use jiff::civil::Date;
use minijinja::{Error, ErrorKind};

/// Python's `datetime(date, 00:00).strftime(format)` in the C locale.
pub(super) fn strftime(date: Date, format: &str) -> Result<String, Error> {
    let midnight = date.at(0, 0, 0, 0);
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        // A directive is `%`, perhaps glibc's padding flag, and one letter.
        let tail = &rest[at + 1..];
        let flag = tail.chars().next().filter(|c| "-_0^#".contains(*c)).map_or(0, char::len_utf8);
        let Some(letter) = tail[flag..].chars().next() else {
            out.push_str(&rest[at..]);
            return Ok(out);
        };
        let directive = &rest[at..at + 1 + flag + letter.len_utf8()];
        rest = &rest[directive.len() + at..];
        let jiffs = match letter {
            // A date without a zone has no zone to name.
            'z' | 'Z' => continue,
            'f' => {
                out.push_str("000000");
                continue;
            }
            'c' => "%a %b %e %H:%M:%S %Y",
            'x' => "%m/%d/%y",
            'X' | 'T' => "%H:%M:%S",
            'r' => "%I:%M:%S %p",
            'a' | 'A' | 'b' | 'B' | 'h' | 'C' | 'd' | 'D' | 'e' | 'F' | 'g' | 'G' | 'H' | 'I' | 'j' | 'k'
            | 'l' | 'm' | 'M' | 'n' | 'p' | 'P' | 'R' | 'S' | 't' | 'u' | 'U' | 'V' | 'w' | 'W' | 'y'
            | 'Y' | '%' => directive,
            _ => {
                out.push_str(directive);
                continue;
            }
        };
        let text = jiff::fmt::strtime::format(jiffs, midnight)
            .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("strftime_now({format:?}): {e}")))?;
        out.push_str(&text);
    }
    out.push_str(rest);
    Ok(out)
}
