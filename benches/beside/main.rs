//! Plumbline's side of the bench beside PyTorch: one measurement in a process of its own, printed as one line of JSON.
//!
//! `beside.py` builds and runs it; its arguments, its settings and what it prints are those of `pytorch_side.py`.

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use clap::{Parser, ValueEnum};
use plumbline::attack::gcg::{self, GcgSpec, Slot};
use plumbline::data::AttackPrompt;
use plumbline::model::{self, Adapter, Control, Decoder, GenerateRequest, KvCache, Sampler};
use plumbline::probe;
use plumbline::text::{Codec, Encoded};
use plumbline::train::{Objective, Targets, Trainer};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The settings of the training step, the same on both sides (`pytorch_side.py`).
const LEARNING_RATE: f64 = 1e-4;
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const WEIGHT_DECAY: f64 = 0.01;
/// How far a prompt is continued, as in `shapes.py`.
const NEW_TOKENS: usize = 96;
/// Answers of the KL measurement that are computed together, as in `shapes.py`.
const KL_BATCH: usize = 8;

// What is asked of the engine: every call to it is in the functions from here to the end of this part.

fn load(folder: &Path) -> Result<Decoder> {
    Ok(model::load_decoder(folder)?)
}

fn full_trainer(decoder: Decoder) -> Result<Trainer> {
    let (decoder, parameters) = decoder.trainable()?;
    Ok(Trainer::of(decoder, parameters, BETA1, BETA2, WEIGHT_DECAY)?)
}

/// A trainer of the adapter in `folder`, which is in PEFT's format.
fn adapter_trainer(decoder: &Decoder, folder: &Path) -> Result<Trainer> {
    let (decoder, parameters) = decoder.with_trainable_adapter(&Adapter::load(folder)?)?;
    Ok(Trainer::of(decoder, parameters, BETA1, BETA2, WEIGHT_DECAY)?)
}

/// One step on all `rows`, not clipped; returns the mean loss before it.
fn training_step(trainer: &mut Trainer, rows: &[Encoded]) -> Result<f64> {
    let targets = Targets::new(&rows.iter().collect::<Vec<_>>())?;
    let (loss, _) = trainer.backward(&targets, &Objective::cross_entropy(&targets), usize::MAX)?;
    trainer.step(LEARNING_RATE, 0.0)?;
    Ok(loss)
}

