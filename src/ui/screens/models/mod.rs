//! Models: a card for each, a chat with them, and ways to add one.

mod add;
mod cards;
mod chat;
mod hub;
mod question;
mod work;

pub use add::AddForm;
pub use chat::Chat;

use crate::model::readable_size;
use crate::project::ModelEntry;
use crate::ui::app::{Command, ModelView, ModelsCommand, ModelsPage, Snapshot, View};
use crate::ui::widgets::{Tab, screen_title, tab_bar};
use eframe::egui::Ui;
use question::Question;
use std::path::PathBuf;
use work::Errand;

/// The Models screen.
#[derive(Default)]
pub struct ModelsScreen {
    /// The part that is shown.
    pub page: ModelsPage,
    /// The chat.
    pub chat: Chat,
    /// The forms that add a model.
    pub add: AddForm,
    /// The model that was taken off the list last.
    pub removed: Option<ModelEntry>,
    question: Option<Question>,
    work: Option<Errand>,
}

impl ModelsScreen {
    /// Asks what `command` needs to know before it is carried out.
    pub fn ask(&mut self, project: &Snapshot, command: ModelsCommand) {
        self.question = Question::of(project, command);
    }

    /// Leaves the question.
    pub fn close_question(&mut self) {
        self.question = None;
    }

    /// The model as it was changed; closes the question.
    pub fn edited(&mut self) -> Option<ModelEntry> {
        match self.question.take() {
            Some(Question::Edit { mut entry, .. }) => {
                entry.title = entry.title.trim().to_owned();
                entry.note = entry.note.trim().to_owned();
                Some(entry)
            }
            other => {
                self.question = other;
                None
            }
        }
    }

    /// A folder for an export was chosen: the model gets a folder of its own in it.
    pub fn export_folder_picked(&mut self, folder: Option<PathBuf>) {
        if let (Some(Question::Export { id, to, .. }), Some(folder)) = (&mut self.question, folder) {
            *to = folder.join(id.as_str()).display().to_string();
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(ui, "Models", "The model in focus is where training, evaluation and inspection start.");
        let about = ModelsPage::ALL.map(|page| Command::from(ModelsCommand::Page(page)).about());
        let tabs: Vec<Tab<'_, ModelsPage>> = ModelsPage::ALL
            .into_iter()
            .zip(&about)
            .map(|(page, about)| Tab::new(page, &about.text, &about.tooltip))
            .collect();
        if let Some(page) = tab_bar(ui, &tabs, self.page, |_| {}) {
            view.send(ModelsCommand::Page(page));
        }
        self.show_work(ui, view);
        let working = self.work.is_some();
        match self.page {
            ModelsPage::Cards => self.cards(ui, view),
            ModelsPage::Chat => self.chat.show(ui, view),
            ModelsPage::Add => self.add.show(ui, view, working),
        }
        self.show_question(ui, view);
    }
}

/// Whether the model is a quantised one that only answers: nothing is known of the memory that training would take.
fn only_answers(model: &ModelView) -> bool {
    model.card.as_ref().is_ok_and(|card| card.needs.is_none())
}

/// Whether the model is an adapter on another one.
fn is_adapter(model: &ModelView) -> bool {
    model.card.as_ref().is_ok_and(|card| card.adapter.is_some())
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

/// A size; small files in kB.
fn size(bytes: u64) -> String {
    if bytes < 100_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { readable_size(bytes) }
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
        assert_eq!(size(3_140_000), "3.1 MB");
        assert_eq!(size(14_000_000_000), "14.0 GB");
        assert_eq!(size(612), "0.6 kB");
    }
}
