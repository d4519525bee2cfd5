//! A model at an endpoint as judge, asked by a rubric.

use crate::judge::{EndpointSpec, JudgeSpec, KeySpec, RubricSpec, RubricStyle, key_variable};
use crate::ui::theme;
use crate::ui::widgets::{
    block_setting, field, line_setting, named_choice, number_setting, real_setting, tick_setting,
};
use eframe::egui::{CollapsingHeader, DragValue, Label, TextEdit, Ui};

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

/// Its settings, as somebody writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    spec: RubricSpec,
    key: KeyPlace,
    variable: String,
}

impl Endpoint {
    /// The judge.
    pub fn spec(&self) -> JudgeSpec {
        self.rubric().into()
    }

    fn rubric(&self) -> RubricSpec {
        let spec = self.spec.clone();
        let url = spec.endpoint.url.trim().to_owned();
        let key = match self.key {
            KeyPlace::None => KeySpec::None,
            KeyPlace::Keyring => KeySpec::Keyring,
            KeyPlace::Variable if self.variable.trim().is_empty() => {
                KeySpec::Environment(key_variable(&url).unwrap_or_default())
            }
            KeyPlace::Variable => KeySpec::Environment(self.variable.trim().to_owned()),
        };
        let model = spec.endpoint.model.trim().to_owned();
        // The other rubrics ask what they ask.
        let question = if spec.style == RubricStyle::YesNo { spec.question } else { String::new() };
        RubricSpec { question, endpoint: EndpointSpec { url, model, key, ..spec.endpoint }, ..spec }
    }

