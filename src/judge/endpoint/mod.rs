//! Models that judge behind an endpoint: any server that speaks OpenAI's chat completions.

mod address;
#[cfg(feature = "hub")]
mod cache;
#[cfg(feature = "hub")]
mod client;
mod key;
#[cfg(feature = "hub")]
mod line;
#[cfg(feature = "hub")]
mod pace;
mod spec;
#[cfg(feature = "hub")]
mod wire;

#[cfg(feature = "hub")]
pub(super) use client::{Client, Question, Said};
pub use key::{KeySource, KeySpec, SystemKeys, key_variable};
pub use spec::EndpointSpec;

/// What judging will take at most, before anything is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Where answers are sent.
    pub host: String,
    /// Answers to judge.
    pub answers: usize,
    /// Those that must be asked: the others were judged before.
    pub asked: usize,
    /// Tokens that are sent, by a guess on the high side.
    pub tokens_in: u64,
    /// Tokens that come back at most.
    pub tokens_out: u64,
    /// What it costs at most, where prices are known.
    pub price: Option<f64>,
}

/// What was asked and paid for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers whose verdict was known from before.
    pub cached: u64,
    /// Tokens sent, as the endpoint counts them.
    pub tokens_in: u64,
    /// Tokens that came back, as the endpoint counts them.
    pub tokens_out: u64,
    /// What that costs, where prices are known.
    pub price: Option<f64>,
}

impl Spent {
    /// What was spent, in words: `asked 12 times (40 known from before), 9120 tokens there and 240 back, 0.031`.
    #[must_use]
    pub fn text(&self) -> String {
        let price = self.price.map_or_else(String::new, |price| format!(", at a price of {price:.3}"));
        format!(
            "asked {} times ({} verdicts known from before), {} tokens there and {} back{price}",
            self.requests, self.cached, self.tokens_in, self.tokens_out
        )
    }
}
