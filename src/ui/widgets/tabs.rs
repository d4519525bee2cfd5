//! The tabs of a screen: names in a row over a line, the present one underlined.

use crate::ui::theme;
use eframe::egui::{
    self, Align, Color32, CornerRadius, FontFamily, FontId, Layout, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

/// A light behind a tab's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TabLight {
    /// The tab has none.
    Absent,
    /// Its colour is not known yet. Its room is kept: nothing is to move when it comes.
    Unknown,
    /// It shines in this colour.
    Known(Color32),
}

/// One tab.
pub struct Tab<'a, T> {
    /// Where it leads.
    pub to: T,
    /// What stands on it.
    pub name: &'a str,
    /// What it shows, in one sentence.
    pub purpose: &'a str,
    /// A light behind its name.
    pub light: TabLight,
}

impl<'a, T> Tab<'a, T> {
    /// A tab without a light.
    pub fn new(to: T, name: &'a str, purpose: &'a str) -> Self {
        Self { to, name, purpose, light: TabLight::Absent }
    }
}

/// Room for a light.
const LIGHT: f32 = 16.0;
/// Height of the line under the present tab.
const UNDER: f32 = 2.0;

/// How far below the tabs it is: what stands on their right is not to touch it.
const BELOW: f32 = 3.0;

/// Draws the tabs, with something on their right; gives back the one that was pressed.
pub fn tab_bar<T: Copy + PartialEq>(
    ui: &mut Ui,
    tabs: &[Tab<'_, T>],
    current: T,
    right: impl FnOnce(&mut Ui),
) -> Option<T> {
    let p = theme::palette(ui);
    let (size, gap) = fitting(ui, tabs);
    let mut pressed = None;
    let row = ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(gap, 0.0);
        for tab in tabs {
            if one(ui, tab, tab.to == current, size) {
                pressed = Some(tab.to);
            }
        }
        if ui.available_size_before_wrap().x > LIGHT {
            ui.spacing_mut().item_spacing.x = theme::GAP;
            ui.with_layout(Layout::right_to_left(Align::Center), right);
        }
    });
    let line = row.response.rect;
    let x = line.left()..=line.left() + ui.available_width();
    ui.painter().hline(x, line.bottom() + BELOW + UNDER / 2.0, Stroke::new(1.0, p.border));
    ui.add_space(theme::PAD);
    pressed.filter(|to| *to != current)
}

/// Tabs within a tab: smaller, and without a line of their own.
pub fn inner_tabs<T: Copy + PartialEq>(ui: &mut Ui, tabs: &[Tab<'_, T>], current: T) -> Option<T> {
    let mut pressed = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(theme::GROUP, theme::TIGHT);
        for tab in tabs {
            if one(ui, tab, tab.to == current, theme::SMALL) {
                pressed = Some(tab.to);
            }
        }
    });
    ui.add_space(theme::GAP);
    pressed.filter(|to| *to != current)
}

/// Size of text and distance at which all tabs stand in one row, if there is such a size.
fn fitting<T>(ui: &Ui, tabs: &[Tab<'_, T>]) -> (f32, f32) {
    let room = ui.available_width();
    let choices = [(theme::BODY, theme::GROUP), (theme::SMALL, theme::GROUP), (theme::SMALL, theme::GAP)];
    let fits = |&(size, gap): &(f32, f32)| {
        let widths: f32 = tabs.iter().map(|tab| width(ui, tab, size)).sum();
        widths + gap * tabs.len().saturating_sub(1) as f32 <= room
    };
    choices.into_iter().find(fits).unwrap_or((theme::SMALL, theme::GAP))
}

/// As wide as the name in its heavier form, so that nothing moves when another tab is chosen.
fn width<T>(ui: &Ui, tab: &Tab<'_, T>, size: f32) -> f32 {
    let font = FontId::new(size, theme::semibold());
    let text = ui.painter().layout_no_wrap(tab.name.to_owned(), font, Color32::PLACEHOLDER).size().x;
    text.ceil() + if tab.light == TabLight::Absent { 0.0 } else { LIGHT }
}

/// Draws one; gives back whether it was pressed.
fn one<T>(ui: &mut Ui, tab: &Tab<'_, T>, here: bool, size: f32) -> bool {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width(ui, tab, size), theme::CONTROL), Sense::click());
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, here, tab.name));
    let painter = ui.painter();
    let (family, ink) = match here {
        true => (theme::semibold(), p.accent),
        false if response.hovered() => (FontFamily::Proportional, p.accent),
        false => (FontFamily::Proportional, p.ink),
    };
    painter.text(rect.left_center(), egui::Align2::LEFT_CENTER, tab.name, FontId::new(size, family), ink);
    if let TabLight::Known(light) = tab.light {
        painter.circle_filled(rect.right_center() - vec2(5.0, 0.0), 4.0, light);
    }
    if here {
        let under = egui::Rect::from_min_max(
            pos2(rect.left(), rect.bottom() + BELOW - UNDER / 2.0),
            pos2(rect.right(), rect.bottom() + BELOW + UNDER / 2.0),
        );
        painter.rect_filled(under, CornerRadius::ZERO, p.accent);
    }
    if response.has_focus() {
        let around = rect.expand2(vec2(theme::TIGHT, -theme::TIGHT));
        let radius = CornerRadius::same(theme::RADIUS);
        painter.rect_stroke(around, radius, Stroke::new(1.0, p.accent), StrokeKind::Inside);
    }
    response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_text(tab.purpose).clicked()
}
