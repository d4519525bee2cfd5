//! Texts that data sets are made of, sampled from the models themselves (Qi et al., §3.1 and appendix): refusals and benign
//! answers of the aligned model, harmful answers of the base or of a prefilled model. Each goes to a person before it
//! becomes an example.

use crate::data::{Candidate, Examples, Part, reads_as_refusal};
use crate::model::{Control, Finish, GenerateRequest, Model, ModelError, Sampler};
use crate::text::{Message, Role, TextError};
use serde::{Deserialize, Serialize};

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateSpec {
    /// What it is called in lists.
    pub title: String,
    /// Id of the set whose requests are asked; of any kind.
    pub requests: String,
    /// Only the first so many of them.
    pub limit: Option<usize>,
    /// Id of the model that answers.
    pub model: String,
    /// What its texts are to become.
    pub part: Part,
    /// What is put into its mouth; the text begins with it.
    pub prefill: String,
    /// Stands before each request; empty for none.
    pub system_prompt: String,
    /// Texts for each request.
    pub samples: usize,
    /// How they are sampled. Its seed is replaced by this spec's.
    pub sampler: Sampler,
    /// The longest text, in tokens.
    pub max_new_tokens: usize,
    /// Rows that are generated together.
    pub batch: usize,
    /// Seed of sampling.
    pub seed: u64,
}

impl Default for GenerateSpec {
    fn default() -> Self {
        Self {
            title: String::new(),
            requests: String::new(),
            limit: None,
            model: String::new(),
            part: Part::Refusal,
            prefill: String::new(),
            system_prompt: String::new(),
            samples: 1,
            // What the paper's decoding uses.
            sampler: Sampler { temperature: 0.9, top_p: Some(0.6), ..Sampler::default() },
            max_new_tokens: 200,
            batch: 32,
            seed: 0,
        }
    }
}

impl GenerateSpec {
    /// Everything that keeps this spec from running, as (field, message).
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        let mut require = |good: bool, field, message| {
            if !good {
                problems.push((field, message));
            }
        };
        require(!self.requests.is_empty(), "requests", "Choose the set of requests.");
        require(!self.model.is_empty(), "model", "Choose the model that answers.");
        require(self.samples > 0, "samples", "Ask for at least one text for each request.");
        require(self.max_new_tokens > 0, "max_new_tokens", "A text needs at least one token.");
        require(self.batch > 0, "batch", "At least one row is generated at a time.");
        let several = self.samples > 1 && self.sampler.temperature <= 0.0;
        require(
            !several,
            "samples",
            "At temperature 0 all texts of a request are the same: ask for one, or raise it.",
        );
        problems
    }
}

/// Why texts could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A request cannot be turned into tokens.
    #[error("request {request}: {source}")]
    Text {
        /// Its id.
        request: String,
        /// What happened.
        source: TextError,
    },
    /// Texts could not be kept.
    #[error("the texts could not be written: {0}. Free some space, and generate again.")]
    Keep(#[from] std::io::Error),
}

/// A request: its id, the conversation up to it, and what kind of harm it is about.
pub type Request = (String, Vec<Message>, String);

/// The requests of a set of any kind.
#[must_use]
pub fn requests(examples: &Examples) -> Vec<Request> {
    let asked = |text: &str| vec![Message::user(text)];
    match examples {
        Examples::Attack(rows) => {
            rows.iter().map(|r| (r.id.clone(), asked(&r.goal), r.category.clone())).collect()
        }
        Examples::Utility(rows) => {
            rows.iter().map(|r| (r.id.clone(), asked(&r.prompt), r.category.clone())).collect()
        }
        Examples::Recovery(rows) => {
            rows.iter().map(|r| (r.id.clone(), r.context.clone(), r.category.clone())).collect()
        }
        // Up to the first answer, which the model is to give anew.
        Examples::Chat(rows) => rows
            .iter()
            .map(|r| {
                let until =
                    r.messages.iter().position(|m| m.role == Role::Assistant).unwrap_or(r.messages.len());
                (r.id.clone(), r.messages[..until].to_vec(), r.category.clone())
            })
            .collect(),
    }
}

/// Requests that are asked before the texts that came are handed over.
const BATCHES_A_CALL: usize = 4;

