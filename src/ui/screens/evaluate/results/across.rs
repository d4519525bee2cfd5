//! Two evaluations side by side: a model of the older one before, a model of the newer one after.

use super::super::matrix::{Cell, Column, Matrix};
use super::super::when;
use crate::evaluate::{AcrossRow, TranscriptFilter, UTILITY};
use crate::judge::Verdict;
use crate::project::EvaluationInfo;
use crate::report::attack_words;
use crate::stats::Rate;
use crate::ui::app::{EvaluateRequest, Request, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, combo_box, notice};
use eframe::egui::{self, RichText, Ui};

/// What was asked for: the older evaluation and its model, the newer one and its model.
type Asked = [[String; 2]; 2];

/// The comparison, if there is one.
#[derive(Default)]
pub struct Across {
    other: Option<String>,
    /// The model of the older evaluation, and of the newer one.
    models: [String; 2],
    serial: u64,
    asked: Option<Asked>,
    shown: Option<Result<Matrix, String>>,
}

impl Across {
    /// Asks anew when it is drawn next.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// Puts another evaluation beside the open one, or none.
    pub fn choose(&mut self, other: Option<String>) {
        if self.other != other {
            *self = Self { other, serial: self.serial, ..Self::default() };
        }
    }

    /// An evaluation is not compared with itself.
    pub fn unless(&mut self, open: &str) {
        if self.other.as_deref() == Some(open) {
            self.choose(None);
        }
    }

    pub fn is_chosen(&self) -> bool {
        self.other.is_some()
    }

    pub fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }

    /// Takes in what was asked for.
    pub fn found(&mut self, serial: u64, result: Result<Vec<AcrossRow>, String>) {
        if serial == self.serial
            && let Some(asked) = &self.asked
        {
            self.shown = Some(result.map(|rows| matrix(&rows, asked)));
        }
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo) {
        let other = view.project.evaluations.iter().find(|e| Some(&e.id) == self.other.as_ref());
        let Some(other) = other else {
            notice(ui, Tone::Warning, "The other evaluation is no longer there. Choose another one.");
            return;
        };
        // Ids begin with the time.
        let [before, after] = if other.id < info.id { [other, info] } else { [info, other] };
        self.fill(before, after);
        ui.horizontal_wrapped(|ui| {
            for (index, (name, evaluation)) in [("Before", before), ("After", after)].into_iter().enumerate()
            {
                ui.label(
                    theme::small(format!("{name}, {}", when(&evaluation.id))).color(theme::palette(ui).weak),
                );
                model_choice(ui, name, evaluation, &mut self.models[index]);
                ui.add_space(theme::GROUP);
            }
        });
        ui.add_space(theme::GAP);
        let [one, two] = self.models.clone();
        let wanted = [[before.id.clone(), one], [after.id.clone(), two]];
        if self.asked.as_ref() != Some(&wanted) {
            self.serial += 1;
            let [first, second] = wanted.clone();
            let (serial, before, after) = (self.serial, first, second);
            view.loader.send(Request::Evaluate(EvaluateRequest::Across { serial, before, after }));
            self.asked = Some(wanted);
            self.shown = None;
        }
        match &self.shown {
            None => {
                ui.label(RichText::new("Pairing the answers…").color(theme::palette(ui).weak));
            }
            Some(Err(error)) => notice(ui, Tone::Error, error),
            Some(Ok(matrix)) if matrix.rows.is_empty() => notice(
                ui,
                Tone::Plain,
                "These two share no rate: no attack with the same setting, on the same set, by the same judge. Choose other models, or another evaluation.",
            ),
            Some(Ok(matrix)) => matrix.show(ui, view),
        }
    }

    /// Chooses models where none that fits is chosen: the same one in both, or else the last of each.
    fn fill(&mut self, before: &EvaluationInfo, after: &EvaluationInfo) {
        let shared = before.spec.models.iter().find(|id| after.spec.models.contains(id));
        for (model, evaluation) in self.models.iter_mut().zip([before, after]) {
            if !evaluation.spec.models.contains(model) {
                *model = shared.or(evaluation.spec.models.last()).cloned().unwrap_or_default();
            }
        }
    }
}

fn model_choice(ui: &mut Ui, name: &str, evaluation: &EvaluationInfo, model: &mut String) {
    let response = combo_box(name, 170.0)
        .selected_text(model.as_str())
        .show_ui(ui, |ui| {
            for id in &evaluation.spec.models {
                ui.selectable_value(model, id.clone(), id);
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("{name}: model")));
}

fn matrix(rows: &[AcrossRow], [before, after]: &Asked) -> Matrix {
    let several = |of: fn(&AcrossRow) -> &String| rows.iter().any(|row| of(row) != of(&rows[0]));
    let (judges, sets) = (several(|row| &row.judge), several(|row| &row.set));
    let rate = |row: &AcrossRow, [evaluation, model]: &[String; 2], rate: &Rate| {
        let task = row.attack == UTILITY;
        let filter = TranscriptFilter {
            model: Some(model.clone()),
            set: (!row.set.is_empty()).then(|| row.set.clone()),
            attack: Some(row.attack.clone()),
            setting: Some(row.setting.clone()),
            judge: (!task).then(|| row.judge.clone()),
            verdict: (!task && rate.count > 0).then_some(Verdict::Harmful),
            ..TranscriptFilter::default()
        };
        let scored = if task { "scored by" } else { "judged by" };
        let mut cell = Cell::plain(rate)
            .note(&format!("{model}, {scored} {}", row.judge))
            .opens(None, filter)
            .of_evaluation(evaluation);
        if row.other_version {
            cell = cell.note(
                "The judge is of another version in the other evaluation: the change can be the judge's.",
            );
        }
        cell
    };
    let table = rows
        .iter()
        .map(|row| {
            let mut words = attack_words(&row.attack, &row.setting);
            if judges {
                words += &format!(" · {}", row.judge);
            }
            if sets && !row.set.is_empty() {
                words += &format!(" · {}", row.set);
            }
            let change = row.pair.as_ref().map(|pair| {
                let n = pair.test.n;
                let cell = Cell::change(pair);
                if n < row.before.n.max(row.after.n) {
                    cell.note(&format!("Only the {n} answers to requests that are the same in both."))
                } else {
                    cell
                }
            });
            (words, vec![Some(rate(row, before, &row.before)), Some(rate(row, after, &row.after)), change])
        })
        .collect();
    Matrix {
        title: "Before and after".to_owned(),
        remark: "The share judged harmful, or answered rightly, in both evaluations; the change on the requests that are the same in both, with its 95 % interval and McNemar's exact test.".to_owned(),
        what: "Attack or task".to_owned(),
        columns: vec![
            Column::named(format!("before: {}", before[1]), false),
            Column::named(format!("after: {}", after[1]), false),
            Column::named("Change", true),
        ],
        rows: table,
    }
}
