//! What stands beside the form: one of these panes.

use crate::job::Light;
use crate::ui::theme;
use eframe::egui::{self, Button, CornerRadius, Stroke, Ui, WidgetInfo};

/// A pane beside the form of the Train screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainPane {
    /// What the chosen goal does.
    #[default]
    Explain,
    /// How strongly each answer token is protected.
    Protect,
    /// The rows of the coming batches.
    Rows,
    /// Whether the run can begin.
    Checks,
    /// The newest run.
    Run,
    /// Runs beside each other.
    Compare,
}

impl TrainPane {
    /// All of them, in their order on the screen.
    pub const ALL: [Self; 6] =
        [Self::Explain, Self::Protect, Self::Rows, Self::Checks, Self::Run, Self::Compare];

    /// What stands on its tab.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Explain => "How it works",
            Self::Protect => "Protection (β)",
            Self::Rows => "What it sees",
            Self::Checks => "Checks",
            Self::Run => "The run",
            Self::Compare => "Compare runs",
        }
    }

    /// What it is for, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Explain => "Says what the chosen goal does to the model, in words and as an equation.",
            Self::Protect => {
                "Sets how strongly each answer token is held, and shows what that does to this data."
            }
            Self::Rows => "Shows the tokens of the coming rows: what is read, and what is learnt.",
            Self::Checks => "Looks at memory, disk, data and model before training begins.",
            Self::Run => "Shows the newest training run while it works and when it has ended.",
            Self::Compare => "Lays the curves and settings of runs beside each other.",
        }
    }
}

/// The tabs; gives back the one that was pressed. `light` is the worst of the checks.
pub(super) fn tabs(
    ui: &mut Ui,
    current: TrainPane,
    protect: bool,
    light: Option<Light>,
) -> Option<TrainPane> {
    let p = theme::palette(ui);
    let mut pressed = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(theme::TIGHT, theme::TIGHT);
        ui.spacing_mut().button_padding = egui::vec2(10.0, 4.0);
        ui.spacing_mut().interact_size.y = 28.0;
        for pane in TrainPane::ALL.into_iter().filter(|pane| protect || *pane != TrainPane::Protect) {
            let chosen = pane == current;
            let lit = light.filter(|_| pane == TrainPane::Checks);
            // Room for the light, whether it is known yet or not: nothing is to move when it comes.
            let room = if pane == TrainPane::Checks { "    " } else { "" };
            let text = format!("{}{room}", pane.name());
            let text =
                if chosen { theme::label(text).color(p.accent) } else { theme::small(text).color(p.ink) };
            let button = Button::new(text)
                .fill(if chosen { p.selected } else { p.ground })
                .stroke(Stroke::new(1.0, if chosen { p.accent } else { p.border }))
                .corner_radius(CornerRadius::same(theme::RADIUS));
            let response = ui.add(button);
            response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, chosen, pane.name()));
            if let Some(light) = lit {
                let at = response.rect.right_center() - egui::vec2(14.0, 0.0);
                ui.painter().circle_filled(at, 4.0, super::checks::light_colour(p, light));
            }
            if response.on_hover_text(pane.purpose()).clicked() && !chosen {
                pressed = Some(pane);
            }
        }
    });
    ui.add_space(theme::GAP);
    pressed
}
