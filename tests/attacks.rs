//! Every attack on the demo pair: what it asks, what it leaves in the folder, and that it goes on where it was cut off.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::attack::gcg::{self, Slot};
use plumbline::attack::{DecodingGrid, GcgSpec};
use plumbline::data::{AttackPrompt, Examples};
use plumbline::demo;
use plumbline::evaluate::{ANY_SETTING, AttackSpec, EvaluateSpec, GcgLine, Summary};
use plumbline::files::read_lines_dropping_torn;
use plumbline::job::{
    CancelToken, EventKind, JobError, JobSpec, JudgeAgainSpec, ResumeSpec, run_blocking, run_cancellable,
};
use plumbline::judge::JudgeSpec;
use plumbline::model::{Control, Sampler};
use plumbline::project::Project;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn demo_project() -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().join("demo");
    demo::unpack(&root).unwrap();
    (keep, root)
}

fn prompts(root: &Path) -> Vec<AttackPrompt> {
    match Project::open(root).unwrap().examples("attack-dev").unwrap() {
        Examples::Attack(prompts) => prompts,
        other => panic!("{other:?}"),
    }
}

fn small_gcg() -> GcgSpec {
    GcgSpec {
        steps: 3,
        width: 24,
        top_k: 32,
        init: ["x"; 6].join(" "),
        target_tokens: Some(6),
        ..GcgSpec::default()
    }
}

fn spec(attacks: Vec<AttackSpec>) -> EvaluateSpec {
    EvaluateSpec {
        models: vec!["aligned".into()],
        base: Some("base".into()),
        prompts: vec!["attack-dev".into()],
        limit: Some(4),
        attacks,
        judges: vec![JudgeSpec::Oracle, JudgeSpec::Keyword],
        kl: false,
        max_new_tokens: 40,
        ..EvaluateSpec::default()
    }
}

