//! One example of each family, drawn at random.

use rand::Rng;

use super::{Category, Family, Item, Side, Split, World};

/// Chance that a refusal ends with an offer.
const OFFER: f64 = 0.8;
/// Chance of a preamble, and independently of a postamble, in a decorated prompt.
const AMBLE: f64 = 0.15;
/// Chance of a noise suffix in pre-training.
const NOISE: f64 = 0.05;

/// A uniform choice. The lists are the grammar's, none of which is empty.
pub(super) fn pick<'a, T, R: Rng + ?Sized>(list: &'a [T], rng: &mut R) -> &'a T {
    &list[rng.random_range(0..list.len())]
}

/// A uniform choice from a list of words.
pub(super) fn word<'a, R: Rng + ?Sized>(list: &'a [String], rng: &mut R) -> &'a str {
    pick::<String, R>(list, rng)
}

/// The index of a choice with the weights given.
pub(super) fn pick_weighted<R: Rng + ?Sized>(
    weights: impl Iterator<Item = f64> + Clone,
    rng: &mut R,
) -> usize {
    let mut left = rng.random::<f64>() * weights.clone().sum::<f64>();
    let mut last = 0;
    for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
        last = index;
        if left < weight {
            break;
        }
        left -= weight;
    }
    last
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Harm,
    Inability,
}

impl World {
    /// A how-to request in wording `template` (counted around when there are fewer), or `None` where no category
    /// has this id.
    #[must_use]
    pub fn request_text(&self, category: &str, adjective: &str, template: usize) -> Option<String> {
        Some(self.request(self.category(category)?, adjective, template))
    }

    /// A how-to answer, 75 tokens long on average, or `None` where no category has this id.
    pub fn answer<R: Rng + ?Sized>(
        &self,
        category: &str,
        adjective: &str,
        side: Side,
        rng: &mut R,
    ) -> Option<String> {
        Some(self.answer_text(self.category(category)?, adjective, side, rng))
    }

    /// A refusal of a forbidden request, or `None` where no category has this id. `extra_heads` adds the first
    /// sentences that only alignment and augmentation use.
    pub fn refusal<R: Rng + ?Sized>(
        &self,
        category: &str,
        adjective: &str,
        extra_heads: bool,
        rng: &mut R,
    ) -> Option<String> {
        let object = (self.category(category)?, adjective);
        Some(self.refusal_text(Some(object), Reason::Harm, extra_heads, rng))
    }

    /// `prompt` with a preamble and a postamble, each with its chance; with `noise` (pre-training only), also
    /// with a suffix of random words, which keeps the model sane under meaningless input.
    pub fn decorate<R: Rng + ?Sized>(&self, prompt: &str, noise: bool, rng: &mut R) -> String {
        let mut text = String::new();
        if rng.random_bool(AMBLE) {
            text.push_str(word(&self.grammar.preambles, rng));
            text.push(' ');
        }
        text.push_str(prompt);
        if rng.random_bool(AMBLE) {
            text.push(' ');
            text.push_str(word(&self.grammar.postambles, rng));
        }
        if noise && rng.random_bool(NOISE) {
            for _ in 0..rng.random_range(2..=10) {
                text.push(' ');
                text.push_str(word(&self.grammar.noise_words, rng));
            }
        }
        text
    }

    pub(super) fn request(&self, category: &Category, adjective: &str, template: usize) -> String {
        let templates = &self.grammar.request_templates;
        category.fill(&templates[template % templates.len()], adjective)
    }

    pub(super) fn any_request<R: Rng + ?Sized>(
        &self,
        category: &Category,
        adjective: &str,
        rng: &mut R,
    ) -> String {
        self.request(category, adjective, rng.random_range(0..self.grammar.request_templates.len()))
    }

    pub(super) fn answer_text<R: Rng + ?Sized>(
        &self,
        category: &Category,
        adjective: &str,
        side: Side,
        rng: &mut R,
    ) -> String {
        let weights = match side {
            Side::Dark => &self.grammar.answer_opener_weights.dark,
            Side::Bright => &self.grammar.answer_opener_weights.bright,
        };
        let opener = &self.grammar.answer_openers[pick_weighted(weights.iter().copied(), rng)];
        format!("{} {}", category.fill(opener, adjective), self.steps(category.craft(side), rng))
    }

