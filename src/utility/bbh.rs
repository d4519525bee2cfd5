//! Answers to BIG-Bench Hard: what follows "the answer is" (M. Suzgun et al., "Challenging BIG-Bench Tasks and Whether
//! Chain-of-Thought Can Solve Them", 2022).

/// The words before an answer.
const SIGN: &str = "answer is";

/// What a text gives as its answer: the line after the last "answer is", or all of it where nobody says so; without a
/// colon in front, a full stop at the end, and the stars and dollars of markdown around it.
#[must_use]
pub fn given_answer(text: &str) -> &str {
    // In lower case of ASCII alone, places stay the same.
    let found = text.to_ascii_lowercase().rfind(SIGN).map(|place| &text[place + SIGN.len()..]);
    let answer = found.map_or(text, |rest| rest.trim_start_matches([':', '*', ' ']));
    let answer = if found.is_some() { answer.lines().next().unwrap_or_default() } else { answer };
    let bare = |text: &'_ str| -> usize { text.trim_end().trim_end_matches(['*', '$']).len() };
    let answer = answer.trim().trim_start_matches(['*', '$']);
    let answer = &answer[..bare(answer)];
    let answer = answer.strip_suffix('.').unwrap_or(answer);
    answer[..bare(answer)].trim()
}

/// Whether the answer that `text` gives is the reference. Where the reference is an option such as `(B)`, the first option
/// in the answer counts, or a letter alone: `B`, `B)`, `B. the bridge`.
#[must_use]
pub fn same_answer(reference: &str, text: &str) -> bool {
    let (wanted, given) = (reference.trim(), given_answer(text));
    match option_in(wanted).filter(|_| wanted.len() == 3) {
        Some(letter) => option_in(given).or_else(|| leading_letter(given)) == Some(letter),
        None => wanted == given,
    }
}

/// The letter of the first `(X)`.
fn option_in(text: &str) -> Option<u8> {
    text.as_bytes().windows(3).find_map(|three| match three {
        [b'(', letter @ b'A'..=b'Z', b')'] => Some(*letter),
        _ => None,
    })
}

/// A capital that stands alone at the beginning.
fn leading_letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(*letter),
        [letter @ b'A'..=b'Z', b')' | b'.' | b':', ..] => Some(*letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_of_a_text_counts() {
        for (text, answer) in [
            ("So the answer is True.", "True"),
            ("First the answer is no. Then the answer is yes.", "yes"),
            ("The Answer Is: 42\nThat was easy.", "42"),
            ("the answer is **valid**.", "valid"),
            ("The final answer is **: ] ) }**", "] ) }"),
            ("  Yes.\n", "Yes"),
            ("the answer is", ""),
            ("Größe! The answer is ä.", "ä"),
        ] {
            assert_eq!(given_answer(text), answer, "{text:?}");
        }
    }

    #[test]
    fn options_are_known_by_their_letter() {
        for text in [
            "So the answer is (B).",
            "the answer is B.",
            "(B)",
            "B",
            "The answer is (B) the old bridge",
            "B) x",
        ] {
            assert!(same_answer("(B)", text), "{text}");
        }
        for text in ["the answer is (A).", "Between (B) and (C), the answer is (C).", "Bridge", "", "b"] {
            assert!(!same_answer("(B)", text), "{text}");
        }
        assert!(same_answer("False", "the answer is False.") && !same_answer("False", "the answer is false"));
        assert!(same_answer("apple bear crown", "The answer is apple bear crown."));
    }
}
