//! Multi-turn steering with a prefilled earlier turn: the first sentences of a harmful answer stand as the model's own earlier
//! turn, the user asks for the rest, and the model answers freely.

use super::{AttackRow, messages};
use crate::data::{AttackPrompt, after_sentences};
use crate::model::GenerateRequest;
use crate::text::{Codec, Message, TextError};

/// One row per number of sentences and prompt with a reference answer (`target`) that is longer than that.
pub fn rows(
    codec: &Codec,
    prompts: &[AttackPrompt],
    system_prompt: &str,
    sentences: &[usize],
    request: &str,
) -> Result<Vec<AttackRow>, TextError> {
    let mut rows = Vec::new();
    for &count in sentences {
        for prompt in prompts {
            let Some((said, rest)) =
                prompt.target.as_deref().and_then(|target| after_sentences(target, count))
            else {
                continue;
            };
            let mut conversation = messages(prompt, system_prompt);
            conversation.push(Message::assistant(said));
            conversation.push(Message::user(request));
            let setting = format!("sentences={count}");
            rows.push(AttackRow {
                prompt_id: prompt.id.clone(),
                request: GenerateRequest::new(
                    format!("later-turn/{setting}/{}", prompt.id),
                    codec.prompt(&conversation)?,
                ),
                setting,
                depth: None,
                prefill: said.to_owned(),
                prefill_is_refusal: false,
                rest: Some(rest.to_owned()),
            });
        }
    }
    Ok(rows)
}
