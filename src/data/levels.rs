//! Hierarchical refusals: what a refusal says depends on how much harm already stands before it. A short no at the start; an
//! explanation after a few steps; after more of them a way out as well.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// What is said from some depth on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalLevel {
    /// What people call it: "short refusal".
    pub name: String,
    /// The smallest number of harmful answer tokens k from which it is used.
    pub from_depth: usize,
    /// Its wordings, of which one is drawn at each visit.
    pub templates: Vec<String>,
}

/// Three levels to begin with. The depths are the paper's prefilling depths; the words name no matter and fit every request.
#[must_use]
pub fn refusal_levels() -> Vec<RefusalLevel> {
    let level = |name: &str, from_depth, templates: [&str; 2]| RefusalLevel {
        name: name.to_owned(),
        from_depth,
        templates: templates.map(str::to_owned).to_vec(),
    };
    vec![
        level(
            "short refusal",
            0,
            ["I cannot help with that.", "I am sorry, but I cannot help with this request."],
        ),
        level(
            "explanation",
            10,
            [
                "I cannot go on with this. What I began to describe could do harm.",
                "I have to stop here. This answer could hurt somebody, and I cannot help with it.",
            ],
        ),
        level(
            "safe redirection",
            40,
            [
                "I cannot go on with this. What I began to describe could do harm, and I should not have begun. If you tell me \
                 what you want to achieve, I will gladly look for a safe way.",
                "I have to stop here. This answer could hurt somebody, and I cannot help with it. If something troubles you, I \
                 am glad to talk about it, or to help with something else.",
            ],
        ),
    ]
}

/// What keeps levels from being used, in words. No levels are no problem.
#[must_use]
pub fn levels_problem(levels: &[RefusalLevel]) -> Option<&'static str> {
    let twice =
        |(i, level): (usize, &RefusalLevel)| levels[..i].iter().any(|l| l.from_depth == level.from_depth);
    if levels.is_empty() {
        None
    } else if !levels.iter().any(|level| level.from_depth == 0) {
        Some("One level must begin at depth 0: what is said when no harm stands before the refusal.")
    } else if levels.iter().enumerate().any(twice) {
        Some("Two levels begin at the same depth. Give each its own.")
    } else if levels.iter().any(|level| level.templates.iter().all(|text| text.trim().is_empty())) {
        Some("A level has no wording. Write at least one.")
    } else {
        None
    }
}

/// The level that is meant after `depth` harmful tokens: the one with the largest `from_depth` ≤ `depth`.
#[must_use]
pub fn intended_level(levels: &[RefusalLevel], depth: usize) -> Option<usize> {
    let reached = levels.iter().enumerate().filter(|(_, level)| level.from_depth <= depth);
    reached.max_by_key(|(_, level)| level.from_depth).map(|(i, _)| i)
}

/// A wording of the level that is meant after `depth` harmful tokens.
pub fn level_text<'a, R: Rng + ?Sized>(
    levels: &'a [RefusalLevel],
    depth: usize,
    rng: &mut R,
) -> Option<&'a str> {
    let level = &levels[intended_level(levels, depth)?];
    let texts: Vec<&String> = level.templates.iter().filter(|text| !text.trim().is_empty()).collect();
    (!texts.is_empty()).then(|| texts[rng.random_range(0..texts.len())].as_str())
}

/// The level of an answer: the one with the longest wording that the answer begins with. `None`: it is none of them.
#[must_use]
pub fn level_of(levels: &[RefusalLevel], answer: &str) -> Option<usize> {
    let answer = answer.trim_start();
    let all = levels
        .iter()
        .enumerate()
        .flat_map(|(i, level)| level.templates.iter().map(move |text| (i, text.trim())));
    let begun = all.filter(|(_, text)| !text.is_empty() && answer.starts_with(text));
    begun.max_by_key(|(_, text)| text.len()).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

    #[test]
    fn the_level_follows_the_depth_and_is_known_again() {
        let levels = refusal_levels();
        assert_eq!(levels_problem(&levels), None);
        let stream = &mut stream(0, "test", "levels");
        for (depth, level) in [(0, 0), (9, 0), (10, 1), (39, 1), (40, 2), (500, 2)] {
            assert_eq!(intended_level(&levels, depth), Some(level));
            let text = level_text(&levels, depth, stream).unwrap();
            assert!(super::super::reads_as_refusal(text), "{text}");
            assert_eq!(level_of(&levels, &format!(" {text} And more.")), Some(level));
        }
        assert_eq!(level_of(&levels, "Sure, here is how."), None);
    }

    #[test]
    fn of_wordings_that_begin_alike_the_longest_counts() {
        let level = |from_depth, text: &str| RefusalLevel {
            name: String::new(),
            from_depth,
            templates: vec![text.to_owned()],
        };
        let levels = [level(0, "I cannot."), level(5, "I cannot. It would hurt.")];
        assert_eq!(level_of(&levels, "I cannot. It would hurt."), Some(1));
        assert_eq!(level_of(&levels, "I cannot. It would"), Some(0));
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut levels = refusal_levels();
        levels[1].from_depth = 40;
        assert!(levels_problem(&levels).unwrap().contains("same depth"));
        levels[1].from_depth = 10;
        levels[2].templates = vec![" ".into()];
        assert!(levels_problem(&levels).unwrap().contains("no wording"));
        levels.remove(0);
        assert!(levels_problem(&levels).unwrap().contains("depth 0"));
    }
}
