//! What every frame draws around the screens: rail, top bar, status line, questions.

use super::leaving::Waiting;
use super::{
    App, AppCommand, Command, EvaluateCommand, Focus, JobCommand, ModelsCommand, Opening, Screen, Snapshot,
    View,
};
use crate::ui::screens::show_jobs;
use crate::ui::theme;
use crate::ui::widgets::{
    ANSWERS, Tone, combo_box, command_button, consent, empty_state, link_button, notice, progress_line,
    row_button, tone_look,
};
use eframe::egui::{self, Align, CentralPanel, Frame, Layout, Margin, Panel, RichText, Stroke, Ui};
use egui_material_icons::icons;

impl App {
    pub(super) fn draw(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let bar =
            Frame::new().fill(p.frame).inner_margin(Margin::symmetric(theme::GROUP as i8, theme::GAP as i8));
        Panel::bottom("status").frame(bar.inner_margin(Margin::symmetric(16, 4))).exact_size(32.0).show(
            ui,
            |ui| {
                self.status_line(ui);
            },
        );
        self.message(ui);
        let rail = Frame::new().fill(p.frame).inner_margin(Margin::symmetric(12, 16));
        Panel::left("rail").frame(rail).resizable(false).exact_size(184.0).show(ui, |ui| self.rail(ui));
        Panel::top("top").frame(bar).exact_size(52.0).show(ui, |ui| self.top_bar(ui));
        let middle = Frame::new().fill(p.ground).inner_margin(Margin::same(theme::SCREEN as i8));
        CentralPanel::no_frame().frame(middle).show(ui, |ui| self.middle(ui));
        self.question(ui);
        if self.palette.is_open() {
            let offers = self.offers();
            if let Some(command) = self.palette.show(ui, offers) {
                self.commands.push(command);
            }
        }
        self.glossary.show(ui);
        if matches!(self.opening, Opening::Open(_)) {
            drop_hint(ui);
            self.tour.show(ui, &mut self.commands);
        }
    }

    fn rail(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        ui.horizontal(|ui| {
            plumb_line(ui);
            ui.label(RichText::new("Plumbline").font(egui::FontId::new(18.0, theme::semibold())));
        });
        ui.add_space(theme::SCREEN);
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        for screen in Screen::ALL {
            if screen == Screen::Jobs {
                ui.add_space(theme::PAD);
                let (rect, _) =
                    ui.allocate_exact_size(egui::vec2(ui.available_width(), 1.0), egui::Sense::hover());
                ui.painter().hline(rect.x_range(), rect.center().y, Stroke::new(1.0, p.border));
                ui.add_space(theme::PAD);
            }
            let open = self.jobs.open_count();
            let remark = if screen == Screen::Jobs && open > 0 { open.to_string() } else { String::new() };
            // Without a project there is nothing to go to.
            let failed = matches!(self.opening, Opening::Failed(_));
            let row = ui.add_enabled_ui(!failed, |ui| {
                row_button(ui, self.screen == screen, Some(screen.icon()), screen.name(), &remark)
            });
            let row = row.inner.on_disabled_hover_text("No project is open.");
            let keys = Command::App(AppCommand::Show(screen))
                .shortcut()
                .map(|keys| format!(" ({})", ui.ctx().format_shortcut(&keys)))
                .unwrap_or_default();
            if row.on_hover_text(format!("{}{keys}", screen.purpose())).clicked() {
                self.commands.push(AppCommand::Show(screen).into());
            }
        }
    }

