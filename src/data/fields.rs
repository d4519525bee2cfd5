//! Reading the fields of one JSON object, with every problem of the row collected in words.

use super::Metric;
use crate::text::{Message, Role};
use serde_json::{Map, Value};

/// The fields of one row. Readers return a neutral value and note the problem, so that one pass finds them all.
pub(super) struct Fields<'a> {
    row: &'a Map<String, Value>,
    problems: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    /// Takes a row whose only allowed fields are `known`.
    ///
    /// A field that is not known is refused, not skipped: it would be lost when the set is next saved, and it is
    /// most often a known field misspelt.
    pub(super) fn new(row: &'a Map<String, Value>, known: &'static [&'static str]) -> Self {
        let mut fields = Self { row, problems: Vec::new() };
        for name in row.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = match nearest(name, known) {
                Some(near) if !row.contains_key(near) => format!("Did you mean \"{near}\"? Rename it"),
                _ => format!("The fields are {}. Rename it", known.join(", ")),
            };
            fields.note(name, format!("is not known. {hint}, or remove it."));
        }
        fields
    }

    pub(super) fn note(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push((field.to_owned(), message.into()));
    }

    /// The problems found, as (field, message).
    pub(super) fn problems(self) -> Vec<(String, String)> {
        self.problems
    }

    /// A text that must be there and hold more than blanks.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        match self.row.get(name) {
            None | Some(Value::Null) => {
                self.note(name, "is missing. Add it, or remove the line.");
                String::new()
            }
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.note(name, "is empty. Fill it, or remove the line.");
                String::new()
            }
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.note(name, format!("must be a text, but is {}. Put it in quotes.", what(other)));
                String::new()
            }
        }
    }

    /// A text that may be missing or empty.
    pub(super) fn text_or_empty(&mut self, name: &'static str) -> String {
        match self.row.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.note(name, format!("must be a text, but is {}. Put it in quotes.", what(other)));
                String::new()
            }
        }
    }

    /// A text that may be missing; where it is given it must hold more than blanks.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.row.get(name) {
            None | Some(Value::Null) => None,
            Some(_) => Some(self.text(name)),
        }
    }

    /// A list of texts that may be missing; where it is given, every one holds something.
    pub(super) fn optional_texts(&mut self, name: &'static str) -> Vec<String> {
        if matches!(self.row.get(name), None | Some(Value::Null)) {
            return Vec::new();
        }
        let mut texts = Vec::new();
        for (index, item) in self.list(name).iter().enumerate() {
            match item.as_str().filter(|text| !text.trim().is_empty()) {
                Some(text) => texts.push(text.to_owned()),
                None => self.note(
                    &format!("{name}[{index}]"),
                    format!("must be a text that is not empty, but is {}.", what(item)),
                ),
            }
        }
        texts
    }

    /// A metric's name that may be missing.
    pub(super) fn metric(&mut self, name: &'static str) -> Option<Metric> {
        let said = self.optional_text(name)?;
        let found = Metric::from_name(&said);
        if found.is_none() && !said.is_empty() {
            let names = Metric::ALL.map(Metric::name).join(", ");
            self.note(name, format!("is no metric. Metrics are {names}."));
        }
        found
    }

    /// A number of tokens that may be missing.
    pub(super) fn optional_count(&mut self, name: &'static str) -> Option<usize> {
        match self.row.get(name) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
                if count.is_none() {
                    self.note(
                        name,
                        format!("must be a whole number of tokens, 0 or more, but is {}.", what(value)),
                    );
                }
                count
            }
        }
    }

    /// A list that must be there and hold something.
    pub(super) fn list(&mut self, name: &'static str) -> &'a [Value] {
        match self.row.get(name) {
            None | Some(Value::Null) => {
                self.note(name, "is missing. Add it, or remove the line.");
                &[]
            }
            Some(Value::Array(items)) if items.is_empty() => {
                self.note(name, "is an empty list. Fill it, or remove the line.");
                &[]
            }
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.note(name, format!("must be a list in [ ], but is {}.", what(other)));
                &[]
            }
        }
    }

    /// A list of messages: a system message only in front, nobody speaks twice in a row, nothing empty, and the
    /// last word is `last`'s.
    pub(super) fn messages(&mut self, name: &'static str, last: Role) -> Vec<Message> {
        let items = self.list(name);
        let before = self.problems.len();
        let mut messages: Vec<Message> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = format!("{name}[{index}]");
            let message: Message = match serde_json::from_value(item.clone()) {
                Ok(message) => message,
                Err(e) => {
                    self.note(
                        &place,
                        format!(
                            "is not a message: {e}. Write {{\"role\":\"user\",\"content\":\"…\"}}; roles are system, user and assistant."
                        ),
                    );
                    continue;
                }
            };
            if message.content.trim().is_empty() && message.role != Role::System {
                self.note(&place, "has empty content. Fill it, or remove the message.");
            }
            if message.role == Role::System && index > 0 {
                self.note(&place, "is a system message, which can only stand first. Move it.");
            }
            if messages.last().is_some_and(|previous| previous.role == message.role) {
                self.note(&place, "has the same role as the message before it. Join the two messages.");
            }
            messages.push(message);
        }
        if self.problems.len() == before && !messages.is_empty() {
            let first = messages.iter().find(|message| message.role != Role::System);
            if first.is_none_or(|message| message.role != Role::User) {
                self.note(
                    name,
                    "must begin with a message of the user (after a system message, if there is one).",
                );
            }
            if messages.last().is_some_and(|message| message.role != last) {
                let who =
                    if last == Role::User { "the user: the request" } else { "the assistant: the answer" };
                self.note(name, format!("must end with a message of {who}."));
            }
        }
        messages
    }
}

/// What a value is, in words.
pub(super) fn what(value: &Value) -> String {
    match value {
        Value::Null => "empty (null)".into(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object in { }".into(),
    }
}

/// The known name that `name` most likely stands for: at most two edits away, or the same but for case and separators.
fn nearest(name: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let plain = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    known
        .iter()
        .map(|&candidate| (distance(&plain(name), &plain(candidate)), candidate))
        .filter(|&(edits, candidate)| edits <= 2 && edits <= candidate.len() / 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
