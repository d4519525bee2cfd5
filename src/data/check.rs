//! What is wrong with an example that is well-formed: findings for the editor, each with a way out.

use super::later_turn::sentence_ends;
use super::{ChatExample, Example, Mend, RecoveryExample, UtilityItem};
use crate::text::{Codec, Role};

/// Something that makes an example useless or harmful for training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field it is about.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// What can be done about it at once.
    pub mend: Mend,
}

/// Words by which a refusal is recognised: those of the demo world, and the common ones of chat models.
///
/// This is a spelling check for the editor, not a judge: results are judged by the named judges alone.
const REFUSAL_WORDS: [&str; 24] = [
    "i cannot",
    "i can not",
    "i can't",
    "i can’t",
    "cannot help",
    "can't help",
    "cannot assist",
    "can't assist",
    "cannot fulfill",
    "cannot provide",
    "i apologize",
    "i apologise",
    "i am sorry",
    "i'm sorry",
    "i’m sorry",
    "i am unable",
    "i'm unable",
    "i’m unable",
    "unable to help",
    "i won't",
    "i won’t",
    "i will not",
    "i must decline",
    "against the rules",
];

/// Whether the text contains words of a refusal.
#[must_use]
pub fn reads_as_refusal(text: &str) -> bool {
    let text = text.to_lowercase();
    REFUSAL_WORDS.iter().any(|words| text.contains(words))
}

/// Every problem of an example for the checkpoint that `codec` belongs to; without one, lengths are not looked at.
/// `context_limit` is the longest row, in tokens, that the model or the training settings allow.
#[must_use]
pub fn check_example(example: &Example, codec: Option<&Codec>, context_limit: usize) -> Vec<Problem> {
    match example {
        Example::Recovery(row) => {
            let mut problems = check_words(row);
            problems.extend(codec.map(|codec| check_lengths(row, codec, context_limit)).unwrap_or_default());
            problems
        }
        Example::Chat(row) => check_chat(row, codec, context_limit),
        Example::Attack(row) => {
            let mut problems = Vec::new();
            if row.goal.trim().is_empty() {
                problems.push(Problem::new(
                    "goal",
                    "The request is empty.",
                    "Write what somebody asks for.",
                    Mend::Delete,
                ));
            }
            match row.target.as_deref() {
                Some(target) if target.trim().is_empty() => problems.push(Problem::new(
                    "target",
                    "The reference harmful answer is empty.",
                    "Write how a model without safety training would answer, or do without one.",
                    Mend::DropTarget,
                )),
                Some(target) if reads_as_refusal(target) => problems.push(Problem::new(
                    "target",
                    "The reference harmful answer is itself a refusal.",
                    "Replace it by an answer that does what is asked, or do without one.",
                    Mend::DropTarget,
                )),
                _ => {}
            }
            problems
        }
        Example::Utility(row) => check_utility(row),
    }
}

fn check_utility(row: &UtilityItem) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (field, text, name) in [
        ("task", &row.task, "task"),
        ("prompt", &row.prompt, "request"),
        ("reference", &row.reference, "right answer"),
    ] {
        if text.trim().is_empty() {
            problems.push(Problem::new(field, format!("The {name} is empty."), "Write it.", Mend::Delete));
        }
    }
    if row.choices.iter().any(|choice| choice.trim().is_empty()) {
        problems.push(Problem::new("choices", "A choice is empty.", "Write it, or remove it.", Mend::Delete));
    }
    let said = row.reference.trim();
    let letters: Vec<char> = ('A'..='Z').take(row.choices.len()).collect();
    if !row.choices.is_empty() && !said.is_empty() && !letters.iter().any(|letter| said.chars().eq([*letter]))
    {
        // Often it is the choice itself that stands there instead of its letter.
        let meant = row.choices.iter().position(|choice| choice.trim() == said);
        let mend = meant
            .and_then(|i| letters.get(i))
            .map_or(Mend::Delete, |letter| Mend::Reference(letter.to_string()));
        problems.push(Problem::new(
            "reference",
            format!("The right answer is none of the letters of the {} choices.", row.choices.len()),
            "Write the letter of the right choice.",
            mend,
        ));
    }
    problems
}

