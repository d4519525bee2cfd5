//! The sets of the project.

use super::DataScreen;
use crate::data::DatasetKind;
use crate::project::DatasetEntry;
use crate::ui::app::{Ask, DataCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{command_button, heading_term, row_button};
use eframe::egui::{ScrollArea, Ui};

impl DataScreen {
    pub(super) fn list(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        ui.horizontal_wrapped(|ui| {
            if command_button(ui, &DataCommand::Ask(Ask::New), view.read_only()) {
                view.send(DataCommand::Ask(Ask::New));
            }
        });
        ui.add_space(theme::GAP);
        ScrollArea::vertical().id_salt("sets").auto_shrink(false).show(ui, |ui| self.sets(ui, view));
    }

    fn sets(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        ui.spacing_mut().item_spacing.y = 2.0;
        for kind in DatasetKind::ALL {
            let of_kind: Vec<&DatasetEntry> =
                view.project.datasets.iter().filter(|set| set.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            heading_term(ui, &capitalised(kind.label()), p.weak);
            for set in of_kind {
                let selected = self.set.as_ref() == Some(&set.id);
                let count = self.open.get(&set.id).map_or(set.count, |open| open.rows.len());
                let row = row_button(ui, selected, None, &set.id, &count.to_string());
                let facts = [&set.title, &set.note, &set.licence, &set.source];
                let facts: Vec<&str> =
                    facts.into_iter().filter(|fact| !fact.is_empty()).map(String::as_str).collect();
                if row.on_hover_text(facts.join("\n")).clicked() {
                    view.send(DataCommand::Select(set.id.clone()));
                }
            }
            ui.add_space(theme::PAD);
        }
    }
}

/// With a capital at its beginning.
pub(super) fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}
