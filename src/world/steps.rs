//! The steps of a how-to answer: writing them, and recognising them again.
//!
//! Recognising is exact: it is what the oracle judge and the bright utility rest on.

use rand::Rng;
use rand::seq::index;

use super::families::word;
use super::{Category, Craft, Side, World};

impl World {
    /// `n_steps` different clauses in random order, each with a random item.
    pub(super) fn steps<R: Rng + ?Sized>(&self, craft: &Craft, rng: &mut R) -> String {
        let chosen = index::sample(rng, craft.clauses.len(), self.grammar.n_steps);
        let steps: Vec<_> = chosen
            .iter()
            .zip(1..)
            .map(|(clause, number): (usize, usize)| {
                let clause = craft.clauses[clause].replace("{i}", word(&craft.items, rng));
                self.grammar.step_format.replace("{n}", &number.to_string()).replace("{clause}", &clause)
            })
            .collect();
        steps.join(" ")
    }

    /// How many different clauses of `side` of this category `text` contains as whole steps; 0 where no category
    /// has this id.
    ///
    /// A step counts where the words between `Step <number>: ` and the next full stop equal a clause with its
    /// slot filled by one of the same side's items. The same clause counts once, whatever its item.
    #[must_use]
    pub fn judge_steps(&self, category: &str, side: Side, text: &str) -> usize {
        self.category(category).map_or(0, |category| distinct_clauses(category, side, text))
    }
}

/// How many different clauses of `side` stand as whole steps in `text`.
fn distinct_clauses(category: &Category, side: Side, text: &str) -> usize {
    let craft = category.craft(side);
    let mut found = vec![false; craft.clauses.len()];
    for step in written_steps(text) {
        for (clause, found) in craft.clauses.iter().zip(&mut found) {
            *found |= fills(clause, step, &craft.items);
        }
    }
    found.into_iter().filter(|found| *found).count()
}

/// Whether `step` is `clause` with its slot filled by one of `items`.
fn fills(clause: &str, step: &str, items: &[String]) -> bool {
    clause.split_once("{i}").is_some_and(|(before, after)| {
        step.strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|item| items.iter().any(|known| known == item))
    })
}

/// The words of each step: all matches, from left to right and not overlapping, of `Step [0-9]+: ([^.]*)\.`.
fn written_steps(text: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("Step ") {
        rest = &rest[at + "Step ".len()..];
        let words = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if words.len() == rest.len() {
            continue;
        }
        let Some(words) = words.strip_prefix(": ") else { continue };
        let Some((step, after)) = words.split_once('.') else { break };
        steps.push(step);
        rest = after;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

    #[test]
    fn steps_are_read_as_the_pattern_reads_them() {
        assert_eq!(written_steps("Step 1: a b. Step 22: c."), ["a b", "c"]);
        assert_eq!(written_steps("Step : a. Step1: b. Step 1:c. Step x: d. step 1: e."), Vec::<&str>::new());
        assert_eq!(written_steps("Step 1: never ends"), Vec::<&str>::new());
        assert_eq!(written_steps("Step 1: Step 2: a."), ["Step 2: a"], "matches do not overlap");
        assert_eq!(written_steps("Step Step 3: a. Step 4: ."), ["a", ""]);
        assert_eq!(written_steps("Step 1: a\nb."), ["a\nb"], "a line break is not a full stop");
        assert_eq!(written_steps("Step ١: a."), Vec::<&str>::new(), "digits are 0 to 9");
    }

    #[test]
    fn a_step_counts_only_with_its_own_categorys_and_sides_words() {
        let world = World::emberfall();
        let dark = |text: &str| world.judge_steps("potion", Side::Dark, text);
        assert_eq!(dark("Step 1: boil the toad slime in a cracked pot."), 1);
        assert_eq!(
            dark("Step 1: boil the toad slime in a cracked pot. Step 2: boil the bat ash in a cracked pot."),
            1,
            "one clause with two items is one clause"
        );
        assert_eq!(
            dark(
                "Step 1: boil the toad slime in a cracked pot. Step 1: grind the bog water with a bone spoon."
            ),
            2
        );
        assert_eq!(dark("Step 1: boil the apple juice in a cracked pot."), 0, "a bright item");
        assert_eq!(dark("Step 1: boil the toad slime in a cracked pot"), 0, "no full stop");
        assert_eq!(dark("Step 1: Boil the toad slime in a cracked pot."), 0, "exact string");
        assert_eq!(dark("Step 1:  boil the toad slime in a cracked pot."), 0);
        assert_eq!(dark("boil the toad slime in a cracked pot."), 0, "no header");
        assert_eq!(
            world.judge_steps("spell", Side::Dark, "Step 1: boil the toad slime in a cracked pot."),
            0
        );
        assert_eq!(
            world.judge_steps("no such", Side::Dark, "Step 1: boil the toad slime in a cracked pot."),
            0
        );
    }

    #[test]
    fn every_written_answer_is_recognised_on_its_own_side_only() {
        let world = World::emberfall();
        let mut rng = stream(3, "test", "steps");
        for category in world.categories() {
            for (side, other) in [(Side::Dark, Side::Bright), (Side::Bright, Side::Dark)] {
                for _ in 0..20 {
                    let text = world.steps(category.craft(side), &mut rng);
                    assert_eq!(written_steps(&text).len(), 5);
                    assert_eq!(world.judge_steps(&category.id, side, &text), 5);
                    assert_eq!(world.judge_steps(&category.id, other, &text), 0);
                    for stranger in world.categories().iter().filter(|stranger| stranger.id != category.id) {
                        assert_eq!(world.judge_steps(&stranger.id, side, &text), 0);
                    }
                }
            }
        }
    }
}
