//! Evaluate: models × attacks × judges, the results as the paper prints them, and the answers behind every number.

mod categories;
mod form;
mod matrix;
mod results;
mod running;
mod tabs;
mod transcripts;

pub use tabs::EvaluateTab;

use crate::evaluate::{CategoryRow, EvaluateSpec, Pace, TranscriptFilter};
use crate::project::EvaluationInfo;
use crate::ui::app::{
    AppCommand, EvaluateCommand, EvaluateReply, EvaluateRequest, Focus, InspectCommand, JudgingReply, Offer,
    Pile, Request, Screen, Snapshot, View,
};
use crate::ui::screens::JudgingPanel;
use crate::ui::screens::judges::Plan;
use crate::ui::widgets::{Tab, combo_box, empty_state, icon_button, screen_title, tab_bar};
use categories::Categories;
use eframe::egui::util::undoer::Undoer;
use eframe::egui::{self, Ui};
use egui_material_icons::icons;
use form::{Form, Tasks};
use results::Results;
use std::sync::Arc;
use transcripts::TranscriptsTab;

/// The Evaluate screen.
#[derive(Default)]
pub struct EvaluateScreen {
    tab: EvaluateTab,
    form: Form,
    /// The form as it was, for undo.
    changes: Undoer<Form>,
    /// The form that the last evaluation was started with.
    started: Option<Form>,
    /// What the judges of the form need.
    judges: Plan,
    /// Harmless tasks that the form asks for.
    tasks: Tasks,
    pace: Option<Pace>,
    pace_asked: bool,
    selected: Option<String>,
    results: Results,
    categories: Categories,
    transcripts: TranscriptsTab,
    judging: JudgingPanel,
}

impl EvaluateScreen {
    /// Shows this evaluation once it is there.
    pub fn select(&mut self, id: String) {
        self.selected = Some(id);
    }

    /// Judging: other judges, people's labels, and what they say of each other.
    pub fn judging(&mut self) -> &mut JudgingPanel {
        &mut self.judging
    }

    /// Shows judging instead of the results.
    pub fn show_judging(&mut self) {
        self.tab = EvaluateTab::Judging;
    }

    /// The part of the screen that is open.
    #[must_use]
    pub fn tab(&self) -> EvaluateTab {
        self.tab
    }

    /// Whether every label has reached the disk, or could not.
    #[must_use]
    pub fn labels_saved(&self) -> bool {
        self.judging.is_saved()
    }

    /// Goes to a part of the screen.
    pub fn show_tab(&mut self, tab: EvaluateTab) {
        self.tab = tab;
    }

    /// An evaluation has begun with the form as it is.
    pub fn started(&mut self) {
        self.started = Some(self.form.clone());
    }

    /// An evaluation has ended. Its results are shown, unless the form is being filled for the next, or somebody reads or
    /// labels the answers of another one: those must not be swapped under their hands.
    pub fn ended(&mut self, id: String, well: bool) {
        if !well {
            return;
        }
        if self.tab == EvaluateTab::Setup && self.started.as_ref() == Some(&self.form) {
            self.tab = EvaluateTab::Results;
        }
        if matches!(self.tab, EvaluateTab::Setup | EvaluateTab::Results) || self.selected.is_none() {
            self.select(id);
        }
    }

