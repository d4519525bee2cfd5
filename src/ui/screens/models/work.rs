//! Long work on models as the window sees it: what runs, how far it is, and how it ended.

use super::ModelsScreen;
use super::question::Question;
use crate::job::CancelToken;
use crate::ui::app::{
    Loader, ModelsCommand, Snapshot, Told, View, Work, WorkEvent, WorkReply, WorkRequest, next_serial,
};
use crate::ui::theme;
use crate::ui::widgets::{card, command_button, progress_line};
use eframe::egui::{Align, Layout, Ui};
use std::path::PathBuf;

/// Why nothing else can begin.
pub const WORKING: &str = "A download, an export or a merge is under way. Stop it, or wait until it ends.";

/// Work that is under way. Forgetting it stops it.
pub struct Errand {
    serial: u64,
    stop: CancelToken,
    title: String,
    text: String,
    share: Option<f32>,
    /// Only a question to the Hub.
    look: bool,
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl ModelsScreen {
    /// Whether something is being fetched, exported or merged.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.work.as_ref().is_some_and(|work| !work.look)
    }

    /// Stops what is under way; it says when it has ended.
    pub fn stop_work(&mut self) {
        if let Some(work) = &mut self.work {
            work.stop.cancel();
            "Stopping…".clone_into(&mut work.text);
            work.share = None;
        }
    }

    /// Begins what `command` asks for, with what stands in its form.
    pub fn begin_work(&mut self, project: &Snapshot, command: &ModelsCommand, loader: &Loader) {
        if self.work.is_some() {
            return;
        }
        let (title, work) = match (command, &self.question) {
            (ModelsCommand::ExportNow, Some(Question::Export { id, from, to, .. })) => {
                let to = PathBuf::from(to.trim());
                (format!("Export {id}"), Work::Export { from: from.clone(), to })
            }
            (ModelsCommand::MergeNow, Some(Question::Merge { id, title })) => {
                (format!("Merge {id}"), Work::Merge { id: id.clone(), title: title.clone() })
            }
            (ModelsCommand::LookAtHub, _) => ("Ask the Hub".to_owned(), self.add.hub.look()),
            (ModelsCommand::FetchFromHub, _) => {
                let work = self.add.hub.fetch();
                (format!("Download {}", self.add.hub.name()), work)
            }
            _ => return,
        };
        let look = matches!(work, Work::Look(_));
        let (serial, stop) = (next_serial(), CancelToken::default());
        let request = WorkRequest { serial, root: project.root.clone(), work, stop: stop.clone() };
        if loader.work(request) {
            self.work =
                Some(Errand { serial, stop, title, text: "Starting…".to_owned(), share: None, look });
            self.question = None;
        } else {
            self.add.hub.refuse("What was stopped is still ending. Try again in a moment.");
        }
    }

    /// Takes in what came from the thread: what to say at the end, and whether the project has a new model.
    pub fn take_work(&mut self, reply: WorkReply) -> Option<(Told, bool)> {
        let work = self.work.as_mut().filter(|work| work.serial == reply.serial)?;
        let look = work.look;
        match reply.event {
            WorkEvent::Progress { text, share } => {
                if !work.stop.is_cancelled() {
                    work.text = text;
                    work.share = share;
                }
                None
            }
            WorkEvent::Looked(view) => {
                self.work = None;
                self.add.hub.looked(Ok(view));
                None
            }
            WorkEvent::Failed { text, .. } if look => {
                self.work = None;
                self.add.hub.looked(Err(text));
                None
            }
            WorkEvent::Failed { text, stopped } => {
                self.work = None;
                Some((if stopped { Told::plain(text) } else { Told::error(text) }, false))
            }
            WorkEvent::Done { text, made, added } => {
                self.work = None;
                Some((Told::made(text, made), added))
            }
        }
    }

    /// The line with what is under way.
    pub(super) fn show_work(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let Some(work) = self.work.as_ref().filter(|work| !work.look) else { return };
        let p = theme::palette(ui);
        card(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(theme::strong(&work.title));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let blocked = work.stop.is_cancelled().then_some("It is stopping.");
                    if command_button(ui, &ModelsCommand::StopWork, blocked) {
                        view.send(ModelsCommand::StopWork);
                    }
                    ui.add_space(theme::GAP);
                    if let Some(share) = work.share {
                        progress_line(ui, &work.title, share, 220.0);
                    } else {
                        ui.spinner();
                    }
                    ui.label(theme::small(&work.text).color(p.weak));
                });
            });
        });
        ui.add_space(theme::GAP);
    }
}
