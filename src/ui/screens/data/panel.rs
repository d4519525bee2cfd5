//! Beside the table: what can be done with an example, and the editor, the selection or the list of problems.

use super::DataScreen;
use super::set::OpenSet;
use super::table::link;
use super::{bulk, editor, problems};
use crate::project::DatasetEntry;
use crate::ui::app::{AppCommand, Command, DataCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, icon_button, notice};
use eframe::egui::{self, Align, Layout, Panel, Ui};

impl DataScreen {
    pub(super) fn panel(&mut self, ui: &mut Ui, entry: &DatasetEntry, view: &mut View<'_>) {
        let now = ui.input(|input| input.time);
        let Some(set) = self.open.get_mut(&entry.id) else { return };
        toolbar(ui, set, view);
        not_saved(ui, set, view);
        if self.problems {
            problems::show(ui, set, view);
            return;
        }
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().interact_size.y = 24.0;
            let p = theme::palette(ui);
            let warn = set.checks.rows() > 0;
            ui.label(theme::small(set.checks.text()).color(if warn { p.warning } else { p.weak }));
            if warn {
                link(ui, view, DataCommand::ShowProblems(true), None);
                link(ui, view, DataCommand::NextProblem, None);
            }
        });
        egui::ScrollArea::vertical().id_salt("editor scroll").auto_shrink(false).show(ui, |ui| {
            // The bar lies over the content: the fields keep away from it.
            ui.set_width(ui.available_width() - theme::GAP);
            if set.chosen.len() > 1 {
                bulk::show(ui, set, &mut self.bulk, view);
            } else {
                let state =
                    editor::State { strips: &mut self.strip, shown: &mut self.shown, begun: &mut self.begun };
                editor::show(ui, set, state, view, now);
            }
        });
    }
}

/// Undo, redo, add, delete, and whether everything is saved.
fn toolbar(ui: &mut Ui, set: &OpenSet, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let read_only = view.read_only();
    ui.horizontal(|ui| {
        for (command, blocked) in [
            (Command::from(DataCommand::AddExample), read_only),
            (
                DataCommand::RemoveExample.into(),
                read_only.or(set.rows.is_empty().then_some("There is no example to delete.")),
            ),
            (
                AppCommand::Undo.into(),
                read_only.or((!set.can_undo()).then_some("Nothing has been changed yet.")),
            ),
            (
                AppCommand::Redo.into(),
                read_only.or((!set.can_redo()).then_some("Nothing has been taken back.")),
            ),
        ] {
            // Where several are selected, the button among the others says what it does in words.
            if set.chosen.len() > 1 && command == DataCommand::RemoveExample.into() {
                continue;
            }
            if icon_button(ui, &command, blocked) {
                view.commands.push(command);
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, colour) = (set.saved_text(), if set.error().is_some() { p.error } else { p.weak });
            ui.label(theme::small(text).color(colour));
        });
    });
}

/// Why edits are not on the disk. It stands at the bottom, so that nothing moves away under the hands of somebody who is
/// still filling an example in.
fn not_saved(ui: &mut Ui, set: &OpenSet, view: &mut View<'_>) {
    let Some(error) = set.error() else { return };
    let side = egui::Frame::new().inner_margin(egui::Margin { top: theme::GAP as i8, ..Default::default() });
    Panel::bottom("not saved").frame(side).show_separator_line(false).show(ui, |ui| {
        notice(ui, Tone::Error, error);
        link(ui, view, DataCommand::SaveAgain, None);
    });
}
