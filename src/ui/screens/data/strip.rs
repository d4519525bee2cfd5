//! The training text of the example in the editor: asked for when the example, the model or the visit changes.

use super::history::Row;
use super::set::OpenSet;
use crate::data::{DepthDistribution, Example};
use crate::ui::app::{DataRequest, Loader, Request, Strip, StripRequest, Tokens};
use std::sync::Arc;

/// What a strip is made of.
struct Key {
    example: Row,
    tokens: Tokens,
    epoch: usize,
}

/// The strip on the screen, and the one that is awaited.
#[derive(Default)]
pub struct Strips {
    key: Option<Key>,
    serial: u64,
    strip: Option<Result<Strip, String>>,
    /// The visit for which a depth is drawn.
    epoch: usize,
    /// Whether there is a model whose tokens can be shown.
    model: bool,
}

impl Strips {
    /// Forgets the strip: another set is open.
    pub fn forget(&mut self) {
        self.key = None;
        self.strip = None;
    }

    /// Asks for the strip of the selected example if it is another one than that on the screen.
    pub fn ask_if_due(&mut self, set: &OpenSet, tokens: Option<Tokens>, loader: &mut Loader) {
        self.model = tokens.is_some();
        let (Some(example), Some(tokens)) = (set.example(), tokens) else {
            self.forget();
            return;
        };
        let Example::Recovery(recovery) = example.as_ref() else { return };
        let same = |key: &Key| key.example.id() == recovery.id;
        if !self.key.as_ref().is_some_and(same) {
            self.strip = None;
            self.epoch = 0;
        }
        let fresh = self.key.as_ref().is_some_and(|key| {
            Arc::ptr_eq(&key.example, example) && key.tokens == tokens && key.epoch == self.epoch
        });
        if fresh {
            return;
        }
        self.serial += 1;
        loader.send(Request::Data(DataRequest::Strip(StripRequest {
            serial: self.serial,
            folder: tokens.folder.clone(),
            context_limit: tokens.limit,
            example: recovery.clone(),
            epoch: self.epoch,
            depths: DepthDistribution::default(),
        })));
        self.key = Some(Key { example: example.clone(), tokens, epoch: self.epoch });
    }

    /// Takes a strip in.
    pub fn made(&mut self, serial: u64, result: Result<Strip, String>) {
        if serial == self.serial {
            self.strip = Some(result);
        }
    }

    /// The strip, once it is made.
    #[must_use]
    pub fn strip(&self) -> Option<&Result<Strip, String>> {
        self.strip.as_ref()
    }

    /// Whether there is a model whose tokens can be shown.
    #[must_use]
    pub fn has_model(&self) -> bool {
        self.model
    }

    /// Draws another depth.
    pub fn draw_again(&mut self) {
        self.epoch += 1;
    }
}
