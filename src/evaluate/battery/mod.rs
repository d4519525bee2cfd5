//! The first phase: the models answer. One model after the other, and for each one attack after the other, so that a model is
//! loaded once and prompts that begin alike are computed together.

mod gcg;
mod multi_turn;
mod utility;

use super::run::has_target;
use super::{
    AttackSpec, EvaluateError, EvaluateSpec, KlLine, Material, PromptSet, REFERENCE, Records, Response, Sink,
};
use crate::attack::{self, AttackRow};
use crate::data::{AttackPrompt, UtilityItem};
use crate::model::{Decoder, Finish, GenerateRequest, Generation, Model, Sampler};
use crate::probe::kl_per_token;
use crate::text::{Codec, TextError};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Batches that go into one call of the generator.
const BATCHES_A_CALL: usize = 8;

/// What stays the same while the battery goes through models and attacks.
pub(super) struct Battery<'a, 's> {
    spec: &'a EvaluateSpec,
    sets: &'a [PromptSet],
    utility: &'a [&'a UtilityItem],
    base: Option<&'a (String, Decoder)>,
    records: &'s mut Records,
    /// Ids of the answers that are there.
    answered: HashSet<String>,
    sink: &'s mut dyn Sink,
    done: u64,
    total: u64,
}

/// An answer with what belongs to it.
struct Answered {
    answer: Generation,
    ms: f64,
}

