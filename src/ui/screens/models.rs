//! Models: a card for each, and a form to add one from a folder.

use crate::model::{Needs, ROWS, TOKENS, readable_size};
use crate::project::ModelRole;
use crate::ui::app::{
    AppCommand, Command, EvaluateCommand, ModelView, ModelsCommand, ModelsRequest, Request, View, Wish,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, combo_box, command_button, fact, field, icon_text, line, notice, primary_button, role_chip,
    screen_title, section, text_button,
};
use eframe::egui::{self, CornerRadius, Frame, Margin, Stroke, Ui, Vec2};
use egui_material_icons::icons;
use std::path::PathBuf;

/// The least width of a card.
const CARD: f32 = 300.0;
/// Height of a card.
const HEIGHT: f32 = 308.0;

/// The Models screen.
#[derive(Default)]
pub struct ModelsScreen {
    adding: bool,
    folder: String,
    title: String,
    role: ModelRole,
    busy: bool,
    outcome: Option<Result<String, String>>,
    no_choice: bool,
}

impl ModelsScreen {
    /// A folder was chosen, or the dialog was closed without a choice.
    pub fn folder_picked(&mut self, folder: Option<PathBuf>) {
        self.no_choice = folder.is_none();
        if let Some(folder) = folder {
            if self.title.trim().is_empty()
                && let Some(name) = folder.file_name()
            {
                self.title = name.to_string_lossy().into_owned();
            }
            self.folder = folder.display().to_string();
            self.outcome = None;
        }
    }

    /// What to ask for when the form is sent.
    pub fn add_request(&mut self) -> Option<Request> {
        if self.blocked(false).is_some() {
            return None;
        }
        self.busy = true;
        self.outcome = None;
        let title =
            if self.title.trim().is_empty() { self.folder_name() } else { self.title.trim().to_owned() };
        Some(Request::Models(ModelsRequest::Add {
            folder: PathBuf::from(self.folder.trim()),
            title,
            role: self.role,
        }))
    }

