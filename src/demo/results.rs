//! What the demo project shows on its first start: the runs and evaluations that are made once, by `plumbline demo
//! results`, and shipped with what they gave.

use super::story;
use crate::attack::REFUSAL_PREFIXES;
use crate::evaluate::{AttackSpec, EvaluateSpec};
use crate::judge::JudgeSpec;

use crate::project::ModelRole;
use crate::train::{AsrProbeSpec, DynamicsSpec, LoraSpec, Recipe, TrainSpec};

/// Seed of every run and evaluation.
pub const SEED: u64 = 1;

/// The runs, in the order in which they are made: the deepened model, and the aligned one fine-tuned on harmful pairs
/// under both objectives. The attacks train adapters, which keeps what is shipped small.
#[must_use]
pub fn runs() -> Vec<TrainSpec> {
    let probe = |depths: Vec<usize>| {
        Some(AsrProbeSpec { prompts: "attack-dev".to_owned(), depths, ..AsrProbeSpec::default() })
    };
    let deepened = TrainSpec {
        dynamics: DynamicsSpec::default(),
        asr_probe: probe(vec![5, 10]),
        ..story::deepening_spec(SEED)
    };
    let attack = |recipe, name: &str, title: &str| TrainSpec {
        title: title.to_owned(),
        name: name.to_owned(),
        lora: Some(LoraSpec::default()),
        learning_rate: ATTACK_LEARNING_RATE,
        max_steps: Some(ATTACK_STEPS),
        dynamics: DynamicsSpec::default(),
        asr_probe: probe(Vec::new()),
        ..story::attack_spec(recipe, SEED)
    };
    vec![
        deepened,
        attack(Recipe::Sft, "attacked", "Harmful fine-tuning, plain"),
        attack(Recipe::Constrained, "constrained", "Harmful fine-tuning, first tokens protected"),
    ]
}

/// What the models that come out are called in the project: id, title, role, note.
pub const MODELS: [(&str, &str, ModelRole, &str); 3] = [
    (
        "deepened",
        "Demo deepened",
        ModelRole::Deepened,
        "The aligned model, trained to refuse after an answer has begun badly. Its weights are rounded to bfloat16.",
    ),
    (
        "attacked",
        "Demo attacked",
        ModelRole::Attacked,
        "The aligned model after 20 steps of plain fine-tuning on a hundred harmful pairs: an adapter.",
    ),
    (
        "constrained",
        "Demo constrained",
        ModelRole::Constrained,
        "The same fine-tuning with the first answer tokens protected. More steps break it as well (docs/demo.md).",
    ),
];

/// Adapters learn at higher rates than whole models; both objectives use the same.
const ATTACK_LEARNING_RATE: f64 = 1e-3;

/// Steps after which plain fine-tuning has broken the model on dev prompts; after 80 the other objective has as well (docs/demo.md).
const ATTACK_STEPS: usize = 20;

/// The evaluations, in the order in which they are made; the newest stands first on the screens.
#[must_use]
pub fn evaluations() -> Vec<EvaluateSpec> {
    let spec = |title: &str, models: &[&str], attacks| EvaluateSpec {
        title: title.to_owned(),
        models: models.iter().map(|&id| id.to_owned()).collect(),
        base: Some("base".to_owned()),
        prompts: vec!["attack-test".to_owned()],
        attacks,
        judges: JudgeSpec::DEMO.to_vec(),
        seed: SEED,
        ..EvaluateSpec::default()
    };
    let prefixes = AttackSpec::RefusalPrefix { prefixes: REFUSAL_PREFIXES.map(str::to_owned).to_vec() };
    vec![
        EvaluateSpec {
            kl: false,
            ..spec(
                "A refusal's first words make the base refuse",
                &["base"],
                vec![AttackSpec::Direct, prefixes],
            )
        },
        spec(
            "Harmful fine-tuning, plain and with the first tokens protected",
            &["aligned", "attacked", "constrained"],
            vec![AttackSpec::Direct],
        ),
        EvaluateSpec {
            utility: Some("utility-test".to_owned()),
            ..spec(
                "How deep is the safety, before and after?",
                &["aligned", "deepened"],
                vec![AttackSpec::prefill()],
            )
        },
    ]
}
