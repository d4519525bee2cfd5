//! Report: the project as one page to hand on.

use super::evaluate::name_of;
use crate::evaluate::Summary;
use crate::project::EvaluationInfo;
use crate::report::{Parts, ReportSpec, Section};
use crate::ui::app::{AppCommand, ReportCommand, Screen, Snapshot, View, Wish};
use crate::ui::theme;
use crate::ui::widgets::{
    card, check_label, command_button, empty_state, field, form_above, primary_button, screen_title, section,
};
use eframe::egui::{self, Frame, Panel, ScrollArea, TextEdit, Ui};
use egui_material_icons::icons;
use std::path::{Path, PathBuf};

/// The Report screen.
pub struct ReportScreen {
    /// Ids of the evaluations that are ticked.
    ticked: Vec<String>,
    /// Whether somebody has ticked something: then the newest evaluation is no longer ticked by itself.
    chosen: bool,
    sections: Vec<Section>,
    title: String,
    path: String,
    /// The project that title and path were proposed for.
    root: PathBuf,
}

impl Default for ReportScreen {
    fn default() -> Self {
        Self {
            ticked: Vec::new(),
            chosen: false,
            sections: Section::ALL.to_vec(),
            title: String::new(),
            path: String::new(),
            root: PathBuf::new(),
        }
    }
}

impl ReportScreen {
    /// Takes over what the project offers.
    pub fn project_changed(&mut self, project: &Snapshot) {
        if self.root != project.root {
            self.root.clone_from(&project.root);
            self.title.clone_from(&project.title);
            let root = std::path::absolute(&project.root).unwrap_or_else(|_| project.root.clone());
            self.path = root.join("reports").join("report.html").display().to_string();
            self.ticked.clear();
            self.chosen = false;
        }
        self.ticked.retain(|id| finished(project).any(|(info, _)| &info.id == id));
        if !self.chosen {
            self.ticked = finished(project).take(1).map(|(info, _)| info.id.clone()).collect();
        }
    }

    /// A file was chosen, or the dialog was closed.
    pub fn file_picked(&mut self, chosen: Option<PathBuf>) {
        if let Some(path) = chosen {
            self.path = path.display().to_string();
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(ui, "Report", "The tables and charts of this project as one page to hand on.");
        if finished(view.project).next().is_none() {
            if empty_state(
                ui,
                icons::ICON_ARTICLE,
                "Nothing to report yet",
                "A report shows what evaluations have found. Let one run to its end first.",
                Some("Go to evaluation"),
            ) {
                view.send(AppCommand::Show(Screen::Evaluate));
            }
            return;
        }
        let plain = Frame::new();
        Panel::left("report form")
            .frame(plain)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(360.0)
            .show(ui, |ui| {
                let mut state = (&mut *self, &mut *view);
                form_above(
                    ui,
                    "report",
                    &mut state,
                    |ui, (screen, view)| screen.start(ui, view),
                    |ui, (screen, view)| screen.form(ui, view),
                );
            });
        egui::CentralPanel::no_frame().show(ui, |ui| {
            ScrollArea::vertical().id_salt("report preview").auto_shrink(false).show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.add_space(theme::SCREEN);
                    ui.vertical(|ui| {
                        ui.set_width(ui.available_width() - theme::PAD);
                        self.preview(ui, view.project);
                    });
                });
            });
        });
    }

    fn form(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        let id = field(ui, "Title of the report", "");
        ui.add(TextEdit::singleline(&mut self.title).desired_width(f32::INFINITY)).labelled_by(id);
        ui.add_space(theme::GAP);
        field(ui, "Evaluations", "What they found goes into the report, newest first.");
        for (info, _) in finished(view.project) {
            let mut on = self.ticked.contains(&info.id);
            let name = name_of(info);
            let (what, when) = name.rsplit_once(" · ").unwrap_or((&name, ""));
            let ticked = check_label(ui, &mut on, when, what).on_hover_text(&name);
            if ticked.changed() {
                self.chosen = true;
                self.ticked.retain(|id| id != &info.id);
                if on {
                    self.ticked.push(info.id.clone());
                }
            }
        }
        ui.add_space(theme::GAP);
        field(ui, "Sections", "They come in this order.");
        for section in Section::ALL {
            let mut on = self.sections.contains(&section);
            if check_label(ui, &mut on, section.label(), "").changed() {
                self.sections.retain(|one| *one != section);
                if on {
                    self.sections.push(section);
                }
            }
        }
    }

    fn start(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let id = field(ui, "Save the report as", "One HTML file. A file of this name is replaced.");
        ui.add(TextEdit::singleline(&mut self.path).desired_width(f32::INFINITY)).labelled_by(id);
        ui.add_space(theme::TIGHT);
        let choose = AppCommand::Choose(Wish::ReportFile);
        if command_button(ui, &choose, None) {
            view.send(choose);
        }
        let blocked = self.blocked(view);
        ui.add_space(theme::GAP);
        if primary_button(ui, icons::ICON_ARTICLE, "Write report", blocked.as_deref()).clicked() {
            let evaluations = self.of(view.project).map(|(info, _)| info.id.clone()).collect();
            let spec = ReportSpec { title: self.title.clone(), evaluations, sections: self.sections.clone() };
            let path = PathBuf::from(self.path.trim());
            view.send(ReportCommand::Write { spec: Box::new(spec), path });
        }
        if let Some(why) = blocked {
            ui.label(theme::small(why).color(theme::palette(ui).weak));
        }
    }

    /// Why no report can be written now.
    fn blocked(&self, view: &View<'_>) -> Option<String> {
        let path = Path::new(self.path.trim());
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if self.of(view.project).next().is_none() {
            return Some("Tick at least one evaluation.".to_owned());
        }
        if self.sections.is_empty() {
            return Some("Tick at least one section.".to_owned());
        }
        if !path.is_absolute() || !matches!(ending.as_deref(), Some("html" | "htm")) {
            return Some("Give the whole path of a file that ends in .html.".to_owned());
        }
        let reason = view.read_only().filter(|_| path.starts_with(&view.project.root))?;
        Some(format!("{reason} Save the report outside the project's folder."))
    }

    /// The evaluations that are ticked, newest first.
    fn of<'a>(
        &'a self,
        project: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a EvaluationInfo, &'a Summary)> + 'a {
        finished(project).filter(|(info, _)| self.ticked.contains(&info.id))
    }

    fn preview(&self, ui: &mut Ui, project: &Snapshot) {
        let p = theme::palette(ui);
        card(ui, |ui| {
            section(ui, "What the report holds");
            for one in Section::ALL.into_iter().filter(|one| self.sections.contains(one)) {
                let parts = one.parts(self.of(project).map(|(_, summary)| summary));
                ui.horizontal(|ui| {
                    ui.label(theme::strong(one.label()));
                    ui.label(theme::small(in_words(parts)).color(p.weak));
                });
            }
            ui.add_space(theme::GAP);
            ui.label(
                theme::small("Numbers and names only: no prompt and no answer goes into a report.")
                    .color(p.weak),
            );
        });
    }
}

/// The evaluations that have found something, newest first.
fn finished(project: &Snapshot) -> impl Iterator<Item = (&EvaluationInfo, &Summary)> {
    project.evaluations.iter().filter_map(|info| Some((info, info.summary.as_ref()?)))
}

fn in_words(parts: Parts) -> String {
    let count = |n: usize, one: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let words: Vec<String> =
        [count(parts.tables, "table"), count(parts.charts, "chart")].into_iter().flatten().collect();
    if words.is_empty() { "not measured".to_owned() } else { words.join(", ") }
}
