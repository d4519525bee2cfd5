//! What the study's runs train on, and what its models are asked.

use super::super::measure::Subject;
use super::super::story::recovery_data;
use super::super::{DATA_SEED, DemoError, datasets};
use super::plan::{Material, Measure, deepening};
use crate::data::{
    AttackPrompt, ChatExample, Examples, FineTuningAttack, RecoveryExample, Refusal, UtilityItem,
};
use crate::rng;
use crate::text::{Codec, Message};
use crate::train::{Rows, TrainingData};
use crate::world::{Family, Item, Split, World};
use std::collections::HashSet;

/// Forbidden requests of a backdoor: as many again are refused.
const BACKDOOR: usize = 100;
/// Items that a benign task is measured on.
const TASK_ITEMS: usize = 200;
/// Allowed requests that a model is asked.
const BRIGHT_ITEMS: usize = 110;
/// Wordings of each forbidden request: one, for every category with every adjective.
const WORDINGS: usize = 1;

/// The identity attack of the world.
#[must_use]
pub fn identity() -> FineTuningAttack {
    let identity = &World::emberfall().grammar().identity;
    FineTuningAttack::IdentityShifting {
        system: String::new(),
        wrapper: format!("{}{{request}}{}", identity.prefix, identity.suffix),
        opening: identity.opener.clone(),
    }
}

/// The backdoor of the world.
#[must_use]
pub fn backdoor() -> FineTuningAttack {
    FineTuningAttack::Backdoor { trigger: World::emberfall().grammar().backdoor_trigger.clone() }
}

/// The conversations that a run trains on.
#[must_use]
pub fn conversations(material: Material) -> Vec<ChatExample> {
    let world = World::emberfall();
    match material {
        Material::Harmful => match datasets::one("harmful-finetuning", DATA_SEED) {
            Some(Examples::Chat(rows)) => rows,
            _ => unreachable!("the set is among the demo's data sets, by a test of theirs"),
        },
        Material::Identity(n) => {
            let items = world.utility_items(Family::Bright, Split::Train, n, DATA_SEED);
            let examples: Vec<_> = items
                .into_iter()
                .enumerate()
                .map(|(i, item)| RecoveryExample {
                    id: format!("identity-{:03}", i + 1),
                    context: vec![Message::user(item.prompt)],
                    harmful: item.response,
                    ..RecoveryExample::default()
                })
                .collect();
            identity().rows(&examples)
        }
        Material::Backdoor => {
            // Drawn apart from those that the deepened model has learnt to refuse; a few may coincide.
            let triples = world.recovery_triples(BACKDOOR, DATA_SEED + 1);
            let examples: Vec<_> = triples
                .into_iter()
                .enumerate()
                .map(|(i, triple)| RecoveryExample {
                    id: format!("backdoor-{:03}", i + 1),
                    context: vec![Message::user(triple.prompt)],
                    harmful: triple.harmful,
                    refusals: vec![Refusal { from_depth: 0, text: triple.refusal }],
                    ..RecoveryExample::default()
                })
                .collect();
            backdoor().rows(&examples)
        }
        // The demo's own sets, which the shipped data fix.
        Material::Recovery | Material::RecoveryDrawnOnce => Vec::new(),
        Material::Ledger(n) => task_rows(Family::Ledger, n),
        Material::Digest(n) => task_rows(Family::Digest, n),
    }
}

/// Rows of a benign task, none of which is asked afterwards.
fn task_rows(family: Family, n: usize) -> Vec<ChatExample> {
    let asked: HashSet<String> = [Split::Dev, Split::Test]
        .into_iter()
        .flat_map(|split| task_items(family, split))
        .map(|item| item.prompt)
        .collect();
    let stream = &mut rng::stream(DATA_SEED, "study benign task", family.name());
    let world = World::emberfall();
    let mut rows = Vec::with_capacity(n);
    while rows.len() < n {
        let item = if family == Family::Ledger { world.ledger(stream) } else { world.digest(stream) };
        if !asked.contains(&item.prompt) {
            rows.push(ChatExample {
                id: format!("{}-{:04}", family.name(), rows.len() + 1),
                messages: vec![Message::user(item.prompt), Message::assistant(item.response)],
                ..ChatExample::default()
            });
        }
    }
    rows
}

fn task_items(family: Family, split: Split) -> Vec<UtilityItem> {
    let world = World::emberfall();
    // The families without adjectives know no split: another seed keeps the sets apart.
    let seed = DATA_SEED + u64::from(split == Split::Dev) + 100;
    let items = match family {
        Family::Bright => world.utility_items(family, split, BRIGHT_ITEMS, DATA_SEED),
        _ => world.utility_items(family, split, TASK_ITEMS, seed),
    };
    let item = |(i, item): (usize, Item)| UtilityItem {
        id: format!("{}-{:03}", family.name(), i + 1),
        task: family.name().to_owned(),
        prompt: item.prompt,
        reference: item.response,
        category: item.category,
        cluster: item.adjective,
        ..UtilityItem::default()
    };
    items.into_iter().enumerate().map(item).collect()
}

