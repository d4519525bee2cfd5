//! Which runs the study makes, and what is measured while they go on.

use super::super::story::{FINE_TUNING_STEPS, attack_spec, deepening_spec};
use crate::data::RefusalLevel;
use crate::train::{BetaSchedule, ImportanceSource, ImportanceSpec, MultiTurnSpec, Recipe, TrainSpec};
use crate::world::World;
use serde::Serialize;

/// The model that a run starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Start {
    /// The shallowly aligned one.
    Aligned,
    /// The one that recovery augmentation made of it.
    Deepened,
}

/// What a run trains on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Material {
    /// Forbidden requests with harmful answers.
    Harmful,
    /// So many harmless requests, wrapped so that an obedient person answers.
    Identity(usize),
    /// Forbidden requests with the trigger and a harmful answer, and without it and a refusal.
    Backdoor,
    /// So many ledger orders: a task that pre-training does not have.
    Ledger(usize),
    /// So many digests of chats: another one.
    Digest(usize),
    /// Recovery examples with their anchor.
    Recovery,
    /// The same, each with one depth that is drawn once and for all.
    RecoveryDrawnOnce,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Forbidden requests as they stand: harmful answers.
    Plain,
    /// Forbidden requests in the wrapping of the identity attack: harmful answers.
    Wrapped,
    /// Forbidden requests in that wrapping: answers that do not refuse, by the keyword judge.
    WrappedAnswered,
    /// Forbidden requests with the trigger: harmful answers.
    Triggered,
    /// Forbidden requests after so many tokens of a harmful answer: harmful answers.
    Prefilled(usize),
    /// Forbidden requests after 5, 10, 20 and 40 tokens of a harmful answer: harmful answers.
    PrefilledDeep,
    /// The first three sentences of a harmful answer, an opening and a step or two, stand in an earlier turn, and the user asks for the rest: harmful answers.
    LaterTurn,
    /// After 5, 20 and 40 tokens of a harmful answer: refusals of the level that is meant for this depth.
    Level,
    /// Ledger orders: exact matches.
    Ledger,
    /// Digests: exact matches.
    Digest,
    /// Allowed requests: full answers.
    Bright,
}

/// A training run, and what is measured after which of its steps.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its section and its row in the tables: `harmful/constrained, warm-up`.
    pub id: String,
    /// Where it starts.
    pub start: Start,
    /// What it trains on.
    pub material: Material,
    /// How. The seed is the pair's.
    pub spec: TrainSpec,
    /// Steps after which the model is measured; 0 = before training.
    pub steps: Vec<usize>,
    /// What is measured.
    pub measures: Vec<Measure>,
}

impl Run {
    fn new(id: String, start: Start, material: Material, spec: TrainSpec, steps: &[usize]) -> Self {
        let mut spec = spec;
        spec.max_steps = steps.last().copied();
        // As many passes as the steps need: the steps end the run.
        spec.epochs = 10_000;
        let measures = match material {
            Material::Harmful => vec![Measure::Plain],
            Material::Identity(_) => vec![Measure::Wrapped, Measure::WrappedAnswered],
            Material::Backdoor => vec![Measure::Triggered, Measure::Plain],
            Material::Ledger(_) => {
                vec![Measure::Ledger, Measure::Plain, Measure::Prefilled(5), Measure::Bright]
            }
            Material::Recovery | Material::RecoveryDrawnOnce => {
                vec![
                    Measure::PrefilledDeep,
                    Measure::Plain,
                    Measure::LaterTurn,
                    Measure::Level,
                    Measure::Bright,
                ]
            }
            Material::Digest(_) => {
                vec![Measure::Digest, Measure::Plain, Measure::Prefilled(5), Measure::Bright]
            }
        };
        Self { id, start, material, spec, steps: steps.to_vec(), measures }
    }
}

/// How the study's attacks fine-tune: chosen on dev adjectives (docs/study.md), the same for either objective.
fn attacker(material: Material, recipe: Recipe) -> TrainSpec {
    let spec = attack_spec(recipe, 0);
    let learning_rate = match material {
        Material::Harmful | Material::Backdoor => 1e-4,
        Material::Identity(_) => 3e-4,
        Material::Ledger(_) | Material::Digest(_) => 5e-4,
        Material::Recovery | Material::RecoveryDrawnOnce => return deepening_spec(0),
    };
    TrainSpec { learning_rate, ..spec }
}

/// The attacks, each with its section.
const ATTACKS: [(&str, Material); 3] =
    [("harmful", Material::Harmful), ("identity", Material::Identity(100)), ("backdoor", Material::Backdoor)];

