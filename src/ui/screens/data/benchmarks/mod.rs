//! The list of public benchmarks: what each is for, under which licence, where it comes from, and how it gets here.

mod detail;

use super::exchange::{Errand, foot};
use crate::data::{Benchmark, BenchmarkPart, benchmarks, find_benchmark};
use crate::project::DatasetEntry;
use crate::ui::app::{CheckedFile, ExchangeCommand, ExchangeRequest, Loader, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::tick;
use eframe::egui::{self, Align, Layout, ScrollArea, Ui};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;
use std::path::{Path, PathBuf};

/// Width of what is said of the selected benchmark.
const DETAIL: f32 = 448.0;
/// Height of the dialog's foot.
const FOOT: f32 = 88.0;
/// Height of a row.
const ROW: f32 = 32.0;

/// The dialog.
pub(super) struct BenchmarkDialog {
    /// The selected part, such as `gsm8k/test`.
    id: String,
    path: String,
    no_choice: bool,
    checked: Option<Box<CheckedFile>>,
    leave_out: bool,
    pub(super) errand: Errand,
}

impl Default for BenchmarkDialog {
    fn default() -> Self {
        let first = benchmarks().first().and_then(|one| Some(part_id(one, one.parts.first()?)));
        Self {
            id: first.unwrap_or_default(),
            path: String::new(),
            no_choice: false,
            checked: None,
            leave_out: false,
            errand: Errand::default(),
        }
    }
}

fn part_id(benchmark: &Benchmark, part: &BenchmarkPart) -> String {
    format!("{}/{}", benchmark.id, part.id)
}

/// The set of this project that was made of a part.
fn made_of<'a>(
    project: &'a Snapshot,
    benchmark: &Benchmark,
    part: &BenchmarkPart,
) -> Option<&'a DatasetEntry> {
    let title = DatasetEntry::benchmark_title(benchmark, part);
    project.datasets.iter().find(|set| set.title == title && set.source == benchmark.page)
}

impl BenchmarkDialog {
    /// A file was chosen, or the system's dialog was closed without a choice.
    pub(super) fn picked(&mut self, chosen: Option<PathBuf>, loader: &mut Loader) {
        self.no_choice = chosen.is_none();
        if let Some(file) = chosen {
            self.path = file.display().to_string();
            self.check(loader);
        }
    }

    /// Compares the file that is named with what is known of the benchmark.
    pub(super) fn check(&mut self, loader: &mut Loader) {
        let file = PathBuf::from(self.path.trim());
        if !file.as_os_str().is_empty() {
            self.checked = None;
            self.leave_out = false;
            let request = ExchangeRequest::Check { id: self.id.clone(), file };
            self.errand.begin(loader.exchange(request));
        }
    }

    /// Fetches the file.
    pub(super) fn fetch(&mut self, root: PathBuf, id: String, loader: &mut Loader) {
        self.checked = None;
        self.errand.begin(loader.exchange(ExchangeRequest::Fetch { root, id }));
    }

    /// The file is here, or why not.
    pub(super) fn fetched(&mut self, result: Result<PathBuf, String>, loader: &mut Loader) {
        if let Some(file) = self.errand.end(result) {
            self.path = file.display().to_string();
            self.check(loader);
        }
    }

    /// The file was compared, or why not.
    pub(super) fn checked(&mut self, result: Result<Box<CheckedFile>, String>) {
        self.checked = self.errand.end(result);
    }

    /// Makes a data set of the file.
    pub(super) fn add(&mut self, root: PathBuf, loader: &mut Loader) {
        let Some(checked) = &self.checked else { return };
        let request = ExchangeRequest::Add {
            root,
            id: self.id.clone(),
            file: checked.file.clone(),
            leave_out_bad: self.leave_out,
        };
        self.errand.begin(loader.exchange(request));
    }

    fn blocked(&self, read_only: Option<&str>) -> Option<String> {
        if let Some(reason) = read_only {
            return Some(reason.to_owned());
        }
        if self.errand.is_busy() {
            return Some("The file is being fetched or compared.".to_owned());
        }
        let Some(checked) = &self.checked else {
            return Some("Fetch the file or choose one that you have.".to_owned());
        };
        if checked.file.as_path() != Path::new(self.path.trim()) {
            return Some("Read the file that is named above first.".to_owned());
        }
        (checked.bad_count > 0 && !self.leave_out)
            .then(|| "Tick that the rows that cannot be used are left out.".to_owned())
    }