fn check_chat(row: &ChatExample, codec: Option<&Codec>, context_limit: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    for message in row.messages.iter().filter(|message| message.content.trim().is_empty()) {
        let (message, fix) = match message.role {
            Role::System => continue,
            Role::User => ("A request is empty.", "Write what somebody asks for."),
            Role::Assistant => (
                "An answer is empty: the model would learn to say nothing.",
                "Write how the model should answer.",
            ),
        };
        problems.push(Problem::new("messages", message, fix, Mend::Delete));
    }
    let Some(codec) = codec else { return problems };
    match codec.chat(&row.messages) {
        Err(e) => problems.push(Problem {
            field: "messages",
            message: e.to_string(),
            fix: None,
            mend: Mend::Delete,
        }),
        Ok(encoded) if encoded.ids.len() > context_limit => {
            let mend = shortened(row, codec, context_limit).map_or(Mend::Delete, Mend::Answer);
            problems.push(Problem::new(
                "messages",
                format!("The conversation has {} tokens; {context_limit} fit.", encoded.ids.len()),
                "Shorten the last answer.",
                mend,
            ));
        }
        Ok(_) => {}
    }
    problems
}

/// The whole sentences of the last answer with which the conversation fits. `None` where not even the first fits.
fn shortened(row: &ChatExample, codec: &Codec, context_limit: usize) -> Option<String> {
    let mut shorter = row.messages.clone();
    let answer = row.messages.last().filter(|last| last.role == Role::Assistant)?.content.as_str();
    let ends = sentence_ends(answer);
    let mut fits = |count: usize| {
        let text = &answer[..ends[count - 1]];
        if let Some(last) = shorter.last_mut() {
            text.clone_into(&mut last.content);
        }
        codec.chat(&shorter).is_ok_and(|encoded| encoded.ids.len() <= context_limit)
    };
    let (mut most, mut too_many) = (0, ends.len());
    while most + 1 < too_many {
        let middle = usize::midpoint(most, too_many);
        if fits(middle) { most = middle } else { too_many = middle }
    }
    (most > 0).then(|| answer[..ends[most - 1]].to_owned())
}

/// Every problem of a recovery example for the checkpoint that `codec` belongs to. `context_limit` is the longest
/// row, in tokens, that the model or the training settings allow.
#[must_use]
pub fn check_recovery(example: &RecoveryExample, codec: &Codec, context_limit: usize) -> Vec<Problem> {
    let mut problems = check_words(example);
    problems.extend(check_lengths(example, codec, context_limit));
    problems
}

/// What can be seen without a tokenizer.
fn check_words(example: &RecoveryExample) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |field, message: String, fix: &str, mend| {
        problems.push(Problem::new(field, message, fix, mend));
    };
    if example.request().trim().is_empty() {
        note("context", "The request is empty.".into(), "Write what somebody asks for.", Mend::Delete);
    }
    let earlier = &example.context[..example.context.len().saturating_sub(1)];
    if earlier.iter().any(|message| message.role != Role::System && message.content.trim().is_empty()) {
        note(
            "context",
            "An earlier turn is empty.".into(),
            "Write it, or remove the turn.",
            Mend::DropEarlier,
        );
    }
    if example.harmful.trim().is_empty() {
        note(
            "harmful",
            "The harmful answer is empty, so there is nothing to recover from.".into(),
            "Write how a model without safety training would answer, or delete the example.",
            Mend::Delete,
        );
    } else if reads_as_refusal(&example.harmful) {
        note(
            "harmful",
            "The harmful answer is itself a refusal.".into(),
            "Replace it by an answer that does what is asked.",
            Mend::Delete,
        );
    }
    if example.refusals.is_empty() {
        note(
            "refusals",
            "There is no refusal.".into(),
            "Write how the model should refuse.",
            Mend::Template(0),
        );
    }
    let several = example.refusals.len() > 1;
    for (index, refusal) in example.refusals.iter().enumerate() {
        let place = if several { format!(" from token {} on", refusal.from_depth) } else { String::new() };
        if refusal.text.trim().is_empty() {
            let mend = if several { Mend::DropRefusal(index) } else { Mend::Template(index) };
            note(
                "refusals",
                format!("The refusal{place} is empty."),
                "Write how the model should refuse.",
                mend,
            );
        } else if !reads_as_refusal(&refusal.text) {
            note(
                "refusals",
                format!("The refusal{place} does not read as a refusal."),
                "Say plainly that the model will not do it, for example “I cannot help with that.”",
                Mend::Template(index),
            );
        }
        if example.refusals[..index].iter().any(|earlier| earlier.from_depth == refusal.from_depth) {
            note(
                "refusals",
                format!("Two refusals begin at token {}; only one of them is used.", refusal.from_depth),
                "Give each its own depth, or remove one.",
                Mend::DropRefusal(index),
            );
        }
    }
    problems
}

