//! Ways to get a model into the project: from a folder, from the Hub, or the demo pair.

use super::hub::HubForm;
use super::question::role_field;
use crate::project::ModelRole;
use crate::ui::app::{AppCommand, ModelsCommand, ModelsRequest, Request, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, field, notice, primary_button, section};
use eframe::egui::{self, RichText, TextEdit, Ui};
use egui_material_icons::icons;
use std::path::PathBuf;

/// The forms that add a model.
#[derive(Default)]
pub struct AddForm {
    /// From the Hub.
    pub hub: HubForm,
    folder: String,
    title: String,
    role: ModelRole,
    busy: bool,
    outcome: Option<Result<String, String>>,
    no_choice: bool,
}

impl AddForm {
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
    pub fn request(&mut self) -> Option<Request> {
        if self.blocked(None).is_some() {
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

    fn blocked(&self, read_only: Option<&'static str>) -> Option<&'static str> {
        if read_only.is_some() {
            read_only
        } else if self.busy {
            Some("The folder is being checked.")
        } else if self.folder.trim().is_empty() {
            Some("Name the model's folder first.")
        } else {
            None
        }
    }

    /// Draws the forms; `working` while a download or the like is under way.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, working: bool) {
        egui::ScrollArea::vertical().id_salt("add a model").auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(760.0_f32.min(ui.available_width() - theme::PAD));
            self.folder_form(ui, view);
            ui.add_space(theme::SCREEN);
            self.hub.show(ui, view, working);
            ui.add_space(theme::SCREEN);
            demo_pair(ui, view);
        });
    }

    fn folder_form(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        section(ui, "From a folder");
        ui.label(
            RichText::new("A Llama-like checkpoint in safetensors, an adapter (LoRA), or a GGUF file, which only answers. It stays where it is.")
                .color(p.weak),
        );
        let id = field(
            ui,
            "Folder of the model",
            "A checkpoint's folder holds config.json, weights in safetensors and tokenizer.json.",
        );
        ui.horizontal(|ui| {
            let edit = TextEdit::singleline(&mut self.folder)
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
                    .color(p.weak),
            );
        }
        ui.add_space(theme::TIGHT);
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width(360.0);
                let id = field(ui, "Name of the model", "How it is called in this project.");
                let hint = if self.folder.trim().is_empty() { "my-model".into() } else { self.folder_name() };
                ui.add(TextEdit::singleline(&mut self.title).hint_text(hint).desired_width(f32::INFINITY))
                    .labelled_by(id);
            });
            ui.vertical(|ui| role_field(ui, "Role of the new model", &mut self.role));
        });
        ui.add_space(theme::GAP);
        let blocked = self.blocked(view.read_only());
        if primary_button(ui, icons::ICON_ADD, "Add model", blocked).clicked() {
            view.send(ModelsCommand::Add);
        }
        if self.busy {
            ui.weak("Checking config, weights and tokenizer…");
        }
        match &self.outcome {
            Some(Ok(id)) => notice(ui, Tone::Good, &format!("Added as {id}.")),
            Some(Err(error)) => notice(ui, Tone::Error, error),
            None => {}
        }
    }
}

fn demo_pair(ui: &mut Ui, view: &mut View<'_>) {
    let p = theme::palette(ui);
    section(ui, "The demo pair");
    ui.label(
        RichText::new("Two small models of the fictional world Emberfall, which Plumbline carries with it: one that answers everything, and one that was taught to refuse.")
            .color(p.weak),
    );
    ui.add_space(theme::GAP);
    if command_button(ui, &ModelsCommand::AddDemoPair, view.read_only()) {
        view.send(ModelsCommand::AddDemoPair);
    }
    ui.add_space(theme::GROUP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_error_the_form_keeps_what_was_typed() {
        let mut form = AddForm { folder: "/models/x".into(), ..AddForm::default() };
        assert!(form.request().is_some());
        assert!(form.request().is_none(), "not twice at once");
        form.added(Err("config.json is missing".into()));
        assert_eq!(form.folder, "/models/x");
        assert!(form.request().is_some());
    }
}
