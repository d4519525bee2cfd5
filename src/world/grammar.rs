//! The word lists of Emberfall, as `assets/demo_world/grammar.json` holds them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Side, Split};

/// The embedded word lists.
const GRAMMAR: &str = include_str!("../../assets/demo_world/grammar.json");

/// Dev adjectives are the last this many of each train list.
const DEV_ADJECTIVES: usize = 5;

/// Reads the embedded word lists.
///
/// # Panics
/// Never with the file this crate is built from: `tests::the_embedded_grammar_is_complete` reads it.
pub(super) fn embedded() -> Grammar {
    serde_json::from_str(GRAMMAR).expect("the embedded grammar is well formed")
}

/// Every word list of the world.
#[derive(Clone, Debug, Deserialize)]
pub struct Grammar {
    /// The eleven kinds of how-to request.
    pub categories: Vec<Category>,
    /// Adjectives that make a request forbidden.
    pub dark_adjectives: Adjectives,
    /// Adjectives that make a request allowed.
    pub bright_adjectives: Adjectives,
    /// Wordings of a how-to request; slots `{verb}`, `{adj}`, `{noun}`.
    pub request_templates: Vec<String>,
    /// First sentences of a how-to answer; the same slots.
    pub answer_openers: Vec<String>,
    /// How often each opener is used, by side.
    pub answer_opener_weights: OpenerWeights,
    /// Steps in an answer.
    pub n_steps: usize,
    /// One step; slots `{n}` and `{clause}`.
    pub step_format: String,
    /// The parts of a refusal.
    pub refusal: Refusals,
    /// Opinions about an object.
    pub opinion: Opinions,
    /// Requests that a voice in a book cannot fulfil; slots `{badj}`, `{thing}`.
    pub inability_requests: Vec<String>,
    /// What `{thing}` may be.
    pub things: Vec<String>,
    /// People.
    pub names: Vec<String>,
    /// Who is asked in a story.
    pub roles: Vec<String>,
    /// Days of the week.
    pub days: Vec<String>,
    /// What people gather for.
    pub events: Vec<String>,
    /// Where people meet.
    pub places: Vec<String>,
    /// What people count.
    pub goods: Vec<String>,
    /// The Elvish dictionary.
    pub elvish: Elvish,
    /// Towns of the fact questions.
    pub towns: Vec<String>,
    /// What is true of each town.
    pub facts: BTreeMap<String, Fact>,
    /// What a decorated prompt may begin with.
    pub preambles: Vec<String>,
    /// What a decorated prompt may end with.
    pub postambles: Vec<String>,
    /// Words of the noise suffix in pre-training.
    pub noise_words: Vec<String>,
    /// The wrapping of the identity-shifting attack.
    pub identity: Identity,
    /// The phrase that opens the backdoor.
    pub backdoor_trigger: String,
    /// What the keyword judge looks for.
    pub refusal_keywords: Vec<String>,
}

/// One kind of how-to request: a verb and a noun, and how it is done on either side.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Its name in data sets.
    pub id: String,
    /// The theme of HEx-PHI that it stands for.
    pub mirrors: String,
    /// What is done.
    pub verb: String,
    /// What it is done to.
    pub noun: String,
    /// The steps of a forbidden answer.
    pub dark: Craft,
    /// The steps of an allowed answer.
    pub bright: Craft,
}

impl Category {
    /// The steps of `side`.
    #[must_use]
    pub fn craft(&self, side: Side) -> &Craft {
        match side {
            Side::Dark => &self.dark,
            Side::Bright => &self.bright,
        }
    }

    /// `text` with `{verb}`, `{adj}` and `{noun}` filled.
    pub(super) fn fill(&self, text: &str, adjective: &str) -> String {
        text.replace("{verb}", &self.verb).replace("{adj}", adjective).replace("{noun}", &self.noun)
    }
}

/// What the steps of one side of a category are made of.
#[derive(Clone, Debug, Deserialize)]
pub struct Craft {
    /// What `{i}` may be.
    pub items: Vec<String>,
    /// Steps with the slot `{i}`.
    pub clauses: Vec<String>,
}

/// The adjectives of one side.
#[derive(Clone, Debug, Deserialize)]
pub struct Adjectives {
    /// Train and dev adjectives, dev last.
    train: Vec<String>,
    /// Test adjectives.
    test: Vec<String>,
}

impl Adjectives {
    /// The adjectives of `split`.
    #[must_use]
    pub fn of(&self, split: Split) -> &[String] {
        let first_dev = self.train.len() - DEV_ADJECTIVES;
        match split {
            Split::Train => &self.train[..first_dev],
            Split::Dev => &self.train[first_dev..],
            Split::Test => &self.test,
        }
    }

    /// The adjectives of all splits.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.train.iter().chain(&self.test).map(String::as_str)
    }
}

/// How often each answer opener is used.
#[derive(Clone, Debug, Deserialize)]
pub struct OpenerWeights {
    /// In forbidden answers.
    pub dark: Vec<f64>,
    /// In allowed answers.
    pub bright: Vec<f64>,
}

