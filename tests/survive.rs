//! Runs that nothing can interrupt: killed, stopped, paused, on a full disk, with broken checkpoints, and with inputs that
//! changed meanwhile. Whatever happens, a run that goes on ends with the bytes of one that was never interrupted.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{fresh, train_spec};
use plumbline::data::{ChatExample, Examples};
use plumbline::files::read_lines_dropping_torn;
use plumbline::job::{CancelToken, EventKind, JobError, JobSpec, ResumeSpec, run_blocking, run_cancellable};
use plumbline::project::{DONE, Manifest, Project, STOPPED};
use plumbline::rng;
use plumbline::text::Message;
use plumbline::train::{
    AsrProbeSpec, Checkpoints, DynamicsSpec, ImportanceSource, ImportanceSpec, LoraSpec, MultiTurnSpec,
    Recipe, TrainSpec,
};
use rand::Rng;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn spec(recipe: Recipe, steps: usize) -> TrainSpec {
    let dynamics = DynamicsSpec { points: 4, rows: 2, positions: 5 };
    TrainSpec { checkpoint_steps: 3, checkpoint_minutes: 0.0, dynamics, ..train_spec(recipe, steps) }
}

fn only_run(root: &Path) -> PathBuf {
    let mut runs: Vec<PathBuf> =
        std::fs::read_dir(root.join("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

fn id(run: &Path) -> String {
    run.file_name().unwrap().to_str().unwrap().to_owned()
}

fn resume(root: &Path) -> Result<PathBuf, JobError> {
    run_blocking(root, &JobSpec::Resume(ResumeSpec { run: id(&only_run(root)) }), &mut |_| {})
}

/// The steps of a run without the seconds that they took.
fn curve(run: &Path) -> Vec<String> {
    read_lines_dropping_torn(&run.join("metrics.jsonl"))
        .unwrap()
        .iter()
        .map(|line| line.split(",\"seconds\"").next().unwrap().to_owned())
        .collect()
}

/// The files of a model, the curve of its run, and what was measured meanwhile.
type Made = (Vec<(String, Vec<u8>)>, Vec<String>, Vec<String>);

/// What a run made: every file of its model, its curve, and what was measured meanwhile.
fn made(run: &Path) -> Made {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(run.join("model"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    let logs = ["dynamics.jsonl", "asr.jsonl"].map(|name| read_lines_dropping_torn(&run.join(name)).unwrap());
    (files, curve(run), logs.concat())
}

fn uninterrupted(spec: &TrainSpec) -> Made {
    let (_keep, root) = fresh();
    made(&run_blocking(&root, &JobSpec::Train(spec.clone()), &mut |_| {}).unwrap())
}

/// Trains until `steps` steps are done, and stops there.
fn stopped_after(root: &Path, spec: &TrainSpec, steps: u64) -> PathBuf {
    let cancel = CancelToken::default();
    let asked = cancel.clone();
    let result = run_cancellable(root, &JobSpec::Train(spec.clone()), &cancel, &mut |event| {
        if matches!(event.kind, EventKind::Metric { step, .. } if step == steps) {
            asked.cancel();
        }
    });
    assert!(matches!(result, Err(JobError::Stopped { .. })), "{result:?}");
    only_run(root)
}

/// The message of an error that a run cannot go on.
fn refusal(root: &Path) -> String {
    let error = resume(root).unwrap_err();
    assert!(matches!(error, JobError::CannotResume { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_hundred_kills_at_random_moments_change_nothing() {
    let kills_wanted: usize = std::env::var("PLUMBLINE_KILLS").map_or(100, |n| n.parse().unwrap());
    let mut random = rng::stream(0, "kills", "moments");
    let recipes = [
        spec(Recipe::Recovery, 40),
        spec(Recipe::Constrained, 40),
        TrainSpec { lora: Some(LoraSpec::default()), ..spec(Recipe::Sft, 40) },
    ];
    let expected: Vec<_> = recipes.iter().map(uninterrupted).collect();
    let (mut kills, mut runs, mut during_training) = (0, 0, 0);
    let deadline = Instant::now() + Duration::from_mins(15);
    while kills < kills_wanted {
        let (spec, expected) = (&recipes[runs % 3], &expected[runs % 3]);
        runs += 1;
        let (keep, root) = fresh();
        let file = keep.path().join("spec.toml");
        std::fs::write(&file, JobSpec::Train(spec.clone()).to_toml().unwrap()).unwrap();
        let (mut begun, mut killed_at_its_end) = (false, false);
        loop {
            assert!(Instant::now() < deadline, "{kills} kills took too long");
            let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline"));
            if begun {
                command.arg("resume").arg(id(&only_run(&root)));
            } else {
                command.arg("run").arg(&file);
            }
            command.arg("--project").arg(&root).env("RUST_BACKTRACE", "0");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let patience = Duration::from_micros(random.random_range(5_000..260_000));
            let end = Instant::now() + patience;
            let mut status = None;
            while status.is_none() && Instant::now() < end && kills < kills_wanted {
                std::thread::sleep(Duration::from_millis(1));
                status = child.try_wait().unwrap();
            }
            if kills < kills_wanted && status.is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                // It may have been killed before it made its folder, or before the spec was in it.
                let folders = std::fs::read_dir(root.join("runs")).unwrap().count();
                begun = folders == 1 && Manifest::load(&only_run(&root)).is_ok();
                if folders == 1 && !begun {
                    std::fs::remove_dir_all(only_run(&root)).unwrap();
                }
                if begun {
                    let lines = curve(&only_run(&root)).len();
                    during_training += usize::from(lines > 0 && lines < 40);
                    let project = Project::open(&root).unwrap();
                    assert!(project.problems().is_empty(), "{:?}", project.problems());
                    // Killed between its last line and its end: nothing is left to go on with.
                    if Manifest::load(&only_run(&root)).unwrap().ended == DONE {
                        killed_at_its_end = true;
                        break;
                    }
                }
                continue;
            }
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "after {kills} kills: {error}");
            break;
        }
        let run = only_run(&root);
        assert!(made(&run) == *expected, "run {runs} after {kills} kills");
        assert_eq!(Manifest::load(&run).unwrap().ended, DONE);
        let project = Project::open(&root).unwrap();
        assert!(project.problems().is_empty(), "{:?}", project.problems());
        assert!(project.model("trained").is_some());
        let left = run.join("checkpoints").exists();
        assert!(killed_at_its_end || !left, "a finished run needs no checkpoints");
    }
    println!("{kills} kills in {runs} runs, {during_training} of them between the first step and the last");
    assert!(during_training * 5 >= kills_wanted, "too few kills met training: {during_training} of {kills}");
}

#[test]
fn a_stopped_run_goes_on_where_it_was_and_comes_to_the_same_end() {
    let probe =
        AsrProbeSpec { prompts: "attack".into(), limit: 2, max_new_tokens: 4, ..AsrProbeSpec::default() };
    let importance = ImportanceSpec::new(ImportanceSource::KlToBase { base: "base".into() });
    for (spec, stops) in [
        (spec(Recipe::Recovery, 12), vec![5]),
        (spec(Recipe::Constrained, 9), vec![1]),
        (TrainSpec { lora: Some(LoraSpec::default()), ..spec(Recipe::Sft, 9) }, vec![3]),
        (TrainSpec { asr_probe: Some(probe), ..spec(Recipe::Recovery, 9) }, vec![4]),
        (TrainSpec { recovery_points: 2, hardest_of: 3, ..spec(Recipe::Recovery, 9) }, vec![4]),
        (TrainSpec { multi_turn: Some(MultiTurnSpec::default()), ..spec(Recipe::Recovery, 9) }, vec![4]),
        (TrainSpec { importance: Some(importance), ..spec(Recipe::Constrained, 9) }, vec![4]),
        (TrainSpec { rows_at_once: Some(2), checkpointing: true, ..spec(Recipe::Recovery, 9) }, vec![8]),
    ] {
        let expected = uninterrupted(&spec);
        let (_keep, root) = fresh();
        let run = stopped_after(&root, &spec, stops[0]);
        let manifest = Manifest::load(&run).unwrap();
        assert_eq!(manifest.ended, STOPPED);
        assert_eq!(Checkpoints::new(&run.join("checkpoints")).all()[0].state.step as u64, stops[0]);
        let again = resume(&root).unwrap();
        assert_eq!(again, run, "it goes on in its own folder");
        assert!(made(&run) == expected, "{:?}", spec.recipe);
        let after = Manifest::load(&run).unwrap();
        assert_eq!((after.ended.as_str(), after.resumed.len()), (DONE, 1));
        assert_eq!(after.resumed[0].step as u64, stops[0]);
        assert!(after.tokens > manifest.tokens && after.seconds > manifest.seconds);
        assert_eq!(after.result.as_deref(), Some("model"));
        assert!(refusal(&root).contains("has come to its end"));
    }
}

#[test]
fn a_paused_run_waits_with_a_checkpoint_and_goes_on() {
    let spec = TrainSpec { checkpoint_steps: 0, ..spec(Recipe::Sft, 6) };
    let (_keep, root) = fresh();
    let cancel = CancelToken::default();
    let asked = cancel.clone();
    let mut paused = None;
    let root_again = root.clone();
    let waker = cancel.clone();
    run_cancellable(&root, &JobSpec::Train(spec.clone()), &cancel, &mut |event| match event.kind {
        EventKind::Metric { step: 2, .. } => {
            asked.pause(true);
            paused = Some(Instant::now());
            let (root, waker) = (root_again.clone(), waker.clone());
            std::thread::Builder::new()
                .name("waker".into())
                .spawn(move || {
                    let checkpoints = Checkpoints::new(&only_run(&root).join("checkpoints"));
                    while checkpoints.all().is_empty() {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    std::thread::sleep(Duration::from_millis(200));
                    waker.pause(false);
                })
                .unwrap();
        }
        EventKind::Metric { step: 3, .. } => {
            assert!(paused.unwrap().elapsed() >= Duration::from_millis(200), "it did not wait");
        }
        _ => {}
    })
    .unwrap();
    assert!(made(&only_run(&root)) == uninterrupted(&spec), "the run came to another end");
}

#[test]
fn a_broken_checkpoint_is_passed_over_for_the_one_before() {
    let spec = spec(Recipe::Recovery, 12);
    let expected = uninterrupted(&spec);
    for file in ["trained.safetensors", "optimiser.safetensors", "state.json"] {
        let (_keep, root) = fresh();
        let run = stopped_after(&root, &spec, 8);
        let latest = Checkpoints::new(&run.join("checkpoints")).all()[0].folder.clone();
        let bytes = std::fs::read(latest.join(file)).unwrap();
        std::fs::write(latest.join(file), &bytes[..bytes.len() / 2]).unwrap();
        resume(&root).unwrap();
        assert_eq!(Manifest::load(&run).unwrap().resumed[0].step, 6, "{file}");
        assert!(made(&run) == expected, "{file}");
    }
    // Without any, it begins again.
    let (_keep, root) = fresh();
    let run = stopped_after(&root, &spec, 8);
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    resume(&root).unwrap();
    assert!(made(&run) == expected, "the run came to another end");
}

#[test]
fn a_run_that_cannot_go_on_says_what_changed() {
    let spec = spec(Recipe::Sft, 12);
    // The data.
    let (_keep, root) = fresh();
    let run = stopped_after(&root, &spec, 4);
    let mut project = Project::open(&root).unwrap();
    let Examples::Chat(mut rows) = project.examples("anchor").unwrap() else { panic!("a chat set") };
    rows.push(ChatExample {
        id: "new".into(),
        messages: vec![Message::user("Say"), Message::assistant("No.")],
        ..ChatExample::default()
    });
    project.save_examples("anchor", &Examples::Chat(rows)).unwrap();
    drop(project);
    let lines = curve(&run);
    for _ in 0..2 {
        let message = refusal(&root);
        assert!(
            message.contains("datasets/anchor.jsonl") && message.contains("start a new run"),
            "{message}"
        );
    }
    assert_eq!(curve(&run), lines, "a refusal costs no line of the log");
    assert!(run.join("checkpoints").exists(), "nothing was lost");
    // The model.
    let (_keep, root) = fresh();
    stopped_after(&root, &spec, 4);
    common::write_model(&root.join("models/aligned"), 77);
    let message = refusal(&root);
    assert!(message.contains("models/aligned/model.safetensors"), "{message}");
    std::fs::remove_dir_all(root.join("models/aligned")).unwrap();
    assert!(resume(&root).unwrap_err().to_string().contains("aligned"));
    // The spec.
    let (_keep, root) = fresh();
    let run = stopped_after(&root, &spec, 4);
    let text = std::fs::read_to_string(run.join("spec.toml")).unwrap();
    std::fs::write(run.join("spec.toml"), text.replace("batch = 4", "batch = 5")).unwrap();
    assert!(refusal(&root).contains("spec.toml was changed"));
    // The version.
    let (_keep, root) = fresh();
    let run = stopped_after(&root, &spec, 4);
    let manifest = Manifest { plumbline: "0.0.1".into(), ..Manifest::load(&run).unwrap() };
    manifest.save(&run).unwrap();
    assert!(refusal(&root).contains("begun by Plumbline 0.0.1"));
    // A run that is not there.
    let none = JobSpec::Resume(ResumeSpec { run: "2026-01-01T00-00-00-sft".into() });
    let message = run_blocking(&root, &none, &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("has no run") && message.contains(&id(&run)), "{message}");
}

#[test]
fn a_diverging_run_stops_at_its_last_good_checkpoint_and_names_step_and_rows() {
    let spec = TrainSpec { learning_rate: 1e18, clip: 0.0, checkpoint_steps: 1, ..spec(Recipe::Sft, 30) };
    let (_keep, root) = fresh();
    let error = run_blocking(&root, &JobSpec::Train(spec), &mut |_| {}).unwrap_err();
    let JobError::Broken { step, folder, .. } = &error else { panic!("{error}") };
    assert!(*step >= 1 && folder.is_dir());
    let message = error.to_string();
    for part in ["diverged at step", "rows of that step: c", "learning rate", "checkpoints/step-0000"] {
        assert!(message.contains(part), "{message}");
    }
    let run = only_run(&root);
    assert!(Manifest::load(&run).unwrap().ended.starts_with("failed: "));
    assert_eq!(curve(&run).len(), *step, "the step that broke is not in the log");
}

#[test]
fn a_disk_that_is_full_costs_no_step_that_was_kept() {
    let (_keep, root) = fresh();
    let spec = spec(Recipe::Recovery, 12);
    let run = stopped_after(&root, &spec, 4);
    // No file may grow beyond 64 KiB: logs fit, a checkpoint does not.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" resume \"$1\" --project \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_plumbline"), &id(&run)])
        .arg(&root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("step-000006") && error.contains("Free some space"), "{error}");
    let mut left: Vec<String> = std::fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["step-000003", "step-000004"], "those from before stay, and no half of another");
    assert!(Manifest::load(&run).unwrap().ended.starts_with("failed: "));

    resume(&root).unwrap();
    assert!(made(&run) == uninterrupted(&spec), "the run came to another end");
}

#[test]
fn what_stands_in_the_way_of_checkpoints_is_named_and_the_run_begins_again() {
    let (_keep, root) = fresh();
    let spec = spec(Recipe::Recovery, 6);
    let run = stopped_after(&root, &spec, 2);
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    std::fs::write(run.join("checkpoints"), "in the way").unwrap();
    let error = resume(&root).unwrap_err().to_string();
    assert!(error.contains("checkpoints") && error.contains("cannot be written"), "{error}");
    std::fs::remove_file(run.join("checkpoints")).unwrap();
    resume(&root).unwrap();
    assert!(made(&run) == uninterrupted(&spec), "the run came to another end");
}