    /// Draws the dialog.
    pub(super) fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let p = theme::palette(ui);
        ui.label(theme::heading("Public benchmarks"));
        let text = "None is shipped with Plumbline. A file comes from your disk, or over the network when you press its button.";
        ui.label(theme::small(text).color(p.weak));
        ui.add_space(theme::GAP);
        let height = (ui.available_height() - FOOT).max(80.0);
        ui.horizontal_top(|ui| {
            let width = ui.available_width() - DETAIL - theme::GROUP;
            ui.allocate_ui_with_layout(egui::vec2(width, height), Layout::top_down(Align::Min), |ui| {
                ui.set_width(width);
                self.list(ui, view.project, height);
            });
            ui.add_space(theme::GAP);
            ui.vertical(|ui| {
                ScrollArea::vertical()
                    .id_salt("benchmark detail")
                    .auto_shrink(false)
                    .max_height(height)
                    .show(ui, |ui| {
                        ui.set_width(ui.available_width() - theme::PAD);
                        if let Ok((benchmark, part)) = find_benchmark(&self.id) {
                            self.detail(ui, view, benchmark, part);
                        }
                    });
            });
        });
        self.end(ui, view);
    }

    fn list(&mut self, ui: &mut Ui, project: &Snapshot, height: f32) {
        let p = theme::palette(ui);
        let all: Vec<_> =
            benchmarks().iter().flat_map(|one| one.parts.iter().map(move |part| (one, part))).collect();
        let mut chosen = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        TableBuilder::new(ui)
            .id_salt("benchmarks")
            .sense(egui::Sense::click())
            .max_scroll_height(height - 32.0)
            .auto_shrink(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::remainder().clip(true))
            .column(Column::exact(112.0).clip(true))
            .column(Column::exact(88.0).clip(true))
            .column(Column::exact(48.0).clip(true))
            .column(Column::exact(32.0).clip(true))
            .header(28.0, |mut header| {
                for name in ["Benchmark", "Measures", "Licence", "Rows", "Here"] {
                    header.col(|ui| {
                        ui.label(theme::label(name).color(p.weak));
                    });
                }
            })
            .body(|body| {
                body.rows(ROW, all.len(), |mut row| {
                    let (benchmark, part) = all[row.index()];
                    let id = part_id(benchmark, part);
                    row.set_selected(id == self.id);
                    // What stands in brackets is said beside the list, where there is room for it.
                    let title = benchmark.title.split(" (").next().unwrap_or_default();
                    let title = if benchmark.parts.len() == 1 {
                        title.to_owned()
                    } else {
                        format!("{title} · {}", part.id)
                    };
                    let mut clicked = false;
                    row.col(|ui| {
                        ui.add_space(theme::TIGHT);
                        let button = egui::Button::new(theme::small(&title)).frame(false).truncate();
                        clicked = ui.add(button).on_hover_text(&benchmark.about).clicked();
                    });
                    let rows = part.rows.map_or_else(|| "?".to_owned(), |rows| rows.to_string());
                    for text in [benchmark.purpose_of(part).label(), &benchmark.licence, &rows] {
                        row.col(|ui| {
                            ui.add(egui::Label::new(theme::small(text).color(p.weak)).truncate())
                                .on_hover_text(text);
                        });
                    }
                    row.col(|ui| {
                        if made_of(project, benchmark, part).is_some() {
                            ui.label(icons::ICON_CHECK.rich_text().size(16.0).color(p.good))
                                .on_hover_text("This project has a set of it.");
                        }
                    });
                    if clicked || row.response().clicked() {
                        chosen = Some(id);
                    }
                });
            });
        // While a file comes in, it belongs to the benchmark that was selected.
        if let Some(id) = chosen.filter(|id| *id != self.id && !self.errand.is_busy()) {
            *self = Self { id, ..Self::default() };
        }
    }

    fn end(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        ui.separator();
        let mut text = String::new();
        if let Some(checked) = &self.checked {
            text = format!("{} rows of this file become a data set.", checked.rows);
            if checked.bad_count > 0 {
                let rows = if checked.bad_count == 1 {
                    "the row that cannot be used".to_owned()
                } else {
                    format!("the {} rows that cannot be used", checked.bad_count)
                };
                tick(ui, &mut self.leave_out, &format!("Leave out {rows}"));
            }
        }
        let blocked = self.blocked(view.read_only());
        if foot(ui, view, &text, (icons::ICON_ADD, "Add to project"), blocked.as_deref()) {
            view.send(ExchangeCommand::Add);
        }
    }
}
