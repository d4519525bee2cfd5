//! What a person wants to reach: a goal, not an algorithm.

use crate::data::DatasetKind;
use crate::train::{Recipe, TrainSpec};
use crate::ui::theme;
use eframe::egui::{self, Color32, CornerRadius, FontId, Frame, Margin, Sense, Stroke, Ui};

/// What a person wants to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Deepen,
    Protect,
    Tune,
    Break,
}

/// The goals, each with its name, what it does in one sentence, and the field's term.
pub(super) const GOALS: [(Goal, &str, &str, &str); 4] = [
    (
        Goal::Deepen,
        "Make the safety deeper",
        "Teaches the model to refuse even after an answer has begun badly.",
        "recovery augmentation",
    ),
    (
        Goal::Protect,
        "Fine-tune on my data and keep it safe",
        "Learns your data while the first answer tokens stay as they were.",
        "constrained fine-tuning",
    ),
    (
        Goal::Tune,
        "Fine-tune plainly",
        "Learns your data with nothing held back; safety may be lost.",
        "supervised fine-tuning",
    ),
    (
        Goal::Break,
        "See how easily it breaks",
        "Trains a copy as an attacker would, and asks it meanwhile.",
        "fine-tuning attack",
    ),
];

impl Goal {
    pub(super) fn of(spec: &TrainSpec) -> Self {
        match spec.recipe {
            _ if spec.attack.is_some() => Self::Break,
            Recipe::Recovery => Self::Deepen,
            Recipe::Constrained => Self::Protect,
            Recipe::Sft => Self::Tune,
        }
    }

    pub(super) fn recipe(self) -> Recipe {
        match self {
            Self::Deepen => Recipe::Recovery,
            Self::Protect => Recipe::Constrained,
            Self::Tune | Self::Break => Recipe::Sft,
        }
    }

    /// What it learns from.
    pub(super) fn data_kind(self) -> DatasetKind {
        match self {
            Self::Deepen | Self::Break => DatasetKind::Recovery,
            Self::Protect | Self::Tune => DatasetKind::Chat,
        }
    }

    /// What its models are called unless somebody names them.
    pub(super) fn stem(self) -> &'static str {
        match self {
            Self::Deepen => "deepened",
            Self::Protect => "constrained",
            Self::Tune => "tuned",
            Self::Break => "attacked",
        }
    }
}

/// How much room the words of a card take at a width.
fn height(ui: &Ui, width: f32, [name, what, term]: [&str; 3]) -> f32 {
    let small = FontId::proportional(theme::SMALL);
    let fonts = [FontId::new(theme::BODY, theme::semibold()), small.clone(), small];
    let of = |(text, font): (&str, FontId)| {
        ui.painter().layout(text.to_owned(), font, Color32::PLACEHOLDER, width).size().y
    };
    [name, what, term].into_iter().zip(fonts).map(of).sum::<f32>() + 2.0 * theme::TIGHT
}

/// Draws the goals as cards; gives back the one that was newly chosen.
pub(super) fn cards(ui: &mut Ui, current: Goal) -> Option<Goal> {
    let mut newly = None;
    let p = theme::palette(ui);
    let width = (ui.available_width() - 3.0 * theme::PAD) / 4.0;
    let inner = width - 2.0 * theme::PAD - 2.0;
    // In a narrow window some take more lines than others; the cards stay of one height.
    let height = GOALS.map(|(_, name, what, term)| height(ui, inner, [name, what, term]));
    let height = height.into_iter().fold(0.0, f32::max);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::PAD;
        for (goal, name, what, term) in GOALS {
            let chosen = current == goal;
            let response = Frame::new()
                .fill(if chosen { p.selected } else { p.surface })
                .stroke(Stroke::new(1.0, if chosen { p.accent } else { p.border }))
                .corner_radius(CornerRadius::same(theme::RADIUS))
                .inner_margin(Margin::same(theme::PAD as i8))
                .show(ui, |ui| {
                    ui.vertical(|ui| {
                        ui.set_width(inner);
                        ui.set_height(height);
                        ui.spacing_mut().item_spacing.y = theme::TIGHT;
                        ui.label(theme::strong(name));
                        ui.label(theme::small(what));
                        ui.label(theme::small(term).color(p.weak));
                    });
                })
                .response;
            let click = ui.interact(response.rect, ui.scope_id().with(("goal", name)), Sense::click());
            click.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, true, chosen, name));
            if click.has_focus() {
                ui.painter().rect_stroke(
                    response.rect,
                    CornerRadius::same(theme::RADIUS),
                    Stroke::new(2.0, p.accent),
                    egui::StrokeKind::Outside,
                );
            }
            if click.on_hover_cursor(egui::CursorIcon::PointingHand).clicked() && !chosen {
                newly = Some(goal);
            }
        }
    });
    newly
}