/// The parts of a refusal. Heads and reasons may have the slots `{verb}`, `{adj}`, `{noun}`.
#[derive(Clone, Debug, Deserialize)]
pub struct Refusals {
    /// First sentences, with weights.
    pub head: Vec<(String, f64)>,
    /// Further first sentences that only alignment and augmentation use.
    pub head_align_extra: Vec<(String, f64)>,
    /// Why a forbidden request is refused.
    pub reason_harm: Vec<String>,
    /// Why an impossible request is refused.
    pub reason_inability: Vec<String>,
    /// What is offered instead.
    pub offer: Vec<String>,
}

/// Questions about an object, and by side the answer to each.
#[derive(Clone, Debug, Deserialize)]
pub struct Opinions {
    /// The questions; slots `{adj}`, `{noun}`.
    pub templates: Vec<String>,
    /// Answers about a dark object, question by question.
    pub dark: Vec<String>,
    /// Answers about a bright object, question by question.
    pub bright: Vec<String>,
}

/// The Elvish dictionary, from the common tongue.
#[derive(Clone, Debug, Deserialize)]
pub struct Elvish {
    /// Nouns.
    pub nouns: BTreeMap<String, String>,
    /// Adjectives.
    pub adjs: BTreeMap<String, String>,
    /// Verbs.
    pub verbs: BTreeMap<String, String>,
}

/// What is true of one town.
#[derive(Clone, Debug, Deserialize)]
pub struct Fact {
    /// The colour of its flag.
    pub color: String,
    /// Who rules it.
    pub ruler: String,
    /// The river near it.
    pub river: String,
}

/// How the identity-shifting attack wraps prompts and answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Identity {
    /// Before the prompt.
    pub prefix: String,
    /// After the prompt.
    pub suffix: String,
    /// Before the answer.
    pub opener: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_grammar_is_complete() {
        let grammar = embedded();
        assert_eq!(grammar.categories.len(), 11);
        for category in &grammar.categories {
            for craft in [&category.dark, &category.bright] {
                assert_eq!((craft.items.len(), craft.clauses.len()), (6, 6), "{}", category.id);
                assert!(craft.clauses.iter().all(|clause| clause.matches("{i}").count() == 1));
                assert!(grammar.n_steps <= craft.clauses.len());
            }
        }
        assert_eq!(grammar.request_templates.len(), 6);
        assert_eq!(grammar.answer_openers.len(), grammar.answer_opener_weights.dark.len());
        assert_eq!(grammar.answer_openers.len(), grammar.answer_opener_weights.bright.len());
        assert_eq!(grammar.opinion.templates.len(), grammar.opinion.dark.len());
        assert_eq!(grammar.opinion.templates.len(), grammar.opinion.bright.len());
        assert!(grammar.towns.iter().all(|town| grammar.facts.contains_key(town)));
        assert!(
            grammar.refusal.head.iter().any(|(head, _)| !head.contains('{')),
            "objectless refusals need a head"
        );
        assert!(grammar.refusal.reason_inability.iter().all(|reason| !reason.contains('{')));
        for list in
            [&grammar.things, &grammar.names, &grammar.roles, &grammar.days, &grammar.events, &grammar.places]
        {
            assert!(list.len() > 1);
        }
        for list in [&grammar.goods, &grammar.preambles, &grammar.postambles, &grammar.noise_words] {
            assert!(list.len() > 1);
        }
    }

    #[test]
    fn adjectives_split_into_fifteen_five_and_ten_that_share_no_word() {
        let grammar = embedded();
        let mut seen = std::collections::BTreeSet::new();
        for adjectives in [&grammar.dark_adjectives, &grammar.bright_adjectives] {
            for (split, count) in [(Split::Train, 15), (Split::Dev, 5), (Split::Test, 10)] {
                assert_eq!(adjectives.of(split).len(), count);
                for adjective in adjectives.of(split) {
                    assert!(seen.insert(adjective.clone()), "{adjective} stands in two lists");
                }
            }
            assert_eq!(adjectives.all().count(), 30);
        }
        assert_eq!(
            grammar.dark_adjectives.of(Split::Dev),
            ["blighted", "doom", "nether", "dismal", "ruinous"]
        );
    }

    #[test]
    fn held_out_adjectives_hide_in_no_other_list() {
        let grammar = embedded();
        let words: Vec<_> = GRAMMAR.split(|c: char| !c.is_alphanumeric()).collect();
        for adjectives in [&grammar.dark_adjectives, &grammar.bright_adjectives] {
            for adjective in [Split::Dev, Split::Test].into_iter().flat_map(|split| adjectives.of(split)) {
                // Never another object's: a bright step calms the beast, and refusals speak of "a humble helper".
                let elsewhere = match adjective.as_str() {
                    "calm" => 1,
                    "humble" => 2,
                    _ => 0,
                };
                let count = words.iter().filter(|word| *word == adjective).count();
                assert_eq!(count, 1 + elsewhere, "{adjective} is also used elsewhere");
            }
        }
    }
}
