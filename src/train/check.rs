//! What is wrong with the rows of a data set before a run begins: with their numbers, so that they can be found.

use crate::data::{ChatExample, Examples, RecoveryExample, check_recovery};
use crate::text::{Codec, Message, Role};
use std::collections::HashMap;

/// Something about a row that a person should know before training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Number of the row in its set, from 1.
    pub row: usize,
    /// Its id.
    pub id: String,
    /// What it is and what to do.
    pub message: String,
    /// Whether training cannot begin with it.
    pub blocks: bool,
}

/// A set on which models are measured: its id, and what is asked there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldOut {
    /// Id of the set.
    pub set: String,
    /// The requests, in their order.
    pub requests: Vec<String>,
}

/// Everything that is wrong with the rows of a set that is to be trained on. Rows are cut to `max_tokens`.
#[must_use]
pub fn check_rows(
    examples: &Examples,
    codec: &Codec,
    max_tokens: usize,
    held_out: &[HeldOut],
) -> Vec<Finding> {
    let mut findings = match examples {
        Examples::Recovery(rows) => each(rows, |row| (&row.id, of_recovery(row, codec, max_tokens))),
        Examples::Chat(rows) => each(rows, |row| (&row.id, of_chat(row, codec, max_tokens))),
        Examples::Attack(_) | Examples::Utility(_) => Vec::new(),
    };
    let rows: Vec<(&str, String, String)> = match examples {
        Examples::Recovery(rows) => {
            rows.iter().map(|row| (row.id.as_str(), plain(row.request()), plain(&row.harmful))).collect()
        }
        Examples::Chat(rows) => rows.iter().map(|row| (row.id.as_str(), asked(row), said(row))).collect(),
        Examples::Attack(_) | Examples::Utility(_) => Vec::new(),
    };
    findings.extend(duplicates(&rows));
    findings.extend(overlaps(&rows, held_out));
    findings.sort_by_key(|finding| finding.row);
    findings
}

/// A message, and whether it blocks.
type Said = (String, bool);

fn each<'a, T>(rows: &'a [T], of: impl Fn(&'a T) -> (&'a String, Vec<Said>)) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let (id, messages) = of(row);
        findings.extend(messages.into_iter().map(|(message, blocks)| Finding {
            row: i + 1,
            id: id.clone(),
            message,
            blocks,
        }));
    }
    findings
}

fn of_recovery(row: &RecoveryExample, codec: &Codec, max_tokens: usize) -> Vec<Said> {
    check_recovery(row, codec, max_tokens)
        .into_iter()
        .map(|problem| {
            let fix = problem.fix.map_or_else(String::new, |fix| format!(" {fix}"));
            (format!("{}{fix}", problem.message), row.refusals.is_empty())
        })
        .collect()
}

fn of_chat(row: &ChatExample, codec: &Codec, max_tokens: usize) -> Vec<Said> {
    let mut found = Vec::new();
    let answers: Vec<&Message> = row.messages.iter().filter(|m| m.role == Role::Assistant).collect();
    if answers.is_empty() {
        found.push((
            "It has no answer, so there is nothing to learn from it. Add one, or delete the row.".into(),
            false,
        ));
        return found;
    }
    if answers.iter().any(|answer| answer.content.trim().is_empty()) {
        found.push((
            "An answer is empty: the model would learn to say nothing. Write one, or delete the row.".into(),
            false,
        ));
    }
    let encoded = match codec.chat(&row.messages) {
        Ok(encoded) => encoded,
        Err(e) => {
            found.push((format!("The model's template cannot write it: {e}"), true));
            return found;
        }
    };
    let n = encoded.ids.len();
    if n > max_tokens {
        let mut cut = encoded.clone();
        cut.truncate(max_tokens);
        if cut.trained() == 0 {
            let text = format!(
                "It has {n} tokens, and is cut after {max_tokens}, before its answer begins: no token of it is trained. \
                 Shorten the request, or allow longer rows."
            );
            found.push((text, false));
        } else {
            let lost = encoded.trained() - cut.trained();
            let text = format!(
                "It has {n} tokens, and is cut after {max_tokens}: the last {lost} tokens of its answer are lost, from \
                 “{}” on. Shorten it, or allow longer rows.",
                where_cut(codec, &encoded.ids[max_tokens..])
            );
            found.push((text, false));
        }
    }
    found
}

/// The first words of what is cut off.
fn where_cut(codec: &Codec, rest: &[u32]) -> String {
    let text = codec.tokenizer.decode(&rest[..rest.len().min(8)]).unwrap_or_default();
    text.trim().to_owned()
}

/// A text by which rows are compared: letters in lower case, runs of blanks as one.
fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a row is asked, all turns together.
fn asked(row: &ChatExample) -> String {
    let turns = row.messages.iter().filter(|m| m.role == Role::User);
    turns.map(|m| plain(&m.content)).collect::<Vec<_>>().join("\n")
}

fn said(row: &ChatExample) -> String {
    let turns = row.messages.iter().filter(|m| m.role == Role::Assistant);
    turns.map(|m| plain(&m.content)).collect::<Vec<_>>().join("\n")
}

/// Rows that say the same as an earlier one.
fn duplicates(rows: &[(&str, String, String)]) -> Vec<Finding> {
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    let mut findings = Vec::new();
    for (i, (id, asked, said)) in rows.iter().enumerate() {
        let first = *seen.entry((asked, said)).or_insert(i);
        if first != i {
            findings.push(Finding {
                row: i + 1,
                id: (*id).to_owned(),
                message: format!(
                    "It says the same as row {} ({}), which counts twice then. Delete one of them.",
                    first + 1,
                    rows[first].0
                ),
                blocks: false,
            });
        }
    }
    findings
}

/// Rows whose request is also asked where models are measured.
fn overlaps(rows: &[(&str, String, String)], held_out: &[HeldOut]) -> Vec<Finding> {
    let mut tested: HashMap<String, (&str, usize)> = HashMap::new();
    for set in held_out {
        for (i, request) in set.requests.iter().enumerate() {
            tested.entry(plain(request)).or_insert((&set.set, i + 1));
        }
    }
    rows.iter()
        .enumerate()
        .filter_map(|(i, (id, asked, _))| {
            let (set, row) = tested.get(asked)?;
            Some(Finding {
                row: i + 1,
                id: (*id).to_owned(),
                message: format!(
                    "Its request is also row {row} of {set}: what is measured there would be learnt by heart. Delete it here."
                ),
                blocks: false,
            })
        })
        .collect()
}
