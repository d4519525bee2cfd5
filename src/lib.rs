//! Plumbline shows how many tokens deep a language model's safety alignment is, and makes it deeper.

pub mod judge;
pub mod rng;
pub mod stats;
pub mod utility;
pub mod world;
