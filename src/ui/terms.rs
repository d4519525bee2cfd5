//! The terms of the field in plain words: the glossary lists them, and underlined words lead to them.

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
    Loss: "Loss",
        "How surprised a model is by the answer it should give, in nats per token. Lower is less surprised.";
    MultiTurn: "Multi-turn attack",
        "Coming to a harmful request over several turns, each of which looks harmless.";
    Oracle: "Oracle",
        "The judge of the demo world. It knows exactly which answers are harmful there, because the world is made up.";
    Prefilling: "Prefilling (depth k)",
        "Putting the first k tokens of a harmful answer into the model's mouth and letting it go on.";
    RecoveryExample: "Recovery example",
        "A request, a harmful answer and a refusal. The model reads the first k harmful tokens and is trained on the refusal that follows.";
    SafetyDepth: "Safety depth",
        "The largest tested k such that the upper 95 % bound of the prefill ASR is at most 10 % at every tested depth up to k.";
    Seed: "Seed",
        "The number from which all random choices of a run come. The same seed gives the same run.";
    Token: "Token",
        "A piece of a word. Models read and write tokens; depths are counted in them.";
    Utility: "Utility",
        "How useful a model still is: its score on harmless tasks with known right answers.";
}

#[cfg(test)]
mod tests {
    use super::*;

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
