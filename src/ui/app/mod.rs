//! The application: its state. What happens before a frame is in `logic`, what a frame draws in `frame`, what an
//! action does in `handle`.

mod command;
mod frame;
mod handle;
mod jobs;
mod loader;
mod logic;
mod screen;

pub use command::Command;
pub use jobs::{JobBoard, JobState, JobView, Product, Progress, duration};
pub use loader::{
    AnswerRequest, InspectedAnswer, Loader, ModelView, Reply, Request, Snapshot, Strip, StripKind,
    StripRequest, StripToken,
};
pub use screen::Screen;

use crate::data::Examples;
use crate::job::Queue;
use crate::project::ModelRole;
use crate::ui::picker::FilePicker;
use crate::ui::screens::{
    DataScreen, EvaluateScreen, GenerateScreen, InspectScreen, ModelsScreen, TrainScreen,
};
use crate::ui::theme;
use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often a busy job may wake the window.
const WAKE: Duration = Duration::from_millis(100);

/// What the window needs to know before it opens.
pub struct Settings {
    /// The project to open.
    pub project_root: PathBuf,
    /// Whether that is the demo project, which is unpacked there if nothing is there yet.
    pub demo: bool,
    /// How a folder is chosen.
    pub picker: Box<dyn FilePicker>,
}

/// Where the project stands.
enum Opening {
    Waiting,
    Failed(String),
    Open(Box<Snapshot>),
}

/// The two models that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Focus {
    /// The one that KL is measured against.
    pub base: Option<String>,
    /// The one that is looked at.
    pub model: Option<String>,
}

/// Data sets that have been read, or why they could not be.
#[derive(Default)]
pub struct Library {
    sets: HashMap<String, Option<Result<Arc<Examples>, String>>>,
    wanted: Vec<String>,
}

impl Library {
    /// The set, if it has been read; asks for it otherwise.
    pub fn get(&mut self, id: &str) -> Option<&Result<Arc<Examples>, String>> {
        if !self.sets.contains_key(id) {
            self.sets.insert(id.to_owned(), None);
            self.wanted.push(id.to_owned());
        }
        self.sets.get(id)?.as_ref()
    }
}

/// What a screen sees of the application while it is drawn.
pub struct View<'a> {
    /// The project.
    pub project: &'a Snapshot,
    /// The jobs.
    pub jobs: &'a JobBoard,
    /// The models in focus.
    pub focus: &'a Focus,
    /// Data sets that have been read.
    pub library: &'a mut Library,
    /// Where requests go.
    pub loader: &'a mut Loader,
    /// Where actions go.
    pub commands: &'a mut Vec<Command>,
}

/// The window.
pub struct App {
    settings_root: PathBuf,
    demo: bool,
    picker: Box<dyn FilePicker>,
    picked: (Sender<Option<PathBuf>>, Receiver<Option<PathBuf>>),
    opening: Opening,
    trouble: Option<String>,
    screen: Screen,
    focus: Focus,
    library: Library,
    loader: Loader,
    queue: Queue,
    jobs: JobBoard,
    data: DataScreen,
    generate: GenerateScreen,
    models: ModelsScreen,
    train: TrainScreen,
    evaluate: EvaluateScreen,
    inspect: InspectScreen,
    commands: Vec<Command>,
    asking_to_quit: bool,
    quitting: bool,
}

impl App {
    /// Sets the window up and begins to open the project in the background.
    pub fn new(cc: &eframe::CreationContext<'_>, settings: Settings) -> std::io::Result<Self> {
        theme::install(&cc.egui_ctx);
        let ctx = cc.egui_ctx.clone();
        let waker: Arc<dyn Fn() + Send + Sync> = Arc::new(move || ctx.request_repaint_after(WAKE));
        let mut loader = Loader::start(&waker)?;
        loader.send(Request::Open { root: settings.project_root.clone(), demo: settings.demo });
        Ok(Self {
            settings_root: settings.project_root,
            demo: settings.demo,
            picker: settings.picker,
            picked: bounded(4),
            opening: Opening::Waiting,
            trouble: None,
            screen: Screen::Data,
            focus: Focus::default(),
            library: Library::default(),
            loader,
            queue: Queue::new(waker),
            jobs: JobBoard::default(),
            data: DataScreen::default(),
            generate: GenerateScreen::default(),
            models: ModelsScreen::default(),
            train: TrainScreen::default(),
            evaluate: EvaluateScreen::default(),
            inspect: InspectScreen::default(),
            commands: Vec::new(),
            asking_to_quit: false,
            quitting: false,
        })
    }

    /// The jobs since the window opened.
    #[must_use]
    pub fn jobs(&self) -> &JobBoard {
        &self.jobs
    }

    /// The project, once it is open.
    #[must_use]
    pub fn project(&self) -> Option<&Snapshot> {
        if let Opening::Open(project) = &self.opening { Some(project) } else { None }
    }

    /// Whether every edit has reached the disk.
    #[must_use]
    pub fn all_saved(&self) -> bool {
        self.data.is_saved()
    }

    /// Keeps the models in focus ones that exist.
    fn refocus(&mut self) {
        let Opening::Open(project) = &self.opening else { return };
        let known = |id: &Option<String>| id.as_ref().is_some_and(|id| project.model(id).is_some());
        let of_role = |role| project.models.iter().find(|m| m.entry.role == role).map(|m| m.entry.id.clone());
        let first = || project.models.first().map(|m| m.entry.id.clone());
        if !known(&self.focus.base) {
            self.focus.base = of_role(ModelRole::Base).or_else(first);
        }
        if !known(&self.focus.model) {
            self.focus.model = of_role(ModelRole::Aligned).or_else(first);
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.before_frame(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.draw(ui);
        let ctx = ui.ctx().clone();
        let commands = std::mem::take(&mut self.commands);
        if !commands.is_empty() {
            // What was just drawn is out of date: drawing it again before it is shown answers a frame sooner.
            ctx.request_discard("a command changed what is shown");
        }
        for command in commands {
            self.handle(&ctx, command);
        }
    }
}
