//! Passes through the whole decoder: hidden states, logits, and the gradients of a loss over tokens.

use super::block::{self, Context, LayerCache, Past, Span, Trace};
use super::kernels::{self, rows_per_task, threads};
use super::matmul::{Matrix, matmul, project};
use super::{Pool, host};
use crate::model::config::Config;
use crate::model::gradients::HostGradients;
use crate::model::rope::Rotary;
use crate::model::weights::Weights;
use candle_core::Result;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Tokens of the vocabulary whose logits are made at once where only log-probabilities are wanted.
const VOCAB_BLOCK: usize = 4096;

/// Elements of logits that are in memory at once while a loss is computed.
pub const LOGITS_AT_ONCE: usize = 1 << 24;

/// What a pass runs through.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The decoder's shape.
    pub config: &'a Config,
    /// Its weights.
    pub weights: &'a Weights,
    /// Its angles.
    pub rotary: &'a Rotary,
    /// Buffers.
    pub pool: &'a Pool,
}

impl Input<'_> {
    fn spans(&self, rows: &[&[u32]], starts: impl Iterator<Item = usize>) -> Vec<Span> {
        rows.iter()
            .zip(starts)
            .map(|(row, start)| {
                let end = start + row.len();
                Span { start, n: row.len(), angles: self.rotary.angles(end, self.rotary.is_long(end)) }
            })
            .collect()
    }

    fn embed(&self, rows: &[&[u32]]) -> Result<Vec<f32>> {
        let width = self.config.hidden_size;
        let table = host(&self.weights.embedding)?;
        let mut x = self.pool.take(rows.iter().map(|r| r.len()).sum::<usize>() * width);
        for (id, x) in rows.iter().flat_map(|r| r.iter()).zip(x.chunks_exact_mut(width)) {
            x.copy_from_slice(&table[*id as usize * width..][..width]);
        }
        if self.scales() {
            kernels::scale(&mut x, self.config.embedding_scale as f32);
        }
        Ok(x)
    }

    fn scales(&self) -> bool {
        (self.config.embedding_scale - 1.0).abs() > f64::EPSILON
    }
}

/// Final hidden states `[N, H]` of the packed rows. With caches, one a row and in it one a layer, rows go on where these
/// end, and are added to them.
pub fn hidden(
    input: Input<'_>,
    rows: &[&[u32]],
    starts: &[usize],
    caches: Option<&mut [&mut [LayerCache]]>,
) -> Result<Vec<f32>> {
    input.pool.begin();
    let Some(caches) = caches else {
        let tasks = side_by_side(rows);
        let longest = tasks.iter().map(|(members, _)| tokens_of(&rows[members.clone()])).max().unwrap_or(0);
        // Many tokens go in groups of rows side by side, one on each thread: nobody waits. Unless one group is much longer
        // than a thread's share, for which all would wait.
        if tasks.len() < threads().max(2) || longest * threads() * 4 > tokens_of(rows) * 5 {
            return through(input, rows, starts, |_, forward| forward(Past::None));
        }
        let alone = |(members, _): (Range<usize>, usize)| {
            kernels::alone(|| {
                through(input, &rows[members.clone()], &starts[members], |_, forward| forward(Past::None))
            })
        };
        let parts = kernels::map_tasks(tasks, alone).into_iter().collect::<Result<Vec<_>>>()?;
        let mut all = input.pool.take(parts.iter().map(Vec::len).sum());
        let mut rest = all.as_mut_slice();
        for part in parts {
            let (own, others) = rest.split_at_mut(part.len());
            own.copy_from_slice(&part);
            input.pool.give(part);
            rest = others;
        }
        return Ok(all);
    };
    through(input, rows, starts, |layer, forward| {
        let mut layers: Vec<&mut LayerCache> = caches.iter_mut().map(|row| &mut row[layer]).collect();
        forward(Past::Own(&mut layers))
    })
}

fn tokens_of(rows: &[&[u32]]) -> usize {
    rows.iter().map(|row| row.len()).sum()
}

