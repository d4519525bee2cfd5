//! Whoever is asked a question that is not about harm: which of two answers is better, for example. The same endpoints,
//! cache, keys and care as for rubrics.

use super::endpoint::{Client, Question, Said};
use super::{EndpointSpec, JudgeContext, JudgeError, Spent, short_hash};
use crate::model::Control;
use crate::text::Message;
use std::sync::Arc;

/// Says what to reply once more where a reply was not in the form asked for.
const AGAIN: &str =
    "That was not in the form asked for. Reply again, with the required line alone and nothing else.";

/// A model behind an endpoint.
#[derive(Debug)]
pub struct Asker {
    name: String,
    version: String,
    client: Client,
}

impl Asker {
    /// Prepares it; nothing is sent yet. `purpose` names what it is asked for, `revision` changes with the way it is asked.
    pub fn new(
        spec: &EndpointSpec,
        (purpose, revision): (&str, u32),
        context: &JudgeContext<'_>,
    ) -> Result<Self, JudgeError> {
        let name = Self::name_of(spec, purpose);
        let problems = spec.check();
        if !problems.is_empty() {
            return Err(JudgeError::Spec { judge: name, problems });
        }
        let asked = (&spec.url, &spec.model, spec.max_tokens, spec.greedy, spec.seed, revision);
        let version = format!("{purpose} {}", short_hash(&asked));
        let client = Client::new(&name, &version, spec, context)?;
        Ok(Self { name, version, client })
    }

    /// What such an asker is called in tables and files.
    #[must_use]
    pub fn name_of(spec: &EndpointSpec, purpose: &str) -> String {
        format!("{purpose} by {}", spec.model)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes whenever a reply could.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where questions go.
    #[must_use]
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// What was asked and paid for so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.client.spent()
    }

    /// Asks every question. `is_valid` says whether a reply is in the form asked for; else it is asked for once more. `take`
    /// gets each reply as it comes: the words, and whether they are a reply rather than the reason for none. `Ok(false)`: it was
    /// stopped.
    pub fn ask_all(
        &self,
        questions: &[String],
        is_valid: impl Fn(&str) -> bool + Send + Sync + 'static,
        take: &mut dyn FnMut(usize, String, bool) -> Control,
    ) -> Result<bool, JudgeError> {
        let questions: Vec<Question> =
            questions.iter().map(|text| Question { messages: vec![Message::user(text)] }).collect();
        let again = move |messages: &[Message], reply: &str| {
            if is_valid(reply) {
                return None;
            }
            let mut messages = messages.to_vec();
            messages.extend([Message::assistant(reply), Message::user(AGAIN)]);
            Some(messages)
        };
        self.client.ask_all(&questions, Arc::new(again), &mut |i, said| match said {
            Said::Reply(words) => take(i, words, true),
            Said::Nothing(reason) => take(i, reason, false),
        })
    }
}
