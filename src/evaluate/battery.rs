//! The first phase: the models answer. One model after the other, and for each one attack after the other, so that a model is
//! loaded once and prompts that begin alike are computed together.

use super::run::has_target;
use super::{
    AttackSpec, EvaluateError, EvaluateSpec, GcgLine, KlLine, Material, PromptSet, REFERENCE, Records,
    Response, Sink, UTILITY,
};
use crate::attack::gcg::{self, GcgResult, Slot};
use crate::attack::{self, AttackRow, GcgSpec};
use crate::data::{AttackPrompt, Needs, UtilityItem};
use crate::model::{Batch, Control, Decoder, Finish, GenerateRequest, Generation, Model, Sampler};
use crate::probe::kl_per_token;
use crate::text::{Codec, Message, TextError};
use crate::utility::{self, Score};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Rows that go into one call of the generator, in batches: answers are kept after each such call.
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
        let attacked: usize =
            spec.attacks.iter().map(|attack| attack.settings() * seeds(spec, attack).len()).sum::<usize>()
                * prompts;
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
        for part in prompts.chunks((self.spec.batch * BATCHES_A_CALL).max(1)) {
            let mut rows = Vec::with_capacity(part.len());
            for prompt in part {
                let ids = self.open(codec, &prompt.goal).and_then(|request| {
                    Ok((request, codec.answer(prompt.target.as_deref().unwrap_or_default())?))
                });
                rows.push(ids.map_err(|source| EvaluateError::Text { model: id.to_owned(), source })?);
            }
            let (before, total) = (self.done, self.total);
            let sink = &mut *self.sink;
            let curve = kl_per_token(decoder, base, &rows, self.spec.batch, &mut |done| {
                sink.progress(before + done as u64, total)
            })
            .map_err(model_error)?;
            let Some(curve) = curve else { return Ok(false) };
            for (prompt, kl) in part.iter().zip(curve.per_prompt) {
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
            AttackSpec::Rap { depths, .. } if depths.iter().any(|depth| *depth > 0) => {
                attack::prefill::rows(codec, prompts, system, depths)
            }
            AttackSpec::Direct
            | AttackSpec::Rap { .. }
            | AttackSpec::MultiTurn { .. }
            | AttackSpec::Gcg(_) => attack::direct::rows(codec, prompts, system),
        }
        .map_err(text_error)?;
        let rap = matches!(attack, AttackSpec::Rap { .. });
        let rows: Vec<AttackRow> = rows
            .into_iter()
            .map(|row| {
                if rap { AttackRow { setting: format!("k={}", row.depth.unwrap_or(0)), ..row } } else { row }
            })
            .collect();

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
        let rows = self.that_fit(id, model, rows)?;

        let mut open: Vec<(&AttackPrompt, AttackRow, String)> = Vec::new();
        for row in rows {
            let response = response_id(id, set, attack, &row.setting, &row.prompt_id, seed);
            if let Some(prompt) = prompts.get(row.prompt_id.as_str())
                && !self.answered.contains(&response)
            {
                open.push((prompt, row, response));
            }
        }
        for part in open.chunks((self.spec.batch * BATCHES_A_CALL).max(1)) {
            let requests: Vec<GenerateRequest> = part.iter().map(|(_, row, _)| row.request.clone()).collect();
            let found = match attack {
                AttackSpec::Rap { top, .. } => self.rap(id, model, &requests, *top)?,
                _ => self.generate(id, model, requests, seed)?,
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
    fn that_fit(
        &mut self,
        id: &str,
        model: &Model,
        rows: Vec<AttackRow>,
    ) -> Result<Vec<AttackRow>, EvaluateError> {
        let Ok(decoder) = model.decoder() else { return Ok(rows) };
        let limit = decoder.config().max_position_embeddings;
        let n = rows.len();
        let fit: Vec<AttackRow> = rows.into_iter().filter(|row| row.request.prompt.len() < limit).collect();
        if fit.len() < n {
            self.sink.note(&format!(
                "{id}: {} of {n} requests are longer than its context of {limit} tokens and are left out",
                n - fit.len()
            ));
        }
        if fit.is_empty() && n > 0 {
            return Err(EvaluateError::NoRows { what: "requests that fit into the model's context" });
        }
        Ok(fit)
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

    fn multi_turn(
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
        let limit = model.decoder().map_or(usize::MAX, |d| d.config().max_position_embeddings);
        for part in open.chunks((self.spec.batch * BATCHES_A_CALL).max(1)) {
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
                let Some(answers) = self.generate(id, model, requests, seed)? else {
                    return Ok(false);
                };
                self.done = before;
                for ((prompt, said), answered) in part.iter_mut().zip(answers) {
                    let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
                    if turn + 1 < turns.len() {
                        said.push(text);
                        continue;
                    }
                    let mut history = attack::multi_turn::conversation(prompt, &system, turns, said);
                    let last = history.pop().map(|message| message.content).unwrap_or_default();
                    let asked = Asked { model: id, set, attack: &attack, prompt, seed };
                    self.keep(Response {
                        id: response_id(id, set, &attack, &setting, &prompt.id, seed),
                        setting: setting.clone(),
                        prompt: last,
                        history,
                        text,
                        ..asked.response(&answered)
                    })?;
                }
            }
            self.done = before + part.len() as u64;
        }
        Ok(true)
    }

    fn gcg(
        &mut self,
        id: &str,
        model: &Model,
        set: &PromptSet,
        gcg: &GcgSpec,
        seed: u64,
    ) -> Result<bool, EvaluateError> {
        let gcg_error = |source| EvaluateError::Gcg { model: id.to_owned(), source };
        let decoder =
            model.decoder().map_err(|source| EvaluateError::Model { model: id.to_owned(), source })?;
        let (codec, system) = (model.codec(), self.spec.system_prompt.clone());
        let attack = AttackSpec::Gcg(gcg.clone());
        let setting = if gcg.universal.is_some() { "one suffix" } else { "own suffix" };
        let prompts: Vec<&AttackPrompt> = set.prompts.iter().filter(|prompt| has_target(prompt)).collect();
        if prompts.len() < set.prompts.len() {
            let missing = set.prompts.len() - prompts.len();
            self.sink.note(&format!(
                "{id}: GCG leaves {missing} requests out: they have no reference answer to aim at"
            ));
        }
        let slot = |prompt: &AttackPrompt| Slot::new(decoder, codec, prompt, &system, gcg).map_err(gcg_error);
        let open = |battery: &Self, prompt: &AttackPrompt| {
            !battery.answered.contains(&response_id(id, set, &attack, setting, &prompt.id, seed))
        };
        if let Some(n) = gcg.universal {
            let prompts: Vec<&AttackPrompt> = prompts.into_iter().filter(|p| open(self, p)).collect();
            let trained: Vec<Slot> =
                set.prompts.iter().filter(|p| has_target(p)).take(n).map(slot).collect::<Result<_, _>>()?;
            if prompts.is_empty() || trained.is_empty() {
                return Ok(true);
            }
            let place = (id, set.id.as_str(), "");
            let Some(found) = self.search(decoder, codec, &trained, gcg, place, seed)? else {
                return Ok(false);
            };
            for part in prompts.chunks((self.spec.batch * BATCHES_A_CALL).max(1)) {
                let said =
                    part.iter().map(|prompt| (*prompt, format!("{}{}", prompt.goal, found.suffix))).collect();
                if !self.ask_with_suffix(id, model, set, &attack, setting, said, seed)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for prompt in prompts {
            if !open(self, prompt) {
                self.done += 1;
                continue;
            }
            let slot = slot(prompt)?;
            let place = (id, set.id.as_str(), prompt.id.as_str());
            let slots = std::slice::from_ref(&slot);
            let Some(found) = self.search(decoder, codec, slots, gcg, place, seed)? else { return Ok(false) };
            let said = vec![(prompt, slot.content(&found.suffix))];
            if !self.ask_with_suffix(id, model, set, &attack, setting, said, seed)? {
                return Ok(false);
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
    ) -> Result<Option<GcgResult>, EvaluateError> {
        let mut gcg = gcg.clone();
        if gcg.batch.is_none() {
            let batch = gcg::candidates_at_once(slots);
            self.sink.decided("GCG candidates at once", batch.to_string());
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
        })
        .map_err(|source| EvaluateError::Gcg { model: model.to_owned(), source })?;
        kept?;
        Ok(found)
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
        for (prompt, content) in &said {
            let ids = self.open(codec, content).map_err(text_error)?;
            requests.push(GenerateRequest::new(format!("gcg/{}", prompt.id), ids));
        }
        let Some(answers) = self.generate(id, model, requests, seed)? else { return Ok(false) };
        for ((prompt, content), answered) in said.into_iter().zip(answers) {
            let asked = Asked { model: id, set, attack, prompt, seed };
            let text = codec.tokenizer.decode(&answered.answer.ids).map_err(text_error)?;
            self.keep(Response {
                id: response_id(id, set, attack, setting, &prompt.id, seed),
                setting: setting.to_owned(),
                prompt: content,
                text,
                ..asked.response(&answered)
            })?;
        }
        Ok(true)
    }

    fn utility(&mut self, id: &str, model: &Model) -> Result<bool, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let open: Vec<&UtilityItem> =
            self.utility.iter().copied().filter(|item| !self.answered.contains(&task_id(id, item))).collect();
        self.done += (self.utility.len() - open.len()) as u64;
        let (chosen, written): (Vec<&UtilityItem>, Vec<&UtilityItem>) =
            open.into_iter().partition(|item| utility::metric_of(item).needs() == Needs::Likelihood);
        for items in written.chunks((self.spec.batch * BATCHES_A_CALL).max(1)) {
            let mut requests = Vec::with_capacity(items.len());
            for item in items {
                let prompt = self.open(codec, &item.prompt).map_err(text_error)?;
                requests.push(GenerateRequest::new(item.id.clone(), prompt));
            }
            let Some(answers) = self.generate(id, model, requests, self.spec.seed)? else {
                return Ok(false);
            };
            for (item, answered) in items.iter().zip(answers) {
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
        for part in items.chunks(self.spec.batch.max(1)) {
            let start = Instant::now();
            let (mut batch, mut tokens) = (Batch::default(), 0);
            // For each item and choice, how many targets are its.
            let mut lengths: Vec<Vec<usize>> = Vec::with_capacity(part.len());
            for item in part {
                utility::right_choice(item)?;
                let question = utility::choice_prompt(&item.category, &[], &item.prompt, &item.choices);
                let prompt = self.open(codec, &question).map_err(text_error)?;
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
            let log_probs = decoder.log_probs(&batch).map_err(model_error)?;
            let mut rest = log_probs.as_slice();
            let ms = 1000.0 * start.elapsed().as_secs_f64() / part.len() as f64;
            for (item, lengths) in part.iter().zip(lengths) {
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
            history: Vec::new(),
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

    /// Generates, with progress; the milliseconds are each answer's share of the time.
    fn generate(
        &mut self,
        id: &str,
        model: &Model,
        mut requests: Vec<GenerateRequest>,
        seed: u64,
    ) -> Result<Option<Vec<Answered>>, EvaluateError> {
        let sampler = Sampler { seed, ..self.spec.sampler.clone() };
        for own in requests.iter_mut().filter_map(|request| request.sampler.as_mut()) {
            own.seed = seed;
        }
        let (before, total, start) = (self.done, self.total, Instant::now());
        let sink = &mut *self.sink;
        let answers = model
            .generate(&requests, &sampler, self.spec.max_new_tokens, self.spec.batch, &mut |done| {
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

    fn keep(&mut self, response: Response) -> Result<(), EvaluateError> {
        self.sink.response(&response)?;
        self.answered.insert(response.id.clone());
        self.records.responses.push(response);
        Ok(())
    }

    /// Ids of a request up to where the answer begins, with the system prompt if there is one.
    fn open(&self, codec: &Codec, request: &str) -> Result<Vec<u32>, TextError> {
        if self.spec.system_prompt.is_empty() {
            return codec.prompt(&[Message::user(request)]);
        }
        codec.prompt(&[Message::system(self.spec.system_prompt.as_str()), Message::user(request)])
    }
}

fn task_id(model: &str, item: &UtilityItem) -> String {
    format!("{model}/{UTILITY}/{}/{}", item.task, item.id)
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
            history: Vec::new(),
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
    let draws = match attack {
        AttackSpec::Decoding(_) | AttackSpec::Gcg(_) => true,
        AttackSpec::Rap { .. } => false,
        _ => spec.sampler.temperature > 0.0,
    };
    (0..if draws { spec.seeds as u64 } else { 1 }).map(|i| spec.seed + i).collect()
}

fn is_compared(spec: &EvaluateSpec, base: Option<&(String, Decoder)>, id: &str) -> bool {
    spec.kl && base.is_some_and(|(base, _)| base != id)
}
