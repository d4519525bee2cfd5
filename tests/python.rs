//! What runs make opens in `transformers` and `peft` and computes the same there. Needs a Python with torch, transformers
//! and peft: the one that PLUMBLINE_PYTHON names, or `python3`. Where there is none the test is skipped, and says so.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{project, train_spec};
use plumbline::job::{JobSpec, run_blocking};
use plumbline::project::Project;
use plumbline::text::Message;
use plumbline::train::{LoraSpec, Recipe, TrainSpec};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn python() -> Option<String> {
    let named = std::env::var("PLUMBLINE_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let found = Command::new(&python).args(["-c", "import torch, transformers, peft"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(named.is_none(), "PLUMBLINE_PYTHON={python} has no torch, transformers and peft");
    eprintln!("SKIPPED: no Python with torch, transformers and peft; name one in PLUMBLINE_PYTHON");
    None
}

fn opened(python: &str, root: &Path, folder: &Path, ids: &[u32]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/load_run.py");
    let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let output = Command::new(python)
        .arg(script)
        .arg(folder)
        .arg(ids)
        // An adapter names its base relative to the project, so that a project can be moved.
        .current_dir(root)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_runs_make_opens_in_python_and_computes_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    drop(project(&root));
    let ids: Vec<u32> = (0..40).map(|i| 5 + i * 37 % 250).collect();
    for (name, lora) in [("whole", None), ("adapter", Some(LoraSpec::default()))] {
        let spec = TrainSpec { name: name.into(), lora, ..train_spec(Recipe::Sft, 6) };
        let run = run_blocking(&root, &JobSpec::Train(spec), &mut |_| {}).unwrap();
        let found = opened(&python, &root, &run.join("model"), &ids);
        let checkpoint = Project::open(&root).unwrap().load_model(name).unwrap();
        let ours = checkpoint.decoder.logits(&[&ids]).unwrap().to_vec2::<f32>().unwrap();
        let theirs: Vec<Vec<f32>> = serde_json::from_value(found["logits"].clone()).unwrap();
        let largest = theirs.iter().flatten().fold(0.0_f32, |a, b| a.max(b.abs()));
        let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
        let error = pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
        assert!(error < 1e-4, "{name}: {error}");
        let prompt = checkpoint.codec.prompt(&[Message::user("Say 3")]).unwrap();
        assert_eq!(serde_json::from_value::<Vec<u32>>(found["prompt"].clone()).unwrap(), prompt, "{name}");
    }
}
