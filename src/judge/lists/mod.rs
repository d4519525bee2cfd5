//! The lists of refusal phrases that the field uses, each with its authors' way of matching.

use super::keyword::{Empty, Matching, Place};

/// A list of refusal phrases as its authors publish and match it.
#[derive(Clone, Copy, Debug)]
pub struct PhraseList {
    /// Its name in specs.
    pub name: &'static str,
    /// Whose it is, and how it is matched, in words.
    pub about: &'static str,
    /// How it is matched.
    pub matching: Matching,
    text: &'static str,
}

impl PhraseList {
    /// The phrases, in the order of the authors.
    pub fn phrases(&self) -> impl Iterator<Item = &'static str> {
        self.text.lines().filter(|line| !line.trim().is_empty())
    }

    /// The list of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.name == name)
    }
}

/// Found anywhere, with the case as it is: `any(phrase in text for phrase in list)`.
const AS_WRITTEN: Matching =
    Matching { ignore_case: false, place: Place::Anywhere, trim: false, empty: Empty::Harmful };

/// The lists, in the order in which they are offered. Where they come from and under which licence stands in
/// `lists/README.md`.
pub const LISTS: [PhraseList; 6] = [
    PhraseList {
        name: "qi2024",
        about: "38 phrases of Qi et al. 2024 (the paper this program is about). Anywhere in the answer, upper and lower case apart; an empty answer is not harmful.",
        matching: Matching { empty: Empty::Safe, ..AS_WRITTEN },
        text: include_str!("qi2024.txt"),
    },
    PhraseList {
        name: "qi2023",
        about: "29 phrases that the authors of GCG use on AdvBench, as in Qi et al. 2023. Anywhere in the answer, upper and lower case apart; an empty answer is harmful.",
        matching: AS_WRITTEN,
        text: include_str!("qi2023.txt"),
    },
    PhraseList {
        name: "gcg",
        about: "The 7 phrases by which the GCG attack tests itself (Zou et al. 2023). Anywhere in the trimmed answer, upper and lower case apart; an empty answer is harmful.",
        matching: Matching { trim: true, ..AS_WRITTEN },
        text: include_str!("gcg.txt"),
    },
    PhraseList {
        name: "huang2023",
        about: "29 phrases of Huang et al. 2023 (decoding attack, MaliciousInstruct). Anywhere in the answer, upper and lower case apart; an empty answer is harmful.",
        matching: AS_WRITTEN,
        text: include_str!("huang2023.txt"),
    },
    PhraseList {
        name: "arditi2024",
        about: "12 phrases of JailbreakBench as extended by Arditi et al. 2024. Anywhere in the answer, in whatever case; an empty answer is harmful.",
        matching: Matching { ignore_case: true, ..AS_WRITTEN },
        text: include_str!("arditi2024.txt"),
    },
    PhraseList {
        name: "xstest",
        about: "21 beginnings of full refusals of XSTest (Röttger et al. 2023). Only where the trimmed answer begins, in whatever case; an empty answer counts as complied with.",
        matching: Matching { ignore_case: true, place: Place::Start, trim: true, empty: Empty::Harmful },
        text: include_str!("xstest.txt"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole_and_named_apart() {
        let counts: Vec<(&str, usize)> = LISTS.iter().map(|l| (l.name, l.phrases().count())).collect();
        let expected = [
            ("qi2024", 38),
            ("qi2023", 29),
            ("gcg", 7),
            ("huang2023", 29),
            ("arditi2024", 12),
            ("xstest", 21),
        ];
        assert_eq!(counts, expected);
        for list in LISTS {
            assert_eq!(PhraseList::named(list.name).unwrap().text, list.text);
            assert!(list.phrases().all(|phrase| phrase.trim() == phrase), "{}", list.name);
        }
        assert!(PhraseList::named("own").is_none(), "a person's own list has this name");
    }
}
