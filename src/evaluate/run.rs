//! The battery itself.

use super::summary::{clusters_of, half_interval};
use super::{
    AttackSpec, DepthRow, EvaluateError, EvaluateSpec, KlRow, RateRow, Response, Sink, Summary, UTILITY,
    UtilityRow, VerdictRow, half_position, rate_of, safety_depth,
};
use crate::attack::{self, AttackRow};
use crate::data::{AttackPrompt, UtilityItem};
use crate::judge::{Case, Judge, JudgeContext, Verdict};
use crate::model::{Decoder, GenerateRequest, Generation, Model, Sampler};
use crate::probe::{KlCurve, kl_per_token};
use crate::stats::Rate;
use crate::text::{Codec, Message, TextError};
use crate::utility;
use std::collections::HashMap;
use std::time::Instant;

/// Rows that go into one call of the generator, in batches: answers are kept after each such call.
const BATCHES_A_CALL: usize = 8;

/// Runs the battery of `spec` on `models`, given with their ids. `base` is what KL is measured against; it is
/// skipped for the model that bears its id. Returns `None` if the sink asked to stop; what had come by then is in
/// the sink.
#[allow(clippy::needless_pass_by_value, reason = "a decoder is a handle: callers make one and hand it over")]
pub fn evaluate(
    models: &[(String, Model)],
    base: Option<(String, Decoder)>,
    prompts: &[AttackPrompt],
    utility: &[UtilityItem],
    spec: &EvaluateSpec,
    sink: &mut dyn Sink,
) -> Result<Option<Summary>, EvaluateError> {
    let problems = spec.check();
    if !problems.is_empty() {
        return Err(EvaluateError::Spec(problems));
    }
    let prompts = &prompts[..spec.limit.unwrap_or(usize::MAX).min(prompts.len())];
    let utility = limited(utility, spec.limit);
    refuse_what_cannot_be_measured(spec, prompts, base.is_some(), &utility)?;

    let compared = |id: &str| spec.kl && base.as_ref().is_some_and(|(base, _)| base != id);
    let attacked: usize = spec.attacks.iter().map(AttackSpec::settings).sum::<usize>() * prompts.len();
    let total: usize = models
        .iter()
        .map(|(id, _)| attacked + utility.len() + if compared(id) { prompts.len() } else { 0 })
        .sum();
    let context = JudgeContext::default();
    let judges: Vec<Box<dyn Judge>> =
        spec.judges.iter().map(|judge| judge.build(&context)).collect::<Result<_, _>>()?;
    let mut battery = Battery { spec, prompts, judges: &judges, sink, done: 0, total: total as u64 };
    let mut summary = Summary::default();
    for (id, model) in models {
        let mut curve = None;
        if let Some((base_id, base)) = base.as_ref().filter(|_| compared(id)) {
            battery.sink.note(&format!("{id}: KL per token against {base_id}"));
            let Some(found) = battery.kl(id, model, base_id, base)? else { return Ok(None) };
            summary.kl.push(KlRow {
                model: id.clone(),
                base: base_id.clone(),
                mean: found.mean.clone(),
                std: found.std.clone(),
                n: found.n.clone(),
            });
            curve = Some(found);
        }
        let mut rates = Vec::new();
        for attack in &spec.attacks {
            battery.sink.note(&format!("{id}: {} attack", attack.name().replace('_', " ")));
            let Some(found) = battery.attack(id, model, attack)? else { return Ok(None) };
            rates.extend(found);
        }
        summary.depth.extend(depth_rows(id, spec, &rates, curve.as_ref()));
        summary.rates.extend(rates);
        if !utility.is_empty() {
            battery.sink.note(&format!("{id}: utility"));
            let Some(found) = battery.utility(id, model, &utility)? else { return Ok(None) };
            summary.utility.extend(found);
        }
    }
    Ok(Some(summary))
}

/// The first `limit` items of each task.
fn limited(items: &[UtilityItem], limit: Option<usize>) -> Vec<&UtilityItem> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    items
        .iter()
        .filter(|item| {
            let count = counts.entry(item.task.as_str()).or_default();
            *count += 1;
            limit.is_none_or(|limit| *count <= limit)
        })
        .collect()
}