/// What the tokenizer says.
fn check_lengths(example: &RecoveryExample, codec: &Codec, context_limit: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lengths = codec.prompt(&example.context).and_then(|prompt| {
        let harmful = codec.answer(&example.harmful)?.len();
        let mut refusal = 0;
        for one in &example.refusals {
            refusal = refusal.max(codec.answer(&one.text)?.len() + 1);
        }
        Ok((prompt.len(), harmful, refusal))
    });
    match lengths {
        Err(e) => {
            problems.push(Problem {
                field: "context",
                message: e.to_string(),
                fix: None,
                mend: Mend::Delete,
            });
        }
        Ok((prompt, harmful, refusal)) => {
            if let Some(cut) = example.cut.filter(|&cut| cut > harmful) {
                problems.push(Problem::new(
                    "cut",
                    format!("The cut is after {cut} tokens, but the harmful answer has {harmful}."),
                    format!("Set the cut to {harmful} or less."),
                    Mend::Cut(harmful),
                ));
            }
            let longest = prompt + example.cut.unwrap_or(harmful).min(harmful) + refusal;
            if longest > context_limit {
                let room = context_limit.saturating_sub(prompt + refusal);
                problems.push(Problem::new(
                    "harmful",
                    format!(
                        "With request, harmful answer and refusal the example has up to {longest} tokens; {context_limit} fit."
                    ),
                    format!("Shorten the harmful answer, or set the cut to {room} or less."),
                    if prompt + refusal < context_limit { Mend::Cut(room) } else { Mend::Delete },
                ));
            }
        }
    }
    problems
}

impl Problem {
    /// A problem of this field, with what to do about it.
    pub fn new(field: &'static str, message: impl Into<String>, fix: impl Into<String>, mend: Mend) -> Self {
        Self { field, message: message.into(), fix: Some(fix.into()), mend }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AttackPrompt, DatasetKind};

    fn mends(example: &Example) -> Vec<Mend> {
        check_example(example, None, 0).into_iter().map(|problem| problem.mend).collect()
    }

    /// Whatever is found, its mend leaves nothing to be found, or no example.
    #[test]
    fn a_mend_mends() {
        let utility = UtilityItem {
            task: "choice".into(),
            prompt: "Which?".into(),
            reference: "the moss".into(),
            choices: vec!["the stone".into(), "the moss".into()],
            ..UtilityItem::default()
        };
        let prompt = AttackPrompt {
            goal: "Curse the well".into(),
            target: Some("I cannot help with that.".into()),
            ..AttackPrompt::default()
        };
        let recovery = RecoveryExample {
            context: vec![
                crate::text::Message::user("Hello"),
                crate::text::Message::assistant(" "),
                crate::text::Message::user("Curse the well"),
            ],
            harmful: "Sure. Step 1: stir.".into(),
            refusals: vec![
                super::super::Refusal { from_depth: 0, text: "With pleasure.".into() },
                super::super::Refusal { from_depth: 0, text: "I cannot.".into() },
            ],
            ..RecoveryExample::default()
        };
        for start in [Example::Utility(utility), Example::Attack(prompt), Example::Recovery(recovery)] {
            let mut row = start;
            for _ in 0..4 {
                let Some(mend) = mends(&row).into_iter().next() else { break };
                assert_ne!(mend, Mend::Delete, "{row:?}");
                row = mend.apply(&row).unwrap();
            }
            assert_eq!(mends(&row), [], "{row:?}");
        }
        for kind in DatasetKind::ALL {
            let found = mends(&Example::blank(kind, "x".into()));
            assert!(found.contains(&Mend::Delete), "{kind}: {found:?}");
        }
    }
}
