//! What the model will see: the rows of the coming batches, token by token.

use super::lookup::Lookup;
use crate::train::{BetaSchedule, Recipe, TrainSpec};
use crate::ui::app::{RowView, StepRows, TrainCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, icon_button, line, link_button, notice, row_strip, section};
use eframe::egui::{self, Label, Ui};

/// Rows that are shown together.
const TOGETHER: usize = 3;

/// Which rows are looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The step, from 0.
    step: usize,
    /// The first row of it that is shown.
    first: usize,
    /// Whether harmful words are uncovered.
    open: bool,
    rows: Lookup<(TrainSpec, usize), Result<StepRows, String>>,
}

impl Seen {
    /// What the rows depend on, of all settings.
    fn key(&self, spec: &TrainSpec) -> (TrainSpec, usize) {
        let spec = spec.clone();
        let key = TrainSpec {
            model: spec.model,
            data: spec.data,
            attack: spec.attack,
            anchor: spec.anchor,
            depths: spec.depths,
            recovery_points: spec.recovery_points,
            levels: spec.levels,
            multi_turn: spec.multi_turn,
            epochs: spec.epochs,
            max_steps: spec.max_steps,
            batch: spec.batch,
            anchor_batch: spec.anchor_batch,
            seed: spec.seed,
            max_tokens: spec.max_tokens,
            ..TrainSpec::preset(spec.recipe)
        };
        (key, self.step)
    }

    /// Whether the rows have to be asked for, and for which step.
    pub(super) fn wanted(&self, spec: &TrainSpec) -> Option<(TrainSpec, usize)> {
        let key = self.key(spec);
        (self.rows.is_free() && self.rows.lacks(&key)).then_some(key)
    }

    pub(super) fn asked(&mut self, serial: u64, key: (TrainSpec, usize)) {
        self.rows.asked(serial, key);
    }

    pub(super) fn take(&mut self, serial: u64, rows: Result<StepRows, String>) {
        self.rows.take(serial, rows);
        if let Some(Ok(rows)) = self.rows.last() {
            // Other settings may have fewer steps and rows.
            self.step = self.step.min(rows.steps.saturating_sub(1));
            self.first = self.first.min(rows.rows.len().saturating_sub(1));
        }
    }

    pub(super) fn stale(&mut self) {
        self.rows.stale();
    }

    pub(super) fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// Goes some rows on, or back; past the end of a step comes the next one.
    pub(super) fn move_on(&mut self, forward: bool) {
        let Some(Ok(rows)) = self.rows.last() else { return };
        if forward && self.first + TOGETHER < rows.rows.len() {
            self.first += TOGETHER;
        } else if forward && self.step + 1 < rows.steps {
            (self.step, self.first) = (self.step + 1, 0);
        } else if !forward && self.first > 0 {
            self.first = self.first.saturating_sub(TOGETHER);
        } else if !forward && self.step > 0 {
            (self.step, self.first) = (self.step - 1, 0);
        }
    }

    /// Draws the rows.
    pub(super) fn show(&self, ui: &mut Ui, spec: &TrainSpec, view: &mut View<'_>) {
        let p = theme::palette(ui);
        section(ui, "What will the model see?");
        let key = self.key(spec);
        let rows = match self.rows.get(&key).or(self.rows.last()) {
            Some(Ok(rows)) => rows,
            Some(Err(why)) => {
                notice(ui, Tone::Error, why);
                return;
            }
            None => {
                ui.label(theme::small("Encoding the rows…").color(p.weak));
                return;
            }
        };
        let open = self.open || view.preferences.uncovered;
        let last = (self.first + TOGETHER).min(rows.rows.len());
        line(ui, theme::CONTROL, |ui| {
            let at_start = (rows.step == 0 && self.first == 0).then_some("These are the first rows.");
            if icon_button(ui, &TrainCommand::PreviousRows, at_start) {
                view.send(TrainCommand::PreviousRows);
            }
            let at_end = (rows.step + 1 >= rows.steps && last >= rows.rows.len())
                .then_some("These are the last rows of the run.");
            if icon_button(ui, &TrainCommand::NextRows, at_end) {
                view.send(TrainCommand::NextRows);
            }
            let text = format!(
                "Rows {}–{last} of {} in step {} of {}",
                self.first + 1,
                rows.count,
                rows.step + 1,
                rows.steps
            );
            ui.add(Label::new(theme::small(text)).truncate());
            if rows.rows.iter().any(|row| row.tokens.iter().any(|token| token.covered))
                && !view.preferences.uncovered
                && link_button(ui, &TrainCommand::ShowHarmful(!self.open), None)
            {
                view.send(TrainCommand::ShowHarmful(!self.open));
            }
        });
        key_line(ui, spec);
        if spec.recipe == Recipe::Constrained {
            let text = if spec.importance.is_some() {
                "β is learnt before training, token by token.".to_owned()
            } else {
                format!("β by answer token: {}", told(&spec.beta))
            };
            ui.add(Label::new(theme::small(text).color(p.weak)).wrap());
        }
        if spec.hardest_of > 1 && spec.recipe == Recipe::Recovery {
            let text = format!(
                "The model in training will take the hardest of {} cuts; this is the first that is drawn.",
                spec.hardest_of
            );
            ui.add(Label::new(theme::small(text).color(p.weak)).wrap());
        }
        for row in &rows.rows[self.first.min(last)..last] {
            ui.add_space(theme::GAP);
            one_row(ui, row, spec, open);
        }
    }
}

