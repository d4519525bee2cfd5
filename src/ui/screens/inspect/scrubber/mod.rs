//! The prefill scrubber: drag how many harmful tokens stand in the model's mouth, and see how it goes on.

mod draw;

use super::choice::Choice;
use crate::evaluate::{Draws, RefusalRate};
use crate::judge::{JudgeSpec, Verdict};
use crate::ui::app::{
    DEEPEST, Focus, InspectCommand, Offer, ScrubNews, ScrubReply, ScrubRequest, ScrubSubject, Snapshot, View,
};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, command_button, line, notice, progress_line, show_chart};
use draw::{chart, continuation, prefix, refusal_text, settings, slider};
use eframe::egui::{self, Ui};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Tokens between two depths that are measured when all are.
const EVERY: usize = 5;
/// Subjects whose measurements are kept.
const KEPT: usize = 32;

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
        let longest = known.longest();
        if self.depth > longest && !known.tokens.is_empty() {
            self.depth = longest;
        }
        slider(ui, view, self.depth, longest);
        if let Some(error) = &known.error {
            // Another place of the slider asks again.
            notice(ui, Tone::Error, error);
            return;
        }
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
