//! The application: its state. What happens before a frame is in `logic`, what a frame draws in `frame`, what an
//! action does in `handle`.

mod command;
mod frame;
mod handle;
mod jobs;
mod leaving;
mod loader;
mod logic;
mod offers;
mod preferences;
mod screen;

pub use command::*;
pub use jobs::{JobBoard, JobState, JobView, Product, Progress, duration};
pub use loader::*;
pub use preferences::{Preferences, Theme};
pub use screen::Screen;

pub use crate::ui::screens::EvaluateTab;

use crate::data::Examples;
use crate::job::Queue;
use crate::project::ModelRole;
use crate::ui::picker::FilePicker;
use crate::ui::screens::{
    DataScreen, EvaluateScreen, GenerateScreen, InspectScreen, ModelsScreen, OverviewScreen, ReportScreen,
    SettingsScreen, TrainScreen,
};
use crate::ui::theme;
use crate::ui::widgets::{Tone, take_chart_wish, take_term_wish};
use crate::ui::windows::{Glossary, Palette, Tour};
use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui;
use leaving::Leaving;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why no other project can be opened.
pub const BUSY: &str = "A job of this project is running. Stop it or let it end first.";

/// Why nothing of a project can be changed.
pub const READ_ONLY: &str = "Another window has this project open; here it can only be read.";

/// How often a busy job may wake the window.
const WAKE: Duration = Duration::from_millis(100);

/// What the window needs to know before it opens.
pub struct Settings {
    /// The project to open.
    pub project_root: PathBuf,
    /// Whether that is the demo project, which is unpacked there if nothing is there yet.
    pub demo: bool,
    /// How a file or folder is chosen.
    pub picker: Box<dyn FilePicker>,
    /// The folder of the person's preferences; `None` keeps them for this window only.
    pub config_folder: Option<PathBuf>,
}

/// Something that happened and is worth a line below the screen, with the file that it made.
#[derive(Clone, Debug)]
pub struct Told {
    /// How serious it is.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// What can be shown in the file manager.
    pub made: Option<PathBuf>,
}

impl Told {
    /// It went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: Tone::Good, text: text.into(), made: None }
    }

    /// It failed.
    pub fn error(text: impl Into<String>) -> Self {
        Self { tone: Tone::Error, text: text.into(), made: None }
    }

    /// Worth knowing.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { tone: Tone::Plain, text: text.into(), made: None }
    }

    /// A file or folder was made.
    pub fn made(text: impl Into<String>, made: PathBuf) -> Self {
        Self { tone: Tone::Good, text: text.into(), made: Some(made) }
    }
}

/// What was to be chosen in a dialog, and what was; `None` if nothing was.
type Choice = (Wish, Option<PathBuf>);

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
    /// What this person likes.
    pub preferences: &'a Preferences,
}

impl View<'_> {
    /// Sends an action.
    pub fn send(&mut self, command: impl Into<Command>) {
        self.commands.push(command.into());
    }

    /// Why nothing may be changed, if nothing may.
    #[must_use]
    pub fn read_only(&self) -> Option<&'static str> {
        self.project.read_only.then_some(READ_ONLY)
    }
}

/// The window.
pub struct App {
    project_root: PathBuf,
    demo: bool,
    picker: Box<dyn FilePicker>,
    picked: (Sender<Choice>, Receiver<Choice>),
    config_folder: Option<PathBuf>,
    preferences: Preferences,
    opening: Opening,
    told: Option<Told>,
    screen: Screen,
    focus: Focus,
    library: Library,
    loader: Loader,
    queue: Queue,
    jobs: JobBoard,
    overview: OverviewScreen,
    data: DataScreen,
    generate: GenerateScreen,
    models: ModelsScreen,
    train: TrainScreen,
    evaluate: EvaluateScreen,
    inspect: InspectScreen,
    report: ReportScreen,
    settings: SettingsScreen,
    palette: Palette,
    glossary: Glossary,
    tour: Tour,
    commands: Vec<Command>,
    /// Opens another project once every edit of this one is on the disk.
    after_saving: Option<AppCommand>,
    asking_to_quit: bool,
    quitting: bool,
    /// An evaluation that waits for consent before its answers leave this machine.
    leaving: Option<Leaving>,
}

