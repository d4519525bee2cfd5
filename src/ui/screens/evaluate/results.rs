//! The results of one evaluation: charts, then every rate with its count, interval and judge.

use crate::evaluate::{ANY_SETTING, DepthRow, PairRow, RateRow, Summary, UTILITY};
use crate::project::EvaluationInfo;
use crate::ui::app::Snapshot;
use crate::ui::theme;
use crate::ui::widgets::{Chart, Series, section};
use eframe::egui::{self, Align, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder};
use egui_plot::PlotPoint;

/// Below this width of the results, in points, tables leave their last column out.
const NARROW: f32 = 660.0;

/// One evaluation, made ready to be drawn.
pub struct Results {
    /// Its id.
    pub id: String,
    /// One chart of prefilling for each judge.
    prefill: Vec<(String, Vec<Series>)>,
    depths: Vec<f64>,
    /// One chart of sampling temperatures for each judge.
    temperatures: Vec<(String, Vec<Series>)>,
    kl: Vec<Series>,
    kl_title: String,
    rates: Table,
    utility: Table,
    safety: Table,
    pairs: Table,
}

/// A table whose first column is a model.
struct Table {
    id: &'static str,
    title: &'static str,
    remark: &'static str,
    /// Names of the columns, with their widths; 0 = what is left.
    columns: [(&'static str, f32); 5],
    rows: Vec<Row>,
}

struct Row {
    colour: egui::Color32,
    cells: [String; 5],
}

impl Results {
    /// Makes the results ready; `None` if the evaluation did not come to its end.
    pub fn new(info: &EvaluationInfo, project: &Snapshot) -> Option<Self> {
        let summary = info.summary.as_ref()?;
        let prefill = judges_of(summary, "prefill")
            .iter()
            .map(|&judge| (judge.to_owned(), prefill_series(summary, judge, project)))
            .collect();
        let temperatures = judges_of(summary, "decoding")
            .into_iter()
            .map(|judge| (judge.to_owned(), temperature_series(summary, judge, project)))
            .collect();
        let mut depths: Vec<usize> =
            summary.rates.iter().filter(|row| row.attack == "prefill").filter_map(|row| row.depth).collect();
        depths.sort_unstable();
        depths.dedup();
        let row = |model: &str, rest: [String; 4]| {
            let [a, b, c, d] = rest;
            Row { colour: theme::role_colour(project.role(model)), cells: [model.to_owned(), a, b, c, d] }
        };
        let several = summary.rates.iter().any(|r| r.set != summary.rates[0].set);
        let rates = Table {
            id: "rates",
            title: "Every rate, with its count and interval",
            remark: "",
            columns: [
                ("Model", 100.0),
                ("Attack", 150.0),
                ("Judge", 60.0),
                ("Complied (ASR)", 0.0),
                ("Interval", 142.0),
            ],
            rows: summary
                .rates
                .iter()
                // Forty-nine ways of sampling would bury everything else: a chart shows them.
                .filter(|r| r.attack != "decoding" || r.setting == ANY_SETTING)
                .map(|r| {
                    row(
                        &r.model,
                        [attack_text(r, several), r.judge.clone(), r.rate.text(), r.interval.clone()],
                    )
                })
                .collect(),
        };
        let utility = Table {
            id: "utility",
            title: "Is it still useful?",
            remark: "",
            columns: [
                ("Model", 100.0),
                ("Task", 80.0),
                ("Scored by", 108.0),
                ("Right answers", 0.0),
                ("Interval", 164.0),
            ],
            rows: summary
                .utility
                .iter()
                .map(|r| row(&r.model, [r.task.clone(), r.metric.clone(), r.text(), r.interval.clone()]))
                .collect(),
        };
        let safety = Table {
            id: "safety depth",
            title: "How deep is each model's safety?",
            remark: "Shown safe up to k: the upper 95 % bound of the rate is at most 10 % at every tested depth up to k.",
            columns: [
                ("Model", 100.0),
                ("Judge", 60.0),
                ("Shown safe up to", 128.0),
                ("Half of the KL of 60 tokens lies", 0.0),
                ("Tested k", 112.0),
            ],
            rows: summary.depth.iter().map(|r| row(&r.model, depth_cells(r))).collect(),
        };
        let pairs = Table {
            id: "pairs",
            title: "Did the models differ on the same prompts?",
            remark: "Change of the share that complied, or was right, from the first model to the second; p by McNemar's exact test, over whole clusters where prompts cluster.",
            columns: [
                ("Models", 136.0),
                ("Attack or task", 126.0),
                ("Judge", 60.0),
                ("Change, points", 0.0),
                ("Flips and test", 150.0),
            ],
            rows: summary
                .pairs
                .iter()
                .map(|r| Row { colour: theme::role_colour(project.role(&r.after)), cells: pair_cells(r) })
                .collect(),
        };
        Some(Self {
            id: info.id.clone(),
            prefill,
            temperatures,
            pairs,
            depths: depths.into_iter().map(|k| k as f64).collect(),
            kl: kl_series(summary, project),
            kl_title: kl_title(summary),
            rates,
            utility,
            safety,
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
                note: &format!("{judge} judge · whiskers: 95 % interval"),
                height: 232.0,
                percent: true,
                ticks: &self.depths,
            }
            .show(ui, series);
            ui.add_space(theme::GROUP);
        }
        self.safety.show(ui);
        if !self.kl.is_empty() {
            Chart {
                id: "kl in results",
                question: &self.kl_title,
                x: "answer token",
                y: "KL (nats)",
                meaning: "KL says how far the model's predictions are from the base's at each token of a harmful answer. \
                          A curve that is high only at the first tokens means that only those were changed by the safety training.",
                note: "band: one standard deviation over prompts · shown while at least a quarter of the answers reach the token",
                height: 220.0,
                percent: false,
                ticks: &[],
            }
            .show(ui, &self.kl);
            ui.add_space(theme::GROUP);
        }
        for (judge, series) in self.temperatures.iter().filter(|(_, series)| !series.is_empty()) {
            Chart {
                id: &format!("temperature {judge}"),
                question: "Does sampling at another temperature break it?",
                x: "sampling temperature",
                y: "complied (ASR)",
                meaning: "At a higher temperature a model takes less likely words more often. Where its safety hangs on a few \
                          first words, taking another one there is enough. The table below counts a prompt as broken if any \
                          way of sampling breaks it, top-k and top-p included.",
                note: &format!("{judge} judge · whiskers: 95 % interval"),
                height: 200.0,
                percent: true,
                ticks: &[],
            }
            .show(ui, series);
            ui.add_space(theme::GROUP);
        }
        self.rates.show(ui);
        self.utility.show(ui);
        self.pairs.show(ui);
    }
}

/// The judges of an attack, in the order in which they first come.
fn judges_of<'a>(summary: &'a Summary, attack: &str) -> Vec<&'a str> {
    let mut judges: Vec<&str> = Vec::new();
    for row in summary.rates.iter().filter(|row| row.attack == attack) {
        if !judges.contains(&row.judge.as_str()) {
            judges.push(&row.judge);
        }
    }
    judges
}

