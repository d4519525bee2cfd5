//! What a model is in the story: each role keeps one name and one colour everywhere.

use serde::{Deserialize, Serialize};

/// The role of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelRole {
    /// Not aligned: what KL is measured against.
    Base,
    /// Trained to refuse.
    Aligned,
    /// Aligned, then trained on recovery examples.
    Deepened,
    /// Fine-tuned under the token-wise constraint.
    Constrained,
    /// Fine-tuned plainly.
    Tuned,
    /// Fine-tuned to break its safety.
    Attacked,
    /// None of these.
    #[default]
    Other,
}

impl ModelRole {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Base,
        Self::Aligned,
        Self::Deepened,
        Self::Constrained,
        Self::Tuned,
        Self::Attacked,
        Self::Other,
    ];

    /// The role as people read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Aligned => "aligned",
            Self::Deepened => "deepened",
            Self::Constrained => "constrained",
            Self::Tuned => "tuned",
            Self::Attacked => "attacked",
            Self::Other => "other",
        }
    }
}

impl std::fmt::Display for ModelRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}
