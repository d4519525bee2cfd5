//! What is wrong with the open set, each with a way to mend it. Drawn by rows: a set may have as many problems as examples.

use super::set::OpenSet;
use super::table::link;
use crate::ui::app::{DataCommand, Finding, View};
use crate::ui::theme;
use crate::ui::widgets::{empty_state, line};
use eframe::egui::{self, ScrollArea, Ui};
use egui_material_icons::icons;

/// Height of an entry.
const ENTRY: f32 = 76.0;

/// Draws the list.
pub fn show(ui: &mut Ui, set: &OpenSet, view: &mut View<'_>) {
    let p = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 24.0;
        ui.label(theme::label(set.checks.text()));
        link(ui, view, DataCommand::ShowProblems(false), None);
        if set.checks.duplicates() > 0 {
            let blocked = (!set.checks.is_done()).then_some("The set is still being checked.");
            link(ui, view, DataCommand::Deduplicate, view.read_only().or(blocked));
            ui.label(theme::small(set.checks.duplicates().to_string()).color(p.weak));
        }
    });
    let findings = set.checks.findings();
    if findings.is_empty() {
        let why = "Every example can be trained on as it is.";
        empty_state(ui, icons::ICON_CHECK_CIRCLE, &set.checks.text(), why, None);
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().id_salt("problems").auto_shrink(false).show_rows(
        ui,
        ENTRY,
        findings.len(),
        |ui, places| {
            for finding in &findings[places] {
                ui.allocate_ui(egui::vec2(ui.available_width() - theme::GAP, ENTRY), |ui| {
                    ui.set_min_size(egui::vec2(ui.available_width(), ENTRY));
                    entry(ui, set, finding, view);
                });
            }
        },
    );
}

fn entry(ui: &mut Ui, set: &OpenSet, finding: &Finding, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let Some(example) = set.rows.get(finding.row) else { return };
    ui.spacing_mut().item_spacing.y = 0.0;
    line(ui, 24.0, |ui| {
        ui.label(theme::small((finding.row + 1).to_string()).color(p.weak));
        let asked = example.request();
        let asked = if asked.trim().is_empty() { "(no request)" } else { asked };
        ui.add(egui::Label::new(theme::small(asked).color(p.weak)).truncate());
    });
    line(ui, 22.0, |ui| {
        ui.label(icons::ICON_WARNING.rich_text().size(16.0).color(p.warning));
        let message = theme::small(&finding.problem.message);
        ui.add(egui::Label::new(message).truncate()).on_hover_text(explained(finding));
    });
    line(ui, 24.0, |ui| {
        let mend = DataCommand::Mend { id: example.id().to_owned(), mend: finding.problem.mend.clone() };
        link(ui, view, mend, view.read_only());
        link(ui, view, DataCommand::GoTo(finding.row), None);
    });
}

/// What is wrong and what to do about it.
pub(super) fn explained(finding: &Finding) -> String {
    match &finding.problem.fix {
        Some(fix) => format!("{} {fix}", finding.problem.message),
        None => finding.problem.message.clone(),
    }
}
