//! From messages to training rows and prompts: tokenizer, template and end-of-turn tokens of one checkpoint.

use super::{ChatTemplate, Conversation, Message, Role, TextError, Tokenizer};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// One row of token ids with what is trained in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Token ids of the whole row.
    pub ids: Vec<u32>,
    /// One range per assistant turn, end token included. Answer position t = 1 is the first token of its range.
    pub answers: Vec<Range<usize>>,
    /// The loss weight of each token: 0 = context.
    pub weights: Vec<f32>,
}

impl Encoded {
    /// How many tokens are trained.
    #[must_use]
    pub fn trained(&self) -> usize {
        self.weights.iter().filter(|&&w| w > 0.0).count()
    }

    /// The answer position t (1-based) of token `index`, or `None` outside answers.
    #[must_use]
    pub fn answer_position(&self, index: usize) -> Option<usize> {
        self.answers.iter().find(|range| range.contains(&index)).map(|range| index - range.start + 1)
    }

    /// Cuts the row to at most `max_tokens`.
    pub fn truncate(&mut self, max_tokens: usize) {
        self.ids.truncate(max_tokens);
        self.weights.truncate(max_tokens);
        for range in &mut self.answers {
            range.end = range.end.min(max_tokens);
        }
        self.answers.retain(|range| range.start < range.end);
    }
}

/// What turns words into ids for one checkpoint.
#[derive(Clone, Debug)]
pub struct Codec {
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The chat template.
    pub template: ChatTemplate,
    /// Every token that ends an answer.
    pub end_of_turn: Vec<u32>,
    /// The one of them that the template writes after an answer: the one that is trained.
    closing: u32,
}

impl Codec {
    /// Reads tokenizer, template and end-of-turn tokens of a checkpoint folder.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json"))?;
        let template = ChatTemplate::from_folder(folder)?;
        let mut end_of_turn = Vec::new();
        for name in ["generation_config.json", "config.json"] {
            if !end_of_turn.is_empty() {
                break;
            }
            let file = folder.join(name);
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let config: Value = serde_json::from_slice(&bytes)
                .map_err(|e| TextError::Malformed { file, reason: e.to_string() })?;
            end_of_turn = match &config["eos_token_id"] {
                Value::Number(n) => n.as_u64().map(|n| n as u32).into_iter().collect(),
                Value::Array(all) => all.iter().filter_map(Value::as_u64).map(|n| n as u32).collect(),
                _ => Vec::new(),
            };
        }
        if end_of_turn.is_empty() {
            return Err(TextError::NoEndOfTurn { folder: folder.to_owned() });
        }
        Self::new(tokenizer, template, end_of_turn)
    }

    /// Puts a codec together. `end_of_turn` must not be empty.
    pub fn new(
        tokenizer: Tokenizer,
        template: ChatTemplate,
        end_of_turn: Vec<u32>,
    ) -> Result<Self, TextError> {
        let mut codec = Self { tokenizer, template, closing: end_of_turn[0], end_of_turn };
        let probe = [Message::user("a"), Message::assistant("b")];
        let tail = codec.tail(&probe, 1)?;
        if let Some(&id) = tail.iter().find(|id| codec.end_of_turn.contains(id)) {
            codec.closing = id;
        }
        Ok(codec)
    }

    /// The ids of the conversation up to where the model's answer begins.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, TextError> {
        self.tokenizer.encode(&self.render(messages, true)?)
    }

    /// The ids of an answer as it stands at the start of an answer, without the end token.
    pub fn answer(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.tokenizer.encode(text)
    }

    /// A conversation in which every assistant turn and its end token are trained.
    pub fn chat(&self, messages: &[Message]) -> Result<Encoded, TextError> {
        let mut row = Encoded { ids: Vec::new(), answers: Vec::new(), weights: Vec::new() };
        let mut written = String::new();
        let last = messages.iter().rposition(|m| m.role == Role::Assistant);
        for (turn, message) in messages.iter().enumerate().filter(|(_, m)| m.role == Role::Assistant) {
            let before = self.render(&messages[..turn], true)?;
            let fresh = before.strip_prefix(&written).ok_or(TextError::RewritesTurns { turn })?;
            row.push(&self.tokenizer.encode(fresh)?, 0.0);
            let start = row.ids.len();
            row.push(&self.answer(&message.content)?, 1.0);
            row.push(&[self.closing], 1.0);
            row.answers.push(start..row.ids.len());
            if Some(turn) != last {
                // What the template writes after the end token (often a line break) is context of the next turn.
                let tail = self.tail(messages, turn)?;
                let rest = tail.iter().position(|&id| id == self.closing).map_or(0, |at| at + 1);
                row.push(&tail[rest..], 0.0);
                written = self.render(&messages[..=turn], false)?;
            }
        }
        Ok(row)
    }

    /// A plain document: bos, text, end token; every token after the first is trained (pre-training).
    pub fn document(&self, bos: u32, text: &str) -> Result<Encoded, TextError> {
        let mut row = Encoded { ids: vec![bos], answers: Vec::new(), weights: vec![0.0] };
        row.push(&self.answer(text)?, 1.0);
        row.push(&[self.closing], 1.0);
        Ok(row)
    }

    /// A recovery row: prompt ⊕ `harmful`[:`depth`] ⊕ `refusal` ⊕ end token, of which only the refusal and the end
    /// token are trained (Qi et al., §3.1). Ids are concatenated; the refusal is encoded as it is at the start of an
    /// answer. The answer range begins with the harmful prefix, so that positions count from it.
    pub fn recovery(
        &self,
        context: &[Message],
        harmful: &str,
        refusal: &str,
        depth: usize,
    ) -> Result<Encoded, TextError> {
        let mut row = Encoded { ids: Vec::new(), answers: Vec::new(), weights: Vec::new() };
        row.push(&self.prompt(context)?, 0.0);
        let start = row.ids.len();
        let harmful = self.answer(harmful)?;
        row.push(&harmful[..depth.min(harmful.len())], 0.0);
        row.push(&self.answer(refusal)?, 1.0);
        row.push(&[self.closing], 1.0);
        row.answers.push(start..row.ids.len());
        Ok(row)
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TextError> {
        self.template.render(&Conversation { messages: messages.to_vec() }, add_generation_prompt)
    }

    /// Ids of what the template writes after the content of assistant message `turn`.
    fn tail(&self, messages: &[Message], turn: usize) -> Result<Vec<u32>, TextError> {
        let open = self.render(&messages[..turn], true)?;
        let closed = self.render(&messages[..=turn], false)?;
        let content = messages[turn].content.trim();
        let tail = closed
            .strip_prefix(&open)
            .and_then(|rest| rest.find(content).map(|at| &rest[at + content.len()..]))
            .unwrap_or_default();
        self.tokenizer.encode(tail)
    }
}

impl Encoded {
    fn push(&mut self, ids: &[u32], weight: f32) {
        self.ids.extend_from_slice(ids);
        self.weights.resize(self.ids.len(), weight);
    }
}
