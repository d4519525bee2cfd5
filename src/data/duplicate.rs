//! Examples that say the same but for white space and case.

use super::Example;
use crate::text::Message;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What an example says, as a hash: equal for two examples that differ in white space, case and labels only.
pub type ContentKey = [u8; 32];

/// A text in lower case with one blank between its words.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain.to_lowercase()
}

/// The key of what an example says. Its id, category, cluster, source and note are no part of that; where a recovery
/// example is cut and from which depth a refusal holds is.
#[must_use]
pub fn content_key(example: &Example) -> ContentKey {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        let text = normalised(text);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    let said = |messages: &[Message], part: &mut dyn FnMut(&str)| {
        for message in messages {
            part(message.role.name());
            part(&message.content);
        }
    };
    match example {
        Example::Recovery(row) => {
            said(&row.context, &mut part);
            part(&row.harmful);
            part(&row.cut.map_or_else(String::new, |cut| cut.to_string()));
            for refusal in &row.refusals {
                part(&refusal.from_depth.to_string());
                part(&refusal.text);
            }
        }
        Example::Chat(row) => said(&row.messages, &mut part),
        Example::Attack(row) => {
            part(&row.goal);
            part(row.target.as_deref().unwrap_or_default());
        }
        Example::Utility(row) => {
            part(&row.task);
            part(&row.prompt);
            part(&row.reference);
            row.choices.iter().for_each(|choice| part(choice));
        }
    }
    hash.finalize().into()
}

/// The rows that repeat an earlier one, each with the first that says the same.
#[must_use]
pub fn duplicates(keys: &[ContentKey]) -> Vec<(usize, usize)> {
    let mut first = HashMap::with_capacity(keys.len());
    let mut again = Vec::new();
    for (row, key) in keys.iter().enumerate() {
        match first.get(key) {
            Some(&earlier) => again.push((row, earlier)),
            None => {
                first.insert(key, row);
            }
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AttackPrompt, ChatExample};

    fn prompt(id: &str, goal: &str, target: Option<&str>) -> Example {
        Example::Attack(AttackPrompt {
            id: id.into(),
            goal: goal.into(),
            target: target.map(str::to_owned),
            ..AttackPrompt::default()
        })
    }

    #[test]
    fn white_space_and_case_do_not_tell_examples_apart_and_words_do() {
        assert_eq!(normalised("  Curse\tthe \n WELL "), "curse the well");
        let rows = [
            prompt("a", "Curse the well", None),
            prompt("b", "curse  the\nwell ", None),
            prompt("c", "Curse the wall", None),
            prompt("d", "Curse the well", Some("Sure.")),
            prompt("e", "CURSE THE WELL", None),
        ];
        let keys: Vec<ContentKey> = rows.iter().map(content_key).collect();
        assert_eq!(duplicates(&keys), [(1, 0), (4, 0)]);
    }

    #[test]
    fn who_says_it_and_where_a_text_ends_count() {
        let chat = |messages| Example::Chat(ChatExample { messages, ..ChatExample::default() });
        let one = chat(vec![Message::user("a b"), Message::assistant("c")]);
        let other = chat(vec![Message::user("a"), Message::assistant("b c")]);
        assert_ne!(content_key(&one), content_key(&other));
        let swapped = chat(vec![Message::assistant("a b"), Message::user("c")]);
        assert_ne!(content_key(&one), content_key(&swapped));
    }
}
