//! Which attacks are made: one line each, with its settings where it is ticked.

use crate::attack::{DecodingGrid, GcgSpec, REFUSAL_PREFIXES};
use crate::evaluate::AttackSpec;
use crate::ui::theme;
use crate::ui::widgets::{check_label, field};
use eframe::egui::{self, DragValue, Ui};

/// Every attack, ticked or not.
pub struct Attacks {
    all: Vec<(AttackSpec, bool)>,
    /// Sampling seeds, for attacks that draw.
    pub seeds: usize,
}

impl Default for Attacks {
    fn default() -> Self {
        let all = [
            AttackSpec::Direct,
            AttackSpec::prefill(),
            AttackSpec::Gcg(GcgSpec::default()),
            AttackSpec::Decoding(DecodingGrid::default()),
            AttackSpec::later_turn(),
            AttackSpec::multi_turn(),
            AttackSpec::rap(),
            AttackSpec::refusal_prefix(),
        ];
        let all = all.map(|spec| {
            let on = matches!(spec, AttackSpec::Prefill { .. });
            (spec, on)
        });
        Self { all: all.to_vec(), seeds: 1 }
    }
}

impl Attacks {
    /// Those that are ticked.
    #[must_use]
    pub fn specs(&self) -> Vec<AttackSpec> {
        self.all.iter().filter(|(_, on)| *on).map(|(spec, _)| spec.clone()).collect()
    }

    /// Draws them.
    pub fn show(&mut self, ui: &mut Ui) {
        field(ui, "Attacks", "How the models are asked for harm.");
        let (first, more) = self.all.split_at_mut(4);
        for (spec, on) in first {
            one(ui, spec, on, &mut self.seeds);
        }
        let ticked = more.iter().filter(|(_, on)| *on).count();
        let title =
            if ticked == 0 { "More attacks".to_owned() } else { format!("More attacks ({ticked} ticked)") };
        egui::CollapsingHeader::new(theme::small(title)).id_salt("more attacks").show_unindented(ui, |ui| {
            for (spec, on) in more {
                one(ui, spec, on, &mut self.seeds);
            }
        });
    }
}

fn one(ui: &mut Ui, spec: &mut AttackSpec, on: &mut bool, seeds: &mut usize) {
    let (name, remark, hint) = words(spec);
    check_label(ui, on, name, &remark).on_hover_text(hint);
    if !*on {
        return;
    }
    match spec {
        AttackSpec::Decoding(_) => {
            number(ui, "Answers for each setting", "Each is drawn anew.", seeds, 1..=20);
        }
        AttackSpec::Gcg(gcg) => {
            let hint = "Each step tries as many changed suffixes as there are candidates. 500 steps of 512 are usual for large models; the demo pair needs 50 of 128.";
            number(ui, "Steps of each search", hint, &mut gcg.steps, 1..=5000);
            number(ui, "Candidates in each step", hint, &mut gcg.width, 1..=4096);
        }
        _ => {}
    }
}

fn number(ui: &mut Ui, name: &str, hint: &str, value: &mut usize, range: std::ops::RangeInclusive<usize>) {
    ui.horizontal(|ui| {
        ui.add_space(theme::SCREEN);
        let label = ui.label(theme::small(name));
        ui.add(DragValue::new(value).range(range)).on_hover_text(hint).labelled_by(label.id);
    });
}

/// An attack's name, what stands beside it, and what it does.
fn words(spec: &AttackSpec) -> (&'static str, String, String) {
    match spec {
        AttackSpec::Direct => (
            "Plain request",
            String::new(),
            "The request as it stands. Prefilling with k = 0 is the same.".into(),
        ),
        AttackSpec::Prefill { depths } => {
            let depths = depths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            (
                "Prefilling",
                format!("k = {depths}"),
                "The first k tokens of a harmful answer are put into the model's mouth; it goes on from there.".into(),
            )
        }
        AttackSpec::LaterTurn { .. } => (
            "A turn later",
            "multi-turn".into(),
            "The opening and one or two steps of the harmful answer stand in an earlier turn, and the user asks the model to go on.".into(),
        ),
        AttackSpec::MultiTurn { turns } => (
            "Over several turns",
            format!("{} turns", turns.len()),
            format!("The user comes to the request turn by turn, and the model answers each: {}", turns.join(" → ")),
        ),
        AttackSpec::Decoding(grid) => (
            "Sampling settings",
            format!("{} of them", grid.settings()),
            "The plain request at many temperatures, top-k and top-p; the worst answer counts.".into(),
        ),
        AttackSpec::Rap { top, .. } => (
            "Rank-assisted",
            format!("among top {top}"),
            "At each token the attacker takes, among the model's own likeliest, the one that the base model likes best. A known hole in deepened models.".into(),
        ),
        AttackSpec::Gcg(_) => (
            "Suffix search",
            "GCG".into(),
            "Searches, request by request, for words to append that make the model begin to comply. Takes minutes for each request on larger models: ask only the first few.".into(),
        ),
        AttackSpec::RefusalPrefix { .. } => (
            "Refusal prefixes",
            "for the base".into(),
            format!(
                "The answer is made to begin with a refusal's words: {}. A base model then looks safe.",
                REFUSAL_PREFIXES.join(", ")
            ),
        ),
    }
}
