//! Questions about a set as a whole: what it is called, how it is split, whether it goes.

use super::DataScreen;
use super::list::capitalised;
use super::set::OpenSet;
use crate::data::{DatasetKind, SplitBy, SplitSpec};
use crate::project::check_id;
use crate::ui::app::{Ask, DataCommand, SetRequest, Snapshot, View};
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, field, named_choice, notice};
use eframe::egui::{self, DragValue, Frame, Margin, Ui};

/// What stays together when a set is split, in words.
const BY: [(SplitBy, &str); 3] = [
    (SplitBy::Example, "nothing: each example goes its own way"),
    (SplitBy::Category, "examples of one category"),
    (SplitBy::Cluster, "examples of one cluster"),
];

/// A question and what is filled in.
pub struct Dialog {
    ask: Ask,
    set: String,
    names: [String; 2],
    kind: DatasetKind,
    percent: u32,
    seed: u64,
    by: SplitBy,
}

impl Dialog {
    /// The question about this set.
    #[must_use]
    pub fn new(ask: Ask, set: &str) -> Self {
        let names = match ask {
            Ask::New => [String::new(), String::new()],
            Ask::Copy => [format!("{set}-copy"), String::new()],
            Ask::Rename | Ask::Delete => [set.to_owned(), String::new()],
            Ask::Split => [format!("{set}-a"), format!("{set}-b")],
        };
        Self {
            ask,
            set: set.to_owned(),
            names,
            kind: DatasetKind::Recovery,
            percent: 80,
            seed: 0,
            by: SplitBy::Example,
        }
    }

    fn request(&self) -> SetRequest {
        let set = self.set.clone();
        let [name, other] = self.names.each_ref().map(|name| name.trim().to_owned());
        match self.ask {
            Ask::New => SetRequest::New { id: name, kind: self.kind },
            Ask::Copy => SetRequest::Copy { from: set, to: name },
            Ask::Rename => SetRequest::Rename { from: set, to: name },
            Ask::Delete => SetRequest::Delete(set),
            Ask::Split => SetRequest::Split {
                set,
                names: [name, other],
                spec: SplitSpec { share: f64::from(self.percent) / 100.0, seed: self.seed, by: self.by },
            },
        }
    }

    /// Why it cannot be done as it is filled in.
    fn blocked(&self, project: &Snapshot) -> Option<String> {
        let names = match self.ask {
            Ask::Delete => return None,
            Ask::Split => &self.names[..],
            Ask::New | Ask::Copy | Ask::Rename => &self.names[..1],
        };
        for name in names.iter().map(|name| name.trim()) {
            if name.is_empty() {
                return Some("Give it a name.".to_owned());
            }
            if let Err(error) = check_id("data set", name) {
                return Some(error.to_string());
            }
            if project.datasets.iter().any(|set| set.id == name) {
                return Some(format!("There is already a data set {name}."));
            }
        }
        (self.ask == Ask::Split && names[0].trim() == names[1].trim())
            .then(|| "The two parts need different names.".to_owned())
    }
}

impl DataScreen {
    pub(super) fn question(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let Some(dialog) = &mut self.dialog else { return };
        let modal = egui::Modal::new(egui::Id::unique("data question"))
            .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::SCREEN as i8)))
            .show(ui.ctx(), |ui| {
                ui.set_width(420.0);
                let title = match dialog.ask {
                    Ask::New => "Make a data set".to_owned(),
                    Ask::Copy => format!("Copy {}", dialog.set),
                    Ask::Rename => format!("Rename {}", dialog.set),
                    Ask::Split => format!("Split {} into two sets", dialog.set),
                    Ask::Delete => format!("Delete {}?", dialog.set),
                };
                ui.label(theme::heading(title));
                ui.add_space(theme::GAP);
                form(ui, dialog, self.open.get(&dialog.set));
                let blocked = dialog.blocked(view.project);
                // Nobody has done anything wrong before the first letter.
                if let Some(why) = blocked.as_ref().filter(|_| !dialog.names[0].is_empty() && touched(dialog))
                {
                    ui.label(theme::small(why).color(theme::palette(ui).warning));
                }
                ui.add_space(theme::GAP);
                ui.horizontal(|ui| {
                    let command = DataCommand::Set(dialog.request());
                    if command_button(ui, &command, blocked.as_deref()) {
                        view.send(command);
                    }
                    if command_button(ui, &DataCommand::Cancel, None) {
                        view.send(DataCommand::Cancel);
                    }
                });
            });
        if modal.should_close() {
            view.send(DataCommand::Cancel);
        }
    }
}

