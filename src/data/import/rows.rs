//! From rows of a table to examples.

use super::super::jsonl::add_row;
use super::super::{
    AttackPrompt, BadRow, ChatExample, DatasetKind, Examples, RecoveryExample, Refusal, UtilityItem,
};
use super::columns::names_of;
use super::{Columns, Field, Table, TableRow};
use crate::text::{Message, Role};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// What came of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The examples.
    pub examples: Examples,
    /// Rows of which none could be made.
    pub bad: Vec<BadRow>,
}

/// Makes examples of `kind`. Rows without an id of their own, or all of them where ids repeat, are called `<name>-<row>`; `name`
/// is also what a utility task is called.
#[must_use]
pub fn import(table: &Table, kind: DatasetKind, columns: &Columns, name: &str) -> Imported {
    let mut ids = HashSet::new();
    let own_ids = columns.get(&Field::Id).is_some_and(|column| {
        table
            .rows
            .iter()
            .all(|row| text(row.values.get(column)).is_ok_and(|id| !id.is_empty() && ids.insert(id)))
    });
    let mut bad = table.bad.clone();
    let mut examples = Examples::none(kind);
    for (i, row) in table.rows.iter().enumerate() {
        let reader = Reader { row, columns };
        let id = if own_ids { reader.get(Field::Id) } else { Ok(format!("{name}-{:04}", i + 1)) };
        let mut one = Examples::none(kind);
        match id.and_then(|id| reader.example(id, name, &mut one)) {
            // What could not be read again from the set's own file is not taken into it.
            Ok(()) => {
                bad.extend(as_row(&one).map_or_else(Vec::new, |one| add_row(&mut examples, row.line, &one)));
            }
            Err((field, message)) => {
                let field = columns.get(&field).cloned();
                bad.push(BadRow { line: row.line, column: None, field, message });
            }
        }
    }
    bad.sort_by_key(|row| row.line);
    Imported { examples, bad }
}

/// The only example as a row of a set's file.
fn as_row(examples: &Examples) -> Option<Map<String, Value>> {
    let value = match examples {
        Examples::Recovery(rows) => serde_json::to_value(rows.first()?),
        Examples::Chat(rows) => serde_json::to_value(rows.first()?),
        Examples::Attack(rows) => serde_json::to_value(rows.first()?),
        Examples::Utility(rows) => serde_json::to_value(rows.first()?),
    };
    if let Ok(Value::Object(row)) = value { Some(row) } else { None }
}

/// What is wrong, and with which field.
type Fault = (Field, String);

struct Reader<'a> {
    row: &'a TableRow,
    columns: &'a Columns,
}

