//! The project's runs beside each other: how each ended, what it made, their curves, and the settings in which they
//! differ.

mod chart;
mod settings;

use super::TrainPane;
use super::lookup::Lookup;
use crate::project::{DONE, LoggedStep, RUNNING, RunInfo, STOPPED};
use crate::ui::app::{
    JobCommand, JobState, Rehearsal, Request, RunCurve, Snapshot, TrainCommand, TrainRequest, View,
};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, chip, command_button, empty_state, notice, section, tick, tone_look};
use eframe::egui::{Label, Ui};
use egui_material_icons::icons;
use std::collections::BTreeMap;

/// Curves that can still be told apart.
const MOST: usize = 5;

/// The steps of a run, or why they cannot be read.
type Steps = Result<Vec<LoggedStep>, String>;

/// Which runs are compared, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Compare {
    /// Their ids, in the order in which they were taken in.
    chosen: Vec<String>,
    curves: BTreeMap<String, Steps>,
    /// Runs whose steps are on their way.
    asked: Vec<String>,
    /// Why runs cannot go on; `None` where they can.
    resume: BTreeMap<String, Option<String>>,
    resuming: Lookup<String, ()>,
}

/// How a run stands.
enum State {
    Running,
    CutOff,
    Done,
    Stopped,
    Failed(String),
}

impl State {
    fn of(run: &RunInfo, view: &View<'_>) -> Self {
        let open = view.jobs.all().iter().any(|job| {
            matches!(job.state, JobState::Running | JobState::Waiting)
                && job.result_id().is_some_and(|id| id == run.id)
        });
        match run.manifest.ended.as_str() {
            _ if open => Self::Running,
            RUNNING => Self::CutOff,
            DONE => Self::Done,
            STOPPED => Self::Stopped,
            other => Self::Failed(other.strip_prefix("failed: ").unwrap_or(other).to_owned()),
        }
    }

    fn word(&self) -> (&'static str, Tone) {
        match self {
            Self::Running => ("running", Tone::Plain),
            Self::CutOff => ("cut off", Tone::Warning),
            Self::Done => ("done", Tone::Good),
            Self::Stopped => ("stopped", Tone::Warning),
            Self::Failed(_) => ("failed", Tone::Error),
        }
    }
}

impl Compare {
    /// Takes a run in, or out.
    pub(super) fn set(&mut self, run: String, on: bool) {
        self.chosen.retain(|id| *id != run);
        if on {
            self.chosen.push(run);
            if self.chosen.len() > MOST {
                self.chosen.remove(0);
            }
        }
    }

    /// The project has changed: runs may have gone on.
    pub(super) fn stale(&mut self) {
        self.curves.clear();
        self.asked.clear();
        self.resume.clear();
        self.resuming.stale();
    }

    pub(super) fn take_curves(&mut self, curves: Vec<RunCurve>) {
        for (run, steps) in curves {
            self.asked.retain(|id| *id != run);
            self.curves.insert(run, steps);
        }
    }

    pub(super) fn take_resume(&mut self, serial: u64, run: String, why: Option<String>) {
        self.resuming.take(serial, ());
        self.resume.insert(run, why);
    }

