//! A chat with one model, or with two side by side that get the same words.

mod composer;
mod talk;
mod transcript;

use crate::job::CancelToken;
use crate::model::Sampler;
use crate::text::Message;
use crate::ui::app::{
    ChatQuestion, ChatReply, ChatRequest, ChatSide, Focus, Loader, ModelView, ModelsCommand, Snapshot, View,
    next_serial,
};
use crate::ui::theme;
use crate::ui::widgets::{combo_box, command_button, dot};
use eframe::egui::{self, Align, Frame, Layout, Margin, Panel, Ui};
use std::path::PathBuf;
use std::time::Duration;
use talk::{Answer, Turn, history};

/// How often the screen is drawn anew while somebody writes.
const FRAME: Duration = Duration::from_millis(40);
/// The choice of no second model.
const NOBODY: &str = "nobody else";

/// A request that is being answered. Forgetting it stops the answers.
struct Running {
    serial: u64,
    stop: CancelToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The chat.
pub struct Chat {
    /// The models that somebody chose; `None` follows the pair in focus.
    chosen: Option<(String, Option<String>)>,
    /// Folders of the models that the thread may keep loaded.
    kept: Vec<PathBuf>,
    request: String,
    start: String,
    sampler: Sampler,
    most: usize,
    /// The suggestion that was taken last, by its place in the set.
    suggestion: Option<usize>,
    turns: Vec<Turn>,
    /// What was cleared, so that it can be brought back.
    cleared: Vec<Turn>,
    running: Option<Running>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            chosen: None,
            kept: Vec::new(),
            request: String::new(),
            start: String::new(),
            sampler: Sampler::default(),
            most: 200,
            suggestion: None,
            turns: Vec::new(),
            cleared: Vec::new(),
            running: None,
        }
    }
}

impl Chat {
    /// Chats with this model alone.
    pub fn choose(&mut self, model: String) {
        self.chosen = Some((model, None));
    }