    /// Takes over what the project offers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        self.form.fill(project);
        if self.selected.is_none() {
            self.selected = project.evaluations.iter().find(|e| e.summary.is_some()).map(|e| e.id.clone());
        }
        self.pace_asked = false;
        self.results.forget();
        self.categories.forget();
        self.transcripts.ask_again();
        self.judging.project_changed();
    }

    /// Ticks a new model and the one it came from, and nothing else: before and after.
    pub fn tick_with_parent(&mut self, project: &Snapshot, id: &str) {
        self.form.tick_with_parent(project, id);
    }

    /// Ticks what the paper measures.
    pub fn tick_the_paper(&mut self) {
        self.form.tick_the_paper();
    }

    /// What the form asks for.
    #[must_use]
    pub fn spec(&self, project: &Snapshot, focus: &Focus) -> EvaluateSpec {
        self.form.spec(project, focus)
    }

    /// Why the evaluation of the form cannot start: the button, the palette and the command itself ask here.
    #[must_use]
    pub fn blocked(&self, project: &Snapshot, focus: &Focus) -> Vec<String> {
        if let Some((why, _)) = self.nothing(project) {
            return vec![why.to_owned()];
        }
        let mut problems = self.form.problems(project, focus);
        let judges = self.form.judges_with_needs();
        if !judges.is_empty() && judges.iter().all(|judge| judge.check().is_empty()) {
            problems.extend(self.judges.lacking(&judges));
        }
        problems
    }

    /// What an evaluation cannot do without, and where it is added.
    fn nothing(&self, project: &Snapshot) -> Option<(&'static str, Screen)> {
        if project.models.is_empty() {
            Some(("An evaluation needs at least one model.", Screen::Models))
        } else if !self.form.has_prompts() {
            Some(("An evaluation needs a set of attack prompts.", Screen::Data))
        } else {
            None
        }
    }

    /// Whether a change of the form can be taken back, and whether one can be made again.
    #[must_use]
    pub fn can_undo(&self) -> (bool, bool) {
        match self.tab {
            EvaluateTab::Setup => {}
            EvaluateTab::Judging => return self.judging.can_undo(),
            _ => return (false, false),
        }
        (self.changes.has_undo(&self.form), self.changes.has_redo(&self.form))
    }

    /// Takes the last change of the form back.
    pub fn undo(&mut self) {
        if let Some(before) = self.changes.undo(&self.form).filter(|_| self.tab == EvaluateTab::Setup) {
            self.form = before.clone();
        }
    }

    /// Makes the change again that was taken back.
    pub fn redo(&mut self) {
        if let Some(after) = self.changes.redo(&self.form).filter(|_| self.tab == EvaluateTab::Setup) {
            self.form = after.clone();
        }
    }

    /// Shows the answers of the open evaluation that pass a filter.
    pub fn read(&mut self, filter: TranscriptFilter) {
        self.transcripts.read(filter);
    }

    /// Goes on or back in the list of answers.
    pub fn step(&mut self, by: isize) {
        self.transcripts.step(by);
    }

    /// Puts another evaluation beside the open one, or none.
    pub fn compare_with(&mut self, other: Option<String>) {
        self.results.compare_with(other);
    }

    /// The rates by category that are shown.
    #[must_use]
    pub fn categories(&self) -> Option<Arc<Vec<CategoryRow>>> {
        self.categories.rows()
    }

    /// Takes in what the loader found.
    pub fn take(&mut self, reply: EvaluateReply) {
        match reply {
            EvaluateReply::Pace(pace) => self.pace = Some(*pace),
            EvaluateReply::Found { serial, result } => self.transcripts.found(serial, result),
            EvaluateReply::Categories { serial, result } => self.categories.found(serial, result),
            EvaluateReply::Across { serial, result } => self.results.found(serial, result),
        }
    }

    /// Something came back for judges of the form or of judging. What went wrong with an evaluation that is no longer
    /// shown is given back.
    pub fn take_judging(&mut self, reply: JudgingReply) -> Option<String> {
        match &reply {
            JudgingReply::Planned { serial, plans } => self.judges.take(*serial, plans.clone()),
            JudgingReply::Broke { serial, error } => self.judges.broke(*serial, error),
            _ => {}
        }
        self.judging.take(reply)
    }

    /// What can be done here now, for the list of all actions.
    #[must_use]
    pub fn offers(&self, project: &Snapshot) -> Vec<Offer> {
        let mut offers = vec![Offer::now(EvaluateCommand::Paper)];
        let elsewhere = (self.tab != EvaluateTab::Transcripts).then_some("No answer is open.");
        offers.push(Offer::unless(EvaluateCommand::NextAnswer, elsewhere));
        offers.push(Offer::unless(EvaluateCommand::PreviousAnswer, elsewhere));
        let none = self.categories().is_none().then_some("No rates by category are on the screen.");
        offers.push(Offer::unless(EvaluateCommand::SaveCategories, none));
        if let Some(open) = self.open(project) {
            offers.push(Offer::now(EvaluateCommand::SaveTable(open.id.clone())));
            let others = finished(project).into_iter().filter(|other| other.id != open.id);
            offers.extend(
                others.take(20).map(|o| Offer::now(EvaluateCommand::CompareWith(Some(o.id.clone())))),
            );
            offers.push(Offer::now(EvaluateCommand::CompareWith(None)));
        }
        offers
    }

    /// The evaluation that is looked at.
    fn open<'a>(&self, project: &'a Snapshot) -> Option<&'a EvaluationInfo> {
        let all = finished(project);
        all.iter().find(|e| Some(&e.id) == self.selected.as_ref()).or(all.first()).copied()
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Evaluate",
            "Attack the models, let a judge read the answers, and compare how often each complies.",
        );
        let nothing = self.nothing(view.project);
        if let Some((why, screen)) = nothing
            && finished(view.project).is_empty()
        {
            if empty_state(ui, icons::ICON_FACT_CHECK, "Nothing to evaluate yet", why, Some("Go there")) {
                view.send(AppCommand::Show(screen));
            }
            return;
        }
        let setup = self.tab == EvaluateTab::Setup;
        let open = self.open(view.project).filter(|_| !setup);
        // Whoever labels must not know which models are asked, and titles are made of their names too.
        let blind = self.tab == EvaluateTab::Judging;
        let name: fn(&EvaluationInfo) -> String = if blind { blind_name_of } else { name_of };
        let tabs = EvaluateTab::ALL.map(|tab| Tab::new(tab, tab.name(), tab.purpose()));
        let pressed = tab_bar(ui, &tabs, self.tab, |ui| {
            if let Some(info) = open {
                picker(ui, view, info, name);
            }
        });
        if let Some(tab) = pressed {
            view.send(EvaluateCommand::Tab(tab));
        }
        if setup {
            self.setup(ui, view, nothing);
            return;
        }
        let Some(info) = open else {
            let why = "Results, categories and answers stand here once an evaluation has come to its end.";
            if empty_state(ui, icons::ICON_MONITORING, "No results yet", why, Some("Choose what to run")) {
                view.send(EvaluateCommand::Tab(EvaluateTab::Setup));
            }
            return;
        };
        match self.tab {
            EvaluateTab::Setup => {}
            EvaluateTab::Results => self.results.show(ui, view, info),
            EvaluateTab::Categories => self.categories.show(ui, view, info),
            EvaluateTab::Transcripts => self.transcripts.show(ui, view, info),
            EvaluateTab::Judging => self.judging.show(ui, view, info),
        }
    }

    fn setup(&mut self, ui: &mut Ui, view: &mut View<'_>, nothing: Option<(&str, Screen)>) {
        if let Some((why, screen)) = nothing {
            if empty_state(ui, icons::ICON_FACT_CHECK, "Nothing can be run", why, Some("Go there")) {
                view.send(AppCommand::Show(screen));
            }
            return;
        }
        if !self.pace_asked {
            self.pace_asked = true;
            view.loader.send(Request::Evaluate(EvaluateRequest::Pace));
        }
        self.changes.feed_state(ui.input(|input| input.time), &self.form);
        running::show(ui, view);
        let spec = self.spec(view.project, view.focus);
        let answers = spec.answers_to_judge(view.project.prompts_of(&spec));
        let judges = self.form.judges_with_needs();
        self.judges.keep_up(ui, view, &judges, answers as u64, || Pile::Coming(answers));
        let tasks = self.tasks.count(view, &spec);
        let undo = (self.changes.has_undo(&self.form), self.changes.has_redo(&self.form));
        let plan = form::Plan::of(&spec, tasks, self.pace.as_ref(), view.project);
        let problems = self.blocked(view.project, view.focus);
        self.form.show(ui, view, &plan, &problems, undo, &self.judges);
    }
}

