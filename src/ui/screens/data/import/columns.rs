//! What the rows become, and which column is what.

use crate::data::{DatasetKind, Field, Said};
use crate::ui::app::Look;
use crate::ui::theme;
use crate::ui::widgets::{combo_box, line};
use eframe::egui::{self, Align, Layout, Ui};

/// What stands for no column.
const NONE: &str = "no column";
/// Characters of a column's name that are shown.
const LONGEST: usize = 40;

/// Width of the names before the choices.
const LABEL: f32 = 116.0;

/// A field's name in the window.
pub(super) fn name(field: Field, kind: DatasetKind) -> &'static str {
    match field {
        Field::Messages => "Conversation",
        Field::System => "Instructions",
        Field::Request => "Request",
        Field::Input => "Added input",
        Field::History => "Earlier turns",
        Field::Answer => match kind {
            DatasetKind::Attack => "Harmful answer",
            DatasetKind::Utility => "Right answer",
            _ => "Answer",
        },
        Field::Choices => "Choices",
        Field::Harmful => "Harmful answer",
        Field::Refusal => "Refusal",
        Field::Category => "Category",
        Field::Id => "Row id",
    }
}

/// As much of a column's name as there is room for.
pub(super) fn shown(column: &str) -> String {
    if column.chars().nth(LONGEST).is_none() {
        return column.to_owned();
    }
    column.chars().take(LONGEST).chain(['…']).collect()
}

/// What the rows become.
pub(super) fn kind(ui: &mut Ui, look: &Look, kind: &mut Option<DatasetKind>, said: &mut Said) -> bool {
    let mut changed = false;
    choice(
        ui,
        ("The rows become", "The rows become"),
        "Seen from the columns; choose another kind if it was seen wrongly.",
        |combo, ui| {
            combo.selected_text(look.kind.label()).show_ui(ui, |ui| {
                for one in DatasetKind::ALL {
                    if ui.selectable_label(one == look.kind, one.label()).clicked() && one != look.kind {
                        *kind = Some(one);
                        said.clear();
                        changed = true;
                    }
                }
            })
        },
    );
    if look.own {
        let p = theme::palette(ui);
        let text =
            "This file has the form in which Plumbline keeps its sets: its rows are taken as they are.";
        ui.add(egui::Label::new(theme::small(text).color(p.weak)).wrap());
        ui.add_space(theme::GAP);
    }
    changed
}

/// Whether a table's first line names its columns.
pub(super) fn header(ui: &mut Ui, look: &Look, header: &mut Option<bool>, said: &mut Said) -> bool {
    let Some(named) = look.header else { return false };
    let text = |named| if named { "column names" } else { "a row like others" };
    let mut changed = false;
    choice(ui, ("The first line", "The first line"), "Of a table.", |combo, ui| {
        combo.selected_text(text(named)).show_ui(ui, |ui| {
            for one in [true, false] {
                if ui.selectable_label(one == named, text(one)).clicked() && one != named {
                    *header = Some(one);
                    said.clear();
                    changed = true;
                }
            }
        })
    });
    changed
}

/// Which column each field is taken from.
pub(super) fn fields(ui: &mut Ui, look: &Look, said: &mut Said) -> bool {
    if look.own {
        return false;
    }
    let mut changed = false;
    ui.add_space(theme::TIGHT);
    ui.label(theme::small("Which column is what:").color(theme::palette(ui).weak));
    for (field, needed) in look.fields() {
        let name = name(field, look.kind);
        let spoken = format!("Column: {}", name.to_lowercase());
        let hint = match (field, needed) {
            (_, true) => "Needed.",
            (Field::Input, _) => "A context or an input that is put under the request. May be left out.",
            (Field::System, _) => "A system prompt before the conversation. May be left out.",
            (Field::Choices, _) => {
                "One column with a list, or several columns: each that you choose is added or taken away."
            }
            (_, false) => "May be left out.",
        };
        let current = look.fit.columns.get(&field);
        let missing = look.fit.missing.contains(&field);
        let text = match current {
            Some(column) => shown(column),
            None if missing => "choose…".to_owned(),
            None => NONE.to_owned(),
        };
        choice(ui, (name, &spoken), hint, |combo, ui| {
            combo.selected_text(text).show_ui(ui, |ui| {
                if !needed && ui.selectable_label(current.is_none(), NONE).clicked() {
                    said.insert(field, None);
                    changed = true;
                }
                for column in &look.columns {
                    let on = is_part(field, current, column);
                    if ui.selectable_label(on, shown(column)).clicked() {
                        said.insert(field, with(field, current, column));
                        changed = true;
                    }
                }
            })
        });
    }
    changed
}

fn is_part(field: Field, current: Option<&String>, column: &str) -> bool {
    current.is_some_and(|now| {
        now == column || field == Field::Choices && now.split('|').any(|one| one == column)
    })
}

/// A field's column once another was chosen. Choices may stand in several columns, each of which is chosen or taken away.
fn with(field: Field, current: Option<&String>, column: &str) -> Option<String> {
    if field != Field::Choices {
        return Some(column.to_owned());
    }
    let mut columns: Vec<&str> = current.into_iter().flat_map(|now| now.split('|')).collect();
    let before = columns.len();
    columns.retain(|one| *one != column);
    if columns.len() == before {
        columns.push(column);
    }
    (!columns.is_empty()).then(|| columns.join("|"))
}

/// A choice with its name on the left; `spoken` is what screen readers say.
fn choice<'a>(
    ui: &mut Ui,
    (name, spoken): (&str, &str),
    hint: &str,
    show: impl FnOnce(egui::ComboBox<'a>, &mut Ui) -> egui::InnerResponse<Option<()>>,
) {
    line(ui, theme::CONTROL, |ui| {
        let size = egui::vec2(LABEL, theme::CONTROL);
        ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(LABEL);
            ui.add(egui::Label::new(theme::label(name)).truncate()).on_hover_text(hint);
        });
        let combo = combo_box(spoken, ui.available_width());
        let response = show(combo, ui).response;
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, spoken));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_may_stand_in_several_columns() {
        let one = with(Field::Choices, None, "A");
        let two = with(Field::Choices, one.as_ref(), "B");
        assert_eq!(two.as_deref(), Some("A|B"));
        assert!(is_part(Field::Choices, two.as_ref(), "B"));
        assert_eq!(with(Field::Choices, two.as_ref(), "A").as_deref(), Some("B"));
        assert_eq!(with(Field::Choices, one.as_ref(), "A"), None);
        assert_eq!(with(Field::Request, one.as_ref(), "B").as_deref(), Some("B"));
    }

    #[test]
    fn long_names_of_columns_are_cut() {
        assert_eq!(shown("goal"), "goal");
        assert_eq!(shown(&"é".repeat(1_000_000)).chars().count(), LONGEST + 1);
    }
}