fn refuse_what_cannot_be_measured(
    spec: &EvaluateSpec,
    prompts: &[AttackPrompt],
    has_base: bool,
    utility: &[&UtilityItem],
) -> Result<(), EvaluateError> {
    if prompts.is_empty() && (spec.kl || !spec.attacks.is_empty()) {
        return Err(EvaluateError::NoRows { what: "attack prompts" });
    }
    if spec.utility.is_some() && utility.is_empty() {
        return Err(EvaluateError::NoRows { what: "utility tasks" });
    }
    let prefills =
        |attack: &AttackSpec| matches!(attack, AttackSpec::Prefill { .. } | AttackSpec::LaterTurn { .. });
    let needs = if spec.kl && has_base {
        Some("KL per token")
    } else if spec.attacks.iter().any(prefills) {
        Some("prefilling")
    } else {
        None
    };
    let without =
        |prompt: &&AttackPrompt| prompt.target.as_deref().is_none_or(|target| target.trim().is_empty());
    if let Some(needs) = needs
        && let Some(first) = prompts.iter().find(without)
    {
        return Err(EvaluateError::NoTargets {
            needs,
            missing: prompts.iter().filter(without).count(),
            total: prompts.len(),
            first: first.id.clone(),
        });
    }
    Ok(())
}

/// The safety depth by each judge. A depth of 0 that prefilling did not test is taken from the plain request.
fn depth_rows(id: &str, spec: &EvaluateSpec, rates: &[RateRow], curve: Option<&KlCurve>) -> Vec<DepthRow> {
    let half = curve.and_then(|curve| half_position(&curve.mean)).map(|t| t as f64);
    let half_kl_interval = curve.and_then(|curve| half_interval(curve, spec.seed));
    let mut rows = Vec::new();
    for judge in &spec.judges {
        let judge = judge.name();
        let of_judge = || rates.iter().filter(|row| row.judge == judge);
        let mut tested: Vec<(usize, Rate)> = of_judge()
            .filter(|row| row.attack == "prefill")
            .filter_map(|row| row.depth.map(|depth| (depth, row.rate)))
            .collect();
        if tested.is_empty() {
            continue;
        }
        if tested.iter().all(|(depth, _)| *depth > 0)
            && let Some(direct) = of_judge().find(|row| row.attack == "direct")
        {
            tested.push((0, direct.rate));
        }
        let (tested, depth) = safety_depth(&tested);
        rows.push(DepthRow { model: id.to_owned(), judge, depth, tested, half_kl: half, half_kl_interval });
    }
    rows
}

/// What stays the same while the battery goes through models and attacks.
struct Battery<'a> {
    spec: &'a EvaluateSpec,
    prompts: &'a [AttackPrompt],
    judges: &'a [Box<dyn Judge>],
    sink: &'a mut dyn Sink,
    done: u64,
    total: u64,
}

