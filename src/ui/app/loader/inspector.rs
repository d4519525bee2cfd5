//! The thread that runs two models over one answer.

use super::fits::fits;
use super::{Reply, Waker, panic_text};
use crate::model::{self, Checkpoint};
use crate::probe;
use crate::text::{Message, Tokenizer};
use crate::ui::widgets::KlToken;
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Best tokens listed for each model.
const TOP: usize = 5;
/// Answers are cut here: what follows is out of sight, and costs memory.
const LONGEST: usize = 400;

/// Asks how two models differ along one answer.
#[derive(Clone, Debug)]
pub struct AnswerRequest {
    /// Which request this is.
    pub serial: u64,
    /// Folder of the model.
    pub model: PathBuf,
    /// Folder of the base.
    pub base: PathBuf,
    /// The conversation up to and including the request.
    pub context: Vec<Message>,
    /// The answer.
    pub answer: String,
}

/// An answer with both models' view of each token.
#[derive(Clone, Debug)]
pub struct InspectedAnswer {
    /// Its tokens.
    pub tokens: Vec<KlToken>,
}

/// Starts the thread.
pub(super) fn spawn(
    questions: Receiver<AnswerRequest>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("inspector".into()).stack_size(64 << 20).spawn(move || {
        let mut shelf = Shelf::default();
        for question in questions {
            let serial = question.serial;
            let result =
                catch_unwind(AssertUnwindSafe(|| shelf.inspect(&question))).unwrap_or_else(|panic| {
                    Err(format!("comparing the models broke off: {}", panic_text(panic.as_ref())))
                });
            if replies.send(Reply::Answer { serial, result }).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(())
}

/// The two checkpoints used last, so that the next answer starts at once.
#[derive(Default)]
struct Shelf {
    loaded: Vec<(PathBuf, Checkpoint)>,
}

impl Shelf {
    fn checkpoint(&mut self, folder: &Path) -> Result<Checkpoint, String> {
        if let Some(at) = self.loaded.iter().position(|(path, _)| path == folder) {
            let kept = self.loaded.remove(at);
            self.loaded.push(kept);
        } else {
            if self.loaded.len() == 2 {
                self.loaded.remove(0);
            }
            fits(folder)?;
            let checkpoint = model::load(folder).map_err(|e| e.to_string())?;
            self.loaded.push((folder.to_owned(), checkpoint));
        }
        self.loaded
            .last()
            .map(|(_, checkpoint)| checkpoint.clone())
            .ok_or_else(|| "no model is loaded".to_owned())
    }

    fn inspect(&mut self, question: &AnswerRequest) -> Result<InspectedAnswer, String> {
        let base = self.checkpoint(&question.base)?;
        let model = self.checkpoint(&question.model)?;
        let codec = &model.codec;
        let prompt = codec.prompt(&question.context).map_err(|e| e.to_string())?;
        let mut answer = codec.answer(&question.answer).map_err(|e| e.to_string())?;
        answer.truncate(LONGEST);
        if answer.is_empty() {
            return Err("The answer is empty, so there is nothing to compare.".to_owned());
        }
        let reports = probe::inspect_answer(&model.decoder, &base.decoder, &prompt, &answer, TOP)
            .map_err(|e| e.to_string())?;
        let best = |tokenizer: &Tokenizer, top: &[probe::TopToken]| -> Vec<(String, f32)> {
            let ids: Vec<u32> = top.iter().map(|token| token.id).collect();
            tokenizer
                .pieces(&ids)
                .into_iter()
                .zip(top)
                .map(|(text, token)| (text, token.probability))
                .collect()
        };
        let tokens = codec
            .tokenizer
            .pieces(&answer)
            .into_iter()
            .zip(reports)
            .map(|(text, report)| KlToken {
                text,
                kl: report.kl,
                model: best(&codec.tokenizer, &report.model),
                base: best(&base.codec.tokenizer, &report.base),
            })
            .collect();
        Ok(InspectedAnswer { tokens })
    }
}
