//! Inspect: at which answer tokens two models differ, how they go on after harmful ones, and what training changed where.

mod answer;
mod choice;
mod dynamics;
mod kl;
mod scrubber;

use crate::evaluate::ScrubPrompt;
use crate::ui::app::{
    Focus, InspectCommand, InspectPart, InspectReply, InspectedAnswer, Offer, Snapshot, View,
};
use crate::ui::theme;
use crate::ui::widgets::{Tab, primary_button, screen_title, section, tab_bar};
use answer::AnswerView;
use choice::Choice;
use dynamics::DynamicsView;
use eframe::egui::{self, Ui};
use egui_material_icons::icons;
use kl::KlView;
use scrubber::Scrubber;

/// Runs that the palette offers: the newest.
const RUNS: usize = 20;

/// The Inspect screen.
#[derive(Default)]
pub struct InspectScreen {
    /// The part that is shown.
    pub part: InspectPart,
    /// The request that is inspected.
    pub choice: Choice,
    /// Whether harmful words are uncovered.
    pub open: bool,
    /// KL by token.
    pub kl: KlView,
    /// One answer token by token.
    pub answer: AnswerView,
    /// The prefill scrubber.
    pub scrubber: Scrubber,
    /// Fine-tuning dynamics.
    pub dynamics: DynamicsView,
    /// Whether the answer to the chosen request is to be opened.
    wanted: bool,
}

impl InspectScreen {
    /// Shows this evaluation.
    pub fn select(&mut self, id: String) {
        self.kl.select(id);
    }

    /// Takes over what the project offers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        self.kl.project_changed();
        self.dynamics.project_changed();
        self.choice.project_changed(project);
    }

    /// What can be done on this screen now.
    pub fn offers(&self, project: &Snapshot) -> Vec<Offer> {
        let mut offers = vec![Offer::now(InspectCommand::Uncover(!self.open))];
        match self.part {
            InspectPart::Kl => offers.push(Offer::now(InspectCommand::Answer)),
            InspectPart::Scrubber => offers.extend(self.scrubber.offers()),
            InspectPart::Dynamics => {}
        }
        let runs = project.runs.iter().take(RUNS);
        offers.extend(runs.map(|run| Offer::now(InspectCommand::Run(run.id.clone()))));
        offers
    }

    /// Takes an answer in.
    pub fn answered(&mut self, serial: u64, result: Result<InspectedAnswer, String>) {
        self.answer.answered(serial, result);
    }

    /// Takes in what was read in the project.
    pub fn replied(&mut self, reply: InspectReply) {
        match reply {
            InspectReply::Curves { evaluation, result } => self.kl.read(evaluation, result),
            InspectReply::Dynamics { run, result } => self.dynamics.read(run, result),
        }
    }

    /// Opens the answer to the chosen request, token by token, as soon as the request has been read.
    pub fn open_answer(&mut self) {
        self.wanted = true;
    }

    /// The models that are compared along one answer: those of the curves on the screen, else those in focus.
    fn pair(&self, project: &Snapshot, focus: &Focus) -> Option<(String, String)> {
        self.kl.pair(project, focus).or_else(|| focus.model.clone().zip(focus.base.clone()))
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Inspect",
            "See at which answer tokens two models differ, and how they go on after harmful ones.",
        );
        self.tabs(ui, view);
        let open = self.open || view.preferences.uncovered;
        egui::ScrollArea::vertical().id_salt(self.part.label()).auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            match self.part {
                InspectPart::Kl => {
                    let prompt = self.choice.prompt(view.library);
                    let chosen = self.choice.set.as_deref().zip(prompt.as_ref().map(|p| p.id.as_str()));
                    self.kl.show(ui, view, chosen);
                    ui.add_space(theme::SCREEN);
                    self.one_answer(ui, view, prompt, open);
                }
                InspectPart::Scrubber => self.scrubber.show(ui, view, &self.choice, open),
                InspectPart::Dynamics => self.dynamics.show(ui, view),
            }
        });
    }

    fn tabs(&self, ui: &mut Ui, view: &mut View<'_>) {
        let tabs = InspectPart::ALL.map(|part| Tab::new(part, part.label(), part.purpose()));
        if let Some(part) = tab_bar(ui, &tabs, self.part, |_| {}) {
            view.send(InspectCommand::Show(part));
        }
    }

    fn one_answer(&mut self, ui: &mut Ui, view: &mut View<'_>, prompt: Option<ScrubPrompt>, open: bool) {
        if self.wanted && prompt.is_some() {
            // Opened from the chart, it may be out of sight.
            ui.scroll_to_cursor(Some(egui::Align::Min));
        }
        section(ui, "Where along one answer do they differ?");
        self.choice.show(ui, view);
        let pair = self.pair(view.project, view.focus);
        let blocked = match &pair {
            _ if self.answer.busy() => Some("The models are at work on an answer."),
            None => Some("Choose a model and a base at the top of the window."),
            Some((model, base)) if model == base => {
                Some("Both models in focus are the same. Choose another pair at the top of the window.")
            }
            _ if prompt.is_none() => Some("This request has no reference answer."),
            _ => None,
        };
        if self.wanted
            && let (Some(pair), Some(prompt)) = (&pair, prompt)
        {
            self.wanted = false;
            let spec = self.kl.spec(view.project, view.focus);
            self.answer.ask(view.project, pair.clone(), prompt, spec, view.loader);
        }
        ui.horizontal(|ui| {
            let command = InspectCommand::Answer;
            let text = crate::ui::app::Command::from(command.clone()).text();
            if primary_button(ui, icons::ICON_QUERY_STATS, &text, blocked).clicked() {
                view.send(command);
            }
            if let Some((model, base)) = &pair {
                let spec = self.kl.spec(view.project, view.focus);
                let system = spec.is_some_and(|spec| !spec.system_prompt.is_empty());
                let after = if system { ", after the evaluation's system prompt" } else { "" };
                let text = format!("Compares {model} with {base}{after}.");
                ui.label(theme::small(text).color(theme::palette(ui).weak));
            }
        });
        ui.add_space(theme::GAP);
        self.answer.show(ui, view, open);
    }
}
