//! The window, driven by its accessibility labels, and what the project folder then holds.

#![allow(
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    reason = "a test stops where something is not there"
)]

mod application;
mod commands;
mod data;
mod driver;
mod evaluate;
mod faults;
mod first_hour;
#[cfg(target_os = "linux")]
mod fluid;
mod import;
mod inspect;
mod judging;
mod looks;
mod models;
mod story;
mod train;
