//! What a file holds: its first rows, what becomes of them, and the rows that cannot be used.

use super::columns::{name, shown};
use crate::data::{DatasetKind, Field};
use crate::ui::app::{BAD_ROWS, Look, Part};
use crate::ui::theme;
use crate::ui::widgets::{card, line, section, tick};
use eframe::egui::{self, Align, Layout, ScrollArea, Ui};
use egui_extras::{Column, TableBuilder};

/// Height of a row.
const ROW: f32 = 26.0;
/// Cells that are no longer than this are ids, categories and the like.
const SHORT: usize = 40;
/// What stands in place of what is covered.
const COVERED: &str = "covered";

/// `cover` is there where answers are covered until somebody wants to see them.
pub(super) fn show(ui: &mut Ui, look: &Look, cover: Option<&mut bool>) {
    let uncovered = cover.as_ref().is_none_or(|uncovered| **uncovered);
    line(ui, 28.0, |ui| {
        ui.label(theme::heading("The first rows of the file"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(uncovered) = cover {
                tick(ui, uncovered, "Show harmful answers");
            }
        });
    });
    rows(ui, look, uncovered);
    ui.add_space(theme::PAD);
    if look.bad_count > 0 {
        bad(ui, look);
        ui.add_space(theme::PAD);
    }
    section(ui, "What they become");
    examples(ui, look, uncovered);
    ui.add_space(theme::PAD);
}

/// The field that a column is taken for.
fn field_of(look: &Look, column: &str) -> Option<Field> {
    let is = |field: Field, names: &str| {
        names == column || field == Field::Choices && names.split('|').any(|one| one == column)
    };
    look.fit.columns.iter().find(|(field, names)| is(**field, names)).map(|(field, _)| *field)
}

/// Whether what stands in a column may be harmful. What no field is taken from may be anything.
fn may_be_harmful(look: &Look, column: &str, cell: &str) -> bool {
    let harmless = match field_of(look, column) {
        Some(Field::Answer) => look.kind == DatasetKind::Utility,
        Some(Field::Messages | Field::Harmful | Field::History) => false,
        Some(_) => true,
        None if look.own => {
            matches!(
                column,
                "id" | "goal" | "prompt" | "reference" | "category" | "source" | "task" | "note" | "cluster"
            )
        }
        None => cell.chars().count() <= SHORT,
    };
    !harmless && !cell.is_empty()
}

fn rows(ui: &mut Ui, look: &Look, uncovered: bool) {
    let p = theme::palette(ui);
    if look.first.is_empty() {
        ui.label(theme::small("No row could be read.").color(p.weak));
        return;
    }
    let width = ((ui.available_width() - 48.0) / look.columns.len().max(1) as f32).clamp(120.0, 320.0);
    ScrollArea::horizontal().id_salt("first rows").auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = egui::vec2(theme::GAP, 0.0);
        let table = TableBuilder::new(ui)
            .id_salt("first rows of the file")
            .vscroll(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::exact(40.0))
            .columns(Column::exact(width - theme::GAP).clip(true), look.columns.len());
        table
            .header(40.0, |mut header| {
                header.col(|ui| {
                    ui.label(theme::label("Line").color(p.weak));
                });
                for column in &look.columns {
                    header.col(|ui| {
                        ui.vertical(|ui| {
                            ui.add(egui::Label::new(theme::label(shown(column))).truncate());
                            let (text, ink) = match field_of(look, column) {
                                Some(field) => (name(field, look.kind), p.accent),
                                None if look.own => ("taken as it is", p.accent),
                                None => ("not used", p.weak),
                            };
                            ui.add(egui::Label::new(theme::small(text).color(ink)).truncate());
                        });
                    });
                }
            })
            .body(|mut body| {
                for first in &look.first {
                    body.row(ROW, |mut row| {
                        row.col(|ui| {
                            ui.label(theme::small(first.line.to_string()).color(p.weak));
                        });
                        for (column, cell) in look.columns.iter().zip(&first.cells) {
                            row.col(|ui| {
                                if !uncovered && may_be_harmful(look, column, cell) {
                                    ui.label(theme::small(COVERED).color(p.weak).italics());
                                } else {
                                    ui.add(egui::Label::new(theme::small(cell)).truncate());
                                }
                            });
                        }
                    });
                }
            });
    });
}

fn examples(ui: &mut Ui, look: &Look, uncovered: bool) {
    let p = theme::palette(ui);
    if look.examples.is_empty() {
        let text = if look.fit.missing.is_empty() {
            "No row can be used in this way."
        } else {
            "Say on the left which column is what, and the first examples stand here."
        };
        ui.label(theme::small(text).color(p.weak));
        return;
    }
    for parts in &look.examples {
        card(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for part in parts {
                one(ui, part, uncovered);
            }
        });
    }
}

fn one(ui: &mut Ui, part: &Part, uncovered: bool) {
    let p = theme::palette(ui);
    line(ui, 22.0, |ui| {
        ui.allocate_ui_with_layout(egui::vec2(112.0, 22.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(112.0);
            ui.label(theme::label(part.name).color(p.weak));
        });
        if part.harmful && !uncovered {
            ui.label(theme::small(COVERED).color(p.weak).italics());
        } else {
            ui.add(egui::Label::new(theme::small(&part.text)).truncate());
        }
    });
}

fn bad(ui: &mut Ui, look: &Look) {
    let p = theme::palette(ui);
    section(ui, "What cannot be used");
    list_bad(ui, &look.bad);
    if look.bad_count > BAD_ROWS {
        ui.label(theme::small(format!("… and {} more.", look.bad_count - BAD_ROWS)).color(p.weak));
    }
}

/// Bad rows, each with its line and the reason.
pub(in crate::ui::screens::data) fn list_bad(ui: &mut Ui, rows: &[crate::data::BadRow]) {
    let p = theme::palette(ui);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ScrollArea::vertical().id_salt("bad rows").max_height(110.0).auto_shrink([false, true]).show_rows(
            ui,
            22.0,
            rows.len(),
            |ui, shown| {
                for row in &rows[shown] {
                    let text = row.to_string();
                    line(ui, 22.0, |ui| {
                        ui.add(egui::Label::new(theme::small(&text).color(p.error)).truncate())
                            .on_hover_text(&text);
                    });
                }
            },
        );
    });
}
