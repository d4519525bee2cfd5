//! What is done to examples at once: mending a problem, and the same edit of many.

use super::{ChatExample, Example, REFUSAL_TEMPLATES, RecoveryExample, Refusal};
use crate::rng;
use crate::text::{Message, Role};
use rand::Rng;

/// What can be done at once about a [`super::Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Take the example out.
    Delete,
    /// Replace this refusal by a template, or add one.
    Template(usize),
    /// Take this refusal out.
    DropRefusal(usize),
    /// Take the turns before the request out; instructions stay.
    DropEarlier,
    /// Cut the harmful answer after this many tokens.
    Cut(usize),
    /// Replace the last answer by this shorter one.
    Answer(String),
    /// Take the reference harmful answer out.
    DropTarget,
    /// This is the right answer.
    Reference(String),
}

impl Mend {
    /// The example as it is then; `None` if it is taken out.
    #[must_use]
    pub fn apply(&self, example: &Example) -> Option<Example> {
        let mut mended = example.clone();
        match (self, &mut mended) {
            (Self::Delete, _) => return None,
            (Self::Template(index), Example::Recovery(row)) => {
                let text = refusal_template(&row.id).to_owned();
                match row.refusals.get_mut(*index) {
                    Some(refusal) => refusal.text = text,
                    None => row.refusals.push(Refusal { from_depth: 0, text }),
                }
            }
            (Self::DropRefusal(index), Example::Recovery(row)) if *index < row.refusals.len() => {
                row.refusals.remove(*index);
            }
            (Self::DropEarlier, Example::Recovery(row)) => {
                let request = row.context.pop();
                row.context.retain(|message| message.role == Role::System);
                row.context.extend(request);
            }
            (Self::Cut(depth), Example::Recovery(row)) => row.cut = Some(*depth),
            (Self::Answer(text), Example::Chat(row)) => {
                if let Some(last) = row.messages.last_mut() {
                    text.clone_into(&mut last.content);
                }
            }
            (Self::DropTarget, Example::Attack(row)) => row.target = None,
            (Self::Reference(text), Example::Utility(row)) => text.clone_into(&mut row.reference),
            _ => {}
        }
        Some(mended)
    }
}

/// The template that stands in for the refusal of the example with this id: always the same one for the same id.
#[must_use]
pub fn refusal_template(id: &str) -> &'static str {
    REFUSAL_TEMPLATES[rng::stream(0, "refusal template", id).random_range(0..REFUSAL_TEMPLATES.len())]
}

/// An edit of many examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkEdit {
    /// They are about this.
    Category(String),
    /// They come from there.
    Source(String),
    /// Cut the harmful answer after this many tokens, or at random at each visit.
    Cut(Option<usize>),
    /// Put one template in the place of all refusals.
    Refusal,
}

impl BulkEdit {
    /// The example as it is then; `None` if that changes nothing of it.
    #[must_use]
    pub fn apply(&self, example: &Example) -> Option<Example> {
        let mut edited = example.clone();
        match (self, &mut edited) {
            (Self::Category(text), row) => text.clone_into(row.category_mut()),
            (Self::Source(text), row) => text.clone_into(row.source_mut()?),
            (Self::Cut(cut), Example::Recovery(row)) => row.cut = *cut,
            (Self::Refusal, Example::Recovery(row)) => {
                let text = refusal_template(&row.id).to_owned();
                row.refusals = vec![Refusal { from_depth: 0, text }];
            }
            _ => return None,
        }
        (edited != *example).then_some(edited)
    }
}

/// A part that is added to an example or taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartEdit {
    /// Another turn: before the request of a recovery example, at the end of a conversation.
    AddTurn,
    /// Take out the request in this message and the answer to it.
    RemoveTurn(usize),
    /// Instructions before everything else.
    AddInstructions,
    /// Take them out.
    RemoveInstructions,
    /// Another refusal, from ten tokens after the deepest on.
    AddRefusal,
    /// Take this one out.
    RemoveRefusal(usize),
    /// A reference harmful answer.
    AddTarget,
    /// Take it out.
    RemoveTarget,
    /// Another choice.
    AddChoice,
    /// Take this one out.
    RemoveChoice(usize),
}

/// How much deeper than the last an added refusal begins.
const DEEPER: usize = 10;

impl PartEdit {
    /// The example as it is then; `None` if it has no such part.
    #[must_use]
    pub fn apply(self, example: &Example) -> Option<Example> {
        let mut edited = example.clone();
        match (self, &mut edited) {
            (Self::AddTurn, Example::Recovery(row)) => {
                let at = row.context.len().saturating_sub(1);
                row.context.splice(at..at, [Message::user(""), Message::assistant("")]);
            }
            (Self::AddTurn, Example::Chat(row)) => {
                row.messages.extend([Message::user(""), Message::assistant("")]);
            }
            (Self::RemoveTurn(at), Example::Recovery(row)) => remove_turn(&mut row.context, at, 3)?,
            (Self::RemoveTurn(at), Example::Chat(row)) => remove_turn(&mut row.messages, at, 4)?,
            (
                Self::AddInstructions,
                Example::Recovery(RecoveryExample { context: messages, .. })
                | Example::Chat(ChatExample { messages, .. }),
            ) => {
                if instructed(messages) {
                    return None;
                }
                messages.insert(0, Message::system(""));
            }
            (
                Self::RemoveInstructions,
                Example::Recovery(RecoveryExample { context: messages, .. })
                | Example::Chat(ChatExample { messages, .. }),
            ) => {
                if !instructed(messages) {
                    return None;
                }
                messages.remove(0);
            }
            (Self::AddRefusal, Example::Recovery(row)) => {
                let from_depth =
                    row.refusals.iter().map(|refusal| refusal.from_depth + DEEPER).max().unwrap_or(0);
                row.refusals.push(Refusal { from_depth, text: String::new() });
            }
            (Self::RemoveRefusal(at), Example::Recovery(row))
                if at < row.refusals.len() && row.refusals.len() > 1 =>
            {
                row.refusals.remove(at);
            }
            (Self::AddTarget, Example::Attack(row)) if row.target.is_none() => {
                row.target = Some(String::new());
            }
            (Self::RemoveTarget, Example::Attack(row)) => {
                row.target.take()?;
            }
            (Self::AddChoice, Example::Utility(row)) if row.choices.len() < 26 => {
                row.choices.push(String::new());
            }
            (Self::RemoveChoice(at), Example::Utility(row)) if at < row.choices.len() => {
                row.choices.remove(at);
            }
            _ => return None,
        }
        Some(edited)
    }
}

