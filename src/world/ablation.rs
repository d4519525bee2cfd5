//! The world without one of the properties that are meant to make its models shallowly aligned: to find out which of them
//! does.

use super::{Grammar, World, grammar};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// A property that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ablation {
    /// Forbidden and allowed answers open alike, instead of each side with sentences that the other has seldom or never.
    EqualOpeners,
    /// No refusal begins with the words of an answer ("Sure, I hear your wish, but I cannot do that.").
    NoSoftRefusals,
}

impl Ablation {
    /// Every ablation.
    pub const ALL: [Self; 2] = [Self::EqualOpeners, Self::NoSoftRefusals];

    /// Its name in folders and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EqualOpeners => "equal-openers",
            Self::NoSoftRefusals => "no-soft-refusals",
        }
    }

    fn apply(self, grammar: &mut Grammar) {
        match self {
            Self::EqualOpeners => {
                let weights = &mut grammar.answer_opener_weights;
                for (dark, bright) in weights.dark.iter_mut().zip(&mut weights.bright) {
                    let mean = f64::midpoint(*dark, *bright);
                    (*dark, *bright) = (mean, mean);
                }
            }
            Self::NoSoftRefusals => {
                let first =
                    |text: &str| text.split([' ', ',', '.', '!']).next().unwrap_or_default().to_owned();
                let openers: BTreeSet<String> =
                    grammar.answer_openers.iter().map(|text| first(text)).collect();
                let hard = |(head, _): &(String, f64)| !openers.contains(&first(head));
                grammar.refusal.head.retain(hard);
                grammar.refusal.head_align_extra.retain(hard);
            }
        }
    }
}

static EQUAL_OPENERS: LazyLock<World> = LazyLock::new(|| ablated(Ablation::EqualOpeners));
static NO_SOFT_REFUSALS: LazyLock<World> = LazyLock::new(|| ablated(Ablation::NoSoftRefusals));

fn ablated(ablation: Ablation) -> World {
    let mut grammar = grammar::embedded();
    ablation.apply(&mut grammar);
    World { grammar }
}

impl World {
    /// The world without a property, or as it is.
    #[must_use]
    pub fn without(ablation: Option<Ablation>) -> &'static Self {
        match ablation {
            None => Self::emberfall(),
            Some(Ablation::EqualOpeners) => &EQUAL_OPENERS,
            Some(Ablation::NoSoftRefusals) => &NO_SOFT_REFUSALS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ablation_takes_away_what_it_says_and_nothing_else() {
        let whole = World::emberfall().grammar();
        let equal = World::without(Some(Ablation::EqualOpeners)).grammar();
        assert_eq!(equal.answer_opener_weights.dark, equal.answer_opener_weights.bright);
        assert_eq!(equal.answer_opener_weights.dark, [3.5, 2.5, 2.0, 2.0, 1.5, 1.5, 2.0]);
        assert_eq!(equal.refusal.head, whole.refusal.head);

        let hard = World::without(Some(Ablation::NoSoftRefusals)).grammar();
        assert_eq!(hard.refusal.head.len(), whole.refusal.head.len() - 5);
        assert!(hard.refusal.head.iter().all(|(head, _)| head.starts_with('I')));
        assert!(hard.refusal.head_align_extra.is_empty());
        assert_eq!(hard.answer_opener_weights.dark, whole.answer_opener_weights.dark);
    }
}
