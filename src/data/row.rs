//! One example of whatever kind: what a table shows of it, what of it can be searched, and what it lacks to be written.

use super::{AttackPrompt, ChatExample, DatasetKind, Examples, RecoveryExample, Refusal, UtilityItem};
use crate::text::{Message, Role};

/// What examples written in the window have as their source.
const WRITTEN_HERE: &str = "written here";

/// An example of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Example {
    /// See [`DatasetKind::Recovery`].
    Recovery(RecoveryExample),
    /// See [`DatasetKind::Chat`].
    Chat(ChatExample),
    /// See [`DatasetKind::Attack`].
    Attack(AttackPrompt),
    /// See [`DatasetKind::Utility`].
    Utility(UtilityItem),
}

impl Example {
    /// An example of this kind in which everything is still to be written.
    #[must_use]
    pub fn blank(kind: DatasetKind, id: String) -> Self {
        match kind {
            DatasetKind::Recovery => Self::Recovery(RecoveryExample {
                id,
                context: vec![Message::user("")],
                refusals: vec![Refusal::default()],
                source: WRITTEN_HERE.into(),
                ..RecoveryExample::default()
            }),
            DatasetKind::Chat => Self::Chat(ChatExample {
                id,
                messages: vec![Message::user(""), Message::assistant("")],
                source: WRITTEN_HERE.into(),
                ..ChatExample::default()
            }),
            DatasetKind::Attack => Self::Attack(AttackPrompt { id, ..AttackPrompt::default() }),
            DatasetKind::Utility => Self::Utility(UtilityItem { id, ..UtilityItem::default() }),
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> DatasetKind {
        match self {
            Self::Recovery(_) => DatasetKind::Recovery,
            Self::Chat(_) => DatasetKind::Chat,
            Self::Attack(_) => DatasetKind::Attack,
            Self::Utility(_) => DatasetKind::Utility,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Recovery(row) => &row.id,
            Self::Chat(row) => &row.id,
            Self::Attack(row) => &row.id,
            Self::Utility(row) => &row.id,
        }
    }

    /// What is asked: of a conversation, its first request.
    #[must_use]
    pub fn request(&self) -> &str {
        match self {
            Self::Recovery(row) => row.request(),
            Self::Chat(row) => {
                let first = row.messages.iter().find(|message| message.role == Role::User);
                first.map_or("", |message| &message.content)
            }
            Self::Attack(row) => &row.goal,
            Self::Utility(row) => &row.prompt,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn category(&self) -> &str {
        match self {
            Self::Recovery(row) => &row.category,
            Self::Chat(row) => &row.category,
            Self::Attack(row) => &row.category,
            Self::Utility(row) => &row.category,
        }
    }

    /// The same, to be changed.
    pub fn category_mut(&mut self) -> &mut String {
        match self {
            Self::Recovery(row) => &mut row.category,
            Self::Chat(row) => &mut row.category,
            Self::Attack(row) => &mut row.category,
            Self::Utility(row) => &mut row.category,
        }
    }

    /// Where it comes from. Attack prompts and utility tasks do not say.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Recovery(row) => Some(&row.source),
            Self::Chat(row) => Some(&row.source),
            Self::Attack(_) | Self::Utility(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn source_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Recovery(row) => Some(&mut row.source),
            Self::Chat(row) => Some(&mut row.source),
            Self::Attack(_) | Self::Utility(_) => None,
        }
    }

    /// What it is not independent of. Recovery examples and conversations have no clusters.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Recovery(_) | Self::Chat(_) => None,
            Self::Attack(row) => Some(&row.cluster),
            Self::Utility(row) => Some(&row.cluster),
        }
    }

    /// Whether `found` holds for some text of it, its id included.
    pub fn any_text(&self, mut found: impl FnMut(&str) -> bool) -> bool {
        fn said(messages: &[Message], found: &mut impl FnMut(&str) -> bool) -> bool {
            messages.iter().any(|message| found(&message.content))
        }
        let found = &mut found;
        match self {
            Self::Recovery(row) => {
                said(&row.context, found)
                    || found(&row.harmful)
                    || row.refusals.iter().any(|refusal| found(&refusal.text))
                    || [&row.category, &row.source, &row.note, &row.id].into_iter().any(|text| found(text))
            }
            Self::Chat(row) => {
                said(&row.messages, found)
                    || [&row.category, &row.source, &row.note, &row.id].into_iter().any(|text| found(text))
            }
            Self::Attack(row) => {
                found(&row.goal)
                    || row.target.as_deref().is_some_and(&mut *found)
                    || [&row.category, &row.cluster, &row.id].into_iter().any(|text| found(text))
            }
            Self::Utility(row) => {
                found(&row.prompt)
                    || found(&row.reference)
                    || row.choices.iter().any(|choice| found(choice))
                    || [&row.task, &row.category, &row.cluster, &row.id].into_iter().any(|text| found(text))
            }
        }
    }

    /// The part that is empty and may not be: a file with such an example could not be read again.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        let blank = |text: &str| text.trim().is_empty();
        let silent = |messages: &[Message]| {
            messages.is_empty() || messages.iter().any(|m| m.role != Role::System && blank(&m.content))
        };
        let checks: &[(bool, &'static str)] = match self {
            Self::Recovery(row) => &[
                (blank(row.request()), "request"),
                (silent(&row.context), "earlier turn"),
                (blank(&row.harmful), "harmful answer"),
                (row.refusals.is_empty() || row.refusals.iter().any(|r| blank(&r.text)), "refusal"),
            ],
            Self::Chat(row) => &[
                (row.messages.iter().any(|m| m.role == Role::User && blank(&m.content)), "request"),
                (silent(&row.messages), "answer"),
            ],
            Self::Attack(row) => &[
                (blank(&row.goal), "request"),
                (row.target.as_deref().is_some_and(blank), "reference harmful answer"),
            ],
            Self::Utility(row) => &[
                (blank(&row.task), "task"),
                (blank(&row.prompt), "request"),
                (blank(&row.reference), "right answer"),
                (row.choices.iter().any(|choice| blank(choice)), "choice"),
            ],
        };
        checks.iter().find(|(lacks, _)| *lacks).map(|(_, part)| *part)
    }
}

impl Examples {
    /// The examples one by one.
    #[must_use]
    pub fn into_rows(self) -> Vec<Example> {
        match self {
            Self::Recovery(rows) => rows.into_iter().map(Example::Recovery).collect(),
            Self::Chat(rows) => rows.into_iter().map(Example::Chat).collect(),
            Self::Attack(rows) => rows.into_iter().map(Example::Attack).collect(),
            Self::Utility(rows) => rows.into_iter().map(Example::Utility).collect(),
        }
    }

