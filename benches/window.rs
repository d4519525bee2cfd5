//! `cargo bench --bench window`: the window's own work in a frame, without a screen, at its largest (docs/performance.md).

#![allow(
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    dead_code,
    reason = "what the tests of the window drive it with, of which a part is used here"
)]

#[path = "../tests/window/driver.rs"]
mod driver;
#[path = "../tests/window/fluid.rs"]
mod fluid;

fn main() {
    for (what, frames) in fluid::measure() {
        println!("{what}: {}", frames.text());
        assert!(frames.at(0.99) < fluid::FRAME_MS, "{what} takes longer than a frame");
    }
}
