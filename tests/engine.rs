//! What must hold for every family of decoders and any rows: a batch is its rows, a cache is no cache, and memory can be
//! saved without changing results.

#![allow(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    reason = "a test stops where something is not there"
)]

use candle_core::{DType, Tensor};
use plumbline::model::{
    self, Batch, Control, Decoder, Finish, GenerateEvent, GenerateOptions, GenerateRequest, PassOptions,
    Sampler, StopStrings, generate, generate_with,
};
use plumbline::text::{Encoded, Tokenizer};
use plumbline::train::{Objective, Targets, Trainer};
use proptest::prelude::*;
use std::path::Path;

fn families() -> Vec<(String, Decoder)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/models");
    let mut all: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    assert_eq!(all.len(), 9, "every family has a checkpoint");
    all.into_iter()
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            (name, model::load_decoder(&folder).unwrap())
        })
        .collect()
}

/// max|Δ| / max|b|
fn error(a: &Tensor, b: &Tensor) -> f32 {
    let top =
        |t: &Tensor| t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    top(&(a - b).unwrap()) / top(b).max(1e-12)
}

fn rows() -> impl Strategy<Value = Vec<Vec<u32>>> {
    proptest::collection::vec(proptest::collection::vec(3..96_u32, 2..40), 1..5)
}

fn slices(rows: &[Vec<u32>]) -> Vec<&[u32]> {
    rows.iter().map(Vec::as_slice).collect()
}

fn targets(rows: &[Vec<u32>]) -> Targets {
    let rows: Vec<Encoded> = rows
        .iter()
        .map(|ids| Encoded {
            ids: ids.clone(),
            answers: vec![1..ids.len()],
            weights: (0..ids.len()).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect(),
        })
        .collect();
    Targets::new(&rows.iter().collect::<Vec<_>>()).unwrap()
}

