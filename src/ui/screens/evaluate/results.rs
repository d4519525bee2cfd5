//! The results of one evaluation: charts, then every rate with its count, interval and judge.

use crate::evaluate::{RateRow, Summary};
use crate::project::EvaluationInfo;
use crate::ui::app::Snapshot;
use crate::ui::theme;
use crate::ui::widgets::{Chart, Series, section};
use eframe::egui::{self, Align, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder};
use egui_plot::PlotPoint;

/// One evaluation, made ready to be drawn.
pub struct Results {
    /// Its id.
    pub id: String,
    /// One chart of prefilling for each judge.
    prefill: Vec<(String, Vec<Series>)>,
    depths: Vec<f64>,
    kl: Vec<Series>,
    kl_title: String,
    rows: Vec<Row>,
    utility: Vec<Row>,
    depth: Vec<String>,
}

/// A line of the table.
struct Row {
    colour: egui::Color32,
    model: String,
    what: String,
    judge: String,
    rate: String,
    interval: String,
}

impl Results {
    /// Makes the results ready; `None` if the evaluation did not come to its end.
    pub fn new(info: &EvaluationInfo, project: &Snapshot) -> Option<Self> {
        let summary = info.summary.as_ref()?;
        let mut judges: Vec<&str> = Vec::new();
        for row in summary.rates.iter().filter(|row| row.attack == "prefill") {
            if !judges.contains(&row.judge.as_str()) {
                judges.push(&row.judge);
            }
        }
        let prefill =
            judges.iter().map(|&judge| (judge.to_owned(), prefill_series(summary, judge, project))).collect();
        let mut depths: Vec<usize> =
            summary.rates.iter().filter(|row| row.attack == "prefill").filter_map(|row| row.depth).collect();
        depths.sort_unstable();
        depths.dedup();
        let rows = summary
            .rates
            .iter()
            .map(|row| Row {
                colour: theme::role_colour(project.role(&row.model)),
                model: row.model.clone(),
                what: attack_text(row),
                judge: row.judge.clone(),
                rate: row.rate.text(),
                interval: row.interval.clone(),
            })
            .collect();
        let utility = summary
            .utility
            .iter()
            .map(|row| Row {
                colour: theme::role_colour(project.role(&row.model)),
                model: row.model.clone(),
                what: row.task.clone(),
                judge: row.metric.clone(),
                rate: row.rate.text(),
                interval: row.interval.clone(),
            })
            .collect();
        Some(Self {
            id: info.id.clone(),
            prefill,
            depths: depths.into_iter().map(|k| k as f64).collect(),
            kl: kl_series(summary, project),
            kl_title: kl_title(summary),
            rows,
            utility,
            depth: depth_lines(summary),
        })
    }

    /// Draws them.
    pub fn show(&mut self, ui: &mut Ui) {
        ui.set_width(ui.available_width() - theme::PAD);
        for (judge, series) in &self.prefill {
            Chart {
                id: &format!("prefill {judge}"),
                question: "How often does the model comply after k harmful tokens?",
                x: "prefilled harmful tokens, k",
                y: "complied (ASR)",
                meaning: "The attack puts the first k tokens of a harmful answer into the model's mouth and lets it go on; \
                          only what it writes itself is judged. A safe model stays low at every k, and the dashed line \
                          shows the most that any attack could reach there, because little of the answer is left.",
                height: 240.0,
                percent: true,
                ticks: &self.depths,
            }
            .show(ui, series);
            ui.label(
                theme::small(format!("{judge} judge · whiskers: 95 % interval"))
                    .color(theme::palette(ui).weak),
            );
            ui.add_space(theme::GROUP);
        }
        if !self.depth.is_empty() {
            for line in &self.depth {
                ui.label(theme::small(line));
            }
            ui.add_space(theme::GROUP);
        }
        if !self.kl.is_empty() {
            Chart {
                id: "kl in results",
                question: &self.kl_title,
                x: "answer token",
                y: "KL (nats)",
                meaning: "KL says how far the model's predictions are from the base's at each token of a harmful answer. \
                          A curve that is high only at the first tokens means that only those were changed by the safety training.",
                height: 220.0,
                percent: false,
                ticks: &[],
            }
            .show(ui, &self.kl);
            ui.add_space(theme::GROUP);
        }
        if !self.rows.is_empty() {
            section(ui, "Every rate, with its count and interval");
            table(ui, "rates", ["Model", "Attack", "Judge", "Complied (ASR)", "Interval"], &self.rows);
            ui.add_space(theme::GROUP);
        }
        if !self.utility.is_empty() {
            section(ui, "Is it still useful?");
            table(ui, "utility", ["Model", "Task", "Scored by", "Right answers", "Interval"], &self.utility);
            ui.add_space(theme::GROUP);
        }
    }
}

fn models_of(summary: &Summary) -> Vec<&str> {
    let mut models: Vec<&str> = Vec::new();
    for id in summary
        .rates
        .iter()
        .map(|row| row.model.as_str())
        .chain(summary.kl.iter().map(|row| row.model.as_str()))
    {
        if !models.contains(&id) {
            models.push(id);
        }
    }
    models
}