impl<'a, 's> Battery<'a, 's> {
    pub(super) fn new(
        spec: &'a EvaluateSpec,
        sets: &'a [PromptSet],
        utility: &'a [&'a UtilityItem],
        material: &'a Material<'_>,
        records: &'s mut Records,
        sink: &'s mut dyn Sink,
    ) -> Self {
        let base = material.base.as_ref();
        let prompts: usize = sets.iter().map(|set| set.prompts.len()).sum();
        let attacked: usize = spec.attacks.iter().map(|attack| spec.answers_to(attack, prompts)).sum();
        let total: usize = material
            .models
            .iter()
            .map(|(id, _)| attacked + utility.len() + if is_compared(spec, base, id) { prompts } else { 0 })
            .sum();
        let answered = records.responses.iter().map(|response| response.id.clone()).collect();
        Self { spec, sets, utility, base, records, answered, sink, done: 0, total: total as u64 }
    }

    /// Everything about one model. `false`: the sink asked to stop.
    pub(super) fn model(&mut self, id: &str, model: &Model) -> Result<bool, EvaluateError> {
        for set in self.sets {
            if let Some((base_id, base)) = self.base.filter(|_| is_compared(self.spec, self.base, id)) {
                self.sink.note(&format!("{id}: KL per token against {base_id} on {}", set.id));
                if !self.kl(id, model, set, base_id, base)? {
                    return Ok(false);
                }
            }
            for attack in &self.spec.attacks {
                for seed in seeds(self.spec, attack) {
                    self.sink.note(&format!(
                        "{id}: {} attack on {}",
                        attack.name().replace('_', " "),
                        set.id
                    ));
                    let end = self.done + (attack.settings() * set.prompts.len()) as u64;
                    if !self.attack(id, model, set, attack, seed)? {
                        return Ok(false);
                    }
                    // Rows that were left out, or were there before, count as done.
                    self.done = end;
                }
            }
        }
        if !self.utility.is_empty() {
            self.sink.note(&format!("{id}: utility"));
            return self.utility(id, model);
        }
        Ok(true)
    }

    fn kl(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        base_id: &str,
        base: &Decoder,
    ) -> Result<bool, EvaluateError> {
        let model_error = |source| EvaluateError::Model { model: format!("{id} against {base_id}"), source };
        let (codec, decoder) = (model.codec(), model.decoder().map_err(model_error)?);
        let limit = model.context().min(base.config().max_position_embeddings);
        let measured: HashSet<&str> = self
            .records
            .kl
            .iter()
            .filter(|line| line.model == id && line.base == base_id && line.set == set.id)
            .map(|line| line.prompt_id.as_str())
            .collect();
        let prompts: Vec<&AttackPrompt> = set
            .prompts
            .iter()
            .filter(|prompt| has_target(prompt) && !measured.contains(prompt.id.as_str()))
            .collect();
        let end = self.done + set.prompts.len() as u64;
        for part in prompts.chunks(self.call_size()) {
            let (mut rows, mut members) = (Vec::with_capacity(part.len()), Vec::with_capacity(part.len()));
            for prompt in part {
                let ids = self.open(codec, &prompt.goal).and_then(|request| {
                    Ok((request, codec.answer(prompt.target.as_deref().unwrap_or_default())?))
                });
                let row = ids.map_err(|source| EvaluateError::Text { model: id.to_owned(), source })?;
                if row.0.len() + row.1.len() <= limit {
                    rows.push(row);
                    members.push(prompt);
                }
            }
            if members.len() < part.len() {
                self.sink.note(&format!(
                    "{id}: {} requests of {} with their reference answers are longer than the context of {limit} tokens and are left out of KL",
                    part.len() - members.len(),
                    set.id
                ));
            }
            let (before, total) = (self.done, self.total);
            let sink = &mut *self.sink;
            let curve = kl_per_token(decoder, base, &rows, self.spec.batch, &mut |done| {
                sink.progress(before + done as u64, total)
            })
            .map_err(model_error)?;
            let Some(curve) = curve else { return Ok(false) };
            for (prompt, kl) in members.into_iter().zip(curve.per_prompt) {
                let line = KlLine {
                    model: id.to_owned(),
                    base: base_id.to_owned(),
                    set: set.id.clone(),
                    prompt_id: prompt.id.clone(),
                    kl,
                };
                self.sink.kl(&line)?;
                self.records.kl.push(line);
            }
            self.done += part.len() as u64;
        }
        self.done = end;
        Ok(true)
    }

    fn attack(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        attack: &AttackSpec,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        match attack {
            AttackSpec::MultiTurn { turns } => self.multi_turn(id, model, set, turns, seed),
            AttackSpec::Gcg(gcg) => self.gcg(id, model, set, gcg, seed),
            _ => self.rows(id, model, set, attack, seed),
        }
    }

    /// The attacks that are rows of requests.
    fn rows(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        attack: &AttackSpec,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let (system, prompts) = (self.spec.system_prompt.as_str(), set.prompts.as_slice());
        let rows = match attack {
            AttackSpec::Prefill { depths } => attack::prefill::rows(codec, prompts, system, depths),
            AttackSpec::RefusalPrefix { prefixes } => {
                attack::refusal_prefix::rows(codec, prompts, system, prefixes)
            }
            AttackSpec::LaterTurn { sentences, request } => {
                attack::later_turn::rows(codec, prompts, system, sentences, request)
            }
            AttackSpec::Decoding(grid) => attack::decoding::rows(codec, prompts, system, grid),
            AttackSpec::Rap { depths, .. } => attack::rap::rows(codec, prompts, system, depths),
            AttackSpec::Direct | AttackSpec::MultiTurn { .. } | AttackSpec::Gcg(_) => {
                attack::direct::rows(codec, prompts, system)
            }
        }
        .map_err(text_error)?;

        let prompts: HashMap<&str, &AttackPrompt> =
            set.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)).collect();
        let short = attack.settings() * set.prompts.len() - rows.len();
        if short > 0 {
            let name = attack.name().replace('_', " ");
            self.sink.note(&format!(
                "{id}: {name} leaves {short} requests of {} out: their reference answers are missing or too short",
                set.id
            ));
        }
        self.references(set, attack, &rows, &prompts)?;
        let rows = self.that_fit(id, model, rows);

        let mut open: Vec<(&AttackPrompt, AttackRow, String)> = Vec::new();
        for row in rows {
            let response = response_id(id, set, attack, &row.setting, &row.prompt_id, seed);
            if let Some(prompt) = prompts.get(row.prompt_id.as_str())
                && !self.answered.contains(&response)
            {
                open.push((prompt, row, response));
            }
        }
        for part in open.chunks(self.call_size()) {
            let requests: Vec<GenerateRequest> = part.iter().map(|(_, row, _)| row.request.clone()).collect();
            let found = match attack {
                AttackSpec::Rap { top, .. } => self.rap(id, model, &requests, *top)?,
                _ => self.generate(id, model, requests, self.spec.max_new_tokens, seed)?,
            };
            let Some(answers) = found else { return Ok(false) };
            for ((prompt, row, response), answered) in part.iter().zip(answers) {
                let asked = Asked { model: id, set, attack, prompt, seed };
                let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
                self.keep(Response {
                    id: response.clone(),
                    setting: row.setting.clone(),
                    depth: row.depth,
                    prefill: row.prefill.clone(),
                    text,
                    ..asked.response(&answered)
                })?;
            }
        }
        Ok(true)
    }

    /// What the attack left of the reference answers, once for all models: judged, it is the ceiling.
    fn references(
        &mut self,
        set: &PromptSet,
        attack: &AttackSpec,
        rows: &[AttackRow],
        prompts: &HashMap<&str, &AttackPrompt>,
    ) -> Result<(), EvaluateError> {
        if !matches!(attack, AttackSpec::Prefill { .. } | AttackSpec::LaterTurn { .. }) {
            return Ok(());
        }
        for row in rows {
            let id = response_id(REFERENCE, set, attack, &row.setting, &row.prompt_id, self.spec.seed);
            if let (Some(rest), Some(prompt)) = (&row.rest, prompts.get(row.prompt_id.as_str()))
                && !self.answered.contains(&id)
            {
                let asked = Asked { model: REFERENCE, set, attack, prompt, seed: self.spec.seed };
                let answer = Generation { ids: Vec::new(), finish: Finish::EndOfTurn };
                self.keep(Response {
                    id,
                    setting: row.setting.clone(),
                    depth: row.depth,
                    prefill: row.prefill.clone(),
                    text: rest.clone(),
                    ..asked.response(&Answered { answer, ms: 0.0 })
                })?;
            }
        }
        Ok(())
    }

    /// The rows that leave room for an answer; the others are told.
    fn that_fit(&mut self, id: &str, model: &Model, rows: Vec<AttackRow>) -> Vec<AttackRow> {
        let limit = model.context();
        let n = rows.len();
        let fit: Vec<AttackRow> = rows.into_iter().filter(|row| row.request.prompt.len() < limit).collect();
        if fit.len() < n {
            self.sink.note(&format!(
                "{id}: {} of {n} requests are longer than its context of {limit} tokens and are left out",
                n - fit.len()
            ));
        }
        fit
    }

    fn rap(
        &mut self,
        id: &str,
        model: &Model,
        requests: &[GenerateRequest],
        top: usize,
    ) -> Result<Option<Vec<Answered>>, EvaluateError> {
        let Some((base_id, base)) = self.base else {
            return Err(EvaluateError::NoRows { what: "base models" });
        };
        let model_error = |source| EvaluateError::Model { model: format!("{id} with {base_id}"), source };
        let decoder = model.decoder().map_err(model_error)?;
        let (before, total, start) = (self.done, self.total, Instant::now());
        let sink = &mut *self.sink;
        let spec = self.spec;
        let end = &model.codec().end_of_turn;
        let answers = attack::rap::answers(
            decoder,
            base,
            requests,
            end,
            top,
            spec.max_new_tokens,
            spec.batch,
            &mut |done| sink.progress(before + done as u64, total),
        )
        .map_err(model_error)?;
        Ok(self.timed(answers, start))
    }

    /// Generates, with progress; the milliseconds are each answer's share of the time.
    fn generate(
        &mut self,
        id: &str,
        model: &Model,
        mut requests: Vec<GenerateRequest>,
        max_new_tokens: usize,
        seed: u64,
    ) -> Result<Option<Vec<Answered>>, EvaluateError> {
        let sampler = Sampler { seed, ..self.spec.sampler.clone() };
        for own in requests.iter_mut().filter_map(|request| request.sampler.as_mut()) {
            own.seed = seed;
        }
        let (before, total, start) = (self.done, self.total, Instant::now());
        let sink = &mut *self.sink;
        let answers = model
            .generate(&requests, &sampler, max_new_tokens, self.spec.batch, &mut |done| {
                sink.progress(before + done as u64, total)
            })
            .map_err(|source| EvaluateError::Model { model: id.to_owned(), source })?;
        Ok(self.timed(answers, start))
    }

    fn timed(&mut self, answers: Option<Vec<Generation>>, start: Instant) -> Option<Vec<Answered>> {
        let answers = answers?;
        self.done += answers.len() as u64;
        let ms = 1000.0 * start.elapsed().as_secs_f64() / answers.len().max(1) as f64;
        Some(answers.into_iter().map(|answer| Answered { answer, ms }).collect())
    }

    /// Rows that go into one call of the generator: answers are kept after each such call.
    fn call_size(&self) -> usize {
        (self.spec.batch * BATCHES_A_CALL).max(1)
    }

    fn keep(&mut self, response: Response) -> Result<(), EvaluateError> {
        self.sink.response(&response)?;
        self.answered.insert(response.id.clone());
        self.records.responses.push(response);
        Ok(())
    }

    /// Ids of a request up to where the answer begins, with the system prompt if there is one.
    fn open(&self, codec: &Codec, request: &str) -> Result<Vec<u32>, TextError> {
        codec.prompt(&attack::messages_of(request, &self.spec.system_prompt))
    }
}

