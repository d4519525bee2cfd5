//! The question before answers leave this machine: where they go, how many, what it takes, and what is not sent.

use super::{command_button, fact};
use crate::judge::Estimate;
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
    /// The price at most, in the currency of the person's prices; `None` without prices.
    pub price: Option<f64>,
}

impl Parcel {
    /// The parcel that an estimate tells of.
    #[must_use]
    pub fn of(judge: String, estimate: &Estimate) -> Self {
        Self {
            judge,
            host: estimate.host.clone(),
            answers: estimate.asked,
            known: estimate.answers - estimate.asked,
            tokens: Some((estimate.tokens_in, estimate.tokens_out)),
            price: estimate.price,
        }
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
        format!("{} {answers}{known}", self.answers)
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
        match self.price {
            Some(price) => format!("up to {price:.3}, in the currency of your prices"),
            None => "not known: you gave no price per million tokens".to_owned(),
        }
    }
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
        let parcel = Parcel::of("rubric by m".into(), &estimate);
        assert_eq!(parcel.amount(), "12 answers (8 more were judged before and are not sent again)");
        assert_eq!(parcel.tokens(), "about 9000 there and up to 400 back");
        assert!(parcel.price().contains("0.123"));
        let unknown = Parcel { answers: 1, known: 0, tokens: None, price: None, ..parcel };
        assert_eq!(unknown.amount(), "1 answer");
        assert!(unknown.tokens().contains("not known") && unknown.price().contains("no price"));
    }
}
