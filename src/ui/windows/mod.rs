//! What opens above the screens: the list of actions, the glossary, the tour.

mod glossary;
mod palette;
mod tour;

pub use glossary::Glossary;
pub use palette::Palette;
pub use tour::Tour;
