//! What each command does.

use super::{App, Command, JobView, Opening, Product, Request, Screen};
use crate::job::{JobSpec, ResumeSpec};
use eframe::egui;

impl App {
    pub(super) fn handle(&mut self, ctx: &egui::Context, command: Command) {
        let now = ctx.input(|input| input.time);
        match command {
            Command::Show(screen) => self.screen = screen,
            Command::SelectDataset(id) => self.data.select_set(id),
            Command::Undo => self.data.undo(now),
            Command::Redo => self.data.redo(now),
            Command::AddExample => self.data.add_example(now),
            Command::RemoveExample => self.data.remove_example(now),
            Command::SaveAgain => self.data.save_again(now),
            Command::ChooseModelFolder => {
                let sender = self.picked.0.clone();
                let ctx = ctx.clone();
                self.picker.pick_folder(Box::new(move |folder| {
                    // A full channel means that a choice is already waiting.
                    let _ = sender.try_send(folder);
                    ctx.request_repaint();
                }));
            }
            Command::AddModel => {
                if let Some(request) = self.models.add_request() {
                    self.loader.send(request);
                }
            }
            Command::FocusModel(id) => self.focus.model = Some(id),
            Command::FocusBase(id) => self.focus.base = Some(id),
            Command::StartTraining => {
                if let Opening::Open(project) = &self.opening {
                    let spec = self.train.spec();
                    self.submit(project.root.clone(), JobSpec::Train(spec));
                    self.train.started();
                }
            }
            Command::StartEvaluation => {
                if let Opening::Open(project) = &self.opening {
                    let spec = self.evaluate.spec();
                    self.submit(project.root.clone(), JobSpec::Evaluate(spec));
                }
            }
            Command::StartGenerating => {
                if let Opening::Open(project) = &self.opening {
                    let spec = self.generate.spec();
                    self.submit(project.root.clone(), JobSpec::Generate(spec));
                }
            }
            Command::ReadTexts(generation) => self.loader.send(Request::Review(generation)),
            Command::Decide { generation, decisions } => {
                self.loader.send(Request::Decide { generation, decisions });
            }
            Command::Assemble { id, kind, from, templates } => {
                self.loader.send(Request::Assemble { id, kind, from, templates });
            }
            Command::EvaluateModel(id) => {
                if let Opening::Open(project) = &self.opening {
                    self.evaluate.tick_with_parent(project, &id);
                }
                self.focus.model = Some(id);
                self.screen = Screen::Evaluate;
            }
            Command::SelectEvaluation(id) => {
                self.evaluate.select(id);
                self.screen = Screen::Evaluate;
            }
            Command::InspectEvaluation(id) => {
                self.inspect.select(id);
                self.screen = Screen::Inspect;
            }
            Command::InspectAnswer => {
                if let Opening::Open(project) = &self.opening {
                    self.inspect.ask(project, &self.focus, &mut self.library, &self.loader);
                }
            }
            Command::Stop(id) => self.queue.cancel(id),
            Command::Pause(id, paused) => {
                self.queue.pause(id, paused);
                self.jobs.pause(id, paused);
            }
            Command::Resume(id) => {
                let run = self.jobs.get(id).and_then(JobView::result_id);
                if let (Opening::Open(project), Some(run)) = (&self.opening, run) {
                    self.jobs.gone_on(id);
                    self.submit(project.root.clone(), JobSpec::Resume(ResumeSpec { run }));
                }
            }
            Command::OpenResult(id) => self.open_result(id),
            Command::OpenProject => {
                self.opening = Opening::Waiting;
                self.loader.send(Request::Open { root: self.settings_root.clone(), demo: self.demo });
            }
            Command::Quit => {
                if self.jobs.open_count() > 0 || self.data.cannot_save() {
                    self.asking_to_quit = true;
                } else {
                    self.quitting = true;
                }
                ctx.request_repaint();
            }
            Command::StopAndQuit => {
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
            Command::KeepRunning => self.asking_to_quit = false,
        }
    }

    fn submit(&mut self, root: std::path::PathBuf, spec: JobSpec) {
        let id = self.queue.submit(root, spec.clone());
        self.jobs.add(JobView::new(id, &spec));
    }

    fn open_result(&mut self, id: crate::job::JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        match (&job.product, job.result_id()) {
            (Product::Model(model), _) => {
                self.focus.model = Some(model.clone());
                self.screen = Screen::Models;
            }
            (Product::Evaluation, Some(evaluation)) => {
                self.evaluate.select(evaluation);
                self.screen = Screen::Evaluate;
            }
            (Product::Texts, Some(generation)) => {
                self.generate.select(generation);
                self.screen = Screen::Generate;
            }
            (Product::Texts | Product::Evaluation, None) => self.screen = Screen::Jobs,
        }
    }
}
