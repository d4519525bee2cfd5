//! A training row.

use std::ops::Range;

/// One row of token ids with what is trained in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Token ids of the whole row.
    pub ids: Vec<u32>,
    /// One range per assistant turn, end token included. Answer position t = 1 is the first token of its range.
    pub answers: Vec<Range<usize>>,
    /// The loss weight of each token: 0 = context.
    pub weights: Vec<f32>,
}

impl Encoded {
    /// How many tokens are trained.
    #[must_use]
    pub fn trained(&self) -> usize {
        // Nothing predicts the first token.
        self.weights.iter().skip(1).filter(|&&w| w > 0.0).count()
    }

    /// The answer position t (1-based) of token `index`, or `None` outside answers.
    #[must_use]
    pub fn answer_position(&self, index: usize) -> Option<usize> {
        self.answers.iter().find(|range| range.contains(&index)).map(|range| index - range.start + 1)
    }

    /// A copy of at most `max_tokens` tokens.
    #[must_use]
    pub fn cut(&self, max_tokens: usize) -> Self {
        let mut row = self.clone();
        row.truncate(max_tokens);
        row
    }

    /// Cuts the row to at most `max_tokens`.
    pub fn truncate(&mut self, max_tokens: usize) {
        self.ids.truncate(max_tokens);
        self.weights.truncate(max_tokens);
        for range in &mut self.answers {
            range.end = range.end.min(max_tokens);
        }
        self.answers.retain(|range| range.start < range.end);
    }

    pub(super) fn push(&mut self, ids: &[u32], weight: f32) {
        self.ids.extend_from_slice(ids);
        self.weights.resize(self.ids.len(), weight);
    }
}
