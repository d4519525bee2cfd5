//! What is wrong with an example that is well-formed: findings for the editor, each with a way out.

use super::RecoveryExample;
use crate::text::Codec;

/// Something that makes an example useless or harmful for training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field it is about.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
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

/// Every problem of a recovery example for the checkpoint that `codec` belongs to. `context_limit` is the longest
/// row, in tokens, that the model or the training settings allow.
#[must_use]
pub fn check_recovery(example: &RecoveryExample, codec: &Codec, context_limit: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |field, message: String, fix: &str| {
        problems.push(Problem { field, message, fix: Some(fix.to_owned()) });
    };
    if example.request().trim().is_empty() {
        note("context", "The request is empty.".into(), "Write what somebody asks for.");
    }
    if example.harmful.trim().is_empty() {
        note(
            "harmful",
            "The harmful answer is empty, so there is nothing to recover from.".into(),
            "Write how a model without safety training would answer, or delete the example.",
        );
    } else if reads_as_refusal(&example.harmful) {
        note(
            "harmful",
            "The harmful answer is itself a refusal.".into(),
            "Replace it by an answer that does what is asked.",
        );
    }
    if example.refusals.is_empty() {
        note("refusals", "There is no refusal.".into(), "Write how the model should refuse.");
    }
    for refusal in &example.refusals {
        let place = if example.refusals.len() > 1 {
            format!(" from token {} on", refusal.from_depth)
        } else {
            String::new()
        };
        if refusal.text.trim().is_empty() {
            note("refusals", format!("The refusal{place} is empty."), "Write how the model should refuse.");
        } else if !reads_as_refusal(&refusal.text) {
            note(
                "refusals",
                format!("The refusal{place} does not read as a refusal."),
                "Say plainly that the model will not do it, for example “I cannot help with that.”",
            );
        }
    }
    let lengths = codec.prompt(&example.context).and_then(|prompt| {
        let harmful = codec.answer(&example.harmful)?.len();
        let mut refusal = 0;
        for one in &example.refusals {
            refusal = refusal.max(codec.answer(&one.text)?.len() + 1);
        }
        Ok((prompt.len(), harmful, refusal))
    });
    match lengths {
        Err(e) => problems.push(Problem { field: "context", message: e.to_string(), fix: None }),
        Ok((prompt, harmful, refusal)) => {
            if let Some(cut) = example.cut.filter(|&cut| cut > harmful) {
                problems.push(Problem {
                    field: "cut",
                    message: format!("The cut is after {cut} tokens, but the harmful answer has {harmful}."),
                    fix: Some(format!("Set the cut to {harmful} or less.")),
                });
            }
            let longest = prompt + example.cut.unwrap_or(harmful).min(harmful) + refusal;
            if longest > context_limit {
                let room = context_limit.saturating_sub(prompt + refusal);
                problems.push(Problem {
                    field: "harmful",
                    message: format!(
                        "With request, harmful answer and refusal the example has up to {longest} tokens; {context_limit} fit."
                    ),
                    fix: Some(format!("Shorten the harmful answer, or set the cut to {room} or less.")),
                });
            }
        }
    }
    problems
}
