//! The form that fetches a model from the Hub: what is there first, then the download.

use super::question::role_field;
use super::size;
use super::work::WORKING;
use crate::model::readable_size;
use crate::project::ModelRole;
use crate::ui::app::{HubView, HubWish, ModelsCommand, NO_HUB, View, Work};
use crate::ui::theme;
use crate::ui::widgets::{Tone, card, command_button, field, notice, primary_button, section, tick};
use eframe::egui::{RichText, TextEdit, Ui};
use egui_material_icons::icons;

/// The form.
#[derive(Default)]
pub struct HubForm {
    wish: HubWish,
    title: String,
    role: ModelRole,
    /// What was asked about, and what the Hub said.
    seen: Option<(HubWish, Result<HubView, String>)>,
    /// What is being asked about.
    asking: Option<HubWish>,
}

impl HubForm {
    /// Asks what the model consists of.
    pub fn look(&mut self) -> Work {
        self.seen = None;
        self.asking = Some(self.wish.clone());
        Work::Look(self.wish.clone())
    }

    /// Takes in what the Hub said.
    pub fn looked(&mut self, result: Result<HubView, String>) {
        if let Some(asked) = self.asking.take() {
            self.seen = Some((asked, result));
        }
    }

    /// Says why nothing was begun.
    pub fn refuse(&mut self, why: &str) {
        self.asking = None;
        self.seen = Some((self.wish.clone(), Err(why.to_owned())));
    }

    /// Fetches what was looked at: the very commit, whatever the branch stands for by now.
    pub fn fetch(&self) -> Work {
        let mut wish = self.wish.clone();
        if let Some((_, Ok(view))) = &self.seen {
            wish.revision.clone_from(&view.commit);
        }
        Work::Fetch { wish, title: self.title.trim().to_owned(), role: self.role }
    }

    /// The model's name without its owner.
    pub fn name(&self) -> &str {
        self.wish.repo.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Draws the form; `working` while something is under way.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>, working: bool) {
        let p = theme::palette(ui);
        section(ui, "From the Hub");
        if cfg!(not(feature = "hub")) {
            notice(ui, Tone::Plain, NO_HUB);
            return;
        }
        ui.label(
            RichText::new("Downloads a model of huggingface.co at a pinned commit, so that the same files can be fetched again. Only safetensors and GGUF; files that can run programs are never fetched.")
                .color(p.weak),
        );
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width(360.0);
                let id = field(ui, "Model on the Hub", "owner/name, or the address of its page.");
                let edit = TextEdit::singleline(&mut self.wish.repo)
                    .hint_text("HuggingFaceTB/SmolLM2-135M-Instruct")
                    .desired_width(f32::INFINITY);
                ui.add(edit).labelled_by(id);
            });
            ui.vertical(|ui| {
                ui.set_width(140.0);
                let id = field(ui, "Revision", "A branch, a tag, or the 40 characters of a commit.");
                let edit = TextEdit::singleline(&mut self.wish.revision)
                    .hint_text("main")
                    .desired_width(f32::INFINITY);
                ui.add(edit).labelled_by(id);
            });
            ui.vertical(|ui| {
                ui.set_width(ui.available_width());
                let id = field(
                    ui,
                    "One file",
                    "For GGUF: the path of one file in the repository. Empty fetches the checkpoint.",
                );
                let edit = TextEdit::singleline(&mut self.wish.file)
                    .hint_text("whole checkpoint")
                    .desired_width(f32::INFINITY);
                ui.add(edit).labelled_by(id);
            });
        });
        tick(ui, &mut self.wish.offline, "Use only what is on this machine").on_hover_text(
            "Asks nobody: opens a model that was downloaded before, also by other programs that use the same cache.",
        );
        ui.add_space(theme::TIGHT);
        let empty = self.wish.repo.trim().is_empty().then_some("Name a model first, as owner/name.");
        let blocked = working.then_some(WORKING).or(empty);
        let current = self.seen.as_ref().filter(|(asked, _)| *asked == self.wish).map(|(_, result)| result);
        match current {
            Some(Ok(contents)) => {
                contents_card(ui, contents);
                ui.horizontal(|ui| {
                    ui.vertical(|ui| {
                        ui.set_width(360.0);
                        let id = field(ui, "Name of the Hub's model", "How it is called in this project.");
                        let hint = self.wish.repo.trim().rsplit('/').next().unwrap_or_default().to_owned();
                        let edit = TextEdit::singleline(&mut self.title)
                            .hint_text(hint)
                            .desired_width(f32::INFINITY);
                        ui.add(edit).labelled_by(id);
                    });
                    ui.vertical(|ui| role_field(ui, "Role of the Hub's model", &mut self.role));
                });
                ui.add_space(theme::GAP);
                let blocked = view.read_only().or(blocked);
                if primary_button(ui, icons::ICON_DOWNLOAD, "Download and add", blocked).clicked() {
                    view.send(ModelsCommand::FetchFromHub);
                }
            }
            other => {
                if command_button(ui, &ModelsCommand::LookAtHub, blocked) {
                    view.send(ModelsCommand::LookAtHub);
                }
                if self.asking.is_some() {
                    ui.horizontal(|ui| {
                        ui.weak("Asking the Hub…");
                        if command_button(ui, &ModelsCommand::StopWork, None) {
                            view.send(ModelsCommand::StopWork);
                        }
                    });
                }
                if let Some(Err(error)) = other {
                    notice(ui, Tone::Error, error);
                }
            }
        }
    }
}

/// What the model consists of, and what a download would bring.
fn contents_card(ui: &mut Ui, contents: &HubView) {
    let p = theme::palette(ui);
    card(ui, |ui| {
        let here: u64 = contents.files.iter().filter(|file| file.2).map(|file| file.1).sum();
        let all: u64 = contents.files.iter().map(|file| file.1).sum();
        let text = if here == all {
            format!("{} · all of it is on this machine", readable_size(all))
        } else if here == 0 {
            format!("{} to download", readable_size(all))
        } else {
            format!("{} to download · {} is here already", readable_size(all - here), readable_size(here))
        };
        ui.label(theme::strong(text));
        ui.label(theme::small(format!("Commit {}", contents.commit)).color(p.weak));
        let token = contents.token.as_ref().map_or_else(
            || "No token is sent; public models need none.".to_owned(),
            |origin| format!("The token from {origin} is sent along."),
        );
        ui.label(theme::small(token).color(p.weak));
        ui.label(theme::small(format!("Kept in {}", contents.cache.display())).color(p.weak));
        ui.add_space(theme::TIGHT);
        for (name, bytes, there) in &contents.files {
            let there = if *there { " · here" } else { "" };
            ui.label(theme::small(format!("{name} · {}{there}", size(*bytes))));
        }
    });
    ui.add_space(theme::GAP);
}