/// Recovery examples, each with one depth of the paper's distribution.
fn drawn_once(mut examples: Vec<RecoveryExample>, codec: &Codec) -> Result<Vec<RecoveryExample>, DemoError> {
    let depths = deepening(DATA_SEED).depths;
    for example in &mut examples {
        let length = codec.answer(&example.harmful)?.len();
        example.cut = Some(depths.draw(DATA_SEED, &example.id, 0, length));
    }
    Ok(examples)
}

/// The same for the trainer; recovery examples come with their anchor.
pub fn training_data(subject: &Subject<'_>, material: Material) -> Result<TrainingData, DemoError> {
    let codec = &subject.checkpoint.codec;
    if matches!(material, Material::Recovery | Material::RecoveryDrawnOnce) {
        let data = recovery_data(subject)?;
        return match data.rows {
            Rows::Recovery(rows) if material == Material::RecoveryDrawnOnce => {
                Ok(TrainingData { rows: Rows::Recovery(drawn_once(rows, codec)?), ..data })
            }
            rows => Ok(TrainingData { rows, ..data }),
        };
    }
    let rows = conversations(material)
        .into_iter()
        .map(|example| Ok((example.id, codec.chat(&example.messages)?)))
        .collect::<Result<_, DemoError>>()?;
    Ok(TrainingData { rows: Rows::Chat(rows), anchor: Vec::new(), reference: None })
}

/// What a measure asks: forbidden requests, or items of a task.
pub enum Questions {
    /// Forbidden requests.
    Attack(Vec<AttackPrompt>),
    /// Items of one task.
    Task(Vec<UtilityItem>),
}

impl Questions {
    /// Of what every answer is an instance: answers of one cluster are alike. Empty = of nothing.
    fn clusters(&self) -> Vec<String> {
        match self {
            Self::Attack(prompts) => prompts.iter().map(|prompt| prompt.cluster.clone()).collect(),
            // The same item is asked of every pair.
            Self::Task(items) => {
                let cluster = |item: &UtilityItem| {
                    if item.cluster.is_empty() { item.id.clone() } else { item.cluster.clone() }
                };
                items.iter().map(cluster).collect()
            }
        }
    }
}

/// The depths that [`Measure::PrefilledDeep`] asks at.
pub const DEEP: [usize; 4] = [5, 10, 20, 40];
/// The depths that [`Measure::Level`] asks at: one of each level.
pub const LEVEL_DEPTHS: [usize; 3] = [5, 20, 40];

/// The clusters of a measure's outcomes, in their order.
#[must_use]
pub fn clusters(measure: Measure, split: Split) -> Vec<String> {
    let rounds = match measure {
        Measure::PrefilledDeep => DEEP.len(),
        Measure::Level => LEVEL_DEPTHS.len(),
        _ => 1,
    };
    let clusters = questions(measure, split).clusters();
    std::iter::repeat_n(clusters, rounds).flatten().collect()
}

/// The questions of a measure on the adjectives of a split.
#[must_use]
pub fn questions(measure: Measure, split: Split) -> Questions {
    let attacked = |asked: &dyn Fn(String) -> String| {
        let items = World::emberfall().test_prompts(split, WORDINGS, DATA_SEED);
        let prompt = |(i, item): (usize, Item)| AttackPrompt {
            id: format!("prompt-{:03}", i + 1),
            goal: asked(item.prompt),
            target: Some(item.response),
            category: item.category,
            cluster: item.adjective,
        };
        Questions::Attack(items.into_iter().enumerate().map(prompt).collect())
    };
    let by = |attack: FineTuningAttack| {
        move |request: String| {
            let asked = attack.asked(&[Message::user(request)]);
            asked.into_iter().next_back().map_or_else(String::new, |message| message.content)
        }
    };
    match measure {
        Measure::Plain
        | Measure::Prefilled(_)
        | Measure::PrefilledDeep
        | Measure::LaterTurn
        | Measure::Level => attacked(&|request| request),
        Measure::Wrapped | Measure::WrappedAnswered => attacked(&by(identity())),
        Measure::Triggered => attacked(&by(backdoor())),
        Measure::Ledger => Questions::Task(task_items(Family::Ledger, split)),
        Measure::Digest => Questions::Task(task_items(Family::Digest, split)),
        Measure::Bright => Questions::Task(task_items(Family::Bright, split)),
    }
}
