//! The results that the demo project is shipped with are real: a part of them is made again and compared, and the rest
//! follows from their logs.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::demo::{self, results};
use plumbline::evaluate::{EvaluateSpec, Records, Response, summarise};
use plumbline::job::{CancelToken, EventKind, JobError, JobSpec, run_blocking, run_cancellable};
use plumbline::project::{Project, RunInfo};
use std::path::{Path, PathBuf};

/// What may differ from the machine that made the results: a processor of another kind adds up in another order
/// (docs/performance.md). On the same kind every figure is equal.
const TOLERANCE: f64 = 2e-3;

fn unpacked() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    demo::unpack(&root).unwrap();
    (folder, root)
}

fn run_of<'a>(runs: &'a [RunInfo], name: &str) -> &'a RunInfo {
    runs.iter().find(|run| run.spec.name == name).unwrap()
}

#[test]
fn the_shipped_results_are_whole_and_follow_from_their_logs() {
    let (_folder, root) = unpacked();
    let project = Project::open(&root).unwrap();
    assert_eq!(project.problems(), Vec::<String>::new());
    let runs = project.runs();
    assert_eq!(runs.len(), results::runs().len());
    for spec in results::runs() {
        let run = run_of(&runs, &spec.name);
        assert_eq!(run.spec, spec, "projects/demo is older than its spec: make it again");
        assert!(run.manifest.is_done());
    }
    let evaluations = project.evaluations();
    for spec in results::evaluations() {
        let info = evaluations.iter().find(|e| e.spec == spec);
        let info = info.unwrap_or_else(|| panic!("projects/demo lacks \"{}\": make it again", spec.title));
        let records = project.records(&info.id).unwrap();
        let again = summarise(&spec, &records);
        assert_eq!(info.summary.as_ref(), Some(&again), "{}", spec.title);
    }
    // The repository's own models stay small.
    let weights: u64 = walk(&root).iter().filter(|p| p.ends_with(".safetensors")).map(|p| size(p)).sum();
    assert!(weights <= 8 << 20, "{weights} bytes of weights are shipped");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}

fn size(path: &str) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// The first steps of the deepening, once more.
#[test]
fn the_deepening_begins_again_as_it_was() {
    const STEPS: usize = 4;
    let (_folder, root) = unpacked();
    let before = {
        let project = Project::open(&root).unwrap();
        let id = run_of(&project.runs(), "deepened").id.clone();
        project.metrics(&id).unwrap()
    };
    let mut spec = results::runs().remove(0);
    spec.name = "again".to_owned();
    // What is measured meanwhile changes nothing of the run, and takes time here.
    spec.asr_probe = None;
    spec.dynamics.points = 0;
    let cancel = CancelToken::default();
    let ended = run_cancellable(&root, &JobSpec::Train(spec), &cancel, &mut |event| {
        if matches!(event.kind, EventKind::Metric { step, .. } if step as usize >= STEPS) {
            cancel.cancel();
        }
    });
    let Err(JobError::Stopped { folder: Some(folder), .. }) = ended else { panic!("{ended:?}") };
    let project = Project::open(&root).unwrap();
    let after = project.metrics(&folder.file_name().unwrap().to_string_lossy()).unwrap();
    assert!(after.len() >= STEPS);
    for (a, b) in after.iter().zip(&before) {
        assert_eq!(a.step, b.step);
        let difference = (a.loss - b.loss).abs() / b.loss.abs();
        assert!(difference <= TOLERANCE, "step {}: loss {} and {}", a.step, a.loss, b.loss);
    }
}

/// Both models answer a few of the prompts once more, at every depth.
#[test]
fn the_models_answer_as_they_did() {
    const PROMPTS: usize = 4;
    let (_folder, root) = unpacked();
    let headline = results::evaluations().pop().unwrap();
    let spec =
        EvaluateSpec { limit: Some(PROMPTS), utility: None, title: "again".into(), ..headline.clone() };
    let folder = run_blocking(&root, &JobSpec::Evaluate(spec), &mut |_| {}).unwrap();
    let project = Project::open(&root).unwrap();
    let shipped = project.evaluations().into_iter().find(|e| e.spec == headline).unwrap();
    let shipped = project.records(&shipped.id).unwrap();
    let again = project.records(&folder.file_name().unwrap().to_string_lossy()).unwrap();

    let text = |records: &Records, wanted: &Response| {
        records.responses.iter().find(|r| r.id == wanted.id).map(|r| r.text.clone())
    };
    let same = again.responses.iter().filter(|r| text(&shipped, r).as_ref() == Some(&r.text)).count();
    // 2 models and the reference × 5 depths; on another kind of processor a tie may fall the other way.
    assert_eq!(again.responses.len(), 3 * 5 * PROMPTS);
    assert!(
        10 * same >= 9 * again.responses.len(),
        "{same} of {} answers are the same",
        again.responses.len()
    );

    assert_eq!(again.kl.len(), 2 * PROMPTS);
    for line in &again.kl {
        let old = shipped.kl.iter().find(|l| l.model == line.model && l.prompt_id == line.prompt_id).unwrap();
        for (a, b) in line.kl.iter().zip(&old.kl) {
            assert!((f64::from(*a) - f64::from(*b)).abs() <= TOLERANCE, "{}: {a} and {b}", line.prompt_id);
        }
    }
}