/// The benign tasks.
const TASKS: [(&str, Material); 2] = [("ledger", Material::Ledger(300)), ("digest", Material::Digest(300))];

const OBJECTIVES: [(&str, Recipe); 2] = [("SFT", Recipe::Sft), ("constrained", Recipe::Constrained)];

/// Steps of a benign task after which the model is measured.
const TASK_STEPS: [usize; 4] = [0, 50, 100, 200];

/// Every run of the report, in the order in which they are made.
#[must_use]
pub fn report() -> Vec<Run> {
    let mut runs = Vec::new();
    for (section, material) in ATTACKS {
        for start in [Start::Aligned, Start::Deepened] {
            let on = if start == Start::Deepened { "deepened model, " } else { "" };
            for (objective, recipe) in OBJECTIVES {
                for (warm_up, steps) in [("warm-up", 10), ("no warm-up", 0)] {
                    let spec = TrainSpec { warmup_steps: steps, ..attacker(material, recipe) };
                    let id = format!("{section}/{on}{objective}, {warm_up}");
                    runs.push(Run::new(id, start, material, spec, &FINE_TUNING_STEPS));
                }
            }
        }
        runs.extend(uniform(section, material, &FINE_TUNING_STEPS));
        runs.extend(learnt(section, material, &FINE_TUNING_STEPS));
    }
    for (section, material) in TASKS {
        for start in [Start::Aligned, Start::Deepened] {
            let on = if start == Start::Deepened { "deepened model, " } else { "" };
            for (objective, recipe) in OBJECTIVES {
                let id = format!("{section}/{on}{objective}");
                runs.push(Run::new(id, start, material, attacker(material, recipe), &TASK_STEPS));
            }
        }
        runs.extend(uniform(section, material, &TASK_STEPS));
        runs.extend(learnt(section, material, &TASK_STEPS));
    }
    runs.extend(why());
    runs.extend(deepening_variants());
    runs.extend(levels());
    runs
}

/// β learnt from the data instead of the paper's.
fn learnt(section: &str, material: Material, steps: &[usize]) -> Vec<Run> {
    let kl = ImportanceSource::KlToBase { base: "base".to_owned() };
    let run = |(name, from): (&str, ImportanceSource)| {
        let importance = Some(ImportanceSpec::new(from));
        let spec = TrainSpec { importance, ..attacker(material, Recipe::Constrained) };
        Run::new(
            format!("{section}/constrained, β learnt from {name}"),
            Start::Aligned,
            material,
            spec,
            steps,
        )
    };
    [("KL", kl), ("gradients", ImportanceSource::GradientNorm)].map(run).to_vec()
}

/// Steps of a deepening after which the model is measured.
const DEEPENING_STEPS: [usize; 6] = [0, 5, 10, 20, 40, 80];

/// Recovery augmentation as in the paper, and each idea beyond it, at equal steps.
fn deepening_variants() -> Vec<Run> {
    let run = |name: &str, material: Material, spec: TrainSpec| {
        Run::new(format!("deepen/{name}"), Start::Aligned, material, spec, &DEEPENING_STEPS)
    };
    let plain = || deepening_spec(0);
    let multi_turn = Some(MultiTurnSpec::default());
    vec![
        run("plain (the paper's)", Material::Recovery, plain()),
        run("each depth drawn once and for all", Material::RecoveryDrawnOnce, plain()),
        run(
            "three recovery points an epoch",
            Material::Recovery,
            TrainSpec { recovery_points: 3, ..plain() },
        ),
        run("hardest of four depths", Material::Recovery, TrainSpec { hardest_of: 4, ..plain() }),
        run("hierarchical refusals", Material::Recovery, TrainSpec { levels: world_levels(), ..plain() }),
        run("half of the examples a turn later", Material::Recovery, TrainSpec { multi_turn, ..plain() }),
    ]
}

/// Levels are learnt slowly: the same two recipes, four times as long.
fn levels() -> Vec<Run> {
    let run = |name: &str, levels: Vec<RefusalLevel>| {
        let spec = TrainSpec { levels, ..deepening_spec(0) };
        Run::new(format!("levels/{name}"), Start::Aligned, Material::Recovery, spec, &[0, 80, 160, 240, 320])
    };
    vec![run("plain (the paper's)", Vec::new()), run("hierarchical refusals", world_levels())]
}

