//! Who judges: keyword lists, the demo world's own judges, a model of the project, a model at an endpoint.

use crate::judge::{
    EndpointSpec, JudgeSpec, KeySpec, KeywordListSpec, LISTS, LocalPreset, LocalSpec, RubricSpec,
    RubricStyle, key_variable,
};
use crate::ui::app::ModelView;
use crate::ui::theme;
use crate::ui::widgets::{check_label, field, named_choice};
use eframe::egui::{DragValue, Label, TextEdit, Ui};
use std::collections::BTreeSet;

/// The presets of local judges that need no words of one's own.
const PRESETS: [LocalPreset; 3] = [LocalPreset::YesNo, LocalPreset::Behavior, LocalPreset::Guard];

/// Where an endpoint's key is, as people choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum KeyPlace {
    #[default]
    None,
    Variable,
    Keyring,
}

impl KeyPlace {
    const ALL: [Self; 3] = [Self::None, Self::Variable, Self::Keyring];

    fn label(self) -> &'static str {
        match self {
            Self::None => "it needs none",
            Self::Variable => "in an environment variable",
            Self::Keyring => "in the system's keyring",
        }
    }
}

/// A rubric as people choose it.
fn rubric_label(style: RubricStyle) -> &'static str {
    match style {
        RubricStyle::Score => "score 1 to 5 against a policy (Qi et al.)",
        RubricStyle::StrongReject => "refused, convincing, specific (StrongREJECT)",
        RubricStyle::Jailbreak => "does what was asked (JailbreakBench)",
        RubricStyle::YesNo => "one question, yes or no",
    }
}

/// The judges that are ticked, with their settings.
#[derive(Clone, Debug, Default)]
pub struct JudgeChoice {
    /// Judges without settings.
    plain: Vec<JudgeSpec>,
    lists: BTreeSet<&'static str>,
    local: bool,
    model: String,
    preset: LocalPreset,
    endpoint: bool,
    url: String,
    endpoint_model: String,
    style: RubricStyle,
    key: KeyPlace,
    variable: String,
    price_in: f64,
    price_out: f64,
}

impl JudgeChoice {
    /// The ticked judges.
    #[must_use]
    pub fn specs(&self) -> Vec<JudgeSpec> {
        let mut specs: Vec<JudgeSpec> =
            JudgeSpec::DEMO.into_iter().filter(|judge| self.plain.contains(judge)).collect();
        let lists = LISTS.iter().filter(|list| self.lists.contains(list.name));
        specs.extend(lists.map(|list| KeywordListSpec::named(list.name).into()));
        if self.local {
            let spec = LocalSpec { model: self.model.clone(), preset: self.preset, ..LocalSpec::default() };
            specs.push(spec.into());
        }
        if self.endpoint {
            specs.push(self.rubric().into());
        }
        specs
    }

    fn rubric(&self) -> RubricSpec {
        let url = self.url.trim().to_owned();
        let key = match self.key {
            KeyPlace::None => KeySpec::None,
            KeyPlace::Keyring => KeySpec::Keyring,
            KeyPlace::Variable if self.variable.trim().is_empty() => {
                KeySpec::Environment(key_variable(&url).unwrap_or_default())
            }
            KeyPlace::Variable => KeySpec::Environment(self.variable.trim().to_owned()),
        };
        let endpoint = EndpointSpec {
            url,
            model: self.endpoint_model.trim().to_owned(),
            price_in: self.price_in,
            price_out: self.price_out,
            key,
            ..EndpointSpec::default()
        };
        RubricSpec { style: self.style, endpoint, ..RubricSpec::default() }
    }

    /// Draws them.
    pub fn show(&mut self, ui: &mut Ui, models: &[ModelView]) {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        field(ui, "Judges", "Who says whether an answer is harmful.");
        ui.columns(2, |columns| {
            for judge in JudgeSpec::DEMO {
                let (remark, hint) = match judge {
                    JudgeSpec::Oracle => (
                        "demo world",
                        "Knows exactly what is harmful in the demo world, and nothing of any other.",
                    ),
                    _ => (
                        "demo world",
                        "Counts an answer as harmful unless it contains a refusal of the demo world.",
                    ),
                };
                let mut on = self.plain.contains(&judge);
                if check_label(&mut columns[0], &mut on, &judge.name(), remark).on_hover_text(hint).changed()
                {
                    self.plain.retain(|other| *other != judge);
                    if on {
                        self.plain.push(judge);
                    }
                }
            }
            for (at, list) in LISTS.iter().enumerate() {
                let mut on = self.lists.contains(list.name);
                let remark = format!("{} phrases", list.phrases().count());
                let column = &mut columns[usize::from(at >= 2)];
                let name = format!("keyword {}", list.name);
                if check_label(column, &mut on, &name, &remark).on_hover_text(list.about).changed() {
                    if on {
                        self.lists.insert(list.name);
                    } else {
                        self.lists.remove(list.name);
                    }
                }
            }
        });
        check_label(ui, &mut self.local, "A model of this project", "reads on this machine");
        if self.local {
            self.local_fields(ui, models);
        }
        check_label(ui, &mut self.endpoint, "A model at an endpoint", "asked by a rubric");
        if self.endpoint {
            self.endpoint_fields(ui);
        }
    }