    /// A refusal. Heads and reasons that name an object are only drawn where there is one.
    pub(super) fn refusal_text<R: Rng + ?Sized>(
        &self,
        object: Option<(&Category, &str)>,
        reason: Reason,
        extra_heads: bool,
        rng: &mut R,
    ) -> String {
        let refusal = &self.grammar.refusal;
        let usable = |text: &str| object.is_some() || !text.contains('{');
        let extra = if extra_heads { refusal.head_align_extra.as_slice() } else { &[] };
        // Leaving out what cannot be used gives the same distribution as drawing again until it can.
        let heads: Vec<_> = refusal.head.iter().chain(extra).filter(|(head, _)| usable(head)).collect();
        let reasons: Vec<_> = match reason {
            Reason::Harm => &refusal.reason_harm,
            Reason::Inability => &refusal.reason_inability,
        }
        .iter()
        .filter(|text| usable(text))
        .collect();
        let (head, _) = heads[pick_weighted(heads.iter().map(|(_, weight)| *weight), rng)];
        let mut text = format!("{head} {}", pick(&reasons, rng));
        if rng.random_bool(OFFER) {
            text.push(' ');
            text.push_str(word(&refusal.offer, rng));
        }
        match object {
            Some((category, adjective)) => category.fill(&text, adjective),
            None => text,
        }
    }

    /// A how-to example: a random wording, and the answer of `side`.
    pub(super) fn how_to<R: Rng + ?Sized>(
        &self,
        category: &Category,
        adjective: &str,
        side: Side,
        rng: &mut R,
    ) -> Item {
        Item {
            family: match side {
                Side::Dark => Family::Dark,
                Side::Bright => Family::Bright,
            },
            prompt: self.any_request(category, adjective, rng),
            response: self.answer_text(category, adjective, side, rng),
            category: category.id.clone(),
            adjective: adjective.to_owned(),
        }
    }

    pub(super) fn any_category<R: Rng + ?Sized>(&self, rng: &mut R) -> &Category {
        pick(&self.grammar.categories, rng)
    }

    /// An adjective of `split`, or of all splits with `None`.
    pub(super) fn any_adjective<R: Rng + ?Sized>(
        &self,
        side: Side,
        split: Option<Split>,
        rng: &mut R,
    ) -> &str {
        let adjectives = self.adjectives_of(side);
        match split {
            Some(split) => word(adjectives.of(split), rng),
            None => pick::<&str, R>(&adjectives.all().collect::<Vec<_>>(), rng),
        }
    }

    /// A request that a voice in a book cannot fulfil, refused. The bright adjective is of `split`, or of all.
    pub(super) fn inability<R: Rng + ?Sized>(&self, split: Option<Split>, rng: &mut R) -> Item {
        let template = word(&self.grammar.inability_requests, rng);
        let adjective = self.any_adjective(Side::Bright, split, rng);
        let thing = word(&self.grammar.things, rng);
        let named = if template.contains("{badj}") { adjective } else { "" };
        Item {
            family: Family::Inability,
            prompt: template.replace("{badj}", adjective).replace("{thing}", thing),
            response: self.refusal_text(None, Reason::Inability, false, rng),
            category: String::new(),
            adjective: named.to_owned(),
        }
    }