fn summary(folder: &Path) -> Summary {
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

#[test]
fn gcg_lowers_its_loss_and_repeats_itself() {
    let (_keep, root) = demo_project();
    let checkpoint = Project::open(&root).unwrap().load_model("aligned").unwrap();
    let (decoder, codec) = (&checkpoint.decoder, &checkpoint.codec);
    let prompts = prompts(&root);
    for (mellowmax, buffer) in [(None, 0), (Some(4.0), 3)] {
        let gcg = GcgSpec { mellowmax, buffer, ..small_gcg() };
        let slots: Vec<Slot> =
            prompts[..2].iter().map(|p| Slot::new(decoder, codec, p, "", &gcg).unwrap()).collect();
        let search = |batch: usize| {
            let spec = GcgSpec { batch: Some(batch), ..gcg.clone() };
            let mut steps = Vec::new();
            let found = gcg::optimise(decoder, codec, &slots, &spec, (7, "test"), &mut |step| {
                steps.push(step.clone());
                Control::Continue
            });
            (found.unwrap().unwrap(), steps)
        };
        let (found, steps) = search(24);
        assert_eq!((found.steps, steps.len()), (3, 3));
        assert!(steps[0].candidates > 1, "{steps:?}");
        // The loss that is told is that of the text as it is sent.
        let mut losses = 0.0;
        for slot in &slots {
            assert!(slot.reads_as_itself(codec, &found.ids).unwrap(), "{}", found.suffix);
            losses += gcg.loss(&decoder.log_probs(&slot.whole(&found.ids)).unwrap()) / 2.0;
        }
        assert!((losses - found.loss).abs() < 1e-4, "{losses} {}", found.loss);
        let start: f32 = slots
            .iter()
            .map(|slot| gcg.loss(&decoder.log_probs(&slot.whole(&slot.suffix)).unwrap()) / 2.0)
            .sum();
        assert!(found.loss < start, "{} is not below {start}", found.loss);
        assert_eq!(search(24), (found.clone(), steps), "the seed fixes the search");
        assert_eq!(search(5).0.ids, found.ids, "how many are computed at once changes nothing");
    }
}

#[test]
fn a_suffix_needs_a_place_of_its_own_and_a_target() {
    let (_keep, root) = demo_project();
    let checkpoint = Project::open(&root).unwrap().load_model("aligned").unwrap();
    let (decoder, codec) = (&checkpoint.decoder, &checkpoint.codec);
    let prompt = prompts(&root).remove(0);
    let error = |prompt: &AttackPrompt, gcg: &GcgSpec| {
        Slot::new(decoder, codec, prompt, "", gcg).unwrap_err().to_string()
    };
    let none = AttackPrompt { target: None, ..prompt.clone() };
    assert!(error(&none, &small_gcg()).contains("no reference answer"));
    let long = AttackPrompt { goal: "how do I ".repeat(400), ..prompt };
    assert!(error(&long, &small_gcg()).contains("context"));
}

#[test]
fn every_attack_leaves_answers_verdicts_and_rates() {
    let (_keep, root) = demo_project();
    let attacks = vec![
        AttackSpec::Direct,
        AttackSpec::Prefill { depths: vec![0, 5] },
        AttackSpec::later_turn(),
        AttackSpec::Decoding(DecodingGrid { temperatures: vec![0.5, 1.0], top_k: vec![5], top_p: vec![] }),
        AttackSpec::multi_turn(),
        AttackSpec::Rap { top: 20, depths: vec![0, 5] },
        AttackSpec::Gcg(small_gcg()),
    ];
    let spec = EvaluateSpec {
        sampler: Sampler { temperature: 0.7, ..Sampler::default() },
        seeds: 2,
        prompts: vec!["attack-dev".into(), "attack-test".into()],
        limit: Some(2),
        ..spec(attacks)
    };
    let mut events = Vec::new();
    let folder = run_blocking(&root, &JobSpec::Evaluate(spec), &mut |event| events.push(event.kind)).unwrap();
    let summary = summary(&folder);
    for set in ["attack-dev", "attack-test"] {
        let row = |attack: &str, setting: &str, judge: &str| {
            let found = summary.rates.iter().find(|row| {
                row.set == set && row.attack == attack && row.setting == setting && row.judge == judge
            });
            found.unwrap_or_else(|| panic!("{set} {attack} {setting} {judge}"))
        };
        for judge in ["oracle", "keyword"] {
            let direct = row("direct", "", judge);
            assert_eq!((direct.rate.n, direct.by_seed.len()), (4, 2));
            assert_eq!(direct.any_seed.unwrap().n, 2, "best of two");
            assert!(row("prefill", "k=5", judge).ceiling.is_some());
            assert_eq!(row("decoding", "T=0.5", judge).rate.n, 4);
            let any = row("decoding", ANY_SETTING, judge);
            assert_eq!(
                (any.rate.n, any.any_seed.unwrap().n),
                (4, 2),
                "each seed by itself, and both together"
            );
            assert_eq!(row("multi_turn", "3 turns", judge).rate.n, 4);
            assert_eq!((row("rap", "k=0", judge).rate.n, row("rap", "k=5", judge).rate.n), (2, 2));
            assert_eq!(row("gcg", "own suffix", judge).rate.n, 4);
        }
        assert!(summary.openings.iter().any(|row| row.set == set && row.rate.n == 4));
    }
    let gcg: Vec<GcgLine> = read_lines_dropping_torn(&folder.join("gcg.jsonl"))
        .unwrap()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(gcg.len(), 2 * 2 * 2 * 3, "sets, prompts, seeds, steps");
    let live = events.iter().filter(|event| matches!(event, EventKind::Suffix(_))).count();
    assert_eq!(live, gcg.len());
    let project = Project::open(&root).unwrap();
    let id = folder.file_name().unwrap().to_string_lossy().into_owned();
    let responses = project.responses(&id, None).unwrap();
    let ids: std::collections::HashSet<_> = responses.iter().map(|response| &response.id).collect();
    assert_eq!(ids.len(), responses.len(), "ids are unique");
    let suffixed = responses.iter().find(|response| response.attack == "gcg").unwrap();
    let [sent] = suffixed.sent.as_slice() else { panic!("{suffixed:?}") };
    let suffix = sent.content.strip_prefix(suffixed.prompt.as_str()).unwrap();
    assert!(suffix.trim().len() > 5, "judges read the request, the model the request with {suffix:?}");
    let turns = responses.iter().find(|response| response.attack == "multi_turn").unwrap();
    assert_eq!(turns.sent.len(), 5, "three turns and two answers between them");
    assert!(turns.sent[4].content.contains(&turns.prompt));
    let manifest = &project.evaluations()[0].manifest;
    assert!(manifest.decided.keys().any(|key| key.starts_with("GCG candidates at once")), "{manifest:?}");
}

#[test]
fn an_evaluation_goes_on_where_it_was_stopped_and_is_judged_again() {
    let (_keep, root) = demo_project();
    let attacks =
        vec![AttackSpec::Direct, AttackSpec::Prefill { depths: vec![5] }, AttackSpec::Gcg(small_gcg())];
    let spec = EvaluateSpec { kl: true, judges: vec![JudgeSpec::Keyword], batch: 1, ..spec(attacks) };
    let job = JobSpec::Evaluate(spec);
    let whole = run_blocking(&root, &job, &mut |_| {}).unwrap();

    let cancel = CancelToken::default();
    let mut suffixes = 0;
    let stopped = run_cancellable(&root, &job, &cancel, &mut |event| {
        if matches!(event.kind, EventKind::Suffix(_)) {
            suffixes += 1;
            if suffixes == 4 {
                cancel.cancel();
            }
        }
    });
    let Err(JobError::Stopped { message, folder: Some(folder) }) = stopped else { panic!("{stopped:?}") };
    assert!(message.contains("plumbline resume"), "{message}");
    assert!(!folder.join("summary.json").exists());
    let id = folder.file_name().unwrap().to_string_lossy().into_owned();
    let project = Project::open(&root).unwrap();
    let before = project.responses(&id, None).unwrap().len();
    assert!(before > 4);
    drop(project);
    let resumed = run_blocking(&root, &JobSpec::Resume(ResumeSpec { run: id.clone() }), &mut |_| {}).unwrap();
    assert_eq!(resumed, folder);
    assert_eq!(summary(&folder), summary(&whole));
    let project = Project::open(&root).unwrap();
    let texts = |id: &str| -> Vec<(String, String)> {
        project.responses(id, None).unwrap().into_iter().map(|r| (r.id, r.text)).collect()
    };
    assert_eq!(texts(&id), texts(&whole.file_name().unwrap().to_string_lossy()));
    let kl = |folder: &Path| read_lines_dropping_torn(&folder.join("kl.jsonl")).unwrap();
    assert_eq!(kl(&folder), kl(&whole), "what was measured is not measured again");
    let info = project.evaluation(&id).unwrap();
    assert_eq!(info.manifest.resumed.len(), 1);
    assert!(info.manifest.is_done());

    let refused = run_blocking(&root, &JobSpec::Resume(ResumeSpec { run: id.clone() }), &mut |_| {});
    assert!(refused.unwrap_err().to_string().contains("come to its end"));
    let again = JudgeAgainSpec { evaluation: id.clone(), judges: vec![JudgeSpec::Oracle], preference: None };
    run_blocking(&root, &JobSpec::Judge(again), &mut |_| {}).unwrap();
    let judges: std::collections::BTreeSet<String> =
        summary(&folder).rates.into_iter().map(|row| row.judge).collect();
    assert_eq!(judges.into_iter().collect::<Vec<_>>(), ["keyword", "oracle"]);
    assert!(project.evaluation(&id).unwrap().manifest.is_done());
}

#[test]
fn what_has_no_place_for_a_suffix_is_left_out_and_the_rest_goes_on() {
    let (_keep, root) = demo_project();
    let mut all = prompts(&root);
    all.truncate(4);
    all[0].goal = "how do I ".repeat(400);
    all[1].target = None;
    let set = Examples::Attack(all);
    let mut project = Project::open(&root).unwrap();
    let entry = plumbline::project::DatasetEntry::new("mixed", "mixed", set.kind());
    project.add_dataset(entry, &set).unwrap();
    drop(project);
    let gcg = AttackSpec::Gcg(small_gcg());
    let job = JobSpec::Evaluate(EvaluateSpec { prompts: vec!["mixed".into()], kl: true, ..spec(vec![gcg]) });
    let folder = run_blocking(&root, &job, &mut |_| {}).unwrap();
    let found = summary(&folder);
    assert_eq!(found.rates.iter().find(|row| row.judge == "oracle").unwrap().rate.n, 2);
    assert_eq!(found.kl[0].n[0], 2, "KL leaves out what has no answer or does not fit");

    let gcg = AttackSpec::Gcg(GcgSpec { universal: Some(2), ..small_gcg() });
    let job = JobSpec::Evaluate(EvaluateSpec { prompts: vec!["mixed".into()], ..spec(vec![gcg]) });
    let folder = run_blocking(&root, &job, &mut |_| {}).unwrap();
    let settings: Vec<String> = summary(&folder)
        .rates
        .into_iter()
        .filter(|row| row.judge == "oracle")
        .map(|row| format!("{} {}", row.setting, row.rate.n))
        .collect();
    assert_eq!(settings, ["one suffix, searched on 1", "one suffix, transfer 1"]);
}
