//! Whether the run can begin: what was looked at, each matter with a light.

use super::lookup::Lookup;
use crate::job::{Check, Light};
use crate::train::{BetaSchedule, TrainSpec};
use crate::ui::app::{TrainCommand, View};
use crate::ui::theme::{self, Palette};
use crate::ui::widgets::{Tone, command_button, line, notice, section, tone_look};
use eframe::egui::{self, Color32, Label, Ui};

/// The checks of a run, asked for anew whenever its settings change.
pub(super) type Checks = Lookup<TrainSpec, Result<Vec<Check>, String>>;

/// The settings that checks depend on: the shape of β is looked at by the form.
pub(super) fn key(spec: &TrainSpec) -> TrainSpec {
    TrainSpec { beta: BetaSchedule::default(), title: String::new(), ..spec.clone() }
}

/// The worst light, once it is known.
pub(super) fn worst(checks: &Checks, key: &TrainSpec) -> Option<Light> {
    let found = checks.get(key)?.as_ref().ok()?;
    let has = |light| found.iter().any(|check| check.light == light);
    Some(if has(Light::Blocks) {
        Light::Blocks
    } else if has(Light::Attention) {
        Light::Attention
    } else {
        Light::Good
    })
}

/// Why the run cannot begin.
pub(super) fn blocking(checks: &Checks, key: &TrainSpec) -> Vec<String> {
    let Some(Ok(found)) = checks.get(key) else { return Vec::new() };
    let blocks = found.iter().filter(|check| check.light == Light::Blocks);
    blocks.map(|check| format!("{}: {}", check.subject.name(), check.message)).collect()
}

fn tone(light: Light) -> Tone {
    match light {
        Light::Good => Tone::Good,
        Light::Attention => Tone::Warning,
        Light::Blocks => Tone::Error,
    }
}

/// The colour of a light.
pub(super) fn light_colour(p: &Palette, light: Light) -> Color32 {
    tone_look(p, tone(light)).1
}

fn word(light: Light) -> &'static str {
    match light {
        Light::Good => "ready",
        Light::Attention => "look at this",
        Light::Blocks => "in the way",
    }
}

/// Draws the checks.
pub(super) fn show(ui: &mut Ui, checks: &Checks, key: &TrainSpec, view: &mut View<'_>) {
    let p = theme::palette(ui);
    section(ui, "Can the run begin?");
    let known = checks.get(key);
    line(ui, theme::CONTROL, |ui| {
        let busy = (!checks.is_free()).then_some("It is being checked.");
        if command_button(ui, &TrainCommand::CheckAgain, busy) {
            view.send(TrainCommand::CheckAgain);
        }
        if known.is_none() && checks.last().is_some() {
            ui.label(theme::small("Checking the new settings…").color(p.weak));
        }
    });
    ui.add_space(theme::TIGHT);
    match known.or(checks.last()) {
        Some(Ok(found)) => {
            let blocks = found.iter().filter(|check| check.light == Light::Blocks).count();
            let attention = found.iter().filter(|check| check.light == Light::Attention).count();
            let (tone, text) = match (blocks, attention) {
                (0, 0) => (Tone::Good, "Yes: nothing is in the way.".to_owned()),
                (0, 1) => (Tone::Warning, "Yes, but look at one thing first.".to_owned()),
                (0, n) => (Tone::Warning, format!("Yes, but look at {n} things first.")),
                (1, _) => (Tone::Error, "No: one thing is in the way.".to_owned()),
                (n, _) => (Tone::Error, format!("No: {n} things are in the way.")),
            };
            notice(ui, tone, &text);
            ui.add_space(theme::GAP);
            for check in found {
                matter(ui, check);
            }
        }
        Some(Err(why)) => notice(ui, Tone::Error, why),
        None => {
            ui.label(theme::small("Looking at memory, disk, data and model…").color(p.weak));
        }
    }
}

fn matter(ui: &mut Ui, check: &Check) {
    let (icon, colour, _) = tone_look(theme::palette(ui), tone(check.light));
    ui.horizontal_top(|ui| {
        let glyph = ui.label(icon.rich_text().size(18.0).color(colour));
        let name = format!("{}: {}", check.subject.name(), word(check.light));
        glyph.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &name));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(theme::label(check.subject.name()));
            ui.add(Label::new(theme::small(&check.message)).wrap());
        });
    });
    ui.add_space(theme::TIGHT);
}
