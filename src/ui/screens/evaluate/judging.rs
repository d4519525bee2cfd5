//! Who judged the answers of an evaluation.

use crate::evaluate::Summary;
use crate::project::EvaluationInfo;
use crate::ui::theme;
use crate::ui::widgets::{Tone, notice, section};
use eframe::egui::Ui;
use std::collections::BTreeMap;

/// Draws the tab.
pub fn show(ui: &mut Ui, info: &EvaluationInfo) {
    let Some(summary) = &info.summary else { return };
    let judges = judges(summary);
    if judges.is_empty() {
        notice(ui, Tone::Plain, "No judge has read these answers: nothing was attacked.");
        return;
    }
    section(ui, "Who judged these answers");
    let p = theme::palette(ui);
    for ((name, version), (judged, unparsed)) in judges {
        ui.label(theme::strong(&name));
        let version = if version.is_empty() { String::new() } else { format!(" · version {version}") };
        let mut text = format!("{judged} verdicts{version}");
        if unparsed > 0 {
            text += &format!(" · {unparsed} answers that it could not judge");
        }
        ui.label(theme::small(text).color(p.weak));
        ui.add_space(theme::GAP);
    }
}

/// Each judge in its version, with the answers that it judged and those that it could not judge.
fn judges(summary: &Summary) -> BTreeMap<(String, String), (usize, usize)> {
    let mut judges = BTreeMap::new();
    for row in summary.rates.iter().filter(|row| row.setting != crate::evaluate::ANY_SETTING) {
        let entry: &mut (usize, usize) = judges.entry((row.judge.clone(), row.version.clone())).or_default();
        entry.0 += row.rate.n;
        entry.1 += row.unparsed;
    }
    judges
}
