//! Asks an endpoint many questions at a time, and loses nothing that comes back.

use super::super::{JudgeContext, JudgeError, Watch};
use super::address::Address;
use super::cache::{Cache, Entry};
use super::key::ApiKey;
use super::pace::{Pace, backoff, retry_after};
use super::spec::EndpointSpec;
use super::wire::{self, Arrived, Failure, Passing, Reply};
use super::{Estimate, Spent};
use crate::model::Control;
use crate::text::Message;
use rand::Rng;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How often the watcher is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// A longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(180);
/// Bytes of an answer at most: a verdict has a few thousand.
const MOST_BYTES: usize = 4 << 20;

/// What is asked about one answer.
#[derive(Clone, Debug)]
pub(in crate::judge) struct Question {
    pub messages: Vec<Message>,
}

/// What was said to a question.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::judge) enum Said {
    /// The reply.
    Reply(String),
    /// Why there is none to this question, though there may be to others.
    Nothing(String),
}

/// Says what to ask once more where a reply is not in the form asked for.
pub(in crate::judge) type Again = Arc<dyn Fn(&[Message], &str) -> Option<Vec<Message>> + Send + Sync>;

/// A line to an endpoint.
pub(in crate::judge) struct Client {
    judge: String,
    version: String,
    cache: Option<PathBuf>,
    watch: Watch,
    spent: Mutex<Spent>,
    line: Arc<Line>,
}

/// What all requests share.
struct Line {
    http: reqwest::Client,
    url: String,
    host: String,
    key: Option<ApiKey>,
    spec: EndpointSpec,
    pace: Pace,
    /// After a lasting failure, what is under way ends without further attempts.
    ending: AtomicBool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} at {}, key: {:?})", self.judge, self.line.host, self.line.key)
    }
}

/// A question under way, for every answer that makes the same one.
struct Work {
    /// What its reply is kept under.
    key: String,
    messages: Vec<Message>,
    members: Vec<usize>,
    /// The first reply, where it was not in the form asked for.
    first: Option<String>,
    /// What was paid for the first reply.
    tokens: (u64, u64),
}

impl Client {
    /// Prepares a line; nothing is sent yet.
    pub fn new(
        judge: &str,
        version: &str,
        spec: &EndpointSpec,
        context: &JudgeContext<'_>,
    ) -> Result<Self, JudgeError> {
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
        let line = Line { http, url, host, key, spec, pace, ending: AtomicBool::new(false) };
        Ok(Self {
            judge: judge.to_owned(),
            version: version.to_owned(),
            cache: context.cache.map(PathBuf::from),
            watch: Arc::clone(&context.watch),
            spent: Mutex::default(),
            line: Arc::new(line),
        })
    }

    /// Where questions go.
    pub fn host(&self) -> &str {
        &self.line.host
    }

    /// What was asked and paid for so far.
    pub fn spent(&self) -> Spent {
        *self.purse()
    }

