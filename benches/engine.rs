//! The hot paths of the engine on the demo pair: forward pass, training step, generation, KL.
//!
//! `cargo bench` prints tokens per second. `PLUMBLINE_BENCH_ROWS` (default 24) sets the rows of a batch; all rows have
//! 75 tokens, so that nothing is padding.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops where something is not there")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plumbline::demo;
use plumbline::model::{self, Control, GenerateRequest, Sampler};
use plumbline::probe::kl_per_token;
use plumbline::text::Encoded;
use plumbline::train::{Objective, Targets, Trainer};

const TOKENS: usize = 75;

fn rows() -> Vec<Encoded> {
    let count = std::env::var("PLUMBLINE_BENCH_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    (0..count)
        .map(|row: usize| {
            let ids = (0..TOKENS).map(|i| 6 + ((row * 131 + i * 17) % 1900) as u32).collect();
            let weights = (0..TOKENS).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect();
            Encoded { ids, answers: Vec::new(), weights }
        })
        .collect()
}

fn engine(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    demo::unpack_pair(folder.path()).unwrap();
    let base = model::load(&folder.path().join("models/base")).unwrap().decoder;
    let aligned = model::load(&folder.path().join("models/aligned")).unwrap().decoder;
    let rows = rows();
    let targets = Targets::new(&rows.iter().collect::<Vec<_>>()).unwrap();
    let mut group = c.benchmark_group("demo model");
    group.sample_size(20);
    group.throughput(Throughput::Elements((rows.len() * TOKENS) as u64));

    group.bench_function("forward, tokens", |b| b.iter(|| base.log_probs(&targets.batch).unwrap()));

    let mut trainer = Trainer::new(&base, 0.9, 0.95, 0.0).unwrap();
    group.bench_function("training step, tokens", |b| {
        b.iter(|| {
            trainer.backward(&targets, &Objective::cross_entropy(&targets), usize::MAX).unwrap();
            trainer.step(1e-6, 1.0).unwrap()
        });
    });

    let pairs: Vec<(Vec<u32>, Vec<u32>)> =
        rows.iter().map(|r| (r.ids[..15].to_vec(), r.ids[15..].to_vec())).collect();
    group.bench_function("KL of two models, tokens", |b| {
        b.iter(|| kl_per_token(&aligned, &base, &pairs, 64, &mut |_| Control::Continue).unwrap());
    });

    let requests: Vec<GenerateRequest> = (0..64)
        .map(|i| GenerateRequest::new(format!("{i}"), rows[i % rows.len()].ids[..15].to_vec()))
        .collect();
    group.throughput(Throughput::Elements(64 * 60));
    group.bench_function("generation at batch 64, tokens", |b| {
        b.iter(|| {
            model::generate(&base, &requests, &Sampler::default(), &[], 60, 64, &mut |_| Control::Continue)
                .unwrap()
        });
    });
}

criterion_group!(benches, engine);
criterion_main!(benches);
