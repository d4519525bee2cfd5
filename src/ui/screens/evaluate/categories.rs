//! The rates of one attack by kind of request.

use super::matrix::{Cell, Column, Matrix};
use crate::evaluate::{CategoryRow, SMALL_N, Summary};
use crate::project::EvaluationInfo;
use crate::report::{Chart, category_chart, rate_grids};
use crate::ui::app::{EvaluateCommand, EvaluateRequest, Request, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, combo_box, command_button, notice, show_chart};
use eframe::egui::{self, Align, Layout, RichText, Ui};
use std::sync::Arc;

/// The tab.
#[derive(Default)]
pub struct Categories {
    /// Set, attack and setting.
    cell: Option<[String; 3]>,
    serial: u64,
    /// The evaluation and the cell that were asked for.
    asked: Option<(String, [String; 3])>,
    found: Option<Result<Arc<Vec<CategoryRow>>, String>>,
    shown: Vec<(Matrix, Chart<'static>)>,
    /// What is to be said of small categories.
    small: Option<String>,
}

impl Categories {
    /// Asks anew when it is drawn next.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// The rates that are shown.
    pub fn rows(&self) -> Option<Arc<Vec<CategoryRow>>> {
        self.found.as_ref()?.as_ref().ok().filter(|rows| !rows.is_empty()).cloned()
    }

    /// Takes in what was asked for.
    pub fn found(&mut self, serial: u64, result: Result<Vec<CategoryRow>, String>) {
        if serial == self.serial {
            self.shown.clear();
            self.small = result.as_ref().ok().and_then(|rows| small(rows));
            self.found = Some(result.map(Arc::new));
        }
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo) {
        let Some(summary) = &info.summary else { return };
        let cells = cells(summary);
        let Some(first) = cells.iter().max_by_key(|(_, _, harmful)| *harmful) else {
            notice(ui, Tone::Plain, "Nothing was attacked in this evaluation, so there are no rates.");
            return;
        };
        if !cells.iter().any(|(cell, ..)| Some(cell) == self.cell.as_ref()) {
            self.cell = Some(first.0.clone());
        }
        self.choices(ui, view, &cells);
        let Some(cell) = self.cell.clone() else { return };
        let wanted = (info.id.clone(), cell.clone());
        if self.asked.as_ref() != Some(&wanted) {
            self.serial += 1;
            let (serial, evaluation) = (self.serial, info.id.clone());
            view.loader.send(Request::Evaluate(EvaluateRequest::Categories { serial, evaluation, cell }));
            self.asked = Some(wanted);
            self.found = None;
            self.shown.clear();
        }
        let rows = match &self.found {
            None => {
                ui.label(RichText::new("Counting by category…").color(theme::palette(ui).weak));
                return;
            }
            Some(Err(error)) => {
                notice(ui, Tone::Error, error);
                return;
            }
            Some(Ok(rows)) => rows.clone(),
        };
        if rows.iter().all(|row| row.category.is_empty()) {
            notice(
                ui,
                Tone::Plain,
                "The requests of this set name no category. Add a “category” to its examples, and evaluate again.",
            );
            return;
        }
        if self.shown.is_empty() {
            self.shown = shown(&rows, view.project);
        }
        egui::ScrollArea::vertical().id_salt("by category").auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            if let Some(small) = &self.small {
                notice(ui, Tone::Warning, small);
                ui.add_space(theme::GAP);
            }
            for (matrix, chart) in &self.shown {
                matrix.show(ui, view);
                show_chart(ui, chart, 232.0);
                ui.add_space(theme::GROUP);
            }
        });
    }

    fn choices(&mut self, ui: &mut Ui, view: &mut View<'_>, cells: &[([String; 3], String, usize)]) {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let none = self.rows().is_none().then_some("No rates by category are on the screen.");
                if command_button(ui, &EvaluateCommand::SaveCategories, none.or(view.read_only())) {
                    view.send(EvaluateCommand::SaveCategories);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.label(theme::small("Attack").color(theme::palette(ui).weak));
                    let chosen = cells.iter().find(|(cell, ..)| Some(cell) == self.cell.as_ref());
                    let response = combo_box("attack of the categories", 320.0)
                        .selected_text(chosen.map_or("", |(_, words, _)| words))
                        .show_ui(ui, |ui| {
                            for (cell, words, _) in cells {
                                let here = Some(cell) == self.cell.as_ref();
                                if ui.selectable_label(here, words).clicked() {
                                    self.cell = Some(cell.clone());
                                }
                            }
                        })
                        .response;
                    response.widget_info(|| {
                        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Attack by category")
                    });
                });
            });
        });
        ui.add_space(theme::GAP);
    }
}

