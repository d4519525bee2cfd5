//! What stands beside the form: one of these panes.

use crate::job::Light;
use crate::ui::theme;
use crate::ui::widgets::{Tab, TabLight, tab_bar};
use eframe::egui::Ui;

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
    let known = |light| TabLight::Known(super::checks::light_colour(p, light));
    let of_checks = light.map_or(TabLight::Unknown, known);
    let tabs: Vec<Tab<'_, TrainPane>> = TrainPane::ALL
        .into_iter()
        .filter(|pane| protect || *pane != TrainPane::Protect)
        .map(|pane| Tab {
            light: if pane == TrainPane::Checks { of_checks } else { TabLight::Absent },
            ..Tab::new(pane, pane.name(), pane.purpose())
        })
        .collect();
    tab_bar(ui, &tabs, current, |_| {})
}
