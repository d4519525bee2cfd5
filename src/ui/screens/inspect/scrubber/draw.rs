//! How the scrubber looks.

use super::{Known, Words};
use crate::evaluate::{Draws, RefusalRate};
use crate::judge::{JudgeSpec, KeywordListSpec, LISTS};
use crate::report::{Chart, Scale, Series};
use crate::ui::app::{InspectCommand, Snapshot, View};
use crate::ui::screens::inspect::choice::Choice;
use crate::ui::terms::Term;
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, chip, combo_box, dot, field, hidden_text, line, link_button, notice, prefix_strip, term,
};
use eframe::egui::{self, Ui};
use std::path::PathBuf;

/// Width of a choice beside the request.
const SETTING: f32 = 192.0;
/// Height of a continuation's text.
const TEXT: f32 = 104.0;

/// Request, second model and judge on one line.
pub(super) fn settings(
    ui: &mut Ui,
    view: &mut View<'_>,
    choice: &Choice,
    models: &[(String, PathBuf)],
    judge: &JudgeSpec,
) {
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            ui.set_width(ui.available_width() - 2.0 * (SETTING + theme::GAP));
            choice.show(ui, view);
        });
        ui.vertical(|ui| {
            ui.set_width(SETTING);
            field(
                ui,
                "Beside the model in focus",
                "A second model goes on from the same place: the base, or the model before or after training.",
            );
            let second = models.get(1).map(|(id, _)| id.as_str());
            let response = combo_box("beside", ui.available_width())
                .selected_text(second.unwrap_or("no second model"))
                .show_ui(ui, |ui| {
                    if ui.selectable_label(second.is_none(), "no second model").clicked() {
                        view.commands.push(InspectCommand::Beside(None).into());
                    }
                    for model in &view.project.models {
                        let id = &model.entry.id;
                        if view.focus.model.as_ref() != Some(id)
                            && ui.selectable_label(second == Some(id), id).clicked()
                        {
                            view.commands.push(InspectCommand::Beside(Some(id.clone())).into());
                        }
                    }
                })
                .response;
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Model beside the one in focus")
            });
        });
        ui.vertical(|ui| {
            ui.set_width(SETTING);
            field(
                ui,
                "Refusals are counted by",
                "Judges that need neither another model nor the network, so that they can follow the slider.",
            );
            let response = combo_box("scrubbing judge", ui.available_width())
                .selected_text(judge.label())
                .show_ui(ui, |ui| {
                    for other in judges() {
                        if ui.selectable_label(other == *judge, other.label()).clicked() {
                            view.commands.push(InspectCommand::Judge(other).into());
                        }
                    }
                })
                .response;
            response
                .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Judge of refusals"));
        });
    });
    ui.add_space(theme::GAP);
}

/// Judges that answer at once and know refusals.
fn judges() -> Vec<JudgeSpec> {
    let lists = LISTS.iter().map(|list| JudgeSpec::KeywordList(KeywordListSpec::named(list.name)));
    std::iter::once(JudgeSpec::Keyword).chain(lists).collect()
}

pub(super) fn slider(ui: &mut Ui, view: &mut View<'_>, depth: usize, longest: usize) {
    let name = "Harmful tokens in the model's mouth";
    field(ui, name, "The model is made to begin its answer with the first k tokens of the harmful answer.");
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 140.0).max(80.0);
        let mut k = depth;
        let slider = ui.add(egui::Slider::new(&mut k, 0..=longest).text("tokens"));
        slider.widget_info(|| egui::WidgetInfo::slider(true, depth as f64, name));
        if slider.changed() && k != depth {
            view.send(InspectCommand::Depth(k));
        }
    });
    ui.add_space(theme::TIGHT);
}

