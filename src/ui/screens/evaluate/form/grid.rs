//! Models × attacks: ticks on both heads, and in each cell what will run and how long that takes.

use super::attacks::Kind;
use super::{Form, about, attacks::kind_of};
use crate::evaluate::{Basis, Estimate, EvaluateSpec, Pace};
use crate::ui::app::{Snapshot, duration};
use crate::ui::theme;
use crate::ui::widgets::{dot, term, tick};
use eframe::egui::{self, Align, Label, Layout, Response, Sense, Ui, UiBuilder, Vec2, WidgetInfo, vec2};
use std::collections::BTreeMap;

/// Width of the column of models.
const MODELS: f32 = 164.0;
/// Height of the head, and of each row.
const HEAD: f32 = 80.0;
const ROW: f32 = 38.0;

/// What one cell runs.
#[derive(Clone, Debug)]
struct Planned {
    answers: usize,
    estimate: Option<Estimate>,
}

/// What the form will run, and how long that takes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    cells: BTreeMap<(String, Kind), Planned>,
    tasks: usize,
    answers: usize,
    /// Seconds of all that has an estimate.
    seconds: f64,
    /// Cells of which nothing was ever timed.
    unknown: usize,
    /// Models whose speed is guessed from others'.
    guessed: usize,
    /// Seconds of loading, KL and judging, where earlier evaluations tell.
    rest: Option<f64>,
    /// Evaluations that the estimate is made from; `None` while they are being read.
    evaluations: Option<usize>,
    kl: bool,
    /// Whether models judge, of whose time nothing is known.
    models_judge: bool,
}

impl Plan {
    /// What `spec` runs with so many harmless tasks.
    pub fn of(spec: &EvaluateSpec, tasks: usize, pace: Option<&Pace>, project: &Snapshot) -> Self {
        let prompts = project.prompts_of(spec);
        let parameters =
            |id: &str| project.model(id).and_then(|m| m.card.as_ref().ok()).map(|card| card.parameters);
        let mut plan = Self {
            evaluations: pace.map(Pace::evaluations),
            kl: spec.kl,
            tasks: tasks * spec.models.len(),
            models_judge: spec.judges.iter().any(|judge| !judge.is_immediate()),
            ..Self::default()
        };
        for model in &spec.models {
            let mut estimates = Vec::new();
            for attack in &spec.attacks {
                let answers = spec.answers_to(attack, prompts);
                let estimate = pace.and_then(|pace| pace.attack(spec, model, attack, prompts, &parameters));
                plan.answers += answers;
                plan.cells.insert(
                    (model.clone(), kind_of(attack)),
                    Planned { answers, estimate: estimate.clone() },
                );
                estimates.push(estimate);
            }
            if tasks > 0 {
                estimates.push(pace.and_then(|pace| pace.utility(model, tasks, &parameters)));
            }
            plan.unknown += estimates.iter().filter(|estimate| estimate.is_none()).count();
            let guessed = |e: &Estimate| matches!(e.basis, Basis::OtherModel(_));
            plan.guessed += usize::from(estimates.iter().flatten().any(guessed));
            plan.seconds += estimates.iter().flatten().map(|estimate| estimate.seconds).sum::<f64>();
        }
        plan.rest = pace.and_then(|pace| pace.rest(plan.answers + plan.tasks));
        plan
    }

    /// How much there is to do and how long it takes, in words.
    pub fn text(&self) -> String {
        let count = |n: usize| if n == 1 { "1 answer".to_owned() } else { format!("{n} answers") };
        let what = match (self.answers, self.tasks) {
            (0, 0) => "KL per token only; no answers are generated.".to_owned(),
            (answers, 0) => format!("{}.", count(answers)),
            (0, tasks) => format!("{tasks} harmless tasks."),
            (answers, tasks) => format!("{}, {tasks} harmless tasks.", count(answers)),
        };
        let seconds = self.seconds + self.rest.unwrap_or_default();
        let time = match self.evaluations {
            None => "Reading how long earlier evaluations took…".to_owned(),
            Some(0) => "No estimate yet: nothing was evaluated here on this device.".to_owned(),
            Some(_) if self.answers + self.tasks == 0 => return what,
            Some(_) if self.seconds <= 0.0 => "No estimate: nothing like it was evaluated here.".to_owned(),
            Some(n) => {
                let mut text = format!("In all {}, from {}", about(seconds), evaluations(n));
                if self.unknown > 0 {
                    text += " and without the cells marked “not timed”";
                }
                if self.models_judge {
                    text += "; models that judge may take more";
                }
                text + "."
            }
        };
        format!("{what} {time}")
    }

    /// What the estimate is made from, in words.
    pub fn basis(&self) -> String {
        let Some(n) = self.evaluations.filter(|n| *n > 0) else {
            return "After the first evaluation, its answers per second tell how long the next will take."
                .into();
        };
        let mut text = format!(
            "Time for each answer, as measured in {} of this project with whatever else the machine did then.",
            evaluations(n)
        );
        match self.rest {
            Some(rest) => {
                text += &format!(
                    " Loading, {}judging: {} for as many answers.",
                    if self.kl { "KL and " } else { "" },
                    duration(rest)
                );
            }
            None => text += " Loading, KL and judging come on top.",
        }
        if self.guessed > 0 {
            text += " Some models were never timed: their speed is guessed from others' by the number of parameters.";
        }
        text
    }
}

fn evaluations(n: usize) -> String {
    if n == 1 { "1 earlier evaluation".to_owned() } else { format!("{n} earlier evaluations") }
}