impl App {
    /// Sets the window up and begins to open the project in the background.
    pub fn new(cc: &eframe::CreationContext<'_>, settings: Settings) -> std::io::Result<Self> {
        theme::install(&cc.egui_ctx);
        let ctx = cc.egui_ctx.clone();
        let waker: Arc<dyn Fn() + Send + Sync> = Arc::new(move || ctx.request_repaint_after(WAKE));
        let ctx = cc.egui_ctx.clone();
        let mut loader = Loader::start(&waker, Arc::new(move || ctx.request_repaint()))?;
        loader.send(Request::Open { root: settings.project_root.clone(), demo: settings.demo });
        let preferences = settings.config_folder.as_deref().map(Preferences::load).unwrap_or_default();
        let app = Self {
            project_root: settings.project_root,
            demo: settings.demo,
            picker: settings.picker,
            picked: bounded(4),
            config_folder: settings.config_folder,
            // The first start begins with the tour, on the project that has something to show.
            tour: Tour::new(settings.demo && !preferences.toured),
            preferences,
            opening: Opening::Waiting,
            told: None,
            screen: Screen::Overview,
            focus: Focus::default(),
            library: Library::default(),
            loader,
            queue: Queue::new(waker),
            jobs: JobBoard::default(),
            overview: OverviewScreen::default(),
            data: DataScreen::default(),
            generate: GenerateScreen::default(),
            models: ModelsScreen::default(),
            train: TrainScreen::default(),
            evaluate: EvaluateScreen::default(),
            inspect: InspectScreen::default(),
            report: ReportScreen::default(),
            settings: SettingsScreen::default(),
            palette: Palette::default(),
            glossary: Glossary::default(),
            commands: Vec::new(),
            after_saving: None,
            asking_to_quit: false,
            quitting: false,
            leaving: None,
        };
        app.show_preferences(&cc.egui_ctx);
        Ok(app)
    }

    /// Forgets what belongs to the project that was open: another is about to be.
    fn forget_project(&mut self) {
        self.library = Library::default();
        // The chat's models are another project's; where its thread is busy, the next request frees them.
        let _ = self.loader.chat(ChatRequest::Keep(Vec::new()));
        self.loader.exchange(ExchangeRequest::Forget);
        self.loader.train.stop_weighing();
        self.loader.rest();
        self.evaluate.judging().stop_probing();
        self.leaving = None;
        self.jobs = JobBoard::default();
        self.focus = Focus::default();
        self.overview = OverviewScreen::default();
        self.data = DataScreen::default();
        self.generate = GenerateScreen::default();
        self.models = ModelsScreen::default();
        self.train = TrainScreen::default();
        self.evaluate = EvaluateScreen::default();
        self.inspect = InspectScreen::default();
        self.report = ReportScreen::default();
    }

    /// Makes the window look as preferred.
    fn show_preferences(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.preferences.theme {
            Theme::System => egui::ThemePreference::System,
            Theme::Light => egui::ThemePreference::Light,
            Theme::Dark => egui::ThemePreference::Dark,
        });
        ctx.set_zoom_factor(self.preferences.scale);
    }

    /// Writes the preferences down. It is a small file; a failure costs comfort only.
    fn keep_preferences(&mut self) {
        if let Some(folder) = &self.config_folder
            && let Err(e) = self.preferences.save(folder)
        {
            log::warn!("the preferences cannot be written: {e}");
        }
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
        self.data.is_saved() && self.evaluate.labels_saved()
    }

    /// What this person likes.
    #[must_use]
    pub fn preferences(&self) -> &Preferences {
        &self.preferences
    }

    /// Keeps the models in focus ones that exist.
    fn refocus(&mut self) {
        let Opening::Open(project) = &self.opening else { return };
        let known = |id: &Option<String>| id.as_ref().is_some_and(|id| project.model(id).is_some());
        let of_role = |role| project.models.iter().find(|m| m.entry.role == role).map(|m| m.entry.id.clone());
        // A model beside itself shows nothing: the other box's model is taken only where there is no other.
        let not = |other: &Option<String>| {
            let ids = || project.models.iter().map(|m| &m.entry.id);
            ids().find(|id| Some(*id) != other.as_ref()).or_else(|| ids().next()).cloned()
        };
        if !known(&self.focus.base) {
            let base = of_role(ModelRole::Base).filter(|id| Some(id) != self.focus.model.as_ref());
            self.focus.base = base.or_else(|| not(&self.focus.model));
        }
        if !known(&self.focus.model) {
            let aligned = of_role(ModelRole::Aligned).filter(|id| Some(id) != self.focus.base.as_ref());
            self.focus.model = aligned.or_else(|| not(&self.focus.base));
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
        if let Some(wish) = take_chart_wish(&ctx) {
            let chart = Box::new(wish.chart);
            let command = if wish.picture {
                ReportCommand::SavePicture(chart)
            } else {
                ReportCommand::SaveTable(chart)
            };
            self.commands.push(command.into());
        }
        if let Some(term) = take_term_wish(&ctx) {
            self.commands.push(AppCommand::Explain(term).into());
        }
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