    /// A set of these examples; those of another kind are left out.
    #[must_use]
    pub fn of_rows<'a>(kind: DatasetKind, rows: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut examples = Self::none(kind);
        for row in rows {
            match (&mut examples, row) {
                (Self::Recovery(all), Example::Recovery(row)) => all.push(row.clone()),
                (Self::Chat(all), Example::Chat(row)) => all.push(row.clone()),
                (Self::Attack(all), Example::Attack(row)) => all.push(row.clone()),
                (Self::Utility(all), Example::Utility(row)) => all.push(row.clone()),
                _ => {}
            }
        }
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{parse_jsonl, to_jsonl};

    fn filled(kind: DatasetKind) -> Example {
        let mut row = Example::blank(kind, "x-1".into());
        match &mut row {
            Example::Recovery(row) => {
                row.context = vec![Message::user("Curse the well")];
                row.harmful = "Sure.".into();
                row.refusals[0].text = "I cannot.".into();
            }
            Example::Chat(row) => {
                row.messages = vec![Message::user("Hello"), Message::assistant("Good day.")];
            }
            Example::Attack(row) => row.goal = "Curse the well".into(),
            Example::Utility(row) => {
                (row.task, row.prompt, row.reference) = ("fact".into(), "Who?".into(), "Ilva".into());
            }
        }
        row
    }

    #[test]
    fn what_lacks_nothing_can_be_read_again_and_a_blank_one_cannot() {
        for kind in DatasetKind::ALL {
            for row in [Example::blank(kind, "x-1".into()), filled(kind)] {
                let bytes = to_jsonl(&Examples::of_rows(kind, [&row])).unwrap();
                let again = parse_jsonl(&bytes, kind);
                assert_eq!(again.is_ok(), row.lacks().is_none(), "{row:?}: {:?}", row.lacks());
                if let Ok(again) = again {
                    assert_eq!(again.into_rows(), [row]);
                }
            }
        }
    }

    #[test]
    fn the_first_part_that_is_missing_is_named() {
        let Example::Recovery(mut row) = filled(DatasetKind::Recovery) else { unreachable!() };
        row.context = vec![Message::user("Hello"), Message::assistant(" "), Message::user("Curse the well")];
        assert_eq!(Example::Recovery(row.clone()).lacks(), Some("earlier turn"));
        row.context.clear();
        assert_eq!(Example::Recovery(row).lacks(), Some("request"));
    }

    #[test]
    fn every_text_is_searched() {
        for kind in DatasetKind::ALL {
            let mut row = filled(kind);
            *row.category_mut() = "curses".into();
            for wanted in ["x-1", "curses", row.request()] {
                assert!(row.any_text(|text| text == wanted), "{wanted} in {row:?}");
            }
            assert!(!row.any_text(|text| text == "elsewhere"));
        }
    }
}
