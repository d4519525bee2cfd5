//! One answer as its tokens, coloured by KL, with both models' best guesses at each.

use crate::evaluate::{EvaluateSpec, ScrubPrompt};
use crate::text::ChatTemplate;
use crate::ui::app::{AnswerRequest, InspectCommand, InspectedAnswer, Loader, Snapshot, View, next_serial};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, kl_card, kl_strip, link_button, notice};
use eframe::egui::{self, Ui};

/// What was asked for.
#[derive(Clone, Debug)]
struct Asked {
    model: String,
    base: String,
    prompt: ScrubPrompt,
}

/// The lower part of "KL by token".
#[derive(Default)]
pub struct AnswerView {
    serial: u64,
    asked: Option<Asked>,
    /// A request that found the thread at work.
    waiting: Option<AnswerRequest>,
    answer: Option<Result<InspectedAnswer, String>>,
    /// The token whose guesses are shown.
    token: usize,
}

impl AnswerView {
    /// Whether an answer is being computed.
    pub fn busy(&self) -> bool {
        self.asked.is_some() && self.answer.is_none()
    }

    /// Asks how two models differ along the answer to a prompt, which is put to them as `spec` put it, if the curves on the
    /// screen are of an evaluation.
    pub fn ask(
        &mut self,
        project: &Snapshot,
        pair: (String, String),
        prompt: ScrubPrompt,
        spec: Option<&EvaluateSpec>,
        loader: &Loader,
    ) {
        let (Some(model), Some(base)) = (project.model(&pair.0), project.model(&pair.1)) else { return };
        // An answer of the project that was left must not be taken for this one.
        self.serial = next_serial();
        self.waiting = Some(AnswerRequest {
            serial: self.serial,
            model: model.folder.clone(),
            base: base.folder.clone(),
            context: prompt.context.clone(),
            answer: prompt.answer.clone(),
            system_prompt: spec.map_or_else(String::new, |spec| spec.system_prompt.clone()),
            template_date: spec.map_or(ChatTemplate::DEFAULT_DATE, |spec| spec.template_date),
        });
        self.asked = Some(Asked { model: pair.0, base: pair.1, prompt });
        self.answer = None;
        self.token = 0;
        self.send(loader);
    }

    /// Hands over what waits; `false` while the thread has no room for it.
    fn send(&mut self, loader: &Loader) -> bool {
        let Some(request) = self.waiting.take() else { return true };
        if loader.inspect(request.clone()) {
            return true;
        }
        self.waiting = Some(request);
        false
    }

    /// Takes an answer in.
    pub fn answered(&mut self, serial: u64, result: Result<InspectedAnswer, String>) {
        if serial == self.serial {
            self.answer = Some(result);
        }
    }

    /// Shows the guesses at this token.
    pub fn take_token(&mut self, token: usize) {
        self.token = token;
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, open: bool) {
        if !self.send(view.loader) {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(50));
        }
        match (&self.answer, &self.asked) {
            (None, Some(_)) => {
                ui.weak("Both models read the answer…");
            }
            (Some(Err(error)), _) => notice(ui, Tone::Error, error),
            (Some(Ok(answer)), Some(asked)) => {
                card(ui, |ui| strip(ui, answer, asked, self.token, open, view));
            }
            _ => {}
        }
    }
}

fn strip(
    ui: &mut Ui,
    answer: &InspectedAnswer,
    asked: &Asked,
    token: usize,
    open: bool,
    view: &mut View<'_>,
) {
    let p = theme::palette(ui);
    ui.horizontal(|ui| {
        let room = ui.available_width() - 130.0;
        ui.scope(|ui| {
            ui.set_max_width(room);
            let goal = asked.prompt.context.last().map_or("", |message| message.content.as_str());
            ui.add(egui::Label::new(theme::strong(goal)).truncate());
        });
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let command = InspectCommand::Uncover(!open);
            if link_button(ui, &command, None) {
                view.send(command);
            }
        });
    });
    let total: f32 = answer.tokens.iter().map(|token| token.kl).sum();
    let first: f32 = answer.tokens.iter().take(5).map(|token| token.kl).sum();
    let share = if total > 0.0 { first / total * 100.0 } else { 0.0 };
    ui.label(
        theme::small(format!(
            "{} tokens · {share:.0} % of the KL between {} and {} lies in the first 5 · stronger colour = larger KL · click a token, or go along with the arrow keys",
            answer.tokens.len(),
            asked.model,
            asked.base,
        ))
        .color(p.weak),
    );
    ui.add_space(theme::TIGHT);
    let pair = (asked.model.as_str(), asked.base.as_str());
    let roles = (view.project.role(&asked.model), view.project.role(&asked.base));
    let at = token.min(answer.tokens.len().saturating_sub(1));
    if let Some(chosen) = kl_strip(ui, &answer.tokens, pair, roles, at, open) {
        view.send(InspectCommand::Token(chosen));
    }
    ui.add_space(theme::GAP);
    if let Some(token) = answer.tokens.get(at) {
        kl_card(ui, token, at, pair, roles, open);
    }
}
