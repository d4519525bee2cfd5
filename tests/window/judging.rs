//! Judging again, labelling by hand, and what a judge is worth.
