//! What judges are worth: how each agrees with people, and its rates without its errors.

use crate::evaluate::{ANY_SETTING, CalibratedJudge, Calibration, Summary};
use crate::judge::calibration::labels_needed;
use crate::stats::{Corrected, design_effect, n_paired, n_per_group, with_design_effect};
use crate::ui::app::{JudgingCommand, JudgingPart, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, command_button, fact, meaning, notice, section, tick};
use eframe::egui::{Align, DragValue, Label, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder};

/// To within how much sensitivity and specificity should be known.
const HALF: f64 = 0.1;

/// How many prompts a comparison needs.
pub struct Comparison {
    first: f64,
    second: f64,
    paired: bool,
    cluster: f64,
    correlation: f64,
}

impl Default for Comparison {
    fn default() -> Self {
        Self { first: 30.0, second: 20.0, paired: false, cluster: 1.0, correlation: 0.0 }
    }
}

/// Draws a card for each judge, one for people, and the size of a comparison.
pub fn show(
    ui: &mut Ui,
    view: &mut View<'_>,
    found: &Calibration,
    summary: Option<&Summary>,
    comparison: &mut Comparison,
) {
    ui.set_width(ui.available_width() - theme::PAD);
    if found.judges.iter().all(|judge| judge.agreement.n == 0) {
        notice(
            ui,
            Tone::Plain,
            "Nobody has labelled answers of this evaluation that were drawn by chance. Without people's labels nobody knows how often a judge errs.",
        );
        let command = JudgingCommand::Show(JudgingPart::Label);
        if command_button(ui, &command, None) {
            view.send(command);
        }
        ui.add_space(theme::GAP);
    }
    for judge in &found.judges {
        card(ui, |ui| one(ui, judge, summary));
        ui.add_space(theme::GROUP);
    }
    for (first, second, agreement) in &found.people {
        card(ui, |ui| {
            section(ui, &format!("{first} and {second}"));
            let text = match agreement.kappa {
                Some(kappa) => kappa.text(),
                None if agreement.n == 0 => "No answer was labelled by both.".to_owned(),
                None => format!(
                    "{} answers: κ does not exist, because both call all of them the same.",
                    agreement.n
                ),
            };
            ui.add(Label::new(text).wrap());
            meaning(
                ui,
                &format!("{first} {second}"),
                "Two people seldom agree on everything. How well they agree is as much as can be asked of a judge.",
            );
        });
        ui.add_space(theme::GROUP);
    }
    if found.disputed > 0 {
        let text = format!(
            "{} labels are of answers that were chosen because judges differ. They say where judges err, not how often, and are in no figure above.",
            found.disputed
        );
        ui.add(Label::new(theme::small(text).color(theme::palette(ui).weak)).wrap());
        ui.add_space(theme::GROUP);
    }
    card(ui, |ui| comparison.show(ui));
}

fn one(ui: &mut Ui, judge: &CalibratedJudge, summary: Option<&Summary>) {
    let p = theme::palette(ui);
    let agreement = &judge.agreement;
    section(ui, &judge.judge);
    if agreement.n == 0 {
        ui.label(theme::small("No answer has both a label and a verdict of this judge.").color(p.weak));
    } else {
        let kappa = agreement.kappa.map_or_else(
            || format!("{} answers; κ does not exist, because all of them are of one kind", agreement.n),
            |kappa| kappa.text(),
        );
        fact(ui, "With people", &kappa);
        fact(ui, "Finds harm", &agreement.sensitivity.text());
        fact(ui, "Spares others", &agreement.specificity.text());
        let left_out = [
            (agreement.unparsed, "could not be judged"),
            (agreement.unjudged, "were not read by it"),
            (agreement.undecided, "left people unsure"),
        ];
        let left_out: Vec<String> =
            left_out.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !left_out.is_empty() {
            fact(ui, "Left out", &left_out.join(" · "));
        }
    }
    ui.add(Label::new(theme::small(needed(judge))).wrap());
    meaning(
        ui,
        &judge.judge,
        "κ (kappa) is agreement beyond chance: 1 is complete, 0 is what chance alone would give. \"Finds harm\" is the share of answers that people call harmful which the judge calls harmful too (its sensitivity); \"spares others\" is the share of the rest that it leaves alone (its specificity). From both follows what a rate would be without the judge's errors: the corrected rate (Rogan and Gladen), whose interval is wider because labels are few.",
    );
    rates(ui, judge, summary);
}

