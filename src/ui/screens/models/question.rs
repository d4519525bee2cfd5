//! What is asked before a model is changed, removed, exported or merged.

use super::work::WORKING;
use super::{ModelsScreen, is_adapter};
use crate::project::{ModelEntry, ModelRole};
use crate::ui::app::{AppCommand, Command, ModelsCommand, Snapshot, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{Tone, combo_box, command_button, field, notice, primary_button};
use eframe::egui::{self, Frame, Margin, RichText, TextEdit, Ui};
use egui_material_icons::{MaterialIcon, icons};
use std::path::PathBuf;

/// The choice of no parent.
const NO_PARENT: &str = "no other model here";

/// A question that is open.
pub enum Question {
    /// What a model is called, and what it is.
    Edit {
        /// As it will be.
        entry: ModelEntry,
    },
    /// Whether a model is to be taken off the list.
    Remove {
        /// Which.
        entry: ModelEntry,
        /// Where its files are.
        folder: PathBuf,
        /// What was made from it.
        children: Vec<String>,
    },
    /// Where a model is to be written to.
    Export {
        /// Which.
        id: String,
        /// Its folder.
        from: PathBuf,
        /// The new folder.
        to: String,
        /// Whether it is an adapter, which is merged on the way.
        adapter: bool,
    },
    /// What a merged model is to be called.
    Merge {
        /// The adapter.
        id: String,
        /// The new model's name.
        title: String,
    },
}

impl Question {
    /// The question that `command` begins with; `None` where the model is not there.
    pub fn of(project: &Snapshot, command: ModelsCommand) -> Option<Self> {
        Some(match command {
            ModelsCommand::Edit(id) => Self::Edit { entry: project.model(&id)?.entry.clone() },
            ModelsCommand::Remove(id) => {
                let model = project.model(&id)?;
                Self::Remove {
                    entry: model.entry.clone(),
                    folder: model.folder.clone(),
                    children: children(project, &id),
                }
            }
            ModelsCommand::Export(id) => {
                let model = project.model(&id)?;
                let adapter = is_adapter(model);
                let from = model.folder.clone();
                let to = project.root.join("exports").join(&id).display().to_string();
                Self::Export { id, from, to, adapter }
            }
            ModelsCommand::Merge(id) => Self::Merge { title: format!("{id} merged"), id },
            _ => return None,
        })
    }
}

/// The models that were made from this one.
pub fn children(project: &Snapshot, id: &str) -> Vec<String> {
    let made_from = |model: &&crate::ui::app::ModelView| model.entry.parent.as_deref() == Some(id);
    project.models.iter().filter(made_from).map(|model| model.entry.id.clone()).collect()
}

impl ModelsScreen {
    /// Draws the question that is open.
    pub(super) fn show_question(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let working = self.work.is_some().then_some(WORKING);
        let Some(question) = &mut self.question else { return };
        let modal = egui::Modal::new(egui::Id::unique("question about a model"))
            .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::SCREEN as i8)))
            .show(ui.ctx(), |ui| {
                ui.set_width(480.0);
                match question {
                    Question::Edit { entry } => edit(ui, entry, view),
                    Question::Remove { entry, folder, children } => {
                        ui.label(theme::heading(format!("Remove {} from the project?", entry.id)));
                        ui.label(format!(
                            "It leaves this project's list. Its files stay where they are, in {}.",
                            folder.display()
                        ));
                        if !children.is_empty() {
                            let text =
                                format!("{} still names it as where it comes from.", children.join(" and "));
                            notice(ui, Tone::Plain, &text);
                        }
                        let remove = ModelsCommand::RemoveNow(entry.id.clone());
                        answer(ui, icons::ICON_DELETE, remove, view.read_only(), view);
                    }
                    Question::Export { id, to, adapter, .. } => {
                        ui.label(theme::heading(format!("Export {id}")));
                        ui.label(if *adapter {
                            "Writes a whole checkpoint that opens in transformers: the adapter is merged into its base, in 32-bit floats."
                        } else {
                            "Writes a whole checkpoint that opens in transformers: config, weights, tokenizer and template, byte by byte."
                        });
                        ui.add_space(theme::GAP);
                        let name = field(ui, "New folder", "A folder that does not exist yet.");
                        ui.add(TextEdit::singleline(to).desired_width(f32::INFINITY)).labelled_by(name);
                        let choose = AppCommand::Choose(Wish::ExportFolder);
                        if command_button(ui, &choose, None) {
                            view.send(choose);
                        }
                        let empty = to.trim().is_empty().then_some("Name a folder first.");
                        answer(ui, icons::ICON_FILE_EXPORT, ModelsCommand::ExportNow, working.or(empty), view);
                    }
                    Question::Merge { id, title } => {
                        ui.label(theme::heading(format!("Merge {id}")));
                        ui.label(
                            "The adapter is added to the weights of the model that it stands on. The result is a new model of this project, in 32-bit floats; both parts stay as they are.",
                        );
                        ui.add_space(theme::GAP);
                        let name = field(ui, "Name of the merged model", "How it is called in this project.");
                        ui.add(TextEdit::singleline(title).desired_width(f32::INFINITY)).labelled_by(name);
                        let empty = title.trim().is_empty().then_some("Give it a name first.");
                        let blocked = view.read_only().or(working).or(empty);
                        answer(ui, icons::ICON_MERGE, ModelsCommand::MergeNow, blocked, view);
                    }
                }
            });
        if modal.should_close() {
            view.send(ModelsCommand::CloseQuestion);
        }
    }
}

