//! A card for each model: what it is, where it comes from, what it needs, and what can be done with it.

use super::question::children;
use super::work::WORKING;
use super::{ModelsScreen, count, is_adapter, only_answers};
use crate::model::{Card, Needs, ROWS, TOKENS, hub_source, readable_size};
use crate::project::RunInfo;
use crate::ui::app::{
    AppCommand, Command, EvaluateCommand, ModelView, ModelsCommand, ModelsPage, Snapshot, View,
};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, command_button, empty_state, fact, icon_text, line, long_fact, notice, role_chip, text_button,
};
use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{self, Align, Button, CornerRadius, Frame, Layout, Margin, Stroke, Ui, Vec2};
use egui_material_icons::icons;

/// The least width of a card.
const CARD: f32 = 340.0;
/// Height of a card.
const HEIGHT: f32 = 424.0;
/// What the actions at its foot take, with the space above them.
const ACTIONS: f32 = 28.0;
/// Height of one line of the note.
const NOTE_LINE: f32 = 16.0;

impl ModelsScreen {
    pub(super) fn cards(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        egui::ScrollArea::vertical().id_salt("cards of models").auto_shrink(false).show(ui, |ui| {
            if let Some(entry) = &self.removed {
                let text =
                    format!("{} is off this project's list. Its files stayed where they were.", entry.id);
                ui.horizontal(|ui| {
                    ui.label(theme::small(text));
                    if command_button(ui, &ModelsCommand::PutBack, view.read_only()) {
                        view.send(ModelsCommand::PutBack);
                    }
                });
                ui.add_space(theme::GAP);
            }
            if view.project.models.is_empty() {
                let why = "Training and evaluation need one. Add one from a folder or from the Hub, or the demo pair.";
                if empty_state(
                    ui,
                    icons::ICON_DEPLOYED_CODE,
                    "This project has no model yet",
                    why,
                    Some("Add one"),
                ) {
                    view.send(ModelsCommand::Page(ModelsPage::Add));
                }
                return;
            }
            let room = ui.available_width() - theme::PAD;
            let per_row = ((room + theme::GROUP) / (CARD + theme::GROUP)).floor().max(1.0);
            let width = ((room + theme::GROUP) / per_row - theme::GROUP).min(CARD * 1.5).floor();
            let working = self.work.is_some().then_some(WORKING);
            for row in view.project.models.chunks(per_row as usize) {
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = theme::GROUP;
                    for model in row {
                        model_card(ui, model, width, working, view);
                    }
                });
                ui.add_space(theme::GAP);
            }
        });
    }
}

fn model_card(ui: &mut Ui, model: &ModelView, width: f32, working: Option<&str>, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let in_focus = view.focus.model.as_ref() == Some(&model.entry.id);
    let edge = if in_focus { p.accent } else { p.border };
    let frame = Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, edge))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::same(theme::GROUP as i8));
    let inner = width - 2.0 * theme::GROUP - 2.0;
    let response = frame.show(ui, |ui| {
        ui.vertical(|ui| {
            ui.set_width(inner);
            ui.set_height(HEIGHT - 2.0 * theme::GROUP);
            ui.spacing_mut().item_spacing.y = theme::TIGHT;
            line(ui, 28.0, |ui| {
                let room = ui.available_width() - 156.0;
                ui.scope(|ui| {
                    ui.set_max_width(room);
                    ui.add(egui::Label::new(theme::heading(&model.entry.id)).truncate());
                });
                role_chip(ui, model.entry.role);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| more(ui, model, working, view));
            });
            let title = &model.entry.title;
            if !title.is_empty() && *title != model.entry.id {
                ui.add(egui::Label::new(theme::small(title).color(p.weak)).truncate());
            }
            ui.add_space(theme::GAP);
            match &model.card {
                Ok(card) => what_it_is(ui, card, only_answers(model)),
                Err(error) => notice(ui, Tone::Error, error),
            }
            lineage(ui, model, view);
            ui.with_layout(Layout::bottom_up(Align::Min), |ui| {
                line(ui, 20.0, |ui| actions(ui, model, in_focus, view));
            });
        });
    });
    // The role's colour stands at the card's edge, so that cards can be told apart from across a room.
    let rect = response.response.rect;
    let bar = egui::Rect::from_min_size(rect.left_top() + Vec2::new(0.0, 14.0), Vec2::new(4.0, 32.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), theme::role_colour(model.entry.role));
}

fn what_it_is(ui: &mut Ui, card: &Card, only_answers: bool) {
    let architecture = card.architecture.trim_end_matches("ForCausalLM");
    fact(ui, "Architecture", &format!("{architecture} · {} layers × {}", card.layers, card.hidden));
    fact(ui, "Parameters", &format!("{} · {}", count(card.parameters), card.dtype));
    fact(ui, "Size on disk", &readable_size(card.bytes_on_disk));
    fact(ui, "Reads at most", &format!("{} tokens · vocabulary {}", card.context, card.vocab));
    if let Some(adapter) = &card.adapter {
        fact(ui, "Adapter", adapter);
    }
    if let Some(needs) = &card.needs {
        memory(ui, needs, card.context);
    }
    if only_answers {
        fact(ui, "Can", "answer only: a quantised GGUF model cannot be trained, merged or exported");
    }
}

/// The memory that running and training take; the parts on hover.
fn memory(ui: &mut Ui, needs: &Needs, context: usize) {
    let mut hover = format!("With {ROWS} rows of {} tokens at once, on the CPU.", TOKENS.min(context));
    for (name, need) in needs.all() {
        let parts: Vec<String> =
            need.parts().iter().map(|(n, b)| format!("{n} {}", readable_size(*b))).collect();
        hover += &format!("\n{name}: {} = {}", readable_size(need.total()), parts.join(" + "));
    }
    let [run, adapter, all] =
        [needs.run, needs.train_adapter, needs.train_all].map(|need| readable_size(need.total()));
    ui.scope(|ui| {
        fact(ui, "Memory to run", &run);
        fact(ui, "Memory to train", &format!("{all} · adapter (LoRA) {adapter}"));
    })
    .response
    .on_hover_text(hover);
}

