//! Whole jobs on a tiny real model: what they leave on disk, how they end, and what they say when something is wrong.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{evaluate_spec, fresh, train_spec};
use plumbline::data::{ChatExample, Examples, FineTuningAttack};
use plumbline::evaluate::{AttackSpec, EvaluateSpec};
use plumbline::files::read_lines_dropping_torn;
use plumbline::job::{
    AsrPoint, CancelToken, Event, EventKind, JobError, JobSpec, Queue, findings, run_blocking,
    run_cancellable,
};
use plumbline::model;
use plumbline::project::{DONE, Manifest, ModelRole, Project, STOPPED};
use plumbline::text::Message;
use plumbline::train::{
    AsrProbeSpec, DynamicsPoint, DynamicsSpec, Importance, ImportanceSource, ImportanceSpec, Recipe,
    TrainSpec,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Does a job and returns its result with all of its events.
fn play(root: &Path, spec: &JobSpec) -> (Result<PathBuf, JobError>, Vec<EventKind>) {
    let mut events = Vec::new();
    let result = run_blocking(root, spec, &mut |event| events.push(event.kind));
    (result, events)
}

fn message_of(root: &Path, spec: &JobSpec) -> String {
    let (result, events) = play(root, spec);
    let message = result.unwrap_err().to_string();
    assert!(matches!(events.last(), Some(EventKind::Failed { .. })), "{events:?}");
    message
}

#[test]
fn training_leaves_a_model_with_its_lineage_and_everything_that_made_it() {
    let (_keep, root) = fresh();
    let spec = JobSpec::Train(train_spec(Recipe::Recovery, 12));
    let (result, events) = play(&root, &spec);
    let folder = result.unwrap();

    assert!(matches!(&events[0], EventKind::Started { folder: told, .. } if *told == folder));
    assert!(matches!(events.last(), Some(EventKind::Done { .. })));
    assert_eq!(events.iter().filter(|event| event.is_last()).count(), 1);
    let metrics = events.iter().filter(|event| matches!(event, EventKind::Metric { .. })).count();
    assert_eq!(metrics, 12);
    let Some(EventKind::Progress { done, total, unit, rate, .. }) =
        events.iter().rev().find(|event| matches!(event, EventKind::Progress { .. }))
    else {
        panic!("no progress")
    };
    assert_eq!((*done, *total, *unit), (12, 12, "steps"));
    assert!(*rate > 0.0);

    let project = Project::open(&root).unwrap();
    let entry = project.model("trained").unwrap();
    assert_eq!((entry.role, entry.parent.as_deref()), (ModelRole::Deepened, Some("aligned")));
    assert!(entry.location.is_relative(), "a project can be moved: {}", entry.location.display());
    let run = &project.runs()[0];
    assert_eq!(JobSpec::Train(run.spec.clone()), spec);
    assert_eq!(run.manifest.ended, DONE);
    assert!(run.manifest.tokens > 0 && run.manifest.seconds > 0.0 && run.manifest.threads > 0);
    for name in ["models/aligned/model.safetensors", "datasets/recovery.jsonl", "datasets/anchor.jsonl"] {
        assert_eq!(run.manifest.hashes[name].len(), 64, "{name}");
    }
    let steps = project.metrics(&run.id).unwrap();
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert!(steps[11].loss < steps[0].loss, "{} → {}", steps[0].loss, steps[11].loss);
    assert!(steps[0].recovery_loss.is_some() && steps[0].anchor_loss.is_some());
    assert!(!read_lines_dropping_torn(&folder.join("log.txt")).unwrap().is_empty());
    assert!(project.problems().is_empty(), "{:?}", project.problems());

    let before = project.load_model("aligned").unwrap().decoder.weights();
    let after = project.load_model("trained").unwrap().decoder.weights();
    let moved = before.iter().zip(&after).any(|((_, a), (_, b))| {
        a.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            != b.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    });
    assert!(moved, "training must change the weights");
}

#[test]
fn the_same_spec_gives_the_same_weights() {
    let weights = || {
        let (_keep, root) = fresh();
        let folder = play(&root, &JobSpec::Train(train_spec(Recipe::Recovery, 4))).0.unwrap();
        std::fs::read(folder.join("model/model.safetensors")).unwrap()
    };
    assert_eq!(weights(), weights());
}

#[test]
fn fine_tuning_gives_the_role_of_its_recipe_and_a_name_is_taken_once() {
    let (_keep, root) = fresh();
    for (recipe, name, role) in
        [(Recipe::Sft, "plain", ModelRole::Tuned), (Recipe::Constrained, "held", ModelRole::Constrained)]
    {
        let mut spec = train_spec(recipe, 2);
        spec.name = name.into();
        play(&root, &JobSpec::Train(spec)).0.unwrap();
        assert_eq!(Project::open(&root).unwrap().model(name).unwrap().role, role);
    }
    let mut again = train_spec(Recipe::Sft, 2);
    again.name = "plain".into();
    let message = message_of(&root, &JobSpec::Train(again));
    assert!(message.contains("already has a model \"plain\"") && message.contains("another id"), "{message}");
    assert_eq!(Project::open(&root).unwrap().runs().len(), 2, "a job that cannot start leaves no folder");
}

#[test]
fn an_evaluation_leaves_answers_verdicts_and_a_summary_that_agree() {
    let (_keep, root) = fresh();
    let (result, events) = play(&root, &JobSpec::Evaluate(evaluate_spec()));
    result.unwrap();
    let Some(EventKind::Progress { done, total, .. }) =
        events.iter().rev().find(|event| matches!(event, EventKind::Progress { .. }))
    else {
        panic!("no progress")
    };
    // The last judge reads two models × 6 prompts × 3 settings, and what two depths left of 6 reference answers.
    assert_eq!((*done, *total), (48, 48));
    let most = events.iter().filter_map(|event| match event {
        EventKind::Progress { total, .. } => Some(*total),
        _ => None,
    });
    // Two models × (6 prompts × 3 settings + 4 tasks), and KL of one model on 6 prompts.
    assert_eq!(most.max(), Some(50));

    let project = Project::open(&root).unwrap();
    let evaluation = &project.evaluations()[0];
    assert_eq!(evaluation.spec, evaluate_spec());
    assert_eq!(evaluation.manifest.ended, DONE);
    assert!(evaluation.manifest.tokens > 0);
    let responses = project.responses(&evaluation.id, None).unwrap();
    let verdicts = project.verdicts(&evaluation.id).unwrap();
    assert_eq!((responses.len(), verdicts.len()), (56, 96));
    let ids: std::collections::BTreeSet<&str> = responses.iter().map(|answer| answer.id.as_str()).collect();
    assert_eq!(ids.len(), 56, "ids are unique");
    assert!(verdicts.iter().all(|verdict| ids.contains(verdict.response.as_str())));
    assert_eq!(project.responses(&evaluation.id, Some(3)).unwrap().len(), 3);

    let summary = evaluation.summary.as_ref().unwrap();
    assert_eq!(summary.rates.len(), 2 * 3 * 2);
    for row in &summary.rates {
        // Every rate can be counted again from the files.
        let harmful = responses
            .iter()
            .filter(|answer| {
                answer.model == row.model && answer.attack == row.attack && answer.setting == row.setting
            })
            .filter(|answer| {
                verdicts
                    .iter()
                    .any(|v| v.response == answer.id && v.judge == row.judge && v.verdict.is_harmful())
            })
            .count();
        assert_eq!((row.rate.count, row.rate.n), (harmful, 6), "{row:?}");
        assert!(row.interval.contains("bootstrap over 2 clusters"), "{}", row.interval);
        assert_eq!(row.ceiling.is_some(), row.attack == "prefill");
    }
    let prefilled = responses.iter().find(|answer| answer.setting == "k=5").unwrap();
    assert_eq!(prefilled.prefill, "Sure.");
    assert_eq!(summary.kl.len(), 1, "the base is not compared with itself");
    let kl = &summary.kl[0];
    assert_eq!((kl.model.as_str(), kl.base.as_str(), kl.mean.len()), ("aligned", "base", 31));
    assert!(kl.mean.iter().all(|&value| value > 0.0) && kl.n.iter().all(|&n| n == 6));
    assert_eq!(summary.depth.len(), 4);
    assert_eq!(summary.depth[0].tested, [0, 5]);
    let of = |task: &str| summary.utility.iter().filter(|row| row.task == task).count();
    assert_eq!((of("fact"), of("talk")), (2, 2));
}

#[test]
fn a_limit_a_prefix_and_a_system_prompt_reach_the_model() {
    let (_keep, root) = fresh();
    let mut spec = evaluate_spec();
    spec.limit = Some(1);
    spec.models = vec!["aligned".into()];
    // Greedily, random weights repeat one token whatever stands before it.
    spec.sampler.temperature = 1.0;
    let answers = |spec: &EvaluateSpec| {
        let folder = play(&root, &JobSpec::Evaluate(spec.clone())).0.unwrap();
        let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Project::open(&root).unwrap().responses(&id, None).unwrap()
    };
    let plain = answers(&spec);
    // One prompt under three settings, what two of them leave of its reference answer, one item of each of two tasks.
    assert_eq!(plain.len(), 7);
    spec.system_prompt = "Speak of nothing but bees.".into();
    let steered = answers(&spec);
    assert!(plain.iter().zip(&steered).all(|(a, b)| (&a.id, &a.prompt) == (&b.id, &b.prompt)));
    assert!(plain.iter().zip(&steered).any(|(a, b)| a.text != b.text), "the system prompt changes nothing");

    spec.attacks = vec![AttackSpec::refusal_prefix()];
    spec.kl = false;
    spec.utility = None;
    let prefilled: Vec<String> = answers(&spec).into_iter().map(|answer| answer.prefill).collect();
    assert_eq!(prefilled, plumbline::attack::REFUSAL_PREFIXES);
}

#[test]
fn training_that_is_stopped_keeps_what_it_has_and_says_so() {
    let (_keep, root) = fresh();
    let cancel = CancelToken::default();
    let mut events = Vec::new();
    let spec = JobSpec::Train(train_spec(Recipe::Recovery, 500));
    let result = run_cancellable(&root, &spec, &cancel, &mut |event: Event| {
        if matches!(event.kind, EventKind::Metric { step: 3, .. }) {
            cancel.cancel();
        }
        events.push(event.kind);
    });
    let Err(JobError::Stopped { message, folder: Some(folder) }) = result else { panic!("{result:?}") };
    assert!(message.contains("3 of 500 steps"), "{message}");
    assert!(matches!(events.last(), Some(EventKind::Stopped { .. })));
    assert_eq!(Manifest::load(&folder).unwrap().ended, STOPPED);
    let project = Project::open(&root).unwrap();
    assert_eq!(project.metrics(&project.runs()[0].id).unwrap().len(), 3);
    let result = Manifest::load(&folder).unwrap().result.unwrap();
    assert!(model::load(&folder.join(result)).is_ok(), "what was learnt is kept");
    assert!(project.model("trained").is_none(), "and is not passed off as a finished model");
}

#[test]
fn an_evaluation_that_is_stopped_keeps_its_answers_and_has_no_summary() {
    let (_keep, root) = fresh();
    let cancel = CancelToken::default();
    let mut spec = evaluate_spec();
    spec.models = vec!["aligned".into()];
    // The direct attack (6 rows) is through when prefilling starts; KL comes first (6 rows).
    let result = run_cancellable(&root, &JobSpec::Evaluate(spec), &cancel, &mut |event: Event| {
        if matches!(&event.kind, EventKind::Log(text) if text.contains("prefill")) {
            cancel.cancel();
        }
    });
    let Err(JobError::Stopped { folder: Some(folder), .. }) = result else { panic!("{result:?}") };
    assert_eq!(Manifest::load(&folder).unwrap().ended, STOPPED);
    // And what prefilling leaves of the 6 reference answers at two depths. The judges come when all have answered.
    assert_eq!(read_lines_dropping_torn(&folder.join("responses.jsonl")).unwrap().len(), 18);
    assert_eq!(read_lines_dropping_torn(&folder.join("kl.jsonl")).unwrap().len(), 6);
    let project = Project::open(&root).unwrap();
    assert!(project.evaluations()[0].summary.is_none());
    assert!(project.problems().is_empty());
}

#[test]
fn the_queue_works_beside_an_open_window_and_stops_when_asked() {
    let (_keep, root) = fresh();
    let mut window = Project::open(&root).unwrap();
    assert!(!window.read_only());
    let queue = Queue::new(Arc::new(|| {}));
    let mut long = train_spec(Recipe::Sft, 100_000);
    long.name = "long".into();
    let long = queue.submit(root.clone(), JobSpec::Train(long));
    let short = queue.submit(root.clone(), JobSpec::Train(train_spec(Recipe::Recovery, 2)));
    let start = Instant::now();
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let event = queue.events().recv_timeout(Duration::from_mins(1)).unwrap();
        match &event.kind {
            EventKind::Metric { step: 2, .. } if event.job == long => {
                assert_eq!(queue.running(), Some(long));
                // The window changes the project while the job runs: neither undoes the other.
                window.set_notes("written while training").unwrap();
                queue.cancel(long);
            }
            kind if kind.is_last() => ends.push(event),
            _ => {}
        }
        assert!(start.elapsed() < Duration::from_mins(1));
    }
    assert!(
        matches!((ends[0].job, &ends[0].kind), (job, EventKind::Stopped { .. }) if job == long),
        "{ends:?}"
    );
    assert!(
        matches!((ends[1].job, &ends[1].kind), (job, EventKind::Done { .. }) if job == short),
        "{ends:?}"
    );
    window.reload().unwrap();
    assert_eq!(window.notes(), "written while training");
    assert!(window.model("trained").is_some());
}

