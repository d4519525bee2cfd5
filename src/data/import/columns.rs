//! Which column of a table is what.

use super::super::{DataError, DatasetKind};
use super::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a column can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// A whole conversation.
    Messages,
    /// Stands before the conversation.
    System,
    /// What the user asks.
    Request,
    /// What belongs to the request and is put under it: a context, an input.
    Input,
    /// Earlier questions and answers.
    History,
    /// The answer: what is learnt, the reference, or the harmful answer that an attack aims at.
    Answer,
    /// What there is to choose from: one column with a list, or several joined by `|`. With it the answer is a letter,
    /// the number of a choice from 0, or a choice's text.
    Choices,
    /// The harmful answer of a recovery example.
    Harmful,
    /// The refusal of a recovery example.
    Refusal,
    /// What it is about.
    Category,
    /// The row's own id.
    Id,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 11] = [
        Self::Messages,
        Self::System,
        Self::Request,
        Self::Input,
        Self::History,
        Self::Answer,
        Self::Choices,
        Self::Harmful,
        Self::Refusal,
        Self::Category,
        Self::Id,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::System => "system",
            Self::Request => "request",
            Self::Input => "input",
            Self::History => "history",
            Self::Answer => "answer",
            Self::Choices => "choices",
            Self::Harmful => "harmful",
            Self::Refusal => "refusal",
            Self::Category => "category",
            Self::Id => "id",
        }
    }

    /// Names that such columns have in public sets, the surest first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Messages => &["messages", "conversations", "conversation"],
            Self::System => &["system", "system_prompt"],
            Self::Request => &[
                "goal",
                "prompt",
                "instruction",
                "request",
                "question",
                "query",
                "forbidden_prompt",
                "dialogue",
                "behavior",
                "user",
                "input",
                "text",
            ],
            Self::Input => &["input", "context", "contextstring"],
            Self::History => &["history"],
            Self::Answer => &[
                "target",
                "answer",
                "output",
                "response",
                "completion",
                "summary",
                "reference",
                "assistant",
                "chosen",
            ],
            Self::Choices => &["choices"],
            Self::Harmful => &["harmful", "harmful_answer", "harmful_response", "rejected"],
            Self::Refusal => &["refusal", "refusal_response", "safe", "chosen"],
            Self::Category => &["category", "semanticcategory", "type", "functionalcategory", "label"],
            Self::Id => &["id", "behaviorid", "prompt_id", "index"],
        }
    }

    /// The fields that examples of a kind can be made of.
    #[must_use]
    pub fn of(kind: DatasetKind) -> &'static [Self] {
        match kind {
            DatasetKind::Recovery => &[
                Self::System,
                Self::Request,
                Self::Input,
                Self::Harmful,
                Self::Refusal,
                Self::Category,
                Self::Id,
            ],
            DatasetKind::Chat => &[
                Self::Messages,
                Self::System,
                Self::Request,
                Self::Input,
                Self::History,
                Self::Answer,
                Self::Category,
                Self::Id,
            ],
            DatasetKind::Attack => &[Self::Request, Self::Input, Self::Answer, Self::Category, Self::Id],
            DatasetKind::Utility => {
                &[Self::Request, Self::Input, Self::Answer, Self::Choices, Self::Category, Self::Id]
            }
        }
    }

    /// The fields without which there is no example of a kind.
    #[must_use]
    pub fn needed(kind: DatasetKind, columns: &Columns) -> Vec<Self> {
        match kind {
            DatasetKind::Recovery => vec![Self::Request, Self::Harmful, Self::Refusal],
            DatasetKind::Chat if columns.contains_key(&Self::Messages) => vec![Self::Messages],
            DatasetKind::Chat | DatasetKind::Utility => vec![Self::Request, Self::Answer],
            DatasetKind::Attack => vec![Self::Request],
        }
    }
}

/// Which column is what.
pub type Columns = BTreeMap<Field, String>;

/// The columns that a field is made of: several for choices, else one.
pub(super) fn names_of(field: Field, column: &str) -> impl Iterator<Item = &str> {
    let several = field == Field::Choices;
    column.split(move |c| several && c == '|')
}

/// Whether a word is the name of a column of any set.
pub(super) fn is_known(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    Field::ALL.iter().any(|field| field.names().contains(&name.as_str()))
}

