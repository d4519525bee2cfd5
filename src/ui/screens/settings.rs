//! Settings: what one person likes, and which project is open.

use crate::ui::app::{AppCommand, BUSY, Command, Theme, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{
    card, check_label, command_button, fact, field, link_button, primary_button, screen_title, section,
};
use eframe::egui::{self, ScrollArea, TextEdit, Ui};
use egui_material_icons::icons;
use std::path::PathBuf;

/// The Settings screen.
#[derive(Default)]
pub struct SettingsScreen {
    folder: String,
    title: String,
    author: Option<String>,
    no_choice: bool,
}

impl SettingsScreen {
    /// A folder was chosen, or the dialog was closed.
    pub fn folder_picked(&mut self, chosen: Option<PathBuf>) {
        self.no_choice = chosen.is_none();
        if let Some(folder) = chosen {
            self.folder = folder.display().to_string();
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(ui, "Settings", "Colours, size, the tour, and which project is open.");
        ScrollArea::vertical().id_salt("settings").auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(720.0);
            card(ui, |ui| self.project(ui, view));
            ui.add_space(theme::GROUP);
            card(ui, |ui| self.person(ui, view));
            ui.add_space(theme::GROUP);
            card(ui, |ui| looks(ui, view));
            ui.add_space(theme::GROUP);
            card(ui, |ui| help(ui, view));
        });
    }

    fn person(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        section(ui, "You");
        let id = field(
            ui,
            "Your name",
            "Labels and examples that you write carry it. It stays in the projects in which you label.",
        );
        let author = self.author.get_or_insert_with(|| view.preferences.author.clone());
        let edit = ui
            .add(TextEdit::singleline(author).hint_text("A name or initials").desired_width(320.0))
            .labelled_by(id);
        if edit.lost_focus() && *author != view.preferences.author {
            let name = author.trim().to_owned();
            view.send(AppCommand::SetAuthor(name));
        }
        ui.add_space(theme::GAP);
        let mut uncovered = view.preferences.uncovered;
        if check_label(ui, &mut uncovered, "Show harmful answers without asking", "").changed() {
            view.send(AppCommand::Uncover(uncovered));
        }
        let hint = "Everything harmful in the demo project is fictional; what you import may not be.";
        ui.label(theme::small(hint).color(theme::palette(ui).weak));
    }

    fn project(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        section(ui, "Project");
        fact(ui, "Open now", &view.project.title);
        fact(ui, "Folder", &view.project.root.display().to_string());
        ui.add_space(theme::GAP);
        let id = field(
            ui,
            "Folder of another project",
            "A project to open, or an empty or new folder in which one is made.",
        );
        ui.horizontal(|ui| {
            let edit = TextEdit::singleline(&mut self.folder)
                .hint_text("/home/you/my-project")
                .desired_width(ui.available_width() - 232.0);
            ui.add(edit).labelled_by(id);
            let choose = Command::from(AppCommand::Choose(Wish::ProjectFolder));
            if command_button(ui, &choose, None) {
                view.send(choose);
            }
        });
        if self.no_choice {
            ui.label(
                theme::small("No folder was chosen. If no dialog opened, write the path into the field.")
                    .color(p.weak),
            );
        }
        let id =
            field(ui, "Title, if the project is new", "What the project is called at the top of the window.");
        ui.add(TextEdit::singleline(&mut self.title).hint_text("My project").desired_width(320.0))
            .labelled_by(id);
        ui.add_space(theme::GAP);
        let folder = PathBuf::from(self.folder.trim());
        let busy = (view.jobs.open_count() > 0).then_some(BUSY);
        let blocked = busy.or(self.folder.trim().is_empty().then_some("Name a folder first."));
        ui.horizontal(|ui| {
            if primary_button(ui, icons::ICON_FOLDER_OPEN, "Open project", blocked).clicked() {
                view.send(AppCommand::OpenFolder(folder.clone()));
            }
            let title = if self.title.trim().is_empty() { "My project" } else { self.title.trim() };
            let make = AppCommand::NewProject(folder.clone(), title.to_owned());
            if command_button(ui, &make, blocked) {
                view.send(make);
            }
            if command_button(ui, &AppCommand::OpenDemo, busy) {
                view.send(AppCommand::OpenDemo);
            }
        });
        let others = view.preferences.recent.iter().filter(|root| **root != view.project.root);
        let others: Vec<AppCommand> = others.cloned().map(AppCommand::OpenFolder).collect();
        if !others.is_empty() {
            ui.add_space(theme::GAP);
            ui.label(theme::label("Opened before"));
            for other in others {
                if link_button(ui, &other, busy) {
                    view.send(other);
                }
            }
        }
    }
}

fn looks(ui: &mut Ui, view: &mut View<'_>) {
    section(ui, "Looks");
    field(ui, "Colours", "Light, dark, or as the system says.");
    ui.horizontal(|ui| {
        for theme in Theme::ALL {
            let chosen = view.preferences.theme == theme;
            if ui.selectable_label(chosen, theme.label()).clicked() && !chosen {
                view.send(AppCommand::SetTheme(theme));
            }
        }
    });
    ui.add_space(theme::GAP);
    field(ui, "Size", "How large everything in the window is.");
    ui.horizontal(|ui| {
        for command in [AppCommand::Smaller, AppCommand::UsualSize, AppCommand::Larger] {
            if command_button(ui, &command, None) {
                view.send(command);
            }
        }
        ui.label(theme::small(format!("{:.0} %", view.preferences.scale * 100.0)));
    });
}

fn help(ui: &mut Ui, view: &mut View<'_>) {
    section(ui, "Help");
    ui.horizontal_wrapped(|ui| {
        for command in [
            AppCommand::Tour(true),
            AppCommand::Glossary,
            AppCommand::Palette,
            AppCommand::CopyDiagnostics,
            AppCommand::Reveal(view.project.root.clone()),
        ] {
            if command_button(ui, &command, None) {
                view.send(command);
            }
        }
    });
    ui.add_space(theme::GAP);
    let text = format!("Plumbline {}", env!("CARGO_PKG_VERSION"));
    ui.add(egui::Label::new(theme::small(text).color(theme::palette(ui).weak)));
}