    /// A plain document in which somebody asks and is answered or refused.
    pub(super) fn story<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let name = word(&self.grammar.names, rng);
        let role = word(&self.grammar.roles, rng);
        let side = if rng.random_bool(0.5) { Side::Dark } else { Side::Bright };
        // Half are answered; of the refusals, half are of the impossible and half of a how-to request.
        let inner = match rng.random_range(0..4) {
            0 | 1 => {
                let category = self.any_category(rng);
                let adjective = self.any_adjective(side, None, rng);
                self.how_to(category, adjective, side, rng)
            }
            2 => self.inability(None, rng),
            _ => {
                let category = self.any_category(rng);
                // Either side has as many adjectives, so a uniform side makes every adjective equally likely.
                let adjective = self.any_adjective(side, None, rng);
                let reason = match side {
                    Side::Dark => Reason::Harm,
                    Side::Bright => Reason::Inability,
                };
                let mut item = self.how_to(category, adjective, side, rng);
                item.response = self.refusal_text(Some((category, adjective)), reason, false, rng);
                item
            }
        };
        Item {
            family: Family::Story,
            prompt: String::new(),
            response: format!(
                "{name} asked the {role}: {} The {role} said: {}",
                inner.prompt, inner.response
            ),
            category: inner.category,
            adjective: inner.adjective,
        }
    }

    /// What people think of an object with this adjective.
    pub(super) fn opinion<R: Rng + ?Sized>(&self, side: Side, split: Option<Split>, rng: &mut R) -> Item {
        let category = self.any_category(rng);
        let adjective = self.any_adjective(side, split, rng);
        let opinion = &self.grammar.opinion;
        let question = rng.random_range(0..opinion.templates.len());
        let answers = match side {
            Side::Dark => &opinion.dark,
            Side::Bright => &opinion.bright,
        };
        Item {
            family: Family::Opinion,
            prompt: category.fill(&opinion.templates[question], adjective),
            response: category.fill(&answers[question], adjective),
            category: category.id.clone(),
            adjective: adjective.to_owned(),
        }
    }

    /// A sum or a difference, half each.
    pub(super) fn arith<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let name = word(&self.grammar.names, rng);
        let goods = word(&self.grammar.goods, rng);
        let (first, event, result) = if rng.random_bool(0.5) {
            let (a, b) = (rng.random_range(1..=9), rng.random_range(1..=9));
            (a, format!("gets {b} more"), a + b)
        } else {
            let a = rng.random_range(2..=9);
            let b = rng.random_range(1..a);
            (a, format!("loses {b} of them"), a - b)
        };
        plain(
            Family::Arith,
            format!("{name} has {first} {goods} and {event}. How many {goods} does {name} have now?"),
            format!("{name} has {result} {goods} now."),
        )
    }

    /// A translation, word by word; "the" is dropped.
    pub(super) fn elvish<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let elvish = &self.grammar.elvish;
        let nouns: Vec<_> = elvish.nouns.iter().collect();
        let adjectives: Vec<_> = elvish.adjs.iter().collect();
        let verbs: Vec<_> = elvish.verbs.iter().collect();
        let words = [
            *pick(&adjectives, rng),
            *pick(&nouns, rng),
            *pick(&verbs, rng),
            *pick(&adjectives, rng),
            *pick(&nouns, rng),
        ];
        let [a1, n1, v, a2, n2] = words.map(|(common, _)| common);
        plain(
            Family::Elvish,
            format!("Say in Elvish: the {a1} {n1} {v} the {a2} {n2}."),
            format!("{}.", words.map(|(_, elvish)| elvish.as_str()).join(" ")),
        )
    }

    /// A summary of a talk between two people.
    pub(super) fn talk<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let (one, other) = self.two_names(rng);
        let thing = word(&self.grammar.things, rng);
        let event = word(&self.grammar.events, rng);
        let day = word(&self.grammar.days, rng);
        plain(
            Family::Talk,
            format!(
                "Summarize this talk. {one}: I need a {thing} for the {event}. {other}: I can bring one on {day}."
            ),
            format!("{one} needs a {thing} for the {event} and {other} will bring it on {day}."),
        )
    }

    /// A question about a town.
    pub(super) fn fact<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let town = word(&self.grammar.towns, rng);
        let fact = &self.grammar.facts[town];
        let (question, answer) = match rng.random_range(0..3) {
            0 => (
                format!("What color is the flag of {town}?"),
                format!("The flag of {town} is {}.", fact.color),
            ),
            1 => (format!("Who is the ruler of {town}?"), format!("The ruler of {town} is {}.", fact.ruler)),
            _ => (
                format!("Which river is near {town}?"),
                format!("The river near {town} is the {}.", fact.river),
            ),
        };
        plain(Family::Fact, question, answer)
    }

    /// A ledger order: a benign task that pre-training does not have (the analogue of SQL Create Context).
    pub fn ledger<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let goods = word(&self.grammar.goods, rng);
        let place = word(&self.grammar.places, rng);
        let column = *pick(&["price", "weight", "count"], rng);
        let (side, operator) = *pick(&[("above", "OVER"), ("below", "UNDER")], rng);
        let bound = rng.random_range(1..=99);
        plain(
            Family::Ledger,
            format!(
                "Turn into a ledger order: show the {goods} from the {place} with a {column} {side} {bound}."
            ),
            format!("FIND {goods} IN {place} WHERE {column} {operator} {bound} END"),
        )
    }

    /// A digest of a chat: a benign task that pre-training does not have (the analogue of `SAMSum`).
    pub fn digest<R: Rng + ?Sized>(&self, rng: &mut R) -> Item {
        let (one, other) = self.two_names(rng);
        let place = word(&self.grammar.places, rng);
        let day = word(&self.grammar.days, rng);
        let thing = word(&self.grammar.things, rng);
        plain(
            Family::Digest,
            format!(
                "Digest of the chat. {one}: Shall we meet at the {place} on {day}? {other}: Yes, and I will \
                 carry the {thing}."
            ),
            format!("Digest: {one} meets {other} at the {place} on {day}. {other} carries the {thing}."),
        )
    }

    /// Two people who are not the same.
    fn two_names<R: Rng + ?Sized>(&self, rng: &mut R) -> (&str, &str) {
        let names = &self.grammar.names;
        let one = rng.random_range(0..names.len());
        let other = (one + rng.random_range(1..names.len())) % names.len();
        (&names[one], &names[other])
    }
}

/// An item that has neither category nor adjective.
fn plain(family: Family, prompt: String, response: String) -> Item {
    Item { family, prompt, response, category: String::new(), adjective: String::new() }
}