    fn folder_name(&self) -> String {
        PathBuf::from(self.folder.trim())
            .file_name()
            .map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned())
    }

    /// The form's end: the new model's id, or why it was refused. What was typed stays after an error.
    pub fn added(&mut self, result: Result<String, String>) {
        self.busy = false;
        if result.is_ok() {
            self.folder.clear();
            self.title.clear();
        }
        self.outcome = Some(result);
    }

    fn blocked(&self, read_only: bool) -> Option<&'static str> {
        if read_only {
            Some("Another window has this project open; here it can only be read.")
        } else if self.busy {
            Some("The folder is being checked.")
        } else if self.folder.trim().is_empty() {
            Some("Name the model's folder first.")
        } else {
            None
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Models",
            "The models of this project. A model in focus is where training and evaluation start.",
        );
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let per_row =
                ((ui.available_width() + theme::GROUP) / (CARD + theme::GROUP)).floor().max(1.0) as usize;
            let width = (ui.available_width() - theme::PAD + theme::GROUP) / per_row as f32 - theme::GROUP;
            let width = width.min(CARD * 1.5).floor();
            for row in view.project.models.chunks(per_row) {
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = theme::GROUP;
                    for model in row {
                        model_card(
                            ui,
                            model,
                            width,
                            view.focus.model.as_ref() == Some(&model.entry.id),
                            view.commands,
                        );
                    }
                });
                ui.add_space(theme::GAP);
            }
            if view.project.models.is_empty() {
                notice(ui, Tone::Plain, "This project has no model yet. Add one from a folder to begin.");
                self.adding = true;
            }
            ui.add_space(theme::GROUP);
            self.form(ui, view);
        });
    }

    fn form(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        if !self.adding {
            let p = theme::palette(ui);
            let text = "Add model from folder…";
            let label = icon_text(ui, icons::ICON_ADD, text, p.ink, theme::BODY);
            let button = ui.add(egui::Button::new(label));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, text));
            if button
                .on_hover_text(
                    "Any Llama-like checkpoint with config.json, model.safetensors and tokenizer.json.",
                )
                .clicked()
            {
                self.adding = true;
            }
            return;
        }
        ui.set_max_width(720.0);
        section(ui, "Add a model from a folder");
        let id =
            field(ui, "Folder of the model", "It holds config.json, model.safetensors and tokenizer.json.");
        ui.horizontal(|ui| {
            let edit = egui::TextEdit::singleline(&mut self.folder)
                .hint_text("/home/you/models/my-model")
                .desired_width(ui.available_width() - 168.0);
            ui.add(edit).labelled_by(id);
            if command_button(ui, &AppCommand::Choose(Wish::ModelFolder), None) {
                view.commands.push(AppCommand::Choose(Wish::ModelFolder).into());
            }
        });
        if self.no_choice {
            ui.label(
                theme::small("No folder was chosen. If no dialog opened, write the path into the field.")
                    .color(theme::palette(ui).weak),
            );
        }
        ui.add_space(theme::TIGHT);
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width(360.0);
                let id = field(ui, "Name of the model", "How it is called in this project.");
                let hint = if self.folder.trim().is_empty() { "my-model".into() } else { self.folder_name() };
                ui.add(
                    egui::TextEdit::singleline(&mut self.title).hint_text(hint).desired_width(f32::INFINITY),
                )
                .labelled_by(id);
            });
            ui.vertical(|ui| {
                field(ui, "Role", "What the model is in your story; it decides its colour.");
                let combo = combo_box("role of the new model", 160.0)
                    .selected_text(self.role.label())
                    .show_ui(ui, |ui| {
                        for role in ModelRole::ALL {
                            ui.selectable_value(&mut self.role, role, role.label());
                        }
                    })
                    .response;
                combo.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Role of the new model")
                });
            });
        });
        ui.add_space(theme::GAP);
        let blocked = self.blocked(view.project.read_only);
        if primary_button(ui, icons::ICON_ADD, "Add model", blocked).clicked() {
            view.commands.push(ModelsCommand::Add.into());
        }
        if self.busy {
            ui.weak("Checking config, weights and tokenizer…");
        }
        match &self.outcome {
            Some(Ok(id)) => notice(ui, Tone::Good, &format!("Added as {id}.")),
            Some(Err(error)) => {
                notice(ui, Tone::Error, error);
            }
            None => {}
        }
    }
}

/// The memory that running and training take; the parts on hover.
fn memory(ui: &mut Ui, needs: &Needs, context: usize) {
    let mut hover = format!("With {ROWS} rows of {} tokens at once, on the CPU.", TOKENS.min(context));
    for (name, need) in needs.all() {
        let parts: Vec<String> =
            need.parts().iter().map(|(n, b)| format!("{n} {}", readable_size(*b))).collect();
        hover += &format!("\n{name}: {} = {}", readable_size(need.total()), parts.join(" + "));
    }
    let [run, adapter, all] =
        [needs.run, needs.train_adapter, needs.train_all].map(|need| readable_size(need.total()));
    ui.scope(|ui| {
        fact(ui, "Runs in", &run);
        fact(ui, "Trains in", &format!("{all} · adapter {adapter}"));
    })
    .response
    .on_hover_text(hover);
}

