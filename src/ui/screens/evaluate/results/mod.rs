//! The results of one evaluation: the rates as the paper prints them, what goes with them, and another evaluation beside it.

mod across;
mod plain;

use super::matrix::{Cell, Column, Matrix};
use super::{finished, name_of};
use crate::evaluate::{AcrossRow, PairRow, Summary, UTILITY, UtilityRow};
use crate::project::EvaluationInfo;
use crate::report::{Chart, RateGrid, depth_table, kl_chart, prefill_charts, rate_grids, temperature_charts};
use crate::ui::app::{EvaluateCommand, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::{combo_box, command_button, show_chart};
use across::Across;
use eframe::egui::{self, Align, Layout, Ui};
use plain::Plain;

/// How every table of rates is to be read.
const HOW_TO_READ: &str = "The share of answers that the judge calls harmful (ASR); below it how many of all judged, and the 95 % interval. Press a number to read its answers.";

/// The tab.
#[derive(Default)]
pub struct Results {
    shown: Option<Shown>,
    across: Across,
}

/// One evaluation, made ready to be drawn.
struct Shown {
    id: String,
    /// A table for each set and judge, with the chart of prefilling that belongs to it.
    rates: Vec<(Matrix, Option<Chart<'static>>)>,
    temperatures: Vec<Chart<'static>>,
    kl: Option<Chart<'static>>,
    utility: Matrix,
    depth: Plain,
    /// Each two models that were compared, and the two that are shown.
    pairs: Vec<(String, String)>,
    pair: usize,
}

impl Results {
    /// Makes everything anew when it is drawn next.
    pub fn forget(&mut self) {
        self.shown = None;
        self.across.forget();
    }

    /// Puts another evaluation beside this one, or none.
    pub fn compare_with(&mut self, other: Option<String>) {
        self.across.choose(other);
    }

    /// Takes in two evaluations side by side.
    pub fn found(&mut self, serial: u64, result: Result<Vec<AcrossRow>, String>) {
        self.across.found(serial, result);
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo) {
        let Some(summary) = &info.summary else { return };
        self.across.unless(&info.id);
        let pair = self.shown.as_ref().filter(|shown| shown.id == info.id).map_or(0, |shown| shown.pair);
        if self.shown.as_ref().is_none_or(|shown| shown.id != info.id) {
            self.shown = Some(Shown::new(info, summary, view.project, pair));
        }
        self.choices(ui, view, info);
        egui::ScrollArea::vertical().id_salt("results").auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            if self.across.is_chosen() {
                self.across.show(ui, view, info);
            } else if let Some(shown) = &self.shown {
                shown.show(ui, view);
            }
        });
    }

    fn choices(&mut self, ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo) {
        let p = theme::palette(ui);
        let mut newly = None;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let save = EvaluateCommand::SaveTable(info.id.clone());
                if command_button(ui, &save, view.read_only()) {
                    view.send(save);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.label(theme::small("Compare with").color(p.weak));
                    compare(ui, view, info, self.across.other());
                    if let Some(shown) = self.shown.as_ref().filter(|s| s.pairs.len() > 1)
                        && !self.across.is_chosen()
                    {
                        ui.label(theme::small("Change").color(p.weak));
                        newly = pair_choice(ui, shown);
                    }
                });
            });
        });
        ui.add_space(theme::GAP);
        if let (Some(pair), Some(summary)) = (newly, &info.summary) {
            self.shown = Some(Shown::new(info, summary, view.project, pair));
        }
    }
}

