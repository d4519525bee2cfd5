//! The estimate of memory against what is really allocated, counted by the allocator of this test's process.

#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test stops where something is not there; an allocator is unsafe"
)]

use plumbline::model::{
    self, Adapter, Config, Control, Decoder, GenerateRequest, LoraConfig, PassOptions, Sampler,
    TargetModules, Work,
};
use plumbline::text::Encoded;
use plumbline::train::{Objective, Targets, Trainer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// Sound: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was live at once during `work`, beyond what was live before.
fn peak(work: impl FnOnce()) -> f64 {
    let before = LIVE.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    work();
    (PEAK.load(Ordering::SeqCst) - before) as f64
}

fn config(changes: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let mut json: serde_json::Value = serde_json::from_str(
        r#"{"architectures": ["LlamaForCausalLM"], "vocab_size": 4096, "hidden_size": 256,
            "intermediate_size": 704, "num_hidden_layers": 6, "num_attention_heads": 8,
            "num_key_value_heads": 4, "max_position_embeddings": 512, "tie_word_embeddings": true}"#,
    )
    .unwrap();
    let changes: serde_json::Value = serde_json::from_str(changes).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        json[key] = value.clone();
    }
    std::fs::write(folder.path().join("config.json"), json.to_string()).unwrap();
    Config::from_folder(folder.path()).unwrap()
}

fn decoder(config: &Config) -> Decoder {
    let mut weights = HashMap::new();
    for (name, shape) in config.weights() {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| ((i * 7919) % 997) as f32 * 2e-5).collect();
        weights
            .insert(name, candle_core::Tensor::from_vec(values, shape, &candle_core::Device::Cpu).unwrap());
    }
    Decoder::new(config, weights).unwrap()
}

fn targets(config: &Config, rows: usize, tokens: usize) -> Targets {
    let row = |r: usize| Encoded {
        ids: (0..tokens).map(|i| ((r * 131 + i * 17) % config.vocab_size) as u32).collect(),
        answers: Vec::new(),
        weights: (0..tokens).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect(),
    };
    let rows: Vec<Encoded> = (0..rows).map(row).collect();
    Targets::new(&rows.iter().collect::<Vec<_>>()).unwrap()
}

/// Rows of many lengths need buffers of many sizes; those that are not used again must not pile up.
fn varying_rows_do_not_pile_up_memory() {
    let config = config("{}");
    let (decoder, parameters) = decoder(&config).trainable().unwrap();
    let mut trainer = Trainer::of(decoder, parameters, 0.9, 0.999, 0.0).unwrap();
    let mut step = |tokens: usize| {
        let targets = targets(&config, 4, tokens);
        trainer.backward(&targets, &Objective::cross_entropy(&targets), usize::MAX).unwrap();
    };
    let one = peak(|| step(160));
    let many = peak(|| (0..12).for_each(|i| step(80 + 7 * i)));
    println!("one length {:.1} MB, twelve shorter ones {:.1} MB", one / 1e6, many / 1e6);
    assert!(many < 2.5 * one, "{many} bytes against {one}");
}

/// One test: the allocator counts for the whole process.
#[test]
fn the_estimate_is_within_fifteen_percent_of_what_is_allocated() {
    varying_rows_do_not_pile_up_memory();
    let lora = || LoraConfig::new(8, 16.0, TargetModules::AllLinear);
    let shapes = [
        (
            "a tiny one",
            config(
                r#"{"vocab_size": 1984, "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4}"#,
            ),
            16,
            128,
        ),
        ("a small one", config("{}"), 8, 128),
        ("a large vocabulary", config(r#"{"vocab_size": 32000, "tie_word_embeddings": false}"#), 4, 200),
        ("normed heads", config(r#"{"architectures": ["Qwen3ForCausalLM"], "head_dim": 32}"#), 8, 128),
        (
            "normed outputs",
            config(r#"{"architectures": ["Gemma2ForCausalLM"], "head_dim": 32, "sliding_window": 64}"#),
            8,
            128,
        ),
    ];
    for (name, config, rows, tokens) in shapes {
        let works = [
            ("run", Work::Run { new_tokens: tokens / 2 }, false),
            ("adapter", Work::TrainAdapter(lora()), false),
            ("all", Work::TrainAll, false),
            ("all, checkpointing", Work::TrainAll, true),
        ];
        for (what, work, checkpointing) in works {
            let estimate = model::estimate(&config, &work, rows, tokens, checkpointing).unwrap();
            let measured = peak(|| run(&config, &work, rows, tokens, checkpointing));
            let ratio = estimate.total() as f64 / measured;
            println!(
                "{name}, {what}: {:.1} MB estimated, {:.1} MB allocated, ratio {ratio:.3}; {:?}",
                estimate.total() as f64 / 1e6,
                measured / 1e6,
                estimate.parts()
            );
            assert!((0.85..=1.15).contains(&ratio), "{name}, {what}: ratio {ratio:.3}");
        }
    }
}

fn run(config: &Config, work: &Work, rows: usize, tokens: usize, checkpointing: bool) {
    let decoder = decoder(config);
    let (decoder, parameters) = match work {
        Work::Run { new_tokens } => {
            let prompt = |r: usize| (0..tokens).map(|i| ((r * 131 + i * 17) % 1000) as u32).collect();
            let requests: Vec<GenerateRequest> =
                (0..rows).map(|r| GenerateRequest::new(r.to_string(), prompt(r))).collect();
            let sampler = Sampler::default();
            model::generate(&decoder, &requests, &sampler, &[], *new_tokens, rows, &mut |_| {
                Control::Continue
            })
            .unwrap();
            return;
        }
        Work::TrainAdapter(lora) => {
            let adapter = Adapter::new(lora.clone(), &decoder.linears(), 0).unwrap();
            decoder.with_trainable_adapter(&adapter).unwrap()
        }
        Work::TrainAll => decoder.trainable().unwrap(),
    };
    let targets = targets(config, rows, tokens);
    let mut trainer = Trainer::of(decoder, parameters, 0.9, 0.999, 0.0)
        .unwrap()
        .with_options(PassOptions { checkpointing });
    for _ in 0..2 {
        trainer.backward(&targets, &Objective::cross_entropy(&targets), usize::MAX).unwrap();
        trainer.step(1e-3, 1.0).unwrap();
    }
}
