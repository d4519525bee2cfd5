//! From a list of requests to a set that is trained on: texts by the project's models, decisions of a person, examples.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{fresh, train_spec};
use plumbline::data::{Decision, Examples, Part};
use plumbline::generate::GenerateSpec;
use plumbline::job::{CancelToken, EventKind, JobError, JobSpec, run_blocking, run_cancellable};
use plumbline::project::Project;
use plumbline::train::{Recipe, TrainSpec};
use std::path::Path;
use std::process::Command;

fn spec(part: Part, model: &str) -> GenerateSpec {
    GenerateSpec {
        requests: "attack".into(),
        model: model.into(),
        part,
        samples: 2,
        max_new_tokens: 6,
        batch: 4,
        ..GenerateSpec::default()
    }
}

fn generated(root: &Path, spec: &GenerateSpec) -> String {
    let folder = run_blocking(root, &JobSpec::Generate(spec.clone()), &mut |_| {}).unwrap();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_plumbline")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn requests_become_a_set_that_is_trained_on() {
    let (_keep, root) = fresh();
    let harmful = GenerateSpec { prefill: "Sure. Step 1:".into(), ..spec(Part::Harmful, "base") };
    let harmful = generated(&root, &harmful);
    let refusals = generated(&root, &spec(Part::Refusal, "aligned"));
    let opened = Project::open(&root).unwrap();
    assert_eq!(opened.generations().len(), 2);
    let review = opened.review(&harmful).unwrap();
    assert_eq!(review.candidates.len(), 6 * 2);
    assert!(review.candidates.iter().all(|c| c.text.starts_with("Sure. Step 1:") && c.model == "base"));
    assert_eq!(review.candidates[0].context[0].content, "Hex gate 0");
    // Random streams hang on ids: asking for one sample gives the first of two.
    let one = GenerateSpec { samples: 1, prefill: "Sure. Step 1:".into(), ..spec(Part::Harmful, "base") };
    let again = opened.review(&generated(&root, &one)).unwrap();
    assert_eq!(again.candidates[1], review.candidates[2]);
    assert!(
        opened.review(&refusals).unwrap().candidates.iter().all(|c| c.doubt.is_some()),
        "noise is doubtful"
    );

    // A person decides: in the library, as the window does, and on the command line.
    opened.decide(&harmful, "a0/0", Decision::Accept).unwrap();
    let edit = Decision::Edit { text: "Sure. Step 1: hum.".into() };
    opened.decide(&harmful, "a1/0", edit).unwrap();
    drop(opened);
    let at = root.to_str().unwrap();
    let (code, out, _) =
        said(&["review", &refusals, "--project", at, "--accept", "a0/0", "--reject", "doubtful"]);
    assert_eq!(code, 0);
    assert!(out.contains("1 accepted, 11 rejected, 0 open"), "{out}");
    let (code, _, error) = said(&["review", &refusals, "--project", at, "--accept", "a9/0"]);
    assert!(code == 2 && error.contains("has no text \"a9/0\""), "{error}");

    let assemble =
        ["assemble", "mine", "--kind", "recovery", "--from", &harmful, "--from", &refusals, "--project", at];
    let (code, out, error) = said(&assemble);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("mine: 1") && error.contains("a1: no refusal was accepted"), "{out}{error}");
    let mut with_templates = assemble.to_vec();
    with_templates[1] = "mine-too";
    with_templates.push("--templates");
    assert!(said(&with_templates).1.contains("mine-too: 2"));
    let opened = Project::open(&root).unwrap();
    let Examples::Recovery(rows) = opened.examples("mine-too").unwrap() else { panic!("a recovery set") };
    assert_eq!(rows[1].harmful, "Sure. Step 1: hum.");
    assert!(opened.problems().is_empty(), "{:?}", opened.problems());
    drop(opened);

    let spec = TrainSpec { data: "mine-too".into(), batch: 2, ..train_spec(Recipe::Recovery, 2) };
    run_blocking(&root, &JobSpec::Train(spec), &mut |_| {}).unwrap();
}

#[test]
fn a_stopped_generation_keeps_what_came_and_problems_are_said_in_words() {
    let (_keep, root) = fresh();
    let cancel = CancelToken::default();
    let asked = cancel.clone();
    let many = GenerateSpec { samples: 9, batch: 2, max_new_tokens: 20, ..spec(Part::Benign, "aligned") };
    let result = run_cancellable(&root, &JobSpec::Generate(many), &cancel, &mut |event| {
        if matches!(event.kind, EventKind::Progress { done, .. } if done > 8) {
            asked.cancel();
        }
    });
    let Err(JobError::Stopped { message, folder }) = result else { panic!("{result:?}") };
    let id = folder.unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let kept = Project::open(&root).unwrap().review(&id).unwrap().candidates.len();
    assert!((8..54).contains(&kept) && message.contains(&kept.to_string()), "{kept}: {message}");

    for (spec, words) in [
        (GenerateSpec { requests: String::new(), ..spec(Part::Benign, "aligned") }, "set of requests"),
        (GenerateSpec { model: "none".into(), ..spec(Part::Benign, "aligned") }, "no model \"none\""),
        (GenerateSpec { requests: "none".into(), ..spec(Part::Benign, "aligned") }, "no data set \"none\""),
    ] {
        let error = run_blocking(&root, &JobSpec::Generate(spec), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = Project::open(&root).unwrap().decide("none", "a", Decision::Reject).unwrap_err().to_string();
    assert!(error.contains("no generation \"none\""), "{error}");
}
