//! The Evaluate screen.