/// What each column of `table` is, for examples of `kind`. `said` counts before what is guessed. The error names what is
/// missing and what there is.
pub fn guess(table: &Table, kind: DatasetKind, said: &Columns, file: &Path) -> Result<Columns, DataError> {
    let unfit = |reason: String| DataError::Unreadable { file: file.to_owned(), reason };
    let listed = || table.columns.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", ");
    let missing = said.iter().flat_map(|(field, name)| names_of(*field, name).map(move |name| (field, name)));
    if let Some((field, column)) =
        missing.into_iter().find(|(_, name)| !table.columns.iter().any(|c| c == name))
    {
        return Err(unfit(format!(
            "it has no column \"{column}\" for the {}. Its columns are {}",
            field.name(),
            listed()
        )));
    }
    let said = said.iter().map(|(field, column)| (*field, Some(column.clone()))).collect();
    let Fit { columns, missing } = fit(table, kind, &said);
    let missing: Vec<&str> = missing.into_iter().map(Field::name).collect();
    if missing.is_empty() {
        return Ok(columns);
    }
    Err(unfit(format!(
        "{} need a column for the {}, and none of {} is known as one. Say which it is: {}=NAME",
        kind.label(),
        missing.join(" and the "),
        listed(),
        missing[0]
    )))
}

/// What somebody said of fields: the column, or that none is to be taken.
pub type Said = BTreeMap<Field, Option<String>>;

/// Which column is what, and what is still missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// What is known.
    pub columns: Columns,
    /// The fields without which there is no example.
    pub missing: Vec<Field>,
}

/// What each column of `table` is, for examples of `kind`. What is said of columns that the table has counts before what is
/// guessed.
#[must_use]
pub fn fit(table: &Table, kind: DatasetKind, said: &Said) -> Fit {
    let there = |column: &str| table.columns.iter().any(|c| c == column);
    let mut columns: Columns = said
        .iter()
        .filter_map(|(field, column)| Some((*field, column.clone()?)))
        .filter(|(field, column)| names_of(*field, column).all(there))
        .collect();
    let free = |field: Field, columns: &Columns| {
        !columns.contains_key(&field) && said.get(&field).is_none_or(Option::is_some)
    };
    for field in Field::of(kind) {
        if !free(*field, &columns) {
            continue;
        }
        let taken = |column: &String| {
            columns.iter().any(|(field, names)| names_of(*field, names).any(|name| name == column))
        };
        let free = |column: &&String| !taken(column);
        let named =
            |name: &&&str| table.columns.iter().filter(free).find(|c| c.trim().to_lowercase() == **name);
        if let Some(column) = field.names().iter().find_map(|name| named(&name)) {
            columns.insert(*field, column.clone());
        }
    }
    // A table of one column is a list of requests, whatever the column is called.
    if kind == DatasetKind::Attack
        && free(Field::Request, &columns)
        && let [only] = table.columns.as_slice()
    {
        columns.insert(Field::Request, only.clone());
    }
    let missing =
        Field::needed(kind, &columns).into_iter().filter(|field| !columns.contains_key(field)).collect();
    Fit { columns, missing }
}

/// What a table's rows most likely are.
#[must_use]
pub fn guess_kind(table: &Table) -> DatasetKind {
    let fits = |kind| fit(table, kind, &Said::new()).missing.is_empty();
    let has =
        |names: &[&str]| table.columns.iter().any(|c| names.contains(&c.trim().to_lowercase().as_str()));
    if fits(DatasetKind::Recovery) {
        DatasetKind::Recovery
    } else if has(&["choices"]) && fits(DatasetKind::Utility) {
        DatasetKind::Utility
    } else if has(&["goal", "behavior", "forbidden_prompt", "target"]) && fits(DatasetKind::Attack) {
        DatasetKind::Attack
    } else if fits(DatasetKind::Chat) {
        DatasetKind::Chat
    } else {
        DatasetKind::Attack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str]) -> Table {
        Table { columns: columns.iter().map(|&c| c.to_owned()).collect(), ..Table::default() }
    }

    #[test]
    fn the_kind_is_told_by_the_columns() {
        for (columns, kind) in [
            (&["instruction", "harmful", "refusal"][..], DatasetKind::Recovery),
            (&["messages"], DatasetKind::Chat),
            (&["instruction", "input", "output"], DatasetKind::Chat),
            (&["goal", "target"], DatasetKind::Attack),
            (&["prompt"], DatasetKind::Attack),
            (&["question", "choices", "answer"], DatasetKind::Utility),
        ] {
            assert_eq!(guess_kind(&table(columns)), kind, "{columns:?}");
        }
    }

    #[test]
    fn what_is_said_counts_before_what_is_guessed_and_nothing_can_be_said_too() {
        let table = table(&["prompt", "text", "category"]);
        let said = Said::from([(Field::Request, Some("text".to_owned())), (Field::Category, None)]);
        let fit = fit(&table, DatasetKind::Attack, &said);
        assert_eq!(fit.columns, Columns::from([(Field::Request, "text".to_owned())]));
        let said = Said::from([(Field::Request, Some("gone".to_owned()))]);
        let fit = super::fit(&table, DatasetKind::Recovery, &said);
        assert_eq!(
            fit.missing,
            [Field::Harmful, Field::Refusal],
            "a column that is not there counts as unsaid"
        );
    }
}