    /// Draws the pane.
    pub(super) fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let project = view.project;
        self.chosen.retain(|id| project.runs.iter().any(|run| run.id == *id));
        if project.runs.is_empty() {
            card(ui, |ui| {
                empty_state(
                    ui,
                    icons::ICON_COMPARE_ARROWS,
                    "There is no run to compare yet",
                    "Every training run stays in the project with its settings and its curves. Start one, and it stands here.",
                    None,
                );
            });
            return;
        }
        self.ask(view);
        section(ui, "How do the runs differ?");
        let text = format!("Tick two or more, up to {MOST}, to lay them beside each other.");
        ui.label(theme::small(text).color(theme::palette(ui).weak));
        ui.add_space(theme::GAP);
        for run in &project.runs {
            self.one(ui, run, view);
        }
        let chosen: Vec<&RunInfo> = self.chosen.iter().filter_map(|id| by_id(project, id)).collect();
        if chosen.is_empty() {
            return;
        }
        ui.add_space(theme::GAP);
        chart::show(ui, &chosen, &self.curves);
        ui.add_space(theme::GROUP);
        if chosen.len() > 1 {
            settings::show(ui, &chosen);
        }
    }

    /// Asks for what is not known yet: the steps of the chosen runs, and whether unfinished ones can go on.
    fn ask(&mut self, view: &mut View<'_>) {
        let unknown = |id: &&String| !self.curves.contains_key(*id) && !self.asked.contains(id);
        let lacking: Vec<String> = self.chosen.iter().filter(unknown).cloned().collect();
        if !lacking.is_empty() {
            self.asked.extend(lacking.iter().cloned());
            view.loader.send(Request::Train(TrainRequest::Curves(lacking)));
        }
        if !self.resuming.is_free() {
            return;
        }
        let project = view.project;
        let next = project.runs.iter().find(|run| {
            !self.resume.contains_key(&run.id)
                && !matches!(State::of(run, view), State::Done | State::Running)
        });
        if let Some(run) = next {
            let request = Rehearsal::MayResume(run.id.clone());
            if let Some(serial) = view.loader.train.rehearse(&view.project.root, request) {
                self.resuming.asked(serial, run.id.clone());
            }
        }
    }

    /// A run of the list.
    fn one(&self, ui: &mut Ui, run: &RunInfo, view: &mut View<'_>) {
        let p = theme::palette(ui);
        let state = State::of(run, view);
        card(ui, |ui| {
            let mut on = self.chosen.contains(&run.id);
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().interact_size.y = 24.0;
                if tick(ui, &mut on, &run.spec.name).on_hover_text(&run.id).changed() {
                    view.send(TrainCommand::Compare(run.id.clone(), on));
                }
                let (word, tone) = state.word();
                chip(ui, word, tone_look(p, tone).1);
                ui.label(theme::small(when(run)).color(p.weak)).on_hover_text(&run.id);
            });
            ui.add(Label::new(theme::small(told(run, view.project)).color(p.weak)).wrap());
            if let State::Failed(why) = &state {
                notice(ui, Tone::Error, &crate::job::sentence(why));
            }
            let unfinished = !matches!(state, State::Done | State::Running);
            let blocked = self.go_on_blocked(run, view).filter(|_| unfinished);
            ui.horizontal_wrapped(|ui| {
                let again = TrainCommand::Again(run.id.clone());
                if command_button(ui, &again, None) {
                    view.send(again);
                }
                let go_on = JobCommand::ResumeFolder(run.id.clone());
                if unfinished && command_button(ui, &go_on, blocked) {
                    view.send(go_on);
                    view.send(TrainCommand::Show(TrainPane::Run));
                }
            });
            if let Some(why) = blocked {
                ui.add(Label::new(theme::small(why).color(p.weak)).wrap());
            }
        });
        ui.add_space(theme::GAP);
    }

    /// Why an unfinished run cannot go on.
    fn go_on_blocked(&self, run: &RunInfo, view: &View<'_>) -> Option<&str> {
        match self.resume.get(&run.id) {
            None => Some("Looking whether it can go on…"),
            Some(Some(why)) => Some(why.as_str()),
            Some(None) => view.read_only(),
        }
    }
}

fn by_id<'a>(project: &'a Snapshot, id: &str) -> Option<&'a RunInfo> {
    project.runs.iter().find(|run| run.id == id)
}

/// When a run began, as its id says.
fn when(run: &RunInfo) -> String {
    match run.id.split_once('T') {
        Some((day, rest)) => {
            let time: String = rest.chars().take(5).map(|c| if c == '-' { ':' } else { c }).collect();
            format!("{day} {time}")
        }
        None => run.id.clone(),
    }
}

/// From what a run began, and what it made.
fn told(run: &RunInfo, project: &Snapshot) -> String {
    let mut text = format!("from {} on {}", run.spec.model, run.spec.data);
    let made = project.model(&run.spec.name).filter(|model| model.folder.starts_with(&run.folder));
    match (made, &run.manifest.result) {
        (Some(model), _) => text += &format!(" · made the model {}", model.entry.id),
        (None, Some(folder)) => {
            text += &format!(" · what it had learnt is in {folder}; it can be added on the Models screen");
        }
        (None, None) => text += " · made no model",
    }
    text
}

/// What the lines and columns of a run are called.
fn names(runs: &[&RunInfo]) -> Vec<String> {
    runs.iter()
        .map(|run| {
            let twice = runs.iter().filter(|other| other.spec.name == run.spec.name).count() > 1;
            if twice { format!("{}, {}", run.spec.name, when(run)) } else { run.spec.name.clone() }
        })
        .collect()
}
