//! Answers in batches: rows of unequal length that come and go one by one, and compute what they share once.

use super::cache::KvCache;
use super::decoder::Decoder;
use super::fused::host;
use super::sampler::Sampler;
use super::{Control, ModelError};
use crate::text::{TextError, Tokenizer};
use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Prompts that share fewer tokens than this are computed each for itself.
const SHARED_AT_LEAST: usize = 8;

/// What to continue.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// Names the row: its random stream is keyed by it.
    pub id: String,
    /// Prompt ids, followed by prefilled answer ids if there are any. Must not be empty.
    pub prompt: Vec<u32>,
    /// How its tokens are chosen, where it is not as all others.
    pub sampler: Option<Sampler>,
}

impl GenerateRequest {
    /// A request whose tokens are chosen as those of all others.
    #[must_use]
    pub fn new(id: impl Into<String>, prompt: Vec<u32>) -> Self {
        Self { id: id.into(), prompt, sampler: None }
    }

    fn sampler<'a>(&'a self, others: &'a Sampler) -> &'a Sampler {
        self.sampler.as_ref().unwrap_or(others)
    }
}

/// Why a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model wrote an end-of-turn token.
    EndOfTurn,
    /// The text came to hold a stop string.
    StopString,
    /// The limit of new tokens or of the context was reached.
    Length,
}

/// What a row became.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// New ids, without the end token; a stop string is still in them.
    pub ids: Vec<u32>,
    /// Why the row ended.
    pub finish: Finish,
}

/// Texts that end a row as soon as what it has newly written holds one of them.
#[derive(Clone, Debug)]
pub struct StopStrings {
    /// Turns ids into text.
    pub tokenizer: Tokenizer,
    /// The texts.
    pub strings: Vec<String>,
}

impl StopStrings {
    /// Whether the newest token completed a stop string.
    fn reached(&self, ids: &[u32]) -> Result<bool, TextError> {
        // A token is at least a byte, so the strings cannot begin further back than this.
        let longest = self.strings.iter().map(String::len).max().unwrap_or(0);
        let tail = self.tokenizer.decode(&ids[ids.len().saturating_sub(longest + 1)..])?;
        Ok(self.strings.iter().any(|s| !s.is_empty() && tail.contains(s.as_str())))
    }
}

/// How to generate.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// How the next token is chosen.
    pub sampler: Sampler,
    /// Ids that end a row.
    pub end: Vec<u32>,
    /// Texts that end a row.
    pub stop: Option<StopStrings>,
    /// New tokens a row at most.
    pub max_new_tokens: usize,
    /// Rows at once.
    pub batch: usize,
}

/// What happens while rows are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerateEvent {
    /// A row got a token.
    Token {
        /// Index of its request.
        request: usize,
        /// The token.
        id: u32,
    },
    /// Every row that is in work got a token; so many are finished.
    Step {
        /// Finished rows.
        finished: usize,
    },
}

/// Continues every request by at most `max_new_tokens` tokens, `batch` rows at a time; an id of `end` ends a row.
/// `progress` gets the number of finished rows and may stop the work, which gives `None`. The order of the answers is
/// that of the requests.
pub fn generate(
    decoder: &Decoder,
    requests: &[GenerateRequest],
    sampler: &Sampler,
    end: &[u32],
    max_new_tokens: usize,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> Control,
) -> Result<Option<Vec<Generation>>, ModelError> {
    let options =
        GenerateOptions { sampler: sampler.clone(), end: end.to_vec(), stop: None, max_new_tokens, batch };
    generate_with(decoder, requests, &options, &mut |event| match event {
        GenerateEvent::Token { .. } => Control::Continue,
        GenerateEvent::Step { finished } => progress(finished),
    })
}

/// A request in work.
struct Row<'a> {
    index: usize,
    request: &'a GenerateRequest,
    rng: ChaCha8Rng,
    ids: Vec<u32>,
    /// Tokens that the cache does not hold yet.
    pending: Vec<u32>,
    finish: Option<Finish>,
}

/// [`generate`] with all options; `observe` sees every token as it comes, and may stop the work, which gives `None`.
/// Every request has its own random stream, so that neither the batch nor the order changes what it draws.
pub fn generate_with(
    decoder: &Decoder,
    requests: &[GenerateRequest],
    options: &GenerateOptions,
    observe: &mut dyn FnMut(GenerateEvent) -> Control,
) -> Result<Option<Vec<Generation>>, ModelError> {
    generate_from(decoder, None, requests, options, observe)
}

