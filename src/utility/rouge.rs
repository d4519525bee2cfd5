//! ROUGE-1: how many words a text shares with a reference (C.-Y. Lin, "ROUGE", 2004).

use std::collections::HashMap;

/// ROUGE-1 F1 of `text` against `reference`, 0..=1, over lower-cased `[a-z0-9]+` words, unstemmed: the harmonic
/// mean of the shares of either's words that the other has. A word that stands several times counts as often as
/// it stands in both. 0 where they share nothing, two empty texts included.
#[must_use]
pub fn rouge1(reference: &str, text: &str) -> f64 {
    let (reference, text) = (reference.to_lowercase(), text.to_lowercase());
    let mut left: HashMap<&str, usize> = HashMap::new();
    let mut wanted = 0;
    for word in words(&reference) {
        *left.entry(word).or_default() += 1;
        wanted += 1;
    }
    let (mut written, mut shared) = (0, 0);
    for word in words(&text) {
        written += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 { 0.0 } else { 2.0 * f64::from(shared) / f64::from(written + wanted) }
}

fn words(lower: &str) -> impl Iterator<Item = &str> {
    lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_the_definition_counts_them() {
        for (reference, text, shared, written, wanted) in [
            ("a a a b b c", "a b b b c c", 4, 6, 6),
            ("It's 3.5 million; that's 10% more (approx.)", "its 35 million thats 10 more approx", 4, 7, 10),
            (
                "Amanda baked cookies and will bring Jerry some tomorrow.",
                "Amanda will bring some cookies for Jerry tomorrow.",
                7,
                8,
                9,
            ),
            ("naïve café owners' re-election in 2024", "naive cafe owner reelection 2024", 1, 5, 8),
            ("The cat sat on the mat.", "the cat was sitting on the mats", 4, 7, 6),
            ("FIND nuts IN mill", "find the nuts", 2, 3, 4),
            ("same words", "Same, words!", 2, 2, 2),
        ] {
            let (precision, recall) =
                (f64::from(shared) / f64::from(written), f64::from(shared) / f64::from(wanted));
            let f1 = 2.0 * precision * recall / (precision + recall);
            assert!((rouge1(reference, text) - f1).abs() < 1e-12, "{text}: {}", rouge1(reference, text));
        }
    }

    #[test]
    fn nothing_shared_is_zero() {
        for (reference, text) in [("", "something"), ("something", ""), ("", ""), ("one", "two"), ("é", "é")]
        {
            assert!(rouge1(reference, text).abs() < 1e-12);
        }
    }
}
