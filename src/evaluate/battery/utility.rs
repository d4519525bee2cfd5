//! Harmless tasks: written answers, and choices by likelihood.

use super::{Answered, Battery};
use crate::data::{Needs, UtilityItem};
use crate::evaluate::{EvaluateError, Response, UTILITY};
use crate::model::{Batch, Control, Finish, GenerateRequest, Generation, Model};
use crate::utility::{self, Score};
use std::time::Instant;

/// Room that is left for the letter of a choice.
const LETTER_TOKENS: usize = 8;

impl Battery<'_, '_> {
    pub(super) fn utility(&mut self, id: &str, model: &Model) -> Result<bool, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let limit = model.context();
        let tokens = self.spec.utility_tokens.unwrap_or(self.spec.max_new_tokens);
        let open: Vec<&UtilityItem> =
            self.utility.iter().copied().filter(|item| !self.answered.contains(&task_id(id, item))).collect();
        self.done += (self.utility.len() - open.len()) as u64;
        let (chosen, written): (Vec<&UtilityItem>, Vec<&UtilityItem>) =
            open.into_iter().partition(|item| utility::metric_of(item).needs() == Needs::Likelihood);
        for items in written.chunks(self.call_size()) {
            let (mut requests, mut members) =
                (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
            for item in items {
                let prompt = self.open(codec, &item.prompt).map_err(text_error)?;
                if prompt.len() < limit {
                    requests.push(GenerateRequest::new(item.id.clone(), prompt));
                    members.push(*item);
                }
            }
            self.left_out(id, items.len() - members.len(), limit);
            let Some(answers) = self.generate(id, model, requests, tokens, self.spec.seed)? else {
                return Ok(false);
            };
            for (item, answered) in members.into_iter().zip(answers) {
                let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
                let score = utility::score(item, &text);
                let response = self.task_response(id, item, &answered, text, score);
                self.keep(response)?;
            }
        }
        self.choices(id, model, &chosen)
    }

    /// Multiple choice by likelihood: nothing is written, the letter that the model finds likeliest is its choice.
    fn choices(&mut self, id: &str, model: &Model, items: &[&UtilityItem]) -> Result<bool, EvaluateError> {
        if items.is_empty() {
            return Ok(true);
        }
        let model_error = |source| EvaluateError::Model { model: id.to_owned(), source };
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let (codec, decoder) = (model.codec(), model.decoder().map_err(model_error)?);
        let limit = model.context();
        for part in items.chunks(self.spec.batch.max(1)) {
            let start = Instant::now();
            let (mut batch, mut tokens) = (Batch::default(), 0);
            // For each item and choice, how many targets are its.
            let mut lengths: Vec<Vec<usize>> = Vec::with_capacity(part.len());
            let mut members = Vec::with_capacity(part.len());
            for item in part {
                if let Err(problem) = utility::right_choice(item) {
                    self.sink.note(&format!("{id}: a task is left out: {problem}"));
                    continue;
                }
                let question = utility::choice_prompt(&item.category, &[], &item.prompt, &item.choices);
                let prompt = self.open(codec, &question).map_err(text_error)?;
                // A letter takes a few tokens at most.
                if prompt.len() + LETTER_TOKENS > limit {
                    self.left_out(id, 1, limit);
                    continue;
                }
                members.push(*item);
                let mut own = Vec::with_capacity(item.choices.len());
                for choice in utility::continuations(item.choices.len()) {
                    let answer = codec.answer(choice.trim()).map_err(text_error)?;
                    batch.from.extend((0..answer.len()).map(|t| tokens + prompt.len() + t - 1));
                    own.push(answer.len());
                    let row = [prompt.as_slice(), &answer].concat();
                    tokens += row.len();
                    batch.rows.push(row);
                    batch.targets.extend(answer);
                }
                lengths.push(own);
            }
            if members.is_empty() {
                continue;
            }
            let log_probs = decoder.log_probs(&batch).map_err(model_error)?;
            let mut rest = log_probs.as_slice();
            let ms = 1000.0 * start.elapsed().as_secs_f64() / part.len() as f64;
            for (item, lengths) in members.into_iter().zip(lengths) {
                let mut values = Vec::with_capacity(lengths.len());
                for n in lengths {
                    let (own, others) = rest.split_at(n);
                    values.push(own.iter().map(|&v| f64::from(v)).sum());
                    rest = others;
                }
                let score = utility::score_choice(item, &values)?;
                let letter = utility::most_likely(&values).and_then(utility::letter);
                let answer = Generation { ids: Vec::new(), finish: Finish::EndOfTurn };
                let text = letter.map(String::from).unwrap_or_default();
                let response = self.task_response(id, item, &Answered { answer, ms }, text, Some(score));
                self.keep(response)?;
            }
            self.done += part.len() as u64;
            if self.sink.progress(self.done, self.total) == Control::Stop {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells how many tasks do not fit.
    fn left_out(&mut self, id: &str, n: usize, limit: usize) {
        if n > 0 {
            self.sink.note(&format!(
                "{id}: {n} tasks are longer than its context of {limit} tokens and are left out"
            ));
        }
    }

    fn task_response(
        &self,
        id: &str,
        item: &UtilityItem,
        answered: &Answered,
        text: String,
        score: Option<Score>,
    ) -> Response {
        Response {
            id: task_id(id, item),
            model: id.to_owned(),
            set: self.spec.utility.clone().unwrap_or_default(),
            attack: UTILITY.to_owned(),
            setting: item.task.clone(),
            depth: None,
            prompt_id: item.id.clone(),
            category: item.category.clone(),
            cluster: item.cluster.clone(),
            seed: self.spec.seed,
            prompt: item.prompt.clone(),
            sent: Vec::new(),
            prefill: String::new(),
            text,
            tokens: answered.answer.ids.len(),
            finish: answered.answer.finish,
            ms: answered.ms,
            correct: score.and_then(|score| score.right),
            score: score.map(|score| score.value),
            metric: Some(utility::metric_of(item).label().to_owned()),
        }
    }
}

fn task_id(model: &str, item: &UtilityItem) -> String {
    format!("{model}/{UTILITY}/{}/{}", item.task, item.id)
}
