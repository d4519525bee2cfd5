//! Leading up to a request over several turns.

use super::{Asked, Battery, response_id};
use crate::attack;
use crate::data::AttackPrompt;
use crate::evaluate::{AttackSpec, EvaluateError, PromptSet, Response};
use crate::model::{GenerateRequest, Model};

impl Battery<'_, '_> {
    pub(super) fn multi_turn(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        turns: &[String],
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let attack = AttackSpec::MultiTurn { turns: turns.to_vec() };
        let setting = format!("{} turns", turns.len());
        let system = self.spec.system_prompt.clone();
        let open: Vec<&AttackPrompt> = set
            .prompts
            .iter()
            .filter(|p| !self.answered.contains(&response_id(id, set, &attack, &setting, &p.id, seed)))
            .collect();
        let limit = model.context();
        for part in open.chunks(self.call_size()) {
            let mut part: Vec<(&AttackPrompt, Vec<String>)> = part.iter().map(|p| (*p, Vec::new())).collect();
            let before = self.done;
            for turn in 0..turns.len() {
                let mut requests = Vec::with_capacity(part.len());
                for (prompt, answers) in &part {
                    let said = attack::multi_turn::conversation(prompt, &system, turns, answers);
                    let ids = codec.prompt(&said).map_err(text_error)?;
                    requests.push(GenerateRequest::new(format!("multi-turn/{turn}/{}", prompt.id), ids));
                }
                let n = part.len();
                let mut fit = requests.iter().map(|request| request.prompt.len() < limit);
                part.retain(|_| fit.next().unwrap_or(false));
                requests.retain(|request| request.prompt.len() < limit);
                if part.len() < n {
                    self.sink.note(&format!(
                        "{id}: {} conversations outgrew its context of {limit} tokens and are left out",
                        n - part.len()
                    ));
                }
                let Some(answers) = self.generate(id, model, requests, self.spec.max_new_tokens, seed)?
                else {
                    return Ok(false);
                };
                self.done = before;
                for ((prompt, said), answered) in part.iter_mut().zip(answers) {
                    let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
                    if turn + 1 < turns.len() {
                        said.push(text);
                        continue;
                    }
                    let sent = attack::multi_turn::conversation(prompt, &system, turns, said);
                    let asked = Asked { model: id, set, attack: &attack, prompt, seed };
                    self.keep(Response {
                        id: response_id(id, set, &attack, &setting, &prompt.id, seed),
                        setting: setting.clone(),
                        sent,
                        text,
                        ..asked.response(&answered)
                    })?;
                }
            }
            self.done = before + part.len() as u64;
        }
        Ok(true)
    }
}
