//! The command line as a person meets it: what it prints, where, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{evaluate_spec, train_spec};
use plumbline::evaluate::EvaluateSpec;
use plumbline::job::JobSpec;
use plumbline::model;
use plumbline::project::{Manifest, Project, RUNNING, STOPPED};
use plumbline::train::{LoraSpec, Recipe, TrainSpec};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn plumbline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumbline")).args(arguments).output().unwrap()
}

/// Exit code, standard output and standard error.
fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = plumbline(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn project_with(spec: &JobSpec) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    drop(common::project(&root));
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec.to_toml().unwrap()).unwrap();
    (folder, root, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_new_project_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("my-study");
    let (code, out, _) = said(&["new", text(&root)]);
    assert_eq!(code, 0);
    assert!(out.contains("my-study"), "{out}");
    assert_eq!(Project::open(&root).unwrap().title(), "my-study");
    let (code, _, error) = said(&["new", text(&root)]);
    assert_eq!(code, 2);
    assert!(error.contains("already holds a project"), "{error}");
    let (code, _, error) = said(&["new", text(&root.join("project.toml/x"))]);
    assert_eq!(code, 1);
    assert!(error.contains("cannot be written"), "{error}");
}

#[test]
fn an_adapter_is_trained_evaluated_and_merged() {
    let lora = LoraSpec { rank: 4, ..LoraSpec::default() };
    let train = TrainSpec { lora: Some(lora), learning_rate: 1e-2, ..train_spec(Recipe::Recovery, 6) };
    let (_keep, root, spec) = project_with(&JobSpec::Train(train));
    let base = std::fs::read(root.join("models/aligned/model.safetensors")).unwrap();
    let (code, _, error) = said(&["run", text(&spec), "--project", text(&root)]);
    assert_eq!(code, 0, "{error}");
    let project = Project::open(&root).unwrap();
    let folder = project.model_folder("trained").unwrap();
    drop(project); // it holds the lock
    assert!(!folder.join("model.safetensors").exists(), "only the adapter is saved");
    let config: Value =
        serde_json::from_slice(&std::fs::read(folder.join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!(config["base_model_name_or_path"], "models/aligned", "the project can be moved");
    assert_eq!(base, std::fs::read(root.join("models/aligned/model.safetensors")).unwrap());

    let (code, out, error) = said(&["inspect", text(&folder)]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("LoRA of rank 4") && out.contains("train an adapter"), "{out}");

    let evaluate = EvaluateSpec { models: vec!["trained".to_owned()], ..evaluate_spec() };
    let path = root.join("evaluate.toml");
    std::fs::write(&path, JobSpec::Evaluate(evaluate).to_toml().unwrap()).unwrap();
    let (code, _, error) = said(&["run", text(&path), "--project", text(&root)]);
    assert_eq!(code, 0, "{error}");

    let merged = root.join("merged");
    let (code, out, error) = said(&["merge", text(&folder), text(&merged)]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("merged"), "{out}");
    let (one, other) = (model::load(&folder).unwrap(), model::load(&merged).unwrap());
    let prompt: &[u32] = &[1, 3, 9, 12, 4];
    let logits =
        |decoder: &model::Decoder| decoder.logits(&[prompt]).unwrap().to_vec2::<f32>().unwrap().concat();
    let (one, other) = (logits(&one.decoder), logits(&other.decoder));
    let aligned = logits(&model::load(&root.join("models/aligned")).unwrap().decoder);
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(apart(&one, &other) < 1e-4, "merging changes nothing");
    assert!(apart(&one, &aligned) > 1e-3, "training changed something");

    let (code, _, error) = said(&["merge", text(&folder), text(&merged)]);
    assert_eq!(code, 2);
    assert!(error.contains("there already"), "{error}");
    std::fs::remove_dir_all(root.join("models/aligned")).unwrap();
    let (code, _, error) = said(&["inspect", text(&folder)]);
    assert_eq!(code, 2);
    assert!(error.contains("stands on the model") && error.contains("models/aligned"), "{error}");
}

#[test]
fn a_job_tells_its_events_as_lines_of_json() {
    let (_keep, root, spec) = project_with(&JobSpec::Train(train_spec(Recipe::Recovery, 3)));
    let (code, out, error) = said(&["run", text(&spec), "--project", text(&root), "--json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "started");
    assert_eq!(events.last().unwrap()["event"], "done");
    let losses: Vec<f64> = events
        .iter()
        .filter(|e| e["event"] == "metric")
        .map(|e| e["values"]["loss"].as_f64().unwrap())
        .collect();
    assert_eq!(losses.len(), 3);
    assert!(Project::open(&root).unwrap().model("trained").is_some());
}

#[test]
fn an_evaluation_prints_every_rate_with_its_n_and_interval() {
    let (_keep, root, spec) = project_with(&JobSpec::Evaluate(evaluate_spec()));
    let (code, out, error) = said(&["run", text(&spec), "--project", text(&root)]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    for expected in
        ["Harmful answers", "prefill k=5", "/6)", "Safety depth", "KL per answer token", "Utility", "fact"]
    {
        assert!(out.contains(expected), "{expected} in:\n{out}");
    }
    // The spec that an evaluation leaves can be run again.
    let left = Project::open(&root).unwrap().evaluations()[0].folder.join("spec.toml");
    assert_eq!(said(&["run", text(&left), "--project", text(&root)]).0, 0);
}

#[test]
fn what_is_wrong_with_the_input_is_said_in_a_sentence_with_code_2() {
    let (keep, root, spec) = project_with(&JobSpec::Train(train_spec(Recipe::Recovery, 1)));
    let bad = keep.path().join("bad.toml");
    std::fs::write(&bad, "job = \"train\"\nlearning_rat = 1").unwrap();
    let (code, out, error) = said(&["run", text(&bad), "--project", text(&root)]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("bad.toml is not a job") && error.contains("learning_rat"), "{error}");
    let (code, _, error) = said(&["run", text(&spec), "--project", text(keep.path())]);
    assert_eq!(code, 2);
    assert!(error.contains("holds no project"), "{error}");
    assert_eq!(said(&["run", text(&keep.path().join("no.toml"))]).0, 2);
    assert_eq!(said(&["dance"]).0, 2);
    let weights = root.join("models/aligned/model.safetensors");
    std::fs::write(&weights, "not weights").unwrap();
    let (code, _, error) = said(&["run", text(&spec), "--project", text(&root)]);
    assert_eq!(code, 2);
    assert!(error.contains("model.safetensors") && !error.contains("panicked"), "{error}");
}

#[test]
fn checking_a_data_set_lists_every_bad_line() {
    let (keep, root, _) = project_with(&JobSpec::Train(train_spec(Recipe::Recovery, 1)));
    let good = root.join("datasets/recovery.jsonl");
    let (code, out, _) = said(&["check", text(&good), "--kind", "recovery"]);
    assert_eq!(code, 0);
    assert!(out.contains("8 recovery examples, nothing wrong"), "{out}");
    let model = root.join("models/aligned");
    assert_eq!(said(&["check", text(&good), "--kind", "recovery", "--model", text(&model)]).0, 0);

    let bad = keep.path().join("bad.jsonl");
    std::fs::write(&bad, "{}\nnonsense\n".repeat(20)).unwrap();
    let (code, out, error) = said(&["check", text(&bad), "--kind", "attack"]);
    assert_eq!((code, out.as_str()), (2, ""));
    for line in 1..=40 {
        assert!(error.contains(&format!("bad.jsonl, line {line}")), "line {line} in:\n{error}");
    }
    assert!(error.contains("has 40 bad lines"), "{error}");

    let silly = std::fs::read_to_string(&good).unwrap().replace("I cannot do it.", "With pleasure!");
    std::fs::write(&good, silly).unwrap();
    let (code, _, error) = said(&["check", text(&good), "--kind", "recovery", "--model", text(&model)]);
    assert_eq!(code, 2);
    assert!(error.contains("does not read as a refusal") && error.contains("8 problems found"), "{error}");
}

#[test]
fn a_models_card_is_shown_or_the_reason_why_not() {
    let (keep, root, _) = project_with(&JobSpec::Train(train_spec(Recipe::Recovery, 1)));
    let (code, out, _) = said(&["inspect", text(&root.join("models/base"))]);
    assert_eq!(code, 0);
    assert!(out.contains("LlamaForCausalLM") && out.contains("160 tokens") && out.contains("F32"), "{out}");
    let (code, _, error) = said(&["inspect", text(keep.path())]);
    assert_eq!(code, 2);
    assert!(error.contains("config.json"), "{error}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_job_in_order_with_code_130() {
    let (_keep, root, spec) = project_with(&JobSpec::Train(train_spec(Recipe::Sft, 1_000_000)));
    let mut child = Command::new(env!("CARGO_BIN_EXE_plumbline"))
        .args(["run", text(&spec), "--project", text(&root), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"metric\"")), "training begins");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let last = lines.last().unwrap();
    assert!(last.contains("\"stopped\""), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let project = Project::open(&root).unwrap();
    let run = &project.runs()[0];
    assert_eq!(Manifest::load(&run.folder).unwrap().ended, STOPPED);
    let result = run.manifest.result.as_deref().unwrap();
    assert!(
        result.starts_with("model-after-0") && run.folder.join(result).join("model.safetensors").is_file()
    );
}

#[test]
fn a_program_that_is_killed_leaves_a_project_that_opens() {
    let (_keep, root, spec) = project_with(&JobSpec::Train(train_spec(Recipe::Sft, 1_000_000)));
    for steps in [1, 7, 20] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plumbline"))
            .args(["run", text(&spec), "--project", text(&root), "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.filter(|line| line.contains("\"metric\"")).take(steps).count(), steps);
        child.kill().unwrap();
        child.wait().unwrap();
        let project = Project::open(&root).unwrap();
        assert!(!project.read_only(), "the lock goes with the program");
        assert_eq!(project.problems(), Vec::<String>::new());
        let run = &project.runs()[0];
        assert_eq!(run.manifest.ended, RUNNING, "nobody was left to write another end");
        assert!(project.metrics(&run.id).unwrap().len() >= steps);
        assert_eq!(project.models().len(), 2);
    }
}