impl Reader<'_> {
    fn value(&self, field: Field) -> Option<&Value> {
        self.row.values.get(self.columns.get(&field)?)
    }

    /// The text of a field; empty where there is none.
    fn get(&self, field: Field) -> Result<String, Fault> {
        text(self.value(field)).map_err(|message| (field, message))
    }

    /// The same, where it may not be empty.
    fn need(&self, field: Field) -> Result<String, Fault> {
        let text = self.get(field)?;
        if text.trim().is_empty() { Err((field, format!("the {} is empty", field.name()))) } else { Ok(text) }
    }

    /// The request, with what belongs to it under it.
    fn request(&self) -> Result<String, Fault> {
        let (request, input) = (self.need(Field::Request)?, self.get(Field::Input)?);
        Ok(if input.trim().is_empty() { request } else { format!("{request}\n\n{input}") })
    }

    fn opening(&self) -> Result<Vec<Message>, Fault> {
        let system = self.get(Field::System)?;
        Ok(if system.trim().is_empty() { Vec::new() } else { vec![Message::system(system)] })
    }

    fn example(&self, id: String, name: &str, examples: &mut Examples) -> Result<(), Fault> {
        let category = self.get(Field::Category)?;
        match examples {
            Examples::Recovery(rows) => {
                let mut context = self.opening()?;
                context.push(Message::user(self.request()?));
                rows.push(RecoveryExample {
                    id,
                    context,
                    harmful: self.need(Field::Harmful)?,
                    refusals: vec![Refusal { from_depth: 0, text: self.need(Field::Refusal)? }],
                    category,
                    source: name.to_owned(),
                    ..RecoveryExample::default()
                });
            }
            Examples::Chat(rows) => {
                let messages = self.conversation()?;
                rows.push(ChatExample {
                    id,
                    messages,
                    category,
                    source: name.to_owned(),
                    note: String::new(),
                });
            }
            Examples::Attack(rows) => {
                let target = self.get(Field::Answer)?;
                rows.push(AttackPrompt {
                    id,
                    goal: self.request()?,
                    target: (!target.trim().is_empty()).then_some(target),
                    category,
                    cluster: String::new(),
                });
            }
            Examples::Utility(rows) => {
                let choices = self.choices()?;
                rows.push(UtilityItem {
                    id,
                    task: name.to_owned(),
                    prompt: self.request()?,
                    reference: if choices.is_empty() {
                        self.need(Field::Answer)?
                    } else {
                        self.letter(&choices)?
                    },
                    choices,
                    category,
                    ..UtilityItem::default()
                });
            }
        }
        Ok(())
    }

    /// What there is to choose from: nothing where no column says so.
    fn choices(&self) -> Result<Vec<String>, Fault> {
        let Some(column) = self.columns.get(&Field::Choices) else { return Ok(Vec::new()) };
        let fault = |message: String| (Field::Choices, message);
        let names: Vec<&str> = names_of(Field::Choices, column).collect();
        let values: Vec<&Value> = match names.as_slice() {
            [only] => match self.row.values.get(*only) {
                Some(Value::Array(list)) => list.iter().collect(),
                None | Some(Value::Null) => return Ok(Vec::new()),
                Some(_) => return Err(fault("the choices are no list".to_owned())),
            },
            several => several.iter().filter_map(|name| self.row.values.get(*name)).collect(),
        };
        let choices: Vec<String> =
            values.into_iter().map(|value| text(Some(value))).collect::<Result<_, _>>().map_err(fault)?;
        match choices.iter().position(|choice| choice.trim().is_empty()) {
            Some(place) => Err(fault(format!("choice {} is empty", place + 1))),
            None => Ok(choices),
        }
    }

    /// The letter of the right choice: given as a letter, as a number from 0, or as a choice's text.
    fn letter(&self, choices: &[String]) -> Result<String, Fault> {
        let answer = self.need(Field::Answer)?;
        let answer = answer.trim();
        let letters = || (b'A'..=b'Z').take(choices.len()).map(char::from);
        let by_letter = || letters().position(|letter| answer.chars().eq([letter]));
        let by_text = || choices.iter().position(|choice| choice.trim() == answer);
        // A number in JSON is a place; one in a cell could be the text of a choice as well.
        let by_place = || answer.parse::<usize>().ok();
        let found = if self.value(Field::Answer).is_some_and(Value::is_number) {
            by_place()
        } else {
            by_letter().or_else(by_text).or_else(by_place)
        };
        let letter = found.and_then(|place| letters().nth(place));
        letter
            .map(String::from)
            .ok_or_else(|| (Field::Answer, format!("\"{answer}\" is none of the {} choices", choices.len())))
    }

    fn conversation(&self) -> Result<Vec<Message>, Fault> {
        let mut messages = self.opening()?;
        let Some(given) = self.value(Field::Messages) else {
            if let Some(history) = self.value(Field::History) {
                messages.extend(earlier_turns(history).map_err(|message| (Field::History, message))?);
            }
            messages.push(Message::user(self.request()?));
            messages.push(Message::assistant(self.need(Field::Answer)?));
            return Ok(messages);
        };
        let fault = |message: String| (Field::Messages, message);
        // In a CSV file a conversation is JSON in a cell.
        let parsed: Value;
        let given = match given {
            Value::String(cell) => {
                parsed =
                    serde_json::from_str(cell).map_err(|e| fault(format!("this is no conversation: {e}")))?;
                &parsed
            }
            other => other,
        };
        let Value::Array(list) = given else {
            return Err(fault("a conversation is a list of messages".to_owned()));
        };
        for (i, value) in list.iter().enumerate() {
            messages.push(message(value).map_err(|reason| fault(format!("message {}: {reason}", i + 1)))?);
        }
        if !messages.iter().any(|message| message.role == Role::Assistant) {
            return Err(fault("nobody answers: there is no message of the assistant".to_owned()));
        }
        Ok(messages)
    }
}

/// `[[question, answer], …]`.
fn earlier_turns(history: &Value) -> Result<Vec<Message>, String> {
    let no_history = || "a history is a list of questions with their answers".to_owned();
    let mut messages = Vec::new();
    for turn in history.as_array().ok_or_else(no_history)? {
        let [question, answer] = turn.as_array().ok_or_else(no_history)?.as_slice() else {
            return Err(no_history());
        };
        messages.push(Message::user(text(Some(question))?));
        messages.push(Message::assistant(text(Some(answer))?));
    }
    Ok(messages)
}

/// A message in the words of OpenAI (`role`, `content`) or of ShareGPT (`from`, `value`).
fn message(value: &Value) -> Result<Message, String> {
    let first = |names: [&str; 2]| names.iter().find_map(|name| value.get(*name));
    let role = first(["role", "from"]).and_then(Value::as_str).ok_or("it does not say who speaks")?;
    let role = match role.to_lowercase().as_str() {
        "system" => Role::System,
        "user" | "human" => Role::User,
        "assistant" | "gpt" | "model" | "bot" => Role::Assistant,
        other => {
            return Err(format!("\"{other}\" speaks, and Plumbline knows only system, user and assistant"));
        }
    };
    let untrained = |name: &str| value.get(name).and_then(Value::as_f64).is_some_and(|weight| weight <= 0.0);
    if role == Role::Assistant && (untrained("weight") || untrained("loss_weight")) {
        return Err(
            "it is not to be trained (weight 0), and Plumbline trains every answer of a conversation"
                .to_owned(),
        );
    }
    Ok(Message { role, content: text(first(["content", "value"]))? })
}

/// The text of a value: nothing is empty, and a list of parts is their texts.
fn text(value: Option<&Value>) -> Result<String, String> {
    let part = |part: &Value| {
        let fields: Option<&Map<String, Value>> = part.as_object();
        let text = fields.and_then(|fields| fields.get("text").or_else(|| fields.get("value")));
        text.and_then(Value::as_str).map(str::to_owned).ok_or("it holds a part that is no text".to_owned())
    };
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(yes)) => Ok(yes.to_string()),
        Some(Value::Array(parts)) => {
            parts.iter().map(part).collect::<Result<Vec<_>, _>>().map(|parts| parts.concat())
        }
        Some(Value::Object(_)) => Err("it is an object where a text is expected".to_owned()),
    }
}