/// Whether a name has been changed that must be.
fn touched(dialog: &Dialog) -> bool {
    dialog.ask != Ask::Rename || dialog.names[0] != dialog.set
}

fn form(ui: &mut Ui, dialog: &mut Dialog, open: Option<&OpenSet>) {
    let p = theme::palette(ui);
    match dialog.ask {
        Ask::New => {
            name(ui, "Name of the set", &mut dialog.names[0]);
            let kinds = DatasetKind::ALL.map(|kind| capitalised(kind.label()));
            let now = capitalised(dialog.kind.label());
            let chosen = named_choice(ui, "What it holds", "", &now, kinds.iter().map(String::as_str));
            if let Some(at) = chosen.and_then(|chosen| kinds.iter().position(|kind| *kind == chosen)) {
                dialog.kind = DatasetKind::ALL[at];
            }
        }
        Ask::Copy => name(ui, "Name of the copy", &mut dialog.names[0]),
        Ask::Rename => {
            name(ui, "New name", &mut dialog.names[0]);
            ui.label(
                theme::small("Runs and evaluations that were made with it go on naming the old one.")
                    .color(p.weak),
            );
        }
        Ask::Delete => {
            let count = open.map_or_else(String::new, |set| format!(" and its {} examples", set.rows.len()));
            notice(
                ui,
                Tone::Warning,
                &format!(
                    "The set{count} will be deleted from the disk. This cannot be undone. Runs and evaluations that were made with it stay."
                ),
            );
        }
        Ask::Split => {
            ui.label(
                theme::small(
                    "The set stays as it is. Which example goes where depends on its id and the seed alone.",
                )
                .color(p.weak),
            );
            ui.add_space(theme::GAP);
            name(ui, "Name of the first part", &mut dialog.names[0]);
            name(ui, "Name of the second part", &mut dialog.names[1]);
            ui.horizontal(|ui| {
                ui.vertical(|ui| {
                    let named = field(ui, "Share of the first part", "");
                    ui.add(DragValue::new(&mut dialog.percent).range(1..=99).suffix(" %")).labelled_by(named);
                });
                ui.vertical(|ui| {
                    let named = field(ui, "Seed", "Another seed draws other parts.");
                    ui.add(DragValue::new(&mut dialog.seed)).labelled_by(named);
                });
            });
            ui.add_space(theme::TIGHT);
            let clusters =
                open.is_some_and(|set| matches!(set.kind, DatasetKind::Attack | DatasetKind::Utility));
            let by = BY.iter().filter(|(by, _)| clusters || *by != SplitBy::Cluster);
            let now = BY.iter().find(|(by, _)| *by == dialog.by).map_or("", |(_, text)| *text);
            let hint =
                "What is alike should not be on both sides: a model would be tested on what it has seen.";
            let chosen = named_choice(ui, "What stays together", hint, now, by.map(|(_, text)| *text));
            if let Some((by, _)) = chosen.and_then(|chosen| BY.iter().find(|(_, text)| *text == chosen)) {
                dialog.by = *by;
            }
        }
    }
}

fn name(ui: &mut Ui, label: &str, text: &mut String) {
    let named = field(ui, label, "Lower-case letters, digits and dashes: its files are called so.");
    ui.add(egui::TextEdit::singleline(text).desired_width(f32::INFINITY).id_salt(label)).labelled_by(named);
    ui.add_space(theme::TIGHT);
}
