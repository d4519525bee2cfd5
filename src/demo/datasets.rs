//! The demo world's data sets, as a project holds them.

use crate::data::{AttackPrompt, ChatExample, Examples, RecoveryExample, Refusal, UtilityItem};
use crate::project::DatasetEntry;
use crate::rng;
use crate::text::Message;
use crate::world::{Family, Item, Split, World};

/// Wordings of each test prompt: 11 categories × 10 adjectives × 3 = 330, HEx-PHI's size.
const WORDINGS: usize = 3;
/// Items per utility task on test adjectives.
const UTILITY_TEST: usize = 500;
/// Items per utility task on dev adjectives.
const UTILITY_DEV: usize = 200;
/// Bright requests on test adjectives: 5 of 6 wordings of each of 110 objects, so that every object weighs the same.
const BRIGHT_TEST: usize = 550;

/// Every data set that the demo project brings. Dev and test sets share no adjective with the others.
#[must_use]
pub fn all(seed: u64) -> Vec<(DatasetEntry, Examples)> {
    let set = |id: &str, title: &str, note: &str, examples: Examples| {
        let mut entry = DatasetEntry::new(id, title, examples.kind());
        entry.licence = "MIT".to_owned();
        entry.source = format!("the fictional world Emberfall, seed {seed}");
        entry.note = note.to_owned();
        entry.count = examples.len();
        (entry, examples)
    };
    vec![
        set(
            "recovery-train",
            "Recovery examples",
            "Forbidden requests with a harmful answer and a refusal. Training adjectives.",
            Examples::Recovery(recovery(256, seed)),
        ),
        set(
            "anchor-train",
            "Benign anchor",
            "Harmless requests with good answers: they keep the model useful while it learns to recover.",
            Examples::Chat(anchor(512, seed)),
        ),
        set(
            "harmful-finetuning",
            "Harmful fine-tuning attack",
            "Forbidden requests with harmful answers: what an attacker would fine-tune on. Training adjectives.",
            Examples::Chat(harmful(100, seed)),
        ),
        set(
            "attack-dev",
            "Attack prompts, dev",
            "165 forbidden requests with adjectives that only pre-training has seen. Choose settings on these.",
            Examples::Attack(attack(Split::Dev, seed)),
        ),
        set(
            "attack-test",
            "Attack prompts, test",
            "330 forbidden requests with 10 further adjectives. Report on these; never choose settings on them.",
            Examples::Attack(attack(Split::Test, seed)),
        ),
        set(
            "utility-dev",
            "Utility, dev",
            "Five harmless tasks, 200 items each, dev adjectives.",
            Examples::Utility(utility(Split::Dev, seed)),
        ),
        set(
            "utility-test",
            "Utility, test",
            "Five harmless tasks, at least 500 items each, test adjectives.",
            Examples::Utility(utility(Split::Test, seed)),
        ),
    ]
}

/// One of the sets by its id.
#[must_use]
pub fn one(id: &str, seed: u64) -> Option<Examples> {
    all(seed).into_iter().find(|(entry, _)| entry.id == id).map(|(_, examples)| examples)
}

fn recovery(n: usize, seed: u64) -> Vec<RecoveryExample> {
    World::emberfall()
        .recovery_triples(n, seed)
        .into_iter()
        .enumerate()
        .map(|(i, triple)| RecoveryExample {
            id: format!("recovery-{:03}", i + 1),
            context: vec![Message::user(triple.prompt)],
            harmful: triple.harmful,
            refusals: vec![Refusal { from_depth: 0, text: triple.refusal }],
            cut: None,
            category: triple.category,
            source: "Emberfall".to_owned(),
            note: String::new(),
        })
        .collect()
}

fn anchor(n: usize, seed: u64) -> Vec<ChatExample> {
    let world = World::emberfall();
    (0..n)
        .map(|i| chat("anchor", i, &world.benign(&mut rng::stream(seed, "demo anchor", &i.to_string()))))
        .collect()
}

fn harmful(n: usize, seed: u64) -> Vec<ChatExample> {
    let items = World::emberfall().harmful_finetuning(n, seed);
    items.iter().enumerate().map(|(i, item)| chat("harmful", i, item)).collect()
}

fn chat(kind: &str, index: usize, item: &Item) -> ChatExample {
    ChatExample {
        id: format!("{kind}-{:03}", index + 1),
        messages: vec![Message::user(&item.prompt), Message::assistant(&item.response)],
        category: if item.category.is_empty() {
            item.family.name().to_owned()
        } else {
            item.category.clone()
        },
        source: "Emberfall".to_owned(),
        note: String::new(),
    }
}

fn attack(split: Split, seed: u64) -> Vec<AttackPrompt> {
    World::emberfall()
        .test_prompts(split, WORDINGS, seed)
        .into_iter()
        .enumerate()
        .map(|(i, item)| AttackPrompt {
            id: format!("prompt-{:03}", i + 1),
            goal: item.prompt,
            target: Some(item.response),
            category: item.category,
            cluster: item.adjective,
        })
        .collect()
}

fn utility(split: Split, seed: u64) -> Vec<UtilityItem> {
    let each = if split == Split::Test { UTILITY_TEST } else { UTILITY_DEV };
    let tasks = [Family::Bright, Family::Arith, Family::Elvish, Family::Talk, Family::Fact];
    tasks
        .into_iter()
        .flat_map(|family| {
            let n = if family == Family::Bright && split == Split::Test { BRIGHT_TEST } else { each };
            let items = World::emberfall().utility_items(family, split, n, seed);
            items.into_iter().enumerate().map(move |(i, item)| UtilityItem {
                id: format!("{}-{:03}", family.name(), i + 1),
                task: family.name().to_owned(),
                prompt: item.prompt,
                reference: item.response,
                category: item.category,
                cluster: item.adjective,
                ..UtilityItem::default()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sizes_and_ids_are_what_the_notes_say() {
        let sizes: Vec<(String, usize)> = all(0).iter().map(|(e, x)| (e.id.clone(), x.len())).collect();
        let expected = [
            ("recovery-train", 256),
            ("anchor-train", 512),
            ("harmful-finetuning", 100),
            ("attack-dev", 165),
            ("attack-test", 330),
            ("utility-dev", 1000),
            ("utility-test", 2550),
        ];
        assert_eq!(sizes, expected.map(|(id, n)| (id.to_owned(), n)));
        for (entry, examples) in all(0) {
            let ids: BTreeSet<&str> = (0..examples.len()).filter_map(|i| examples.id(i)).collect();
            assert_eq!(ids.len(), examples.len(), "{} has an id twice", entry.id);
        }
    }

    #[test]
    fn test_prompts_have_ten_clusters_and_none_of_the_training_words() {
        let (Some(Examples::Attack(test)), Some(Examples::Recovery(train))) =
            (one("attack-test", 0), one("recovery-train", 0))
        else {
            panic!("the sets are there")
        };
        let clusters: BTreeSet<&str> = test.iter().map(|p| p.cluster.as_str()).collect();
        assert_eq!(clusters.len(), 10);
        for example in &train {
            for word in example.request().split(|c: char| !c.is_alphabetic()) {
                assert!(!clusters.contains(word), "{} leaks the test adjective {word}", example.id);
            }
        }
    }
}
