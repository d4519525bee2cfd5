//! The question before answers leave this machine: where they go, how many, what it takes, and what is not sent.

use super::{command_button, fact};
use crate::judge::{EndpointSpec, Estimate, JudgeSpec};
use crate::ui::app::Command;
use crate::ui::theme;
use eframe::egui::{self, Frame, Label, Margin, Ui};

/// What one judge would be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The judge.
    pub judge: String,
    /// Where it is.
    pub host: String,
    /// Answers that are sent at most.
    pub answers: usize,
    /// Answers that were judged before, and are not sent again.
    pub known: usize,
    /// Tokens there and back at most; `None` while the answers are still to be written.
    pub tokens: Option<(u64, u64)>,
    /// What it costs.
    pub price: Price,
    /// What may be spent, in the currency of the person's prices, where there is a limit.
    pub budget: Option<f64>,
}

/// What asking a judge costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Price {
    /// So much at most, in the currency of the person's prices.
    Most(f64),
    /// Not known before the answers are written.
    Later,
    /// Not known, because there are no prices.
    Unknown,
}

impl Parcel {
    /// The parcel that an estimate tells of.
    #[must_use]
    pub fn of(judge: &JudgeSpec, estimate: &Estimate) -> Self {
        Self {
            judge: judge.name(),
            host: estimate.host.clone(),
            answers: estimate.asked,
            known: estimate.answers - estimate.asked,
            tokens: Some((estimate.tokens_in, estimate.tokens_out)),
            price: estimate.price.map_or(Price::Unknown, Price::Most),
            budget: match judge {
                JudgeSpec::Rubric(spec) => budget(&spec.endpoint),
                _ => None,
            },
        }
    }

    /// So many answers at most, still to be written, for whoever is behind this endpoint; `None` where that is this machine.
    #[must_use]
    pub fn to_come(judge: String, endpoint: &EndpointSpec, answers: usize) -> Option<Self> {
        let priced = endpoint.price_in > 0.0 || endpoint.price_out > 0.0;
        (!endpoint.is_on_this_machine()).then(|| Self {
            judge,
            host: endpoint.host().unwrap_or_default(),
            answers,
            known: 0,
            tokens: None,
            price: if priced { Price::Later } else { Price::Unknown },
            budget: budget(endpoint),
        })
    }

    /// What it holds, in words.
    #[must_use]
    pub fn amount(&self) -> String {
        let answers = if self.answers == 1 { "answer" } else { "answers" };
        let known = match self.known {
            0 => String::new(),
            1 => " (1 more was judged before and is not sent again)".to_owned(),
            n => format!(" ({n} more were judged before and are not sent again)"),
        };
        let up_to = if self.tokens.is_none() { "up to " } else { "" };
        format!("{up_to}{} {answers}{known}", self.answers)
    }

    /// The tokens that it takes, in words.
    #[must_use]
    pub fn tokens(&self) -> String {
        match self.tokens {
            Some((there, back)) => format!("about {there} there and up to {back} back"),
            None => "not known yet: the answers are still to be written".to_owned(),
        }
    }

    /// What it costs, in words.
    #[must_use]
    pub fn price(&self) -> String {
        let price = match self.price {
            Price::Most(price) => format!("up to {price:.3}, in the currency of your prices"),
            Price::Later => "not known yet: the answers are still to be written".to_owned(),
            Price::Unknown => "not known: you gave no price per million tokens".to_owned(),
        };
        match self.budget {
            Some(budget) => format!("{price}; no more than {budget} is spent"),
            None => price,
        }
    }
}

fn budget(endpoint: &EndpointSpec) -> Option<f64> {
    (endpoint.budget > 0.0).then_some(endpoint.budget)
}

/// What is sent of answers.
pub const ANSWERS: &str = "The requests, the words that attacks put before answers, the answers (and what attacks left of the set's own reference answers), and the judge's instructions.";

