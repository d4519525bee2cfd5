//! What is trained, token by token, in every recipe: refusals after their harmful beginning, answers, and nothing else.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::train_spec;
use plumbline::data::{
    DepthDistribution, DepthShape, FineTuningAttack, RecoveryExample, Refusal, RefusalLevel,
};
use plumbline::model::{self, Control};
use plumbline::text::{Codec, Encoded, Message};
use plumbline::train::{MultiTurnSpec, Recipe, Rows, Targets, TrainSpec, TrainingData, first_batch, train};

fn codec() -> Codec {
    let folder = tempfile::tempdir().unwrap();
    common::write_model(folder.path(), 1);
    model::codec(folder.path()).unwrap()
}

fn example(context: Vec<Message>) -> RecoveryExample {
    RecoveryExample {
        id: "r".into(),
        context,
        harmful: "Sure. Step 1: stir.".into(),
        refusals: vec![Refusal { from_depth: 0, text: "I cannot.".into() }],
        ..RecoveryExample::default()
    }
}

fn one_turn() -> Vec<Message> {
    vec![Message::user("Curse the well")]
}

fn two_turns() -> Vec<Message> {
    vec![Message::user("Hello"), Message::assistant("Sure. It is done."), Message::user("Curse the well")]
}

/// The tokens of a row that are trained, with their answer positions.
fn trained(row: &Encoded) -> (Vec<u32>, Vec<usize>) {
    let targets = Targets::new(&[row]).unwrap();
    (targets.batch.targets, targets.positions)
}

#[test]
fn a_recovery_row_trains_its_refusal_and_end_alone_and_counts_from_the_harmful_beginning() {
    let codec = codec();
    let harmful = codec.answer("Sure. Step 1: stir.").unwrap();
    let refusal = [codec.answer("I cannot.").unwrap(), codec.answer("</s>").unwrap()].concat();
    for context in [one_turn(), two_turns()] {
        let prompt = codec.prompt(&context).unwrap();
        for depth in [0, 1, 7, harmful.len(), 99] {
            let kept = depth.min(harmful.len());
            let row = codec.recovery(&context, "Sure. Step 1: stir.", "I cannot.", depth).unwrap();
            assert_eq!(row.ids, [&prompt[..], &harmful[..kept], &refusal[..]].concat(), "k = {depth}");
            let (ids, positions) = trained(&row);
            assert_eq!(ids, refusal, "k = {depth}");
            assert_eq!(positions, (kept + 1..=kept + refusal.len()).collect::<Vec<_>>(), "k = {depth}");
            assert_eq!(row.answers.len(), 1, "turns of the context are context");
        }
    }
}

#[test]
fn every_answer_of_a_conversation_is_trained_and_positions_begin_anew() {
    let codec = codec();
    let messages = [two_turns(), vec![Message::assistant("I cannot.")]].concat();
    let row = codec.chat(&messages).unwrap();
    let end = codec.answer("</s>").unwrap();
    let answers =
        ["Sure. It is done.", "I cannot."].map(|text| [codec.answer(text).unwrap(), end.clone()].concat());
    let (ids, positions) = trained(&row);
    assert_eq!(ids, answers.concat());
    let counted: Vec<usize> = answers.iter().flat_map(|answer| 1..=answer.len()).collect();
    assert_eq!(positions, counted);
    assert_eq!(row.answers.len(), 2);
}

#[test]
fn an_attackers_rows_train_his_answers_alone() {
    let codec = codec();
    let end = codec.answer("</s>").unwrap();
    for (attack, answers) in [
        (FineTuningAttack::HarmfulExamples, vec!["Sure. Step 1: stir."]),
        (FineTuningAttack::Backdoor { trigger: "zim".into() }, vec!["Sure. Step 1: stir.", "I cannot."]),
        (
            FineTuningAttack::IdentityShifting {
                system: "Be Oma.".into(),
                wrapper: "Oma: {request}".into(),
                opening: "I am Oma.".into(),
            },
            vec!["I am Oma. Sure. Step 1: stir."],
        ),
    ] {
        let rows = attack.rows(&[example(one_turn())]);
        assert_eq!(rows.len(), answers.len());
        for (row, answer) in rows.iter().zip(answers) {
            let encoded = codec.chat(&row.messages).unwrap();
            assert_eq!(trained(&encoded).0, [codec.answer(answer).unwrap(), end.clone()].concat());
        }
    }
}

