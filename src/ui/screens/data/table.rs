//! The examples of the open set, by rows, and what of them is listed.

use super::DataScreen;
use super::checks::Checks;
use super::filter::Query;
use super::set::OpenSet;
use crate::data::{DatasetKind, Example};
use crate::project::DatasetEntry;
use crate::ui::app::{Ask, Command, DataCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{combo_box, empty_state, line, link_button, text_button, tick};
use eframe::egui::{self, Align, Key, Layout, Modifiers, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;
use std::time::Duration;

/// What a frame may spend on looking through examples.
const SLICE: Duration = Duration::from_millis(4);
/// Height of a row.
const ROW: f32 = 36.0;

impl DataScreen {
    pub(super) fn table(&mut self, ui: &mut Ui, entry: &DatasetEntry, view: &mut View<'_>) {
        let actions = self.actions(view);
        let Some(set) = self.open.get_mut(&entry.id) else { return };
        head(ui, entry, set.checks.duplicates(), actions, view);
        filters(ui, set);
        let checks = &set.checks;
        if set.filter.advance(&set.rows, |row| !checks.of_row(row).is_empty(), SLICE) {
            ui.ctx().request_repaint();
        }
        let listed = set.filter.len(set.rows.len());
        count(ui, set, listed, view);
        if listed == 0 {
            let (what, why) = if set.rows.is_empty() {
                ("No examples yet", "Add the first one with the button on the right.")
            } else {
                ("Nothing found", "No example of this set is like that.")
            };
            empty_state(ui, icons::ICON_SEARCH, what, why, None);
            return;
        }
        keys(ui, set);
        let clicked = rows(ui, &entry.id, set, listed);
        if let Some(row) = clicked {
            let modifiers = ui.input(|input| input.modifiers);
            if modifiers.shift {
                set.select_up_to(row);
            } else if modifiers.command || modifiers.ctrl {
                set.toggle(row);
            } else {
                set.select(row);
            }
            self.shown = None;
            self.problems = false;
            self.bulk.begin();
        }
    }

    fn actions(&self, view: &View<'_>) -> Actions {
        let (read_only, busy) = (view.project.read_only, view.jobs.open_count() > 0);
        let ask = |ask| (DataCommand::Ask(ask), self.ask_blocked(ask, read_only, busy));
        vec![
            ask(Ask::Rename),
            ask(Ask::Copy),
            ask(Ask::Split),
            (DataCommand::Deduplicate, view.read_only().or_else(|| self.duplicates_blocked())),
            ask(Ask::Delete),
        ]
    }
}

/// What can be done with the open set as a whole: each command, and why not.
type Actions = Vec<(DataCommand, Option<&'static str>)>;

/// What the set is called, and what can be done with it as a whole.
fn head(ui: &mut Ui, entry: &DatasetEntry, duplicates: usize, actions: Actions, view: &mut View<'_>) {
    line(ui, 32.0, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let menu = ui.menu_button("Actions", |ui| {
                for (command, blocked) in actions {
                    ui.horizontal(|ui| {
                        if link_button(ui, &command, blocked) {
                            view.send(command.clone());
                            ui.close();
                        }
                        if command == DataCommand::Deduplicate && duplicates > 0 {
                            ui.label(theme::small(duplicates.to_string()));
                        }
                    });
                }
            });
            menu.response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Set actions"));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(egui::Label::new(theme::strong(&entry.id)).truncate()).on_hover_text(&entry.title);
            });
        });
    });
}

fn filters(ui: &mut Ui, set: &mut OpenSet) {
    let query = &mut set.filter.query;
    let find = ui.add(
        egui::TextEdit::singleline(&mut query.find)
            .hint_text("Find words in any text")
            .desired_width(f32::INFINITY),
    );
    find.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Find in this set"));
    let sources = matches!(set.kind, DatasetKind::Recovery | DatasetKind::Chat);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - theme::GAP) / 2.0;
        one_of(ui, "Category", "any category", width, &set.checks.categories, &mut query.category);
        if sources {
            one_of(ui, "Source", "any source", width, &set.checks.sources, &mut query.source);
        }
    });
}

/// A choice among what the set holds; the first entry takes all.
fn one_of(ui: &mut Ui, name: &str, any: &str, width: f32, all: &[String], chosen: &mut Option<String>) {
    let none = format!("no {}", name.to_lowercase());
    let said = |text: &Option<String>| match text.as_deref() {
        None => any.to_owned(),
        Some("") => none.clone(),
        Some(text) => text.to_owned(),
    };
    let response = combo_box(name, width)
        .selected_text(theme::small(said(chosen)))
        .show_ui(ui, |ui| {
            // A set may have thousands of sources: only those in sight are drawn.
            egui::ScrollArea::vertical().max_height(280.0).show_rows(
                ui,
                28.0,
                all.len() + 1,
                |ui, places| {
                    for place in places {
                        let choice = place.checked_sub(1).and_then(|place| all.get(place)).cloned();
                        if ui.selectable_label(*chosen == choice, said(&choice)).clicked() {
                            *chosen = choice;
                        }
                    }
                },
            );
        })
        .response;
    response.widget_info(|| WidgetInfo::labeled(egui::Role::ComboBox, true, format!("{name} shown")));
}