/// Has `model` answer the requests. `take` gets each text as it is done; `progress` the number of those done, and may stop
/// the work, which gives `false`.
pub fn generate(
    model: &Model,
    requests: &[Request],
    spec: &GenerateSpec,
    take: &mut dyn FnMut(Candidate) -> std::io::Result<()>,
    progress: &mut dyn FnMut(u64) -> Control,
) -> Result<bool, GenerateError> {
    let codec = model.codec();
    let mut rows = Vec::new();
    for (id, context, category) in &requests[..spec.limit.unwrap_or(usize::MAX).min(requests.len())] {
        let text = |source| GenerateError::Text { request: id.clone(), source };
        let mut asked = context.clone();
        if !spec.system_prompt.is_empty() {
            asked.retain(|message| message.role != Role::System);
            asked.insert(0, Message { role: Role::System, content: spec.system_prompt.clone() });
        }
        let mut prompt = codec.prompt(&asked).map_err(text)?;
        prompt.extend(codec.answer(&spec.prefill).map_err(text)?);
        for sample in 0..spec.samples {
            // A sample's random stream hangs on its id, so that more samples leave the first as they are.
            let row = GenerateRequest::new(format!("{id}/{sample}"), prompt.clone());
            rows.push((row, id, context, category));
        }
    }
    let sampler = Sampler { seed: spec.seed, ..spec.sampler.clone() };
    let mut done = 0;
    for part in rows.chunks((spec.batch * BATCHES_A_CALL).max(1)) {
        let asked: Vec<GenerateRequest> = part.iter().map(|(row, ..)| row.clone()).collect();
        let answers = model.generate(&asked, &sampler, spec.max_new_tokens, spec.batch, &mut |n| {
            progress(done + n as u64)
        })?;
        let Some(answers) = answers else { return Ok(false) };
        for ((row, request, context, category), answer) in part.iter().zip(answers) {
            let fail = |source| GenerateError::Text { request: (*request).clone(), source };
            let written = codec.tokenizer.decode(&answer.ids).map_err(fail)?;
            let text = format!("{}{written}", spec.prefill).trim().to_owned();
            take(Candidate {
                id: row.id.clone(),
                request: (*request).clone(),
                context: (*context).clone(),
                part: spec.part,
                doubt: doubt(spec.part, &text, answer.finish, spec.max_new_tokens),
                text,
                category: (*category).clone(),
                model: spec.model.clone(),
            })?;
        }
        done += part.len() as u64;
    }
    Ok(true)
}

/// Why a text may not be what it is to become. A spelling check, no judge: a person decides.
fn doubt(part: Part, text: &str, finish: Finish, max_new_tokens: usize) -> Option<String> {
    let refuses = reads_as_refusal(text);
    match part {
        _ if text.is_empty() => Some("The model said nothing.".into()),
        Part::Refusal if !refuses => Some("It does not read as a refusal.".into()),
        Part::Harmful if refuses => Some("It reads as a refusal.".into()),
        Part::Benign if refuses => Some("It reads as a refusal.".into()),
        _ if finish == Finish::Length => Some(format!("It was cut off after {max_new_tokens} tokens.")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_about_what_a_text_is_to_become() {
        let of = |part, text| doubt(part, text, Finish::EndOfTurn, 9);
        assert_eq!(of(Part::Refusal, "I cannot help with that."), None);
        assert!(of(Part::Refusal, "Sure. Step 1.").unwrap().contains("not read as a refusal"));
        assert!(of(Part::Harmful, "I cannot help.").unwrap().contains("reads as a refusal"));
        assert_eq!(of(Part::Benign, "It is four."), None);
        assert!(of(Part::Benign, "").unwrap().contains("nothing"));
        assert!(doubt(Part::Harmful, "Sure", Finish::Length, 9).unwrap().contains("after 9 tokens"));
    }

    #[test]
    fn a_spec_says_what_is_missing() {
        let fields: Vec<_> = GenerateSpec::default().check().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["requests", "model"]);
        let greedy = GenerateSpec {
            requests: "r".into(),
            model: "m".into(),
            samples: 2,
            sampler: Sampler::default(),
            ..GenerateSpec::default()
        };
        assert!(greedy.check()[0].1.contains("temperature 0"));
    }
}
