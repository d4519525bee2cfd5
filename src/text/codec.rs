//! From messages to training rows and prompts: tokenizer, template and end-of-turn tokens of one checkpoint.

use super::{ChatTemplate, Encoded, Message, Role, TextError, Tokenizer, end_of_turn};
use jiff::civil::Date;
use std::path::Path;

/// Words that no template writes, to see what it writes around them.
const PROBE: [&str; 2] = ["Hello", "Sure, here"];

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
    /// How an answer is encoded so that its ids are those that it has in a rendered conversation.
    start: AnswerStart,
}

/// What stands before an answer when it is encoded by itself: `before` is encoded with it, and `dropped`, the ids that
/// `before` gives, is cut off again.
#[derive(Clone, Debug, Default, PartialEq)]
struct AnswerStart {
    before: String,
    dropped: Vec<u32>,
    /// What the template writes between the prompt and an answer, such as a blank.
    blank: String,
}

impl Codec {
    /// Reads tokenizer, template and end-of-turn tokens of a checkpoint folder.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let tokenizer = Tokenizer::from_folder(folder)?;
        let template = ChatTemplate::from_folder(folder)?;
        let end_of_turn = end_of_turn::from_folder(folder, &tokenizer, template.special_tokens())?;
        Self::new(tokenizer, template, end_of_turn)
    }

    /// Puts a codec together. `end_of_turn` must not be empty. A special token that the template writes after an answer
    /// is added to it: a model whose configuration names only `<|endoftext|>` may end its turns with `<|end|>`.
    pub fn new(
        tokenizer: Tokenizer,
        template: ChatTemplate,
        end_of_turn: Vec<u32>,
    ) -> Result<Self, TextError> {
        let start = AnswerStart::default();
        let mut codec = Self { tokenizer, template, closing: end_of_turn[0], end_of_turn, start };
        if let Some(tail) = codec.written_after_an_answer()? {
            let ends = |id: &&u32| codec.end_of_turn.contains(id) || codec.tokenizer.is_special(**id);
            if let Some(&id) = codec.tokenizer.encode(&tail)?.iter().find(ends) {
                codec.closing = id;
                if !codec.end_of_turn.contains(&id) {
                    codec.end_of_turn.push(id);
                }
            }
        }
        codec.start = codec.find_answer_start()?;
        Ok(codec)
    }

    /// The same codec with a template that prints another day, see [`ChatTemplate::with_date`].
    #[must_use]
    pub fn with_template_date(mut self, template_date: Date) -> Self {
        self.template = self.template.with_date(template_date);
        self
    }

    /// The end-of-turn token that is trained: the one that the template writes after an answer.
    #[must_use]
    pub fn closing(&self) -> u32 {
        self.closing
    }

    /// The ids of the conversation up to where the model's answer begins.
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, TextError> {
        self.tokenizer.encode(&self.render(messages, true)?)
    }

    /// The ids of an answer as it stands at the start of an answer, without the end token. What the template writes
    /// between the prompt and the answer, such as a blank, is part of it.
    pub fn answer(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.start.encode(&self.tokenizer, text)
    }

    /// A conversation in which every assistant turn and its end token are trained. The ids are those of the template's
    /// own rendering: an answer is written as the template writes it, perhaps trimmed.
    pub fn chat(&self, messages: &[Message]) -> Result<Encoded, TextError> {
        let mut row = Encoded::default();
        let turns: Vec<usize> =
            (0..messages.len()).filter(|&turn| messages[turn].role == Role::Assistant).collect();
        // What the rendering of the turns so far is made of: everything up to an answer, and the answer's own message.
        let mut so_far: Option<(String, &str)> = None;
        for (index, &turn) in turns.iter().enumerate() {
            let prompt = self.render(&messages[..turn], true)?;
            match &so_far {
                None => row.push(&self.tokenizer.encode(&prompt)?, 0.0),
                Some((before, content)) => {
                    // What the template writes after the end token (often a line break) is context of the next turn.
                    let (_, rest) = split_answer(&prompt, before, &self.start.blank, content)
                        .ok_or(TextError::RewritesTurns { turn })?;
                    row.push(&self.tokenizer.encode(self.after_closing(rest))?, 0.0);
                }
            }
            let content = messages[turn].content.as_str();
            // The next prompt shows this answer as history; the last answer is seen in the whole conversation.
            let shown = match turns.get(index + 1) {
                Some(&next) => self.render(&messages[..next], true)?,
                None => self.render(&messages[..=turn], false)?,
            };
            let written = split_answer(&shown, &prompt, &self.start.blank, content)
                .map_or(content, |(written, _)| written);
            let start = row.ids.len();
            row.push(&self.answer(written)?, 1.0);
            row.push(&[self.closing], 1.0);
            row.answers.push(start..row.ids.len());
            so_far = Some((prompt, content));
        }
        Ok(row)
    }

    /// A plain document: bos, text, end token; every token after the first is trained (pre-training).
    pub fn document(&self, bos: u32, text: &str) -> Result<Encoded, TextError> {
        let mut row = Encoded { ids: vec![bos], answers: Vec::new(), weights: vec![0.0] };
        row.push(&self.tokenizer.encode(text)?, 1.0);
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
        let mut row = Encoded::default();
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
        self.template.render_messages(&messages, add_generation_prompt)
    }

    /// What the template writes after an answer, or `None` where it refuses the simplest conversation.
    fn written_after_an_answer(&self) -> Result<Option<String>, TextError> {
        let probe = [Message::user("a"), Message::assistant(PROBE[0])];
        match self.render(&probe, false) {
            Ok(text) => Ok(text.rfind(PROBE[0]).map(|at| text[at + PROBE[0].len()..].to_owned())),
            Err(TextError::TemplateRaised { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Finds out how an answer has to be encoded so that prompt ⊕ answer are the ids of the rendered conversation.
    ///
    /// Two things stand in the way of encoding it as it is: a blank that the template writes before an answer but not
    /// at the end of a prompt, and tokenizers that put a blank before every text. Where nothing helps, for instance
    /// because the prompt itself ends in a blank that belongs to the first word, the answer is encoded as it is.
    fn find_answer_start(&self) -> Result<AnswerStart, TextError> {
        let user = [Message::user("a")];
        let prompt = match self.render(&user, true) {
            Ok(prompt) => prompt,
            Err(TextError::TemplateRaised { .. }) => return Ok(AnswerStart::default()),
            Err(e) => return Err(e),
        };
        let mut whole = Vec::new();
        let mut blank = String::new();
        for words in PROBE {
            let Ok(text) = self.render(&[user[0].clone(), Message::assistant(words)], false) else {
                return Ok(AnswerStart::default());
            };
            let Some((_, rest)) = split_answer(&text, &prompt, "", words) else {
                return Ok(AnswerStart::default());
            };
            let shown = &text[..text.len() - rest.len()];
            blank = shown[prompt.len()..shown.len() - words.len()].to_owned();
            whole.push(self.tokenizer.encode(shown)?);
        }
        let prompt_ids = self.tokenizer.encode(&prompt)?;
        let last = prompt.chars().last().map(String::from).unwrap_or_default();
        let candidates = [
            (String::new(), Vec::new()),
            (blank.clone(), Vec::new()),
            (format!("{last}{blank}"), self.tokenizer.encode(&last)?),
        ];
        for (before, dropped) in candidates {
            let candidate = AnswerStart { before, dropped, blank: blank.clone() };
            let mut fits = true;
            for (words, whole) in PROBE.iter().zip(&whole) {
                let answer = candidate.encode(&self.tokenizer, words)?;
                fits &= whole.strip_prefix(prompt_ids.as_slice()) == Some(answer.as_slice());
            }
            if fits {
                return Ok(candidate);
            }
        }
        Ok(AnswerStart { blank, ..AnswerStart::default() })
    }

    /// What stands behind the end token in what follows an answer; everything where it does not begin with one.
    fn after_closing<'a>(&self, rest: &'a str) -> &'a str {
        let token = self.tokenizer.token(self.closing).unwrap_or_default();
        match rest.trim_start().strip_prefix(&token) {
            Some(after) if !token.is_empty() => after,
            _ => rest,
        }
    }
}

impl AnswerStart {
    fn encode(&self, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, TextError> {
        if self.before.is_empty() || text.is_empty() {
            return tokenizer.encode(text);
        }
        let ids = tokenizer.encode(&format!("{}{text}", self.before))?;
        match ids.strip_prefix(self.dropped.as_slice()) {
            Some(answer) => Ok(answer.to_vec()),
            // The text has merged with what stands before it.
            None => tokenizer.encode(text),
        }
    }
}

/// Finds in a rendered text, which goes on from `prompt` and the template's own `blank`, the answer as the template
/// wrote it and what follows: `content` itself, or trimmed, or without the thinking before it.
fn split_answer<'a>(text: &'a str, prompt: &str, blank: &str, content: &str) -> Option<(&'a str, &'a str)> {
    let rest = text.strip_prefix(prompt)?;
    let spoken = content.rsplit_once("</think>").map_or(content, |(_, spoken)| spoken);
    let forms = [
        content,
        content.trim_end(),
        content.trim_start(),
        content.trim(),
        spoken.trim_start(),
        spoken.trim(),
    ];
    // Where the blank is not the usual one, the answer begins at the first letter.
    [rest.strip_prefix(blank), Some(rest.trim_start())].into_iter().flatten().find_map(|rest| {
        let written = forms.into_iter().find(|form| rest.starts_with(form))?;
        Some(rest.split_at(written.len()))
    })
}