/// What is sent of probes.
pub const PROBES: &str =
    "Requests and answers that were made up for this test in the demo world, and the judge's instructions.";

/// Asks whether `parcels` may be sent, which hold what `sent` says; draws above everything else and gives back the command
/// that was chosen.
pub fn consent(
    ui: &mut Ui,
    parcels: &[Parcel],
    sent: &str,
    send: &Command,
    keep: &Command,
) -> Option<Command> {
    let mut chosen = None;
    let p = theme::palette(ui);
    let modal = egui::Modal::new(egui::Id::unique("consent"))
        .frame(Frame::popup(ui.style()).inner_margin(Margin::same(theme::SCREEN as i8)))
        .show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            ui.spacing_mut().item_spacing.y = theme::TIGHT;
            let hosts: std::collections::BTreeSet<&str> = parcels.iter().map(|parcel| parcel.host.as_str()).collect();
            let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
            ui.label(theme::heading("These answers would leave this machine"));
            ui.add(Label::new(format!("They would be sent to {hosts}, which reads them and may keep them.")).wrap());
            ui.add_space(theme::GAP);
            egui::ScrollArea::vertical().max_height(280.0).show(ui, |ui| {
                for parcel in parcels {
                    fact(ui, "Judge", &parcel.judge);
                    fact(ui, "Host", &parcel.host);
                    fact(ui, "What", &parcel.amount());
                    fact(ui, "Tokens", &parcel.tokens());
                    fact(ui, "Price", &parcel.price());
                    ui.add_space(theme::GAP);
                }
            });
            for (name, text) in [
                ("Is sent", sent),
                (
                    "Is not sent",
                    "Names of models, attacks and data sets, other judges' verdicts, people's labels and names, and everything else in the project. The key goes to this host alone.",
                ),
            ] {
                ui.label(theme::label(name).color(p.weak));
                ui.add(Label::new(theme::small(text)).wrap());
            }
            ui.add_space(theme::GROUP);
            ui.horizontal(|ui| {
                if command_button(ui, keep, None) {
                    chosen = Some(keep.clone());
                }
                if command_button(ui, send, None) {
                    chosen = Some(send.clone());
                }
            });
        });
    if modal.should_close() {
        chosen = Some(keep.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::RubricSpec;

    #[test]
    fn a_parcel_says_what_it_takes_and_what_is_not_known() {
        let estimate = Estimate {
            host: "a.com".into(),
            answers: 20,
            asked: 12,
            tokens_in: 9_000,
            tokens_out: 400,
            price: Some(0.1234),
        };
        let endpoint = EndpointSpec {
            url: "https://a.com/v1".into(),
            model: "m".into(),
            price_in: 1.0,
            budget: 2.5,
            ..EndpointSpec::default()
        };
        let spec = RubricSpec { endpoint: endpoint.clone(), ..RubricSpec::default() };
        let parcel = Parcel::of(&spec.into(), &estimate);
        assert_eq!((parcel.judge.as_str(), parcel.host.as_str()), ("rubric by m", "a.com"));
        assert_eq!(parcel.amount(), "12 answers (8 more were judged before and are not sent again)");
        assert_eq!(parcel.tokens(), "about 9000 there and up to 400 back");
        assert!(parcel.price().contains("0.123") && parcel.price().ends_with("no more than 2.5 is spent"));
        let later = Parcel::to_come("rubric by m".into(), &endpoint, 1).unwrap();
        assert_eq!(later.amount(), "up to 1 answer");
        assert!(
            later.tokens().contains("still to be written") && later.price().contains("still to be written")
        );
        let free = EndpointSpec { price_in: 0.0, budget: 0.0, ..endpoint };
        let unknown = Parcel::to_come("rubric by m".into(), &free, 7).unwrap();
        assert!(unknown.price().ends_with("no price per million tokens"));
        let here = EndpointSpec { url: "http://127.0.0.1:9/v1".into(), ..free };
        assert_eq!(Parcel::to_come("rubric by m".into(), &here, 7), None);
    }
}
