//! The Models screen's commands, and what came of them.

use crate::ui::app::{
    App, ModelsCommand, ModelsPage, ModelsReply, ModelsRequest, Opening, Request, Screen, Told, WorkReply,
};

impl App {
    pub(super) fn handle_models(&mut self, command: ModelsCommand) {
        match command {
            ModelsCommand::Page(page) => self.models_page(page),
            ModelsCommand::Add => {
                if let Some(request) = self.models.add.request() {
                    self.loader.send(request);
                }
            }
            ModelsCommand::Focus(id) => self.focus.model = Some(id),
            ModelsCommand::FocusBase(id) => self.focus.base = Some(id),
            ModelsCommand::Chat(id) => {
                self.models.chat.choose(id);
                self.models_page(ModelsPage::Chat);
            }
            ModelsCommand::Send => {
                if let Opening::Open(project) = &self.opening {
                    self.models.chat.send(project, &self.focus, &self.loader);
                }
            }
            ModelsCommand::StopAnswer => self.models.chat.stop(),
            ModelsCommand::ClearChat => self.models.chat.clear(),
            ModelsCommand::RestoreChat => self.models.chat.restore(),
            ModelsCommand::TrainFrom(id) => {
                self.focus.model = Some(id.clone());
                self.train.start_from(id);
                self.screen = Screen::Train;
            }
            ModelsCommand::RemoveNow(id) => {
                self.models.close_question();
                self.loader.send(Request::Models(ModelsRequest::Remove(id)));
            }
            ModelsCommand::PutBack => {
                if let Some(entry) = self.models.removed.take() {
                    self.loader.send(Request::Models(ModelsRequest::PutBack(entry)));
                }
            }
            ModelsCommand::SaveEdit => {
                if let Some(entry) = self.models.edited() {
                    self.loader.send(Request::Models(ModelsRequest::Update(entry)));
                }
            }
            ModelsCommand::AddDemoPair => self.loader.send(Request::Models(ModelsRequest::AddDemoPair)),
            ModelsCommand::CloseQuestion => self.models.close_question(),
            ModelsCommand::StopWork => self.models.stop_work(),
            command @ (ModelsCommand::Edit(_)
            | ModelsCommand::Remove(_)
            | ModelsCommand::Export(_)
            | ModelsCommand::Merge(_)) => {
                if let Opening::Open(project) = &self.opening {
                    self.models.ask(project, command);
                    self.models_page(ModelsPage::Cards);
                }
            }
            command @ (ModelsCommand::ExportNow
            | ModelsCommand::MergeNow
            | ModelsCommand::LookAtHub
            | ModelsCommand::FetchFromHub) => {
                if let Opening::Open(project) = &self.opening {
                    self.models.begin_work(project, &command, &self.loader);
                }
            }
        }
    }

    fn models_page(&mut self, page: ModelsPage) {
        self.models.page = page;
        self.screen = Screen::Models;
    }

    pub(in crate::ui::app) fn take_models(&mut self, reply: ModelsReply) {
        let changed = match reply {
            ModelsReply::Added(result) => {
                let added = result.is_ok();
                self.models.add.added(result);
                added
            }
            ModelsReply::Changed(Ok(said)) => {
                self.told = Some(Told::good(said));
                true
            }
            ModelsReply::Removed(Ok(entry)) => {
                self.models.removed = Some(entry);
                true
            }
            ModelsReply::NotBack { entry, error } => {
                self.models.removed = Some(entry);
                self.told = Some(Told::error(error));
                false
            }
            ModelsReply::Changed(Err(error)) | ModelsReply::Removed(Err(error)) => {
                self.told = Some(Told::error(error));
                false
            }
        };
        if changed {
            self.loader.send(Request::Refresh);
        }
    }

    pub(in crate::ui::app) fn take_work(&mut self, reply: WorkReply) {
        let Some((told, added)) = self.models.take_work(reply) else { return };
        self.told = Some(told);
        if added {
            self.loader.send(Request::Refresh);
        }
    }
}