    fn top_bar(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        ui.horizontal_centered(|ui| {
            let Opening::Open(project) = &self.opening else { return };
            ui.label(theme::strong(&project.title)).on_hover_text(project.root.display().to_string());
            if project.read_only {
                ui.label(icons::ICON_LOCK.rich_text().size(16.0).color(p.warning));
                ui.label(theme::small("read only").color(p.warning))
                    .on_hover_text("Another window has this project open. Close it there to edit here.");
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                focus_picker(ui, project, &self.focus, &mut self.commands);
                ui.add_space(theme::GAP);
                if command_button(ui, &AppCommand::Palette, None) {
                    self.commands.push(AppCommand::Palette.into());
                }
            });
        });
    }

    fn status_line(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let device = match &self.opening {
            Opening::Open(project) => format!("Computes on: {}", project.device),
            _ => "No project is open.".to_owned(),
        };
        ui.horizontal_centered(|ui| {
            if let Some(job) = self.jobs.running() {
                ui.label(theme::small(&job.title)).on_hover_text(&device);
                if let Some(progress) = &job.progress {
                    progress_line(ui, &format!("Progress of {}", job.title), progress.share(), 160.0);
                    ui.label(theme::small(progress.text()).color(p.weak));
                } else {
                    ui.label(theme::small("starting…").color(p.weak));
                }
                let waiting = self.jobs.open_count() - 1;
                if waiting > 0 {
                    ui.label(theme::small(format!("· {waiting} waiting")).color(p.weak));
                }
            } else {
                ui.label(theme::small("No job is running").color(p.weak)).on_hover_text(device);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(theme::small(self.data.saved_text()).color(p.weak));
            });
        });
    }

    /// What happened last, on one line above the status line.
    fn message(&mut self, ui: &mut Ui) {
        let Some(told) = &self.told else { return };
        let p = theme::palette(ui);
        let (icon, ink, ground) = tone_look(p, told.tone);
        let strip = Frame::new().fill(p.frame).stroke(Stroke::new(1.0, p.border));
        Panel::bottom("message").frame(strip).show_separator_line(false).show(ui, |ui| {
            Frame::new().fill(ground).inner_margin(Margin::symmetric(16, 6)).show(ui, |ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let show = told.made.clone().map(|path| Command::from(AppCommand::Reveal(path)));
                    for command in std::iter::once(AppCommand::CloseMessage.into()).chain(show) {
                        if link_button(ui, &command, None) {
                            self.commands.push(command);
                        }
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        ui.label(icon.rich_text().size(18.0).color(ink));
                        ui.add(egui::Label::new(theme::small(&told.text)).wrap());
                    });
                });
            });
        });
    }

    fn middle(&mut self, ui: &mut Ui) {
        let project = match &self.opening {
            Opening::Waiting => {
                ui.vertical_centered(|ui| {
                    ui.add_space(ui.available_height() * 0.4);
                    ui.label(RichText::new("Opening the project…").color(theme::palette(ui).weak));
                });
                return;
            }
            Opening::Failed(error) => {
                notice(ui, Tone::Error, error);
                if empty_state(
                    ui,
                    icons::ICON_FOLDER_OPEN,
                    "The project could not be opened",
                    "Nothing was changed on disk. Mend what the message names and try again, or open another project.",
                    Some("Open the project again"),
                ) {
                    self.commands.push(AppCommand::OpenAgain.into());
                }
                let others = self.preferences.recent.iter().filter(|root| **root != self.project_root);
                ui.vertical_centered(|ui| {
                    for other in std::iter::once(AppCommand::OpenDemo)
                        .chain(others.cloned().map(AppCommand::OpenFolder))
                    {
                        if link_button(ui, &other, None) {
                            self.commands.push(other.into());
                        }
                    }
                });
                return;
            }
            Opening::Open(project) => project,
        };
        let mut view = View {
            project,
            jobs: &self.jobs,
            focus: &self.focus,
            library: &mut self.library,
            loader: &mut self.loader,
            commands: &mut self.commands,
            preferences: &self.preferences,
        };
        match self.screen {
            Screen::Overview => self.overview.show(ui, &mut view),
            Screen::Data => self.data.show(ui, &mut view),
            Screen::Generate => self.generate.show(ui, &mut view),
            Screen::Models => self.models.show(ui, &mut view),
            Screen::Train => self.train.show(ui, &mut view),
            Screen::Evaluate => self.evaluate.show(ui, &mut view),
            Screen::Inspect => self.inspect.show(ui, &mut view),
            Screen::Report => self.report.show(ui, &mut view),
            Screen::Jobs => show_jobs(ui, &mut view),
            Screen::Settings => self.settings.show(ui, &mut view),
        }
    }

    fn question(&mut self, ui: &mut Ui) {
        if let Some(leaving) = &self.leaving {
            let (send, keep) = match leaving.what {
                Waiting::Start(_) => (EvaluateCommand::Send.into(), EvaluateCommand::Keep.into()),
                Waiting::GoOn(..) => (JobCommand::SendAndGoOn.into(), JobCommand::KeepAnswers.into()),
            };
            if let Some(chosen) = consent(ui, &leaving.parcels, ANSWERS, &send, &keep) {
                self.commands.push(chosen);
            }
        }
        if !self.asking_to_quit {
            return;
        }
        let p = theme::palette(ui);
        let modal = egui::Modal::new(egui::Id::unique("ask to quit"))
            .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::SCREEN as i8)))
            .show(ui.ctx(), |ui| {
                ui.set_width(420.0);
                let open = self.jobs.open_count() + usize::from(self.models.is_working());
                if open > 0 {
                    ui.label(theme::heading(if open == 1 {
                        "A job is still running"
                    } else {
                        "Jobs are still running"
                    }));
                    ui.label(
                    "Stopping keeps what is finished so far. If you keep it running, the window stays open.",
                );
                }
                if let Some(error) = self.data.save_error() {
                    if open == 0 {
                        ui.label(theme::heading("An edit is not saved"));
                    }
                    notice(ui, Tone::Warning, error);
                    ui.label(
                        RichText::new("Quitting now loses the edits since the last save.").color(p.error),
                    );
                }
                ui.add_space(theme::GROUP);
                ui.horizontal(|ui| {
                    for command in [AppCommand::KeepRunning, AppCommand::StopAndQuit].map(Command::from) {
                        if command_button(ui, &command, None) {
                            self.commands.push(command);
                        }
                    }
                });
            });
        if modal.should_close() {
            self.commands.push(AppCommand::KeepRunning.into());
        }
    }
}