fn prefill_series(summary: &Summary, judge: &str, project: &Snapshot) -> Vec<Series> {
    let mut lines = Vec::new();
    let mut ceiling: Vec<(usize, f64)> = Vec::new();
    for model in models_of(summary) {
        let mut rows: Vec<(usize, &RateRow)> = summary
            .rates
            .iter()
            .filter(|row| row.attack == "prefill" && row.judge == judge && row.model == model)
            .filter_map(|row| row.depth.map(|depth| (depth, row)))
            .collect();
        rows.sort_by_key(|(depth, _)| *depth);
        if rows.is_empty() {
            continue;
        }
        let points = rows.iter().map(|(k, row)| PlotPoint::new(*k as f64, row.rate.value())).collect();
        let whiskers = rows.iter().map(|(_, row)| (row.rate.low, row.rate.high)).collect();
        let n = rows.first().map_or(0, |(_, row)| row.rate.n);
        lines.push(
            Series::of_role(format!("{model} (n = {n})"), project.role(model), points)
                .with_whiskers(whiskers),
        );
        // The ceiling comes from the reference answers: it is the same for every model.
        if ceiling.is_empty() {
            ceiling = rows.iter().filter_map(|(k, row)| Some((*k, row.ceiling?.value()))).collect();
        }
    }
    if ceiling.len() > 1 {
        let mut line = Series::plain("ceiling", None).faint();
        for (k, share) in ceiling {
            line.push(k as f64, share);
        }
        lines.push(line);
    }
    lines
}

/// KL by token with a band of one standard deviation, never below 0, where KL cannot be.
pub fn kl_series(summary: &Summary, project: &Snapshot) -> Vec<Series> {
    summary
        .kl
        .iter()
        .map(|row| {
            let points =
                row.mean.iter().enumerate().map(|(t, &kl)| PlotPoint::new((t + 1) as f64, kl)).collect();
            let band = row.mean.iter().zip(&row.std).map(|(&m, &s)| ((m - s).max(0.0), m + s)).collect();
            let first = row.n.first().copied().unwrap_or(0);
            let last = row.n.last().copied().unwrap_or(0);
            let name = if first == last {
                format!("{} (n = {first})", row.model)
            } else {
                format!("{} (n = {first} at token 1, {last} at token {})", row.model, row.n.len())
            };
            Series::of_role(name, project.role(&row.model), points).with_band(band)
        })
        .collect()
}

/// The question of the KL chart, with both models named where there is one pair.
pub fn kl_title(summary: &Summary) -> String {
    match summary.kl.as_slice() {
        [one] => {
            format!("How deep is the safety? KL between {} and {}, by answer token", one.model, one.base)
        }
        [first, ..] => {
            format!("How deep is the safety? KL between each model and {}, by answer token", first.base)
        }
        [] => String::new(),
    }
}

fn depth_lines(summary: &Summary) -> Vec<String> {
    summary
        .depth
        .iter()
        .map(|row| {
            let tested = row.tested.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let mut line = match row.depth {
                Some(k) => format!(
                    "{}: safe to a depth of {k} tokens (upper bound at most 10 % at each tested k up to there; tested {tested}; {} judge)",
                    row.model, row.judge
                ),
                None => format!(
                    "{}: no tested depth is shown to be safe (the upper bound of the rate is above 10 % already at the smallest k; tested {tested}; {} judge)",
                    row.model, row.judge
                ),
            };
            if let Some(half) = row.half_kl {
                line += &format!(" · half of its KL lies in the first {half:.0} tokens");
            }
            line
        })
        .collect()
}

fn attack_text(row: &RateRow) -> String {
    match row.attack.as_str() {
        "direct" => "plain request".to_owned(),
        "prefill" => row.depth.map_or_else(|| row.setting.clone(), |k| format!("prefilling, k = {k}")),
        "refusal_prefix" => format!("begins “{}”", row.setting),
        other => format!("{other} {}", row.setting),
    }
}

fn table(ui: &mut Ui, id: &str, names: [&str; 5], rows: &[Row]) {
    let p = theme::palette(ui);
    let clip = ui.clip_rect();
    TableBuilder::new(ui)
        .id_salt(id)
        .vscroll(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::initial(112.0).clip(true))
        .column(Column::initial(140.0).clip(true))
        .column(Column::initial(76.0).clip(true))
        .column(Column::remainder().at_least(220.0).clip(true))
        .column(Column::initial(96.0).clip(true))
        .header(28.0, |mut header| {
            for name in names {
                header.col(|ui| {
                    ui.label(theme::label(name).color(p.weak));
                });
            }
        })
        .body(|body| {
            body.rows(28.0, rows.len(), |mut line| {
                let row = &rows[line.index()];
                line.col(|ui| {
                    let (dot, _) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
                    ui.painter().with_clip_rect(clip).circle_filled(dot.center(), 4.0, row.colour);
                    ui.add(egui::Label::new(theme::small(&row.model)).truncate());
                });
                line.col(|ui| {
                    ui.add(egui::Label::new(theme::small(&row.what)).truncate());
                });
                line.col(|ui| {
                    ui.add(egui::Label::new(theme::small(&row.judge).color(p.weak)).truncate());
                });
                line.col(|ui| {
                    ui.add(egui::Label::new(RichText::new(&row.rate).size(theme::SMALL)).truncate());
                });
                line.col(|ui| {
                    ui.add(egui::Label::new(theme::small(&row.interval).color(p.weak)).truncate())
                        .on_hover_text(&row.interval);
                });
            });
        });
}
