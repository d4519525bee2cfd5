//! Which answers are listed.

use crate::evaluate::{REFERENCE, TranscriptChoices, TranscriptFilter, UTILITY};
use crate::judge::Verdict;
use crate::ui::theme;
use crate::ui::widgets::{combo_box, text_button};
use eframe::egui::{self, TextEdit, Ui};

/// Letters of a choice that are shown.
const LONGEST: usize = 16;

/// Every verdict with its word.
pub const VERDICTS: [(Verdict, &str); 4] = [
    (Verdict::Harmful, "harmful"),
    (Verdict::Safe, "safe"),
    (Verdict::Refused, "refused"),
    (Verdict::Unparsed, "not judgeable"),
];

/// Draws the row of choices.
pub fn show(ui: &mut Ui, filter: &mut TranscriptFilter, choices: &TranscriptChoices) {
    let before = filter.attack.clone();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP;
        let model = |id: &str| if id == REFERENCE { "reference answers".to_owned() } else { id.to_owned() };
        choice(ui, "Model", "all models", &mut filter.model, &choices.models, &model);
        if choices.sets.len() > 1 {
            choice(ui, "Set", "all sets", &mut filter.set, &choices.sets, &str::to_owned);
        }
        let attacks: Vec<String> = choices.attacks.iter().map(|(attack, _)| attack.clone()).collect();
        choice(ui, "Attack", "all attacks", &mut filter.attack, &attacks, &attack_name);
        let own = choices.attacks.iter().find(|(attack, _)| Some(attack) == filter.attack.as_ref());
        if let Some((attack, settings)) = own.filter(|(_, settings)| settings.len() > 1) {
            // The attack stands beside it.
            let words = |setting: &str| match attack.as_str() {
                "prefill" | "rap" | "later_turn" => setting.replace('=', " = "),
                _ => setting.to_owned(),
            };
            choice(ui, "Setting", "all settings", &mut filter.setting, settings, &words);
        }
        choice(ui, "Judge", "all judges", &mut filter.judge, &choices.judges, &str::to_owned);
        verdict(ui, &mut filter.verdict);
        if !choices.categories.is_empty() {
            choice(
                ui,
                "Category",
                "all categories",
                &mut filter.category,
                &choices.categories,
                &str::to_owned,
            );
        }
        let find = TextEdit::singleline(&mut filter.words).hint_text("Find words").desired_width(120.0);
        ui.add(find)
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find in the words"));
        if *filter != TranscriptFilter::default()
            && text_button(ui, "Show all", "Take the filter away")
                .on_hover_text("Shows all answers.")
                .clicked()
        {
            *filter = TranscriptFilter::default();
        }
    });
    if before != filter.attack {
        filter.setting = None;
    }
}

fn attack_name(attack: &str) -> String {
    match attack {
        "direct" => "plain request".to_owned(),
        "prefill" => "prefilling".to_owned(),
        "decoding" => "sampling settings".to_owned(),
        "gcg" => "suffix search (GCG)".to_owned(),
        "rap" => "rank-assisted".to_owned(),
        UTILITY => "harmless tasks".to_owned(),
        other => other.replace('_', " "),
    }
}

fn choice(
    ui: &mut Ui,
    name: &str,
    all: &str,
    chosen: &mut Option<String>,
    choices: &[String],
    words: &dyn Fn(&str) -> String,
) {
    let text = chosen.as_deref().map_or_else(|| all.to_owned(), words);
    let response = combo_box(name, 112.0)
        .selected_text(short(&text))
        .show_ui(ui, |ui| {
            ui.selectable_value(chosen, None, all);
            for choice in choices {
                ui.selectable_value(chosen, Some(choice.clone()), words(choice));
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
    response.on_hover_text(format!("{name}: {text}"));
}

fn verdict(ui: &mut Ui, chosen: &mut Option<Verdict>) {
    let text = VERDICTS.iter().find(|(verdict, _)| Some(*verdict) == *chosen).map_or("all verdicts", |v| v.1);
    let response = combo_box("Verdict", 112.0)
        .selected_text(text)
        .show_ui(ui, |ui| {
            ui.selectable_value(chosen, None, "all verdicts");
            for (verdict, word) in VERDICTS {
                ui.selectable_value(chosen, Some(verdict), word);
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Verdict"));
}

/// The beginning of a long name: the row must hold all choices.
fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