/// The evaluations that came to their end, newest first.
fn finished(project: &Snapshot) -> Vec<&EvaluationInfo> {
    project.evaluations.iter().filter(|e| e.summary.is_some()).collect()
}

/// Chooses the evaluation that the tabs are about; `name` says what each is called. Laid out from the right.
fn picker(ui: &mut Ui, view: &mut View<'_>, info: &EvaluationInfo, name: fn(&EvaluationInfo) -> String) {
    let inspect = InspectCommand::Evaluation(info.id.clone());
    let has_kl = info.summary.as_ref().is_some_and(|s| !s.kl.is_empty());
    let why = (!has_kl).then_some("This evaluation did not measure KL per token.");
    if icon_button(ui, &inspect, why) {
        view.send(inspect);
    }
    let width = ui.available_width();
    let response = combo_box("past evaluations", width)
        .selected_text(name(info))
        .show_ui(ui, |ui| {
            for other in finished(view.project) {
                if ui.selectable_label(other.id == info.id, name(other)).clicked() {
                    view.commands.push(EvaluateCommand::Select(other.id.clone()).into());
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Evaluation"));
    response.on_hover_text(name(info));
}

/// An evaluation by its models and its time.
pub fn name_of(info: &EvaluationInfo) -> String {
    format!("{} · {} · {}", info.spec.models.join(", "), info.spec.prompts.join(", "), when(&info.id))
}

/// An evaluation by its prompts and its time, without its models.
fn blind_name_of(info: &EvaluationInfo) -> String {
    format!("{} · {}", info.spec.prompts.join(", "), when(&info.id))
}

/// The time in an evaluation's id.
fn when(id: &str) -> String {
    let when: String = id.chars().take(16).collect();
    match when.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.replace('-', ":")),
        None => when,
    }
}