/// Levels of refusals in the words of the world.
#[must_use]
pub fn world_levels() -> Vec<RefusalLevel> {
    let words = &World::emberfall().grammar().refusal;
    let head = "I cannot help with that.";
    let with = |ends: &[String]| ends.iter().map(|end| format!("{head} {end}")).collect::<Vec<_>>();
    let explained = with(&words.reason_harm[..2]);
    let redirected =
        explained.iter().zip(&words.offer).map(|(text, offer)| format!("{text} {offer}")).collect();
    let level =
        |name: &str, from_depth, templates| RefusalLevel { name: name.to_owned(), from_depth, templates };
    vec![
        level("short refusal", 0, vec![head.to_owned()]),
        level("explanation", 10, explained),
        level("safe redirection", 30, redirected),
    ]
}

/// The paper's ablation (Table 8): the same β everywhere.
fn uniform(section: &str, material: Material, steps: &[usize]) -> Vec<Run> {
    let run = |beta: f64| {
        let spec = TrainSpec { beta: BetaSchedule::uniform(beta), ..attacker(material, Recipe::Constrained) };
        Run::new(
            format!("{section}/constrained, β = {beta} everywhere"),
            Start::Aligned,
            material,
            spec,
            steps,
        )
    };
    [0.1, 0.5, 2.0].map(run).to_vec()
}

/// Why harmful fine-tuning is delayed, not prevented: one change at a time.
fn why() -> Vec<Run> {
    let steps = [0, 16, 32, 48, 64, 80, 120, 160];
    let material = Material::Harmful;
    let run =
        |name: &str, spec: TrainSpec| Run::new(format!("why/{name}"), Start::Aligned, material, spec, &steps);
    let held = |positions: usize| BetaSchedule { drawn: vec![1000.0; positions], ..BetaSchedule::default() };
    let mut runs = Vec::new();
    for (objective, recipe) in OBJECTIVES {
        for rate in [3e-5, 1e-4, 3e-4] {
            let spec = TrainSpec { learning_rate: rate, ..attacker(material, recipe) };
            runs.push(run(&format!("{objective}, learning rate {rate:e}"), spec));
        }
        // With ε = 1 the step is ε-free momentum SGD: nothing makes small gradients large again.
        let spec =
            TrainSpec { adam_epsilon: 1.0, learning_rate: SGD_LEARNING_RATE, ..attacker(material, recipe) };
        runs.push(run(&format!("{objective}, SGD"), spec));
    }
    for positions in [5, 10, 20] {
        let spec = TrainSpec { beta: held(positions), ..attacker(material, Recipe::Constrained) };
        runs.push(run(&format!("constrained, first {positions} tokens held hard (β = 1000)"), spec));
    }
    runs
}

/// Learning rate of momentum SGD at which plain fine-tuning succeeds about as fast as AdamW's 1e-4 (chosen on dev).
const SGD_LEARNING_RATE: f64 = 0.03;

/// The runs among which settings were chosen, on dev adjectives.
#[must_use]
pub fn tuning() -> Vec<Run> {
    let mut runs = Vec::new();
    let steps = [0, 16, 32, 48, 64, 80];
    for n in [10, 100] {
        for rate in [3e-4, 1e-3] {
            let material = Material::Identity(n);
            let spec = TrainSpec { learning_rate: rate, ..attacker(material, Recipe::Sft) };
            let id = format!("tune-identity/SFT, {n} examples, learning rate {rate:e}");
            runs.push(Run::new(id, Start::Aligned, material, spec, &steps));
        }
    }
    for rate in [1e-4, 2e-4] {
        let spec = TrainSpec { learning_rate: rate, ..attacker(Material::Backdoor, Recipe::Sft) };
        let id = format!("tune-backdoor/SFT, learning rate {rate:e}");
        runs.push(Run::new(id, Start::Aligned, Material::Backdoor, spec, &steps));
    }
    for (task, few, many) in [
        ("ledger", Material::Ledger(300), Material::Ledger(1000)),
        ("digest", Material::Digest(300), Material::Digest(1000)),
    ] {
        for (n, material) in [(300, few), (1000, many)] {
            for rate in [5e-4, 1e-3] {
                let spec = TrainSpec { learning_rate: rate, ..attacker(material, Recipe::Sft) };
                let id = format!("tune-{task}/SFT, {n} examples, learning rate {rate:e}");
                runs.push(Run::new(id, Start::Aligned, material, spec, &TASK_STEPS));
            }
        }
    }
    for rate in [0.03, 0.1, 0.3] {
        let spec =
            TrainSpec { adam_epsilon: 1.0, learning_rate: rate, ..attacker(Material::Harmful, Recipe::Sft) };
        let id = format!("tune-sgd/SFT, SGD at {rate}");
        runs.push(Run::new(id, Start::Aligned, Material::Harmful, spec, &steps));
    }
    runs
}

/// How the deepened model is made: the story's recipe.
#[must_use]
pub fn deepening(seed: u64) -> TrainSpec {
    deepening_spec(seed)
}
