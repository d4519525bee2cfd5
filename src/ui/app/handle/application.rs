//! Commands of the window itself.

use crate::ui::app::preferences::SCALES;
use crate::ui::app::{App, AppCommand, BUSY, JobState, Opening, Request, Screen, Told, Wish};
use crate::ui::picker::PickKind;
use crate::ui::screens::EvaluateTab;
use crate::ui::widgets::Tone;
use eframe::egui;
use std::path::{Path, PathBuf};

impl App {
    pub(super) fn handle_app(&mut self, ctx: &egui::Context, command: AppCommand) {
        let now = ctx.input(|input| input.time);
        match command {
            AppCommand::Show(screen) => {
                self.screen = screen;
                if screen == Screen::Train {
                    // Its data may have been edited on another screen.
                    self.train.stale();
                }
                // Good news belongs to the screen that it came from; what failed stays until it is read.
                if self.told.as_ref().is_some_and(|told| told.tone != Tone::Error) {
                    self.told = None;
                }
            }
            AppCommand::Palette => {
                // Whoever does something else has not agreed to what was asked.
                self.leaving = None;
                // The palette offers to start what the form would, also where the form has not been looked at yet.
                if let Opening::Open(project) = &self.opening {
                    self.train.fill(project, &self.focus, &self.jobs);
                }
                self.palette.toggle();
            }
            AppCommand::Choose(wish) => self.choose(ctx, wish),
            command @ (AppCommand::OpenFolder(_)
            | AppCommand::NewProject(..)
            | AppCommand::OpenDemo
            | AppCommand::OpenAgain) => self.change_project(ctx, command),
            // What lies below a dialog is not changed unseen, and a note that is being written has an undo of its own.
            AppCommand::Undo | AppCommand::Redo if self.undo_is_elsewhere(ctx) => {}
            AppCommand::Undo => match self.screen {
                Screen::Train => self.train.undo(),
                Screen::Data => self.data.undo(now),
                Screen::Evaluate if self.evaluate.tab() == EvaluateTab::Judging => self.undo_label(false),
                Screen::Evaluate => self.evaluate.undo(),
                _ => {}
            },
            AppCommand::Redo => match self.screen {
                Screen::Train => self.train.redo(),
                Screen::Data => self.data.redo(now),
                Screen::Evaluate if self.evaluate.tab() == EvaluateTab::Judging => self.undo_label(true),
                Screen::Evaluate => self.evaluate.redo(),
                _ => {}
            },
            AppCommand::SetTheme(theme) => {
                self.preferences.theme = theme;
                self.apply_preferences(ctx);
            }
            AppCommand::Uncover(on) => {
                self.preferences.uncovered = on;
                self.keep_preferences();
            }
            AppCommand::SetAuthor(name) => {
                self.preferences.author = name;
                self.keep_preferences();
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
            AppCommand::Glossary => self.glossary.open(),
            AppCommand::Explain(term) => self.glossary.explain(term),
            AppCommand::CopyDiagnostics => {
                ctx.copy_text(self.diagnostics());
                self.told = Some(Told::good("The diagnostics are in the clipboard."));
            }
            AppCommand::Reveal(path) => self.reveal(&path),
            AppCommand::CloseMessage => self.told = None,
            AppCommand::Quit => {
                if self.jobs.open_count() > 0 || self.models.is_working() || self.data.cannot_save() {
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
                self.models.stop_work();
                // An edit that can be written is: only what cannot is given up.
                if self.data.cannot_save() {
                    self.data.give_up();
                }
                self.asking_to_quit = false;
                self.quitting = true;
                ctx.request_repaint();
            }
            AppCommand::KeepRunning => {
                self.asking_to_quit = false;
                self.quitting = false;
            }
        }
    }

    fn undo_is_elsewhere(&self, ctx: &egui::Context) -> bool {
        // What was asked about is what starts: nothing changes behind the question.
        if self.leaving.is_some() {
            return true;
        }
        match self.screen {
            Screen::Data => self.data.has_dialog(),
            Screen::Evaluate => self.evaluate.tab() == EvaluateTab::Judging && ctx.text_edit_focused(),
            _ => false,
        }
    }

    fn choose(&mut self, ctx: &egui::Context, wish: Wish) {
        let sender = self.picked.0.clone();
        let ctx = ctx.clone();
        let (title, kind) = match wish {
            Wish::ModelFolder => ("Choose the folder of a model", PickKind::Folder),
            Wish::ExportFolder => ("Choose where the model is exported to", PickKind::Folder),
            Wish::ProjectFolder => ("Choose the folder of a project", PickKind::Folder),
            Wish::ReportFile => ("Choose where the report is saved", PickKind::NewFile("report.html")),
            Wish::DataFile => ("Choose a file with rows", PickKind::File),
            Wish::ExportFile => (
                "Choose where the data set is saved",
                PickKind::NewFile(self.data.exchange().file_proposal()),
            ),
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
            Wish::ModelFolder => self.models.add.folder_picked(chosen),
            Wish::ExportFolder => self.models.export_folder_picked(chosen),
            Wish::ProjectFolder => self.settings.folder_picked(chosen),
            Wish::ReportFile => self.report.file_picked(chosen),
            Wish::DataFile | Wish::ExportFile => self.exchange_picked(wish, chosen),
        }
    }

    /// Leaves this project for another, once nothing of it can be lost: edits that are not on the disk yet are written
    /// first, and jobs, which belong to it, have to end.
    fn change_project(&mut self, ctx: &egui::Context, command: AppCommand) {
        if self.jobs.open_count() > 0 || self.models.is_working() {
            self.told = Some(Told::error(BUSY));
            return;
        }
        if let Some(error) = self.data.save_error() {
            self.told = Some(Told::error(format!("An edit is not saved, and would be lost: {error}")));
            return;
        }
        if !self.data.is_saved() || !self.evaluate.labels_saved() {
            self.after_saving = Some(command);
            ctx.request_repaint();
            return;
        }
        let (request, root, demo) = match command {
            AppCommand::NewProject(root, title) => {
                (Request::NewProject { root: root.clone(), title }, root, false)
            }
            AppCommand::OpenDemo => match crate::ui::demo_project_folder() {
                Ok(root) => (Request::Open { root: root.clone(), demo: true }, root, true),
                Err(error) => {
                    self.told = Some(Told::error(error.to_string()));
                    return;
                }
            },
            AppCommand::OpenFolder(root) => (Request::Open { root: root.clone(), demo: false }, root, false),
            _ => {
                let (root, demo) = (self.project_root.clone(), self.demo);
                (Request::Open { root: root.clone(), demo }, root, demo)
            }
        };
        self.project_root = root;
        self.demo = demo;
        self.opening = Opening::Waiting;
        self.told = None;
        self.forget_project();
        self.loader.send(request);
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
            self.told = Some(Told::error(format!("{} is not there any more.", folder.display())));
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
            self.told = Some(Told::plain(format!(
                "This system has no file manager that could be opened. The folder is {}.",
                folder.display()
            )));
        }
    }

    /// What a report of a fault needs to say.
    fn diagnostics(&self) -> String {
        let mut text = format!(
            "Plumbline {}\nSystem: {} {}\nThreads: {}\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            rayon::current_num_threads(),
        );
        if let Opening::Open(project) = &self.opening {
            text += &format!(
                "Computes on: {}\nProject: {} models, {} data sets, {} runs, {} evaluations\n",
                project.device,
                project.models.len(),
                project.datasets.len(),
                project.runs.len(),
                project.evaluations.len()
            );
        }
        if let Some(told) = &self.told {
            text += &format!("Message: {}\n", told.text);
        }
        for job in self.jobs.all() {
            if let JobState::Failed(message) = &job.state {
                text += &format!("Failed job: {message}\n");
            }
        }
        text
    }
}
