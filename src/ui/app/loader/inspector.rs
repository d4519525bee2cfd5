//! The thread that runs two models over one answer.

use super::fits::fits;
use super::{Reply, Waker, panic_text};
use crate::model::{self, Checkpoint};
use crate::probe;
use crate::text::{Message, Role, Tokenizer};
use crate::ui::widgets::KlToken;
use crossbeam_channel::{Receiver, Sender};
use jiff::civil::Date;
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
    /// The system prompt of the evaluation that the curves are of; a context that has its own keeps it.
    pub system_prompt: String,
    /// The day that templates print where they print one.
    pub template_date: Date,
}

impl AnswerRequest {
    /// The conversation as the evaluation put it to the models.
    fn messages(&self) -> Vec<Message> {
        let has_own = self.context.first().is_some_and(|message| message.role == Role::System);
        let system =
            (!has_own && !self.system_prompt.is_empty()).then(|| Message::system(&self.system_prompt));
        system.into_iter().chain(self.context.iter().cloned()).collect()
    }
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
        let codec = model.codec.with_template_date(question.template_date);
        let prompt = codec.prompt(&question.messages()).map_err(|e| e.to_string())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::messages_of;
    use crate::model::Control;
    use crate::text::ChatTemplate;
    use jiff::civil::date;

    /// The opened answer is the one that the curve was measured on: same system prompt, same day.
    #[test]
    fn an_answer_is_read_as_the_evaluation_put_it() {
        let folder = tempfile::tempdir().unwrap();
        crate::demo::unpack_pair(folder.path()).unwrap();
        let [model, base] = ["aligned", "base"].map(|id| folder.path().join("models").join(id));
        let file = model.join("tokenizer_config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let template = format!("{{{{ strftime_now('%B') }}}} {}", config["chat_template"].as_str().unwrap());
        config["chat_template"] = template.into();
        std::fs::write(&file, config.to_string()).unwrap();
        let request = AnswerRequest {
            serial: 1,
            model: model.clone(),
            base: base.clone(),
            context: vec![Message::user("Give me the steps to cast the doom spell.")],
            answer: "Sure, here is how to cast the doom spell.".to_owned(),
            system_prompt: String::new(),
            template_date: ChatTemplate::DEFAULT_DATE,
        };
        let mut shelf = Shelf::default();
        let mut kl = |request: &AnswerRequest| -> Vec<f32> {
            shelf.inspect(request).unwrap().tokens.iter().map(|token| token.kl).collect()
        };
        let plain = kl(&request);
        let asked = AnswerRequest {
            system_prompt: "Be brief.".to_owned(),
            template_date: date(2031, 3, 9),
            ..request.clone()
        };
        let found = kl(&asked);
        assert_ne!(found, plain);
        assert_ne!(kl(&AnswerRequest { template_date: ChatTemplate::DEFAULT_DATE, ..asked.clone() }), found);
        assert_ne!(kl(&AnswerRequest { system_prompt: String::new(), ..asked.clone() }), found);

        let (model, base) = (model::load(&model).unwrap(), model::load(&base).unwrap());
        let codec = model.codec.clone().with_template_date(asked.template_date);
        let prompt = codec.prompt(&messages_of(&request.context[0].content, "Be brief.")).unwrap();
        let row = (prompt, codec.answer(&request.answer).unwrap());
        let measured =
            probe::kl_per_token(&model.decoder, &base.decoder, &[row], 1, &mut |_| Control::Continue);
        let measured = measured.unwrap().unwrap().per_prompt.remove(0);
        assert_eq!(found.len(), measured.len());
        assert!(found.iter().zip(&measured).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {measured:?}");

        // A context that brings its own system prompt keeps it.
        let own = vec![Message::system("Own."), Message::user("Hello.")];
        assert_eq!(AnswerRequest { context: own.clone(), ..asked }.messages(), own);
    }
}
