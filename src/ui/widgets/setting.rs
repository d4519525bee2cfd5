//! One setting a line: its name on the left, what it is set to on the right.

use super::{field, tick};
use crate::ui::theme;
use eframe::egui::{self, DragValue, Response, TextEdit, Ui};
use std::ops::RangeInclusive;

/// Room for the names.
const NAMES: f32 = 280.0;

fn row<R>(ui: &mut Ui, name: &str, hint: &str, control: impl FnOnce(&mut Ui, egui::Id) -> R) -> R {
    ui.horizontal(|ui| {
        let label = ui
            .allocate_ui_with_layout(
                egui::vec2(NAMES, theme::CONTROL),
                egui::Layout::left_to_right(egui::Align::Center),
                |ui| {
                    ui.set_min_width(NAMES);
                    field(ui, name, hint)
                },
            )
            .inner;
        control(ui, label)
    })
    .inner
}

/// A whole number.
pub fn number_setting(ui: &mut Ui, name: &str, hint: &str, value: &mut usize, range: RangeInclusive<usize>) {
    row(ui, name, hint, |ui, label| {
        ui.add(DragValue::new(value).range(range)).on_hover_text(hint).labelled_by(label);
    });
}

/// A number with two decimals.
pub fn real_setting(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    value: &mut f64,
    range: RangeInclusive<f64>,
) -> Response {
    row(ui, name, hint, |ui, label| {
        ui.add(DragValue::new(value).range(range).speed(0.01).max_decimals(2))
            .on_hover_text(hint)
            .labelled_by(label)
    })
}

/// A line of text; `empty` says what holds where nothing is written.
pub fn line_setting(ui: &mut Ui, name: &str, hint: &str, empty: &str, text: &mut String) {
    row(ui, name, hint, |ui, label| {
        ui.add(TextEdit::singleline(text).hint_text(empty).desired_width(f32::INFINITY))
            .on_hover_text(hint)
            .labelled_by(label);
    });
}

/// Several lines of text; `empty` says what holds where nothing is written.
pub fn block_setting(ui: &mut Ui, name: &str, hint: &str, empty: &str, text: &mut String) {
    row(ui, name, hint, |ui, label| {
        let rows = text.lines().count().clamp(2, 8);
        ui.add(TextEdit::multiline(text).hint_text(empty).desired_rows(rows).desired_width(f32::INFINITY))
            .on_hover_text(hint)
            .labelled_by(label);
    });
}

/// Yes or no.
pub fn tick_setting(ui: &mut Ui, name: &str, hint: &str, on: &mut bool) {
    ui.scope(|ui| tick(ui, on, name).on_hover_text(hint));
}
