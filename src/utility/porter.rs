//! Porter's stemmer, as NLTK runs it by default.
//!
//! M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with what NLTK calls its extensions: a few
//! irregular words, `ies` and `ied` of four-letter words, `y` → `i` only after a consonant, `alli` before the other
//! suffixes of step 2, `fulli`, `logi`, and an `e` put back after two letters too. Google's rouge_score stems by it, so
//! that ROUGE can only equal that package's numbers with the same rules. Snowball's "English" stemmer is a different one
//! (Porter 2), and Porter's original has no extensions.

/// Words with stems of their own.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// Step 2, where something with a vowel and a consonant stands before: double suffixes become single ones.
const DOUBLE: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

/// Step 3, on the same condition.
const ENDINGS: [(&str, &str); 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Step 4, where m > 1: these go.
const GONE: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
    "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word of lower-case ASCII letters and digits.
pub(super) fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 {
        return word.to_owned();
    }
    let mut word = plural(word).to_owned();
    past_or_continuous(&mut word);
    if let Some(stem) = word.strip_suffix('y')
        && stem.len() > 1
        && consonants(stem).last() == Some(&true)
    {
        word = format!("{stem}i");
    }
    double_suffix(&mut word);
    replace_first(&mut word, &ENDINGS, |stem| measure(stem) > 0);
    if let Some(stem) = GONE.iter().find_map(|suffix| word.strip_suffix(suffix).map(|stem| (stem, suffix)))
        && measure(stem.0) > 1
        && (*stem.1 != "ion" || stem.0.ends_with(['s', 't']))
    {
        word.truncate(stem.0.len());
    }
    if let Some(stem) = word.strip_suffix('e')
        && (measure(stem) > 1 || measure(stem) == 1 && !ends_short(stem))
    {
        word.pop();
    }
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}

/// Which letters are consonants: all but a, e, i, o, u, and y after a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        flags.push(match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => flags.last() != Some(&true),
            _ => true,
        });
    }
    flags
}

/// Porter's m: how often a consonant follows a vowel.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

/// Whether it ends consonant, vowel, consonant, the last not w, x or y; or is vowel and consonant alone.
fn ends_short(word: &str) -> bool {
    let flags = consonants(word);
    match flags.as_slice() {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// Step 1a.
fn plural(word: &str) -> &str {
    let without = |letters: usize| &word[..word.len() - letters];
    if word.ends_with("ies") {
        without(if word.len() == 4 { 1 } else { 2 })
    } else if word.ends_with("sses") {
        without(2)
    } else if word.ends_with('s') && !word.ends_with("ss") {
        without(1)
    } else {
        word
    }
}

/// Step 1b.
fn past_or_continuous(word: &mut String) {
    if word.ends_with("ied") {
        word.truncate(word.len() - if word.len() == 4 { 1 } else { 2 });
        return;
    }
    if let Some(stem) = word.strip_suffix("eed") {
        if measure(stem) > 0 {
            word.pop();
        }
        return;
    }
    let Some(stem) = word.strip_suffix("ed").or_else(|| word.strip_suffix("ing")) else { return };
    if consonants(stem).iter().all(|&consonant| consonant) {
        return;
    }
    word.truncate(stem.len());
    let flags = consonants(word);
    let double = matches!(word.as_bytes(), [.., a, b] if a == b) && flags.last() == Some(&true);
    if ["at", "bl", "iz"].iter().any(|ending| word.ends_with(ending)) {
        word.push('e');
    } else if double {
        if !word.ends_with(['l', 's', 'z']) {
            word.pop();
        }
    } else if measure(word) == 1 && ends_short(word) {
        word.push('e');
    }
}

/// Step 2.
fn double_suffix(word: &mut String) {
    while let Some(stem) = word.strip_suffix("alli") {
        if measure(stem) == 0 {
            break;
        }
        word.truncate(word.len() - 2);
    }
    if replace_first(word, &DOUBLE, |stem| measure(stem) > 0) {
        return;
    }
    // The l belongs to the stem here, so that short ones such as geology's count.
    if word.ends_with("logi") && measure(&word[..word.len() - 3]) > 0 {
        word.pop();
    }
}

/// Replaces the first of these suffixes that the word has, if what stands before it fits. Whether it has one.
fn replace_first(word: &mut String, rules: &[(&str, &str)], fits: impl Fn(&str) -> bool) -> bool {
    let Some((length, replacement)) =
        rules.iter().find_map(|(suffix, new)| word.strip_suffix(suffix).map(|stem| (stem.len(), new)))
    else {
        return false;
    };
    if fits(&word[..length]) {
        word.truncate(length);
        word.push_str(replacement);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn stems_are_nltks() {
        let all: Value = serde_json::from_str(include_str!("../../tests/reference/utility.json")).unwrap();
        let stems = all["stems"].as_object().unwrap();
        assert!(stems.len() >= 400);
        for (word, expected) in stems {
            assert_eq!(Some(stem(word).as_str()), expected.as_str(), "{word}");
        }
    }
}
