//! The terms of the field in plain words.

use crate::ui::terms::Term;
use crate::ui::theme;
use eframe::egui::{self, Align, Label, ScrollArea, TextEdit, Ui, Window};

/// The glossary.
#[derive(Default)]
pub struct Glossary {
    open: bool,
    words: String,
}

impl Glossary {
    /// Opens it at its beginning.
    pub fn open(&mut self) {
        *self = Self { open: true, words: String::new() };
    }

    /// Opens it at one term.
    pub fn explain(&mut self, term: Term) {
        *self = Self { open: true, words: term.name().to_owned() };
    }

    /// Draws it, if it is open.
    pub fn show(&mut self, ui: &mut Ui) {
        let mut open = self.open;
        Window::new(theme::heading("Glossary"))
            .open(&mut open)
            .collapsible(false)
            .resizable([false, true])
            .default_size([420.0, 480.0])
            .anchor(egui::Align2::RIGHT_TOP, [-theme::GROUP, 64.0])
            .show(ui.ctx(), |ui| {
                let edit = TextEdit::singleline(&mut self.words)
                    .hint_text("Find a term")
                    .desired_width(f32::INFINITY);
                ui.add(edit)
                    .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find a term"));
                ui.add_space(theme::GAP);
                let wanted = self.words.to_lowercase();
                let named = |term: &Term| term.name().to_lowercase().contains(&wanted);
                let mut hits: Vec<Term> = Term::ALL
                    .iter()
                    .copied()
                    .filter(|term| named(term) || term.text().to_lowercase().contains(&wanted))
                    .collect();
                hits.sort_by_key(|term| !named(term));
                ScrollArea::vertical().id_salt("terms").auto_shrink([false, false]).show(ui, |ui| {
                    ui.with_layout(egui::Layout::top_down(Align::Min), |ui| {
                        for term in hits {
                            ui.label(theme::strong(term.name()));
                            ui.add(Label::new(theme::small(term.text())).wrap());
                            ui.add_space(theme::GAP);
                        }
                    });
                });
            });
        // What lies above it closes first.
        let ctx = ui.ctx();
        let is_top = !ctx.any_popup_open() && ctx.memory(|memory| memory.top_modal_layer().is_none());
        let escape = || ctx.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::Escape));
        self.open = open && !(is_top && escape());
    }
}