/// What an answer is part of.
struct Asked<'a> {
    model: &'a str,
    set: &'a PromptSet,
    attack: &'a AttackSpec,
    prompt: &'a AttackPrompt,
    seed: u64,
}

impl Asked<'_> {
    /// The answer's record, but for its id, setting and text.
    fn response(&self, answered: &Answered) -> Response {
        Response {
            id: String::new(),
            model: self.model.to_owned(),
            set: self.set.id.clone(),
            attack: self.attack.name().to_owned(),
            setting: String::new(),
            depth: None,
            prompt_id: self.prompt.id.clone(),
            category: self.prompt.category.clone(),
            cluster: self.prompt.cluster.clone(),
            seed: self.seed,
            prompt: self.prompt.goal.clone(),
            sent: Vec::new(),
            prefill: String::new(),
            text: String::new(),
            tokens: answered.answer.ids.len(),
            finish: answered.answer.finish,
            ms: answered.ms,
            correct: None,
            score: None,
            metric: None,
        }
    }
}

fn response_id(
    model: &str,
    set: &PromptSet,
    attack: &AttackSpec,
    setting: &str,
    prompt: &str,
    seed: u64,
) -> String {
    format!("{model}/{}/{}/{setting}/{prompt}/{seed}", set.id, attack.name())
}

/// The seeds of an attack: one where nothing is drawn.
fn seeds(spec: &EvaluateSpec, attack: &AttackSpec) -> Vec<u64> {
    (0..spec.seeds_of(attack) as u64).map(|i| spec.seed + i).collect()
}

fn is_compared(spec: &EvaluateSpec, base: Option<&(String, Decoder)>, id: &str) -> bool {
    spec.kl && base.is_some_and(|(base, _)| base != id)
}
