//! Generate: models write the texts that data sets are made of, and a person decides about each.

use crate::data::{Candidate, DatasetKind, Decision, Part, Review};
use crate::generate::GenerateSpec;
use crate::ui::app::{AppCommand, GenerateCommand, JobState, Progress, READ_ONLY, Screen, View};
use crate::ui::theme;
use crate::ui::widgets::{
    Tone, card, check_label, chip, command_button, empty_state, field, hidden_text, named_choice, notice,
    primary_button, progress_with_stop, screen_title, section, text_button,
};
use eframe::egui::{self, DragValue, Frame, Margin, Panel, ScrollArea, TextEdit, Ui};
use egui_material_icons::icons;
use std::collections::{BTreeSet, HashMap};

/// What a text can become, as a person reads it.
const PARTS: [(Part, &str, &str); 3] = [
    (Part::Harmful, "harmful answers", "From a base model, or from one that is made to begin badly."),
    (Part::Refusal, "refusals", "From an aligned model, in its own words."),
    (
        Part::Benign,
        "good answers to harmless requests",
        "From an aligned model: they keep it useful while it learns.",
    ),
];

/// The Generate screen.
pub struct GenerateScreen {
    spec: GenerateSpec,
    limit: String,
    /// The generation whose texts are shown.
    selected: Option<String>,
    /// Its texts, once they are read.
    review: Option<Result<Review, String>>,
    asked: bool,
    /// How many of the texts are put off.
    skipped: usize,
    /// Whether texts are shown that are decided about.
    decided: bool,
    /// Whether a harmful text is shown.
    shown: bool,
    /// Texts as a person has changed them, by the ids of the candidates.
    edited: HashMap<String, String>,
    set: SetForm,
}

/// What the data set is made of.
struct SetForm {
    name: String,
    templates: bool,
    /// Generations that are left out.
    without: BTreeSet<String>,
    told: Option<(Tone, String)>,
}

impl Default for GenerateScreen {
    fn default() -> Self {
        Self {
            spec: GenerateSpec { part: Part::Harmful, ..GenerateSpec::default() },
            limit: String::new(),
            selected: None,
            review: None,
            asked: false,
            skipped: 0,
            decided: false,
            shown: false,
            edited: HashMap::new(),
            set: SetForm { name: String::new(), templates: true, without: BTreeSet::new(), told: None },
        }
    }
}

impl GenerateScreen {
    /// The settings of the form.
    #[must_use]
    pub fn spec(&self) -> GenerateSpec {
        let what =
            PARTS.iter().find(|(part, ..)| *part == self.spec.part).map_or("texts", |(_, name, _)| *name);
        let title = format!("{} writes {what}", self.spec.model);
        GenerateSpec { title, limit: self.limit.trim().parse().ok(), ..self.spec.clone() }
    }

    /// Shows the texts of this generation.
    pub fn select(&mut self, generation: String) {
        self.selected = Some(generation);
        (self.review, self.asked, self.skipped, self.shown) = (None, false, 0, false);
        self.edited.clear();
    }

    /// Takes the texts of a generation in.
    pub fn reviewed(&mut self, generation: &str, result: Result<Review, String>) {
        if self.selected.as_deref() == Some(generation) {
            self.review = Some(result);
        }
    }

    /// A data set was made, or could not be.
    pub fn assembled(&mut self, result: Result<(String, usize, Vec<String>), String>) {
        self.set.told = Some(match result {
            Ok((id, count, missing)) => {
                self.set.name.clear();
                let lacking = match missing.len() {
                    0 => String::new(),
                    n => format!(" {n} requests lack a part and are not in it, such as {}.", missing[0]),
                };
                (
                    Tone::Good,
                    format!("Data set {id} has {count} examples. It is on the Data screen.{lacking}"),
                )
            }
            Err(error) => (Tone::Error, error),
        });
    }

    fn fill(&mut self, view: &mut View<'_>) {
        let sets = &view.project.datasets;
        if !sets.iter().any(|set| set.id == self.spec.requests) {
            // Harmless answers are written to harmless requests.
            let kinds = match self.spec.part {
                Part::Benign => [DatasetKind::Chat, DatasetKind::Utility],
                Part::Harmful | Part::Refusal => [DatasetKind::Attack, DatasetKind::Recovery],
            };
            let fitting = kinds.iter().find_map(|kind| sets.iter().find(|set| set.kind == *kind));
            self.spec.requests = fitting.or(sets.first()).map(|set| set.id.clone()).unwrap_or_default();
        }
        if view.project.model(&self.spec.model).is_none() {
            let fit = if self.spec.part == Part::Harmful { &view.focus.base } else { &view.focus.model };
            self.spec.model = fit.clone().unwrap_or_default();
        }
        // One that has just ended is selected before the project is looked at again.
        if self.selected.is_none()
            && let Some(newest) = view.project.generations.first()
        {
            self.select(newest.id.clone());
        }
        if let Some(selected) = self.selected.clone()
            && !self.asked
        {
            self.asked = true;
            view.commands.push(GenerateCommand::Read(selected).into());
        }
    }

