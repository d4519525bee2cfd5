//! Asks an endpoint many questions at a time, and loses nothing that comes back.

use super::super::{JudgeContext, JudgeError, Watch};
use super::cache::{Cache, Entry};
use super::line::Line;
use super::spec::EndpointSpec;
use super::wire::{self, Reply};
use super::{Estimate, Spent};
use crate::model::Control;
use crate::text::Message;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How often the watcher is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(100);

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
        let line = Line::new(judge, spec, context)?;
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
        let cache = Cache::look(self.cache.as_deref(), &self.version)?;
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
        self.line.end(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| self.internal(&e))?;
        let outcome = self.work(&runtime, works, &mut cache, &again, take);
        // Does not wait for what a stop leaves behind, such as a name that is being looked up.
        runtime.shutdown_background();
        outcome
    }

    fn work(
        &self,
        runtime: &Runtime,
        mut waiting: VecDeque<Work>,
        cache: &mut Cache,
        again: &Again,
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
                        let reply = line.ask(&work.messages, &work.key).await;
                        (work, reply)
                    },
                    runtime.handle(),
                );
            }
            if running.is_empty() {
                break;
            }
            if (self.watch)() == Control::Stop {
                return Ok(false);
            }
            let next = async { tokio::time::timeout(TICK, running.join_next()).await };
            let Ok(Some(done)) = runtime.block_on(next) else { continue };
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
                    self.line.end(true);
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
                    Self::keep(cache, &work, said)?;
                    return Ok(false);
                }
            }
            if let Err(error) = Self::keep(cache, &work, said) {
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

    fn keep(cache: &mut Cache, work: &Work, said: Said) -> Result<(), JudgeError> {
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