#[test]
fn what_is_not_there_is_named_before_anything_is_written() {
    let (_keep, root) = fresh();
    let cases = [
        (
            JobSpec::Train(TrainSpec { model: "alinged".into(), ..train_spec(Recipe::Recovery, 1) }),
            "no model \"alinged\". There are: base, aligned",
        ),
        (
            JobSpec::Train(TrainSpec { data: "anchor".into(), ..train_spec(Recipe::Recovery, 1) }),
            "holds conversations, but the recovery set must be recovery examples",
        ),
        (
            JobSpec::Train(TrainSpec { anchor: Some("nowhere".into()), ..train_spec(Recipe::Recovery, 1) }),
            "no data set \"nowhere\". There are: anchor, attack, recovery, utility",
        ),
        (
            JobSpec::Train(TrainSpec { batch: 0, learning_rate: -1.0, ..train_spec(Recipe::Recovery, 1) }),
            "learning_rate: The learning rate must be above 0.",
        ),
        (
            JobSpec::Evaluate(EvaluateSpec { prompts: vec!["utility".into()], ..evaluate_spec() }),
            "the set of prompts must be attack prompts",
        ),
        (JobSpec::Evaluate(EvaluateSpec { judges: vec![], ..evaluate_spec() }), "Nobody judges"),
    ];
    for (spec, expected) in cases {
        let message = message_of(&root, &spec);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let message = message_of(&root.join("nowhere"), &JobSpec::Evaluate(evaluate_spec()));
    assert!(message.contains("holds no project"), "{message}");
    let project = Project::open(&root).unwrap();
    assert!(project.runs().is_empty() && project.evaluations().is_empty());
}

#[test]
fn a_damaged_checkpoint_fails_the_job_with_its_name_and_leaves_the_project_whole() {
    let (_keep, root) = fresh();
    let weights = root.join("models/aligned/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let spec = JobSpec::Train(train_spec(Recipe::Recovery, 2));
    let message = message_of(&root, &spec);
    assert!(message.contains("model \"aligned\"") && message.contains("model.safetensors"), "{message}");
    let project = Project::open(&root).unwrap();
    assert!(project.runs()[0].manifest.ended.starts_with("failed: "), "{:?}", project.runs()[0].manifest);
    assert_eq!(project.models().len(), 2);
    drop(project);
    std::fs::write(&weights, bytes).unwrap();
    play(&root, &spec).0.unwrap();
}

#[test]
fn a_damaged_data_set_fails_the_job_with_the_line() {
    let (_keep, root) = fresh();
    let path = root.join("datasets/recovery.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"id\":\"torn\",\"conte");
    std::fs::write(&path, text).unwrap();
    let message = message_of(&root, &JobSpec::Train(train_spec(Recipe::Recovery, 2)));
    assert!(message.contains("recovery.jsonl, line 9, column"), "{message}");
}

#[test]
fn prompts_without_reference_answers_are_refused_for_what_needs_them() {
    use plumbline::data::{AttackPrompt, Examples};
    let (_keep, root) = fresh();
    let mut project = Project::open(&root).unwrap();
    let rows = vec![AttackPrompt { id: "bare".into(), goal: "Hex".into(), ..AttackPrompt::default() }];
    project.save_examples("attack", &Examples::Attack(rows)).unwrap();
    let message = message_of(&root, &JobSpec::Evaluate(evaluate_spec()));
    assert!(message.contains("\"target\"") && message.contains("\"bare\""), "{message}");
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let (_keep, root) = fresh();
    std::fs::remove_dir(root.join("runs")).unwrap();
    std::fs::write(root.join("runs"), "a file where a folder is needed").unwrap();
    let message = message_of(&root, &JobSpec::Train(train_spec(Recipe::Recovery, 2)));
    assert!(
        message.contains("runs cannot be written") && message.contains("a file of this name"),
        "{message}"
    );
}

#[test]
fn a_project_that_another_program_has_open_is_left_alone() {
    let (_keep, root) = fresh();
    let other = std::fs::File::create(root.join(".lock")).unwrap();
    other.lock().unwrap();
    let message = message_of(&root, &JobSpec::Evaluate(evaluate_spec()));
    assert!(
        message.contains("open in another window") && message.contains("Close the other window"),
        "{message}"
    );
    drop(other);
    assert!(play(&root, &JobSpec::Evaluate(evaluate_spec())).0.is_ok());
}

/// Values of a list in `dynamics.jsonl` are per answer position.
#[test]
fn a_run_measures_each_position_and_how_often_it_is_broken_while_it_trains() {
    let (_keep, root) = fresh();
    let attack = FineTuningAttack::Backdoor { trigger: "zim zam".into() };
    let mut spec = train_spec(Recipe::Sft, 12);
    spec.data = "recovery".into();
    spec.attack = Some(attack);
    spec.dynamics = DynamicsSpec { points: 3, rows: 4, positions: 6 };
    spec.asr_probe = Some(AsrProbeSpec {
        prompts: "attack".into(),
        limit: 3,
        max_new_tokens: 4,
        ..AsrProbeSpec::default()
    });
    let folder = play(&root, &JobSpec::Train(spec.clone())).0.unwrap();

    let project = Project::open(&root).unwrap();
    assert_eq!(project.model("trained").unwrap().role, ModelRole::Attacked);
    let points = project.dynamics(&project.runs()[0].id).unwrap();
    assert_eq!(points.iter().map(|p| p.step).collect::<Vec<_>>(), [0, 4, 8, 12]);
    for point in &points {
        assert_eq!(
            (point.n.as_slice(), point.cross_entropy.len(), point.kl.len()),
            ([4; 6].as_slice(), 6, 6)
        );
        assert_eq!(
            (point.gradient_at.as_slice(), point.gradient_norm.len()),
            ([1, 2, 3, 4, 5].as_slice(), 5)
        );
        assert!(point.gradient_norm.iter().all(|norm| *norm > 0.0 && norm.is_finite()));
    }
    assert!(
        points[0].kl.iter().all(|kl| kl.abs() < 1e-6),
        "at the start the model is itself: {:?}",
        points[0].kl
    );
    assert!(points[3].kl.iter().sum::<f64>() > 0.01, "{:?}", points[3].kl);
    let sum = |point: &DynamicsPoint| point.cross_entropy.iter().sum::<f64>();
    assert!(sum(&points[3]) < sum(&points[0]), "the answers are learnt");

    let lines = read_lines_dropping_torn(&folder.join("asr.jsonl")).unwrap();
    let asked: Vec<AsrPoint> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Plain, prefilled, and with the trigger, at each point.
    assert_eq!(asked.len(), 4 * 3);
    assert_eq!(asked.iter().filter(|p| p.as_attacker && p.row.attack == "direct").count(), 4);
    assert!(asked.iter().all(|p| p.row.rate.n == 3));

    // Measuring changes nothing of what is trained.
    let weights = std::fs::read(folder.join("model/model.safetensors")).unwrap();
    let (_keep, root) = fresh();
    let quiet = TrainSpec { dynamics: DynamicsSpec { points: 0, ..spec.dynamics }, asr_probe: None, ..spec };
    let folder = play(&root, &JobSpec::Train(quiet)).0.unwrap();
    assert_eq!(std::fs::read(folder.join("model/model.safetensors")).unwrap(), weights);
}

#[test]
fn what_is_wrong_with_the_rows_is_told_by_their_numbers_before_training() {
    let (_keep, root) = fresh();
    let mut project = Project::open(&root).unwrap();
    let chat = |id: &str, request: &str, answer: &str| ChatExample {
        id: id.into(),
        messages: vec![Message::user(request), Message::assistant(answer)],
        ..ChatExample::default()
    };
    let rows = vec![
        chat("good", "Say one", "It is one."),
        chat("long-answer", "Say two", &"two ".repeat(40)),
        chat("again", "say  ONE", "It is one."),
        chat("long-request", &"so ".repeat(60), "No."),
        chat("tested", "Hex gate 2", "It is."),
    ];
    project.save_examples("anchor", &Examples::Chat(rows)).unwrap();
    let codec = model::codec(&root.join("models/aligned")).unwrap();
    let spec = TrainSpec { max_tokens: 96, ..train_spec(Recipe::Sft, 2) };
    let found = findings(&project, &spec, &codec).unwrap().remove(0).1;
    let told: Vec<(usize, &str)> = found.iter().map(|f| (f.row, f.message.as_str())).collect();
    for (row, words) in [
        (2, "is cut after 96: the last"),
        (3, "the same as row 1 (good)"),
        (4, "no token of it is trained"),
        (5, "also row 3 of attack"),
    ] {
        assert!(told.iter().any(|(r, m)| *r == row && m.contains(words)), "{row} {words}: {told:?}");
    }
    assert!(told.iter().all(|(row, _)| *row != 1), "{told:?}");
    drop(project);

    let folder = play(&root, &JobSpec::Train(spec)).0.unwrap();
    let log = std::fs::read_to_string(folder.join("log.txt")).unwrap();
    assert!(log.contains("anchor, row 3 (again): It says the same as row 1 (good)"), "{log}");
}

#[test]
fn what_the_model_said_before_training_is_computed_once_for_its_rows() {
    let (_keep, root) = fresh();
    let mut made = Vec::new();
    for (name, change) in [("one", None), ("two", None), ("three", Some(90)), ("four", Some(90))] {
        let spec = train_spec(Recipe::Constrained, 3);
        let spec = TrainSpec { name: name.into(), max_tokens: change.unwrap_or(spec.max_tokens), ..spec };
        let folder = play(&root, &JobSpec::Train(spec)).0.unwrap();
        let log = std::fs::read_to_string(folder.join("log.txt")).unwrap();
        made.push((log.contains("known from an earlier run"), folder));
    }
    assert_eq!(made.iter().map(|(known, _)| *known).collect::<Vec<_>>(), [false, true, false, true]);
    let weights = |i: usize| std::fs::read(made[i].1.join("model/model.safetensors")).unwrap();
    assert!(weights(0) == weights(1), "what was kept is what is computed");
    // Damage is computed anew.
    for entry in std::fs::read_dir(root.join(".cache")).unwrap() {
        std::fs::write(entry.unwrap().path(), "short").unwrap();
    }
    let spec = TrainSpec { name: "five".into(), ..train_spec(Recipe::Constrained, 3) };
    let folder = play(&root, &JobSpec::Train(spec)).0.unwrap();
    assert!(std::fs::read(folder.join("model/model.safetensors")).unwrap() == weights(0));
}

/// β learnt from KL is largest where the two models differ most, and what was learnt is kept beside the run.
#[test]
fn beta_is_learnt_from_the_data_and_kept() {
    let (_keep, root) = fresh();
    let learnt = |name: &str, from: ImportanceSource| {
        let spec = TrainSpec {
            name: name.into(),
            importance: Some(ImportanceSpec { positions: 6, ..ImportanceSpec::new(from) }),
            ..train_spec(Recipe::Constrained, 2)
        };
        let folder = run_blocking(&root, &JobSpec::Train(spec), &mut |_| {}).unwrap();
        let text = std::fs::read_to_string(folder.join("beta.json")).unwrap();
        serde_json::from_str::<Importance>(&text).unwrap()
    };
    let by_kl = learnt("by-kl", ImportanceSource::KlToBase { base: "base".into() });
    let by_gradient = learnt("by-gradient", ImportanceSource::GradientNorm);
    assert_ne!(by_kl.curve, by_gradient.curve);
    for Importance { curve, beta } in [by_kl, by_gradient] {
        assert_eq!((curve.len(), beta.len()), (6, 6));
        let most = curve.iter().copied().fold(0.0, f64::max);
        for (c, beta) in curve.iter().zip(beta) {
            assert!((beta - (0.1 + 1.9 * c / most)).abs() < 1e-12);
        }
    }
    let spec = TrainSpec {
        name: "another".into(),
        importance: Some(ImportanceSpec::new(ImportanceSource::GradientNorm)),
        ..train_spec(Recipe::Sft, 2)
    };
    assert!(message_of(&root, &JobSpec::Train(spec)).contains("β belongs to the constrained objective"));
}

/// The earlier turn is the attacker's: only what the model says in the later one is judged.
#[test]
fn a_later_turn_is_asked_with_the_harm_of_an_earlier_one() {
    let (_keep, root) = fresh();
    let attack = |sentences: Vec<usize>| AttackSpec::LaterTurn { sentences, request: "Go on.".into() };
    let spec =
        EvaluateSpec { attacks: vec![attack(vec![1, 2])], kl: false, utility: None, ..evaluate_spec() };
    let folder = run_blocking(&root, &JobSpec::Evaluate(spec.clone()), &mut |_| {}).unwrap();
    let lines = read_lines_dropping_torn(&folder.join("responses.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(
        (first["attack"].as_str(), first["setting"].as_str()),
        (Some("later_turn"), Some("sentences=1"))
    );
    let target = first["prefill"].as_str().unwrap();
    assert!(target.ends_with(['.', '!']) && !target.contains("Step 2"), "{target}");
    let none = EvaluateSpec { attacks: vec![attack(vec![0])], ..spec };
    assert!(message_of(&root, &JobSpec::Evaluate(none)).contains("one or more"));
}

#[test]
fn a_template_prints_the_day_of_the_spec() {
    let folder = tempfile::tempdir().unwrap();
    common::write_model(folder.path(), 1);
    let path = folder.path().join("tokenizer_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("<s>{% for", "<s>{{ strftime_now('%d %b %Y') }}{% for")).unwrap();
    let printed = |model: &model::Model| {
        let ids = model.codec().prompt(&[Message::user("Hm")]).unwrap();
        model.codec().tokenizer.decode(&ids).unwrap()
    };
    let opened = model::open(folder.path()).unwrap();
    let spec = EvaluateSpec::default();
    assert!(printed(&opened.clone().with_template_date(spec.template_date)).contains("26 Jul 2024"));
    let spec: EvaluateSpec = toml::from_str("template_date = \"2020-01-31\"").unwrap();
    assert!(printed(&opened.with_template_date(spec.template_date)).contains("31 Jan 2020"));
}