/// Rows cut into one group for each thread, none of fewer tokens than [`GROUP_TOKENS`] but the last: the rows of each, and
/// the packed position of its first token.
fn side_by_side(rows: &[&[u32]]) -> Vec<(Range<usize>, usize)> {
    let size = tokens_of(rows).div_ceil(threads()).max(GROUP_TOKENS);
    let mut groups = Vec::new();
    let (mut first, mut token) = (0, 0);
    while first < rows.len() {
        let (mut end, mut n) = (first, 0);
        while end < rows.len() && n < size {
            n += rows[end].len();
            end += 1;
        }
        groups.push((first..end, token));
        (first, token) = (end, token + n);
    }
    groups
}

/// A block's forward pass, given what the rows go on from.
type Forward<'a> = dyn FnMut(Past<'_, '_>) -> Result<(Vec<f32>, Trace)> + 'a;

/// Final hidden states of the packed rows; `with_past` calls the forward pass of each layer with what rows go on from there.
fn through(
    input: Input<'_>,
    rows: &[&[u32]],
    starts: &[usize],
    mut with_past: impl FnMut(usize, &mut Forward<'_>) -> Result<(Vec<f32>, Trace)>,
) -> Result<Vec<f32>> {
    let spans = input.spans(rows, starts.iter().copied());
    let context = Context { config: input.config, spans: &spans, pool: input.pool };
    let mut x = input.embed(rows)?;
    for (layer, b) in input.weights.blocks.iter().enumerate() {
        let mut forward = |past: Past<'_, '_>| block::forward(&context, b, layer, &x, past);
        let (out, trace) = with_past(layer, &mut forward)?;
        trace.release(input.pool);
        input.pool.give(std::mem::replace(&mut x, out));
    }
    let hidden = context.norm(&x, &input.weights.norm)?;
    input.pool.give(x);
    Ok(hidden)
}

/// Logits `[N, V]` of hidden states `[N, H]`.
pub fn head(config: &Config, weights: &Weights, hidden: &[f32]) -> Result<Vec<f32>> {
    let table = host(&weights.head)?;
    let n = hidden.len() / config.hidden_size;
    let mut logits = vec![0.0; n * config.vocab_size];
    head_into(config, &table, hidden, &mut logits);
    Ok(logits)
}

fn head_into(config: &Config, table: &[f32], hidden: &[f32], logits: &mut [f32]) {
    project(hidden, config.hidden_size, &[table], logits, false);
    if let Some(cap) = config.final_logit_softcapping {
        let size = rows_per_task(1);
        let work = logits.len() * 8;
        kernels::for_chunks(logits, size, work, |_, chunk| kernels::soft_cap(chunk, cap as f32));
    }
}

/// log softmax(logits)[target] of each target, whose logits are those of the token at packed position `from`.
pub fn log_probs(input: Input<'_>, rows: &[&[u32]], from: &[usize], targets: &[u32]) -> Result<Vec<f32>> {
    let hidden = hidden(input, rows, &vec![0; rows.len()], None)?;
    let result = target_log_probs(input, &hidden, from, targets)?;
    input.pool.give(hidden);
    Ok(result)
}

/// log softmax(logits)[target] of each target of rows that branch from one text, row i at position `starts[i]`. `trunk` is
/// what each layer holds of that text; `from` are packed positions in the rows, ascending.
///
/// Groups of rows go through the decoder side by side, one on each thread: nobody waits.
pub fn branch_log_probs(
    input: Input<'_>,
    trunk: &[LayerCache],
    rows: &[&[u32]],
    starts: &[usize],
    from: &[usize],
    targets: &[u32],
) -> Result<Vec<f32>> {
    input.pool.begin();
    let mut tasks = Vec::new();
    let mut target = 0;
    for (members, token) in side_by_side(rows) {
        let end = token + tokens_of(&rows[members.clone()]);
        let count = from[target..].partition_point(|&at| at < end);
        tasks.push((members, token, target..target + count));
        target += count;
    }
    let found = kernels::map_tasks(tasks, |(members, token, span)| {
        kernels::alone(|| {
            let (rows, starts) = (&rows[members.clone()], &starts[members]);
            let hidden = through(input, rows, starts, |layer, forward| forward(Past::Trunk(&trunk[layer])))?;
            let from: Vec<usize> = from[span.clone()].iter().map(|at| at - token).collect();
            let found = target_log_probs(input, &hidden, &from, &targets[span])?;
            input.pool.give(hidden);
            Ok(found)
        })
    });
    Ok(found.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// log softmax(logits)[target] of each target. Logits are made for a part of the vocabulary at a time and used up at once:
/// each weight of the output layer is read once for all targets, and no row of logits is ever whole.
fn target_log_probs(input: Input<'_>, hidden: &[f32], from: &[usize], targets: &[u32]) -> Result<Vec<f32>> {
    let (config, pool) = (input.config, input.pool);
    let (width, vocab) = (config.hidden_size, config.vocab_size);
    let table = host(&input.weights.head)?;
    let block = VOCAB_BLOCK.min(vocab);
    let rows = (LOGITS_AT_ONCE / block).min(from.len().max(1));
    let mut log_probs = Vec::with_capacity(from.len());
    let (mut picked, mut logits) = (pool.take(rows * width), pool.take(rows * block));
    for (from, targets) in from.chunks(rows).zip(targets.chunks(rows)) {
        let picked = &mut picked[..from.len() * width];
        for (row, &at) in picked.chunks_exact_mut(width).zip(from) {
            row.copy_from_slice(&hidden[at * width..(at + 1) * width]);
        }
        let mut sums = vec![kernels::LogSumExp::default(); from.len()];
        let mut chosen = vec![0.0; from.len()];
        for (first, table) in (0..vocab).step_by(block).zip(table.chunks(block * width)) {
            let n = table.len() / width;
            let logits = &mut logits[..from.len() * n];
            head_into(config, table, picked, logits);
            let tasks = logits.chunks_exact(n).zip(&mut sums).zip(targets.iter().zip(&mut chosen)).collect();
            kernels::map_tasks(tasks, |((row, sum), (target, chosen))| {
                let row: &[f32] = row;
                kernels::log_sum_exp_onto(row, sum);
                if let Some(logit) = (*target as usize).checked_sub(first).and_then(|at| row.get(at)) {
                    *chosen = *logit;
                }
            });
        }
        log_probs.extend(chosen.iter().zip(&sums).map(|(logit, sum)| logit - sum.value()));
    }
    pool.give(picked);
    pool.give(logits);
    Ok(log_probs)
}

/// What the head's backward pass needs beside the targets.
struct HeadBackward<'a> {
    /// d loss / d log π of target i, given its log π.
    derivative: &'a mut (dyn FnMut(usize, f32) -> f32 + Send),
    /// The gradient of the hidden states, to be added to.
    dhidden: &'a mut [f32],
    gradients: &'a mut HostGradients,
}

/// The log-probability of every target, and the backward pass through the output layer. Logits are made and used up
/// some rows at a time.
fn loss(
    input: Input<'_>,
    hidden: &[f32],
    from: &[usize],
    targets: &[u32],
    back: HeadBackward<'_>,
) -> Result<Vec<f32>> {
    let (config, pool) = (input.config, input.pool);
    let (width, vocab) = (config.hidden_size, config.vocab_size);
    let table = host(&input.weights.head)?;
    let rows = (LOGITS_AT_ONCE / vocab).clamp(16, 4096).min(from.len().max(1));
    let mut log_probs = Vec::with_capacity(from.len());
    let (mut picked, mut logits) = (pool.take(rows * width), pool.take(rows * vocab));
    for (from, targets) in from.chunks(rows).zip(targets.chunks(rows)) {
        let n = from.len();
        let (picked, logits) = (&mut picked[..n * width], &mut logits[..n * vocab]);
        for (row, &at) in picked.chunks_exact_mut(width).zip(from) {
            row.copy_from_slice(&hidden[at * width..(at + 1) * width]);
        }
        head_into(config, &table, picked, logits);
        let tasks = logits.chunks(vocab).zip(targets).collect();
        let found = kernels::map_tasks(tasks, |(row, target): (&[f32], &u32)| {
            let (mut log_prob, mut lse) = ([0.0], [0.0]);
            kernels::token_log_probs(row, vocab, &[*target], &mut log_prob, &mut lse);
            (log_prob[0], lse[0])
        });
        let first = log_probs.len();
        log_probs.extend(found.iter().map(|(log_prob, _)| *log_prob));
        let weights: Vec<f32> =
            found.iter().enumerate().map(|(i, (lp, _))| (back.derivative)(first + i, *lp)).collect();
        let cap = config.final_logit_softcapping.map(|cap| cap as f32);
        kernels::for_chunks(logits, vocab, n * vocab, |i, row| {
            let capped = cap.map(|cap| (cap, row.to_vec()));
            kernels::token_log_prob_backward(row, targets[i], found[i].1, weights[i]);
            if let Some((cap, capped)) = capped {
                kernels::soft_cap_backward(&capped, cap, row);
            }
        });
        let dlogits = Matrix::new(logits, n, vocab, vocab);
        if let Some((gradient, accumulate)) = back.gradients.of(&input.weights.head) {
            matmul(gradient, width, dlogits.t(), Matrix::new(picked, n, width, width), accumulate, true);
        }
        matmul(picked, width, dlogits, Matrix::new(&table, vocab, width, width), false, true);
        for (row, &at) in picked.chunks_exact(width).zip(from) {
            kernels::add(&mut back.dhidden[at * width..(at + 1) * width], row);
        }
    }
    pool.give(picked);
    pool.give(logits);
    Ok(log_probs)
}

/// Tokens in one of the groups of rows that go through a small decoder side by side.
const GROUP_TOKENS: usize = 256;

/// Parameters that are trained, at most, for rows to go in any number of groups: each group has gradients of its own.
const SMALL: usize = 1 << 23;

/// Parameters that are trained, at most, for two threads to take half of the rows each: this costs the memory of one
/// more set of gradients.
const MEDIUM: usize = 1 << 28;

/// Where rows are cut into groups that go through the decoder side by side, each on a thread of its own: the index of
/// each group's first row. Nobody waits within a group, whereas a small operation that is spread over threads is over
/// sooner than a thread wakes up. For few parameters the cuts are the same for any number of threads, so that sums are
/// too.
pub fn groups(parameters: usize, lengths: &[usize]) -> Vec<usize> {
    let size = if parameters <= SMALL {
        GROUP_TOKENS
    } else if parameters <= MEDIUM && threads() == 2 {
        (lengths.iter().sum::<usize>() / 2).max(GROUP_TOKENS)
    } else {
        usize::MAX
    };
    let mut firsts = vec![0];
    let mut tokens = 0;
    for (i, n) in lengths.iter().enumerate() {
        if tokens >= size {
            firsts.push(i);
            tokens = 0;
        }
        tokens += n;
    }
    firsts
}

/// The log-probability of every target, with the gradients of a loss that is a function of these: `derivative` gives
/// d loss / d log π of target i. With `checkpointing`, blocks keep only their input and are computed again on the way
/// back (Chen et al. 2016). With `embeddings`, the gradient `[N, H]` of the packed (scaled) embeddings is returned too.
#[allow(clippy::too_many_arguments, reason = "a batch in three parts, a loss, and how to go about it")]
pub fn gradients(
    input: Input<'_>,
    rows: &[&[u32]],
    from: &[usize],
    targets: &[u32],
    derivative: &mut (dyn FnMut(usize, f32) -> f32 + Send),
    sums: &mut HostGradients,
    checkpointing: bool,
    embeddings: bool,
) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
    input.pool.begin();
    let lengths: Vec<usize> = rows.iter().map(|r| r.len()).collect();
    let firsts = groups(sums.parameters(), &lengths);
    if firsts.len() == 1 || embeddings || !from.is_sorted() {
        return group(input, rows, from, targets, derivative, sums, checkpointing, embeddings);
    }
    let derivative = Mutex::new(derivative);
    let mut tasks = Vec::with_capacity(firsts.len());
    let (mut token, mut target) = (0, 0);
    let mut parts = sums.take_parts(firsts.len() - 1);
    for (i, gradients) in std::iter::once(&mut *sums).chain(&mut parts).enumerate() {
        let rows = &rows[firsts[i]..firsts.get(i + 1).copied().unwrap_or(rows.len())];
        let end = token + rows.iter().map(|r| r.len()).sum::<usize>();
        let n = from[target..].partition_point(|&at| at < end);
        tasks.push((rows, token, target..target + n, gradients));
        (token, target) = (end, target + n);
    }
    let log_probs = kernels::map_tasks(tasks, |(rows, token, span, own)| {
        let from: Vec<usize> = from[span.clone()].iter().map(|at| at - token).collect();
        let mut derivative = |i: usize, log_prob: f32| {
            let mut derivative = derivative.lock().unwrap_or_else(PoisonError::into_inner);
            derivative(span.start + i, log_prob)
        };
        let targets = &targets[span.clone()];
        kernels::alone(|| {
            group(input, rows, &from, targets, &mut derivative, own, checkpointing, false)
                .map(|found| found.0)
        })
    });
    sums.add_parts(parts);
    Ok((log_probs.into_iter().collect::<Result<Vec<_>>>()?.concat(), None))
}

/// [`gradients`] of rows that go through the decoder together.
#[allow(clippy::too_many_arguments, reason = "a batch in three parts, a loss, and how to go about it")]
fn group(
    input: Input<'_>,
    rows: &[&[u32]],
    from: &[usize],
    targets: &[u32],
    derivative: &mut (dyn FnMut(usize, f32) -> f32 + Send),
    gradients: &mut HostGradients,
    checkpointing: bool,
    embeddings: bool,
) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
    let (pool, weights) = (input.pool, input.weights);
    let spans = input.spans(rows, std::iter::repeat(0));
    let context = Context { config: input.config, spans: &spans, pool };
    let mut streams = vec![input.embed(rows)?];
    let mut traces: Vec<Option<Trace>> = Vec::with_capacity(weights.blocks.len());
    for (layer, b) in weights.blocks.iter().enumerate() {
        let (out, trace) = block::forward(&context, b, layer, &streams[layer], Past::None)?;
        streams.push(out);
        if checkpointing {
            trace.release(pool);
            traces.push(None);
        } else {
            traces.push(Some(trace));
        }
    }
    let last = streams.pop().unwrap_or_default();
    let hidden = context.norm(&last, &weights.norm)?;
    let mut dhidden = pool.zeros(hidden.len());
    let back = HeadBackward { derivative, dhidden: &mut dhidden, gradients };
    let log_probs = loss(input, &hidden, from, targets, back)?;
    pool.give(hidden);
    let mut dx = pool.zeros(last.len());
    context.norm_backward(&last, &weights.norm, &dhidden, &mut dx, gradients)?;
    pool.give(last);
    pool.give(dhidden);
    let below = embeddings || gradients.trains(&weights.embedding);
    for (layer, b) in weights.blocks.iter().enumerate().rev() {
        let x = streams.pop().unwrap_or_default();
        let trace = match traces.pop().flatten() {
            Some(trace) => trace,
            None => {
                let (out, trace) = block::forward(&context, b, layer, &x, Past::None)?;
                pool.give(out);
                trace
            }
        };
        block::backward(&context, b, layer, &x, trace, &mut dx, layer == 0 && !below, gradients)?;
        pool.give(x);
    }
    if let Some(gradient) = gradients.zeroed(&weights.embedding) {
        let width = input.config.hidden_size;
        let factor = input.config.embedding_scale as f32;
        for (id, dx) in rows.iter().flat_map(|r| r.iter()).zip(dx.chunks_exact(width)) {
            let gradient = &mut gradient[*id as usize * width..][..width];
            for (g, d) in gradient.iter_mut().zip(dx) {
                *g += d * factor;
            }
        }
    }
    if embeddings {
        return Ok((log_probs, Some(dx)));
    }
    pool.give(dx);
    Ok((log_probs, None))
}
