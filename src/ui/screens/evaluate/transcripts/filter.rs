//! Which answers are listed.

use crate::evaluate::{REFERENCE, TranscriptChoices, TranscriptFilter, UTILITY};
use crate::judge::Verdict;
use crate::report::attack_words;
use crate::ui::theme;
use crate::ui::widgets::{combo_box, text_button};
use eframe::egui::{self, TextEdit, Ui};

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
        choice(ui, "Model", "every model", &mut filter.model, &choices.models, &model);
        if choices.sets.len() > 1 {
            choice(ui, "Set", "every set", &mut filter.set, &choices.sets, &str::to_owned);
        }
        let attacks: Vec<String> = choices.attacks.iter().map(|(attack, _)| attack.clone()).collect();
        choice(ui, "Attack", "every attack", &mut filter.attack, &attacks, &attack_name);
        let own = choices.attacks.iter().find(|(attack, _)| Some(attack) == filter.attack.as_ref());
        if let Some((attack, settings)) = own.filter(|(_, settings)| settings.len() > 1) {
            let words = |setting: &str| attack_words(attack, setting);
            choice(ui, "Setting", "every setting", &mut filter.setting, settings, &words);
        }
        choice(ui, "Judge", "every judge", &mut filter.judge, &choices.judges, &str::to_owned);
        verdict(ui, &mut filter.verdict);
        if !choices.categories.is_empty() {
            choice(
                ui,
                "Category",
                "every category",
                &mut filter.category,
                &choices.categories,
                &str::to_owned,
            );
        }
        let find =
            TextEdit::singleline(&mut filter.words).hint_text("Find in the words").desired_width(150.0);
        ui.add(find)
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Find in the words"));
        if *filter != TranscriptFilter::default()
            && text_button(ui, "Show all", "Show all answers")
                .on_hover_text("Takes the filter away.")
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
    let response = combo_box(name, 132.0)
        .selected_text(text)
        .show_ui(ui, |ui| {
            ui.selectable_value(chosen, None, all);
            for choice in choices {
                ui.selectable_value(chosen, Some(choice.clone()), words(choice));
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
}

fn verdict(ui: &mut Ui, chosen: &mut Option<Verdict>) {
    let text =
        VERDICTS.iter().find(|(verdict, _)| Some(*verdict) == *chosen).map_or("every verdict", |v| v.1);
    let response = combo_box("Verdict", 132.0)
        .selected_text(text)
        .show_ui(ui, |ui| {
            ui.selectable_value(chosen, None, "every verdict");
            for (verdict, word) in VERDICTS {
                ui.selectable_value(chosen, Some(verdict), word);
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Verdict"));
}
