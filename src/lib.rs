//! Plumbline shows how many tokens deep a language model's safety alignment is, and makes it deeper.

pub mod model;
pub mod rng;
pub mod text;