/// How many are listed, and whether only those with problems are.
fn count(ui: &mut Ui, set: &mut OpenSet, listed: usize, view: &mut View<'_>) {
    let p = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 24.0;
        let all = set.rows.len();
        let chosen = set.chosen.len();
        let text = if chosen > 1 {
            format!("{chosen} selected")
        } else if set.filter.is_on() {
            format!("{listed} of {all}")
        } else {
            format!("{all} examples")
        };
        ui.label(theme::small(text).color(p.weak));
        link(ui, view, DataCommand::SelectListed, (listed == 0).then_some("Nothing is listed."));
        if set.filter.query != Query::default() && set.filter.is_on() {
            let clear = text_button(ui, "Clear", "Clear the filter");
            if clear.on_hover_text("Lists every example again.").clicked() {
                set.filter.clear();
            }
        }
        if set.checks.rows() > 0 || set.filter.query.problems {
            tick(ui, &mut set.filter.query.problems, "Problems")
                .on_hover_text("Lists only examples with which something is wrong.");
        }
    });
}

/// The arrow keys go up and down the list while nobody types.
fn keys(ui: &mut Ui, set: &mut OpenSet) {
    if ui.ctx().memory(|memory| memory.focused().is_some()) || ui.ctx().any_popup_open() {
        return;
    }
    let pressed = |key| ui.ctx().input_mut(|input| input.consume_key(Modifiers::NONE, key));
    for (key, places) in [(Key::ArrowDown, 1), (Key::ArrowUp, -1), (Key::PageDown, 15), (Key::PageUp, -15)] {
        if pressed(key) {
            set.step(places);
        }
    }
}

/// The table; gives back the row that was clicked.
fn rows(ui: &mut Ui, id: &str, set: &mut OpenSet, listed: usize) -> Option<usize> {
    let p = theme::palette(ui);
    let mut clicked = None;
    ui.spacing_mut().item_spacing.y = 0.0;
    let last = match set.kind {
        DatasetKind::Recovery => "Cut",
        DatasetKind::Utility => "Task",
        DatasetKind::Chat | DatasetKind::Attack => "Category",
    };
    let digits = set.rows.len().max(1).ilog10() as f32;
    let mut table = TableBuilder::new(ui)
        .id_salt(id)
        .sense(egui::Sense::click())
        .auto_shrink(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(32.0 + 8.0 * digits))
        .column(Column::remainder().clip(true))
        .column(Column::exact(76.0).clip(true));
    if std::mem::take(&mut set.scroll) {
        table = table.scroll_to_row(set.filter.place(set.selected).min(listed - 1), None);
    }
    let set = &*set;
    table
        .header(28.0, |mut header| {
            for name in ["No.", "Request", last] {
                header.col(|ui| {
                    ui.add_space(if name == "No." { theme::TIGHT } else { 0.0 });
                    ui.label(theme::label(name).color(p.weak));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, listed, |mut row| {
                let index = set.filter.row(row.index());
                let Some(example) = set.rows.get(index) else { return };
                let selected = set.is_chosen(index);
                row.set_selected(selected);
                row.col(|ui| {
                    ui.add_space(theme::TIGHT);
                    ui.label(theme::small((index + 1).to_string()).color(p.weak));
                    mark(ui, &set.checks, index);
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(theme::small(example.request())).truncate());
                });
                row.col(|ui| {
                    let cut;
                    let text: &str = match example.as_ref() {
                        Example::Recovery(row) => {
                            cut = row.cut.map_or_else(|| "random".to_owned(), |k| format!("k = {k}"));
                            &cut
                        }
                        Example::Utility(row) => &row.task,
                        Example::Chat(_) | Example::Attack(_) => example.category(),
                    };
                    ui.add(egui::Label::new(theme::small(text).color(p.weak)).truncate());
                });
                let response = row.response();
                response.widget_info(|| {
                    WidgetInfo::selected(egui::Role::Button, true, selected, format!("Example {}", index + 1))
                });
                if response.clicked() {
                    clicked = Some(index);
                }
            });
        });
    clicked
}

/// A sign beside an example with which something is wrong.
fn mark(ui: &mut Ui, checks: &Checks, row: usize) {
    let found = checks.of_row(row);
    if found.is_empty() {
        return;
    }
    let p = theme::palette(ui);
    ui.spacing_mut().item_spacing.x = 2.0;
    let sign = ui.label(icons::ICON_WARNING.rich_text().size(14.0).color(p.warning));
    sign.on_hover_ui(|ui| {
        for finding in found {
            ui.label(&finding.problem.message);
        }
    });
}

/// Sends a command if its small button is pressed.
pub(super) fn link(ui: &mut Ui, view: &mut View<'_>, command: impl Into<Command>, blocked: Option<&str>) {
    let command = command.into();
    if link_button(ui, &command, blocked) {
        view.send(command);
    }
}