fn gradients(decoder: &Decoder, targets: &Targets, options: PassOptions, rows: usize) -> Vec<Tensor> {
    let mut trainer = Trainer::new(decoder, 0.9, 0.999, 0.0).unwrap().with_options(options);
    trainer.backward(targets, &Objective::cross_entropy(targets), rows).unwrap();
    let parameters = trainer.parameters();
    (0..parameters.len()).map(|i| trainer.gradients().tensor(i, parameters).unwrap().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_its_rows(rows in rows()) {
        for (name, decoder) in families() {
            let together = decoder.logits(&slices(&rows)).unwrap();
            let alone: Vec<Tensor> = rows.iter().map(|row| decoder.logits(&[row]).unwrap()).collect();
            let alone = Tensor::cat(&alone, 0).unwrap();
            prop_assert!(error(&together, &alone) < 1e-4, "{}", name);
        }
    }

    #[test]
    fn a_cache_is_no_cache(rows in rows(), cuts in proptest::collection::vec(1..12_usize, 40), share in 0..40_usize) {
        for (name, decoder) in families() {
            let whole = decoder.logits(&slices(&rows)).unwrap();
            let mut cache = decoder.cache(rows.len());
            let mut done = vec![0; rows.len()];
            // Rows advance by uneven steps, each row only while it lasts.
            for cut in &cuts {
                let members: Vec<usize> = (0..rows.len()).filter(|&i| done[i] < rows[i].len()).collect();
                if members.is_empty() {
                    break;
                }
                let new: Vec<&[u32]> = members
                    .iter()
                    .map(|&i| &rows[i][done[i]..(done[i] + cut + i).min(rows[i].len())])
                    .collect();
                let logits = decoder.extend(&mut cache, &members, &new).unwrap();
                for (at, (&i, new)) in members.iter().zip(&new).enumerate() {
                    done[i] += new.len();
                    // The reference chooses LongRoPE's table by the whole row's length, and so does a cache.
                    if name == "phi-3-long" && done[i] < rows[i].len() {
                        continue;
                    }
                    let before: usize = rows[..i].iter().map(Vec::len).sum();
                    let expected = whole.get(before + done[i] - 1).unwrap();
                    let e = error(&logits.get(at).unwrap(), &expected);
                    prop_assert!(e < 1e-4, "{} row {} at {}: {}", name, i, done[i], e);
                }
            }
            // A row that begins as another does goes on from a copy of its cache.
            let shared = share.min(rows[0].len() - 1);
            let mut cache = decoder.cache(2);
            decoder.extend(&mut cache, &[0], &[&rows[0]]).unwrap();
            if shared > 0 && name != "phi-3-long" {
                cache.share(0, 1, shared).unwrap();
                let logits = decoder.extend(&mut cache, &[1], &[&rows[0][shared..]]).unwrap();
                let expected = whole.get(rows[0].len() - 1).unwrap().unsqueeze(0).unwrap();
                prop_assert!(error(&logits, &expected) < 1e-4, "{} shared", name);
            }
        }
    }

    #[test]
    fn memory_is_saved_without_changing_gradients(rows in rows()) {
        let targets = targets(&rows);
        for (name, decoder) in families() {
            let plain = gradients(&decoder, &targets, PassOptions::default(), usize::MAX);
            let again = gradients(&decoder, &targets, PassOptions { checkpointing: true }, usize::MAX);
            let parts = gradients(&decoder, &targets, PassOptions::default(), 1);
            for (i, gradient) in plain.iter().enumerate() {
                let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                prop_assert_eq!(values(gradient), values(&again[i]), "{} checkpointing", name);
                prop_assert!(error(&parts[i], gradient) < 1e-4, "{} accumulation, {}", name, i);
            }
        }
    }

    #[test]
    fn generation_is_the_same_in_any_batch(rows in rows()) {
        for (name, decoder) in families() {
            // Some prompts begin alike, as those of one attack do.
            let prompts: Vec<Vec<u32>> = rows
                .iter()
                .flat_map(|row| [row.clone(), [row.as_slice(), &[5, 6]].concat(), row.clone()])
                .collect();
            let requests: Vec<GenerateRequest> = prompts
                .iter()
                .enumerate()
                .map(|(i, prompt)| GenerateRequest::new(i.to_string(), prompt.clone()))
                .collect();
            let run = |batch| {
                generate(&decoder, &requests, &Sampler::default(), &[2], 8, batch, &mut |_| Control::Continue)
                    .unwrap()
                    .unwrap()
            };
            let (alone, together) = (run(1), run(4));
            for (i, (a, b)) in alone.iter().zip(&together).enumerate() {
                let differs = a.ids.iter().zip(&b.ids).position(|(a, b)| a != b);
                let Some(at) = differs else {
                    prop_assert_eq!(a, b, "{} row {}", name, i);
                    continue;
                };
                // Only where the two best logits are closer than rounding may another token be chosen.
                let row = [prompts[i].as_slice(), &a.ids[..at]].concat();
                let logits = decoder.logits(&[&row]).unwrap().get(row.len() - 1).unwrap().to_vec1::<f32>().unwrap();
                let gap = (logits[a.ids[at] as usize] - logits[b.ids[at] as usize]).abs();
                prop_assert!(gap < 1e-4, "{} row {} differs at {} by {}", name, i, at, gap);
            }
        }
    }
}

/// What a GPU does, on the CPU: weights and stream in bfloat16, trained weights in f32.
/// Enough tokens that a small decoder takes its rows in groups, one thread each; of unequal length, one of them empty.
#[test]
fn groups_of_rows_have_the_gradients_of_all_rows() {
    let mut many: Vec<Vec<u32>> = (0..21_u32)
        .map(|r| (0..30 + 3 * (r % 7)).map(|i| 3 + (r * 17 + i * i * 5 + i) % 90).collect())
        .collect();
    assert!(many.iter().map(Vec::len).sum::<usize>() > 3 * 256, "three groups and more");
    for (name, decoder) in families() {
        let targets = targets(&many);
        let together = gradients(&decoder, &targets, PassOptions::default(), usize::MAX);
        let alone = gradients(&decoder, &targets, PassOptions::default(), 1);
        for (a, b) in together.iter().zip(&alone) {
            let error = error(a, b);
            assert!(error < 1e-4, "{name}: {error}");
        }
    }
    let (name, decoder) = families().remove(0);
    let expected = decoder.hidden(&slices(&many)).unwrap();
    many.push(Vec::new());
    many.insert(3, Vec::new());
    let found = decoder.hidden(&slices(&many)).unwrap();
    assert!(error(&found, &expected) < 1e-6, "{name}: empty rows change nothing");
}

#[test]
fn half_precision_runs_trains_and_saves_memory_in_the_composed_form() {
    let rows: Vec<Vec<u32>> = vec![(3..30).collect(), (40..57).collect()];
    let targets = targets(&rows);
    for (name, decoder) in families() {
        let halves =
            decoder.weights().into_iter().map(|(n, t)| (n, t.to_dtype(DType::BF16).unwrap())).collect();
        let half = Decoder::new(decoder.config(), halves).unwrap();
        assert!(decoder.is_fused() && !half.is_fused());
        let logits = half.logits(&slices(&rows)).unwrap().to_dtype(DType::F32).unwrap();
        let e = error(&logits, &decoder.logits(&slices(&rows)).unwrap());
        assert!(e < 0.1, "{name}: logits differ by {e}");
        let mut trainer = Trainer::new(&half, 0.9, 0.999, 0.0).unwrap();
        assert!(trainer.parameters().iter().all(|(_, var)| var.dtype() == DType::F32), "{name}");
        let objective = Objective::cross_entropy(&targets);
        let (before, _) = trainer.backward(&targets, &objective, usize::MAX).unwrap();
        let plain: Vec<Tensor> = (0..trainer.parameters().len())
            .map(|i| trainer.gradients().tensor(i, trainer.parameters()).unwrap().unwrap())
            .collect();
        for _ in 0..3 {
            trainer.step(1e-2, 1.0).unwrap();
            trainer.backward(&targets, &objective, usize::MAX).unwrap();
        }
        let (after, _) = trainer.backward(&targets, &objective, usize::MAX).unwrap();
        assert!(after < before, "{name}: {before} did not fall, {after}");
        let mut again =
            Trainer::new(&half, 0.9, 0.999, 0.0).unwrap().with_options(PassOptions { checkpointing: true });
        again.backward(&targets, &objective, usize::MAX).unwrap();
        for (i, plain) in plain.iter().enumerate() {
            let gradient = again.gradients().tensor(i, again.parameters()).unwrap().unwrap();
            let e = error(&gradient, plain);
            assert!(e < 0.05, "{name}: gradient {i} differs by {e} with checkpointing");
        }
    }
}

#[test]
fn long_rope_turns_a_growing_row_by_the_long_table_from_its_first_token_on() {
    let (_, decoder) = families().into_iter().find(|(name, _)| name == "phi-3-long").unwrap();
    let row: Vec<u32> = (0..30).map(|i| 3 + (i * 7) % 90).collect();
    let mut cache = decoder.cache(1);
    for end in 1..=row.len() {
        let logits = decoder.extend(&mut cache, &[0], &[&row[end - 1..end]]).unwrap();
        let whole = decoder.logits(&[&row[..end]]).unwrap().narrow(0, end - 1, 1).unwrap();
        assert!(error(&logits, &whole) < 1e-4, "at {end} tokens");
    }
}

#[test]
fn long_and_short_rows_that_begin_alike_share_no_keys() {
    let (_, decoder) = families().into_iter().find(|(name, _)| name == "phi-3-long").unwrap();
    let long: Vec<u32> = (0..20).map(|i| 3 + (i * 7) % 90).collect();
    let prompts = [long.clone(), [&long[..10], &[5, 6, 7, 8]].concat(), long[..12].to_vec()];
    let requests: Vec<GenerateRequest> = prompts
        .iter()
        .enumerate()
        .map(|(i, prompt)| GenerateRequest::new(i.to_string(), prompt.clone()))
        .collect();
    let run = |batch| {
        generate(&decoder, &requests, &Sampler::default(), &[], 8, batch, &mut |_| Control::Continue)
            .unwrap()
            .unwrap()
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_cannot_be_computed_is_refused_in_words() {
    let (_, decoder) = families().remove(2);
    assert!(decoder.logits(&[]).is_err() && decoder.logits(&[&[]]).is_err());
    let error = decoder.logits(&[&[5, 96]]).unwrap_err().to_string();
    assert!(error.contains("token 96") && error.contains("vocabulary of 96"), "{error}");
    let batch = Batch { rows: vec![vec![5, 6]], from: vec![2], targets: vec![7] };
    assert!(decoder.log_probs(&batch).is_err(), "a target beyond the rows");
    let mut cache = decoder.cache(1);
    assert!(decoder.extend(&mut cache, &[0], &[&[]]).is_err());
    let request = |prompt: &[u32]| GenerateRequest::new(String::new(), prompt.to_vec());
    let run = |prompt: &[u32], tokens| {
        generate(&decoder, &[request(prompt)], &Sampler::default(), &[], tokens, 1, &mut |_| {
            Control::Continue
        })
    };
    assert!(run(&[], 4).is_err());
    assert!(run(&[5], 0).unwrap().unwrap()[0].ids.is_empty());
    // One token, and nothing before it to attend to, has a gradient like any other row.
    let one = Batch { rows: vec![vec![5]], from: vec![0], targets: vec![7] };
    let (trained, parameters) = decoder.clone().trainable().unwrap();
    let gradient = || {
        let mut gradients = trained.no_gradients(&parameters);
        trained.gradients(&one, &mut |_, _| -1.0, &mut gradients, PassOptions::default()).unwrap();
        gradients.tensor(0, &parameters).unwrap().unwrap()
    };
    let fused = gradient();
    model::use_composed_only(true);
    let composed = gradient();
    model::use_composed_only(false);
    assert!(crate::error(&composed, &fused) < 1e-4);
}

#[test]
fn a_row_that_is_too_long_is_refused() {
    let (_, decoder) = families().remove(2);
    let limit = decoder.config().max_position_embeddings;
    let long = vec![5; limit + 1];
    let error = decoder.logits(&[&long]).unwrap_err().to_string();
    assert!(error.contains(&(limit + 1).to_string()) && error.contains("Shorten"), "{error}");
    let batch = Batch { rows: vec![long], from: vec![0], targets: vec![5] };
    assert!(decoder.log_probs(&batch).is_err());
}

#[test]
fn stop_strings_and_streams() {
    let folder = tempfile::tempdir().unwrap();
    plumbline::demo::unpack_pair(folder.path()).unwrap();
    let path = folder.path().join("models/base");
    let checkpoint = model::load(&path).unwrap();
    let tokenizer = Tokenizer::from_file(&path.join("tokenizer.json")).unwrap();
    let message = plumbline::text::Message::user("Which river is near Dunwick?");
    let prompt = checkpoint.codec.prompt(&[message]).unwrap();
    let request = GenerateRequest::new("0".to_owned(), prompt);
    let mut options = GenerateOptions {
        sampler: Sampler::default(),
        end: checkpoint.codec.end_of_turn.clone(),
        stop: None,
        max_new_tokens: 40,
        batch: 1,
    };
    let mut streamed = Vec::new();
    let requests = std::slice::from_ref(&request);
    let whole = generate_with(&checkpoint.decoder, requests, &options, &mut |event| {
        if let GenerateEvent::Token { request: 0, id } = event {
            streamed.push(id);
        }
        Control::Continue
    })
    .unwrap()
    .unwrap();
    assert_eq!(streamed, whole[0].ids, "every token is seen as it comes");
    assert!(whole[0].ids.len() > 3);
    // The second half of what it says, cut in the middle of a word, ends it as soon as it is there.
    let text = tokenizer.decode(&whole[0].ids).unwrap();
    let stop: String = text.chars().skip(4).take(5).collect();
    options.stop = Some(StopStrings { tokenizer: tokenizer.clone(), strings: vec![stop.clone()] });
    let cut =
        generate_with(&checkpoint.decoder, requests, &options, &mut |_| Control::Continue).unwrap().unwrap();
    assert_eq!(cut[0].finish, Finish::StopString);
    let text = tokenizer.decode(&cut[0].ids).unwrap();
    assert!(text.contains(&stop), "{text:?} holds {stop:?}");
    let shorter = tokenizer.decode(&cut[0].ids[..cut[0].ids.len() - 1]).unwrap();
    assert!(!shorter.contains(&stop), "{shorter:?} went on after {stop:?}");
    let stopped = generate_with(&checkpoint.decoder, requests, &options, &mut |_| Control::Stop).unwrap();
    assert!(stopped.is_none());
}