/// Draws the grid.
pub fn show(ui: &mut Ui, form: &mut Form, project: &Snapshot, plan: &Plan) {
    let p = theme::palette(ui);
    let width = ui.available_width();
    let column = ((width - MODELS) / Kind::ALL.len() as f32).floor();
    ui.spacing_mut().item_spacing.y = 0.0;
    let (head, _) = ui.allocate_exact_size(vec2(width, HEAD), Sense::hover());
    let place = |row: egui::Rect, index: usize| {
        egui::Rect::from_min_size(
            row.left_top() + vec2(MODELS + index as f32 * column, 0.0),
            vec2(column, row.height()),
        )
    };
    let mut corner = ui.new_child(
        UiBuilder::new()
            .max_rect(egui::Rect::from_min_size(head.left_top(), vec2(MODELS - theme::GAP, HEAD)))
            .layout(Layout::bottom_up(Align::Min)),
    );
    corner.spacing_mut().item_spacing.y = 2.0;
    corner.spacing_mut().interact_size.y = 18.0;
    corner.add_space(theme::TIGHT);
    corner.label(theme::small("time · answers").color(p.weak)).on_hover_text(
        "Each cell says how long it will take and how many answers that is. Models and attacks are ticked at the heads: every ticked attack is made on every ticked model.",
    );
    corner.label(theme::label("Models × attacks"));
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let rect = place(head, index);
        let mut cell = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Center)));
        cell.spacing_mut().item_spacing.y = 0.0;
        let mut on = form.attacks.on.contains(&kind);
        let was = on;
        box_named(&mut cell, &mut on, kind.name()).on_hover_text(kind.hint());
        term(&mut cell, theme::label(kind.name()).color(if on { p.ink } else { p.weak }), kind.term());
        if on {
            let remark = form.attacks.remark(kind);
            cell.add(Label::new(theme::small(remark.as_str()).color(p.weak)).truncate())
                .on_hover_text(remark);
        }
        if on != was {
            if on {
                form.attacks.on.insert(kind);
            } else {
                form.attacks.on.remove(&kind);
            }
        }
    }
    let line = |ui: &Ui, y: f32| {
        ui.painter().hline(head.x_range(), y, egui::Stroke::new(1.0, p.border));
    };
    line(ui, head.bottom());
    for model in &project.models {
        let id = &model.entry.id;
        let (row, _) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
        let rect = egui::Rect::from_min_size(row.left_top(), vec2(MODELS - theme::GAP, ROW));
        let mut cell =
            ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
        cell.spacing_mut().item_spacing.x = theme::TIGHT;
        let mut on = form.models.contains(id);
        let changed = box_named(&mut cell, &mut on, id).changed();
        cell.add_space(theme::GAP);
        dot(&mut cell, theme::role_colour(model.entry.role));
        let name = Label::new(theme::small(id)).sense(Sense::click()).truncate();
        let role = model.entry.role.label();
        let clicked = cell.add(name).on_hover_text(format!("{id} · {role}")).clicked();
        if changed || clicked {
            form.touched = true;
            if on == clicked {
                form.models.remove(id);
            } else {
                form.models.insert(id.clone());
            }
        }
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let planned = plan.cells.get(&(id.clone(), kind));
            planned_cell(ui, place(row, index), planned, &format!("{id}, {}", kind.name()));
        }
        line(ui, row.bottom());
    }
}

/// A tick box whose name is said to screen readers and stands elsewhere.
fn box_named(ui: &mut Ui, on: &mut bool, name: &str) -> Response {
    let response = ui
        .scope(|ui| {
            // Room for a text that is not there would put the box beside the middle of its column.
            ui.spacing_mut().icon_spacing = 0.0;
            tick(ui, on, "")
        })
        .inner;
    let ticked = *on;
    response.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, ticked, name));
    response
}

fn planned_cell(ui: &mut Ui, rect: egui::Rect, planned: Option<&Planned>, name: &str) {
    let p = theme::palette(ui);
    let Some(planned) = planned else {
        let font = egui::FontId::proportional(theme::SMALL);
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "–", font, theme::faded(p.weak, 0.5));
        return;
    };
    let time = planned.estimate.as_ref().map_or_else(
        || "not timed".to_owned(),
        |estimate| {
            let guess = if matches!(estimate.basis, Basis::OtherModel(_)) { "~ " } else { "" };
            format!("{guess}{}", duration(estimate.seconds.max(1.0)))
        },
    );
    let inner = rect.shrink2(Vec2::splat(2.0));
    // The row has its room already: a cell that took its own would pull the next row up.
    let response = ui.interact(inner, ui.scope_id().with(("planned", name)), Sense::hover());
    let told = format!("{name}: {time}, {} answers", planned.answers);
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, told.as_str()));
    let painter = ui.painter_at(rect);
    let radius = egui::CornerRadius::same(theme::RADIUS);
    painter.rect_filled(inner, radius, theme::faded(p.accent, 0.08));
    let font = egui::FontId::proportional(theme::SMALL);
    let (above, below) = (rect.center() - vec2(0.0, 8.0), rect.center() + vec2(0.0, 8.0));
    let ink = if planned.estimate.is_some() { p.ink } else { p.weak };
    painter.text(above, egui::Align2::CENTER_CENTER, time, font.clone(), ink);
    painter.text(below, egui::Align2::CENTER_CENTER, planned.answers.to_string(), font, p.weak);
    let basis = planned.estimate.as_ref().map_or_else(
        || "Nothing like it was evaluated in this project, so nobody knows how long it takes.".to_owned(),
        Estimate::basis_text,
    );
    response.on_hover_text(format!("{told}\n{basis}"));
}
