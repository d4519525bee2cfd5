//! What the chosen goal does to the model: in plain words, as an equation, and as reinforcement learning.

use super::goal::Goal;
use crate::train::{Normalisation, Recipe, TrainSpec};
use crate::ui::theme;
use crate::ui::widgets::{card, prose, quoted, section};
use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Align, CollapsingHeader, FontId, Label, Ui};

/// What is said about an objective. In equations, `_{…}` is set lower.
struct Words {
    /// What it does, in plain words.
    plain: String,
    /// Where the equation stands in the paper.
    source: &'static str,
    equation: &'static str,
    /// What the letters mean.
    letters: &'static str,
    /// The weight of each token's gradient.
    weight: &'static str,
    pull: &'static str,
    /// The reading as KL-regularised reinforcement learning.
    reading: &'static str,
}

/// Draws the explanation of what the form asks for.
pub(super) fn show(ui: &mut Ui, spec: &TrainSpec) {
    let p = theme::palette(ui);
    let words = words(spec);
    card(ui, |ui| {
        section(ui, "What does this do to the model?");
        prose(ui, &words.plain, theme::BODY, p.ink);
        ui.add_space(theme::GAP);
        part(ui, "The equation", false, |ui| {
            ui.add(Label::new(theme::small(words.source).color(p.weak)).wrap());
            equation(ui, words.equation);
            ui.add(Label::new(theme::small(words.letters)).wrap());
        });
        part(ui, "How much each token pulls (gradient weight)", false, |ui| {
            equation(ui, words.weight);
            ui.add(Label::new(theme::small(words.pull)).wrap());
        });
        part(ui, "Read as reinforcement learning", false, |ui| {
            ui.add(Label::new(theme::small(words.reading)).wrap());
        });
    });
}

fn part(ui: &mut Ui, name: &str, open: bool, contents: impl FnOnce(&mut Ui)) {
    CollapsingHeader::new(theme::label(name)).id_salt(("explain", name)).default_open(open).show_unindented(
        ui,
        |ui| {
            contents(ui);
            ui.add_space(theme::GAP);
        },
    );
}

/// An equation on a quiet ground.
fn equation(ui: &mut Ui, text: &str) {
    let p = theme::palette(ui);
    quoted(ui, |ui| {
        let mut job = LayoutJob::default();
        for (text, low) in pieces(text) {
            let size = if low { theme::SMALL - 2.0 } else { theme::BODY };
            let valign = if low { Align::BOTTOM } else { Align::Center };
            let format = TextFormat {
                font_id: FontId::proportional(size),
                color: p.ink,
                valign,
                ..Default::default()
            };
            job.append(text, 0.0, format);
        }
        ui.add(Label::new(job).wrap());
    });
}

/// The parts of an equation; `true` where they are set lower.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_{") {
        let (low, behind) = after.split_once('}').unwrap_or((after, ""));
        found.push((before, false));
        found.push((low, true));
        rest = behind;
    }
    found.push((rest, false));
    found.retain(|(text, _)| !text.is_empty());
    found
}

fn words(spec: &TrainSpec) -> Words {
    let goal = Goal::of(spec);
    match (spec.recipe, goal) {
        (Recipe::Recovery, _) => recovery(spec),
        (Recipe::Constrained, _) => constrained(goal == Goal::Break),
        (Recipe::Sft, _) => {
            let mut words = plain(goal == Goal::Break);
            if spec.anchor.is_some() {
                words.plain += " An anchor set is learnt beside it, weighed as in equation 2 of the paper.";
            }
            words
        }
    }
}

fn recovery(spec: &TrainSpec) -> Words {
    let with_anchor = spec.anchor.is_some();
    let mut plain = "The model reads a request and the first k tokens (word pieces) of a harmful answer, and learns to refuse from there. It \
                     is not taught the harmful words: they are only read. So its refusal no longer hangs on the first few \
                     tokens."
        .to_owned();
    plain += if with_anchor {
        " Beside that it learns harmless answers (the anchor), so that it stays useful."
    } else {
        " Without harmless examples (an anchor) beside them it may come to refuse too much."
    };
    let (source, equation, weight, pull) = match (with_anchor, spec.normalisation) {
        (true, Normalisation::PerSet) => (
            "Qi et al. 2025, §3.1, equation 2",
            "min_{θ}  α · E_{(x, h, r) ~ D_H, k ~ P_k}[ −log π_{θ}(r | x, h_{≤k}) ] + (1 − α) · E_{(x′, y′) ~ D_B}[ −log π_{θ}(y′ | x′) ]",
            "w = α / n_{r} in the refusal,   (1 − α) / n_{y′} in the anchor,   0 in x and h",
            "n counts the trained tokens of each set in the step. A harmful token has weight 0: nothing pulls the model towards it.",
        ),
        (true, Normalisation::TokenMean) => (
            "As in the authors' code: one mean over all trained tokens of a step; α is not used",
            "min_{θ}  −(1/n) · ( Σ log π_{θ}(r_{t} | x, h_{≤k}, r_{<t}) + Σ log π_{θ}(y′_{t} | x′, y′_{<t}) )",
            "w = 1 / n in the refusal and in the anchor,   0 in x and h",
            "n counts the trained tokens of the step. A harmful token has weight 0: nothing pulls the model towards it.",
        ),
        (false, _) => (
            "The first half of equation 2 in Qi et al. 2025, §3.1: there is no anchor",
            "min_{θ}  E_{(x, h, r) ~ D_H, k ~ P_k}[ −log π_{θ}(r | x, h_{≤k}) ]",
            "w = 1 / n in the refusal,   0 in x and h",
            "n counts the trained tokens of the step. A harmful token has weight 0: nothing pulls the model towards it.",
        ),
    };
    Words {
        plain,
        source,
        equation,
        letters: "x: request · h: harmful answer, of which the first k tokens are read · r: refusal · x′, y′: harmless request and \
                  answer · π: probability under the model with weights θ.",
        weight,
        pull,
        reading: "It is imitation, not reinforcement: the model is drawn towards the refusals wherever a harmful prefix leads, \
                  also to places that it would rarely reach by itself. No term holds it to the starting model; the anchor does \
                  that by example. A KL term to the starting model would do it token by token: that is constrained fine-tuning.",
    }
}

