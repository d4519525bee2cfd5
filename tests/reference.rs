//! Numbers that PyTorch got, reproduced: every tensor that `tests/reference/make_models.py` documents.
//!
//! Walks the folders of `PLUMBLINE_REFERENCE` (default: `tests/reference/models`) whose architecture the decoder runs.

#![allow(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    clippy::struct_field_names,
    reason = "a test stops where something is not there"
)]

use candle_core::{DType, Device, Tensor};
use plumbline::model::{self, ARCHITECTURES, Config, Control, Decoder, GenerateRequest, Sampler, ops};
use plumbline::text::Encoded;
use plumbline::train::{AdamW, BetaSchedule, Targets, constrained, cross_entropy};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Expected = HashMap<String, Tensor>;

fn folders() -> Vec<PathBuf> {
    let root = std::env::var_os("PLUMBLINE_REFERENCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/models"), PathBuf::from);
    let mut all: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap_or_else(|e| panic!("{}: {e}", root.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("expected.safetensors").is_file())
        .collect();
    all.sort();
    let (known, unknown): (Vec<_>, Vec<_>) = all.into_iter().partition(|folder| {
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        ARCHITECTURES.iter().any(|name| config.contains(name))
    });
    for folder in unknown {
        eprintln!("SKIPPED {}: its architecture is not one that the decoder runs", folder.display());
    }
    assert!(!known.is_empty(), "no reference folder under {}", root.display());
    known
}

struct Reference {
    name: String,
    decoder: Decoder,
    reference: Decoder,
    expected: Expected,
    lengths: Vec<usize>,
    starts: Vec<usize>,
    ids: Tensor,
    rows: Vec<Encoded>,
}

fn open(folder: &Path) -> Reference {
    let config = Config::from_folder(folder).unwrap();
    let expected = candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
    let usizes = |name: &str| -> Vec<usize> {
        expected[name].to_vec1::<i64>().unwrap().into_iter().map(|n| n as usize).collect()
    };
    let (lengths, starts) = (usizes("lengths"), usizes("answer_start"));
    let ids = expected["input_ids"].to_dtype(DType::U32).unwrap();
    let rows = ids
        .to_vec2::<u32>()
        .unwrap()
        .into_iter()
        .zip(lengths.iter().zip(&starts))
        .map(|(mut ids, (&length, &start))| {
            ids.truncate(length);
            let weights = (0..length).map(|i| if i >= start { 1.0 } else { 0.0 }).collect();
            Encoded { ids, answers: vec![start..length], weights }
        })
        .collect();
    Reference {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        decoder: model::load_weights(&config, &folder.join("model.safetensors")).unwrap(),
        reference: model::load_weights(&config, &folder.join("reference.safetensors")).unwrap(),
        expected,
        lengths,
        starts,
        ids,
        rows,
    }
}

/// max|Δ| / max|reference|
fn error(ours: &Tensor, theirs: &Tensor) -> f64 {
    let top =
        |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    f64::from(top(&(ours - theirs).unwrap()) / top(theirs).max(1e-12))
}

fn assert_close(what: &str, ours: &Tensor, theirs: &Tensor, tolerance: f64) {
    let e = error(ours, theirs);
    println!("{what}: {e:.1e} (limit {tolerance:.0e})");
    assert!(e <= tolerance, "{what}: {e:.2e} is above {tolerance:.0e}");
}

fn scalar(value: f64) -> Tensor {
    Tensor::new(value as f32, &Device::Cpu).unwrap()
}

impl Reference {
    /// Only the real positions of `[B, T, V]`, one after the other.
    fn real(&self, logits: &Tensor) -> Tensor {
        let rows: Vec<Tensor> = self
            .lengths
            .iter()
            .enumerate()
            .map(|(b, &n)| logits.get(b).unwrap().narrow(0, 0, n).unwrap())
            .collect();
        Tensor::cat(&rows, 0).unwrap()
    }

    fn logits(&self, decoder: &Decoder) -> Tensor {
        self.real(&decoder.logits(&self.ids).unwrap())
    }

    fn expected_logits(&self, name: &str) -> Tensor {
        self.real(&self.expected[name])
    }

    fn targets(&self) -> Targets {
        Targets::new(&self.rows.iter().collect::<Vec<_>>(), &self.decoder).unwrap()
    }

    /// The values of a `[B, T]` tensor at the trained tokens, in the order of [`Targets`].
    fn at_targets(&self, name: &str) -> Vec<f32> {
        let rows = self.expected[name].to_vec2::<f32>().unwrap();
        rows.iter()
            .zip(self.starts.iter().zip(&self.lengths))
            .flat_map(|(r, (&a, &b))| r[a..b].to_vec())
            .collect()
    }
}

fn each(check: impl Fn(&Reference)) {
    for folder in folders() {
        check(&open(&folder));
    }
}

#[test]
fn logits_equal_the_reference() {
    each(|r| {
        assert_close(
            &format!("{} logits", r.name),
            &r.logits(&r.decoder),
            &r.expected_logits("logits"),
            1e-4,
        );
    });
}

#[test]
fn greedy_continuations_are_identical_in_a_batch_and_alone() {
    each(|r| {
        let requests: Vec<GenerateRequest> = r
            .rows
            .iter()
            .enumerate()
            .map(|(i, row)| GenerateRequest { id: i.to_string(), prompt: row.ids.clone() })
            .collect();
        let theirs = r.expected["greedy"].to_vec2::<i64>().unwrap();
        for batch in [1, 3] {
            let ours =
                model::generate(&r.decoder, &requests, &Sampler::default(), &[], 12, batch, &mut |_| {
                    Control::Continue
                })
                .unwrap()
                .unwrap();
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let ours: Vec<i64> = ours.ids.iter().map(|&id| i64::from(id)).collect();
                assert_eq!(&ours, theirs, "{} at batch {batch}", r.name);
            }
        }
    });
}

