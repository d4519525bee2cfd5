//! What happens before each frame, also while the window is hidden: events and replies are taken in, keys become
//! commands, edits are handed on to be saved.

use super::{
    App, AppCommand, Command, DataCommand, DataReply, JobState, Opening, Product, Reply, Request, SetRequest,
    Told,
};
use crate::ui::widgets::Tone;
use eframe::egui::{self, ViewportCommand};
use std::sync::Arc;

impl App {
    pub(super) fn before_frame(&mut self, ctx: &egui::Context) {
        self.take_events();
        for reply in self.loader.drain() {
            self.take_reply(reply);
        }
        while let Ok((wish, chosen)) = self.picked.1.try_recv() {
            self.picked(wish, chosen);
        }
        self.take_dropped(ctx);
        for set in std::mem::take(&mut self.library.wanted) {
            self.loader.send(Request::Examples(set));
        }
        for command in Command::with_keys() {
            if let Some(shortcut) = command.shortcut()
                && ctx.input_mut(|input| input.consume_shortcut(&shortcut))
            {
                self.commands.push(command);
            }
        }
        let now = ctx.input(|input| input.time);
        let hurry = self.quitting || self.after_saving.is_some();
        if let Some(wait) = self.data.save_if_due(now, hurry, &mut self.loader) {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(wait));
        }
        if (self.data.is_saved() || self.data.cannot_save())
            && self.evaluate.labels_saved()
            && let Some(command) = self.after_saving.take()
        {
            self.commands.push(command.into());
        }
        self.consider_closing(ctx);
    }

    fn take_events(&mut self) {
        let events: Vec<_> = self.queue.events().try_iter().collect();
        for event in events {
            let Some(ended) = self.jobs.take(event) else { continue };
            match &ended.product {
                Product::Model(_) => {}
                Product::Texts => {
                    if let Some(id) = ended.result_id() {
                        self.generate.select(id);
                    }
                }
                Product::Evaluation => {
                    if let Some(id) = ended.result_id() {
                        let well = matches!(ended.state, JobState::Done(_));
                        self.evaluate.ended(id.clone(), well);
                        self.inspect.select(id);
                    }
                }
            }
            self.loader.send(Request::Refresh);
        }
    }

    fn take_reply(&mut self, reply: Reply) {
        // What was asked about the project that was left concerns nobody any more.
        let left = matches!(self.opening, Opening::Waiting);
        if let Reply::Project(Ok(project)) = &reply
            && left
            && project.root != self.project_root
        {
            return;
        }
        if left && !matches!(reply, Reply::Project(_) | Reply::Trouble(_)) {
            return;
        }
        match reply {
            Reply::Project(Ok(project)) => {
                if self.preferences.recent.first() != Some(&project.root) {
                    self.preferences.opened(&project.root);
                    self.keep_preferences();
                }
                self.opening = Opening::Open(Box::new(project));
                if self.told.as_ref().is_some_and(|told| told.tone == Tone::Error) {
                    self.told = None;
                }
                self.refocus();
                if let Opening::Open(project) = &self.opening {
                    self.overview.project_changed(project);
                    self.data.project_changed(project);
                    self.report.project_changed(project);
                    self.evaluate.project_changed(project);
                    self.inspect.project_changed(project);
                    self.train.stale();
                    if let Some(set) = self.data.exchange_mut().made_and_there(project) {
                        self.commands.push(DataCommand::Select(set).into());
                    }
                }
            }
            // A project that was open stays on the screen: what could not be read anew is said above it.
            Reply::Project(Err(error)) => match self.opening {
                Opening::Open(_) => self.told = Some(Told::error(error)),
                _ => self.opening = Opening::Failed(error),
            },
            Reply::Examples { set, result } => {
                let result = result.map(Arc::new);
                self.library.sets.insert(set, Some(result));
            }
            Reply::Data(reply) => self.take_data(reply),
            Reply::Evaluate(reply) => self.evaluate.take(reply),
            Reply::Models(reply) => self.take_models(reply),
            Reply::Work(reply) => self.take_work(reply),
            Reply::Chat(reply) => self.models.chat.take(reply),
            Reply::Train(reply) => self.train.take(reply),
            Reply::Judging(reply) => {
                if let Some(error) = self.evaluate.take_judging(reply) {
                    self.told = Some(Told::error(error));
                }
            }
            Reply::Exchange { serial, reply } => self.take_exchange(serial, reply),
            Reply::Review { generation, result } => self.generate.reviewed(&generation, result),
            Reply::Assembled(result) => {
                if result.is_ok() {
                    self.loader.send(Request::Refresh);
                }
                self.generate.assembled(result);
            }
            Reply::Answer { serial, result } => self.inspect.answered(serial, result),
            Reply::Inspect(reply) => self.inspect.replied(reply),
            Reply::Scrub(reply) => self.inspect.scrubber.told(reply),
            Reply::Written(Ok(path)) => {
                let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                self.told = Some(Told::made(format!("Saved as {name}"), path));
            }
            Reply::Written(Err(error)) | Reply::Trouble(error) => self.told = Some(Told::error(error)),
        }
    }

    fn take_data(&mut self, reply: DataReply) {
        match reply {
            DataReply::Saved { set, serial, result } => {
                if result.is_ok() {
                    // The next look at the set, from any screen, reads what is now on disk.
                    self.library.sets.remove(&set);
                    // Estimates and the question before answers leave this machine count by the project's list.
                    if let Opening::Open(project) = &mut self.opening
                        && let Some(entry) = project.datasets.iter_mut().find(|entry| entry.id == set)
                        && let Some(count) = self.data.count(&set)
                    {
                        entry.count = count;
                    }
                }
                self.data.saved(&set, serial, result);
            }
            DataReply::Opened { set, result } => self.data.opened(set, result),
            DataReply::Checking { set, serial, progress } => self.data.checking(&set, serial, progress),
            DataReply::Checked { set, serial, checked } => self.data.checked(&set, serial, checked),
            DataReply::Set(Ok(done)) => {
                if let SetRequest::Rename { from: id, .. } | SetRequest::Delete(id) = &done.request {
                    self.library.sets.remove(id);
                }
                self.data.set_done(&done.request);
                self.told = Some(Told::good(done.text));
                self.loader.send(Request::Refresh);
            }
            DataReply::Set(Err(error)) => {
                self.data.set_failed();
                self.told = Some(Told::error(error));
            }
            DataReply::Strip { serial, result } => self.data.strip_made(serial, result),
        }
    }

    /// Closing waits for edits that are being written, and asks while a job runs or an edit cannot be written.
    fn consider_closing(&mut self, ctx: &egui::Context) {
        if ctx.input(|input| input.viewport().close_requested()) && !self.may_close() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.commands.push(AppCommand::Quit.into());
        }
        // An edit turned out not to be savable while closing waited for it: ask instead of waiting for ever.
        if self.quitting && self.data.cannot_save() && !self.data.gave_up() {
            self.quitting = false;
            self.asking_to_quit = true;
        }
        if self.quitting && self.may_close() {
            self.quitting = false;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    pub(super) fn may_close(&self) -> bool {
        self.jobs.open_count() == 0
            && !self.models.is_working()
            && (self.data.is_saved() || self.data.gave_up())
            && self.evaluate.labels_saved()
    }
}
