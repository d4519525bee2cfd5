//! How an endpoint is asked.

use super::address::Address;
use super::key::KeySpec;
use serde::{Deserialize, Serialize};

/// A chat-completions endpoint, and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSpec {
    /// Its address up to and without `/chat/completions`: https, or http on this machine.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Requests at a time.
    pub concurrent: usize,
    /// Requests per minute at most; 0 for no limit.
    pub requests_per_minute: u32,
    /// Seconds that one request may take.
    pub timeout: f64,
    /// How often a question is asked before the judge gives up, where it is the endpoint or the network that fails.
    pub attempts: u32,
    /// Seconds before the second attempt; each further one waits twice as long.
    pub pause: f64,
    /// Tokens of a reply at most.
    pub max_tokens: u32,
    /// Whether that limit is sent as `max_completion_tokens`, which models that think first ask for.
    pub max_completion_tokens: bool,
    /// Whether temperature 0 and the seed are sent. Some models refuse them.
    pub greedy: bool,
    /// The seed.
    pub seed: u64,
    /// The price of a million tokens sent, in any currency; 0 where it costs nothing or is not known.
    pub price_in: f64,
    /// The price of a million tokens that come back.
    pub price_out: f64,
    /// What may be spent, in the currency of the prices; 0 for no limit.
    pub budget: f64,
    /// Where the key is.
    pub key: KeySpec,
}

impl Default for EndpointSpec {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            concurrent: 4,
            requests_per_minute: 0,
            timeout: 60.0,
            attempts: 4,
            pause: 1.0,
            max_tokens: 512,
            max_completion_tokens: false,
            greedy: true,
            seed: 0,
            price_in: 0.0,
            price_out: 0.0,
            budget: 0.0,
            key: KeySpec::None,
        }
    }
}

impl EndpointSpec {
    /// The host that answers are sent to, with its port where that is not the usual one.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        Address::parse(&self.url).ok().map(|address| address.place())
    }

    /// Whether the endpoint is on this machine, so that answers do not leave it.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        Address::parse(&self.url).is_ok_and(|address| address.is_loopback())
    }

    /// Every problem, in words.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match Address::parse(&self.url) {
            Ok(address) => problems.extend(self.key.problem(&address)),
            Err(_) if self.url.trim().is_empty() => problems.push(
                "Write the address of the endpoint: https, or http for a server on this machine.".to_owned(),
            ),
            Err(reason) => problems.push(format!("The endpoint's address \"{}\" {reason}.", self.url)),
        }
        let mut unless = |fine: bool, message: &str| {
            if !fine {
                problems.push(message.to_owned());
            }
        };
        let number = |x: f64| x.is_finite() && x >= 0.0;
        unless(!self.model.trim().is_empty(), "Name the model that judges, as the endpoint calls it.");
        unless((1..=64).contains(&self.concurrent), "Ask 1 to 64 at a time.");
        unless(
            self.timeout.is_finite() && (0.05..=3600.0).contains(&self.timeout),
            "A request may take up to 3600 seconds, and more than none.",
        );
        unless((1..=20).contains(&self.attempts), "Ask each question 1 to 20 times at most.");
        unless(
            self.pause.is_finite() && (0.0..=60.0).contains(&self.pause),
            "Wait 0 to 60 seconds before asking again.",
        );
        unless(self.max_tokens > 0, "A reply of 0 tokens says nothing. Allow some.");
        unless(i64::try_from(self.seed).is_ok(), "The seed is too large. Use at most 9223372036854775807.");
        unless(number(self.price_in) && number(self.price_out), "Prices are numbers from 0 up.");
        unless(number(self.budget), "The budget is a number from 0 up; 0 means no limit.");
        unless(
            self.budget <= 0.0 || self.has_prices(),
            "A budget needs prices: write what a million tokens cost, in and out.",
        );
        problems
    }

    /// Whether what it costs can be told.
    pub(super) fn has_prices(&self) -> bool {
        self.price_in > 0.0 || self.price_out > 0.0
    }

    /// What tokens cost.
    #[cfg(feature = "hub")]
    pub(super) fn price(&self, tokens_in: u64, tokens_out: u64) -> f64 {
        (tokens_in as f64 * self.price_in + tokens_out as f64 * self.price_out) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_said_at_once() {
        let fine =
            EndpointSpec { url: "https://a.com/v1".into(), model: "m".into(), ..EndpointSpec::default() };
        assert_eq!(fine.check(), Vec::<String>::new());
        assert_eq!(fine.host().as_deref(), Some("a.com"));
        assert!(!fine.is_on_this_machine());
        let bad = EndpointSpec {
            url: "http://a.com".into(),
            concurrent: 0,
            timeout: f64::NAN,
            attempts: 0,
            pause: -1.0,
            max_tokens: 0,
            seed: u64::MAX,
            price_in: -1.0,
            budget: f64::INFINITY,
            ..EndpointSpec::default()
        };
        assert_eq!(bad.check().len(), 11, "{:#?}", bad.check());
        let leak = EndpointSpec { key: KeySpec::Environment("OPENAI_API_KEY".into()), ..fine };
        assert!(leak.check().join(" ").contains("not bound"));
    }
}