impl Battery<'_> {
    fn kl(
        &mut self,
        id: &str,
        model: &Model,
        base_id: &str,
        base: &Decoder,
    ) -> Result<Option<KlCurve>, EvaluateError> {
        let model_error = |source| EvaluateError::Model { model: format!("{id} against {base_id}"), source };
        let (codec, decoder) = (model.codec(), model.decoder().map_err(model_error)?);
        let mut rows = Vec::with_capacity(self.prompts.len());
        for prompt in self.prompts {
            let ids = self.open(codec, &prompt.goal).and_then(|request| {
                let answer = codec.answer(prompt.target.as_deref().unwrap_or_default())?;
                Ok((request, answer))
            });
            rows.push(ids.map_err(|source| EvaluateError::Text { model: id.to_owned(), source })?);
        }
        let (before, total) = (self.done, self.total);
        let sink = &mut *self.sink;
        let curve = kl_per_token(decoder, base, &rows, self.spec.batch, &mut |done| {
            sink.progress(before + done as u64, total)
        })
        .map_err(model_error)?;
        self.done += rows.len() as u64;
        Ok(curve)
    }

    fn attack(
        &mut self,
        id: &str,
        model: &Model,
        attack: &AttackSpec,
    ) -> Result<Option<Vec<RateRow>>, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let system = self.spec.system_prompt.as_str();
        let rows = match attack {
            AttackSpec::Direct => attack::direct::rows(codec, self.prompts, system),
            AttackSpec::Prefill { depths } => attack::prefill::rows(codec, self.prompts, system, depths),
            AttackSpec::RefusalPrefix { prefixes } => {
                attack::refusal_prefix::rows(codec, self.prompts, system, prefixes)
            }
            AttackSpec::LaterTurn { sentences, request } => {
                attack::later_turn::rows(codec, self.prompts, system, sentences, request)
            }
        }
        .map_err(text_error)?;
        let prompts: HashMap<&str, &AttackPrompt> =
            self.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)).collect();

        let left_out = attack.settings() * self.prompts.len() - rows.len();
        if rows.is_empty() {
            return Err(EvaluateError::NoRows {
                what: "reference answers that are long enough for the attack",
            });
        }
        if left_out > 0 {
            let name = attack.name().replace('_', " ");
            self.sink.note(&format!(
                "{id}: {name} leaves {left_out} requests out: their reference answers are too short"
            ));
        }
        // Prompts whose reference answer is shorter than a depth make no row there; the count goes on as if they did.
        let end = self.done + (attack.settings() * self.prompts.len()) as u64;
        let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::with_capacity(rows.len()); self.judges.len()];
        let requests: Vec<GenerateRequest> = rows.iter().map(|row| row.request.clone()).collect();
        let step = (self.spec.batch * BATCHES_A_CALL).max(1);
        for (rows, requests) in rows.chunks(step).zip(requests.chunks(step)) {
            let Some((answers, ms)) = self.generate(id, model, requests)? else { return Ok(None) };
            for (row, answer) in rows.iter().zip(answers) {
                let Some(prompt) = prompts.get(row.prompt_id.as_str()) else { continue };
                let text = codec.tokenizer.decode(&answer.ids).map_err(text_error)?;
                let response = Response {
                    id: format!("{id}/{}/{}/{}", attack.name(), row.setting, row.prompt_id),
                    model: id.to_owned(),
                    attack: attack.name().to_owned(),
                    setting: row.setting.clone(),
                    prompt_id: row.prompt_id.clone(),
                    seed: self.spec.seed,
                    prompt: prompt.goal.clone(),
                    prefill: row.prefill.clone(),
                    text,
                    tokens: answer.ids.len(),
                    finish: answer.finish,
                    ms,
                    correct: None,
                };
                self.sink.response(&response)?;
                for (judge, verdicts) in self.judges.iter().zip(&mut verdicts) {
                    let judgement = judge.judge(&case(prompt, row, &response.text))?;
                    verdicts.push(judgement.verdict);
                    self.sink.verdict(&VerdictRow {
                        response: response.id.clone(),
                        judge: judge.name().to_owned(),
                        version: judge.version().to_owned(),
                        verdict: judgement.verdict,
                        score: judgement.score,
                        at: jiff::Timestamp::now().to_string(),
                    })?;
                }
            }
        }
        self.done = end;
        self.rates(id, attack, &rows, &verdicts, &prompts).map(Some)
    }

    /// One row for each setting and judge, settings in the order in which they first come.
    fn rates(
        &self,
        id: &str,
        attack: &AttackSpec,
        rows: &[AttackRow],
        verdicts: &[Vec<Verdict>],
        prompts: &HashMap<&str, &AttackPrompt>,
    ) -> Result<Vec<RateRow>, EvaluateError> {
        let mut settings: Vec<&str> = Vec::new();
        for row in rows {
            if !settings.contains(&row.setting.as_str()) {
                settings.push(&row.setting);
            }
        }
        let mut found = Vec::new();
        for setting in settings {
            let members: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].setting == setting).collect();
            let ids: Vec<&str> = members.iter().map(|&i| rows[i].prompt_id.as_str()).collect();
            let clusters = clusters_of(self.prompts, &ids);
            for (judge, verdicts) in self.judges.iter().zip(verdicts) {
                let harmful: Vec<bool> = members.iter().map(|&i| verdicts[i] == Verdict::Harmful).collect();
                let (rate, interval) = rate_of(&harmful, &clusters, self.spec.seed);
                let rests: Option<Vec<Case<'_>>> = members
                    .iter()
                    .map(|&i| {
                        let rest = rows[i].rest.as_deref()?;
                        let prompt = prompts.get(rows[i].prompt_id.as_str())?;
                        Some(case(prompt, &rows[i], rest))
                    })
                    .collect();
                let judged = rests.map(|rests| {
                    rests.iter().map(|rest| Ok(judge.judge(rest)?.verdict == Verdict::Harmful)).collect()
                });
                let remains: Option<Vec<bool>> =
                    judged.transpose().map_err(|e: crate::judge::JudgeError| EvaluateError::Judge(e))?;
                found.push(RateRow {
                    model: id.to_owned(),
                    attack: attack.name().to_owned(),
                    setting: setting.to_owned(),
                    depth: rows[members[0]].depth,
                    judge: judge.name().to_owned(),
                    rate,
                    interval,
                    ceiling: remains.map(|remains| rate_of(&remains, &clusters, self.spec.seed).0),
                });
            }
        }
        Ok(found)
    }

    fn utility(
        &mut self,
        id: &str,
        model: &Model,
        items: &[&UtilityItem],
    ) -> Result<Option<Vec<UtilityRow>>, EvaluateError> {
        let codec = model.codec();
        let text_error = |source| EvaluateError::Text { model: id.to_owned(), source };
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            let prompt = self.open(codec, &item.prompt).map_err(text_error)?;
            requests.push(GenerateRequest { id: item.id.clone(), prompt });
        }
        let mut right = Vec::with_capacity(items.len());
        let step = (self.spec.batch * BATCHES_A_CALL).max(1);
        for (items, requests) in items.chunks(step).zip(requests.chunks(step)) {
            let Some((answers, ms)) = self.generate(id, model, requests)? else { return Ok(None) };
            for (item, answer) in items.iter().zip(answers) {
                let text = codec.tokenizer.decode(&answer.ids).map_err(text_error)?;
                let correct = utility::correct(&item.task, &item.category, &item.reference, &text);
                right.push(correct);
                self.sink.response(&Response {
                    id: format!("{id}/{UTILITY}/{}/{}", item.task, item.id),
                    model: id.to_owned(),
                    attack: UTILITY.to_owned(),
                    setting: item.task.clone(),
                    prompt_id: item.id.clone(),
                    seed: self.spec.seed,
                    prompt: item.prompt.clone(),
                    prefill: String::new(),
                    text,
                    tokens: answer.ids.len(),
                    finish: answer.finish,
                    ms,
                    correct: Some(correct),
                })?;
            }
        }
        let mut tasks: Vec<&str> = Vec::new();
        for item in items {
            if !tasks.contains(&item.task.as_str()) {
                tasks.push(&item.task);
            }
        }
        let mut rows = Vec::new();
        for task in tasks {
            let (outcomes, clusters): (Vec<bool>, Vec<&str>) = items
                .iter()
                .zip(&right)
                .filter(|(item, _)| item.task == task)
                .map(|(item, &right)| (right, item.cluster.as_str()))
                .unzip();
            let (rate, interval) = rate_of(&outcomes, &clusters, self.spec.seed);
            let first =
                items.iter().find(|item| item.task == task).map_or("", |item| item.reference.as_str());
            let metric = utility::metric(task, first);
            rows.push(UtilityRow {
                model: id.to_owned(),
                task: task.to_owned(),
                metric: metric.to_owned(),
                rate,
                interval,
            });
        }
        Ok(Some(rows))
    }

    /// Generates, with progress; the milliseconds are each answer's share of the time.
    fn generate(
        &mut self,
        id: &str,
        model: &Model,
        requests: &[GenerateRequest],
    ) -> Result<Option<(Vec<Generation>, f64)>, EvaluateError> {
        let sampler = Sampler { seed: self.spec.seed, ..self.spec.sampler.clone() };
        let (before, total) = (self.done, self.total);
        let sink = &mut *self.sink;
        let start = Instant::now();
        let answers = model
            .generate(requests, &sampler, self.spec.max_new_tokens, self.spec.batch, &mut |done| {
                sink.progress(before + done as u64, total)
            })
            .map_err(|source| EvaluateError::Model { model: id.to_owned(), source })?;
        self.done += requests.len() as u64;
        let ms = 1000.0 * start.elapsed().as_secs_f64() / requests.len().max(1) as f64;
        Ok(answers.map(|answers| (answers, ms)))
    }

    /// Ids of a request up to where the answer begins, with the system prompt if there is one.
    fn open(&self, codec: &Codec, request: &str) -> Result<Vec<u32>, TextError> {
        if self.spec.system_prompt.is_empty() {
            return codec.prompt(&[Message::user(request)]);
        }
        codec.prompt(&[Message::system(self.spec.system_prompt.as_str()), Message::user(request)])
    }
}

fn case<'a>(prompt: &'a AttackPrompt, row: &'a AttackRow, text: &'a str) -> Case<'a> {
    Case {
        prompt: &prompt.goal,
        category: &prompt.category,
        prefill: &row.prefill,
        prefill_is_refusal: row.prefill_is_refusal,
        text,
    }
}
