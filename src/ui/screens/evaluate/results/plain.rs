//! A table of five columns of words.

use crate::report::Table;
use crate::ui::app::Snapshot;
use crate::ui::theme;
use crate::ui::widgets::{dot, heading_term, prose, section};
use eframe::egui::{Align, Color32, Label, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder};

/// Widths of the columns; 0 = what is left.
const WIDTHS: [f32; 5] = [120.0, 110.0, 150.0, 0.0, 150.0];

/// The table, with the colour of each row's model.
pub struct Plain {
    table: Table,
    colours: Vec<Color32>,
}

impl Plain {
    /// Makes it ready.
    pub fn new(table: Table, project: &Snapshot) -> Self {
        let colours = table.rows.iter().map(|row| theme::role_colour(project.role(&row.model))).collect();
        Self { table, colours }
    }

    /// Draws it.
    pub fn show(&self, ui: &mut Ui) {
        let Table { title, remark, columns, rows } = &self.table;
        if rows.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        section(ui, title);
        if !remark.is_empty() {
            prose(ui, remark, theme::SMALL, p.weak);
        }
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let mut table = TableBuilder::new(ui)
                .id_salt(title)
                .vscroll(false)
                .cell_layout(Layout::left_to_right(Align::Center));
            for width in WIDTHS {
                table = table.column(if width > 0.0 {
                    Column::exact(width).clip(true)
                } else {
                    Column::remainder().at_least(160.0).clip(true)
                });
            }
            table
                .header(28.0, |mut header| {
                    for name in columns {
                        header.col(|ui| {
                            heading_term(ui, name, p.weak);
                        });
                    }
                })
                .body(|body| {
                    body.rows(30.0, rows.len(), |mut line| {
                        let index = line.index();
                        for (column, text) in rows[index].cells.iter().enumerate() {
                            line.col(|ui| {
                                if column == 0 {
                                    dot(ui, self.colours[index]);
                                }
                                let ink = if column == 0 || column == 3 { p.ink } else { p.weak };
                                let label = RichText::new(text).size(theme::SMALL).color(ink);
                                ui.add(Label::new(label).truncate()).on_hover_text(text);
                            });
                        }
                    });
                });
        });
        ui.add_space(theme::SCREEN);
    }
}