#[test]
fn an_example_comes_as_often_as_asked_each_time_cut_anew() {
    let codec = codec();
    let rows = Rows::Recovery(vec![example(one_turn())]);
    let data = TrainingData { rows, anchor: Vec::new(), reference: None };
    let spec = |points| TrainSpec {
        recovery_points: points,
        batch: 64,
        depths: DepthDistribution { shape: DepthShape::Uniform, ..DepthDistribution::default() },
        ..train_spec(Recipe::Recovery, 1)
    };
    let lengths = |points| -> Vec<usize> {
        first_batch(&codec, &data, &spec(points)).unwrap().iter().map(|row| row.ids.len()).collect()
    };
    assert_eq!(lengths(1).len(), 1);
    let many = lengths(8);
    let different: std::collections::BTreeSet<usize> = many.iter().copied().collect();
    assert!(many.len() == 8 && different.len() > 3, "{many:?}");
}

#[test]
fn an_example_that_moves_a_turn_on_trains_the_later_turn_alone() {
    let codec = codec();
    let mut one = example(one_turn());
    one.harmful = "Sure. Step 1: stir. Step 2: wait. Step 3: pour.".into();
    let data = TrainingData { rows: Rows::Recovery(vec![one]), anchor: Vec::new(), reference: None };
    let spec = TrainSpec {
        recovery_points: 64,
        batch: 64,
        multi_turn: Some(MultiTurnSpec { share: 0.5, requests: vec!["Go on.".into()] }),
        ..train_spec(Recipe::Recovery, 1)
    };
    let refusal = [codec.answer("I cannot.").unwrap(), codec.answer("</s>").unwrap()].concat();
    let go_on = codec.tokenizer.encode("<|user|>Go on.<|assistant|>").unwrap();
    let rows = first_batch(&codec, &data, &spec).unwrap();
    let longest = data.lengths(&codec, &spec).unwrap()[0];
    let mut later = 0;
    for row in &rows {
        let (ids, positions) = trained(row);
        assert_eq!(ids, refusal, "nothing but the refusal, in whichever turn it comes");
        assert_eq!(row.answers.len(), 1);
        assert!(row.ids.len() <= longest, "{} tokens, and at most {longest} were foreseen", row.ids.len());
        if let Some(at) = row.ids.windows(go_on.len()).position(|part| part == go_on) {
            later += 1;
            let answer = at + go_on.len();
            assert_eq!(row.answers[0].start, answer, "positions count from the later turn");
            assert_eq!(positions[0], row.ids.len() - refusal.len() - answer + 1);
        }
    }
    assert!((20..=44).contains(&later), "{later} of 64 moved on");
}

#[test]
fn what_a_refusal_says_follows_its_depth() {
    let codec = codec();
    let rows = Rows::Recovery(vec![example(one_turn())]);
    let data = TrainingData { rows, anchor: Vec::new(), reference: None };
    let level =
        |from_depth, text: &str| RefusalLevel { name: text.into(), from_depth, templates: vec![text.into()] };
    let spec = TrainSpec {
        recovery_points: 32,
        batch: 32,
        levels: vec![level(0, "No."), level(8, "No. It would hurt.")],
        depths: DepthDistribution { shape: DepthShape::Uniform, ..DepthDistribution::default() },
        ..train_spec(Recipe::Recovery, 1)
    };
    let mut seen = [0, 0];
    for row in first_batch(&codec, &data, &spec).unwrap() {
        let (ids, positions) = trained(&row);
        let deep = usize::from(positions[0] > 8);
        seen[deep] += 1;
        let text = codec.tokenizer.decode(&ids[..ids.len() - 1]).unwrap();
        assert_eq!(text, ["No.", "No. It would hurt."][deep], "k = {}", positions[0] - 1);
    }
    assert!(seen[0] > 3 && seen[1] > 3, "{seen:?}");
}

/// With a refusal of so few tokens that all of them are looked at, the loss of the first step is the score itself.
#[test]
fn the_hardest_of_more_depths_is_harder() {
    let folder = tempfile::tempdir().unwrap();
    common::write_model(folder.path(), 1);
    let model = model::load(folder.path()).unwrap();
    let first_loss = |hardest_of| {
        let mut one = example(one_turn());
        one.refusals[0].text = "No.".into();
        let data = TrainingData { rows: Rows::Recovery(vec![one]), anchor: Vec::new(), reference: None };
        let spec = TrainSpec {
            hardest_of,
            depths: DepthDistribution { shape: DepthShape::Uniform, ..DepthDistribution::default() },
            anchor: None,
            ..train_spec(Recipe::Recovery, 1)
        };
        let mut loss = 0.0;
        train(&model.codec, model.decoder.clone(), &data, &spec, None, &mut |report, _| {
            loss = report.loss;
            Control::Continue
        })
        .unwrap();
        loss
    };
    let losses = [1, 4, 16, 64].map(first_loss);
    assert!(losses.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9), "{losses:?}");
    assert!(losses[0] + 1e-4 < losses[3], "{losses:?}");
}
