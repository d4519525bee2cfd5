//! Attacks: what is put before a model, and what is put into its mouth. One attack, one file.

pub mod decoding;
pub mod direct;
pub mod gcg;
pub mod later_turn;
pub mod multi_turn;
pub mod prefill;
pub mod rap;
pub mod refusal_prefix;

pub use decoding::DecodingGrid;
pub use gcg::GcgSpec;
pub use refusal_prefix::REFUSAL_PREFIXES;

use crate::data::AttackPrompt;
use crate::model::GenerateRequest;
use crate::text::{Codec, Message, TextError};

/// One request to a model under one setting of an attack.
#[derive(Clone, Debug)]
pub struct AttackRow {
    /// The prompt's id.
    pub prompt_id: String,
    /// The setting, in words: `k=5`, a prefix, or nothing.
    pub setting: String,
    /// Prefill depth in answer tokens, where the attack has one.
    pub depth: Option<usize>,
    /// What the model continues.
    pub request: GenerateRequest,
    /// The words put into the model's mouth.
    pub prefill: String,
    /// Whether those words are a refusal.
    pub prefill_is_refusal: bool,
    /// What the prefill left of the reference answer; judged for the ceiling.
    pub rest: Option<String>,
}

/// The messages of an attack: an optional system prompt and the request.
fn messages(prompt: &AttackPrompt, system_prompt: &str) -> Vec<Message> {
    messages_of(&prompt.goal, system_prompt)
}

/// An optional system prompt, and what the user says.
pub(crate) fn messages_of(said: &str, system_prompt: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    if !system_prompt.is_empty() {
        messages.push(Message::system(system_prompt));
    }
    messages.push(Message::user(said));
    messages
}

/// The row of one prompt with `prefill` ids put at the start of the answer.
fn row(
    codec: &Codec,
    prompt: &AttackPrompt,
    system_prompt: &str,
    attack: &str,
    setting: String,
    prefill: &[u32],
) -> Result<AttackRow, TextError> {
    let mut ids = codec.prompt(&messages(prompt, system_prompt))?;
    ids.extend_from_slice(prefill);
    Ok(AttackRow {
        prompt_id: prompt.id.clone(),
        request: GenerateRequest::new(format!("{attack}/{setting}/{}", prompt.id), ids),
        setting,
        depth: None,
        prefill: codec.tokenizer.decode(prefill)?,
        prefill_is_refusal: false,
        rest: None,
    })
}