    /// The models that are asked.
    fn pair<'a>(&self, project: &'a Snapshot, focus: &Focus) -> Vec<&'a ModelView> {
        let ids = match &self.chosen {
            Some((first, second)) => [Some(first), second.as_ref()],
            None => [focus.base.as_ref(), focus.model.as_ref()],
        };
        let mut models: Vec<&ModelView> =
            ids.into_iter().flatten().filter_map(|id| project.model(id)).collect();
        models.dedup_by_key(|model| &model.entry.id);
        if models.is_empty() {
            models.extend(project.models.first());
        }
        models
    }

    /// Why the request cannot be sent.
    fn blocked(&self) -> Option<&'static str> {
        if self.running.is_some() {
            Some("An answer is being written. Stop it, or wait until it ends.")
        } else if self.request.trim().is_empty() {
            Some("Write a request first, or take one of the suggestions.")
        } else {
            None
        }
    }

    /// Sends the request to the chosen models.
    pub fn send(&mut self, project: &Snapshot, focus: &Focus, loader: &Loader) {
        if self.blocked().is_some() {
            return;
        }
        let request = self.request.trim().to_owned();
        let models = self.pair(project, focus);
        let sides: Vec<ChatSide> = models
            .iter()
            .map(|model| {
                let mut messages = history(&self.turns, &model.entry.id);
                messages.push(Message::user(request.as_str()));
                ChatSide { model: model.entry.id.clone(), folder: model.folder.clone(), messages }
            })
            .collect();
        let (serial, stop) = (next_serial(), CancelToken::default());
        let question = ChatQuestion {
            serial,
            sides,
            start: self.start.clone(),
            sampler: self.sampler.clone(),
            max_new_tokens: self.most,
            stop: stop.clone(),
        };
        if loader.chat(ChatRequest::Answer(Box::new(question))) {
            let answers = models.iter().map(|model| Answer::new(&model.entry.id)).collect();
            self.turns.push(Turn { request, start: self.start.clone(), answers });
            self.running = Some(Running { serial, stop });
            self.request.clear();
            self.cleared.clear();
        }
    }

    /// Ends the answers where they stand.
    pub fn stop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }

    /// Begins a new conversation.
    pub fn clear(&mut self) {
        self.running = None;
        if !self.turns.is_empty() {
            self.cleared = std::mem::take(&mut self.turns);
            // What was still being written is cut off here.
            for answer in self.cleared.iter_mut().flat_map(|turn| &mut turn.answers) {
                if answer.is_open() {
                    answer.state = talk::State::Ended(crate::ui::app::ChatEnding::Stopped);
                }
            }
        }
    }

    /// Brings back what was cleared.
    pub fn restore(&mut self) {
        if self.turns.is_empty() {
            self.turns = std::mem::take(&mut self.cleared);
        }
    }

    /// Whether there is something to clear, and something to bring back.
    #[must_use]
    pub fn can_clear(&self) -> (bool, bool) {
        (!self.turns.is_empty(), self.turns.is_empty() && !self.cleared.is_empty())
    }

    /// Whether an answer is being written.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.running.is_some()
    }

    /// Takes in what came from the thread.
    pub fn take(&mut self, reply: ChatReply) {
        if self.running.as_ref().is_none_or(|running| running.serial != reply.serial) {
            return;
        }
        match (reply.of, self.turns.last_mut()) {
            (Some((model, event)), Some(turn)) => {
                if let Some(answer) = turn.answers.iter_mut().find(|answer| answer.model == model) {
                    answer.take(event);
                }
            }
            _ => self.running = None,
        }
    }

    /// Draws the chat.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        if self.running.is_some() {
            ui.ctx().request_repaint_after(FRAME);
        }
        let models: Vec<ModelView> = self.pair(view.project, view.focus).into_iter().cloned().collect();
        let folders: Vec<PathBuf> = models.iter().map(|model| model.folder.clone()).collect();
        if self.kept != folders && view.loader.chat(ChatRequest::Keep(folders.clone())) {
            self.kept = folders;
        }
        let plain = Frame::new();
        Panel::top("chat with").frame(plain).show_separator_line(false).show(ui, |ui| {
            self.who(ui, view, &models);
            ui.add_space(theme::GAP);
        });
        let below = Frame::new().inner_margin(Margin { top: theme::PAD as i8, ..Margin::default() });
        Panel::bottom("chat composer")
            .frame(below)
            .show_separator_line(false)
            .resizable(false)
            .show(ui, |ui| self.compose(ui, view));
        egui::CentralPanel::no_frame().show(ui, |ui| self.transcript(ui, view, &models));
    }

    /// The line that says who is asked.
    fn who(&mut self, ui: &mut Ui, view: &mut View<'_>, models: &[ModelView]) {
        let ids: Vec<&str> = view.project.models.iter().map(|model| model.entry.id.as_str()).collect();
        let first = models.first().map_or("", |model| model.entry.id.as_str());
        let second = models.get(1).map_or(NOBODY, |model| model.entry.id.as_str());
        ui.horizontal(|ui| {
            let p = theme::palette(ui);
            ui.label(theme::small("Ask").color(p.weak));
            let one = pick(ui, "First model", first, ids.iter().copied(), view.project);
            ui.label(theme::small("and").color(p.weak));
            let others = ids.iter().copied().filter(|id| *id != first);
            let two = pick(ui, "Second model", second, std::iter::once(NOBODY).chain(others), view.project);
            let other = |id: &str| (id != NOBODY).then(|| id.to_owned());
            if let Some(one) = one {
                // Chosen twice, the two change places.
                let two = if one == second { first } else { second };
                self.chosen = Some((one, other(two)));
            } else if let Some(two) = two {
                self.chosen = Some((first.to_owned(), other(&two)));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (can_clear, can_restore) = self.can_clear();
                let command = if can_restore { ModelsCommand::RestoreChat } else { ModelsCommand::ClearChat };
                let blocked = (!can_clear && !can_restore).then_some("Nothing has been said yet.");
                if command_button(ui, &command, blocked) {
                    view.send(command);
                }
            });
        });
    }
}

/// A choice of a model with its colour beside it; gives back what was newly chosen.
fn pick<'a>(
    ui: &mut Ui,
    name: &str,
    current: &str,
    choices: impl Iterator<Item = &'a str>,
    project: &Snapshot,
) -> Option<String> {
    if let Some(model) = project.model(current) {
        dot(ui, theme::role_colour(model.entry.role));
    }
    let mut chosen = None;
    let response = combo_box(name, 180.0)
        .selected_text(current)
        .show_ui(ui, |ui| {
            for choice in choices {
                if ui.selectable_label(choice == current, choice).clicked() && choice != current {
                    chosen = Some(choice.to_owned());
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
    chosen
}