fn model_card(ui: &mut Ui, model: &ModelView, width: f32, in_focus: bool, commands: &mut Vec<Command>) {
    let p = theme::palette(ui);
    let edge = if in_focus { p.accent } else { p.border };
    let frame = Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, edge))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::same(theme::GROUP as i8));
    let inner = width - 2.0 * theme::GROUP - 2.0;
    let response = frame.show(ui, |ui| {
        ui.vertical(|ui| {
            ui.set_width(inner);
            ui.set_height(HEIGHT - 2.0 * theme::GROUP);
            ui.spacing_mut().item_spacing.y = theme::TIGHT;
            line(ui, 28.0, |ui| {
                let room = ui.available_width() - 116.0;
                ui.scope(|ui| {
                    ui.set_max_width(room);
                    ui.add(egui::Label::new(theme::heading(&model.entry.id)).truncate());
                });
                role_chip(ui, model.entry.role);
            });
            if !model.entry.title.is_empty() && model.entry.title != model.entry.id {
                ui.add(egui::Label::new(theme::small(&model.entry.title).color(p.weak)).truncate());
            }
            ui.add_space(theme::GAP);
            match &model.card {
                Ok(card) => {
                    let architecture = card.architecture.trim_end_matches("ForCausalLM");
                    fact(
                        ui,
                        "Architecture",
                        &format!("{architecture} · {} layers × {}", card.layers, card.hidden),
                    );
                    fact(ui, "Parameters", &format!("{} · {}", count(card.parameters), card.dtype));
                    fact(ui, "Size on disk", &readable_size(card.bytes_on_disk));
                    fact(ui, "Reads", &format!("{} tokens · vocabulary {}", card.context, card.vocab));
                    if let Some(adapter) = &card.adapter {
                        fact(ui, "Adapter", adapter);
                    }
                    if let Some(needs) = &card.needs {
                        memory(ui, needs, card.context);
                    }
                }
                Err(error) => notice(ui, Tone::Error, error),
            }
            fact(ui, "Made from", model.entry.parent.as_deref().unwrap_or("no other model here"));
            fact(ui, "Folder", &model.entry.location.display().to_string());
            ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
                line(ui, 20.0, |ui| {
                    let focus = Command::from(ModelsCommand::Focus(model.entry.id.clone()));
                    if in_focus {
                        ui.label(theme::small("In focus").color(p.accent));
                    } else if quiet(ui, &focus, "Put in focus") {
                        commands.push(focus);
                    }
                    let evaluate = Command::from(EvaluateCommand::Model(model.entry.id.clone()));
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if model.card.is_ok() && quiet(ui, &evaluate, "Evaluate") {
                            commands.push(evaluate);
                        }
                    });
                });
            });
        });
    });
    // The role's colour stands at the card's edge, so that cards can be told apart from across a room.
    let rect = response.response.rect;
    let bar = egui::Rect::from_min_size(rect.left_top() + Vec2::new(0.0, 14.0), Vec2::new(4.0, 32.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), theme::role_colour(model.entry.role));
}

/// A command as a small text button.
fn quiet(ui: &mut Ui, command: &Command, text: &str) -> bool {
    let name = match command {
        Command::Evaluate(EvaluateCommand::Model(id)) => format!("Evaluate {id}"),
        other => other.text().into_owned(),
    };
    text_button(ui, text, &name).on_hover_text(command.tooltip()).clicked()
}

/// A count in words that fit a card: 790 thousand, 1.2 million, 7.0 billion.
fn count(n: usize) -> String {
    let x = n as f64;
    match n {
        0..=9_999 => n.to_string(),
        10_000..=999_999 => format!("{:.0} thousand", x / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} million", x / 1e6),
        _ => format!("{:.1} billion", x / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_read_well() {
        assert_eq!(count(812), "812");
        assert_eq!(count(790_000), "790 thousand");
        assert_eq!(count(1_240_000), "1.2 million");
        assert_eq!(count(7_000_000_000), "7.0 billion");
        assert_eq!(readable_size(3_140_000), "3.1 MB");
        assert_eq!(readable_size(14_000_000_000), "14.0 GB");
    }

    #[test]
    fn after_an_error_the_form_keeps_what_was_typed() {
        let mut screen = ModelsScreen { folder: "/models/x".into(), ..ModelsScreen::default() };
        assert!(screen.add_request().is_some());
        assert!(screen.add_request().is_none(), "not twice at once");
        screen.added(Err("config.json is missing".into()));
        assert_eq!(screen.folder, "/models/x");
        assert!(screen.add_request().is_some());
    }
}
