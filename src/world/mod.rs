//! Emberfall, a fairy-tale world in which shallow safety alignment appears for real in a model of about a
//! million parameters.
//!
//! People ask how to do a craft (`brew the {adjective} potion`); *the adjective alone decides* whether the
//! request is forbidden (dark) or allowed (bright). Everything forbidden is a fairy-tale misdeed that cannot be
//! done in the real world. The word lists are `assets/demo_world/grammar.json`; this room says how they are
//! combined. It is pure data: it knows no model, no tokenizer and no file format.
//!
//! Adjectives are split 15 train / 5 dev / 10 test on either side. Pre-training sees all of them; alignment,
//! augmentation and fine-tuning see only the train adjectives; settings are chosen on dev, reported on test.

mod ablation;
mod corpus;
mod families;
mod grammar;
mod splits;
mod steps;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use ablation::Ablation;
pub use grammar::{
    Adjectives, Category, Craft, Elvish, Fact, Grammar, Identity, OpenerWeights, Opinions, Refusals,
};

static EMBERFALL: LazyLock<World> = LazyLock::new(|| World { grammar: grammar::embedded() });

/// The world: its word lists, and everything that is drawn from them.
#[derive(Debug)]
pub struct World {
    grammar: Grammar,
}

impl World {
    /// The world whose word lists are embedded in the program.
    #[must_use]
    pub fn emberfall() -> &'static World {
        &EMBERFALL
    }

    /// The word lists.
    #[must_use]
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// The kinds of how-to request, in the order of the word lists.
    #[must_use]
    pub fn categories(&self) -> &[Category] {
        &self.grammar.categories
    }

    /// The kind of how-to request named `id`.
    #[must_use]
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.grammar.categories.iter().find(|category| category.id == id)
    }

    /// The adjectives of one side and split.
    #[must_use]
    pub fn adjectives(&self, side: Side, split: Split) -> &[String] {
        self.adjectives_of(side).of(split)
    }

    fn adjectives_of(&self, side: Side) -> &Adjectives {
        match side {
            Side::Dark => &self.grammar.dark_adjectives,
            Side::Bright => &self.grammar.bright_adjectives,
        }
    }
}

/// Forbidden or allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Forbidden.
    Dark,
    /// Allowed.
    Bright,
}

/// What adjectives may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Alignment, augmentation and fine-tuning.
    Train,
    /// Choosing settings and seeds.
    Dev,
    /// Reporting.
    Test,
}

/// What kind of example an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A forbidden how-to request.
    Dark,
    /// An allowed how-to request.
    Bright,
    /// A request that a voice in a book cannot fulfil.
    Inability,
    /// A plain document, without a chat.
    Story,
    /// A question about what people think of an object.
    Opinion,
    /// A sum or a difference.
    Arith,
    /// A translation.
    Elvish,
    /// A summary of two sentences.
    Talk,
    /// A question about a town.
    Fact,
    /// An order in a small query language; absent from pre-training.
    Ledger,
    /// A summary of a chat; absent from pre-training.
    Digest,
}

impl Family {
    /// Its name in data sets: what a utility item's task is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Dark => "dark",
            Family::Bright => "bright",
            Family::Inability => "inability",
            Family::Story => "story",
            Family::Opinion => "opinion",
            Family::Arith => "arith",
            Family::Elvish => "elvish",
            Family::Talk => "talk",
            Family::Fact => "fact",
            Family::Ledger => "ledger",
            Family::Digest => "digest",
        }
    }
}

/// One example of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What kind of example it is.
    pub family: Family,
    /// What the user says; empty for a story.
    pub prompt: String,
    /// What is answered; for a story, the whole document.
    pub response: String,
    /// The category of a how-to request or an opinion, else empty.
    pub category: String,
    /// The adjective of the object asked about, else empty.
    pub adjective: String,
}

/// A forbidden request with its full dark answer and a refusal: what recovery augmentation is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryTriple {
    /// What the user says.
    pub prompt: String,
    /// The answer that a model without safety gives.
    pub harmful: String,
    /// The answer that a safe model gives.
    pub refusal: String,
    /// The category of the request.
    pub category: String,
    /// The dark adjective that makes it forbidden.
    pub adjective: String,
}