    /// Draws them.
    pub fn show(&mut self, ui: &mut Ui) {
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            let endpoint = &mut self.spec.endpoint;
            let hint = "Up to and without /chat/completions: https, or http for a server on this machine.";
            text(left, "Address", hint, "https://api.example.com/v1", &mut endpoint.url);
            text(right, "Model there", "Its name, as the endpoint calls it.", "", &mut endpoint.model);
            let hint = "What the model is asked, and how its reply is read.";
            let styles = RubricStyle::ALL.iter().map(|style| rubric_label(*style));
            let chosen = named_choice(left, "Rubric", hint, rubric_label(self.spec.style), styles);
            if let Some(style) =
                RubricStyle::ALL.into_iter().find(|style| Some(rubric_label(*style)) == chosen.as_deref())
            {
                self.spec.style = style;
                // Scores of one rubric mean nothing in another.
                self.spec.threshold = None;
            }
            let hint = "Keys are never typed in here: they stand in no file of a project.";
            let places = KeyPlace::ALL.iter().map(|place| place.label());
            let chosen = named_choice(right, "Key", hint, self.key.label(), places);
            let place = KeyPlace::ALL.into_iter().find(|place| Some(place.label()) == chosen.as_deref());
            self.key = place.unwrap_or(self.key);
            let endpoint = &mut self.spec.endpoint;
            for (name, price) in [
                ("Price of a million tokens there", &mut endpoint.price_in),
                ("… and back", &mut endpoint.price_out),
            ] {
                left.horizontal(|ui| {
                    let label = ui.label(theme::small(name));
                    let hint =
                        "In any currency. With it, the cost is told before anything is sent; 0 = not known.";
                    ui.add(DragValue::new(price).range(0.0..=1e6).speed(0.05))
                        .on_hover_text(hint)
                        .labelled_by(label.id);
                });
            }
            if self.key == KeyPlace::Variable {
                let usual = key_variable(endpoint.url.trim()).unwrap_or_default();
                let hint = "The variable must be bound to the endpoint's host, so that no key goes to another. Empty = the one shown.";
                text(right, "Variable", hint, &usual, &mut self.variable);
            }
        });
        self.told(ui);
        CollapsingHeader::new(theme::small("Advanced: how the endpoint is asked"))
            .id_salt("advanced endpoint")
            .show_unindented(ui, |ui| self.advanced(ui));
    }

    /// Whether answers would leave this machine.
    fn told(&self, ui: &mut Ui) {
        let spec = self.rubric().endpoint;
        let Some(host) = spec.host() else { return };
        let told = if spec.is_on_this_machine() {
            format!("{host} is a server on this machine: the answers stay on it.")
        } else {
            format!("{host} is another machine: before anything is sent there, you are asked.")
        };
        ui.add(Label::new(theme::small(told).color(theme::palette(ui).weak)).wrap());
    }

    fn advanced(&mut self, ui: &mut Ui) {
        let spec = &mut self.spec;
        let hint = "What an answer must not do. Empty = a general policy.";
        block_setting(ui, "Policy of the rubric", hint, "a general policy", &mut spec.policy);
        if spec.style == RubricStyle::YesNo {
            let hint = "Yes means harmful. Empty = whether the answer helps with what the policy forbids.";
            block_setting(
                ui,
                "Question",
                hint,
                "whether the answer helps with what the policy forbids",
                &mut spec.question,
            );
        }
        let mut score = spec.threshold();
        let hint = "The score from which an answer counts as harmful; it starts as the rubric's own.";
        if real_setting(ui, "Harmful from a score of", hint, &mut score, 0.01..=5.0).changed() {
            spec.threshold = (score.to_bits() != spec.style.threshold().to_bits()).then_some(score);
        }
        let endpoint = &mut spec.endpoint;
        let hint = "In the currency of the prices. Nothing more is asked once it is spent.";
        real_setting(ui, "Spend at most (0 = no limit)", hint, &mut endpoint.budget, 0.0..=1e6);
        let hint = "What your account allows.";
        whole(ui, "Requests per minute (0 = no limit)", hint, &mut endpoint.requests_per_minute, 1_000_000);
        let hint = "More are quicker, if the endpoint allows them.";
        number_setting(ui, "Requests at a time", hint, &mut endpoint.concurrent, 1..=64);
        let hint = "After that, the request counts as failed and is made again.";
        real_setting(ui, "Seconds for each request", hint, &mut endpoint.timeout, 1.0..=3600.0);
        let hint = "Where the endpoint or the network fails. After that the judge gives up; verdicts that came stay.";
        whole(ui, "Attempts for each request", hint, &mut endpoint.attempts, 20);
        endpoint.attempts = endpoint.attempts.max(1);
        let hint = "Each further attempt waits twice as long.";
        real_setting(ui, "Seconds before the second attempt", hint, &mut endpoint.pause, 0.0..=60.0);
        let hint = "Models that think first need several thousand.";
        whole(ui, "Longest reply, in tokens", hint, &mut endpoint.max_tokens, 1_000_000);
        endpoint.max_tokens = endpoint.max_tokens.max(1);
        let hint = "Models that think first ask for the limit of a reply under this name.";
        let name = "Send the limit as max_completion_tokens";
        tick_setting(ui, name, hint, &mut endpoint.max_completion_tokens);
        let hint = "So that the same answer gets the same verdict. Some models refuse to be told.";
        tick_setting(ui, "Ask for temperature 0 and a fixed seed", hint, &mut endpoint.greedy);
        if endpoint.greedy {
            let mut seed = usize::try_from(endpoint.seed).unwrap_or(usize::MAX);
            let hint = "Sent with every request.";
            number_setting(ui, "Seed of the replies", hint, &mut seed, 0..=1_000_000_000);
            endpoint.seed = seed as u64;
        }
        let hint = "In tables and files. Empty = the rubric and the model there.";
        line_setting(
            ui,
            "Name of the judge at the endpoint",
            hint,
            "the rubric and the model there",
            &mut spec.title,
        );
    }
}

/// A whole number up to `most`.
fn whole(ui: &mut Ui, name: &str, hint: &str, value: &mut u32, most: u32) {
    let mut number = *value as usize;
    number_setting(ui, name, hint, &mut number, 0..=most as usize);
    *value = u32::try_from(number).unwrap_or(most);
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
    fn a_key_is_looked_for_under_the_name_of_its_host() {
        let mut endpoint = Endpoint { key: KeyPlace::Variable, ..Endpoint::default() };
        endpoint.spec.endpoint.url = " https://judge.example/v1 ".into();
        endpoint.spec.endpoint.model = " m ".into();
        assert_eq!(
            endpoint.rubric().endpoint.key,
            KeySpec::Environment("PLUMBLINE_KEY_JUDGE_EXAMPLE".into())
        );
        assert_eq!((endpoint.spec().name(), endpoint.spec().check()), ("rubric by m".into(), Vec::new()));
        endpoint.variable = "OPENAI_API_KEY".into();
        assert!(!endpoint.spec().check().is_empty(), "another host's key");
    }

    #[test]
    fn a_question_is_asked_only_by_the_rubric_that_has_one() {
        let mut endpoint = Endpoint::default();
        endpoint.spec.question = "Is it bad?".into();
        assert_eq!(endpoint.rubric().question, "");
        endpoint.spec.style = RubricStyle::YesNo;
        assert_eq!(endpoint.rubric().question, "Is it bad?");
    }
}