    /// Draws the screen.
    pub fn show(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        screen_title(
            ui,
            "Generate",
            "Let the models themselves write what a data set needs, then decide about every text.",
        );
        if view.project.models.is_empty() || view.project.datasets.is_empty() {
            let (why, screen) = if view.project.models.is_empty() {
                ("A model is needed that writes.", Screen::Models)
            } else {
                (
                    "A set of requests is needed. Close this window and make one of a CSV or JSON file with: plumbline import",
                    Screen::Data,
                )
            };
            if empty_state(ui, icons::ICON_EDIT_NOTE, "Nothing to write about yet", why, Some("Go there")) {
                view.commands.push(AppCommand::Show(screen).into());
            }
            return;
        }
        self.fill(view);
        let plain = Frame::new();
        Panel::left("generate form")
            .frame(plain)
            .resizable(false)
            .show_separator_line(false)
            .exact_size(296.0)
            .show(ui, |ui| {
                ScrollArea::vertical().id_salt("generate form").auto_shrink(false).show(ui, |ui| {
                    ui.set_width(ui.available_width() - theme::PAD);
                    self.form(ui, view);
                });
            });
        let right = Frame::new().inner_margin(Margin { left: theme::SCREEN as i8, ..Default::default() });
        egui::CentralPanel::no_frame().frame(right).show(ui, |ui| {
            ScrollArea::vertical().id_salt("texts").auto_shrink(false).show(ui, |ui| self.right(ui, view));
        });
    }

    fn form(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        let chosen = named_choice(
            ui,
            "What is written",
            "Each kind of text is a part of an example.",
            PARTS.iter().find(|(part, ..)| *part == self.spec.part).map_or("", |(_, name, _)| *name),
            PARTS.iter().map(|(_, name, _)| *name),
        );
        if let Some((part, ..)) = chosen.and_then(|chosen| PARTS.iter().find(|(_, name, _)| *name == chosen))
        {
            self.spec.part = *part;
            self.spec.requests.clear();
            let fit = if *part == Part::Harmful { &view.focus.base } else { &view.focus.model };
            self.spec.model = fit.clone().unwrap_or_default();
        }
        let hint = PARTS.iter().find(|(part, ..)| *part == self.spec.part).map_or("", |(_, _, hint)| *hint);
        let models = view.project.models.iter().map(|model| model.entry.id.as_str());
        if let Some(id) = named_choice(ui, "Who writes", hint, &self.spec.model, models) {
            self.spec.model = id;
        }
        let sets = view.project.datasets.iter().map(|set| set.id.as_str());
        if let Some(id) =
            named_choice(ui, "Requests", "The set whose requests are asked.", &self.spec.requests, sets)
        {
            self.spec.requests = id;
        }
        let id = field(
            ui,
            "Start the answer with",
            "Put into the model's mouth; the text begins with it. May be empty.",
        );
        ui.add(
            TextEdit::singleline(&mut self.spec.prefill).hint_text("nothing").desired_width(f32::INFINITY),
        )
        .labelled_by(id);
        ui.add_space(theme::GAP);
        ui.horizontal_top(|ui| {
            // As wide as its name.
            let texts = 152.0;
            let rest = ui.available_width() - theme::PAD - texts;
            ui.vertical(|ui| {
                ui.set_width(texts);
                let id = field(ui, "Texts for each request", "How many are written for each request.");
                ui.add_sized([96.0, theme::CONTROL], DragValue::new(&mut self.spec.samples).range(1..=64))
                    .labelled_by(id);
            });
            ui.vertical(|ui| {
                ui.set_width(rest);
                let id = field(ui, "Only the first", "So many requests of the set; empty for all of them.");
                ui.add(
                    TextEdit::singleline(&mut self.limit)
                        .hint_text("all requests")
                        .desired_width(f32::INFINITY),
                )
                .labelled_by(id);
            });
        });
        ui.add_space(theme::PAD);
        let mut problems: Vec<&str> = self.spec().check().into_iter().map(|(_, message)| message).collect();
        if view.project.read_only {
            problems.push(READ_ONLY);
        }
        if !self.limit.trim().is_empty() && self.limit.trim().parse::<usize>().is_err() {
            problems.push("The number of requests must be a whole number, or empty for all of them.");
        }
        for problem in &problems {
            notice(ui, Tone::Warning, problem);
        }
        let blocked = (!problems.is_empty()).then(|| problems.join("\n"));
        if primary_button(ui, icons::ICON_EDIT_NOTE, "Start writing", blocked.as_deref()).clicked() {
            view.commands.push(GenerateCommand::Start.into());
        }
    }

