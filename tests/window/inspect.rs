//! The Inspect screen.
