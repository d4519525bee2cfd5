//! Plumbline shows how many tokens deep a language model's safety alignment is, and makes it deeper.

pub mod attack;
pub mod cli;
pub mod data;
pub mod demo;
pub mod evaluate;
pub mod files;
pub mod generate;
pub mod job;
pub mod judge;
pub mod model;
pub mod net;
pub mod probe;
pub mod project;
pub mod report;
pub mod rng;
pub mod stats;
pub mod text;
pub mod train;
pub mod ui;
pub mod utility;
pub mod world;
