//! Sets that are only read: a table of the examples and the selected one in full.

use crate::data::{DatasetKind, Examples};
use crate::project::DatasetEntry;
use crate::text::Role;
use crate::ui::theme;
use crate::ui::widgets::{chip, hidden_text, line, text_button};
use eframe::egui::{self, Align, Layout, Panel, RichText, Ui};
use egui_extras::{Column, TableBuilder};

/// One line of the table.
fn row_text(examples: &Examples, index: usize) -> (&str, &str) {
    match examples {
        Examples::Recovery(rows) => (rows[index].request(), &rows[index].category),
        Examples::Chat(rows) => {
            let first = rows[index].messages.iter().find(|m| m.role == Role::User);
            (first.map_or("", |m| m.content.as_str()), &rows[index].category)
        }
        Examples::Attack(rows) => (&rows[index].goal, &rows[index].category),
        Examples::Utility(rows) => (&rows[index].prompt, &rows[index].task),
    }
}

/// Draws the table and the detail.
pub fn show(
    ui: &mut Ui,
    entry: &DatasetEntry,
    examples: &Examples,
    selected: &mut usize,
    find: &mut String,
    shown: &mut Option<String>,
) {
    let width = (ui.available_width() * 0.5).clamp(360.0, 640.0);
    let side =
        egui::Frame::new().inner_margin(egui::Margin { left: theme::SCREEN as i8, ..Default::default() });
    Panel::right("reader").frame(side).resizable(false).show_separator_line(false).exact_size(width).show(
        ui,
        |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink(false)
                .show(ui, |ui| detail(ui, entry, examples, *selected, shown));
        },
    );
    let middle =
        egui::Frame::new().inner_margin(egui::Margin { left: theme::GROUP as i8, ..Default::default() });
    egui::CentralPanel::no_frame()
        .frame(middle)
        .show(ui, |ui| table(ui, entry, examples, selected, find, shown));
}

fn table(
    ui: &mut Ui,
    entry: &DatasetEntry,
    examples: &Examples,
    selected: &mut usize,
    find: &mut String,
    shown: &mut Option<String>,
) {
    let p = theme::palette(ui);
    let field = ui.add(
        egui::TextEdit::singleline(find).hint_text("Find a request or category").desired_width(f32::INFINITY),
    );
    field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find in this set"));
    let wanted = find.to_lowercase();
    let hits: Option<Vec<usize>> = (!wanted.is_empty()).then(|| {
        (0..examples.len())
            .filter(|&i| {
                let (text, category) = row_text(examples, i);
                text.to_lowercase().contains(&wanted) || category.to_lowercase().contains(&wanted)
            })
            .collect()
    });
    let count = hits.as_ref().map_or(examples.len(), Vec::len);
    let last = match entry.kind {
        DatasetKind::Utility => "Task",
        _ => "Category",
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    TableBuilder::new(ui)
        .id_salt(&entry.id)
        .sense(egui::Sense::click())
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(48.0))
        .column(Column::remainder().clip(true))
        .column(Column::exact(96.0).clip(true))
        .header(28.0, |mut header| {
            for name in ["No.", "Request", last] {
                header.col(|ui| {
                    ui.add_space(if name == "No." { theme::TIGHT } else { 0.0 });
                    ui.label(theme::label(name).color(p.weak));
                });
            }
        })
        .body(|body| {
            body.rows(36.0, count, |mut row| {
                let index = hits.as_ref().map_or(row.index(), |hits| hits[row.index()]);
                row.set_selected(index == *selected);
                let (text, category) = row_text(examples, index);
                row.col(|ui| {
                    ui.add_space(theme::TIGHT);
                    ui.label(theme::small((index + 1).to_string()).color(p.weak));
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(theme::small(text)).truncate());
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(theme::small(category).color(p.weak)).truncate());
                });
                if row.response().clicked() {
                    *selected = index;
                    *shown = None;
                }
            });
        });
}

fn detail(ui: &mut Ui, entry: &DatasetEntry, examples: &Examples, index: usize, shown: &mut Option<String>) {
    let p = theme::palette(ui);
    let Some(id) = examples.id(index) else {
        ui.weak("Select an example on the left.");
        return;
    };
    if !entry.note.is_empty() {
        ui.label(theme::small(&entry.note).color(p.weak));
        ui.add_space(theme::GAP);
    }
    let open = shown.as_deref() == Some(id);
    match examples {
        Examples::Recovery(_) => {}
        Examples::Chat(rows) => {
            for message in &rows[index].messages {
                match message.role {
                    Role::System => part(ui, "Instructions", &message.content),
                    Role::User => part(ui, "Person", &message.content),
                    Role::Assistant => covered(ui, "Model's answer", &message.content, id, open, shown),
                }
            }
            tags(ui, &[&rows[index].category, &rows[index].source]);
        }
        Examples::Attack(rows) => {
            let row = &rows[index];
            part(ui, "Request", &row.goal);
            if let Some(target) = &row.target {
                covered(ui, "Reference harmful answer", target, id, open, shown);
            }
            tags(ui, &[&row.category, &row.cluster]);
        }
        Examples::Utility(rows) => {
            let row = &rows[index];
            part(ui, "Request", &row.prompt);
            part(ui, "Right answer", &row.reference);
            tags(ui, &[&row.task, &row.category, &row.cluster]);
        }
    }
    ui.add_space(theme::GROUP);
    let mut facts = vec![format!("{} examples", entry.count)];
    facts.extend([&entry.licence, &entry.source].into_iter().filter(|text| !text.is_empty()).cloned());
    ui.label(theme::small(facts.join(" · ")).color(p.weak));
}

fn part(ui: &mut Ui, name: &str, text: &str) {
    ui.label(theme::label(name));
    ui.add(egui::Label::new(RichText::new(text)).wrap());
    ui.add_space(theme::PAD);
}

/// An answer that may be harmful: covered until it is asked for.
fn covered(ui: &mut Ui, name: &str, text: &str, id: &str, open: bool, shown: &mut Option<String>) {
    line(ui, 20.0, |ui| {
        ui.label(theme::label(name));
        let (word, spoken) = if open { ("Hide", "Hide answer") } else { ("Show", "Show answer") };
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if text_button(ui, word, spoken).clicked() {
                *shown = if open { None } else { Some(id.to_owned()) };
            }
        });
    });
    if open {
        ui.add(egui::Label::new(RichText::new(text)).wrap());
    } else {
        hidden_text(ui, text, 72.0);
    }
    ui.add_space(theme::PAD);
}

fn tags(ui: &mut Ui, tags: &[&str]) {
    let p = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        for tag in tags.iter().filter(|tag| !tag.is_empty()) {
            chip(ui, tag, p.weak);
        }
    });
}
