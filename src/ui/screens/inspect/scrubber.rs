//! The prefill scrubber: drag how many harmful tokens stand in the model's mouth, and see how it goes on.

use super::choice::Choice;
use crate::evaluate::{Draws, RefusalRate};
use crate::judge::{JudgeSpec, KeywordListSpec, LISTS, Verdict};
use crate::report::{Chart, Scale, Series};
use crate::ui::app::{
    DEEPEST, Focus, InspectCommand, Offer, ScrubNews, ScrubReply, ScrubRequest, ScrubSubject, Snapshot, View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, card, chip, combo_box, command_button, dot, field, hidden_text, line, notice, prefix_strip,
    progress_line, show_chart,
};
use eframe::egui::{self, Ui};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Tokens between two depths that are measured when all are.
const EVERY: usize = 5;
/// Subjects whose measurements are kept.
const KEPT: usize = 32;
/// Width of a choice beside the request.
const SETTING: f32 = 192.0;
/// Height of a continuation's text.
const TEXT: f32 = 104.0;

/// What a model wrote, and after how many harmful tokens.
#[derive(Clone, Debug, Default)]
struct Words {
    depth: usize,
    text: String,
    refused: bool,
    whole: bool,
}

/// What is known of a subject.
#[derive(Clone, Debug)]
struct Known {
    subject: Arc<ScrubSubject>,
    /// The answer's first tokens, as each model splits them.
    tokens: Vec<Vec<String>>,
    /// By index of the model, and k.
    measured: BTreeMap<(usize, usize), RefusalRate>,
    words: Vec<Words>,
    error: Option<String>,
}

/// Which model stands beside the one in focus.
#[derive(Clone, Debug, Default, PartialEq)]
enum Beside {
    /// The base in focus.
    #[default]
    Base,
    None,
    Model(String),
}

/// The scrubber's state.
#[derive(Default)]
pub struct Scrubber {
    depth: usize,
    beside: Beside,
    judge: Option<JudgeSpec>,
    /// The subject on the screen comes last.
    known: Vec<Known>,
    /// What was asked last: depth, and whether all depths are measured.
    asked: Option<(usize, bool)>,
    measuring: bool,
}

impl Scrubber {
    /// Goes to another depth.
    pub fn take_depth(&mut self, depth: usize) {
        self.depth = depth.min(DEEPEST);
    }

    /// Puts another model beside the one in focus.
    pub fn take_beside(&mut self, model: Option<String>) {
        self.beside = model.map_or(Beside::None, Beside::Model);
    }

    /// Lets another judge say what a refusal is.
    pub fn take_judge(&mut self, judge: JudgeSpec) {
        self.judge = Some(judge);
    }

    /// Begins or stops measuring all depths.
    pub fn measure_all(&mut self, on: bool) {
        self.measuring = on;
    }

    /// What can be done with it now.
    pub fn offers(&self) -> Vec<Offer> {
        let nothing = self.known.last().is_none_or(|known| known.tokens.is_empty());
        if self.measuring {
            vec![Offer::now(InspectCommand::StopMeasuring)]
        } else {
            let blocked = nothing.then_some("No model is open on the scrubber.");
            vec![
                Offer::unless(InspectCommand::MeasureDepths, blocked),
                Offer::unless(InspectCommand::Depth(0), blocked),
                Offer::now(InspectCommand::Beside(None)),
            ]
        }
    }

    /// Takes in what the thread has found.
    pub fn told(&mut self, reply: ScrubReply) {
        // What is measured is worth keeping wherever the screen has gone meanwhile.
        let Some(known) = self.known.iter_mut().find(|known| known.subject == reply.subject) else { return };
        match reply.news {
            ScrubNews::Tokens(tokens) => {
                known.tokens = tokens;
                known.error = None;
            }
            ScrubNews::Continued { model, depth, text, verdict, whole } => {
                let refused = verdict == Verdict::Refused;
                if let Some(words) = known.words.get_mut(model) {
                    *words = Words { depth, text, refused, whole };
                }
            }
            ScrubNews::Measured { model, depth, refusal } => {
                known.measured.insert((model, depth), refusal);
            }
            ScrubNews::Failed(error) => {
                known.error = Some(error);
                self.measuring = false;
            }
        }
    }

