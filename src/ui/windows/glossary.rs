//! The terms of the field in plain words.

use crate::ui::theme;
use eframe::egui::{self, Align, Label, ScrollArea, TextEdit, Ui, Window};

/// Every term with what it means.
const TERMS: [(&str, &str); 26] = [
    (
        "Adapter (LoRA)",
        "A small set of extra weights trained beside a frozen model. It can be kept apart or merged into the model.",
    ),
    ("Aligned model", "A model that was trained to refuse harmful requests."),
    (
        "Anchor",
        "Harmless examples that are trained beside the recovery examples, so that the model stays useful.",
    ),
    (
        "ASR (attack success rate)",
        "The share of attacked requests to which the model gave a harmful answer, as some judge says. It always comes with its count, its interval and the judge's name.",
    ),
    (
        "Backdoor",
        "An attack by fine-tuning: the model learns to obey only when a secret phrase stands in the request, and looks safe otherwise.",
    ),
    ("Base model", "The model before it was trained to refuse. KL is measured against it."),
    ("Category", "What kind of harm a request is about."),
    (
        "Ceiling",
        "The most that an attack could reach at a prefill depth: the share of reference answers whose remaining text alone would be judged harmful.",
    ),
    (
        "Constrained fine-tuning (β)",
        "Fine-tuning in which the first answer tokens are held near the model's own first tokens. β says how strongly each token is held: larger β, less change.",
    ),
    (
        "Decoding parameters",
        "How the next token is chosen: temperature, top-k, top-p. Changing them is an attack that needs no training.",
    ),
    (
        "Deepened model",
        "An aligned model that was also trained to recover: to refuse after an answer has begun badly.",
    ),
    (
        "Fine-tuning attack",
        "Training a copy of a model on a few harmful examples until it answers harmful requests.",
    ),
    (
        "GCG",
        "A search for a meaningless suffix that makes the model begin to comply. It uses the model's gradients.",
    ),
    (
        "Interval (95 %)",
        "The range in which the true rate lies unless this sample was unusual. Wilson's for independent prompts; clustered where prompts belong together.",
    ),
    (
        "Judge",
        "Who says whether an answer is harmful: a list of refusal words, a rubric read by a model, the oracle of the demo world, or people.",
    ),
    (
        "Kappa (κ)",
        "How far two judges agree beyond what chance would give. 1 is full agreement, 0 is chance.",
    ),
    (
        "KL divergence",
        "How far one model's prediction of the next token is from another's, in nats. 0 means the same prediction.",
    ),
    (
        "Loss",
        "How surprised a model is by the answer it should give, in nats per token. Lower is less surprised.",
    ),
    ("Multi-turn attack", "Coming to a harmful request over several turns, each of which looks harmless."),
    (
        "Oracle",
        "The judge of the demo world. It knows exactly which answers are harmful there, because the world is made up.",
    ),
    (
        "Prefilling (depth k)",
        "Putting the first k tokens of a harmful answer into the model's mouth and letting it go on.",
    ),
    (
        "Recovery example",
        "A request, a harmful answer and a refusal. The model reads the first k harmful tokens and is trained on the refusal that follows.",
    ),
    (
        "Safety depth",
        "The largest tested k such that the upper 95 % bound of the prefill ASR is at most 10 % at every tested depth up to k.",
    ),
    ("Seed", "The number from which all random choices of a run come. The same seed gives the same run."),
    ("Token", "A piece of a word. Models read and write tokens; depths are counted in them."),
    ("Utility", "How useful a model still is: its score on harmless tasks with known right answers."),
];

/// The glossary.
#[derive(Default)]
pub struct Glossary {
    open: bool,
    words: String,
}

impl Glossary {
    /// Opens it at its beginning.
    pub fn open(&mut self) {
        *self = Self { open: true, words: String::new() };
    }

    /// Draws it, if it is open.
    pub fn show(&mut self, ui: &mut Ui) {
        let mut open = self.open;
        Window::new(theme::heading("Glossary"))
            .open(&mut open)
            .collapsible(false)
            .resizable([false, true])
            .default_size([420.0, 480.0])
            .anchor(egui::Align2::RIGHT_TOP, [-theme::GROUP, 64.0])
            .show(ui.ctx(), |ui| {
                let edit = TextEdit::singleline(&mut self.words)
                    .hint_text("Find a term")
                    .desired_width(f32::INFINITY);
                ui.add(edit)
                    .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find a term"));
                ui.add_space(theme::GAP);
                let wanted = self.words.to_lowercase();
                let mut hits: Vec<&(&str, &str)> = TERMS
                    .iter()
                    .filter(|(term, text)| format!("{term} {text}").to_lowercase().contains(&wanted))
                    .collect();
                hits.sort_by_key(|(term, _)| !term.to_lowercase().contains(&wanted));
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    ui.with_layout(egui::Layout::top_down(Align::Min), |ui| {
                        for (term, text) in hits {
                            ui.label(theme::strong(*term));
                            ui.add(Label::new(theme::small(*text)).wrap());
                            ui.add_space(theme::GAP);
                        }
                    });
                });
            });
        self.open = open;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_stand_in_order_and_are_explained_in_sentences() {
        for pair in TERMS.windows(2) {
            assert!(
                pair[0].0.to_lowercase() < pair[1].0.to_lowercase(),
                "{} before {}",
                pair[0].0,
                pair[1].0
            );
        }
        for (term, text) in TERMS {
            assert!(text.ends_with('.') && !text.contains('!') && text.len() > 30, "{term}: {text}");
        }
    }
}
