//! A rubric, asked at an endpoint.

use super::super::endpoint::{Client, Estimate, Question, Said, Spent};
use super::super::{Case, Judge, JudgeContext, JudgeError, Judgement, Verdict};
use super::{RubricSpec, RubricStyle, parse, prompt};
use crate::model::Control;
use crate::text::Message;
use std::sync::Arc;

/// Asks a model behind an endpoint.
#[derive(Debug)]
pub(super) struct RubricJudge {
    name: String,
    version: String,
    style: RubricStyle,
    threshold: f64,
    instructions: String,
    client: Client,
}

impl RubricJudge {
    pub fn new(spec: &RubricSpec, context: &JudgeContext<'_>) -> Result<Self, JudgeError> {
        let (name, version) = (spec.name(), spec.version());
        let client = Client::new(&name, &version, &spec.endpoint, context)?;
        Ok(Self {
            name,
            version,
            style: spec.style,
            threshold: spec.threshold(),
            instructions: prompt::instructions(spec),
            client,
        })
    }

    fn questions(&self, cases: &[Case<'_>]) -> Vec<Question> {
        cases.iter().map(|case| Question { messages: prompt::messages(&self.instructions, case) }).collect()
    }

    fn judgement(&self, said: Said) -> Judgement {
        match said {
            Said::Reply(reply) => {
                let found = parse::parse(self.style, self.threshold, &reply);
                Judgement {
                    verdict: found.map_or(Verdict::Unparsed, |(verdict, _)| verdict),
                    score: found.map(|(_, score)| score),
                    raw: Some(reply),
                }
            }
            Said::Nothing(reason) => Judgement { raw: Some(reason), ..Judgement::of(Verdict::Unparsed) },
        }
    }
}

impl Judge for RubricJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn judge_all(
        &self,
        cases: &[Case<'_>],
        take: &mut dyn FnMut(usize, Judgement) -> Control,
    ) -> Result<bool, JudgeError> {
        let (style, threshold) = (self.style, self.threshold);
        let again = move |messages: &[Message], reply: &str| {
            if parse::parse(style, threshold, reply).is_some() {
                return None;
            }
            let mut messages = messages.to_vec();
            messages.extend([Message::assistant(reply), Message::user(prompt::AGAIN)]);
            Some(messages)
        };
        self.client
            .ask_all(&self.questions(cases), Arc::new(again), &mut |i, said| take(i, self.judgement(said)))
    }

    fn host(&self) -> Option<&str> {
        Some(self.client.host())
    }

    fn estimate(&self, cases: &[Case<'_>]) -> Result<Option<Estimate>, JudgeError> {
        self.client.estimate(&self.questions(cases)).map(Some)
    }

    fn spent(&self) -> Option<Spent> {
        Some(self.client.spent())
    }
}
