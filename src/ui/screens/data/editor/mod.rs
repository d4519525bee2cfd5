//! The editor of one example: what each kind shows, and what they share.

mod others;
mod recovery;

use super::problems::explained;
use super::set::OpenSet;
use super::strip::Strips;
use super::table::link;
use crate::data::{DatasetKind, Example, PartEdit, Problem};
use crate::ui::app::{DataCommand, Finding, View};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, field, hidden_text, is_long, line, link_button, long_text, notice, text_button,
};
use eframe::egui::{self, Align, Layout, TextEdit, Ui};

/// The part that asks.
pub const REQUEST: &str = "request";
const EARLIER: &str = "earlier request";
const INSTRUCTIONS: &str = "instructions";
const REFUSAL: &str = "refusal";
const TARGET: &str = "target";
const CHOICE: &str = "choice";

/// The part that has to be written after this was added.
#[must_use]
pub fn begins(edit: PartEdit, kind: DatasetKind) -> Option<&'static str> {
    match edit {
        PartEdit::AddTurn if kind == DatasetKind::Chat => Some(REQUEST),
        PartEdit::AddTurn => Some(EARLIER),
        PartEdit::AddInstructions => Some(INSTRUCTIONS),
        PartEdit::AddRefusal => Some(REFUSAL),
        PartEdit::AddTarget => Some(TARGET),
        PartEdit::AddChoice => Some(CHOICE),
        _ => None,
    }
}

/// What the editor shows besides the example.
pub struct State<'a> {
    /// The training text.
    pub strips: &'a mut Strips,
    /// The example whose harmful answer is uncovered.
    pub shown: &'a mut Option<String>,
    /// The part that was just added.
    pub begun: &'a mut Option<&'static str>,
}

/// Draws the editor of the selected example; edits go into the set's history.
pub fn show(ui: &mut Ui, set: &mut OpenSet, state: State<'_>, view: &mut View<'_>, now: f64) {
    let State { strips, shown, begun } = state;
    let Some(before) = set.example().cloned() else {
        ui.weak("Select an example on the left.");
        return;
    };
    let mut after = before.as_ref().clone();
    let uncovered = view.preferences.uncovered;
    let mut pen = Pen {
        open: uncovered || shown.as_deref() == Some(before.id()),
        can_cover: !uncovered,
        toggled: false,
        blocked: view.read_only(),
        edited: None,
        id: before.id().to_owned(),
        commands: Vec::new(),
        begun: begun.take(),
    };
    match &mut after {
        Example::Recovery(row) => recovery::show(ui, row, &mut pen, strips),
        Example::Chat(row) => others::chat(ui, row, &mut pen),
        Example::Attack(row) => others::attack(ui, row, &mut pen),
        Example::Utility(row) => others::utility(ui, row, &mut pen),
    }
    if pen.toggled {
        *shown = if pen.open { None } else { Some(before.id().to_owned()) };
    }
    view.commands.extend(pen.commands.into_iter().map(Into::into));
    problems(ui, set, before.id(), strips, view);
    ui.label(theme::small(format!("Id {}", before.id())).color(theme::palette(ui).weak));
    if let Some(name) = pen.edited
        && after != *before
    {
        set.edit(after, name, now);
    }
}

/// What is wrong with the example, each with what mends it.
fn problems(ui: &mut Ui, set: &OpenSet, id: &str, strips: &Strips, view: &mut View<'_>) {
    let found = set.checks.of_row(set.selected);
    // The strip's are those of this moment; the others come when nobody has typed for a while.
    let live = match strips.strip() {
        Some(Ok(strip)) if set.kind == DatasetKind::Recovery => Some(strip.problems.as_slice()),
        _ => None,
    };
    let own: Vec<&Problem> = match live {
        Some(problems) => problems.iter().collect(),
        None => found.iter().filter(|f| !f.is_duplicate()).map(|f| &f.problem).collect(),
    };
    let twice = found.iter().filter(|finding| finding.is_duplicate()).map(|finding| &finding.problem);
    for problem in own.into_iter().chain(twice) {
        let finding = Finding { row: set.selected, problem: problem.clone() };
        notice(ui, Tone::Warning, &explained(&finding));
        let mend = DataCommand::Mend { id: id.to_owned(), mend: finding.problem.mend };
        link(ui, view, mend, view.read_only());
        ui.add_space(theme::TIGHT);
    }
}

