//! The thread that chats: it keeps the chosen models loaded and hands their answers over as they are written.

use super::fits::fits;
use super::{Reply, Waker, panic_text};
use crate::job::{CancelToken, sentence};
use crate::model::{self, Control, Finish, GenerateRequest, Model, Sampler};
use crate::text::Message;
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often what is newly written is handed over: faster than anybody reads, and slow enough that a model of a
/// thousand tokens a second does not fill the channel.
const PACE: Duration = Duration::from_millis(30);

/// One model's part of a request.
#[derive(Clone, Debug)]
pub struct ChatSide {
    /// The model's id.
    pub model: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The conversation as this model knows it, up to the new request.
    pub messages: Vec<Message>,
}

/// A request to one model, or to two.
#[derive(Clone, Debug)]
pub struct ChatQuestion {
    /// Which request this is; no two of a window's life have the same.
    pub serial: u64,
    /// Who is asked. They answer one after the other, so that the speed of each is its own.
    pub sides: Vec<ChatSide>,
    /// The words that every answer starts with; may be empty.
    pub start: String,
    /// How tokens are chosen.
    pub sampler: Sampler,
    /// New tokens at most.
    pub max_new_tokens: usize,
    /// Ends the answers where they stand.
    pub stop: CancelToken,
}

/// What the thread is asked for.
#[derive(Clone, Debug)]
pub enum ChatRequest {
    /// Answer.
    Answer(Box<ChatQuestion>),
    /// Give the memory of all models but these free.
    Keep(Vec<PathBuf>),
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatEnding {
    /// By itself, or at the limit of tokens.
    Finished(Finish),
    /// Somebody stopped it.
    Stopped,
}

/// What happens while a request is answered.
#[derive(Clone, Debug)]
pub enum ChatEvent {
    /// A model's weights are read from the disk.
    Loading,
    /// A model reads the request.
    Reading,
    /// More of an answer.
    Wrote {
        /// What is new of it. The first piece holds the given start.
        text: String,
        /// New tokens so far.
        tokens: usize,
        /// Seconds so far, with reading the request and without loading the model.
        seconds: f64,
    },
    /// The answer is at its end, or could not be written.
    Ended(Result<ChatEnding, String>),
}

/// What comes back.
#[derive(Debug)]
pub struct ChatReply {
    /// Which request.
    pub serial: u64,
    /// Whose answer; `None` when all have ended.
    pub of: Option<(String, ChatEvent)>,
}

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<ChatRequest>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("chat".into()).stack_size(64 << 20).spawn(move || {
        let mut shelf: Vec<(PathBuf, Model)> = Vec::new();
        for request in requests {
            let question = match request {
                ChatRequest::Keep(folders) => {
                    shelf.retain(|(folder, _)| folders.contains(folder));
                    continue;
                }
                ChatRequest::Answer(question) => question,
            };
            let serial = question.serial;
            shelf.retain(|(folder, _)| question.sides.iter().any(|side| side.folder == *folder));
            let mut here = true;
            for side in &question.sides {
                let mut tell = |event: ChatEvent| {
                    let reply = ChatReply { serial, of: Some((side.model.clone(), event)) };
                    here &= replies.send(Reply::Chat(reply)).is_ok();
                    waker();
                    if here { Control::Continue } else { Control::Stop }
                };
                let result = catch_unwind(AssertUnwindSafe(|| {
                    if question.stop.is_cancelled() {
                        return Ok(ChatEnding::Stopped);
                    }
                    let model = loaded(&mut shelf, &side.folder, &mut tell)?;
                    answer(&model, side, &question, &mut tell)
                }))
                .unwrap_or_else(|panic| {
                    // What it left half done is read anew.
                    shelf.retain(|(folder, _)| *folder != side.folder);
                    Err(format!("Writing the answer broke off: {}", panic_text(panic.as_ref())))
                });
                tell(ChatEvent::Ended(result.map_err(|error| sentence(&error))));
            }
            if !here || replies.send(Reply::Chat(ChatReply { serial, of: None })).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(())
}

/// The model in this folder, read unless it is there already.
fn loaded(
    shelf: &mut Vec<(PathBuf, Model)>,
    folder: &Path,
    tell: &mut dyn FnMut(ChatEvent) -> Control,
) -> Result<Model, String> {
    if let Some((_, model)) = shelf.iter().find(|(path, _)| path == folder) {
        return Ok(model.clone());
    }
    tell(ChatEvent::Loading);
    fits(folder)?;
    let model = model::open(folder).map_err(|e| e.to_string())?;
    shelf.push((folder.to_owned(), model.clone()));
    Ok(model)
}

fn answer(
    model: &Model,
    side: &ChatSide,
    question: &ChatQuestion,
    tell: &mut dyn FnMut(ChatEvent) -> Control,
) -> Result<ChatEnding, String> {
    if question.stop.is_cancelled() {
        return Ok(ChatEnding::Stopped);
    }
    tell(ChatEvent::Reading);
    let began = Instant::now();
    let codec = model.codec();
    let mut prompt = codec.prompt(&side.messages).map_err(|e| e.to_string())?;
    let start = codec.answer(&question.start).map_err(|e| e.to_string())?;
    prompt.extend(&start);
    // The given start goes through the same decoder as what follows, so that blanks between the two come out right.
    let mut stream = codec.tokenizer.stream();
    let mut fresh = String::new();
    for &id in &start {
        fresh += &stream.push(id).map_err(|e| e.to_string())?.unwrap_or_default();
    }
    // Turns draw from streams of their own: the same seed gives the same answer again, but not the same draws in each
    // turn of a conversation.
    let request = GenerateRequest::new(format!("chat {}", side.messages.len()), prompt);
    let (mut tokens, mut told) = (0, Instant::now());
    let mut failed = None;
    let written = model.stream(&request, &question.sampler, question.max_new_tokens, &mut |token| {
        if let Some(id) = token {
            tokens += 1;
            match stream.push(id) {
                Ok(piece) => fresh += &piece.unwrap_or_default(),
                Err(e) => {
                    failed = Some(e.to_string());
                    return Control::Stop;
                }
            }
        }
        if question.stop.is_cancelled() {
            return Control::Stop;
        }
        if fresh.is_empty() || told.elapsed() < PACE {
            return Control::Continue;
        }
        told = Instant::now();
        let text = std::mem::take(&mut fresh);
        tell(ChatEvent::Wrote { text, tokens, seconds: began.elapsed().as_secs_f64() })
    });
    if let Ok(Some(rest)) = stream.finish() {
        fresh += &rest;
    }
    tell(ChatEvent::Wrote { text: fresh, tokens, seconds: began.elapsed().as_secs_f64() });
    if let Some(error) = failed {
        return Err(error);
    }
    let written = written.map_err(|e| e.to_string())?;
    Ok(written.map_or(ChatEnding::Stopped, |written| ChatEnding::Finished(written.finish)))
}