    fn right(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        if let Some(job) = view.jobs.newest_writing().filter(|job| !matches!(job.state, JobState::Done(_))) {
            card(ui, |ui| {
                section(ui, &job.title);
                if job.is_open() {
                    progress_with_stop(ui, job, view.commands);
                    let text = job
                        .progress
                        .as_ref()
                        .map_or_else(|| "Waiting, or loading the model…".to_owned(), Progress::text);
                    ui.label(theme::small(text).color(theme::palette(ui).weak));
                }
                if let JobState::Stopped(message) | JobState::Failed(message) = &job.state {
                    notice(ui, Tone::Warning, message);
                }
            });
            ui.add_space(theme::GROUP);
        }
        if view.project.generations.is_empty() {
            card(ui, |ui| {
                empty_state(
                    ui,
                    icons::ICON_RATE_REVIEW,
                    "The texts will wait here for you",
                    "A recovery example needs a harmful answer and a refusal to the same request: let the base write the first, \
                     the aligned model the second. Nothing becomes an example that you have not accepted.",
                    None,
                );
            });
            return;
        }
        let names: Vec<(String, String)> = view
            .project
            .generations
            .iter()
            .map(|g| {
                (
                    g.id.clone(),
                    if g.spec.title.is_empty() {
                        g.id.clone()
                    } else {
                        format!("{} · {}", g.spec.title, g.id)
                    },
                )
            })
            .collect();
        let current = names
            .iter()
            .find(|(id, _)| Some(id) == self.selected.as_ref())
            .map_or("", |(_, name)| name.as_str());
        let chosen = named_choice(
            ui,
            "Texts",
            "What models have written, newest first.",
            current,
            names.iter().map(|(_, n)| n.as_str()),
        );
        if let Some((id, _)) = chosen.and_then(|chosen| names.iter().find(|(_, name)| *name == chosen)) {
            self.select(id.clone());
        }
        match self.review.take() {
            None => {
                ui.label(theme::small("Reading the texts…").color(theme::palette(ui).weak));
            }
            Some(Err(error)) => {
                notice(ui, Tone::Error, &error);
                self.review = Some(Err(error));
            }
            Some(Ok(review)) => {
                card(ui, |ui| self.queue(ui, view, &review));
                self.review = Some(Ok(review));
            }
        }
        ui.add_space(theme::GROUP);
        card(ui, |ui| self.set_form(ui, view));
    }