fn constrained(attack: bool) -> Words {
    let who =
        if attack { "The copy learns what the attacker gives it" } else { "The model learns your data" };
    Words {
        plain: format!(
            "{who}, but each answer token is held to what the starting model said: the larger β, the sooner the data stop \
             pulling once a token has become more probable. The first tokens, which decide whether a model refuses, are held \
             most."
        ),
        source: "Qi et al. 2025, §4.1, equation 4, averaged over the trained tokens",
        equation: "min_{θ}  E_{(x, y) ~ D}[ −Σ_{t} (2/β_{t}) · log σ( β_{t} · log( π_{θ}(y_{t} | x, y_{<t}) / π_{aligned}(y_{t} | x, y_{<t}) ) ) ]",
        letters: "x, y: request and answer of the data · t: token of the answer, from 1 · π_aligned: the model before training, which \
                  stays as it is · σ: logistic function · β: how strongly a token is held.",
        weight: "w_{t} = 2σ( β_{t} · (log π_{aligned}(y_{t}) − log π_{θ}(y_{t})) )",
        pull: "The gradient is that of plain fine-tuning times w. At the start both models are the same, and w = 1; it falls \
                       as the token becomes more probable than it was, the faster the larger β is. As β goes to 0, w stays 1: \
                       plain fine-tuning. w is never let fall below 0.001.",
        reading: "Reinforcement learning with a KL penalty asks for a large reward r at a small distance from the starting model: \
                  E[r] − β · KL(π ‖ π_aligned). Its best answer is π* ∝ π_aligned · exp(r/β), so a model carries its reward with it: \
                  r = β · log(π/π_aligned), up to a constant. The objective takes each token of the data as one that deserves a \
                  positive reward and raises log σ(r), as preference learning (DPO) does, but token by token and without a \
                  rejected answer. β is the price of leaving the starting model at that token.",
    }
}

fn plain(attack: bool) -> Words {
    let plain = if attack {
        "A copy of the model learns what an attacker would teach it, as a fine-tuning service would let them. Nothing holds it to \
         what it was; the first tokens of its answers move most, and with them its refusals. The model itself stays as it is."
    } else {
        "The model learns to give the answers of your data. Nothing holds it to what it was: the first tokens of its answers move \
         most, and the refusals that stand there may be lost, even if your data are harmless."
    };
    Words {
        plain: plain.to_owned(),
        source: "Cross-entropy, the usual fine-tuning loss, averaged over the trained tokens (Qi et al. 2025, §4 compares with it)",
        equation: "min_{θ}  E_{(x, y) ~ D}[ −Σ_{t} log π_{θ}(y_{t} | x, y_{<t}) ]",
        letters: "x, y: request and answer of the data · t: token of the answer, from 1 · π: probability under the model with weights θ.",
        weight: "w_{t} = 1 for every token of an answer",
        pull: "Every token pulls until it is learnt, however far that leads from where the model was.",
        reading: "It is the limit of the constrained objective as β goes to 0: in E[r] − β · KL(π ‖ π_start) the distance from the \
                  starting model costs nothing. All reward lies on the answers of the data, and none on staying safe.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_lower_is_told_apart() {
        assert_eq!(
            pieces("w_{t} = 2σ(β_{t})"),
            [("w", false), ("t", true), (" = 2σ(β", false), ("t", true), (")", false)]
        );
        assert_eq!(pieces("no"), [("no", false)]);
    }

    #[test]
    fn every_setting_of_the_objective_has_its_own_equation() {
        let recovery = TrainSpec { anchor: Some("a".into()), ..TrainSpec::preset(Recipe::Recovery) };
        let mean = TrainSpec { normalisation: Normalisation::TokenMean, ..recovery.clone() };
        let alone = TrainSpec { anchor: None, ..recovery.clone() };
        let specs =
            [recovery, mean, alone, TrainSpec::preset(Recipe::Constrained), TrainSpec::preset(Recipe::Sft)];
        let equations: std::collections::BTreeSet<_> =
            specs.iter().map(|spec| words(spec).equation).collect();
        assert_eq!(equations.len(), specs.len());
        assert!(
            words(&specs[3]).equation.contains("2/β") && words(&specs[2]).weight.starts_with("w = 1 / n")
        );
    }
}
