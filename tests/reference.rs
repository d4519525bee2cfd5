//! Numbers that PyTorch got, reproduced: every tensor that `tests/reference/make_models.py` and `make_lora.py` document.
//!
//! Walks the folders of `PLUMBLINE_REFERENCE` (default: `tests/reference`) whose architecture the decoder runs.

#![allow(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    clippy::struct_field_names,
    reason = "a test stops where something is not there"
)]

use candle_core::{DType, Device, Tensor};
use plumbline::model::{
    self, ARCHITECTURES, Adapter, Batch, Config, Control, Decoder, GenerateRequest, LoraConfig, PassOptions,
    Sampler, TargetModules, use_composed_only,
};
use plumbline::text::Encoded;
use plumbline::train::{BetaSchedule, Objective, Targets, Trainer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Expected = HashMap<String, Tensor>;

/// The folder of checkpoints: that of `PLUMBLINE_REFERENCE`, or `models` in it.
fn root() -> PathBuf {
    let root = std::env::var_os("PLUMBLINE_REFERENCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference"), PathBuf::from);
    if root.join("models").is_dir() { root.join("models") } else { root }
}

fn folders() -> Vec<PathBuf> {
    let root = root();
    let mut all: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap_or_else(|e| panic!("{}: {e}", root.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("expected.safetensors").is_file())
        .filter(|folder| folder.join("config.json").is_file())
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
    rows: Vec<Encoded>,
}

fn open(folder: &Path) -> Reference {
    let config = Config::from_folder(folder).unwrap();
    let expected = candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
    let usizes = |name: &str| -> Vec<usize> {
        expected[name].to_vec1::<i64>().unwrap().into_iter().map(|n| n as usize).collect()
    };
    let (lengths, starts) = (usizes("lengths"), usizes("answer_start"));
    let rows = expected["input_ids"]
        .to_dtype(DType::U32)
        .unwrap()
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
        decoder: model::load_decoder(folder).unwrap(),
        reference: model::load_weights(&config, &folder.join("reference.safetensors")).unwrap(),
        expected,
        lengths,
        starts,
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
        let rows: Vec<&[u32]> = self.rows.iter().map(|row| row.ids.as_slice()).collect();
        decoder.logits(&rows).unwrap()
    }

    fn expected_logits(&self, name: &str) -> Tensor {
        self.real(&self.expected[name])
    }

    fn targets(&self) -> Targets {
        Targets::new(&self.rows.iter().collect::<Vec<_>>()).unwrap()
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
            .map(|(i, row)| GenerateRequest::new(i.to_string(), row.ids.clone()))
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
    each(|r| three_steps(r, PassOptions::default(), usize::MAX));
}

#[test]
fn checkpointing_and_accumulation_equal_the_reference_too() {
    each(|r| three_steps(r, PassOptions { checkpointing: true }, 1));
}

/// Three AdamW steps on the constrained objective, `rows_at_once` rows at a time.
fn three_steps(r: &Reference, options: PassOptions, rows_at_once: usize) {
    let targets = r.targets();
    let reference = r.reference.log_probs(&targets.batch).unwrap();
    let expected_reference = Tensor::new(r.at_targets("ref_logps"), &Device::Cpu).unwrap();
    let ours = Tensor::new(reference.clone(), &Device::Cpu).unwrap();
    assert_close(&format!("{} reference log-probabilities", r.name), &ours, &expected_reference, 1e-4);
    let objective = Objective::constrained(&targets, &reference, &BetaSchedule::default());
    let mut trainer = Trainer::new(&r.decoder, 0.5, 0.999, 0.0).unwrap().with_options(options);
    for step in 0..3 {
        let (value, _) = trainer.backward(&targets, &objective, rows_at_once).unwrap();
        if step == 0 {
            let log_probs = r.decoder.log_probs(&targets.batch).unwrap();
            let plain = Objective::cross_entropy(&targets);
            let sft: f64 = log_probs.iter().enumerate().map(|(i, &lp)| plain.at(i, lp).0).sum();
            assert_close(&format!("{} SFT loss", r.name), &scalar(sft), &r.expected["sft_loss"], 1e-5);
            let theirs = &r.expected["constrained_loss"];
            assert_close(&format!("{} constrained loss", r.name), &scalar(value), theirs, 1e-5);
            let parameters = trainer.parameters();
            for (index, (name, _)) in parameters.iter().enumerate() {
                let gradient = trainer
                    .gradients()
                    .tensor(index, parameters)
                    .unwrap()
                    .unwrap_or_else(|| panic!("{name} has no gradient"));
                let norm = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
                let theirs = &r.expected[&format!("grad_norm/{name}")];
                let what = format!("{} gradient of {name}", r.name);
                assert_close(&what, &scalar(f64::from(norm)), theirs, 1e-3);
            }
        }
        trainer.step(1e-3, 0.0).unwrap();
    }
    let what = format!("{} logits after three steps", r.name);
    assert_close(&what, &r.logits(trainer.current()), &r.expected_logits("logits_after"), 1e-3);
}

#[test]
fn the_gradient_on_one_hot_tokens_equals_the_reference() {
    each(|r| {
        let targets = Targets::new(&[&r.rows[0]]).unwrap();
        let (loss, ours) = r.decoder.one_hot_gradient(&targets.batch, 2..6).unwrap();
        assert_close(&format!("{} GCG loss", r.name), &scalar(loss), &r.expected["gcg_loss"], 1e-5);
        assert_close(&format!("{} one-hot gradient", r.name), &ours, &r.expected["onehot_grad"], 1e-4);
    });
}

#[test]
fn branches_of_a_text_have_the_losses_of_whole_texts() {
    each(|r| {
        let targets = Targets::new(&[&r.rows[0]]).unwrap();
        let row = &targets.batch.rows[0];
        let first = targets.batch.from[0];
        // Swaps at different places, in the prompt and right before the target; and the loss that PyTorch has.
        let mut cache = r.decoder.cache(1);
        r.decoder.extend(&mut cache, &[0], &[&row[..=first]]).unwrap();
        let (mut starts, mut branches, mut whole) = (Vec::new(), Batch::default(), Batch::default());
        let (mut tokens, mut all) = (0, 0);
        for (at, id) in [(2, row[2]), (2, 50), (first, 33), (4, 70)] {
            let mut text = row.clone();
            text[at] = id;
            branches.from.extend(targets.batch.from.iter().map(|from| tokens + from - at));
            whole.from.extend(targets.batch.from.iter().map(|from| all + from));
            tokens += text.len() - at;
            all += text.len();
            branches.rows.push(text[at..].to_vec());
            whole.rows.push(text);
            starts.push(at);
            branches.targets.extend(&targets.batch.targets);
            whole.targets.extend(&targets.batch.targets);
        }
        let tensor = |values: Vec<f32>| Tensor::new(values, &Device::Cpu).unwrap();
        for composed in [false, true] {
            use_composed_only(composed);
            let ours = tensor(r.decoder.branch_log_probs(&cache, &starts, &branches).unwrap());
            let theirs = tensor(r.decoder.log_probs(&whole).unwrap());
            use_composed_only(false);
            assert_close(&format!("{} branches", r.name), &ours, &theirs, 1e-5);
            let loss =
                ours.narrow(0, 0, targets.batch.targets.len()).unwrap().mean(0).unwrap().neg().unwrap();
            assert_close(&format!("{} GCG loss", r.name), &loss, &r.expected["gcg_loss"], 1e-5);
        }
    });
}

#[test]
fn an_adapter_runs_and_trains_as_in_peft() {
    let models = root();
    let folder = [models.join("lora"), models.with_file_name("lora")].into_iter().find(|f| f.is_dir());
    let Some(folder) = folder.filter(|_| models.join("llama-2").is_dir()) else {
        eprintln!("SKIPPED: no adapter of llama-2 beside {}", models.display());
        return;
    };
    let r = open(&models.join("llama-2"));
    let expected = candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
    let adapter = Adapter::load(&folder).unwrap();
    let adapted = r.decoder.with_adapter(&adapter).unwrap();
    assert_close("lora logits", &r.logits(&adapted), &r.real(&expected["logits"]), 1e-4);
    let merged = adapted.merged().unwrap();
    assert_close("merged logits", &r.logits(&merged), &r.real(&expected["logits"]), 1e-4);
    for (name, weight) in merged.weights() {
        if let Some(theirs) = expected.get(&format!("merged/{name}")) {
            assert_close(&format!("merged {name}"), &weight, theirs, 1e-5);
        }
    }
    let targets = r.targets();
    let objective = Objective::cross_entropy(&targets);
    for composed in [false, true] {
        use_composed_only(composed);
        assert_eq!(r.decoder.is_fused(), !composed);
        let (decoder, parameters) = r.decoder.with_trainable_adapter(&adapter).unwrap();
        assert_eq!(parameters.len(), 2 * adapter.modules.len(), "only the adapter is trained");
        let mut trainer = Trainer::of(decoder, parameters, 0.9, 0.999, 0.0).unwrap();
        for step in 0..3 {
            let (value, _) = trainer.backward(&targets, &objective, usize::MAX).unwrap();
            if step == 0 {
                assert_close("lora SFT loss", &scalar(value), &expected["sft_loss"], 1e-5);
            }
            trainer.step(1e-2, 0.0).unwrap();
        }
        let after = r.logits(trainer.current());
        use_composed_only(false);
        assert_close("lora logits after three steps", &after, &r.real(&expected["logits_after"]), 1e-3);
    }
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
    let request = GenerateRequest::new("golden".to_owned(), prompt.clone());
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

/// An adapter on every linear layer, whose B is not zero.
fn adapter(decoder: &Decoder) -> Adapter {
    let config = LoraConfig::new(4, 8.0, TargetModules::AllLinear);
    let mut adapter = Adapter::new(config, &decoder.linears(), 3).unwrap();
    for module in &mut adapter.modules {
        let n = module.b.elem_count();
        let values: Vec<f32> = (0..n).map(|i| ((i * 7919 + n) % 201) as f32 / 1000.0 - 0.1).collect();
        module.b = Tensor::from_vec(values, module.b.dims(), &Device::Cpu).unwrap();
    }
    adapter
}

/// The composed form takes every check that the fused one takes.
#[test]
fn the_composed_form_equals_the_fused_one() {
    each(|r| {
        let targets = r.targets();
        let objective = Objective::cross_entropy(&targets);
        let gradients = || -> Vec<Tensor> {
            let mut trainer = Trainer::new(&r.decoder, 0.5, 0.999, 0.0).unwrap();
            trainer.backward(&targets, &objective, 2).unwrap();
            let parameters = trainer.parameters().clone();
            (0..parameters.len())
                .map(|i| {
                    trainer.gradients().tensor(i, &parameters).unwrap().expect("every weight is trained")
                })
                .collect()
        };
        let request = GenerateRequest::new("0".to_owned(), r.rows[1].ids.clone());
        let generate = || {
            model::generate(
                &r.decoder,
                std::slice::from_ref(&request),
                &Sampler::default(),
                &[],
                12,
                1,
                &mut |_| Control::Continue,
            )
            .unwrap()
            .unwrap()
        };
        let one_hot =
            || r.decoder.one_hot_gradient(&Targets::new(&[&r.rows[0]]).unwrap().batch, 2..6).unwrap().1;
        let adapter = adapter(&r.decoder);
        let adapter_gradients = || -> Vec<Tensor> {
            let (decoder, parameters) = r.decoder.with_trainable_adapter(&adapter).unwrap();
            let mut trainer = Trainer::of(decoder, parameters.clone(), 0.9, 0.999, 0.0).unwrap();
            trainer.backward(&targets, &objective, 2).unwrap();
            (0..parameters.len())
                .map(|i| trainer.gradients().tensor(i, &parameters).unwrap().expect("all of it is trained"))
                .collect()
        };
        let all = || (r.logits(&r.decoder), gradients(), generate(), one_hot(), adapter_gradients());
        let fused = all();
        use_composed_only(true);
        assert!(!r.decoder.is_fused());
        let composed = all();
        use_composed_only(false);
        for (i, (a, b)) in composed.4.iter().zip(&fused.4).enumerate() {
            assert_close(&format!("{} composed gradient {i} of an adapter", r.name), a, b, 1e-3);
        }
        let adapted = r.decoder.with_adapter(&adapter).unwrap();
        let (beside, merged) = (r.logits(&adapted), r.logits(&adapted.merged().unwrap()));
        assert_close(&format!("{} merged adapter", r.name), &merged, &beside, 1e-4);
        assert!(error(&beside, &fused.0) > 1e-2, "{}: the adapter must matter", r.name);
        assert_close(&format!("{} composed logits", r.name), &composed.0, &fused.0, 2e-5);
        for (i, (a, b)) in composed.1.iter().zip(&fused.1).enumerate() {
            assert_close(&format!("{} composed gradient {i}", r.name), a, b, 1e-3);
        }
        assert_eq!(composed.2, fused.2, "{} greedy", r.name);
        assert_close(&format!("{} composed one-hot gradient", r.name), &composed.3, &fused.3, 1e-4);
    });
}