#[test]
fn kl_equals_the_reference() {
    each(|r| {
        let rows: Vec<(Vec<u32>, Vec<u32>)> = r
            .rows
            .iter()
            .zip(&r.starts)
            .map(|(row, &start)| (row.ids[..start].to_vec(), row.ids[start..].to_vec()))
            .collect();
        let curve =
            plumbline::probe::kl_per_token(&r.decoder, &r.reference, &rows, 2, &mut |_| Control::Continue)
                .unwrap()
                .unwrap();
        let ours: Vec<f32> = curve.per_prompt.concat();
        let ours = Tensor::new(ours, &Device::Cpu).unwrap();
        let theirs = Tensor::new(r.at_targets("kl"), &Device::Cpu).unwrap();
        assert_close(&format!("{} KL", r.name), &ours, &theirs, 1e-4);
    });
}

#[test]
fn losses_gradients_and_three_steps_equal_the_reference() {
    each(|r| {
        let (decoder, parameters) = r.decoder.trainable().unwrap();
        let targets = r.targets();
        let reference = targets.log_probs(&r.reference).unwrap().to_vec1::<f32>().unwrap();
        let expected_reference = Tensor::new(r.at_targets("ref_logps"), &Device::Cpu).unwrap();
        let ours = Tensor::new(reference.clone(), &Device::Cpu).unwrap();
        assert_close(&format!("{} reference log-probabilities", r.name), &ours, &expected_reference, 1e-4);
        let mut optimiser = AdamW::new(&parameters, 0.5, 0.999, 0.0);
        for step in 0..3 {
            let log_probs = targets.log_probs(&decoder).unwrap();
            let (surrogate, value) =
                constrained(&log_probs, &reference, &targets, &BetaSchedule::default()).unwrap();
            let gradients = surrogate.backward().unwrap();
            if step == 0 {
                let sft = cross_entropy(&log_probs, &targets).unwrap();
                assert_close(&format!("{} SFT loss", r.name), &sft, &r.expected["sft_loss"], 1e-5);
                let theirs = &r.expected["constrained_loss"];
                assert_close(&format!("{} constrained loss", r.name), &scalar(value), theirs, 1e-5);
                for (name, var) in &parameters {
                    let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
                    let norm = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
                    let theirs = &r.expected[&format!("grad_norm/{name}")];
                    assert_close(
                        &format!("{} gradient of {name}", r.name),
                        &scalar(f64::from(norm)),
                        theirs,
                        1e-3,
                    );
                }
            }
            optimiser.step(&parameters, &gradients, 1e-3, 0.0).unwrap();
        }
        let after = r.logits(&decoder.frozen().unwrap());
        assert_close(
            &format!("{} logits after three steps", r.name),
            &after,
            &r.expected_logits("logits_after"),
            1e-3,
        );
    });
}

#[test]
fn the_gradient_on_one_hot_tokens_equals_the_reference() {
    each(|r| {
        let row = &r.rows[0];
        let (start, length) = (r.starts[0], r.lengths[0]);
        let ids = Tensor::new(row.ids.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let embeddings = candle_core::Var::from_tensor(&r.decoder.embed(&ids).unwrap()).unwrap();
        let hidden = r.decoder.hidden_from_embeddings(embeddings.as_tensor()).unwrap();
        let predicting = hidden.get(0).unwrap().narrow(0, start - 1, length - start).unwrap();
        let logits = r.decoder.head(&predicting.contiguous().unwrap()).unwrap();
        let loss =
            ops::token_log_probs(&logits, &row.ids[start..]).unwrap().mean_all().unwrap().neg().unwrap();
        assert_close(&format!("{} GCG loss", r.name), &loss, &r.expected["gcg_loss"], 1e-5);
        let gradient =
            loss.backward().unwrap().get(&embeddings).expect("the embeddings get a gradient").clone();
        let span = gradient.get(0).unwrap().narrow(0, 2, 4).unwrap();
        let ours = span.matmul(&r.decoder.embedding().t().unwrap()).unwrap();
        assert_close(&format!("{} one-hot gradient", r.name), &ours, &r.expected["onehot_grad"], 1e-4);
    });
}

#[test]
fn a_real_pretrained_checkpoint_continues_as_the_reference_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stories260k");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no pretrained checkpoint at {}", folder.display());
        return;
    }
    let checkpoint = model::load(&folder).unwrap();
    let golden: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap();
    let ids = |key: &str| -> Vec<u32> {
        golden[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
    };
    let (prompt, theirs) = (ids("prompt_ids"), ids("greedy_ids"));
    let request = GenerateRequest { id: "golden".to_owned(), prompt: prompt.clone() };
    let new = theirs.len() - prompt.len();
    let ours =
        model::generate(&checkpoint.decoder, &[request], &Sampler::default(), &[], new, 1, &mut |_| {
            Control::Continue
        })
        .unwrap()
        .unwrap();
    assert_eq!([prompt, ours[0].ids.clone()].concat(), theirs);
    // The text goes on beyond the ids that are listed.
    let text = checkpoint.codec.tokenizer.decode(&theirs).unwrap();
    assert!(golden["expected_text"].as_str().unwrap().starts_with(&text), "{text}");
}

#[test]
fn the_composed_operations_give_the_same_logits() {
    each(|r| {
        let fused = r.logits(&r.decoder);
        ops::use_composed_only(true);
        let composed = r.logits(&r.decoder);
        ops::use_composed_only(false);
        assert_close(&format!("{} composed logits", r.name), &composed, &fused, 1e-5);
    });
}
