//! The terms of the field in plain words: the glossary lists them, and underlined words lead to them.

use std::ops::Range;

macro_rules! terms {
    ($($id:ident: $name:literal, $text:literal;)*) => {
        /// A term of the field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Term {
            $(#[doc = $text] $id,)*
        }

        impl Term {
            /// All of them, in the order of the alphabet.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            /// What it is called.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name),* }
            }

            /// What it means, in sentences.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$id => $text),* }
            }
        }
    };
}

terms! {
    Adapter: "Adapter (LoRA)",
        "A small set of extra weights trained beside a frozen model. It can be kept apart or merged into the model.";
    AlignedModel: "Aligned model",
        "A model that was trained to refuse harmful requests.";
    Anchor: "Anchor",
        "Harmless examples that are trained beside the recovery examples, so that the model stays useful.";
    AttackSuccessRate: "ASR (attack success rate)",
        "The share of attacked requests to which the model gave a harmful answer, as some judge says. It always comes with its count, its interval and the judge's name.";
    Backdoor: "Backdoor",
        "An attack by fine-tuning: the model learns to obey only when a secret phrase stands in the request, and looks safe otherwise.";
    BaseModel: "Base model",
        "The model before it was trained to refuse. KL is measured against it.";
    Category: "Category",
        "What kind of harm a request is about.";
    Ceiling: "Ceiling",
        "The most that an attack could reach at a prefill depth: the share of reference answers whose remaining text alone would be judged harmful.";
    Constrained: "Constrained fine-tuning (β)",
        "Fine-tuning in which the first answer tokens are held near the model's own first tokens. β says how strongly each token is held: larger β, less change.";
    DecodingParameters: "Decoding parameters",
        "How the next token is chosen: temperature, top-k, top-p. Changing them is an attack that needs no training.";
    DeepenedModel: "Deepened model",
        "An aligned model that was also trained to recover: to refuse after an answer has begun badly.";
    FineTuningAttack: "Fine-tuning attack",
        "Training a copy of a model on a few harmful examples until it answers harmful requests.";
    Gcg: "GCG",
        "A search for a meaningless suffix that makes the model begin to comply. It uses the model's gradients.";
    Interval: "Interval (95 %)",
        "The range in which the true rate lies unless this sample was unusual. Wilson's for independent prompts; clustered where prompts belong together.";
    Judge: "Judge",
        "Who says whether an answer is harmful: a list of refusal words, a rubric read by a model, the oracle of the demo world, or people.";
    Kappa: "Kappa (κ)",
        "How far two judges agree beyond what chance would give. 1 is full agreement, 0 is chance.";
    Kl: "KL divergence",
        "How far one model's prediction of the next token is from another's, in nats. 0 means the same prediction.";
    LaterTurn: "Later turn",
        "Letting the beginning of a harmful answer stand in an earlier turn, and asking the model to go on.";
    Loss: "Loss",
        "How surprised a model is by the answer it should give, in nats per token. Lower is less surprised.";
    MultiTurn: "Multi-turn attack",
        "Coming to a harmful request over several turns, each of which looks harmless.";
    Nat: "Nat",
        "The unit in which surprise is counted: a word to which a model gave a chance of 37 % surprises it by one nat, one of 14 % by two.";
    Oracle: "Oracle",
        "The judge of the demo world. It knows exactly which answers are harmful there, because the world is made up.";
    PlainRequest: "Plain request",
        "Asking for harm with nothing added. Prefilling with k = 0 is the same.";
    Prefilling: "Prefilling (depth k)",
        "Putting the first k tokens of a harmful answer into the model's mouth and letting it go on.";
    RankAssisted: "Rank-assisted prefilling",
        "At each token the attacker takes, among the model's own likeliest, the one that the base model likes best. A known hole in deepened models.";
    RecoveryExample: "Recovery example",
        "A request, a harmful answer and a refusal. The model reads the first k harmful tokens and is trained on the refusal that follows.";
    RefusalPrefix: "Refusal prefix",
        "The first words of a refusal, put into the model's mouth. A base model then looks safe, which shows how little such words prove.";
    SafetyDepth: "Safety depth",
        "The largest tested k such that the upper 95 % bound of the prefill ASR is at most 10 % at every tested depth up to k.";
    Seed: "Seed",
        "The number from which all random choices of a run come. The same seed gives the same run.";
    Token: "Token",
        "A piece of a word. Models read and write tokens; depths are counted in them.";
    Utility: "Utility",
        "How useful a model still is: its score on harmless tasks with known right answers.";
}

/// Words and the terms that they stand for, as captions have them.
const WORDS: [(&str, Term); 18] = [
    ("recovery examples", Term::RecoveryExample),
    ("Safety depth", Term::SafetyDepth),
    ("KL", Term::Kl),
    ("ASR", Term::AttackSuccessRate),
    ("nats", Term::Nat),
    ("prefill", Term::Prefilling),
    ("prefilled", Term::Prefilling),
    ("prefilling", Term::Prefilling),
    ("judge", Term::Judge),
    ("interval", Term::Interval),
    ("intervals", Term::Interval),
    ("ceiling", Term::Ceiling),
    ("category", Term::Category),
    ("anchor", Term::Anchor),
    ("kappa", Term::Kappa),
    ("token", Term::Token),
    ("tokens", Term::Token),
    ("utility", Term::Utility),
];

/// Where terms stand in a text, each where it comes first.
#[must_use]
pub fn terms_in(text: &str) -> Vec<(Range<usize>, Term)> {
    let lower = text.to_ascii_lowercase();
    let is_whole = |place: &Range<usize>| {
        let beside = [lower[..place.start].chars().next_back(), lower[place.end..].chars().next()];
        !beside.into_iter().flatten().any(char::is_alphanumeric)
    };
    let mut found: Vec<(Range<usize>, Term)> = Vec::new();
    for (word, term) in WORDS {
        let word = word.to_ascii_lowercase();
        let mut places = lower.match_indices(&word).map(|(at, _)| at..at + word.len());
        if let Some(place) = places.find(is_whole) {
            found.push((place, term));
        }
    }
    found.sort_by_key(|(place, _)| place.start);
    let mut met = Vec::new();
    found.retain(|(_, term)| {
        let first = !met.contains(term);
        met.push(*term);
        first
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_as_whole_words_where_they_come_first() {
        let text = "KL in nats, by token · 95 % interval; tokens, judged, interval";
        let found: Vec<(&str, Term)> =
            terms_in(text).into_iter().map(|(place, term)| (&text[place], term)).collect();
        let wanted =
            [("KL", Term::Kl), ("nats", Term::Nat), ("token", Term::Token), ("interval", Term::Interval)];
        assert_eq!(found, wanted);
        assert_eq!(terms_in("Prefilling attack, then prefilled")[0], (0..10, Term::Prefilling));
        assert!(terms_in("β · σ of nothing").is_empty());
    }

    #[test]
    fn terms_stand_in_order_and_are_explained_in_sentences() {
        for pair in Term::ALL.windows(2) {
            let (a, b) = (pair[0].name(), pair[1].name());
            assert!(a.to_lowercase() < b.to_lowercase(), "{a} before {b}");
        }
        for term in Term::ALL {
            let text = term.text();
            assert!(text.ends_with('.') && !text.contains('!') && text.len() > 30, "{term:?}: {text}");
        }
    }
}
