//! The results of one evaluation: charts, then every rate with its count, interval and judge.

use crate::project::EvaluationInfo;
use crate::report::{
    Chart, Table, depth_table, kl_chart, pairs_table, prefill_charts, rates_table, temperature_charts,
    utility_table,
};
use crate::ui::app::Snapshot;
use crate::ui::theme;
use crate::ui::widgets::{section, show_chart};
use eframe::egui::{self, Align, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder};

/// Below this width of the results, in points, tables leave their last column out.
const NARROW: f32 = 660.0;

/// One evaluation, made ready to be drawn.
pub struct Results {
    /// Its id.
    pub id: String,
    /// One chart of prefilling for each judge.
    prefill: Vec<Chart<'static>>,
    /// One chart of sampling temperatures for each judge.
    temperatures: Vec<Chart<'static>>,
    kl: Option<Chart<'static>>,
    safety: Shown,
    rates: Shown,
    utility: Shown,
    pairs: Shown,
}

/// A table with the widths of its columns, 0 = what is left, and the colour of each row's model.
struct Shown {
    table: Table,
    widths: [f32; 5],
    colours: Vec<egui::Color32>,
}

impl Results {
    /// Makes the results ready; `None` if the evaluation did not come to its end.
    pub fn new(info: &EvaluationInfo, project: &Snapshot) -> Option<Self> {
        let summary = info.summary.as_ref()?;
        let roles = |id: &str| project.role(id);
        let shown = |table: Table, widths: [f32; 5]| {
            let colours = table.rows.iter().map(|row| theme::role_colour(roles(&row.model))).collect();
            Shown { table, widths, colours }
        };
        Some(Self {
            id: info.id.clone(),
            prefill: prefill_charts(summary, &roles),
            temperatures: temperature_charts(summary, &roles),
            kl: kl_chart(summary, &roles),
            safety: shown(depth_table(summary), [100.0, 60.0, 128.0, 0.0, 112.0]),
            rates: shown(rates_table(summary), [100.0, 150.0, 60.0, 0.0, 142.0]),
            utility: shown(utility_table(summary), [100.0, 80.0, 108.0, 0.0, 164.0]),
            pairs: shown(pairs_table(summary), [136.0, 126.0, 60.0, 0.0, 150.0]),
        })
    }

    /// Draws them.
    pub fn show(&mut self, ui: &mut Ui) {
        ui.set_width(ui.available_width() - theme::PAD);
        for chart in &self.prefill {
            show_chart(ui, chart, 232.0);
            ui.add_space(theme::GROUP);
        }
        self.safety.show(ui);
        if let Some(chart) = &self.kl {
            show_chart(ui, chart, 220.0);
            ui.add_space(theme::GROUP);
        }
        for chart in &self.temperatures {
            show_chart(ui, chart, 200.0);
            ui.add_space(theme::GROUP);
        }
        self.rates.show(ui);
        self.utility.show(ui);
        self.pairs.show(ui);
    }
}

impl Shown {
    fn show(&self, ui: &mut Ui) {
        let Table { title, remark, columns, rows } = &self.table;
        if rows.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        section(ui, title);
        if !remark.is_empty() {
            ui.label(theme::small(*remark).color(p.weak));
        }
        // In a narrow window the last column moves into the tooltip: a rate is never cut short.
        let shown = if ui.available_width() < NARROW { 4 } else { 5 };
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let mut table = TableBuilder::new(ui)
                .id_salt(title)
                .vscroll(false)
                .cell_layout(Layout::left_to_right(Align::Center));
            for width in self.widths[..shown].iter().copied() {
                table = table.column(if width > 0.0 {
                    Column::exact(width).clip(true)
                } else {
                    Column::remainder().at_least(160.0).clip(true)
                });
            }
            table
                .header(28.0, |mut header| {
                    for name in &columns[..shown] {
                        header.col(|ui| {
                            ui.add(egui::Label::new(theme::label(*name).color(p.weak)).truncate());
                        });
                    }
                })
                .body(|body| {
                    body.rows(30.0, rows.len(), |mut line| {
                        let index = line.index();
                        let row = &rows[index];
                        for (column, text) in row.cells[..shown].iter().enumerate() {
                            line.col(|ui| {
                                if column == 0 {
                                    crate::ui::widgets::dot(ui, self.colours[index]);
                                }
                                let ink = if column == 0 || column == 3 { p.ink } else { p.weak };
                                let label = RichText::new(text).size(theme::SMALL).color(ink);
                                let label = ui.add(egui::Label::new(label).truncate());
                                if column == 3 && shown < 5 {
                                    label.on_hover_text(format!("{text}\n{}: {}", columns[4], row.cells[4]));
                                } else {
                                    label.on_hover_text(text);
                                }
                            });
                        }
                    });
                });
        });
        ui.add_space(theme::SCREEN);
    }
}