    /// The next text that nobody has decided about.
    fn queue(&mut self, ui: &mut Ui, view: &mut View<'_>, review: &Review) {
        let p = theme::palette(ui);
        let Some(generation) = self.selected.clone() else { return };
        let open: Vec<&Candidate> = review.open().collect();
        let accepted = review.accepted().count();
        let rejected = review.candidates.len() - accepted - open.len();
        ui.horizontal(|ui| {
            chip(ui, &format!("{} open", open.len()), p.accent);
            chip(ui, &format!("{accepted} accepted"), p.good);
            chip(ui, &format!("{rejected} rejected"), p.weak);
        });
        ui.add_space(theme::GAP);
        if review.candidates.is_empty() {
            ui.label("No text has been written.");
            return;
        }
        if open.is_empty() {
            notice(
                ui,
                Tone::Good,
                "Every text is decided about. Make a data set of the accepted ones below.",
            );
        }
        if open.len() < review.candidates.len() {
            check_label(ui, &mut self.decided, "Show what is decided about too", "to decide otherwise");
            ui.add_space(theme::GAP);
        }
        let texts: Vec<&Candidate> =
            if self.decided { review.candidates.iter().collect() } else { open.clone() };
        if texts.is_empty() {
            return;
        }
        let candidate = texts[self.skipped % texts.len()];
        let decision = review.decision(&candidate.id);
        if let Some(decision) = decision {
            let (word, colour) = match decision {
                Decision::Accept => ("accepted", p.good),
                Decision::Edit { .. } => ("accepted with your words", p.good),
                Decision::Reject => ("rejected", p.weak),
            };
            chip(ui, word, colour);
            ui.add_space(theme::GAP);
        }
        let as_decided = match decision {
            Some(Decision::Edit { text }) => text,
            _ => &candidate.text,
        };
        ui.label(theme::label("Request").color(p.weak));
        ui.label(candidate.context.last().map_or("", |message| message.content.as_str()));
        ui.add_space(theme::GAP);
        let named = ui.horizontal(|ui| {
            let named = ui.label(theme::label(candidate.part.label()).color(p.weak));
            if candidate.part == Part::Harmful {
                let text = if self.shown { "hide" } else { "show" };
                if text_button(ui, text, &format!("{text} the harmful answer")).clicked() {
                    self.shown = !self.shown;
                }
            }
            named.id
        });
        if candidate.part == Part::Harmful && !self.shown {
            hidden_text(ui, as_decided, 112.0);
        } else {
            let text = self.edited.entry(candidate.id.clone()).or_insert_with(|| as_decided.clone());
            let edit = TextEdit::multiline(text).desired_rows(5).desired_width(f32::INFINITY);
            ui.add(edit).labelled_by(named.inner).on_hover_text("You can change it before you accept it.");
        }
        if let Some(doubt) = &candidate.doubt {
            ui.add_space(theme::GAP);
            notice(ui, Tone::Warning, doubt);
        }
        ui.add_space(theme::GAP);
        let accept = |candidate: &Candidate| match self.edited.get(&candidate.id) {
            Some(text) if *text != candidate.text => Decision::Edit { text: text.clone() },
            _ => Decision::Accept,
        };
        let read_only = view.project.read_only.then_some(READ_ONLY);
        let one = |decision: Decision| GenerateCommand::Decide {
            generation: generation.clone(),
            decisions: vec![(candidate.id.clone(), decision)],
        };
        let undoubted: Vec<(String, Decision)> =
            open.iter().filter(|c| c.doubt.is_none()).map(|c| (c.id.clone(), accept(c))).collect();
        let decisions = [one(accept(candidate)), one(Decision::Reject)];
        ui.horizontal(|ui| {
            for command in decisions {
                if command_button(ui, &command, read_only) {
                    view.send(command);
                    // The next text is covered again.
                    self.shown = false;
                }
            }
            if texts.len() > 1 && text_button(ui, "Later", "Put this text off and show the next").clicked() {
                self.skipped += 1;
                self.shown = false;
            }
            if undoubted.len() > 1 {
                let command =
                    GenerateCommand::Decide { generation: generation.clone(), decisions: undoubted };
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if command_button(ui, &command, read_only) {
                        view.send(command);
                    }
                });
            }
        });
    }

    fn set_form(&mut self, ui: &mut Ui, view: &mut View<'_>) {
        section(ui, "Make a data set of what was accepted");
        let of_kind = |kind: DatasetKind| -> Vec<String> {
            let fits = |part: Part| (part == Part::Benign) == (kind == DatasetKind::Chat);
            let own = view.project.generations.iter().filter(|g| fits(g.spec.part));
            own.map(|g| g.id.clone()).filter(|id| !self.set.without.contains(id)).collect()
        };
        let (recovery, anchor) = (of_kind(DatasetKind::Recovery), of_kind(DatasetKind::Chat));
        for generation in &view.project.generations {
            let mut on = !self.set.without.contains(&generation.id);
            let title =
                if generation.spec.title.is_empty() { &generation.id } else { &generation.spec.title };
            if check_label(ui, &mut on, title, &generation.id).changed() {
                if on {
                    self.set.without.remove(&generation.id);
                } else {
                    self.set.without.insert(generation.id.clone());
                }
            }
        }
        ui.add_space(theme::GAP);
        let id = field(ui, "Name of the new set", "Lower-case letters, digits and dashes.");
        ui.add(TextEdit::singleline(&mut self.set.name).hint_text("my-recovery").desired_width(320.0))
            .labelled_by(id);
        ui.add_space(theme::GAP);
        check_label(ui, &mut self.set.templates, "Where no refusal was accepted, take a general one", "");
        ui.add_space(theme::GAP);
        let name = self.set.name.trim().to_owned();
        let blocked = |from: &[String]| {
            if view.project.read_only {
                Some(READ_ONLY)
            } else if name.is_empty() {
                Some("Give the new set a name.")
            } else if from.is_empty() {
                Some("No ticked text can become such an example.")
            } else {
                None
            }
        };
        let make = |kind, from: &[String]| GenerateCommand::Assemble {
            id: name.clone(),
            kind,
            from: from.to_vec(),
            templates: self.set.templates,
        };
        let mut sent = None;
        ui.horizontal(|ui| {
            let button = primary_button(ui, icons::ICON_ADD, "Make recovery set", blocked(&recovery));
            if button.clicked() {
                sent = Some(make(DatasetKind::Recovery, &recovery));
            }
            let button = primary_button(ui, icons::ICON_ADD, "Make anchor set", blocked(&anchor));
            if button.clicked() {
                sent = Some(make(DatasetKind::Chat, &anchor));
            }
        });
        if let Some(command) = sent {
            self.set.told = None;
            view.send(command);
        }
        if let Some((tone, text)) = &self.set.told {
            ui.add_space(theme::GAP);
            notice(ui, *tone, text);
            if matches!(tone, Tone::Good)
                && text_button(ui, "Go to training", "Go to the Train screen").clicked()
            {
                view.commands.push(AppCommand::Show(Screen::Train).into());
            }
        }
    }
}