fn instructed(messages: &[Message]) -> bool {
    messages.first().is_some_and(|message| message.role == Role::System)
}

/// Takes a request and its answer out, where at least `least` messages that are no instructions are there.
fn remove_turn(messages: &mut Vec<Message>, at: usize, least: usize) -> Option<()> {
    let turns = messages.len() - usize::from(instructed(messages));
    let answered = messages.get(at).is_some_and(|message| message.role == Role::User)
        && messages.get(at + 1).is_some_and(|message| message.role == Role::Assistant);
    if turns < least || !answered {
        return None;
    }
    messages.drain(at..at + 2);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AttackPrompt, reads_as_refusal};

    fn example() -> Example {
        Example::Recovery(RecoveryExample {
            id: "r".into(),
            refusals: vec![Refusal { from_depth: 3, text: "No.".into() }],
            ..RecoveryExample::default()
        })
    }

    #[test]
    fn an_edit_that_changes_nothing_is_none() {
        let edit = BulkEdit::Category("curses".into());
        let once = edit.apply(&example()).unwrap();
        assert_eq!(once.category(), "curses");
        assert_eq!(edit.apply(&once), None);
        let prompt = Example::Attack(AttackPrompt::default());
        for edit in [BulkEdit::Source("x".into()), BulkEdit::Cut(Some(3)), BulkEdit::Refusal] {
            assert_eq!(edit.apply(&prompt), None, "attack prompts have no {edit:?}");
        }
        let Some(Example::Recovery(cut)) = BulkEdit::Cut(Some(3)).apply(&example()) else { unreachable!() };
        assert_eq!(cut.cut, Some(3));
    }

    #[test]
    fn a_template_refuses_and_is_the_same_each_time() {
        let Some(Example::Recovery(row)) = BulkEdit::Refusal.apply(&example()) else { unreachable!() };
        assert!(reads_as_refusal(&row.refusals[0].text));
        assert_eq!((row.refusals.len(), row.refusals[0].from_depth), (1, 0));
        assert_eq!(row.refusals[0].text, refusal_template("r"));
        let all: std::collections::BTreeSet<_> =
            (0..100).map(|i| refusal_template(&format!("r{i}"))).collect();
        assert_eq!(all.len(), REFUSAL_TEMPLATES.len(), "every one is used");
        assert!(REFUSAL_TEMPLATES.iter().all(|text| reads_as_refusal(text)));
    }

    #[test]
    fn what_is_added_can_be_taken_out_and_the_last_turn_stays() {
        let recovery = Example::Recovery(RecoveryExample {
            context: vec![Message::user("request")],
            refusals: vec![Refusal { from_depth: 3, text: "No.".into() }],
            ..RecoveryExample::default()
        });
        let chat = Example::Chat(ChatExample {
            messages: vec![Message::user("request"), Message::assistant("answer")],
            ..ChatExample::default()
        });
        let prompt = Example::Attack(AttackPrompt::default());
        let task = Example::Utility(crate::data::UtilityItem::default());
        for (example, add, remove) in [
            (&recovery, PartEdit::AddTurn, PartEdit::RemoveTurn(0)),
            (&recovery, PartEdit::AddInstructions, PartEdit::RemoveInstructions),
            (&recovery, PartEdit::AddRefusal, PartEdit::RemoveRefusal(1)),
            (&chat, PartEdit::AddTurn, PartEdit::RemoveTurn(2)),
            (&chat, PartEdit::AddInstructions, PartEdit::RemoveInstructions),
            (&prompt, PartEdit::AddTarget, PartEdit::RemoveTarget),
            (&task, PartEdit::AddChoice, PartEdit::RemoveChoice(0)),
        ] {
            let more = add.apply(example).unwrap();
            assert_ne!(more, *example, "{add:?}");
            assert_eq!(more.request(), example.request(), "{add:?}");
            assert_eq!(remove.apply(&more).as_ref(), Some(example), "{add:?}");
            assert_eq!(remove.apply(example), None, "{remove:?}");
        }
        assert_eq!(PartEdit::RemoveTurn(0).apply(&chat), None);
        let Some(Example::Recovery(more)) = PartEdit::AddRefusal.apply(&recovery) else { unreachable!() };
        assert_eq!(more.refusals[1].from_depth, 13);
    }
}
