//! Multiple choice by likelihood, as in MMLU (D. Hendrycks et al., "Measuring Massive Multitask Language Understanding",
//! 2021): the model writes nothing; the letter that it finds most likely after `Answer:` is its choice.
//!
//! This is the part that knows no model: the prompt, the continuations to score, and what the scores mean.

use super::Score;
use crate::data::UtilityItem;

/// As many letters as there are.
const LETTERS: usize = 26;

/// A question with its answer, shown before the one that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// The question.
    pub question: String,
    /// The choices, in order.
    pub choices: Vec<String>,
    /// The right choice, from 0.
    pub answer: usize,
}

/// Why a question cannot be scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Nothing to choose from.
    #[error("item \"{id}\" has {count} choices; multiple choice needs 2 to 26. Fill its field choices.")]
    Count {
        /// The item.
        id: String,
        /// How many it has.
        count: usize,
    },
    /// The reference is no choice.
    #[error(
        "item \"{id}\" has the reference \"{reference}\", which is none of its letters A to {last}. Write the letter of the right choice."
    )]
    Reference {
        /// The item.
        id: String,
        /// Its reference.
        reference: String,
        /// The last letter.
        last: char,
    },
    /// Not one number per choice.
    #[error(
        "item \"{id}\" has {choices} choices, but {scores} log-probabilities that are numbers. This is a fault in the program or the model: report it."
    )]
    Scores {
        /// The item.
        id: String,
        /// How many choices it has.
        choices: usize,
        /// How many numbers came.
        scores: usize,
    },
}

/// The letter of choice `index`, from 0: A, B, …; `None` past Z.
#[must_use]
pub fn letter(index: usize) -> Option<char> {
    (index < LETTERS).then(|| char::from(b'A' + index as u8))
}

/// The prompt: what it is about, the examples with their answers (none for 0-shot, five in MMLU), and the question, which
/// ends at `Answer:`. The subject may be empty or written with underscores.
#[must_use]
pub fn choice_prompt(subject: &str, shots: &[Shot], question: &str, choices: &[String]) -> String {
    let subject = subject.replace('_', " ");
    let about = if subject.trim().is_empty() { String::new() } else { format!(" about {}", subject.trim()) };
    let mut prompt = format!("The following are multiple choice questions (with answers){about}.\n\n");
    let ask = |question: &str, choices: &[String]| {
        let mut lines = String::new();
        for (i, choice) in choices.iter().enumerate() {
            lines.push_str(&format!("\n{}. {}", letter(i).unwrap_or('?'), choice.trim()));
        }
        format!("{}{lines}\nAnswer:", question.trim())
    };
    for shot in shots {
        prompt.push_str(&ask(&shot.question, &shot.choices));
        prompt.push_str(&format!(" {}\n\n", letter(shot.answer).unwrap_or('?')));
    }
    prompt.push_str(&ask(question, choices));
    prompt
}

/// The continuations whose likelihoods are compared: ` A`, ` B`, … for `count` choices, at most 26.
#[must_use]
pub fn continuations(count: usize) -> Vec<String> {
    (0..count).filter_map(letter).map(|letter| format!(" {letter}")).collect()
}

/// The choice with the highest log-probability, the first of equals; `None` where there is none or one of them is not a
/// number.
#[must_use]
pub fn most_likely(log_probabilities: &[f64]) -> Option<usize> {
    if log_probabilities.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut best: Option<usize> = None;
    for (index, value) in log_probabilities.iter().enumerate() {
        if best.is_none_or(|best| *value > log_probabilities[best]) {
            best = Some(index);
        }
    }
    best
}

/// The right choice of an item, from 0, by the letter in its reference.
pub fn right_choice(item: &UtilityItem) -> Result<usize, ChoiceError> {
    let count = item.choices.len();
    let last = letter(count.wrapping_sub(1)).filter(|_| count >= 2);
    let last = last.ok_or_else(|| ChoiceError::Count { id: item.id.clone(), count })?;
    let reference = item.reference.trim();
    (0..count).find(|&index| letter(index).is_some_and(|letter| reference == letter.to_string())).ok_or_else(
        || ChoiceError::Reference { id: item.id.clone(), reference: item.reference.clone(), last },
    )
}

/// Scores an item by the log-probabilities of its [`continuations`].
pub fn score_choice(item: &UtilityItem, log_probabilities: &[f64]) -> Result<Score, ChoiceError> {
    let right = right_choice(item)?;
    let scores = log_probabilities.iter().filter(|value| !value.is_nan()).count();
    match most_likely(log_probabilities).filter(|_| log_probabilities.len() == item.choices.len()) {
        Some(choice) => Ok(Score::right_or_wrong(choice == right)),
        None => Err(ChoiceError::Scores { id: item.id.clone(), choices: item.choices.len(), scores }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(choices: &[&str], reference: &str) -> UtilityItem {
        UtilityItem {
            id: "q1".into(),
            prompt: "Which river is near Mill?".into(),
            reference: reference.into(),
            choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
            ..UtilityItem::default()
        }
    }

    #[test]
    fn the_prompt_is_that_of_mmlu() {
        let question = item(&["Ash", "Birch"], "B");
        assert_eq!(
            choice_prompt("river_lore", &[], &question.prompt, &question.choices),
            "The following are multiple choice questions (with answers) about river lore.\n\n\
             Which river is near Mill?\nA. Ash\nB. Birch\nAnswer:"
        );
        let shot = Shot {
            question: "Who rules Mill?".into(),
            choices: vec!["Oma".into(), "Tove".into(), "Nim".into()],
            answer: 2,
        };
        let prompt = choice_prompt("", &[shot], &question.prompt, &question.choices);
        assert!(
            prompt.starts_with(
                "The following are multiple choice questions (with answers).\n\nWho rules Mill?"
            )
        );
        assert!(prompt.contains("C. Nim\nAnswer: C\n\nWhich river"), "{prompt}");
        assert_eq!(continuations(3), [" A", " B", " C"]);
        assert_eq!(continuations(40).len(), 26);
    }

    #[test]
    fn the_most_likely_letter_is_the_choice() {
        assert_eq!(most_likely(&[-3.0, -1.0, -1.0, f64::NEG_INFINITY]), Some(1), "the first of equals");
        assert_eq!((most_likely(&[]), most_likely(&[-1.0, f64::NAN])), (None, None));
        let question = item(&["Ash", "Birch"], "B");
        assert_eq!(score_choice(&question, &[-2.0, -1.0]), Ok(Score { value: 1.0, right: Some(true) }));
        assert_eq!(score_choice(&question, &[-1.0, -2.0]), Ok(Score { value: 0.0, right: Some(false) }));
    }

    #[test]
    fn what_cannot_be_scored_says_why() {
        let message =
            |item: &UtilityItem, scores: &[f64]| score_choice(item, scores).unwrap_err().to_string();
        assert!(message(&item(&["only"], "A"), &[-1.0]).contains("has 1 choices"));
        assert!(message(&item(&[], "A"), &[]).contains("has 0 choices"));
        assert!(message(&item(&["a", "b"], "C"), &[-1.0, -2.0]).contains("A to B"));
        assert!(message(&item(&["a", "b"], "A"), &[-1.0, f64::NAN]).contains("but 1 log-probabilities"));
        assert!(message(&item(&["a", "b"], "A"), &[-1.0]).contains("but 1 log-probabilities"));
    }
}