fn one_row(ui: &mut Ui, row: &RowView, spec: &TrainSpec, open: bool) {
    let p = theme::palette(ui);
    let prefix = row.tokens.iter().filter(|token| token.position.is_some() && !token.trained).count();
    let context = row.tokens.iter().filter(|token| token.position.is_none()).count();
    let name = if row.anchor { "Anchor" } else { row.id.as_str() };
    let mut text = format!("{name} · {context} tokens of context · ");
    if prefix > 0 {
        text += &format!("{prefix} harmful, not trained · ");
    }
    text += &format!("{} trained", row.trained);
    ui.add(Label::new(theme::label(text).color(p.ink)).truncate());
    let beta = (spec.recipe == Recipe::Constrained && spec.importance.is_none()).then_some(&spec.beta);
    row_strip(ui, row, beta, open);
}

/// What the colours of the strips mean.
fn key_line(ui: &mut Ui, spec: &TrainSpec) {
    let p = theme::palette(ui);
    let mut parts = vec![("context: read", Some(p.token_context)), ("trained", None)];
    if spec.recipe == Recipe::Recovery {
        parts.insert(1, ("harmful prefix: read, not trained", Some(p.token_harmful)));
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        for (name, ground) in parts {
            let (rect, _) = ui.allocate_exact_size(egui::vec2(18.0, 14.0), egui::Sense::hover());
            match ground {
                Some(ground) => {
                    ui.painter().rect_filled(rect, egui::CornerRadius::same(3), ground);
                }
                None => {
                    let stroke = egui::Stroke::new(2.0, p.token_trained);
                    ui.painter().hline(rect.x_range(), rect.bottom() - 1.0, stroke);
                }
            }
            ui.label(theme::small(name).color(p.weak));
            ui.add_space(theme::TIGHT);
        }
    });
}

/// β in runs of equal values: `1: 0.5 · 2–5: 2 · from 6: 0.1`.
fn told(beta: &BetaSchedule) -> String {
    let last = beta.drawn.len().max(beta.early_until).max(1) + 1;
    let mut parts = Vec::new();
    let mut from = 1;
    for t in 2..=last + 1 {
        if t <= last && beta.at(t).to_bits() == beta.at(from).to_bits() {
            continue;
        }
        let value = beta.at(from);
        parts.push(if t > last {
            format!("from {from}: {value}")
        } else if t - 1 == from {
            format!("{from}: {value}")
        } else {
            format!("{from}–{}: {value}", t - 1)
        });
        from = t;
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_told_in_runs_of_equal_values() {
        assert_eq!(told(&BetaSchedule::default()), "1: 0.5 · 2–5: 2 · from 6: 0.1");
        assert_eq!(told(&BetaSchedule::uniform(0.3)), "from 1: 0.3");
        let mut beta = BetaSchedule::uniform(1.0);
        beta.paint(2, 4.0);
        assert_eq!(told(&beta), "1: 1 · 2: 4 · from 3: 1");
    }
}
