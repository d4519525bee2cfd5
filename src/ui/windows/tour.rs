//! The tour: five steps through what Plumbline does, each on the screen that it is about.

use crate::ui::app::{AppCommand, Command, Screen};
use crate::ui::theme;
use crate::ui::widgets::{link_button, primary_button, text_button};
use eframe::egui::{self, Align, Align2, Area, Frame, Label, Layout, Margin, Ui};
use egui_material_icons::icons;

/// The steps: the screen, what is said, and a sentence or two about it.
const STEPS: [(Screen, &str, &str); 5] = [
    (
        Screen::Overview,
        "How deep is the safety?",
        "A model that refuses does so in its first few words. Here you see for each model how many tokens deep its \
         refusals reach, and what to do next.",
    ),
    (
        Screen::Data,
        "Examples that begin badly and recover",
        "A recovery example is a request, a harmful answer and a refusal. The answer is cut after k tokens, and the model \
         learns to refuse from there. Harmful text stays covered until you show it; this world is made up.",
    ),
    (
        Screen::Train,
        "Make the safety deeper",
        "Choose a goal, not an algorithm. Training runs in the background on this machine; the new model stands beside the \
         one it came from.",
    ),
    (
        Screen::Evaluate,
        "Attack it, before and after",
        "Tick models and attacks and start. Every rate comes with its count, its interval and the judge's name.",
    ),
    (
        Screen::Inspect,
        "Look inside one answer",
        "Here you see token by token where two models differ. Shallow safety shows as a peak at the first tokens and nothing \
         behind it.",
    ),
];

/// The tour.
pub struct Tour {
    step: Option<usize>,
}

impl Tour {
    /// Begins it at once if `begin`.
    #[must_use]
    pub fn new(begin: bool) -> Self {
        Self { step: begin.then_some(0) }
    }

    /// Begins or ends it.
    pub fn begin(&mut self, begin: bool) {
        self.step = begin.then_some(0);
    }

    /// Draws the present step above the screens.
    pub fn show(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let Some(step) = self.step else { return };
        let Some((_, title, text)) = STEPS.get(step) else { return };
        let mut go = None;
        Area::new(egui::Id::unique("tour"))
            .order(egui::Order::Foreground)
            .anchor(Align2::RIGHT_BOTTOM, [-theme::SCREEN, -48.0])
            .show(ui.ctx(), |ui| {
                Frame::popup(ui.style()).inner_margin(Margin::same(theme::GROUP as i8)).show(ui, |ui| {
                    ui.set_width(380.0);
                    ui.label(
                        theme::small(format!("Tour · step {} of {}", step + 1, STEPS.len()))
                            .color(theme::palette(ui).weak),
                    );
                    ui.label(theme::heading(*title));
                    ui.add(Label::new(*text).wrap());
                    ui.add_space(theme::GAP);
                    ui.horizontal(|ui| {
                        let end = Command::from(AppCommand::Tour(false));
                        if link_button(ui, &end, None) {
                            commands.push(end);
                        }
                        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            let last = step + 1 == STEPS.len();
                            let name = if last { "End the tour" } else { "Next step" };
                            if primary_button(ui, icons::ICON_ARROW_FORWARD, name, None).clicked() {
                                go = Some(step + 1);
                            }
                            if step > 0 && text_button(ui, "Back", "Step back").clicked() {
                                go = Some(step - 1);
                            }
                        });
                    });
                });
            });
        match go {
            Some(next) if next < STEPS.len() => {
                self.step = Some(next);
                commands.push(AppCommand::Show(STEPS[next].0).into());
            }
            Some(_) => commands.push(AppCommand::Tour(false).into()),
            None => {}
        }
    }
}
