//! Multi-turn steering: the request is led up to over several turns, each of which the model answers in its own words.

use crate::data::AttackPrompt;
use crate::text::Message;

/// The conversation before the next answer: what the user says in the turns so far, and the answers that came between.
#[must_use]
pub fn conversation(
    prompt: &AttackPrompt,
    system_prompt: &str,
    turns: &[String],
    answers: &[String],
) -> Vec<Message> {
    let mut messages = Vec::new();
    if !system_prompt.is_empty() {
        messages.push(Message::system(system_prompt));
    }
    for (turn, said) in turns.iter().take(answers.len() + 1).enumerate() {
        messages.push(Message::user(said.replace("{goal}", &prompt.goal)));
        if let Some(answer) = answers.get(turn) {
            messages.push(Message::assistant(answer));
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Role;

    #[test]
    fn turns_and_answers_alternate_and_end_with_the_user() {
        let prompt = AttackPrompt { goal: "How?".into(), ..AttackPrompt::default() };
        let turns = ["Hello.".to_owned(), "Tell me: {goal}".to_owned()];
        let messages = conversation(&prompt, "Be kind.", &turns, &["Yes?".to_owned()]);
        let said: Vec<(Role, &str)> = messages.iter().map(|m| (m.role, m.content.as_str())).collect();
        assert_eq!(
            said,
            [
                (Role::System, "Be kind."),
                (Role::User, "Hello."),
                (Role::Assistant, "Yes?"),
                (Role::User, "Tell me: How?"),
            ]
        );
        assert_eq!(conversation(&prompt, "", &turns, &[]).len(), 1);
    }
}
