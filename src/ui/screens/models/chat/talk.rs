//! What was said in a chat, and what each model knows of it.

use crate::text::Message;
use crate::ui::app::{ChatEnding, ChatEvent};

/// Where an answer stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Another model answers first.
    Waiting,
    /// The model's weights are read.
    Loading,
    /// The model reads the request, or writes.
    Writing,
    /// It is at its end.
    Ended(ChatEnding),
    /// It could not be written.
    Failed(String),
}

/// What one model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The model's id.
    pub model: String,
    /// Its words, the given start included.
    pub text: String,
    /// Tokens that it wrote.
    pub tokens: usize,
    /// How long it took.
    pub seconds: f64,
    /// Where it stands.
    pub state: State,
}

impl Answer {
    /// An answer that nothing has been written of.
    pub fn new(model: &str) -> Self {
        Self { model: model.to_owned(), text: String::new(), tokens: 0, seconds: 0.0, state: State::Waiting }
    }

    /// Takes in what happened.
    pub fn take(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Loading => self.state = State::Loading,
            ChatEvent::Reading => self.state = State::Writing,
            ChatEvent::Wrote { text, tokens, seconds } => {
                self.text += &text;
                self.tokens = tokens;
                self.seconds = seconds;
            }
            ChatEvent::Ended(Ok(ending)) => self.state = State::Ended(ending),
            ChatEvent::Ended(Err(error)) => self.state = State::Failed(error),
        }
    }

    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Ended(_) | State::Failed(_))
    }

    /// Its length and speed in words; empty while nothing is written.
    pub fn speed(&self) -> String {
        if self.tokens == 0 || self.seconds <= 0.0 {
            return String::new();
        }
        let speed = self.tokens as f64 / self.seconds;
        let digits = usize::from(speed < 10.0);
        let noun = if self.tokens == 1 { "token" } else { "tokens" };
        format!("{} {noun} · {speed:.digits$} tokens/s", self.tokens)
    }
}

/// A request with the answers to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What was asked.
    pub request: String,
    /// What every answer was made to start with.
    pub start: String,
    /// The answers, one a model.
    pub answers: Vec<Answer>,
}

impl Turn {
    /// What this model answered.
    pub fn answer(&self, model: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.model == model)
    }

    /// How much of an answer's beginning was given, in bytes; 0 where the tokenizer writes the start otherwise.
    pub fn given(&self, answer: &Answer) -> usize {
        if answer.text.starts_with(&self.start) { self.start.len() } else { 0 }
    }
}

/// The conversation as one model knows it: the requests that it answered, with its own answers.
pub fn history(turns: &[Turn], model: &str) -> Vec<Message> {
    turns
        .iter()
        .filter_map(|turn| {
            let answer = turn.answer(model)?;
            let said = matches!(answer.state, State::Ended(_)) && !answer.text.trim().is_empty();
            said.then(|| [Message::user(turn.request.as_str()), Message::assistant(answer.text.as_str())])
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Finish;

    fn turn(request: &str, answers: &[(&str, &str, State)]) -> Turn {
        let answers = answers
            .iter()
            .map(|(model, text, state)| Answer {
                text: (*text).to_owned(),
                state: state.clone(),
                ..Answer::new(model)
            })
            .collect();
        Turn { request: request.to_owned(), start: "Sure".to_owned(), answers }
    }

    #[test]
    fn each_model_knows_only_what_it_answered_itself() {
        let done = State::Ended(ChatEnding::Finished(Finish::EndOfTurn));
        let turns = [
            turn("one", &[("a", "A1", done.clone()), ("b", "B1", done.clone())]),
            turn("two", &[("a", "", State::Failed("no".into())), ("b", "B2", done.clone())]),
            turn("three", &[("a", "A3", State::Ended(ChatEnding::Stopped))]),
        ];
        let said = |model: &str| -> Vec<String> {
            history(&turns, model).into_iter().map(|message| message.content).collect()
        };
        assert_eq!(said("a"), ["one", "A1", "three", "A3"]);
        assert_eq!(said("b"), ["one", "B1", "two", "B2"]);
        assert!(said("c").is_empty());
    }

    #[test]
    fn an_answer_grows_and_says_how_fast() {
        let mut answer = Answer::new("a");
        assert_eq!(answer.speed(), "");
        for (text, tokens) in [("Sure, ", 0), ("here", 30)] {
            answer.take(ChatEvent::Wrote { text: text.to_owned(), tokens, seconds: 0.5 });
        }
        assert_eq!(
            (answer.text.as_str(), answer.speed().as_str()),
            ("Sure, here", "30 tokens · 60 tokens/s")
        );
        let mut turn = turn("one", &[]);
        assert_eq!(turn.given(&answer), 4);
        turn.start = "No".into();
        assert_eq!(turn.given(&answer), 0);
        answer.take(ChatEvent::Ended(Err("no".into())));
        assert!(!answer.is_open());
    }
}