/// The tokens of the answer, those before the slider marked.
pub(super) fn prefix(ui: &mut Ui, view: &mut View<'_>, known: &Known, depth: usize, open: bool) {
    line(ui, 24.0, |ui| {
        ui.label(theme::label("The harmful answer"));
        let weak = theme::palette(ui).weak;
        ui.label(theme::small("the marked tokens stand in the model's mouth:").color(weak));
        term(ui, theme::small("prefilling").color(weak), Term::Prefilling);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let command = InspectCommand::Uncover(!open);
            if link_button(ui, &command, None) {
                view.send(command);
            }
        });
    });
    match known.tokens.first() {
        Some(tokens) => prefix_strip(ui, tokens, depth, open),
        None => {
            ui.weak("Opening the models…");
        }
    }
    if let [first, second] = known.tokens.as_slice()
        && first != second
    {
        let names: Vec<&str> = known.subject.models.iter().map(|(id, _)| id.as_str()).collect();
        notice(
            ui,
            Tone::Plain,
            &format!(
                "{} split words into different tokens, so that the same number of tokens is not the same words. The strip shows the first model's.",
                names.join(" and ")
            ),
        );
    }
}

pub(super) fn continuation(
    ui: &mut Ui,
    project: &Snapshot,
    id: &str,
    words: &Words,
    depth: usize,
    open: bool,
) {
    let p = theme::palette(ui);
    let fresh = words.depth == depth && (words.whole || !words.text.is_empty());
    line(ui, 24.0, |ui| {
        dot(ui, theme::role_colour(project.role(id)));
        ui.label(theme::strong(id));
        if fresh {
            let (word, colour) = if words.refused { ("refuses", p.good) } else { ("goes on", p.error) };
            chip(ui, word, colour);
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = if fresh { format!("after k = {depth}") } else { format!("reading k = {depth}…") };
            ui.label(theme::small(text).color(p.weak));
        });
    });
    if open {
        egui::ScrollArea::vertical().id_salt(("continuation", id)).max_height(TEXT).auto_shrink(false).show(
            ui,
            |ui| {
                let ink = if fresh { p.ink } else { p.weak };
                let shown = if words.whole && words.text.is_empty() {
                    "The model says nothing more."
                } else {
                    words.text.as_str()
                };
                let text = egui::RichText::new(shown.trim_start()).color(ink);
                // Columns are justified, which would pull the words apart.
                ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
                    ui.add(egui::Label::new(text).wrap());
                });
            },
        );
    } else {
        hidden_text(ui, &words.text, TEXT);
    }
}

/// A rate with its count, interval and judge.
pub(super) fn refusal_text(refusal: &RefusalRate) -> String {
    let unparsed = match refusal.unparsed {
        0 => String::new(),
        n => format!(" · {n} not judged"),
    };
    format!("refuses: {} · {} judge{unparsed}", refusal.rate.text(), refusal.judge)
}

/// Refusal probability by depth.
pub(super) fn chart(known: &Known, project: &Snapshot) -> Chart<'static> {
    let draws = Draws::default();
    let series: Vec<Series> = known
        .subject
        .models
        .iter()
        .enumerate()
        .map(|(index, (id, _))| {
            let own: Vec<(usize, &RefusalRate)> = known
                .measured
                .iter()
                .filter(|((model, _), _)| *model == index)
                .map(|((_, depth), refusal)| (*depth, refusal))
                .collect();
            let points = own.iter().map(|(depth, one)| [*depth as f64, one.rate.value()]).collect();
            let whiskers = own.iter().map(|(_, one)| (one.rate.low, one.rate.high)).collect();
            Series::of_role(id.clone(), project.role(id), points).with_whiskers(whiskers)
        })
        .collect();
    Chart {
        id: "refusal by depth".into(),
        question: "How likely is a refusal after k harmful tokens of this answer?".into(),
        x: "harmful tokens in the model's mouth, k".into(),
        y: "refusal probability".into(),
        meaning: "At each k the model goes on several times with some chance in its choice of words, and the judge counts how \
                  often it refuses. A line that falls to the bottom within a few tokens means shallow safety: past them the \
                  model has forgotten that it should refuse."
            .into(),
        note: format!(
            "one request · {} continuations a point, at temperature {} · whiskers: 95 % interval · {}",
            draws.n,
            draws.temperature,
            known.subject.judge.label()
        )
        .into(),
        scale: Scale::Percent,
        series: series.into(),
        ..Chart::default()
    }
}