/// How many labels are missing, in words.
fn needed(judge: &CalibratedJudge) -> String {
    let missing = labels_needed(&judge.agreement, HALF);
    if missing.is_enough() {
        return "There are enough labels: both shares are known to within 10 points.".to_owned();
    }
    let kinds: Vec<String> = [(missing.harmful, "harmful ones"), (missing.others, "others")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    let kinds = kinds.join(" and ");
    match missing.answers {
        Some(answers) => format!(
            "To know both shares to within 10 points, about {answers} more labels are needed: {kinds} are missing."
        ),
        None => format!("To know both shares to within 10 points, labels are needed of about {kinds}."),
    }
}

fn rates(ui: &mut Ui, judge: &CalibratedJudge, summary: Option<&Summary>) {
    let Some(summary) = summary.filter(|_| judge.agreement.n > 0) else { return };
    let p = theme::palette(ui);
    // The same rows in the same order as those that were corrected.
    let found: Vec<String> = summary
        .rates
        .iter()
        .filter(|row| row.judge == judge.judge && row.setting != ANY_SETTING)
        .map(|row| row.rate.text())
        .collect();
    let reasons: std::collections::BTreeSet<&str> =
        judge.corrected.iter().filter_map(|(_, rate)| rate.as_ref().err().map(String::as_str)).collect();
    if judge.corrected.iter().all(|(_, rate)| rate.is_err()) {
        for reason in reasons {
            let reason = format!("No rate can be corrected: {reason}");
            ui.add(Label::new(theme::small(reason).color(p.weak)).wrap());
        }
        return;
    }
    ui.add_space(theme::GAP);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        TableBuilder::new(ui)
            .id_salt(("corrected", &judge.judge))
            .vscroll(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::remainder().clip(true))
            .column(Column::exact(172.0).clip(true))
            .column(Column::exact(150.0).clip(true))
            .header(28.0, |mut header| {
                for name in ["Rate", "As found", "Corrected"] {
                    header.col(|ui| {
                        ui.label(theme::label(name).color(p.weak));
                    });
                }
            })
            .body(|body| {
                body.rows(30.0, judge.corrected.len(), |mut line| {
                    let index = line.index();
                    let (what, rate) = &judge.corrected[index];
                    let (text, hint) = match rate {
                        Ok(rate) => (short(rate), rate.text()),
                        Err(reason) => ("cannot be said".to_owned(), reason.clone()),
                    };
                    let found = found.get(index).map_or("", String::as_str);
                    for (text, hint, ink) in [
                        (what.as_str(), what.as_str(), p.ink),
                        (found, found, p.weak),
                        (text.as_str(), hint.as_str(), p.ink),
                    ] {
                        line.col(|ui| {
                            let text = RichText::new(text).size(theme::SMALL).color(ink);
                            ui.add(Label::new(text).truncate()).on_hover_text(hint);
                        });
                    }
                });
            });
    });
}

/// A corrected rate without what it rests on, which stands beside it.
fn short(rate: &Corrected) -> String {
    let text = rate.text();
    let text = text.split_once(" (found").map_or(text.as_str(), |(head, _)| head);
    let text = text.replace(" corrected", "");
    if rate.plausible { text } else { format!("{text} ?") }
}

impl Comparison {
    fn show(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        section(ui, "How many prompts does a comparison need?");
        ui.horizontal_wrapped(|ui| {
            let (first, second) = if self.paired {
                ("Go from safe to harmful", "and the other way")
            } else {
                ("One rate", "the other")
            };
            for (name, value) in [(first, &mut self.first), (second, &mut self.second)] {
                let label = ui.label(theme::small(name));
                ui.add(DragValue::new(value).range(0.0..=100.0).speed(0.5).suffix(" %"))
                    .labelled_by(label.id);
            }
            tick(ui, &mut self.paired, "the same prompts for both models");
        });
        ui.horizontal_wrapped(|ui| {
            let label = ui.label(theme::small("Prompts that share a cluster"));
            ui.add(DragValue::new(&mut self.cluster).range(1.0..=1000.0).speed(0.2)).labelled_by(label.id);
            let label = ui.label(theme::small("how alike they turn out, 0 to 1"));
            ui.add(DragValue::new(&mut self.correlation).range(0.0..=1.0).speed(0.01)).labelled_by(label.id);
        });
        let text = match self.answer() {
            Ok(n) if self.paired => format!("{n} prompts, asked of both models"),
            Ok(n) => format!("{n} prompts for each model"),
            Err(why) => why,
        };
        ui.label(theme::strong(text));
        ui.label(theme::small("With so many, eight of ten such comparisons find the difference (80 % power, two-sided test at 5 %).").color(p.weak));
    }

    fn answer(&self) -> Result<usize, String> {
        let (first, second) = (self.first / 100.0, self.second / 100.0);
        let n = if self.paired { n_paired(first, second) } else { n_per_group(first, second) };
        let n = n.map_err(|e| e.to_string())?;
        let effect = design_effect(self.cluster, self.correlation).map_err(|e| e.to_string())?;
        Ok(with_design_effect(n, effect))
    }
}
