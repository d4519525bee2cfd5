//! Searching for suffixes, and asking with them.

use super::{Asked, Battery, response_id};
use crate::attack::GcgSpec;
use crate::attack::gcg::{self, GcgResult, Slot};
use crate::data::AttackPrompt;
use crate::evaluate::run::has_target;
use crate::evaluate::{AttackSpec, EvaluateError, GcgLine, PromptSet, Response};
use crate::model::{Control, Decoder, GenerateRequest, Model};
use crate::text::{Codec, Message};

/// What a search came to.
enum Searched {
    /// A suffix.
    Found(GcgResult),
    /// None can be searched for, which is told.
    Nothing,
    /// The sink asked to stop.
    Stopped,
}

impl Battery<'_, '_> {
    pub(super) fn gcg(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        gcg: &GcgSpec,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let decoder =
            model.decoder().map_err(|source| EvaluateError::Model { model: id.to_owned(), source })?;
        let codec = model.codec();
        let attack = AttackSpec::Gcg(gcg.clone());
        let prompts: Vec<&AttackPrompt> = set.prompts.iter().filter(|prompt| has_target(prompt)).collect();
        if prompts.len() < set.prompts.len() {
            let missing = set.prompts.len() - prompts.len();
            self.sink.note(&format!(
                "{id}: GCG leaves {missing} requests out: they have no reference answer to aim at"
            ));
        }
        if let Some(n) = gcg.universal {
            return self.universal(id, model, set, gcg, &prompts[..], n, seed);
        }
        let setting = "own suffix";
        for prompt in prompts {
            let response = response_id(id, set, &attack, setting, &prompt.id, seed);
            let slot = if self.answered.contains(&response) {
                None
            } else {
                self.slot(id, decoder, codec, prompt, gcg)?
            };
            let Some(slot) = slot else {
                self.done += 1;
                continue;
            };
            let place = (id, set.id.as_str(), prompt.id.as_str());
            let slots = std::slice::from_ref(&slot);
            let found = match self.search(decoder, codec, slots, gcg, place, seed)? {
                Searched::Found(found) => found,
                Searched::Nothing => continue,
                Searched::Stopped => return Ok(false),
            };
            let said = vec![(prompt, slot.content(&found.suffix))];
            if !self.ask_with_suffix(id, model, set, &attack, setting, said, seed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The place for a suffix in a prompt; `None`, and a note, where there is none.
    fn slot(
        &mut self,
        id: &str,
        decoder: &Decoder,
        codec: &Codec,
        prompt: &AttackPrompt,
        gcg: &GcgSpec,
    ) -> Result<Option<Slot>, EvaluateError> {
        match Slot::new(decoder, codec, prompt, &self.spec.system_prompt, gcg) {
            Ok(slot) => Ok(Some(slot)),
            Err(problem) if problem.is_of_the_prompt() => {
                self.sink.note(&format!("{id}: GCG leaves {} out: {problem}", prompt.id));
                Ok(None)
            }
            Err(source) => Err(EvaluateError::Gcg { model: id.to_owned(), source }),
        }
    }

    /// One suffix, searched for on the first `n` prompts and tried on all: those that it was searched on, and the others.
    #[allow(clippy::too_many_arguments, reason = "a model, what it is asked, and what that is part of")]
    fn universal(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        gcg: &GcgSpec,
        prompts: &[&AttackPrompt],
        n: usize,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let decoder =
            model.decoder().map_err(|source| EvaluateError::Model { model: id.to_owned(), source })?;
        let codec = model.codec();
        let attack = AttackSpec::Gcg(gcg.clone());
        let (first, others) = prompts.split_at(n.min(prompts.len()));
        let groups = [("one suffix, searched on", first), ("one suffix, transfer", others)];
        let open = |battery: &Self, setting: &str, prompt: &AttackPrompt| {
            !battery.answered.contains(&response_id(id, set, &attack, setting, &prompt.id, seed))
        };
        if groups.iter().all(|(setting, group)| group.iter().all(|prompt| !open(self, setting, prompt))) {
            return Ok(true);
        }
        let mut slots = Vec::with_capacity(first.len());
        for prompt in first {
            slots.extend(self.slot(id, decoder, codec, prompt, gcg)?);
        }
        if slots.is_empty() {
            return Ok(true);
        }
        let place = (id, set.id.as_str(), "");
        let found = match self.search(decoder, codec, &slots, gcg, place, seed)? {
            Searched::Found(found) => found,
            Searched::Nothing => return Ok(true),
            Searched::Stopped => return Ok(false),
        };
        for (setting, group) in groups {
            let group: Vec<&AttackPrompt> =
                group.iter().copied().filter(|prompt| open(self, setting, prompt)).collect();
            for part in group.chunks(self.call_size()) {
                let said =
                    part.iter().map(|prompt| (*prompt, format!("{}{}", prompt.goal, found.suffix))).collect();
                if !self.ask_with_suffix(id, model, set, &attack, setting, said, seed)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn search(
        &mut self,
        decoder: &Decoder,
        codec: &Codec,
        slots: &[Slot],
        gcg: &GcgSpec,
        (model, set, prompt): (&str, &str, &str),
        seed: u64,
    ) -> Result<Searched, EvaluateError> {
        let mut gcg = gcg.clone();
        if gcg.batch.is_none() {
            let batch = gcg::candidates_at_once(decoder, slots);
            let whose = if prompt.is_empty() { "all" } else { prompt };
            self.sink.decided(&format!("GCG candidates at once, {model}, {set}, {whose}"), batch.to_string());
            gcg.batch = Some(batch);
        }
        let (done, total) = (self.done, self.total);
        let sink = &mut *self.sink;
        let mut kept = Ok(());
        let found = gcg::optimise(decoder, codec, slots, &gcg, (seed, prompt), &mut |step| {
            let line = GcgLine {
                model: model.to_owned(),
                set: set.to_owned(),
                prompt_id: prompt.to_owned(),
                seed,
                step: step.step,
                loss: step.loss,
                best: step.best,
                suffix: step.suffix.clone(),
            };
            kept = sink.gcg(&line);
            if kept.is_err() { Control::Stop } else { sink.progress(done, total) }
        });
        kept?;
        match found {
            Ok(Some(found)) => Ok(Searched::Found(found)),
            Ok(None) => Ok(Searched::Stopped),
            Err(problem) if problem.is_of_the_prompt() => {
                let whose = if prompt.is_empty() { "all requests" } else { prompt };
                self.sink.note(&format!("{model}: GCG leaves {whose} out: {problem}"));
                Ok(Searched::Nothing)
            }
            Err(source) => Err(EvaluateError::Gcg { model: model.to_owned(), source }),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a model, what it is asked, and what that is part of")]
    fn ask_with_suffix(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        attack: &AttackSpec,
        setting: &str,
        said: Vec<(&AttackPrompt, String)>,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let mut requests = Vec::with_capacity(said.len());
        let limit = model.context();
        let mut fit = Vec::with_capacity(said.len());
        for (prompt, content) in said {
            let ids = self.open(codec, &content).map_err(text_error)?;
            if ids.len() < limit {
                requests.push(GenerateRequest::new(format!("gcg/{}", prompt.id), ids));
                fit.push((prompt, content));
            } else {
                self.sink.note(&format!(
                    "{id}: {} with the suffix is longer than the context of {limit} tokens and is left out",
                    prompt.id
                ));
            }
        }
        let Some(answers) = self.generate(id, model, requests, self.spec.max_new_tokens, seed)? else {
            return Ok(false);
        };
        for ((prompt, content), answered) in fit.into_iter().zip(answers) {
            let asked = Asked { model: id, set, attack, prompt, seed };
            let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
            self.keep(Response {
                id: response_id(id, set, attack, setting, &prompt.id, seed),
                setting: setting.to_owned(),
                sent: vec![Message::user(content)],
                text,
                ..asked.response(&answered)
            })?;
        }
        Ok(true)
    }
}
