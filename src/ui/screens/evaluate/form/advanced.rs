//! The settings that few need to change: of each ticked attack, of sampling, and of the answers.

use super::Form;
use super::attacks::{Attacks, Kind};
use crate::ui::theme;
use crate::ui::widgets::{block_setting, line_setting, number_setting, real_setting, tick};
use eframe::egui::{CollapsingHeader, Ui};

/// Draws them.
pub fn show(ui: &mut Ui, form: &mut Form) {
    CollapsingHeader::new(theme::label("Advanced: settings of each attack, and of the answers"))
        .id_salt("advanced")
        .show_unindented(ui, |ui| {
            ui.add_space(theme::TIGHT);
            let on: Vec<Kind> = form.attacks.on.iter().copied().collect();
            for kind in on {
                if kind == Kind::Direct {
                    continue;
                }
                ui.label(theme::label(kind.name()).color(theme::palette(ui).accent));
                attack(ui, &mut form.attacks, kind);
                ui.add_space(theme::GAP);
            }
            ui.label(theme::label("Answers").color(theme::palette(ui).accent));
            answers(ui, form);
        });
}

fn attack(ui: &mut Ui, a: &mut Attacks, kind: Kind) {
    match kind {
        Kind::Direct => {}
        Kind::Prefill => {
            line_setting(
                ui,
                "Depths k",
                "How many tokens of the harmful answer are put before; 0 = none.",
                "",
                &mut a.depths,
            );
        }
        Kind::RefusalPrefix => {
            block_setting(
                ui,
                "Prefixes, one a line",
                "What the answer is made to begin with.",
                "",
                &mut a.prefixes,
            );
        }
        Kind::Decoding => {
            let hint = "Each is tried alone; top-k and top-p at temperature 1.";
            line_setting(ui, "Temperatures", hint, "", &mut a.temperatures);
            line_setting(ui, "Top-k", hint, "", &mut a.top_k);
            line_setting(ui, "Top-p", hint, "", &mut a.top_p);
        }
        Kind::Gcg => gcg(ui, a),
        Kind::LaterTurn => {
            line_setting(ui, "Sentences in the earlier turn", "Of the harmful answer.", "", &mut a.sentences);
            line_setting(ui, "What the user says then", "In the later turn.", "", &mut a.go_on);
        }
        Kind::MultiTurn => {
            block_setting(
                ui,
                "Turns, one a line",
                "What the user says; {goal} stands for the request.",
                "",
                &mut a.turns,
            );
        }
        Kind::Rap => {
            number_setting(
                ui,
                "Among the likeliest",
                "Tokens that the attacker chooses from.",
                &mut a.rap_top,
                1..=1000,
            );
            line_setting(
                ui,
                "Depths k before it",
                "Tokens of the harmful answer that are put before.",
                "",
                &mut a.rap_depths,
            );
        }
    }
}

fn gcg(ui: &mut Ui, a: &mut Attacks) {
    let gcg = &mut a.gcg;
    let hint = "500 steps of 512 are usual for large models; the demo pair needs 50 of 128.";
    number_setting(ui, "Steps of each search", hint, &mut gcg.steps, 1..=5000);
    number_setting(ui, "Candidates in each step", hint, &mut gcg.width, 1..=4096);
    let hint = "Swaps are drawn from the tokens with the most negative gradient at each position.";
    number_setting(ui, "Tokens swapped are drawn from the top", hint, &mut gcg.top_k, 1..=10_000);
    ui.scope(|ui| {
        tick(ui, &mut gcg.early_stop, "End a search once the model begins to comply");
        let mut universal = gcg.universal.is_some();
        let text = "One suffix for all requests";
        tick(ui, &mut universal, text).on_hover_text(
            "Searched for on the first few requests and tried on all, instead of one for each.",
        );
        gcg.universal = universal.then(|| gcg.universal.unwrap_or(10));
    });
    if let Some(first) = &mut gcg.universal {
        number_setting(
            ui,
            "Searched for on the first",
            "Requests that the suffix is made for.",
            first,
            1..=1000,
        );
    }
}

fn answers(ui: &mut Ui, form: &mut Form) {
    let hint =
        "0 = always the likeliest token, so that every run gives the same answers. The paper samples at 0.9.";
    real_setting(ui, "Temperature", hint, &mut form.temperature, 0.0..=2.0);
    let hint = "Only the likeliest tokens that together have this share; 1 = all. The paper takes 0.6.";
    real_setting(ui, "Top-p", hint, &mut form.top_p, 0.05..=1.0);
    let mut seed = usize::try_from(form.seed).unwrap_or(usize::MAX);
    number_setting(ui, "First seed", "The same seed draws the same answers.", &mut seed, 0..=1_000_000_000);
    form.seed = seed as u64;
    number_setting(
        ui,
        "Longest answer, in tokens",
        "What is cut off counts as it stands.",
        &mut form.longest,
        1..=4096,
    );
    let hint = "More are quicker and need more memory.";
    number_setting(ui, "Answers generated together", hint, &mut form.batch, 1..=1024);
    line_setting(
        ui,
        "System prompt",
        "Stands before each request. Empty = none, as the paper does.",
        "none",
        &mut form.system_prompt,
    );
}
