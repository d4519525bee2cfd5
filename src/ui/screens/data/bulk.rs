//! Several examples are selected: what can be done with all of them.

use super::set::OpenSet;
use crate::data::{BulkEdit, DatasetKind};
use crate::ui::app::{DataCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{command_button, field, section};
use eframe::egui::{self, DragValue, Ui};

/// What is filled in.
#[derive(Debug, Default)]
pub struct Form {
    category: String,
    source: String,
    cut: usize,
    done: Option<(usize, usize)>,
}

impl Form {
    /// The selection has changed: what was done belongs to another one.
    pub fn begin(&mut self) {
        self.done = None;
    }

    /// So many of so many were changed.
    pub fn done(&mut self, changed: usize, of: usize) {
        self.done = Some((changed, of));
    }
}

/// Draws the form.
pub fn show(ui: &mut Ui, set: &OpenSet, form: &mut Form, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let blocked = view.read_only();
    section(ui, &format!("{} examples selected", set.chosen.len()));
    ui.label(theme::small("What you do here is done to all of them. One undo takes it back.").color(p.weak));
    ui.add_space(theme::GAP);

    text(ui, view, "Category for all", &mut form.category, BulkEdit::Category);
    if matches!(set.kind, DatasetKind::Recovery | DatasetKind::Chat) {
        text(ui, view, "Source for all", &mut form.source, BulkEdit::Source);
    }
    if set.kind == DatasetKind::Recovery {
        let named =
            field(ui, "Cut after k tokens", "How much of the harmful answer stands before the refusal.");
        ui.horizontal(|ui| {
            ui.add(DragValue::new(&mut form.cut).range(0..=10_000).suffix(" tokens")).labelled_by(named);
            for cut in [Some(form.cut), None] {
                press(ui, view, DataCommand::Bulk(BulkEdit::Cut(cut)), blocked);
            }
        });
        ui.add_space(theme::GAP);
        press(ui, view, DataCommand::Bulk(BulkEdit::Refusal), blocked);
        ui.add_space(theme::GAP);
    }
    if let Some((changed, of)) = form.done {
        ui.label(theme::small(format!("{changed} of {of} were changed.")).color(p.weak));
    }
    ui.separator();
    ui.horizontal_wrapped(|ui| {
        press(ui, view, DataCommand::RemoveExample, blocked);
        press(ui, view, DataCommand::SelectOne, None);
    });
}

fn press(ui: &mut Ui, view: &mut View<'_>, command: DataCommand, blocked: Option<&str>) {
    if command_button(ui, &command, blocked) {
        view.send(command);
    }
}

fn text(ui: &mut Ui, view: &mut View<'_>, name: &str, text: &mut String, edit: fn(String) -> BulkEdit) {
    let named = field(ui, name, "Empty takes it away.");
    ui.horizontal(|ui| {
        let width = ui.available_width() - 132.0;
        ui.add(egui::TextEdit::singleline(text).desired_width(width).id_salt(name)).labelled_by(named);
        press(ui, view, DataCommand::Bulk(edit(text.trim().to_owned())), view.read_only());
    });
    ui.add_space(theme::TIGHT);
}