/// Logits `[N, V]` of all rows, one after the other.
fn logits(decoder: &Decoder, rows: &[Vec<u32>]) -> Result<Tensor> {
    Ok(decoder.logits(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?)
}

/// Every prompt continued by the most probable tokens.
fn greedy(decoder: &Decoder, requests: &[GenerateRequest], new_tokens: usize) -> Result<Vec<Vec<u32>>> {
    let sampler = Sampler { temperature: 0.0, ..Sampler::default() };
    let rows = requests.len();
    let answers =
        model::generate(decoder, requests, &sampler, &[], new_tokens, rows, &mut |_| Control::Continue)?;
    Ok(answers.context("the generation was stopped")?.into_iter().map(|a| a.ids).collect())
}

/// The losses of GCG's candidates, as a step computes them: a few at a time behind what they share.
fn candidate_losses(
    decoder: &Decoder,
    slot: &Slot,
    cache: &KvCache,
    candidates: &[Vec<u32>],
    spec: &GcgSpec,
) -> Result<Vec<f32>> {
    let mut losses = Vec::with_capacity(candidates.len());
    for part in candidates.chunks(gcg::candidates_at_once(decoder, std::slice::from_ref(slot))) {
        let (starts, batch) = slot.branches(&slot.suffix, part);
        let log_probs = decoder.branch_log_probs(cache, &starts, &batch)?;
        losses.extend(log_probs.chunks_exact(slot.target.len()).map(|own| spec.loss(own)));
    }
    Ok(losses)
}

/// The loss of a suffix and its gradient `[S, V]` with respect to the suffix's one-hot vectors.
fn loss_and_gradient(decoder: &Decoder, slot: &Slot) -> Result<(f64, Tensor)> {
    let batch = slot.whole(&slot.suffix);
    Ok(decoder.one_hot_gradient(&batch, slot.before.len()..slot.before.len() + slot.suffix.len())?)
}

/// KL of two models at each token of the answers, answer by answer.
fn divergences(models: &[Decoder; 2], rows: &[(Vec<u32>, Vec<u32>)], batch: usize) -> Result<Vec<Vec<f32>>> {
    let curve = probe::kl_per_token(&models[0], &models[1], rows, batch, &mut |_| Control::Continue)?;
    Ok(curve.context("the measurement was stopped")?.per_prompt)
}

// The measurements.

/// One measurement of Plumbline for beside.py, as a line of JSON.
#[derive(Clone, Parser)]
struct Arguments {
    /// What is measured. Without it nothing is: `python benches/beside/beside.py` is the command.
    #[arg(long)]
    what: Option<What>,
    /// The checkpoint's folder.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Prompts continued together.
    #[arg(long, default_value_t = 1)]
    rows: usize,
    /// Repetitions that are not timed.
    #[arg(long, default_value_t = 1)]
    warm_up: usize,
    /// Repetitions that are timed.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Bytes of the array whose reading shows the memory bandwidth.
    #[arg(long, default_value_t = 1 << 29)]
    bytes: usize,
    /// Matrix products m×n×k, as `1024x576x576`.
    #[arg(long, num_args = 0..)]
    products: Vec<String>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Train,
    Lora,
    LoraAll,
    Forward,
    Decode,
    Gcg,
    Kl,
    Limits,
}

/// `tokens.json`.
#[derive(Deserialize)]
struct Tokens {
    /// Rows to train on.
    batch: Vec<Vec<u32>>,
    /// Prompts to continue.
    prompts: Vec<Vec<u32>>,
}

/// `gcg.json`: what nanoGCG's first step began with, and what it drew and found.
#[derive(Deserialize)]
struct FirstStep {
    request: String,
    answer: String,
    init: String,
    before: Vec<u32>,
    suffix: Vec<u32>,
    after: Vec<u32>,
    target: Vec<u32>,
    candidates: Vec<Vec<u32>>,
    losses: Vec<f32>,
    loss: f64,
}

/// `kl.json`.
#[derive(Deserialize)]
struct Texts {
    /// Tokens of each row that are its prompt.
    prompt: usize,
    rows: Vec<Vec<u32>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some(what) = arguments.what else {
        println!("beside: skipped, as it runs by `python benches/beside/beside.py`");
        return Ok(());
    };
    println!("{}", measure(what, &arguments)?);
    Ok(())
}

fn measure(what: What, arguments: &Arguments) -> Result<Value> {
    let start_rss = memory("VmRSS")?;
    let mut result = match what {
        What::Limits => return limits(arguments),
        What::Train => train(arguments, None)?,
        What::Lora => train(arguments, Some("lora"))?,
        What::LoraAll => train(arguments, Some("lora-all"))?,
        What::Forward => forward(arguments)?,
        What::Decode => decode(arguments)?,
        What::Gcg => gcg_steps(arguments)?,
        What::Kl => kl(arguments)?,
    };
    result["start_rss"] = start_rss.into();
    result["peak_rss"] = memory("VmHWM")?.into();
    Ok(result)
}

fn train(arguments: &Arguments, adapter: Option<&str>) -> Result<Value> {
    let decoder = load(&arguments.folder)?;
    let mut trainer = match adapter {
        None => full_trainer(decoder)?,
        Some(name) => adapter_trainer(&decoder, &arguments.folder.join(name))?,
    };
    let rows: Vec<Encoded> = tokens(arguments)?
        .batch
        .into_iter()
        .map(|ids| {
            let weights = (0..ids.len()).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect();
            Encoded { ids, answers: Vec::new(), weights }
        })
        .collect();
    let mut losses = Vec::new();
    let mut step = || {
        losses.push(training_step(&mut trainer, &rows)?);
        Ok(())
    };
    let seconds = repeat(arguments, &mut step)?;
    let count: usize = rows.iter().map(|r| r.ids.len()).sum();
    Ok(json!({ "seconds": seconds, "tokens": count, "losses": losses }))
}

fn forward(arguments: &Arguments) -> Result<Value> {
    let decoder = load(&arguments.folder)?;
    let rows = tokens(arguments)?.batch;
    let loss = mean_loss(&logits(&decoder, &rows)?, &rows)?;
    let seconds = repeat(arguments, &mut || {
        black_box(logits(&decoder, &rows)?);
        Ok(())
    })?;
    let count: usize = rows.iter().map(Vec::len).sum();
    Ok(json!({ "seconds": seconds, "tokens": count, "losses": [loss] }))
}

fn decode(arguments: &Arguments) -> Result<Value> {
    let decoder = load(&arguments.folder)?;
    let requests: Vec<GenerateRequest> = tokens(arguments)?
        .prompts
        .into_iter()
        .take(arguments.rows)
        .enumerate()
        .map(|(i, prompt)| GenerateRequest::new(i.to_string(), prompt))
        .collect();
    let generated = greedy(&decoder, &requests, NEW_TOKENS)?;
    let run = |new_tokens| {
        repeat(arguments, &mut || {
            black_box(greedy(&decoder, &requests, new_tokens)?);
            Ok(())
        })
    };
    let (first_token_seconds, seconds) = (run(1)?, run(NEW_TOKENS)?);
    Ok(json!({
        "seconds": seconds,
        "first_token_seconds": first_token_seconds,
        "tokens": requests.len() * NEW_TOKENS,
        "generated": generated,
    }))
}

/// Steps of a search, and beside them the losses of the candidates that nanoGCG drew first.
fn gcg_steps(arguments: &Arguments) -> Result<Value> {
    let (decoder, codec) = (load(&arguments.folder)?, Codec::from_folder(&arguments.folder)?);
    let theirs: FirstStep = json(arguments, "gcg.json")?;
    let spec = GcgSpec {
        steps: 1 + arguments.warm_up + arguments.repetitions,
        init: theirs.init.clone(),
        target_tokens: Some(theirs.target.len()),
        ..GcgSpec::default()
    };
    let prompt = AttackPrompt {
        id: "beside".to_owned(),
        goal: theirs.request,
        target: Some(theirs.answer),
        ..AttackPrompt::default()
    };
    let slot = Slot::new(&decoder, &codec, &prompt, "", &spec)?;
    let (before, suffix, after) = (&slot.before, &slot.suffix, &slot.after);
    if (before, suffix, after, &slot.target)
        != (&theirs.before, &theirs.suffix, &theirs.after, &theirs.target)
    {
        bail!("the two sides read different tokens: {slot:?}");
    }

    // What both sides must agree in.
    let (loss, gradient) = loss_and_gradient(&decoder, &slot)?;
    let file = arguments.folder.join("gcg.safetensors");
    let expected = candle_core::safetensors::load(file, &Device::Cpu)?;
    let expected = expected.get("gradient").context("gcg.safetensors lacks the gradient")?;
    let mut cache = slot.cache(&decoder)?;
    decoder.extend(&mut cache, &[0], &[suffix])?;
    let losses = candidate_losses(&decoder, &slot, &cache, &theirs.candidates, &spec)?;
    let loss_seconds = repeat(arguments, &mut || {
        black_box(candidate_losses(&decoder, &slot, &cache, &theirs.candidates, &spec)?);
        Ok(())
    })?;
    let lowest = |losses: &[f32]| {
        losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map(|(i, &loss)| (i, loss))
    };
    let (Some((own_best, _)), Some((_, their_lowest))) = (lowest(&losses), lowest(&theirs.losses)) else {
        bail!("nanoGCG drew no candidates");
    };
    let relative = |(a, b): (&f32, &f32)| f64::from((a - b).abs() / b.abs());

    // Whole steps, from when one is over until the next one is; the first also prepares the search.
    let batch = gcg::candidates_at_once(&decoder, std::slice::from_ref(&slot));
    let spec = GcgSpec { batch: Some(batch), ..spec };
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    gcg::optimise(&decoder, &codec, &[slot], &spec, (0, "beside"), &mut |step| {
        times.push(Instant::now());
        counts.push(step.candidates);
        Control::Continue
    })?;
    let seconds: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let counts = &counts[1 + arguments.warm_up..];
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    Ok(json!({
        "seconds": seconds[arguments.warm_up..],
        "loss_seconds": loss_seconds,
        "loss_candidates": theirs.candidates.len(),
        "candidates": counts,
        "tokens": sorted[sorted.len() / 2],
        "batch": batch,
        "loss_difference": losses.iter().zip(&theirs.losses).map(relative).fold(0.0, f64::max),
        // How much above their lowest loss they found that of the candidate that is lowest here.
        "lowest_difference": f64::from((theirs.losses[own_best] - their_lowest) / their_lowest),
        "start_loss_difference": ((loss - theirs.loss) / theirs.loss).abs(),
        "gradient": likeness(&gradient, expected)?,
    }))
}

/// How like two tensors are: the cosine of the angle between them, and max |a − b| / max |b|.
fn likeness(a: &Tensor, b: &Tensor) -> Result<Value> {
    let (a, b) = (a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?);
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
    let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
    let largest = b.iter().fold(0_f32, |most, b| most.max(b.abs()));
    let difference = a.iter().zip(&b).fold(0_f32, |most, (a, b)| most.max((a - b).abs()));
    Ok(json!({ "cosine": cosine, "difference": difference / largest }))
}

fn kl(arguments: &Arguments) -> Result<Value> {
    let models = [load(&arguments.folder)?, load(&arguments.folder.join("second"))?];
    let texts: Texts = json(arguments, "kl.json")?;
    let rows: Vec<(Vec<u32>, Vec<u32>)> = texts
        .rows
        .iter()
        .take(arguments.rows)
        .map(|row| (row[..texts.prompt].to_vec(), row[texts.prompt..].to_vec()))
        .collect();
    // Reads all weights, so that what is resident then is them and the program.
    for model in &models {
        logits(model, &[vec![0]])?;
    }
    let ready = reset_peak()?;
    for _ in 0..arguments.warm_up {
        divergences(&models, &rows[..KL_BATCH.min(rows.len())], KL_BATCH)?;
    }
    let mut found = Vec::new();
    let timed = Arguments { warm_up: 0, ..arguments.clone() };
    let seconds = repeat(&timed, &mut || {
        found = divergences(&models, &rows, KL_BATCH)?;
        Ok(())
    })?;
    let count: usize = rows.iter().map(|(_, answer)| answer.len()).sum();
    Ok(json!({
        "seconds": seconds,
        "tokens": count,
        "kl": found.concat(),
        "ready_rss": ready,
        "work_peak_rss": memory("VmHWM")?,
    }))
}

/// Forgets the peak of resident memory so far, and returns what is resident now.
fn reset_peak() -> Result<u64> {
    std::fs::write("/proc/self/clear_refs", "5").context("memory is measured on Linux only")?;
    memory("VmRSS")
}

/// Warms up and then times `work`, in seconds.
fn repeat(arguments: &Arguments, work: &mut dyn FnMut() -> Result<()>) -> Result<Vec<f64>> {
    for _ in 0..arguments.warm_up {
        work()?;
    }
    (0..arguments.repetitions)
        .map(|_| {
            let start = Instant::now();
            work()?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}

/// Mean cross-entropy of every token but the first of each row, in nats.
fn mean_loss(logits: &Tensor, rows: &[Vec<u32>]) -> Result<f64> {
    let (mut total, mut count) = (0.0, 0);
    let mut start = 0;
    for row in rows {
        for (t, &next) in row.iter().enumerate().skip(1) {
            let logits = logits.get(start + t - 1)?.to_vec1::<f32>()?;
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = logits.iter().map(|&l| f64::from(l - largest).exp()).sum();
            total += sum.ln() + f64::from(largest - logits[next as usize]);
            count += 1;
        }
        start += row.len();
    }
    Ok(total / f64::from(count))
}

fn tokens(arguments: &Arguments) -> Result<Tokens> {
    json(arguments, "tokens.json")
}

/// A file of the checkpoint's folder that the Python side wrote.
fn json<T: DeserializeOwned>(arguments: &Arguments, name: &str) -> Result<T> {
    let file = arguments.folder.join(name);
    let bytes = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not as the Python side writes it", file.display()))
}

/// A line of /proc/self/status in bytes: `VmRSS` is what is resident now, `VmHWM` its peak.
fn memory(key: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("memory is measured on Linux only")?;
    let line = status.lines().find(|l| l.starts_with(key));
    let kib = line.and_then(|l| l.split_whitespace().nth(1)).context("/proc/self/status lacks a line")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// What the machine can do: bytes/s of a read-only sum, and FLOP/s of x·Wᵀ for every product; the best of several.
fn limits(arguments: &Arguments) -> Result<Value> {
    let array = vec![1f32; arguments.bytes / 4];
    let bandwidth = arguments.bytes as f64
        / best(8, || {
            black_box(sum(&array));
        });
    drop(array);
    let mut products = serde_json::Map::new();
    for product in &arguments.products {
        let sizes: Vec<usize> = product.split('x').map(str::parse).collect::<Result<_, _>>()?;
        let &[m, n, k] = sizes.as_slice() else { bail!("{product} is not of the form m×n×k") };
        let flops = 2.0 * (m * n * k) as f64;
        let (x, weight, mut out) = (noise(m * k), noise(n * k), vec![0.0; m * n]);
        let times = if flops > 1e10 { 4 } else { 20 };
        let seconds = best(times, || multiply((m, n, k), &x, &weight, &mut out));
        products.insert(product.clone(), (flops / seconds).into());
    }
    Ok(json!({ "bandwidth": bandwidth, "products": products }))
}

fn best(times: usize, mut work: impl FnMut()) -> f64 {
    work();
    (0..times).fold(f64::INFINITY, |best, _| {
        let start = Instant::now();
        work();
        best.min(start.elapsed().as_secs_f64())
    })
}

/// The sum of an array on all threads, in many lanes, so that only memory limits it.
fn sum(array: &[f32]) -> f32 {
    const LANES: usize = 64;
    let part = |values: &[f32]| {
        let mut lanes = [0f32; LANES];
        for chunk in values.chunks_exact(LANES) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        lanes.iter().sum::<f32>()
    };
    array.par_chunks(1 << 20).map(part).sum()
}

/// Numbers between −1 and 1, none of them special.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.7).sin()).collect()
}

/// out `[m, n]` = x `[m, k]` · weightᵀ, weight `[n, k]`, on all threads.
fn multiply((m, n, k): (usize, usize, usize), x: &[f32], weight: &[f32], out: &mut [f32]) {
    assert!(x.len() == m * k && weight.len() == n * k && out.len() == m * n, "the slices have their sizes");
    let parallelism = gemm::Parallelism::Rayon(rayon::current_num_threads());
    // Sound: the assertion above bounds every access of these strides, and `out` is borrowed exclusively.
    #[allow(unsafe_code, reason = "gemm takes raw pointers; bounds are asserted above")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            x.as_ptr(),
            1,
            k as isize,
            weight.as_ptr(),
            k as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
