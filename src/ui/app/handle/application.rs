//! Commands of the window itself.

use crate::ui::app::preferences::SCALES;
use crate::ui::app::{App, AppCommand, Opening, Request, Screen, Wish};
use crate::ui::picker::PickKind;
use eframe::egui;
use std::path::{Path, PathBuf};

impl App {
    pub(super) fn handle_app(&mut self, ctx: &egui::Context, command: AppCommand) {
        let now = ctx.input(|input| input.time);
        match command {
            AppCommand::Show(screen) => self.screen = screen,
            AppCommand::Palette => self.palette.toggle(),
            AppCommand::Choose(wish) => self.choose(ctx, wish),
            AppCommand::OpenFolder(root) => self.open_project(root, false),
            AppCommand::NewProject(root, title) => {
                self.leave_project();
                self.project_root.clone_from(&root);
                self.demo = false;
                self.loader.send(Request::NewProject { root, title });
            }
            AppCommand::OpenDemo => match crate::ui::demo_project_folder() {
                Ok(root) => self.open_project(root, true),
                Err(error) => self.trouble = Some(error.to_string()),
            },
            AppCommand::OpenAgain => {
                let (root, demo) = (self.project_root.clone(), self.demo);
                self.open_project(root, demo);
            }
            AppCommand::Undo => match self.screen {
                Screen::Train => self.train.undo(),
                Screen::Data => self.data.undo(now),
                _ => {}
            },
            AppCommand::Redo => match self.screen {
                Screen::Train => self.train.redo(),
                Screen::Data => self.data.redo(now),
                _ => {}
            },
            AppCommand::SetTheme(theme) => {
                self.preferences.theme = theme;
                self.apply_preferences(ctx);
            }
            AppCommand::Prefer(preferences) => {
                self.preferences = *preferences;
                self.apply_preferences(ctx);
            }
            AppCommand::Larger => self.scale(ctx, self.preferences.scale + 0.1),
            AppCommand::Smaller => self.scale(ctx, self.preferences.scale - 0.1),
            AppCommand::UsualSize => self.scale(ctx, 1.0),
            AppCommand::Tour(begin) => {
                self.tour.begin(begin);
                if begin {
                    self.screen = Screen::Overview;
                }
                self.preferences.toured = true;
                self.keep_preferences();
            }
            AppCommand::Glossary(term) => self.glossary.open(term),
            AppCommand::CopyDiagnostics => {
                ctx.copy_text(self.diagnostics());
                self.told = Some(super::super::Told::good("The diagnostics are in the clipboard."));
            }
            AppCommand::Reveal(path) => self.reveal(&path),
            AppCommand::CloseMessage => {
                self.trouble = None;
                self.told = None;
            }
            AppCommand::Quit => {
                if self.jobs.open_count() > 0 || self.data.cannot_save() {
                    self.asking_to_quit = true;
                } else {
                    self.quitting = true;
                }
                ctx.request_repaint();
            }
            AppCommand::StopAndQuit => {
                let open: Vec<_> =
                    self.jobs.all().iter().filter(|job| job.is_open()).map(|job| job.id).collect();
                for id in open {
                    self.queue.cancel(id);
                }
                self.data.give_up();
                self.asking_to_quit = false;
                self.quitting = true;
                ctx.request_repaint();
            }
            AppCommand::KeepRunning => self.asking_to_quit = false,
        }
    }

    fn choose(&mut self, ctx: &egui::Context, wish: Wish) {
        let sender = self.picked.0.clone();
        let ctx = ctx.clone();
        let (title, kind) = match wish {
            Wish::ModelFolder => ("Choose the folder of a model", PickKind::Folder),
            Wish::ProjectFolder => ("Choose the folder of a project", PickKind::Folder),
            Wish::ReportFile => ("Choose where the report is saved", PickKind::NewFile("report.html")),
        };
        self.picker.pick(
            title,
            kind,
            Box::new(move |chosen| {
                // A full channel means that a choice is already waiting.
                let _ = sender.try_send((wish, chosen));
                ctx.request_repaint();
            }),
        );
    }

    /// Hands a choice on to whoever asked for it.
    pub(in crate::ui::app) fn picked(&mut self, wish: Wish, chosen: Option<PathBuf>) {
        match wish {
            Wish::ModelFolder => self.models.folder_picked(chosen),
            Wish::ProjectFolder => self.settings.folder_picked(chosen),
            Wish::ReportFile => self.report.file_picked(chosen),
        }
    }

    fn open_project(&mut self, root: PathBuf, demo: bool) {
        self.leave_project();
        self.project_root.clone_from(&root);
        self.demo = demo;
        self.loader.send(Request::Open { root, demo });
    }

    /// Forgets what belongs to the project that was open. Edits that wait are handed to the loader first, which does
    /// things in the order in which they come.
    fn leave_project(&mut self) {
        self.data.save_if_due(0.0, true, &mut self.loader);
        self.opening = Opening::Waiting;
        self.library = super::super::Library::default();
        self.forget_screens();
        self.trouble = None;
        self.told = None;
    }

    fn scale(&mut self, ctx: &egui::Context, scale: f32) {
        self.preferences.scale = ((scale * 10.0).round() / 10.0).clamp(*SCALES.start(), *SCALES.end());
        self.apply_preferences(ctx);
    }

    /// Makes the window look as preferred, and remembers it.
    pub(in crate::ui::app) fn apply_preferences(&mut self, ctx: &egui::Context) {
        self.show_preferences(ctx);
        self.keep_preferences();
    }

    /// Opens the system's file manager; a thread waits for it to end.
    fn reveal(&mut self, path: &Path) {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) }.to_owned();
        if !folder.is_dir() {
            self.trouble = Some(format!("{} is not there any more.", folder.display()));
            return;
        }
        let (program, argument) = if cfg!(target_os = "windows") {
            ("explorer", folder.clone())
        } else if cfg!(target_os = "macos") {
            ("open", folder.clone())
        } else {
            ("xdg-open", folder.clone())
        };
        let mut command = std::process::Command::new(program);
        command.arg(argument).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let started = command.spawn().and_then(|mut child| {
            std::thread::Builder::new().name("file manager".into()).spawn(move || child.wait())
        });
        if started.is_err() {
            self.told = Some(super::super::Told::plain(format!(
                "This system has no file manager that could be opened. The folder is {}.",
                folder.display()
            )));
        }
    }
}
