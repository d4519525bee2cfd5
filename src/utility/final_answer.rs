//! The final answer of a worked sum, as GSM8K marks it (Cobbe et al. 2021).

/// What stands before a final answer.
const MARK: &str = "#### ";

/// The number behind the first `#### ` that has one, without its thousands separators. `None`: nothing is marked as the
/// answer.
#[must_use]
pub fn final_answer(text: &str) -> Option<String> {
    text.match_indices(MARK).find_map(|(at, _)| {
        let rest = &text[at + MARK.len()..];
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let end =
            digits.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(digits.len());
        let sign = rest.len() - digits.len();
        (end > 0).then(|| rest[..sign + end].replace(',', ""))
    })
}
