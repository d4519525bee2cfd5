//! Is a judge any good? How it agrees with people, whether it passes probes whose answers are known, what a rate is once
//! its errors are taken out, and which answers a person should look at next.
//!
//! Everything here is counting over plain pairs of (response, verdict): it asks no judge and reads no file.

mod agreement;
mod disagreement;
mod needed;
mod probes;

pub use agreement::{JudgeAgreement, agreement, clustered_agreement};
pub use disagreement::{WorkItem, calibration_sample, disagreements};
pub use needed::{LabelsNeeded, labels_needed};
pub use probes::{PASSED, Probe, ProbeCase, ProbeReport, ProbeRow, probe_cases, probe_report};
