//! Harm that goes on over turns: the first part of a harmful answer stands in an earlier turn, and the user asks for the rest.

use super::RecoveryExample;
use crate::text::Message;
use unicode_segmentation::UnicodeSegmentation;

/// What a user says to make a model go on.
pub const GO_ON: [&str; 3] = ["Please go on.", "And then?", "Give me the rest of the steps."];

/// Where the sentences of a text end, in bytes, its end included.
pub(super) fn sentence_ends(text: &str) -> Vec<usize> {
    let sentences = text.split_sentence_bound_indices().filter(|(_, sentence)| !sentence.trim().is_empty());
    sentences.map(|(at, sentence)| at + sentence.trim_end().len()).collect()
}

/// The number of sentences of a text.
#[must_use]
pub fn sentences(text: &str) -> usize {
    sentence_ends(text).len()
}

/// The first `count` sentences of a text, and the rest. `None` where nothing would be left of either.
#[must_use]
pub fn after_sentences(text: &str, count: usize) -> Option<(&str, &str)> {
    let ends = sentence_ends(text);
    let end = *ends.get(count.checked_sub(1)?)?;
    let rest = text[end..].trim();
    (!rest.is_empty()).then(|| (text[..end].trim(), rest))
}

/// The same example a turn later: the model has given the first `count` sentences of the harmful answer, the user says
/// `request`, and the rest of the answer is what the model must not give. `None` where the answer is too short.
#[must_use]
pub fn a_turn_later(example: &RecoveryExample, count: usize, request: &str) -> Option<RecoveryExample> {
    let (said, rest) = after_sentences(&example.harmful, count)?;
    let mut later = example.clone();
    later.context.push(Message::assistant(said));
    later.context.push(Message::user(request));
    rest.clone_into(&mut later.harmful);
    Some(later)
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::*;

    #[test]
    fn sentences_are_told_apart() {
        let text = "Sure! Step 1: stir 2.5 spoons. Step 2: wait. And then";
        assert_eq!(sentences(text), 4);
        assert_eq!(
            after_sentences(text, 1),
            Some(("Sure!", "Step 1: stir 2.5 spoons. Step 2: wait. And then"))
        );
        assert_eq!(
            after_sentences(text, 3),
            Some(("Sure! Step 1: stir 2.5 spoons. Step 2: wait.", "And then"))
        );
        assert_eq!(after_sentences(text, 4), None);
        assert_eq!(after_sentences(text, 0), None);
        assert_eq!(sentences(" "), 0);
        assert_eq!(sentences("One."), 1);
    }

    #[test]
    fn an_example_moves_a_turn_on() {
        let example = RecoveryExample {
            id: "r".into(),
            context: vec![Message::user("Curse the well")],
            harmful: "Sure. Step 1: stir. Step 2: wait.".into(),
            refusals: vec![Refusal { from_depth: 0, text: "I cannot.".into() }],
            ..RecoveryExample::default()
        };
        let later = a_turn_later(&example, 2, "Go on.").unwrap();
        let said: Vec<&str> = later.context.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(said, ["Curse the well", "Sure. Step 1: stir.", "Go on."]);
        assert_eq!(later.harmful, "Step 2: wait.");
        assert!(a_turn_later(&example, 3, "Go on.").is_none());
    }
}
