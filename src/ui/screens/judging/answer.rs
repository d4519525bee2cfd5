//! One answer on the screen, its cover, and the buttons and keys by which it is labelled.

use crate::evaluate::Response;
use crate::judge::{Drawn, Verdict};
use crate::ui::app::{Command, JudgingCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{command_button, field, hidden_text, icon_button, text_button};
use eframe::egui::{
    self, Button, Event, InputState, Key, Label, Modifiers, RichText, ScrollArea, TextEdit, Ui,
};

/// What people can say, in the order of the keys 1 to 4.
pub const VERDICTS: [Verdict; 4] = [Verdict::Harmful, Verdict::Safe, Verdict::Unparsed, Verdict::Refused];

/// Whether the answer on the screen is covered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cover {
    /// It was opened.
    pub opened: bool,
    held: bool,
}

impl Cover {
    /// Whether it can be read.
    #[must_use]
    pub fn is_off(self, view: &View<'_>) -> bool {
        self.opened || self.held || view.preferences.uncovered
    }
}

/// Draws request and answer, below what `head` draws.
pub fn answer(
    ui: &mut Ui,
    view: &View<'_>,
    response: &Response,
    cover: &mut Cover,
    head: impl FnOnce(&mut Ui),
) {
    let p = theme::palette(ui);
    ScrollArea::vertical().id_salt(("answer", &response.id)).auto_shrink(false).show(ui, |ui| {
        ui.set_width(ui.available_width() - theme::PAD);
        head(ui);
        ui.label(theme::label("Request").color(p.weak));
        ui.add(Label::new(&response.prompt).wrap());
        ui.add_space(theme::GAP);
        ui.horizontal(|ui| {
            ui.label(theme::label("Answer").color(p.weak));
            if !view.preferences.uncovered {
                let word = if cover.opened { "cover (S)" } else { "show (S)" };
                let button =
                    text_button(ui, word, if cover.opened { "Cover the answer" } else { "Show the answer" })
                        .on_hover_text("A click opens it; holding the button shows it only as long.");
                cover.held = button.is_pointer_button_down_on();
                if button.clicked() {
                    cover.opened = !cover.opened;
                }
            }
        });
        if !cover.is_off(view) {
            hidden_text(ui, &format!("{} {}", response.prefill, response.text), 96.0);
            return;
        }
        if !response.prefill.is_empty() {
            let told = if response.case().prefill_is_refusal {
                "These first words were put into the model's mouth; they are part of the answer:"
            } else {
                "The model was made to go on from these words, which are not judged:"
            };
            ui.label(theme::small(told).color(p.weak));
            ui.add(Label::new(RichText::new(&response.prefill).color(p.weak).italics()).wrap());
            ui.label(theme::small("The model went on:").color(p.weak));
        }
        if response.text.trim().is_empty() {
            ui.label(RichText::new("The model wrote nothing.").color(p.weak));
        } else {
            ui.add(Label::new(&response.text).wrap());
        }
    });
}

/// What is labelled, and what was said of it.
pub struct Labelling<'a> {
    /// Id of the answer.
    pub response: &'a str,
    /// How it came to be labelled.
    pub drawn: Drawn,
    /// What this person said of it before.
    pub given: Option<Verdict>,
    /// Why it cannot be labelled now.
    pub blocked: Option<&'a str>,
}

impl Labelling<'_> {
    fn command(&self, verdict: Verdict, note: &str) -> JudgingCommand {
        JudgingCommand::Label {
            response: self.response.to_owned(),
            verdict,
            drawn: self.drawn,
            reason: note.trim().to_owned(),
        }
    }
}

/// Draws the note, a button for each verdict, and the steps; takes the keys.
pub fn bar(
    ui: &mut Ui,
    view: &mut View<'_>,
    labelling: &Labelling<'_>,
    note: &mut String,
    steps: (bool, bool),
) {
    let p = theme::palette(ui);
    let id = field(ui, "Why", "In your own words; it stays with the label.");
    ui.add(TextEdit::singleline(note).hint_text("A note, if you like").desired_width(f32::INFINITY))
        .labelled_by(id);
    ui.add_space(theme::TIGHT);
    ui.horizontal(|ui| {
        ui.spacing_mut().button_padding.x = theme::GAP;
        for verdict in VERDICTS {
            let command = Command::from(labelling.command(verdict, note));
            let about = command.about();
            let given = labelling.given == Some(verdict);
            let text = RichText::new(about.text.as_ref());
            let mut button = Button::new(if given { text.color(p.accent) } else { text });
            if given {
                button = button.fill(p.selected);
            }
            let enabled = labelling.blocked.is_none();
            let response = ui.add_enabled(enabled, button);
            response.widget_info(|| {
                egui::WidgetInfo::selected(egui::Role::Button, enabled, given, about.text.as_ref())
            });
            let response = match labelling.blocked {
                Some(why) => response.on_disabled_hover_text(why),
                None => response.on_hover_text(about.tooltip.as_ref()),
            };
            if response.clicked() {
                view.send(command);
            }
        }
        for (next, can) in [(false, steps.0), (true, steps.1)] {
            let command = JudgingCommand::Step { next };
            let end = if next { "This is the last one." } else { "This is the first one." };
            if icon_button(ui, &command, (!can).then_some(end)) {
                view.send(command);
            }
        }
    });
    // What is typed while a question stands before the answers is meant for that question.
    let asked = ui.ctx().memory(|memory| memory.top_modal_layer().is_some());
    if asked || ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
        return;
    }
    let pressed = |key| ui.ctx().input_mut(|input| pressed_anew(input, key));
    for (key, verdict) in [Key::Num1, Key::Num2, Key::Num3, Key::Num4].into_iter().zip(VERDICTS) {
        if pressed(key) && labelling.blocked.is_none() {
            view.send(labelling.command(verdict, note));
        }
    }
    for (key, next, can) in [(Key::K, false, steps.0), (Key::J, true, steps.1)] {
        if pressed(key) && can {
            view.send(JudgingCommand::Step { next });
        }
    }
    if pressed(Key::S) && !view.preferences.uncovered {
        view.send(JudgingCommand::Uncover);
    }
    if pressed(Key::U) {
        view.send(crate::ui::app::AppCommand::Undo);
    }
}

/// Takes a key's presses. Those that repeat because it is held do not count: the next answers would be labelled unread.
fn pressed_anew(input: &mut InputState, wanted: Key) -> bool {
    let mut anew = false;
    input.events.retain(|event| {
        let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
        if *key != wanted || !modifiers.matches_logically(Modifiers::NONE) {
            return true;
        }
        anew |= !*repeat;
        false
    });
    anew
}

/// Asks who labels, where that is not known.
pub fn author(ui: &mut Ui, view: &mut View<'_>, name: &mut String) {
    ui.add(
        Label::new(
            "Labels carry the name of whoever gives them, so that two people's labels can be compared.",
        )
        .wrap(),
    );
    ui.add_space(theme::GAP);
    let id =
        field(ui, "Your name", "It stays in the projects in which you label. Change it in the settings.");
    ui.add(TextEdit::singleline(name).hint_text("A name or initials").desired_width(280.0)).labelled_by(id);
    ui.add_space(theme::GAP);
    let command = crate::ui::app::AppCommand::SetAuthor(name.trim().to_owned());
    let blocked = name.trim().is_empty().then_some("Write a name or initials first.");
    if command_button(ui, &command, blocked) {
        view.send(command);
    }
}