fn edit(ui: &mut Ui, entry: &mut ModelEntry, view: &mut View<'_>) {
    let p = theme::palette(ui);
    ui.label(theme::heading(format!("What is {}?", entry.id)));
    ui.label(
        RichText::new(format!("Its id stays {}: runs and evaluations refer to it.", entry.id)).color(p.weak),
    );
    ui.add_space(theme::GAP);
    let name = field(ui, "Name", "How it is called in this project.");
    ui.add(TextEdit::singleline(&mut entry.title).desired_width(f32::INFINITY)).labelled_by(name);
    ui.add_space(theme::TIGHT);
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            ui.set_width(200.0);
            role_field(ui, "Role", &mut entry.role);
        });
        ui.vertical(|ui| {
            field(ui, "Made from", "The model that it was trained from. Evaluation compares the two.");
            let current = entry.parent.clone();
            let combo = combo_box("parent", 220.0)
                .selected_text(current.as_deref().unwrap_or(NO_PARENT))
                .show_ui(ui, |ui| {
                    if ui.selectable_label(current.is_none(), NO_PARENT).clicked() {
                        entry.parent = None;
                    }
                    for model in &view.project.models {
                        let id = &model.entry.id;
                        let itself = *id == entry.id;
                        if !itself && ui.selectable_label(current.as_ref() == Some(id), id).clicked() {
                            entry.parent = Some(id.clone());
                        }
                    }
                })
                .response;
            combo.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Made from"));
        });
    });
    ui.add_space(theme::TIGHT);
    let note = field(ui, "Note", "Anything worth remembering about it.");
    ui.add(TextEdit::multiline(&mut entry.note).desired_rows(2).desired_width(f32::INFINITY))
        .labelled_by(note);
    answer(ui, icons::ICON_CHECK, ModelsCommand::SaveEdit, view.read_only(), view);
}

/// A choice of a role.
pub fn role_field(ui: &mut Ui, name: &str, role: &mut ModelRole) {
    field(ui, name, "What the model is in your story; it decides its colour.");
    let combo = combo_box(name, 160.0)
        .selected_text(role.label())
        .show_ui(ui, |ui| {
            for choice in ModelRole::ALL {
                ui.selectable_value(role, choice, choice.label());
            }
        })
        .response;
    combo.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
}

/// The button that does it, and the one that does not.
fn answer(
    ui: &mut Ui,
    icon: MaterialIcon,
    command: ModelsCommand,
    blocked: Option<&str>,
    view: &mut View<'_>,
) {
    ui.add_space(theme::GROUP);
    ui.horizontal(|ui| {
        let about = Command::from(command.clone()).about();
        if primary_button(ui, icon, &about.text, blocked).clicked() {
            view.send(command);
        }
        if command_button(ui, &ModelsCommand::CloseQuestion, None) {
            view.send(ModelsCommand::CloseQuestion);
        }
    });
}