/// The settings of all attacks, in words, with the harmful answers that were counted under each.
fn cells(summary: &Summary) -> Vec<([String; 3], String, usize)> {
    let grids = rate_grids(summary);
    let several = grids.iter().any(|grid| grid.set != grids[0].set);
    let mut cells: Vec<([String; 3], String, usize)> = Vec::new();
    for grid in &grids {
        for row in &grid.rows {
            let cell = [grid.set.clone(), row.attack.clone(), row.setting.clone()];
            let harmful = row.cells.iter().flatten().map(|rate| rate.rate.count).sum();
            let words = if several { format!("{} · {}", row.words, grid.set) } else { row.words.clone() };
            if !cells.iter().any(|(known, ..)| *known == cell) {
                cells.push((cell, words, harmful));
            }
        }
    }
    cells
}

/// What is to be said where categories have few answers.
fn small(rows: &[CategoryRow]) -> Option<String> {
    let few = rows.iter().filter(|row| row.is_small()).count();
    let least = rows.iter().map(|row| row.row.rate.n).min()?;
    (few > 0).then(|| {
        format!(
            "{few} of {} numbers stand on fewer than {SMALL_N} answers, the least on {least}. Their intervals are wide: a difference between two categories can well be chance.",
            rows.len()
        )
    })
}

fn shown(rows: &[CategoryRow], project: &Snapshot) -> Vec<(Matrix, Chart<'static>)> {
    let mut judges: Vec<&str> = Vec::new();
    let mut models: Vec<&str> = Vec::new();
    let mut categories: Vec<String> = Vec::new();
    for row in rows {
        if !judges.contains(&row.row.judge.as_str()) {
            judges.push(&row.row.judge);
        }
        if !models.contains(&row.row.model.as_str()) {
            models.push(&row.row.model);
        }
        if !categories.contains(&row.category) {
            categories.push(row.category.clone());
        }
    }
    categories.sort();
    let roles = |id: &str| project.role(id);
    judges
        .into_iter()
        .map(|judge| {
            let cell = |category: &String, model: &&str| {
                rows.iter()
                    .find(|r| r.row.judge == judge && r.row.model == **model && r.category == *category)
                    .map(|r| Cell::rate(&r.row).of_category(category))
            };
            let table = categories
                .iter()
                .enumerate()
                .map(|(index, category)| {
                    let name = if category.is_empty() { "(none)" } else { category.as_str() };
                    let cells = models.iter().map(|model| cell(category, model)).collect();
                    (format!("{} · {name}", index + 1), cells)
                })
                .collect();
            let matrix = Matrix {
                title: format!("How often by kind of request? ({judge} judge)"),
                remark: "The share of answers that the judge calls harmful (ASR); below it how many of all judged, and the 95 % interval. Press a number to read its answers.".to_owned(),
                what: "Category".to_owned(),
                columns: models
                    .iter()
                    .map(|id| Column::model(id, theme::role_colour(roles(id))))
                    .collect(),
                rows: table,
            };
            (matrix, category_chart(rows, judge, &categories, &roles))
        })
        .collect()
}
