//! The parts of the Evaluate screen, and the bar that leads to them.

use crate::ui::app::{EvaluateCommand, View};
use crate::ui::theme;
use eframe::egui::{self, Align, Button, Layout, RichText, Stroke, Ui, Vec2, WidgetInfo};

/// A part of the Evaluate screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvaluateTab {
    /// Which models are attacked how.
    #[default]
    Setup,
    /// The rates as a table.
    Results,
    /// The rates by kind of request.
    Categories,
    /// The answers behind the rates.
    Transcripts,
    /// Who judged, and what that is worth.
    Judging,
}

impl EvaluateTab {
    /// All of them, as they stand on the screen.
    pub const ALL: [Self; 5] =
        [Self::Setup, Self::Results, Self::Categories, Self::Transcripts, Self::Judging];

    /// What its button says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "What to run",
            Self::Results => "Results",
            Self::Categories => "By category",
            Self::Transcripts => "Transcripts",
            Self::Judging => "Judging",
        }
    }

    /// What it shows, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Setup => "Choose the models, the attacks and who judges, and start.",
            Self::Results => "How often each model complied under each attack.",
            Self::Categories => "The same rates by kind of request.",
            Self::Transcripts => "Read the answers behind the rates.",
            Self::Judging => "Judge again, label by hand, and see how far each judge is to be trusted.",
        }
    }
}

/// Draws the bar, with something on its right; a press sends the command that leads to the tab.
pub fn tab_bar(
    ui: &mut Ui,
    view: &mut View<'_>,
    current: EvaluateTab,
    right: impl FnOnce(&mut Ui, &mut View<'_>),
) {
    let p = theme::palette(ui);
    let bar = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = theme::TIGHT;
        for tab in EvaluateTab::ALL {
            let here = tab == current;
            let ink = if here { p.accent } else { p.ink };
            let family = if here { theme::semibold() } else { egui::FontFamily::Proportional };
            let text = RichText::new(tab.name()).font(egui::FontId::new(theme::BODY, family)).color(ink);
            let button = ui.add(Button::new(text).frame(false).min_size(Vec2::new(0.0, theme::CONTROL)));
            button.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, here, tab.name()));
            if here {
                let under = button.rect;
                ui.painter().hline(under.x_range(), under.bottom() + 2.0, Stroke::new(2.0, p.accent));
            }
            if button.on_hover_text(tab.purpose()).clicked() {
                view.send(EvaluateCommand::Tab(tab));
            }
            ui.add_space(theme::GAP);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| right(ui, view));
    });
    let line = bar.response.rect;
    let x = line.left()..=line.left() + ui.available_width();
    ui.painter().hline(x, line.bottom() + 3.0, Stroke::new(1.0, p.border));
    ui.add_space(theme::PAD);
}