    fn purse(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What asking these questions takes at most, beside second attempts at replies in a wrong form.
    pub fn estimate(&self, questions: &[Question]) -> Result<Estimate, JudgeError> {
        let cache = Cache::open(self.cache.as_deref(), &self.version)?;
        let spec = &self.line.spec;
        let mut estimate = Estimate {
            host: self.line.host.clone(),
            answers: questions.len(),
            asked: 0,
            tokens_in: 0,
            tokens_out: 0,
            price: None,
        };
        for question in self.gather(&cache, questions).1 {
            estimate.asked += question.members.len();
            estimate.tokens_in += wire::guess_tokens(&question.messages);
            estimate.tokens_out += u64::from(spec.max_tokens);
        }
        estimate.price = spec.has_prices().then(|| spec.price(estimate.tokens_in, estimate.tokens_out));
        Ok(estimate)
    }

    /// Replies that are known already, and what is still to be asked: each question once.
    fn gather(&self, cache: &Cache, questions: &[Question]) -> (Vec<(usize, String)>, VecDeque<Work>) {
        let (mut known, mut works) = (Vec::new(), VecDeque::<Work>::new());
        let mut places: HashMap<String, usize> = HashMap::new();
        for (index, question) in questions.iter().enumerate() {
            let mut hash = Sha256::new();
            hash.update((self.version.len() as u64).to_le_bytes());
            hash.update(&self.version);
            hash.update(wire::body(&self.line.spec, &question.messages));
            let key = format!("{:x}", hash.finalize());
            if let Some(reply) = cache.get(&key) {
                known.push((index, reply.to_owned()));
            } else if let Some(&place) = places.get(&key) {
                works[place].members.push(index);
            } else {
                places.insert(key.clone(), works.len());
                works.push_back(Work {
                    key,
                    messages: question.messages.clone(),
                    members: vec![index],
                    first: None,
                    tokens: (0, 0),
                });
            }
        }
        (known, works)
    }

    /// Asks every question that was not asked before. `take` gets each reply as it comes; `Ok(false)`: it, or the
    /// watcher, stopped the work. A reply that is not in the form asked for is asked for once more, as `again` says.
    pub fn ask_all(
        &self,
        questions: &[Question],
        again: Again,
        take: &mut dyn FnMut(usize, Said) -> Control,
    ) -> Result<bool, JudgeError> {
        let mut cache = Cache::open(self.cache.as_deref(), &self.version)?;
        let (known, works) = self.gather(&cache, questions);
        for (index, reply) in known {
            self.purse().cached += 1;
            if take(index, Said::Reply(reply)) == Control::Stop {
                return Ok(false);
            }
        }
        if works.is_empty() {
            return Ok(true);
        }
        self.line.ending.store(false, Ordering::Relaxed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| self.internal(&e))?;
        let outcome = self.work(&runtime, works, &mut cache, &*again, take);
        // Does not wait for what a stop leaves behind, such as a name that is being looked up.
        runtime.shutdown_background();
        outcome
    }

    fn work(
        &self,
        runtime: &Runtime,
        mut waiting: VecDeque<Work>,
        cache: &mut Cache,
        again: &(dyn Fn(&[Message], &str) -> Option<Vec<Message>> + Send + Sync),
        take: &mut dyn FnMut(usize, Said) -> Control,
    ) -> Result<bool, JudgeError> {
        let spec = &self.line.spec;
        let mut running: JoinSet<(Work, Result<Reply, JudgeError>)> = JoinSet::new();
        let mut reserved = 0.0;
        let mut failed: Option<JudgeError> = None;
        loop {
            while failed.is_none()
                && running.len() < spec.concurrent.max(1)
                && let Some(work) = waiting.pop_front()
            {
                let most = self.most(&work.messages);
                let spent = self.purse().price.unwrap_or(0.0);
                if spec.budget > 0.0 && spent + reserved + most > spec.budget {
                    waiting.push_front(work);
                    if running.is_empty() {
                        let left = waiting.iter().map(|work| work.members.len()).sum();
                        let (host, budget) = (self.line.host.clone(), spec.budget);
                        failed = Some(JudgeError::Budget { host, budget, spent, left });
                    }
                    break;
                }
                reserved += most;
                let line = Arc::clone(&self.line);
                running.spawn_on(
                    async move {
                        let reply = line.ask(&work).await;
                        (work, reply)
                    },
                    runtime.handle(),
                );
            }
            if running.is_empty() {
                break;
            }
            let next = async { tokio::time::timeout(TICK, running.join_next()).await };
            let Ok(Some(done)) = runtime.block_on(next) else {
                if (self.watch)() == Control::Stop {
                    return Ok(false);
                }
                continue;
            };
            let (mut work, reply) = match done {
                Ok(done) => done,
                Err(e) => {
                    failed.get_or_insert(self.internal(&e));
                    continue;
                }
            };
            reserved -= self.most(&work.messages);
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => {
                    self.line.ending.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                    waiting.push_front(work);
                    continue;
                }
            };
            self.pay(&mut work, reply.tokens);
            let said = match reply.text {
                Err(reason) => work.first.take().map_or(Said::Nothing(reason), Said::Reply),
                Ok(text) => {
                    let other = if work.first.is_none() { again(&work.messages, &text) } else { None };
                    if let Some(messages) = other {
                        waiting.push_front(Work { messages, first: Some(text), ..work });
                        continue;
                    }
                    Said::Reply(text)
                }
            };
            // Handed over first: a verdict that cannot be kept is a verdict all the same.
            for &index in &work.members {
                if take(index, said.clone()) == Control::Stop {
                    self.keep(cache, &work, said)?;
                    return Ok(false);
                }
            }
            if let Err(error) = self.keep(cache, &work, said) {
                failed.get_or_insert(error);
            }
        }
        let Some(error) = failed else { return Ok(true) };
        // Replies in a wrong form that could not be asked for again are what was said, and not kept as the last word.
        for work in waiting {
            let Some(first) = work.first else { continue };
            for index in work.members {
                if take(index, Said::Reply(first.clone())) == Control::Stop {
                    return Ok(false);
                }
            }
        }
        Err(error)
    }

    fn keep(&self, cache: &mut Cache, work: &Work, said: Said) -> Result<(), JudgeError> {
        let Said::Reply(reply) = said else { return Ok(()) };
        let (tokens_in, tokens_out) = work.tokens;
        let at = jiff::Timestamp::now().to_string();
        cache.put(Entry { key: work.key.clone(), reply, tokens_in, tokens_out, at })
    }

    /// What a request costs at most.
    fn most(&self, messages: &[Message]) -> f64 {
        let spec = &self.line.spec;
        spec.price(wire::guess_tokens(messages), u64::from(spec.max_tokens))
    }

    /// Notes what a reply took; where the endpoint does not count, by the guess on the high side.
    fn pay(&self, work: &mut Work, tokens: Option<(u64, u64)>) {
        let spec = &self.line.spec;
        let (sent, back) =
            tokens.unwrap_or_else(|| (wire::guess_tokens(&work.messages), u64::from(spec.max_tokens)));
        work.tokens.0 = work.tokens.0.saturating_add(sent);
        work.tokens.1 = work.tokens.1.saturating_add(back);
        let mut spent = self.purse();
        spent.requests += 1;
        spent.tokens_in = spent.tokens_in.saturating_add(sent);
        spent.tokens_out = spent.tokens_out.saturating_add(back);
        spent.price = spec.has_prices().then(|| spec.price(spent.tokens_in, spent.tokens_out));
    }

    fn internal(&self, reason: &dyn std::fmt::Display) -> JudgeError {
        JudgeError::Internal { judge: self.judge.clone(), reason: reason.to_string() }
    }
}

impl Line {
    /// Asks one question until there is a reply, or the failure is not one that passes.
    async fn ask(&self, work: &Work) -> Result<Reply, JudgeError> {
        let body = wire::body(&self.spec, &work.messages);
        let mut jitter = crate::rng::stream(self.spec.seed, "judge pause", &work.key);
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
