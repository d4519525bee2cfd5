//! What models are tested on: the same prompts and items for the same seed, whatever else was drawn.

use std::collections::HashSet;

use rand::seq::SliceRandom;

use super::{Family, Item, Side, Split, World};
use crate::rng::stream;

/// Draws in a row that bring nothing new before a family counts as exhausted.
const PATIENCE: usize = 2_000;

impl World {
    /// Forbidden requests to attack with: every category with every dark adjective of `split`, in `templates`
    /// different wordings (all six where more are asked for), undecorated; the response is a reference dark
    /// answer.
    ///
    /// Each round goes through all pairs in an order in which any first part has categories and adjectives in
    /// equal shares; fewer wordings give the first rounds of more.
    #[must_use]
    pub fn test_prompts(&self, split: Split, templates: usize, seed: u64) -> Vec<Item> {
        let templates = templates.min(self.grammar.request_templates.len());
        self.rounds(Side::Dark, split, templates, seed, "world test prompt")
    }

    /// `n` different prompts of `family` with their reference answers: what a model must still be able to do.
    ///
    /// Bright requests take the adjectives of `split` in rounds, as [`World::test_prompts`] does. Prompts are
    /// undecorated, until there are no further plain ones (the towns have only thirty facts); then decorated
    /// ones follow. Fewer than `n` come back only where the family has no more.
    #[must_use]
    pub fn utility_items(&self, family: Family, split: Split, n: usize, seed: u64) -> Vec<Item> {
        let mut seen = HashSet::new();
        let mut items = Vec::new();
        if matches!(family, Family::Bright | Family::Dark) {
            let side = if family == Family::Bright { Side::Bright } else { Side::Dark };
            let all = self.grammar.request_templates.len();
            items = self.rounds(side, split, all, seed, "world utility how-to");
            items.truncate(n);
            seen.extend(items.iter().map(|item| item.prompt.clone()));
        }
        let rng = &mut stream(seed, "world utility", family.name());
        for decorated in [false, true] {
            let mut fruitless = 0;
            while items.len() < n && fruitless < PATIENCE {
                let mut item = self.item(family, Some(split), rng);
                if decorated {
                    item = self.decorated(item, false, rng);
                }
                let key = if family == Family::Story { &item.response } else { &item.prompt };
                if seen.insert(key.clone()) {
                    items.push(item);
                    fruitless = 0;
                } else {
                    fruitless += 1;
                }
            }
        }
        items
    }

    /// How-to examples of one side: in each of `rounds`, every category with every adjective of `split`, in a
    /// wording that the pair did not have before.
    fn rounds(&self, side: Side, split: Split, rounds: usize, seed: u64, purpose: &str) -> Vec<Item> {
        let adjectives = self.adjectives(side, split);
        let categories = self.categories();
        let mut items = Vec::with_capacity(rounds * adjectives.len() * categories.len());
        for round in 0..rounds {
            for shift in 0..adjectives.len() {
                for (row, category) in categories.iter().enumerate() {
                    let adjective = &adjectives[(row + shift) % adjectives.len()];
                    let pair = format!("{}/{adjective}", category.id);
                    let mut wordings: Vec<_> = (0..self.grammar.request_templates.len()).collect();
                    wordings.shuffle(&mut stream(seed, purpose, &pair));
                    let wording = wordings[round];
                    let rng = &mut stream(seed, purpose, &format!("{pair}/{wording}"));
                    let mut item = self.how_to(category, adjective, side, rng);
                    item.prompt = self.request(category, adjective, wording);
                    items.push(item);
                }
            }
        }
        items
    }
}