/// The run that made a model.
fn run_of<'a>(project: &'a Snapshot, model: &ModelView) -> Option<&'a RunInfo> {
    project.runs.iter().find(|run| model.folder.starts_with(&run.folder))
}

/// Where it comes from, and what came from it.
fn lineage(ui: &mut Ui, model: &ModelView, view: &mut View<'_>) {
    let entry = &model.entry;
    let parent = match &entry.parent {
        None => "no other model here".to_owned(),
        Some(id) if view.project.model(id).is_none() => format!("{id}, which is not in this project"),
        Some(id) => id.clone(),
    };
    fact(ui, "Made from", &parent);
    if let Some(run) = run_of(view.project, model) {
        line(ui, 20.0, |ui| {
            let p = theme::palette(ui);
            ui.allocate_ui_with_layout(Vec2::new(104.0, 20.0), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(104.0);
                ui.label(theme::small("Made by").color(p.weak));
            });
            let name = format!("Show the run {}", run.id);
            let tip = format!("Opens the run's folder: settings, log, losses. {}", run.spec.title);
            if text_button(ui, &run.id, &name).on_hover_text(tip).clicked() {
                view.send(AppCommand::Reveal(run.folder.clone()));
            }
        });
    }
    let children = children(view.project, &entry.id);
    let made = if children.is_empty() { "nothing yet".to_owned() } else { children.join(", ") };
    fact(ui, "Models from it", &made);
    match hub_source(&model.folder) {
        Some((repo, commit)) => {
            fact(ui, "From the Hub", &format!("{repo} at {}", commit.get(..10).unwrap_or(&commit)));
        }
        None => fact(ui, "Folder", &entry.location.display().to_string()),
    }
    if !entry.note.is_empty() {
        // As much of it as there is room for above the actions.
        let lines = ((ui.available_height() - ACTIONS) / NOTE_LINE).floor().max(1.0);
        long_fact(ui, "Note", &entry.note, lines as usize);
    }
}

/// What is done most often.
fn actions(ui: &mut Ui, model: &ModelView, in_focus: bool, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let id = &model.entry.id;
    if model.card.is_ok() {
        quiet(ui, ModelsCommand::Chat(id.clone()), "Chat", view);
        quiet(ui, EvaluateCommand::Model(id.clone()), "Evaluate", view);
        if !only_answers(model) {
            quiet(ui, ModelsCommand::TrainFrom(id.clone()), "Train", view);
        }
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if in_focus {
            let text = icon_text(ui, icons::ICON_CHECK, "In focus", p.ink, theme::SMALL);
            ui.label(text).on_hover_text("Training, evaluation and inspection start from this model.");
        } else {
            quiet(ui, ModelsCommand::Focus(id.clone()), "Put in focus", view);
        }
    });
}

/// A command as a small text button.
fn quiet(ui: &mut Ui, command: impl Into<Command>, text: &str, view: &mut View<'_>) {
    let command = command.into();
    let name = match &command {
        Command::Evaluate(EvaluateCommand::Model(id)) => format!("Evaluate {id}"),
        other => other.text().into_owned(),
    };
    if text_button(ui, text, &name).on_hover_text(command.tooltip()).clicked() {
        view.send(command);
    }
}

/// Why a model cannot be written out as a checkpoint.
fn not_exported(model: &ModelView) -> Option<&'static str> {
    if model.card.is_err() {
        Some("The model cannot be read.")
    } else if only_answers(model) {
        Some("A GGUF model only answers; it is no checkpoint. Its file can be copied as it is.")
    } else {
        None
    }
}

/// What is done now and then.
fn more(ui: &mut Ui, model: &ModelView, working: Option<&str>, view: &mut View<'_>) {
    let p = theme::palette(ui);
    let id = &model.entry.id;
    let whole = (!is_adapter(model)).then_some("It is a whole model already; only an adapter can be merged.");
    let commands: [(Command, Option<&str>); 5] = [
        (ModelsCommand::Edit(id.clone()).into(), view.read_only()),
        (ModelsCommand::Export(id.clone()).into(), not_exported(model).or(working)),
        (
            ModelsCommand::Merge(id.clone()).into(),
            view.read_only().or(not_exported(model)).or(whole).or(working),
        ),
        (AppCommand::Reveal(model.folder.clone()).into(), None),
        (ModelsCommand::Remove(id.clone()).into(), view.read_only()),
    ];
    let glyph = icons::ICON_MORE_HORIZ.rich_text().size(18.0).color(p.weak);
    let button = MenuButton::from_button(Button::new(glyph).frame(false));
    let (response, _) = button.ui(ui, |ui| {
        for (command, blocked) in commands {
            let about = command.about();
            let ink = if blocked.is_none() { p.ink } else { p.weak };
            let label = match about.icon {
                Some(icon) => icon_text(ui, icon, &about.text, ink, theme::SMALL),
                None => about.text.as_ref().into(),
            };
            let item = ui.add_enabled(blocked.is_none(), Button::new(label));
            item.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, blocked.is_none(), about.text.as_ref())
            });
            let item = match blocked {
                Some(why) => item.on_disabled_hover_text(why),
                None => item.on_hover_text(about.tooltip.as_ref()),
            };
            if item.clicked() {
                view.send(command);
                ui.close();
            }
        }
    });
    let name = format!("More about {id}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name.as_str()));
    response.on_hover_text("Rename, export, merge, remove");
}