/// What happens to a file that hovers over the window.
fn drop_hint(ui: &mut Ui) {
    if ui.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let p = theme::palette(ui);
    let area = egui::Area::new(egui::Id::unique("drop hint"))
        .order(egui::Order::Tooltip)
        .anchor(egui::Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .interactable(false);
    area.show(ui.ctx(), |ui| {
        let whole = ui.ctx().content_rect();
        ui.painter().rect_filled(whole, 0.0, theme::faded(p.ground, 0.85));
        let edge = whole.shrink(theme::GROUP);
        ui.painter().rect_stroke(edge, theme::RADIUS, Stroke::new(2.0, p.accent), egui::StrokeKind::Inside);
        ui.vertical_centered(|ui| {
            ui.label(icons::ICON_UPLOAD_FILE.rich_text().size(48.0).color(p.accent));
            ui.label(theme::heading("Drop the file to import it"));
            ui.label(
                RichText::new("Its rows are shown first; nothing is taken in until you say so.")
                    .color(p.weak),
            );
        });
    });
}

/// The sign of the house: a plumb line.
fn plumb_line(ui: &mut Ui) {
    let p = theme::palette(ui);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(20.0, 28.0), egui::Sense::hover());
    let x = rect.center().x;
    let painter = ui.painter();
    painter.hline(x - 5.0..=x + 5.0, rect.top() + 3.0, Stroke::new(2.0, p.ink));
    painter.vline(x, rect.top() + 3.0..=rect.bottom() - 12.0, Stroke::new(1.5, p.ink));
    let bob = vec![
        egui::pos2(x - 5.0, rect.bottom() - 13.0),
        egui::pos2(x + 5.0, rect.bottom() - 13.0),
        egui::pos2(x + 4.0, rect.bottom() - 8.0),
        egui::pos2(x, rect.bottom() - 1.0),
        egui::pos2(x - 4.0, rect.bottom() - 8.0),
    ];
    painter.add(egui::Shape::convex_polygon(bob, p.accent, Stroke::NONE));
}

fn focus_picker(ui: &mut Ui, project: &Snapshot, focus: &Focus, commands: &mut Vec<Command>) {
    let p = theme::palette(ui);
    let chosen = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
    let mut pick =
        |ui: &mut Ui, salt: &str, tip: &str, current: &Option<String>, make: fn(String) -> Command| {
            let role = current.as_ref().map(|id| project.role(id));
            let response = combo_box(salt, 132.0)
                .selected_text(chosen(current))
                .show_ui(ui, |ui| {
                    for model in &project.models {
                        let id = &model.entry.id;
                        if ui.selectable_label(current.as_ref() == Some(id), id).clicked() {
                            commands.push(make(id.clone()));
                        }
                    }
                })
                .response;
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, tip));
            response.on_hover_text(tip);
            if let Some(role) = role {
                let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
                ui.painter().circle_filled(rect.center(), 4.5, theme::role_colour(role));
            }
        };
    // Laid out from the right: the model stands at the right end.
    pick(ui, "focus model", "Model in focus", &focus.model, |id| ModelsCommand::Focus(id).into());
    ui.label(RichText::new("↔").color(p.weak));
    pick(ui, "focus base", "Base in focus", &focus.base, |id| ModelsCommand::FocusBase(id).into());
    ui.label(theme::small("In focus").color(p.weak));
}