/// What an editor's fields write with: whether they may, and what was changed.
struct Pen {
    /// Whether harmful answers are shown.
    open: bool,
    /// Whether they can be covered again.
    can_cover: bool,
    toggled: bool,
    blocked: Option<&'static str>,
    edited: Option<&'static str>,
    /// The example's id.
    id: String,
    commands: Vec<DataCommand>,
    /// The part that was just added: its empty field gets the cursor.
    begun: Option<&'static str>,
}

impl Pen {
    /// A field of several lines; `part` is what it edits.
    fn area(&mut self, ui: &mut Ui, name: &str, hint: &str, text: &mut String, part: &'static str) {
        let named = field(ui, name, hint);
        self.write(ui, named, name, text, part);
    }

    /// The same, with something to press at the right end of its name.
    fn area_with(
        &mut self,
        ui: &mut Ui,
        (name, hint): (&str, &str),
        text: &mut String,
        part: &'static str,
        more: impl FnOnce(&mut Self, &mut Ui, egui::Id),
    ) {
        let mut named = egui::Id::NULL;
        line(ui, 24.0, |ui| {
            named = field(ui, name, hint);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| more(self, ui, named));
        });
        self.write(ui, named, name, text, part);
    }

    fn write(&mut self, ui: &mut Ui, named: egui::Id, salt: &str, text: &mut String, part: &'static str) {
        // A long text is read line by line until somebody wants to edit it.
        let wanted = ui.scope_id().with(("edit", salt, &self.id));
        if is_long(text) && !ui.data(|data| data.get_temp(wanted).unwrap_or(false)) {
            long_text(ui, salt, text, 220.0);
            let spoken = format!("Edit {}", salt.to_lowercase());
            if self.blocked.is_none() && text_button(ui, "Edit this long text", &spoken).clicked() {
                ui.data_mut(|data| data.insert_temp(wanted, true));
            }
            ui.add_space(theme::TIGHT);
            return;
        }
        let edit = TextEdit::multiline(text).desired_rows(1).desired_width(f32::INFINITY).id_salt(salt);
        let response = ui.add_enabled(self.blocked.is_none(), edit).labelled_by(named);
        if response.changed() {
            self.edited = Some(part);
        }
        if self.begun == Some(part) && text.is_empty() {
            self.begun = None;
            response.request_focus();
            response.scroll_to_me_animation(Some(Align::Center), egui::style::ScrollAnimation::none());
        }
        ui.add_space(theme::TIGHT);
    }

    /// A field whose text may be harmful: covered until it is asked for.
    fn covered(
        &mut self,
        ui: &mut Ui,
        (name, hint, remark): (&str, &str, &str),
        text: &mut String,
        part: &'static str,
        more: impl FnOnce(&mut Self, &mut Ui, egui::Id),
    ) {
        let mut named = egui::Id::NULL;
        line(ui, 24.0, |ui| {
            named = field(ui, name, hint);
            ui.label(theme::small(remark).color(theme::palette(ui).weak));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if self.can_cover {
                    let word = if self.open { "Hide" } else { "Show" };
                    let spoken = format!("{word} {}", name.to_lowercase());
                    self.toggled |= text_button(ui, word, &spoken).on_hover_text(&spoken).clicked();
                }
                more(self, ui, named);
            });
        });
        if self.open {
            self.write(ui, named, name, text, part);
        } else {
            hidden_text(ui, text, 56.0);
            ui.add_space(theme::TIGHT);
        }
    }

    /// A field of one line.
    fn single(&mut self, ui: &mut Ui, name: &str, hint: &str, text: &mut String, part: &'static str) {
        let named = field(ui, name, hint);
        let edit = TextEdit::singleline(text).desired_width(f32::INFINITY).id_salt(name);
        if ui.add_enabled(self.blocked.is_none(), edit).labelled_by(named).changed() {
            self.edited = Some(part);
        }
    }

    /// Two fields of one line beside each other.
    fn pair(&mut self, ui: &mut Ui, fields: [(&str, &str, &mut String, &'static str); 2]) {
        ui.horizontal(|ui| {
            let width = (ui.available_width() - theme::GAP) / 2.0;
            for (name, hint, text, part) in fields {
                ui.vertical(|ui| {
                    ui.set_width(width);
                    self.single(ui, name, hint, text, part);
                });
            }
        });
        ui.add_space(theme::TIGHT);
    }

    /// A small button that adds a part or takes one out.
    fn part(&mut self, ui: &mut Ui, edit: PartEdit) {
        let command = DataCommand::Part(edit);
        if link_button(ui, &command, self.blocked) {
            self.commands.push(command);
        }
    }
}

/// "Request", or "Request 2" where there are several.
fn numbered(name: &str, place: usize, of: usize) -> String {
    if of > 1 { format!("{name} {place}") } else { name.to_owned() }
}