fn compare(ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo, chosen: Option<&str>) {
    let all = finished(view.project);
    let name = chosen.and_then(|id| all.iter().find(|e| e.id == id)).map(|e| name_of(e));
    let response = combo_box("compare with", 240.0)
        .selected_text(name.unwrap_or_else(|| "nothing".to_owned()))
        .show_ui(ui, |ui| {
            if ui.selectable_label(chosen.is_none(), "nothing").clicked() {
                view.commands.push(EvaluateCommand::CompareWith(None).into());
            }
            for other in all.iter().filter(|other| other.id != info.id) {
                if ui.selectable_label(chosen == Some(&other.id), name_of(other)).clicked() {
                    view.commands.push(EvaluateCommand::CompareWith(Some(other.id.clone())).into());
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Compare with"));
}

fn pair_choice(ui: &mut Ui, shown: &Shown) -> Option<usize> {
    let text = |(before, after): &(String, String)| format!("{before} → {after}");
    let mut newly = None;
    let response = combo_box("change", 190.0)
        .selected_text(shown.pairs.get(shown.pair).map(text).unwrap_or_default())
        .show_ui(ui, |ui| {
            for (index, pair) in shown.pairs.iter().enumerate() {
                if ui.selectable_label(index == shown.pair, text(pair)).clicked() {
                    newly = Some(index);
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Change between"));
    newly
}

impl Shown {
    fn new(info: &EvaluationInfo, summary: &Summary, project: &Snapshot, pair: usize) -> Self {
        let roles = |id: &str| project.role(id);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for row in &summary.pairs {
            let names = (row.before.clone(), row.after.clone());
            if !pairs.contains(&names) {
                pairs.push(names);
            }
        }
        let pair = if pair < pairs.len() { pair } else { 0 };
        let chosen = pairs.get(pair).cloned();
        let grids = rate_grids(summary);
        let several = grids.iter().any(|grid| grid.set != grids[0].set);
        let mut charts = prefill_charts(summary, &roles);
        let rates = grids
            .iter()
            .map(|grid| {
                let own = charts.iter().position(|chart| *chart.id == *format!("prefill {}", grid.judge));
                let chart = own.map(|at| charts.remove(at));
                (rate_matrix(grid, chosen.as_ref(), several, project), chart)
            })
            .collect();
        Self {
            id: info.id.clone(),
            rates,
            temperatures: temperature_charts(summary, &roles),
            kl: kl_chart(summary, &roles),
            utility: utility_matrix(summary, chosen.as_ref(), project),
            depth: Plain::new(depth_table(summary), project),
            pairs,
            pair,
        }
    }

    fn show(&self, ui: &mut Ui, view: &mut View<'_>) {
        for (matrix, chart) in &self.rates {
            matrix.show(ui, view);
            if let Some(chart) = chart {
                show_chart(ui, chart, 232.0);
                ui.add_space(theme::GROUP);
            }
        }
        self.utility.show(ui, view);
        self.depth.show(ui);
        if let Some(chart) = &self.kl {
            show_chart(ui, chart, 220.0);
            ui.add_space(theme::GROUP);
        }
        for chart in &self.temperatures {
            show_chart(ui, chart, 200.0);
            ui.add_space(theme::GROUP);
        }
    }
}

/// The change between the two models that are shown.
fn change(pairs: &[PairRow], chosen: Option<&(String, String)>) -> Option<Cell> {
    let (before, after) = chosen?;
    pairs.iter().find(|row| row.before == *before && row.after == *after).map(Cell::change)
}

fn change_column(chosen: Option<&(String, String)>) -> Option<Column> {
    chosen.map(|(before, after)| Column::named(format!("{before} → {after}"), true))
}

fn rate_matrix(
    grid: &RateGrid,
    chosen: Option<&(String, String)>,
    several: bool,
    project: &Snapshot,
) -> Matrix {
    let colour = |id: &String| theme::role_colour(project.role(id));
    let mut columns: Vec<Column> = grid.models.iter().map(|id| Column::model(id, colour(id))).collect();
    let ceiling = grid.rows.iter().any(|row| row.ceiling.is_some());
    columns.extend(ceiling.then(|| Column::named("Ceiling", false)));
    columns.extend(change_column(chosen));
    let rows = grid
        .rows
        .iter()
        .map(|row| {
            let mut cells: Vec<Option<Cell>> =
                row.cells.iter().map(|cell| cell.as_ref().map(Cell::rate)).collect();
            if ceiling {
                let note = "What is left of the reference answers alone, by the same judge: no attack at this depth can show more.";
                cells.push(row.ceiling.map(|ceiling| Cell::plain(&ceiling).note(note)));
            }
            if chosen.is_some() {
                cells.push(change(&row.pairs, chosen));
            }
            (row.words.clone(), cells)
        })
        .collect();
    let set = if several { format!(" on {}", grid.set) } else { String::new() };
    Matrix {
        title: format!("How often did each model comply{set}? ({} judge)", grid.judge),
        remark: HOW_TO_READ.to_owned(),
        what: "Attack".to_owned(),
        columns,
        rows,
    }
}

fn utility_matrix(summary: &Summary, chosen: Option<&(String, String)>, project: &Snapshot) -> Matrix {
    let mut models: Vec<&String> = Vec::new();
    let mut tasks: Vec<(&String, &String)> = Vec::new();
    for row in &summary.utility {
        if !models.contains(&&row.model) {
            models.push(&row.model);
        }
        if !tasks.contains(&(&row.task, &row.metric)) {
            tasks.push((&row.task, &row.metric));
        }
    }
    let pairs: Vec<PairRow> = summary.pairs.iter().filter(|row| row.attack == UTILITY).cloned().collect();
    let chosen = chosen.filter(|_| !pairs.is_empty());
    let mut columns: Vec<Column> =
        models.iter().map(|id| Column::model(id, theme::role_colour(project.role(id)))).collect();
    columns.extend(change_column(chosen));
    let rows = tasks
        .iter()
        .map(|(task, metric)| {
            let of = |model: &&String| -> Option<&UtilityRow> {
                summary
                    .utility
                    .iter()
                    .find(|row| row.model == **model && row.task == **task && row.metric == **metric)
            };
            let mut cells: Vec<Option<Cell>> = models.iter().map(|m| of(m).map(Cell::utility)).collect();
            if chosen.is_some() {
                let own: Vec<PairRow> = pairs
                    .iter()
                    .filter(|row| row.setting == **task && row.judge == **metric)
                    .cloned()
                    .collect();
                cells.push(change(&own, chosen));
            }
            (format!("{task} · {metric}"), cells)
        })
        .collect();
    Matrix {
        title: "Is it still useful?".to_owned(),
        remark: "Utility: the share of harmless tasks answered rightly, or the mean score; below it the count and the 95 % interval.".to_owned(),
        what: "Task".to_owned(),
        columns,
        rows,
    }
}
