//! What is known of one benchmark, and the two ways by which its file gets here.

use super::{BenchmarkDialog, made_of, part_id};
use crate::data::{Benchmark, BenchmarkPart};
use crate::ui::app::{AppCommand, DataCommand, ExchangeCommand, View, Wish};
use crate::ui::screens::data::import::list_bad;
use crate::ui::theme;
use crate::ui::widgets::{Tone, command_button, fact, field, link_button, notice};
use eframe::egui::{self, TextEdit, Ui};

impl BenchmarkDialog {
    pub(super) fn detail(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        benchmark: &Benchmark,
        part: &BenchmarkPart,
    ) {
        let p = theme::palette(ui);
        let wrapped = |ui: &mut Ui, text: &str| {
            ui.add(egui::Label::new(theme::small(text)).wrap());
        };
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        ui.label(theme::strong(&benchmark.title));
        // What came of a file stands first: it is what somebody waits for.
        self.errand.show(ui, view.commands);
        if let Some(checked) = &self.checked {
            notice(ui, if checked.as_known { Tone::Good } else { Tone::Warning }, &checked.text);
            if !checked.bad.is_empty() {
                ui.label(theme::label("What cannot be used"));
                list_bad(ui, &checked.bad);
            }
        }
        wrapped(ui, &benchmark.about);
        if !benchmark.note.is_empty() {
            wrapped(ui, &benchmark.note);
        }
        ui.add_space(theme::TIGHT);
        fact(ui, "Measures", benchmark.purpose_of(part).label());
        if let Some(metric) = benchmark.metric {
            fact(ui, "Scored by", metric.label());
        }
        fact(ui, "Licence", &benchmark.licence);
        fact(ui, "Access", benchmark.access.label());
        fact(ui, "Cite", &benchmark.citation);
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 20.0;
            ui.hyperlink_to(theme::small("Open its page").color(p.accent), &benchmark.page)
                .on_hover_text(&benchmark.page);
            if let Some(set) = made_of(view.project, benchmark, part) {
                let open = DataCommand::Select(set.id.clone());
                if link_button(ui, &open, None) {
                    view.send(open);
                    view.send(ExchangeCommand::Close);
                }
            }
        });
        ui.add_space(theme::GAP);
        self.ways(ui, view, benchmark, part);
    }

    fn ways(&mut self, ui: &mut Ui, view: &mut View<'_>, benchmark: &Benchmark, part: &BenchmarkPart) {
        let p = theme::palette(ui);
        let busy = self.errand.is_busy().then_some("Wait until this has ended, or stop it.");
        let fetched = cfg!(feature = "hub") && part.url.is_some();
        if fetched {
            let fetch = ExchangeCommand::Fetch(part_id(benchmark, part));
            if command_button(ui, &fetch, busy.or(view.read_only())) {
                view.send(fetch);
            }
            let text = if part.bytes.is_some() {
                "Nothing is asked of this host until you press the button."
            } else {
                "Nothing is asked of this host until you press the button. At most 256 MB are taken."
            };
            ui.add(egui::Label::new(theme::small(text).color(p.weak)).wrap());
            ui.add_space(theme::TIGHT);
        }
        let by_hand = format!(
            "{}open its page, save {} and choose it here.",
            if fetched { "Or without the network: " } else { "This file is not fetched: " },
            part.file
        );
        ui.add(egui::Label::new(theme::small(by_hand).color(p.weak)).wrap());
        let id = field(ui, "File of the benchmark", "The whole path of a file that you have.");
        let edit = TextEdit::singleline(&mut self.path)
            .hint_text(format!("/home/you/{}", part.file))
            .desired_width(f32::INFINITY);
        ui.add(edit).labelled_by(id);
        ui.horizontal(|ui| {
            let choose = AppCommand::Choose(Wish::DataFile);
            if command_button(ui, &choose, busy) {
                view.send(choose);
            }
            let nothing = self.path.trim().is_empty().then_some("Name a file first.");
            if command_button(ui, &ExchangeCommand::Read, busy.or(nothing)) {
                view.send(ExchangeCommand::Read);
            }
        });
        if self.no_choice {
            let text = "No file was chosen. If no dialog opened, write the path into the field.";
            ui.add(egui::Label::new(theme::small(text).color(p.weak)).wrap());
        }
    }
}
