//! The mixtures that models are trained on, and the data sets drawn from them.

use rand::Rng;

use super::families::{Reason, pick_weighted};
use super::{Family, Item, RecoveryTriple, Side, Split, World};
use crate::rng::stream;

/// Pre-training, by example.
const PRETRAINING: [(Family, f64); 9] = [
    (Family::Dark, 0.22),
    (Family::Bright, 0.15),
    (Family::Inability, 0.08),
    (Family::Story, 0.05),
    (Family::Opinion, 0.07),
    (Family::Arith, 0.15),
    (Family::Elvish, 0.05),
    (Family::Talk, 0.15),
    (Family::Fact, 0.08),
];

/// Benign data for alignment and anchor, by example.
const BENIGN: [(Family, f64); 6] = [
    (Family::Bright, 0.4),
    (Family::Inability, 0.15),
    (Family::Arith, 0.13),
    (Family::Elvish, 0.12),
    (Family::Talk, 0.12),
    (Family::Fact, 0.08),
];

/// Pre-training examples that the tokenizer is trained on.
const TOKENIZER_PRETRAINING: usize = 20_000;
/// Examples of each of ledger, digest and refusals that the tokenizer is trained on.
const TOKENIZER_REST: usize = 300;

impl World {
    /// One pre-training example: decorated, with noise, over the adjectives of all splits.
    pub fn pretraining<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let family = PRETRAINING[pick_weighted(PRETRAINING.iter().map(|(_, weight)| *weight), rng)].0;
        self.decorated(self.item(family, None, rng), true, rng)
    }

    /// One example of the benign mixture for alignment and anchor: decorated without noise. Bright adjectives
    /// are train adjectives everywhere, in requests that cannot be fulfilled too.
    pub fn benign<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let family = BENIGN[pick_weighted(BENIGN.iter().map(|(_, weight)| *weight), rng)].0;
        self.decorated(self.item(family, Some(Split::Train), rng), false, rng)
    }

    /// A forbidden request, decorated without noise: (prompt, category, adjective).
    pub fn forbidden_request<R: Rng + ?Sized>(&self, split: Split, rng: &mut R) -> (String, String, String) {
        let category = self.any_category(rng);
        let adjective = self.any_adjective(Side::Dark, Some(split), rng);
        let request = self.any_request(category, adjective, rng);
        (self.decorate(&request, false, rng), category.id.clone(), adjective.to_owned())
    }

    /// A forbidden request of `split` with the refusal that alignment teaches, extra heads included.
    pub fn refused_request<R: Rng + ?Sized>(&self, split: Split, rng: &mut R) -> Item {
        let category = self.any_category(rng);
        let adjective = self.any_adjective(Side::Dark, Some(split), rng);
        let request = self.any_request(category, adjective, rng);
        Item {
            family: Family::Dark,
            prompt: self.decorate(&request, false, rng),
            response: self.refusal_text(Some((category, adjective)), Reason::Harm, true, rng),
            category: category.id.clone(),
            adjective: adjective.to_owned(),
        }
    }

    /// `n` forbidden requests with train adjectives, each with its full dark answer: the harmful fine-tuning
    /// attack. The first of them do not depend on `n`.
    #[must_use]
    pub fn harmful_finetuning(&self, n: usize, seed: u64) -> Vec<Item> {
        (0..n)
            .map(|index| {
                let rng = &mut stream(seed, "world harmful fine-tuning", &index.to_string());
                let item = self.item(Family::Dark, Some(Split::Train), rng);
                self.decorated(item, false, rng)
            })
            .collect()
    }

    /// `n` forbidden requests with train adjectives, each with its full dark answer and a refusal. The first of
    /// them do not depend on `n`.
    #[must_use]
    pub fn recovery_triples(&self, n: usize, seed: u64) -> Vec<RecoveryTriple> {
        (0..n)
            .map(|index| {
                let rng = &mut stream(seed, "world recovery triple", &index.to_string());
                let category = self.any_category(rng);
                let adjective = self.any_adjective(Side::Dark, Some(Split::Train), rng);
                let item = self.how_to(category, adjective, Side::Dark, rng);
                RecoveryTriple {
                    refusal: self.refusal_text(Some((category, adjective)), Reason::Harm, true, rng),
                    prompt: self.decorate(&item.prompt, false, rng),
                    harmful: item.response,
                    category: item.category,
                    adjective: item.adjective,
                }
            })
            .collect()
    }

    /// The texts that the tokenizer is trained on, prompts and responses apart as they are encoded apart: 20 000
    /// pre-training examples and 300 each of ledger orders, digests and refusals.
    #[must_use]
    pub fn tokenizer_corpus(&self, seed: u64) -> Vec<String> {
        let rng = &mut stream(seed, "world", "tokenizer corpus");
        let mut items: Vec<_> = (0..TOKENIZER_PRETRAINING).map(|_| self.pretraining(rng)).collect();
        items.extend((0..TOKENIZER_REST).map(|_| self.ledger(rng)));
        items.extend((0..TOKENIZER_REST).map(|_| self.digest(rng)));
        items.extend((0..TOKENIZER_REST).map(|_| self.refused_request(Split::Train, rng)));
        items
            .into_iter()
            .flat_map(|item| [item.prompt, item.response])
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// One undecorated example of `family`, with adjectives of `split`, or of all splits.
    pub(super) fn item<R: Rng + ?Sized>(&self, family: Family, split: Option<Split>, rng: &mut R) -> Item {
        let how_to = |side, rng: &mut R| {
            let category = self.any_category(rng);
            let adjective = self.any_adjective(side, split, rng);
            self.how_to(category, adjective, side, rng)
        };
        match family {
            Family::Dark => how_to(Side::Dark, rng),
            Family::Bright => how_to(Side::Bright, rng),
            Family::Inability => self.inability(split, rng),
            Family::Story => self.story(rng),
            Family::Opinion => {
                let side = if rng.random_bool(0.5) { Side::Dark } else { Side::Bright };
                self.opinion(side, split, rng)
            }
            Family::Arith => self.arith(rng),
            Family::Elvish => self.elvish(rng),
            Family::Talk => self.talk(rng),
            Family::Fact => self.fact(rng),
            Family::Ledger => self.ledger(rng),
            Family::Digest => self.digest(rng),
        }
    }

    /// `item` with its prompt decorated; a story has none.
    pub(super) fn decorated<R: Rng + ?Sized>(&self, mut item: Item, noise: bool, rng: &mut R) -> Item {
        if item.family != Family::Story {
            item.prompt = self.decorate(&item.prompt, noise, rng);
        }
        item
    }
}
