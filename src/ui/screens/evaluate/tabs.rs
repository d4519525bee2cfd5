//! The parts of the Evaluate screen.

/// A part of the Evaluate screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvaluateTab {
    /// Which models are attacked how.
    #[default]
    Setup,
    /// The rates as a table.
    Results,
    /// The rates by kind of request.
    Categories,
    /// The answers behind the rates.
    Transcripts,
    /// Who judged, and what that is worth.
    Judging,
}

impl EvaluateTab {
    /// All of them, as they stand on the screen.
    pub const ALL: [Self; 5] =
        [Self::Setup, Self::Results, Self::Categories, Self::Transcripts, Self::Judging];

    /// What its button says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "What to run",
            Self::Results => "Results",
            Self::Categories => "By category",
            Self::Transcripts => "Transcripts",
            Self::Judging => "Judging",
        }
    }

    /// What it shows, in one sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Setup => "Choose the models, the attacks and who judges, and start.",
            Self::Results => "How often each model complied under each attack.",
            Self::Categories => "The same rates by kind of request.",
            Self::Transcripts => "Read the answers behind the rates.",
            Self::Judging => "Judge again, label by hand, and see how far each judge is to be trusted.",
        }
    }
}
