//! One request at a time: when it leaves, where it goes, and how often it is tried.

use super::super::{JudgeContext, JudgeError};
use super::address::Address;
use super::key::ApiKey;
use super::pace::{Pace, backoff, retry_after};
use super::spec::EndpointSpec;
use super::wire::{self, Arrived, Failure, Passing, Reply};
use crate::text::Message;
use rand::Rng;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// A longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_mins(3);
/// Bytes of an answer at most: a verdict has a few thousand.
const MOST_BYTES: usize = 4 << 20;

/// What all requests share.
pub(super) struct Line {
    http: reqwest::Client,
    url: String,
    pub host: String,
    pub key: Option<ApiKey>,
    pub spec: EndpointSpec,
    pace: Pace,
    /// After a lasting failure, what is under way ends without further attempts.
    ending: AtomicBool,
}

impl Line {
    /// Prepares it; nothing is sent yet.
    pub fn new(judge: &str, spec: &EndpointSpec, context: &JudgeContext<'_>) -> Result<Self, JudgeError> {
        let bad = |problem: String| JudgeError::Spec { judge: judge.to_owned(), problems: vec![problem] };
        let address = Address::parse(&spec.url).map_err(|e| bad(format!("The endpoint's address {e}.")))?;
        let key = ApiKey::find(&spec.key, &address, context.keys)?;
        let url = address.completions();
        // The host that the key is bound to must be the host that is called.
        let read = reqwest::Url::parse(&url).ok();
        if read.as_ref().and_then(reqwest::Url::host_str) != Some(address.host.as_str()) {
            return Err(bad(format!(
                "The endpoint's address \"{}\" is not plain. Write it in its usual form.",
                spec.url
            )));
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("plumbline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(Duration::from_secs_f64(spec.timeout))
            .redirect(Policy::none());
        // What is on this machine is not asked through a proxy.
        let builder = if address.is_loopback() { builder.no_proxy() } else { builder };
        let unreachable =
            |e: &reqwest::Error| JudgeError::Unreachable { host: address.place(), reason: e.to_string() };
        let http = builder.build().map_err(|e| unreachable(&e))?;
        let (host, spec, pace) = (address.place(), spec.clone(), Pace::new(spec.requests_per_minute));
        Ok(Self { http, url, host, key, spec, pace, ending: AtomicBool::new(false) })
    }

    /// Says that what is under way ends without further attempts, or that all is well again.
    pub fn end(&self, ending: bool) {
        self.ending.store(ending, Ordering::Relaxed);
    }

    /// Asks one question, known by `key`, until there is a reply, or the failure is not one that passes.
    pub async fn ask(&self, messages: &[Message], key: &str) -> Result<Reply, JudgeError> {
        let body = wire::body(&self.spec, messages);
        let mut jitter = crate::rng::stream(self.spec.seed, "judge pause", key);
        let mut attempt = 1;
        loop {
            tokio::time::sleep(self.pace.reserve(Instant::now())).await;
            loop {
                let held = self.pace.held(Instant::now());
                if held.is_zero() {
                    break;
                }
                tokio::time::sleep(held).await;
            }
            let failure = match self.post(&body).await {
                Ok(arrived) => match wire::read(&arrived, self.key.as_ref().map(ApiKey::origin)) {
                    Ok(reply) => return Ok(reply),
                    Err(failure) => failure,
                },
                Err(passing) => Failure::Passing(passing, None),
            };
            let (passing, asked) = match failure {
                Failure::Passing(passing, pause) => (passing, pause),
                Failure::Lasting(error) => return Err(error),
            };
            let give_up = attempt >= self.spec.attempts.max(1) || self.ending.load(Ordering::Relaxed);
            if give_up || asked.is_some_and(|pause| pause > LONGEST_PAUSE) {
                return Err(passing.error(&self.host, self.spec.timeout, attempt));
            }
            if let Some(pause) = asked {
                self.pace.hold(Instant::now(), pause);
            } else {
                tokio::time::sleep(backoff(self.spec.pause, attempt, jitter.random())).await;
            }
            attempt += 1;
        }
    }

    /// Sends one request and takes the whole answer off the connection, without the key.
    async fn post(&self, body: &str) -> Result<Arrived, Passing> {
        let mut request =
            self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(body.to_owned());
        if let Some(key) = &self.key
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.secret()))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut answer = request.send().await.map_err(transport)?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let location = header(LOCATION).map(|to| self.host_of(to));
        let pause = header(RETRY_AFTER).and_then(|after| retry_after(after, jiff::Timestamp::now()));
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(transport)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST_BYTES {
                bytes.truncate(MOST_BYTES);
                break;
            }
        }
        let body = self.scrub_body(&String::from_utf8_lossy(&bytes));
        Ok(Arrived { host: self.host.clone(), status, retry_after: pause, location, body })
    }

    /// The host that a redirect names. The rest of the address can hold secrets.
    fn host_of(&self, location: &str) -> String {
        let base = reqwest::Url::parse(&self.url).ok();
        let to = base.as_ref().and_then(|base| base.join(location).ok());
        let place = to.as_ref().and_then(|to| {
            let host = to.host_str()?;
            Some(to.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        });
        self.scrub(&place.unwrap_or_else(|| "an address that cannot be read".to_owned()))
    }

    /// A body without the key, however its JSON spells it.
    fn scrub_body(&self, body: &str) -> String {
        fn walk(value: &mut Value, scrub: &dyn Fn(&str) -> String) {
            match value {
                Value::String(text) => *text = scrub(text),
                Value::Array(values) => values.iter_mut().for_each(|value| walk(value, scrub)),
                Value::Object(fields) => fields.values_mut().for_each(|value| walk(value, scrub)),
                _ => {}
            }
        }
        match serde_json::from_str::<Value>(body) {
            Ok(mut value) if self.key.is_some() => {
                walk(&mut value, &|text| self.scrub(text));
                self.scrub(&value.to_string())
            }
            _ => self.scrub(body),
        }
    }

    fn scrub(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text))
    }
}

/// An error of the network. The address is left out; the innermost cause says something to people.
fn transport(error: reqwest::Error) -> Passing {
    if error.is_timeout() && !error.is_connect() {
        return Passing::Silent;
    }
    let error = error.without_url();
    let mut inner: &dyn Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    Passing::Unreachable(inner.to_string())
}