/// [`generate_with`], where requests that begin as the first row of `trunk` does start from a copy of it: the same text is
/// continued from one place after another without being read again.
pub fn generate_from(
    decoder: &Decoder,
    trunk: Option<&KvCache>,
    requests: &[GenerateRequest],
    options: &GenerateOptions,
    observe: &mut dyn FnMut(GenerateEvent) -> Control,
) -> Result<Option<Vec<Generation>>, ModelError> {
    let limit = decoder.config().max_position_embeddings;
    if let Some(long) = requests.iter().map(|r| r.prompt.len()).find(|&n| n >= limit) {
        return Err(ModelError::TooLong { tokens: long + 1, limit });
    }
    if let Some(empty) = requests.iter().find(|r| r.prompt.is_empty()) {
        log::warn!("request {} has no tokens", empty.id);
        return Err(ModelError::EmptyPrompt);
    }
    if options.max_new_tokens == 0 {
        let nothing = Generation { ids: Vec::new(), finish: Finish::Length };
        return Ok(Some(vec![nothing; requests.len()]));
    }
    // Neighbours in this order share the longest prefixes.
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by(|&a, &b| requests[a].prompt.cmp(&requests[b].prompt).then(a.cmp(&b)));
    let mut waiting = order.into_iter();
    let mut answers: Vec<Option<Generation>> = vec![None; requests.len()];
    let mut finished = 0;
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut cache = decoder.cache(0);
    loop {
        let old = rows.len();
        while rows.len() < options.batch.max(1)
            && let Some(index) = waiting.next()
        {
            let request = &requests[index];
            let seed = request.sampler(&options.sampler).seed;
            let rng = crate::rng::stream(seed, "sample", &request.id);
            let shared = trunk.map_or(0, |trunk| shared(decoder, trunk.ids(0), &request.prompt));
            match trunk {
                Some(trunk) if shared > 0 => cache.push_copy(trunk, 0, shared)?,
                _ => cache.push(),
            }
            let pending = request.prompt[shared..].to_vec();
            rows.push(Row { index, request, rng, ids: Vec::new(), pending, finish: None });
        }
        if rows.is_empty() {
            break;
        }
        let mut stopped = false;
        let mut advance = |cache: &mut KvCache, rows: &mut [Row<'_>], members: &[usize]| {
            let inputs: Vec<Vec<u32>> =
                members.iter().map(|&i| std::mem::take(&mut rows[i].pending)).collect();
            let slices: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
            let logits = decoder.extend(cache, members, &slices)?;
            choose(&logits, rows, members, options, limit, &mut |event| {
                stopped |= observe(event) == Control::Stop;
            })
        };
        let followers = followers(decoder, &cache, &rows, old);
        // Rows that follow a new one wait until it has been computed.
        let leaders: Vec<usize> = followers.iter().map(|f| f.leader).filter(|&l| l >= old).collect();
        let leaders: Vec<usize> = (old..rows.len()).filter(|i| leaders.contains(i)).collect();
        if !leaders.is_empty() {
            advance(&mut cache, &mut rows, &leaders)?;
        }
        for f in &followers {
            cache.share(f.leader, f.row, f.shared)?;
            rows[f.row].pending.drain(..f.shared);
        }
        let others: Vec<usize> = (0..rows.len()).filter(|i| !leaders.contains(i)).collect();
        if !others.is_empty() {
            advance(&mut cache, &mut rows, &others)?;
        }
        let keep: Vec<bool> = rows.iter().map(|r| r.finish.is_none()).collect();
        cache.retain(&keep);
        rows.retain_mut(|row| {
            let Some(finish) = row.finish else { return true };
            answers[row.index] = Some(Generation { ids: std::mem::take(&mut row.ids), finish });
            finished += 1;
            false
        });
        stopped |= observe(GenerateEvent::Step { finished }) == Control::Stop;
        if stopped {
            return Ok(None);
        }
    }
    Ok(Some(answers.into_iter().flatten().collect()))
}

/// How many tokens a prompt has in common with `ids` and can take over from its cache.
fn shared(decoder: &Decoder, ids: &[u32], prompt: &[u32]) -> usize {
    // LongRoPE turns all keys of a long row by another table: keys are shared by rows of the same kind only.
    if decoder.is_long(ids.len()) != decoder.is_long(prompt.len()) {
        return 0;
    }
    // The last token is always computed, for its logits.
    ids.iter().zip(&prompt[..prompt.len() - 1]).take_while(|(a, b)| a == b).count()
}

/// A new row that begins as another one does.
struct Follower {
    row: usize,
    leader: usize,
    shared: usize,
}

/// For each new row (from `old` on) the row whose beginning it shares: the best among those in the cache, else the first
/// new one that shares enough.
fn followers(decoder: &Decoder, cache: &KvCache, rows: &[Row<'_>], old: usize) -> Vec<Follower> {
    let mut leaders: Vec<usize> = Vec::new();
    let mut followers = Vec::new();
    // Rows that have begun from a copy already need no other.
    for row in (old..rows.len()).filter(|&row| cache.length(row) == 0) {
        let prompt = &rows[row].request.prompt;
        let alike = |ids: &[u32]| shared(decoder, ids, prompt);
        let cached = (0..old).map(|i| (i, alike(cache.ids(i))));
        let fresh = leaders.iter().map(|&i| (i, alike(&rows[i].request.prompt)));
        let best = cached.chain(fresh).max_by_key(|&(i, shared)| (shared, usize::MAX - i));
        match best.filter(|&(_, shared)| shared >= SHARED_AT_LEAST) {
            Some((leader, shared)) => followers.push(Follower { row, leader, shared }),
            None => leaders.push(row),
        }
    }
    followers
}

/// Gives each of the rows its next token.
fn choose(
    logits: &Tensor,
    rows: &mut [Row<'_>],
    members: &[usize],
    options: &GenerateOptions,
    limit: usize,
    observe: &mut dyn FnMut(GenerateEvent),
) -> Result<(), ModelError> {
    let logits = logits.to_device(&candle_core::Device::Cpu)?.contiguous()?;
    let vocab = logits.dim(1)?;
    let values = host(&logits)?;
    for (&member, logits) in members.iter().zip(values.chunks_exact(vocab)) {
        let row = &mut rows[member];
        let seen = row.request.prompt.iter().chain(&row.ids).copied();
        let id = row.request.sampler(&options.sampler).choose(logits, seen, &mut row.rng);
        if options.end.contains(&id) {
            row.finish = Some(Finish::EndOfTurn);
            continue;
        }
        row.ids.push(id);
        row.pending.push(id);
        observe(GenerateEvent::Token { request: row.index, id });
        if let Some(stop) = &options.stop
            && stop.reached(&row.ids)?
        {
            row.finish = Some(Finish::StopString);
        } else if row.ids.len() >= options.max_new_tokens || row.request.prompt.len() + row.ids.len() >= limit
        {
            row.finish = Some(Finish::Length);
        }
    }
    Ok(())
}
