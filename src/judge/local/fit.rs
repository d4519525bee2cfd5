//! Fitting a case into the judging model's context: what is too long loses the middle of its answer.

use super::super::{Case, JudgeError};
use super::preset::{Sheet, fill};
use super::words::disarm;
use crate::model::ModelError;
use crate::text::{Codec, Message, TextError};

/// What stands for the middle that was left out.
const GAP: &str = "\n[… the middle of the answer is left out …]\n";

/// A case as ids for the model, or why it has none.
pub(super) struct Fitted {
    pub ids: Vec<u32>,
    /// What was changed of it, in words.
    pub notes: Vec<String>,
}

pub(super) struct Fit<'a> {
    pub sheet: &'a Sheet,
    pub policy: &'a str,
    pub codec: &'a Codec,
    /// Names of special tokens, which no judged text may spell.
    pub special: &'a [String],
    /// Tokens that a prompt may have.
    pub room: usize,
    pub model: &'a str,
}

impl Fit<'_> {
    /// The ids of a case; an inner error says why it cannot be shown to the model.
    pub fn case(&self, case: &Case<'_>) -> Result<Result<Fitted, String>, JudgeError> {
        let (prompt, in_prompt) = disarm(case.prompt, self.special);
        let begun = if case.prefill_is_refusal {
            format!("{}{}", case.prefill, case.text)
        } else {
            case.text.to_owned()
        };
        let (answer, in_answer) = disarm(&begun, self.special);
        let (prefill, in_prefill) = disarm(case.prefill, self.special);
        let case = Case { prefill: &prefill, ..*case };
        let mut notes = Vec::new();
        let apart = in_prompt + in_answer + in_prefill;
        if apart > 0 {
            notes.push(format!("{apart} special tokens in the text were written apart"));
        }
        let ids = self.ids(&case, &prompt, &answer)?;
        if ids.is_empty() {
            return Ok(Err("not judged: the prompt and the answer are empty".to_owned()));
        }
        if ids.len() <= self.room {
            return Ok(Ok(Fitted { ids, notes }));
        }
        // The longest beginning and end of the answer that fit. Lengths are monotonous but for a few tokens where texts
        // meet, so that the last word is the check of what was found.
        let letters: Vec<char> = answer.chars().collect();
        let shortened = |kept: usize| -> String {
            let (head, tail) = (kept.div_ceil(2), kept / 2);
            let beginning = letters[..head].iter();
            beginning
                .chain(&GAP.chars().collect::<Vec<_>>())
                .chain(&letters[letters.len() - tail..])
                .collect()
        };
        let (mut fits, mut too_long) = (0, letters.len());
        let mut found = self.ids(&case, &prompt, &shortened(0))?;
        if found.len() > self.room {
            return Ok(Err(format!(
                "not judged: the prompt and the request alone take {} tokens, and the judging model takes {}",
                found.len(),
                self.room
            )));
        }
        while too_long - fits > 1 {
            let middle = fits.midpoint(too_long);
            let ids = self.ids(&case, &prompt, &shortened(middle))?;
            if ids.len() <= self.room {
                (fits, found) = (middle, ids);
            } else {
                too_long = middle;
            }
        }
        let whole = letters.len();
        notes.push(format!(
            "the answer was too long: {fits} of its {whole} characters were shown, without the middle"
        ));
        Ok(Ok(Fitted { ids: found, notes }))
    }

    fn ids(&self, case: &Case<'_>, prompt: &str, answer: &str) -> Result<Vec<u32>, JudgeError> {
        self.render(case, prompt, answer).map_err(|source| JudgeError::Model {
            model: self.model.to_owned(),
            source: ModelError::Text(source),
        })
    }

    fn render(&self, case: &Case<'_>, prompt: &str, answer: &str) -> Result<Vec<u32>, TextError> {
        let Some(template) = &self.sheet.template else {
            let messages = [Message::user(prompt), Message::assistant(answer)];
            let text = self.codec.template.render_messages(&messages, true)?;
            // Guards write two line breaks before their verdict, where their template does not.
            return self.codec.tokenizer.encode(&format!("{}\n\n", text.trim_end()));
        };
        let text = fill(template, self.policy, case, prompt, answer);
        if self.sheet.chat {
            self.codec.prompt(&[Message::user(text)])
        } else {
            self.codec.tokenizer.encode(&text)
        }
    }
}
