//! ROUGE-1: how many words a text shares with a reference (C.-Y. Lin, "ROUGE", 2004).

use super::porter::stem;
use std::collections::HashMap;

/// Words shorter than this are not stemmed.
const STEMMED_FROM: usize = 4;

/// What a text and a reference share, each 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rouge {
    /// The share of the text's words that the reference has.
    pub precision: f64,
    /// The share of the reference's words that the text has.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// ROUGE-1 of `text` against `reference` over lower-cased `[a-z0-9]+` words, those of more than three letters stemmed:
/// the numbers of Google's rouge_score with `use_stemmer=True`. A word that stands several times counts as often as it
/// stands in both. All 0 where they share nothing, two empty texts included.
#[must_use]
pub fn rouge1_stemmed(reference: &str, text: &str) -> Rouge {
    let stemmed = |text: &str| -> Vec<String> {
        words(&text.to_lowercase())
            .map(|word| if word.len() < STEMMED_FROM { word.to_owned() } else { stem(word) })
            .collect()
    };
    let (reference, text) = (stemmed(reference), stemmed(text));
    shared(reference.iter().map(String::as_str), text.iter().map(String::as_str))
}

/// ROUGE-1 F1 of `text` against `reference`, 0..=1, over lower-cased `[a-z0-9]+` words, unstemmed.
#[must_use]
pub fn rouge1(reference: &str, text: &str) -> f64 {
    let (reference, text) = (reference.to_lowercase(), text.to_lowercase());
    shared(words(&reference), words(&text)).f1
}

fn shared<'a>(reference: impl Iterator<Item = &'a str>, text: impl Iterator<Item = &'a str>) -> Rouge {
    let mut left: HashMap<&str, usize> = HashMap::new();
    let mut wanted = 0;
    for word in reference {
        *left.entry(word).or_default() += 1;
        wanted += 1;
    }
    let (mut written, mut shared) = (0, 0);
    for word in text {
        written += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return Rouge::default();
    }
    let (shared, written, wanted) = (f64::from(shared), f64::from(written), f64::from(wanted));
    Rouge { precision: shared / written, recall: shared / wanted, f1: 2.0 * shared / (written + wanted) }
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