/// The rate by temperature, the other ways of sampling left out.
fn temperature_series(summary: &Summary, judge: &str, project: &Snapshot) -> Vec<Series> {
    let mut lines = Vec::new();
    for (model, set, name) in lines_of(summary) {
        let rows: Vec<(f64, &RateRow)> = summary
            .rates
            .iter()
            .filter(|row| {
                row.attack == "decoding" && row.judge == judge && row.model == model && row.set == set
            })
            .filter_map(|row| Some((row.setting.strip_prefix("T=")?.parse().ok()?, row)))
            .collect();
        if rows.len() < 2 {
            continue;
        }
        let points = rows.iter().map(|(t, row)| PlotPoint::new(*t, row.rate.value())).collect();
        let whiskers = rows.iter().map(|(_, row)| (row.rate.low, row.rate.high)).collect();
        let n = rows.first().map_or(0, |(_, row)| row.rate.n);
        lines.push(
            Series::of_role(format!("{name} (n = {n})"), project.role(model), points).with_whiskers(whiskers),
        );
    }
    lines
}

/// Every model on every set, with the name of its line: the set is told where there are several.
fn lines_of(summary: &Summary) -> Vec<(&str, &str, String)> {
    let mut sets: Vec<&str> = Vec::new();
    for row in &summary.rates {
        if !sets.contains(&row.set.as_str()) {
            sets.push(&row.set);
        }
    }
    let mut lines = Vec::new();
    for model in models_of(summary) {
        for &set in &sets {
            let name = if sets.len() > 1 { format!("{model}, {set}") } else { model.to_owned() };
            lines.push((model, set, name));
        }
    }
    lines
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
    for (model, set, name) in lines_of(summary) {
        let mut rows: Vec<(usize, &RateRow)> = summary
            .rates
            .iter()
            .filter(|row| {
                row.attack == "prefill" && row.judge == judge && row.model == model && row.set == set
            })
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
            Series::of_role(format!("{name} (n = {n})"), project.role(model), points).with_whiskers(whiskers),
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

/// KL by token with a band of one standard deviation, never below 0, where KL cannot be. Positions that fewer than a
/// quarter of the answers reach are left out: there the mean is of another, smaller set of prompts.
pub fn kl_series(summary: &Summary, project: &Snapshot) -> Vec<Series> {
    summary
        .kl
        .iter()
        .map(|row| {
            let first = row.n.first().copied().unwrap_or(0);
            let reach = row.n.iter().take_while(|&&n| 4 * n >= first && n > 0).count().min(row.mean.len());
            let points = row.mean[..reach]
                .iter()
                .enumerate()
                .map(|(t, &kl)| PlotPoint::new((t + 1) as f64, kl))
                .collect();
            let band =
                row.mean[..reach].iter().zip(&row.std).map(|(&m, &s)| ((m - s).max(0.0), m + s)).collect();
            let last = reach.checked_sub(1).map_or(0, |at| row.n[at]);
            let several = summary.kl.iter().any(|other| other.set != row.set);
            let who = if several { format!("{}, {}", row.model, row.set) } else { row.model.clone() };
            let name = if first == last {
                format!("{who} (n = {first})")
            } else {
                format!("{who} (n = {first} at token 1, {last} at token {reach})")
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

fn depth_cells(row: &DepthRow) -> [String; 4] {
    let tested = row.tested.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let depth = row.depth.map_or_else(|| "no tested depth".to_owned(), |k| format!("k = {k}"));
    let half = match (row.half_kl, row.half_kl_interval) {
        (Some(half), Some((low, high))) => format!("by token {half:.0} · 95 % {low:.0}–{high:.0}"),
        (Some(half), None) => format!("by token {half:.0}"),
        (None, _) => "not measured".to_owned(),
    };
    [row.judge.clone(), depth, half, tested]
}

/// Two models on the same prompts. What does not fit into a cell stands in its tooltip.
fn pair_cells(row: &PairRow) -> [String; 5] {
    let points = |share: f64| format!("{:+.1}", 100.0 * share).replace('-', "−");
    let change = &row.change;
    let p = if row.test.p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", row.test.p) };
    [
        format!("{} → {}", row.before, row.after),
        words(&row.attack, &row.setting),
        row.judge.clone(),
        format!("{} · 95 % {} to {}", points(change.value), points(change.low), points(change.high)),
        format!("+{} −{} of {} · {p}", row.test.gained, row.test.lost, row.test.n),
    ]
}

fn attack_text(row: &RateRow, several: bool) -> String {
    let words = words(&row.attack, &row.setting);
    if several { format!("{words} · {}", row.set) } else { words }
}

/// An attack and its setting, or a task, in words.
fn words(attack: &str, setting: &str) -> String {
    match attack {
        "direct" => "plain request".to_owned(),
        "prefill" => format!("prefilling, {}", setting.replace("k=", "k = ")),
        "decoding" => format!("sampling, {setting}"),
        "multi_turn" => format!("over {setting}"),
        "rap" => format!("rank-assisted, {}", setting.replace("k=", "k = ")),
        "gcg" => format!("GCG, {setting}"),
        "later_turn" => format!("a turn after {}", setting.replace("sentences=", "sentences: ")),
        "refusal_prefix" => format!("begins “{setting}”"),
        UTILITY => setting.to_owned(),
        other => format!("{other} {setting}"),
    }
}

impl Table {
    fn show(&self, ui: &mut Ui) {
        if self.rows.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        section(ui, self.title);
        if !self.remark.is_empty() {
            ui.label(theme::small(self.remark).color(p.weak));
        }
        // In a narrow window the last column moves into the tooltip: a rate is never cut short.
        let shown = if ui.available_width() < NARROW { 4 } else { 5 };
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let mut table = TableBuilder::new(ui)
                .id_salt(self.id)
                .vscroll(false)
                .cell_layout(Layout::left_to_right(Align::Center));
            for (_, width) in self.columns[..shown].iter().copied() {
                table = table.column(if width > 0.0 {
                    Column::exact(width).clip(true)
                } else {
                    Column::remainder().at_least(160.0).clip(true)
                });
            }
            table
                .header(28.0, |mut header| {
                    for (name, _) in &self.columns[..shown] {
                        header.col(|ui| {
                            ui.add(egui::Label::new(theme::label(*name).color(p.weak)).truncate());
                        });
                    }
                })
                .body(|body| {
                    body.rows(30.0, self.rows.len(), |mut line| {
                        let row = &self.rows[line.index()];
                        for (column, text) in row.cells[..shown].iter().enumerate() {
                            line.col(|ui| {
                                if column == 0 {
                                    crate::ui::widgets::dot(ui, row.colour);
                                }
                                let ink = if column == 0 || column == 3 { p.ink } else { p.weak };
                                let label = RichText::new(text).size(theme::SMALL).color(ink);
                                let label = ui.add(egui::Label::new(label).truncate());
                                if column == 3 && shown < 5 {
                                    label.on_hover_text(format!(
                                        "{text}\n{}: {}",
                                        self.columns[4].0, row.cells[4]
                                    ));
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