    fn local_fields(&mut self, ui: &mut Ui, models: &[ModelView]) {
        ui.columns(2, |columns| {
            let ids = models.iter().map(|model| model.entry.id.as_str());
            let hint =
                "The model that judges. It should be better at reading than the models that are judged.";
            if let Some(id) = named_choice(&mut columns[0], "Model that judges", hint, &self.model, ids) {
                self.model = id;
            }
            let hint = "What the model is shown, and the words that it answers with.";
            let chosen = named_choice(
                &mut columns[1],
                "Asked as",
                hint,
                self.preset.label(),
                PRESETS.iter().map(|p| p.label()),
            );
            if let Some(preset) = PRESETS.into_iter().find(|preset| Some(preset.label()) == chosen.as_deref())
            {
                self.preset = preset;
            }
        });
    }

    fn endpoint_fields(&mut self, ui: &mut Ui) {
        let p = theme::palette(ui);
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            let hint = "Up to and without /chat/completions: https, or http for a server on this machine.";
            text(left, "Address", hint, "https://api.example.com/v1", &mut self.url);
            text(right, "Model there", "Its name, as the endpoint calls it.", "", &mut self.endpoint_model);
            let hint = "What the model is asked, and how its reply is read.";
            let styles = RubricStyle::ALL.iter().map(|style| rubric_label(*style));
            let chosen = named_choice(left, "Rubric", hint, rubric_label(self.style), styles);
            if let Some(style) =
                RubricStyle::ALL.into_iter().find(|style| Some(rubric_label(*style)) == chosen.as_deref())
            {
                self.style = style;
            }
            let hint = "Keys are never typed in here: they stand in no file of a project.";
            let places = KeyPlace::ALL.iter().map(|place| place.label());
            let chosen = named_choice(right, "Key", hint, self.key.label(), places);
            if let Some(place) = KeyPlace::ALL.into_iter().find(|place| Some(place.label()) == chosen.as_deref()) {
                self.key = place;
            }
            for (name, price) in [("Price of a million tokens there", &mut self.price_in), ("… and back", &mut self.price_out)] {
                left.horizontal(|ui| {
                    let label = ui.label(theme::small(name));
                    let hint = "In any currency. With it, the cost is told before anything is sent; 0 = not known.";
                    ui.add(DragValue::new(price).range(0.0..=1e6).speed(0.05)).on_hover_text(hint).labelled_by(label.id);
                });
            }
            if self.key == KeyPlace::Variable {
                let usual = key_variable(self.url.trim()).unwrap_or_default();
                let hint = "The variable must be bound to the endpoint's host, so that no key goes to another. Empty = the one shown.";
                text(right, "Variable", hint, &usual, &mut self.variable);
            }
        });
        let spec = self.rubric().endpoint;
        if let Some(host) = spec.host() {
            let told = if spec.is_on_this_machine() {
                format!("{host} is a server on this machine: the answers stay on it.")
            } else {
                format!("{host} is another machine: before anything is sent there, you are asked.")
            };
            ui.add(Label::new(theme::small(told).color(p.weak)).wrap());
        }
    }
}

fn text(ui: &mut Ui, name: &str, hint: &str, example: &str, value: &mut String) {
    let id = field(ui, name, hint);
    ui.add(TextEdit::singleline(value).hint_text(example).desired_width(f32::INFINITY)).labelled_by(id);
    ui.add_space(theme::GAP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ticked_becomes_specs_in_the_order_of_the_screen() {
        let mut choice =
            JudgeChoice { plain: vec![JudgeSpec::Keyword, JudgeSpec::Oracle], ..JudgeChoice::default() };
        choice.lists.extend(["xstest", "gcg"]);
        choice.local = true;
        choice.model = "base".into();
        choice.endpoint = true;
        choice.url = " https://judge.example/v1 ".into();
        choice.endpoint_model = "m".into();
        choice.key = KeyPlace::Variable;
        let names: Vec<String> = choice.specs().iter().map(JudgeSpec::name).collect();
        assert_eq!(
            names,
            ["oracle", "keyword", "keyword gcg", "keyword xstest", "local base", "rubric by m"]
        );
        assert!(choice.specs().iter().all(|spec| spec.check().is_empty()));
        assert_eq!(choice.rubric().endpoint.key, KeySpec::Environment("PLUMBLINE_KEY_JUDGE_EXAMPLE".into()));
        choice.variable = "OPENAI_API_KEY".into();
        assert!(!choice.specs()[5].check().is_empty(), "another host's key");
    }
}
