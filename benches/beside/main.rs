//! Plumbline's side of the bench beside PyTorch: one measurement in a process of its own, printed as one line of JSON.
//!
//! `beside.py` builds and runs it; its arguments, its settings and what it prints are those of `pytorch_side.py`.

use anyhow::{Context, Result, bail};
use candle_core::Tensor;
use clap::{Parser, ValueEnum};
use plumbline::model::{self, Adapter, Control, Decoder, GenerateRequest, Sampler};
use plumbline::text::Encoded;
use plumbline::train::{Objective, Targets, Trainer};
use rayon::prelude::*;
use serde::Deserialize;
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

// The measurements.

/// One measurement of Plumbline for beside.py, as a line of JSON.
#[derive(Parser)]
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
        .map(|(i, prompt)| GenerateRequest { id: i.to_string(), prompt })
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
    let file = arguments.folder.join("tokens.json");
    let bytes = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not as shapes.py writes it", file.display()))
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