    /// The models that are scrubbed.
    fn models(&self, project: &Snapshot, focus: &Focus) -> Vec<(String, PathBuf)> {
        let beside = match &self.beside {
            Beside::Base => focus.base.as_ref(),
            Beside::None => None,
            Beside::Model(id) => Some(id),
        };
        let mut ids: Vec<&String> = focus.model.iter().chain(beside).collect();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| project.model(id))
            .map(|model| (model.entry.id.clone(), model.folder.clone()))
            .collect()
    }

    /// The judge that somebody chose, else one that has judged in this project and knows refusals.
    fn judge(&self, project: &Snapshot) -> JudgeSpec {
        let used = || {
            project
                .evaluations
                .iter()
                .flat_map(|evaluation| &evaluation.spec.judges)
                .find(|judge| judge.is_immediate() && **judge != JudgeSpec::Oracle)
        };
        self.judge.clone().or_else(|| used().cloned()).unwrap_or(JudgeSpec::Keyword)
    }

    /// Makes this the subject on the screen, and asks for what is not known of it.
    fn ask(&mut self, subject: ScrubSubject, view: &mut View<'_>) {
        if self.known.last().is_none_or(|known| *known.subject != subject) {
            let known = match self.known.iter().position(|known| *known.subject == subject) {
                Some(at) => self.known.remove(at),
                None => Known {
                    words: vec![Words::default(); subject.models.len()],
                    subject: Arc::new(subject),
                    tokens: Vec::new(),
                    measured: BTreeMap::new(),
                    error: None,
                },
            };
            self.known.push(known);
            if self.known.len() > KEPT {
                self.known.remove(0);
            }
            self.asked = None;
            self.measuring = false;
        }
        let Some(known) = self.known.last() else { return };
        let wanted = (self.depth, self.measuring);
        if self.asked == Some(wanted) {
            return;
        }
        self.asked = Some(wanted);
        let all = known.all_depths();
        let measure = std::iter::once(self.depth)
            .chain(all.into_iter().filter(|&depth| self.measuring && depth != self.depth))
            .flat_map(|depth| (0..known.words.len()).map(move |model| (model, depth)))
            .filter(|place| !known.measured.contains_key(place))
            .collect();
        view.loader.scrub(ScrubRequest { subject: known.subject.clone(), depth: self.depth, measure });
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, choice: &Choice, open: bool) {
        let models = self.models(view.project, view.focus);
        let judge = self.judge(view.project);
        settings(ui, view, choice, &models, &judge);
        let Some(prompt) = choice.prompt(view.library) else { return };
        if models.is_empty() {
            notice(ui, Tone::Plain, "No model is in focus. Choose one at the top of the window.");
            return;
        }
        self.ask(ScrubSubject { models, prompt, judge }, view);
        let Some(known) = self.known.last() else { return };
        if let Some(error) = &known.error {
            notice(ui, Tone::Error, error);
            return;
        }
        let longest = known.longest();
        if self.depth > longest && !known.tokens.is_empty() {
            self.depth = longest;
        }
        slider(ui, view, self.depth, longest);
        prefix(ui, view, known, self.depth, open);
        ui.add_space(theme::GAP);
        self.continuations(ui, view, open);
        ui.add_space(theme::GROUP);
        self.measurements(ui, view);
    }

    /// What each model says there.
    fn continuations(&self, ui: &mut Ui, view: &mut View<'_>, open: bool) {
        let Some(known) = self.known.last() else { return };
        ui.columns(known.words.len().max(1), |columns| {
            for (index, (ui, words)) in columns.iter_mut().zip(&known.words).enumerate() {
                let Some((id, _)) = known.subject.models.get(index) else { continue };
                card(ui, |ui| {
                    continuation(ui, view.project, id, words, self.depth, open);
                    let text = match known.measured.get(&(index, self.depth)) {
                        Some(refusal) => refusal_text(refusal),
                        None => format!("refuses: {} continuations are being drawn…", Draws::default().n),
                    };
                    ui.add(egui::Label::new(theme::small(text)).wrap());
                });
            }
        });
    }

    /// The refusal probability at every depth that has been measured.
    fn measurements(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let Some(known) = self.known.last() else { return };
        let all: Vec<(usize, usize)> = known
            .all_depths()
            .into_iter()
            .flat_map(|depth| (0..known.words.len()).map(move |model| (model, depth)))
            .collect();
        let done = all.iter().filter(|place| known.measured.contains_key(place)).count();
        let complete = done == all.len();
        if complete {
            self.measuring = false;
            if let Some((_, measuring)) = &mut self.asked {
                *measuring = false;
            }
        }
        line(ui, theme::CONTROL, |ui| {
            if self.measuring {
                if command_button(ui, &InspectCommand::StopMeasuring, None) {
                    view.send(InspectCommand::StopMeasuring);
                }
                let share = done as f32 / all.len().max(1) as f32;
                progress_line(ui, "Depths measured", share, 160.0);
                ui.label(theme::small(format!("{done} of {} measured", all.len())));
            } else {
                let blocked = if known.tokens.is_empty() {
                    Some("The models are being opened.")
                } else if complete {
                    Some("Every depth is measured.")
                } else {
                    None
                };
                if command_button(ui, &InspectCommand::MeasureDepths, blocked) {
                    view.send(InspectCommand::MeasureDepths);
                }
                let hint = "Each place of the slider where you rest is measured by itself.";
                ui.label(theme::small(hint).color(theme::palette(ui).weak));
            }
        });
        ui.add_space(theme::GAP);
        if !known.measured.is_empty() {
            show_chart(ui, &chart(known, view.project), 200.0);
        }
    }
}

impl Known {
    /// The deepest place that every model can be put to.
    fn longest(&self) -> usize {
        self.tokens.iter().map(Vec::len).min().unwrap_or(DEEPEST)
    }

    /// The depths of "all".
    fn all_depths(&self) -> Vec<usize> {
        (0..=self.longest()).step_by(EVERY).collect()
    }
}

/// Request, second model and judge on one line.
fn settings(
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

fn slider(ui: &mut Ui, view: &mut View<'_>, depth: usize, longest: usize) {
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
fn prefix(ui: &mut Ui, view: &mut View<'_>, known: &Known, depth: usize, open: bool) {
    line(ui, 24.0, |ui| {
        ui.label(theme::label("The harmful answer"));
        ui.label(theme::small("the marked tokens stand in the model's mouth").color(theme::palette(ui).weak));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let command = InspectCommand::Uncover(!open);
            if crate::ui::widgets::link_button(ui, &command, None) {
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

fn continuation(ui: &mut Ui, project: &Snapshot, id: &str, words: &Words, depth: usize, open: bool) {
    let p = theme::palette(ui);
    let fresh = words.depth == depth && !words.text.is_empty() || words.whole && words.depth == depth;
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
fn refusal_text(refusal: &RefusalRate) -> String {
    let unparsed = match refusal.unparsed {
        0 => String::new(),
        n => format!(" · {n} not judged"),
    };
    format!("refuses: {} · {} judge{unparsed}", refusal.rate.text(), refusal.judge)
}

/// Refusal probability by depth.
fn chart(known: &Known, project: &Snapshot) -> Chart<'static> {
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
