//! What can go wrong when answers are judged.

use crate::model::ModelError;
use std::path::PathBuf;

/// What can go wrong when answers are judged. No message holds a key. Verdicts that came before an error have been
/// handed over.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The spec of the judge cannot be used.
    #[error("the judge {judge} cannot be used as it is: {}", problems.join(" "))]
    Spec {
        /// The judge.
        judge: String,
        /// Every problem, in words.
        problems: Vec<String>,
    },
    /// The judge needs the network, and this build has none.
    #[error(
        "the judge {judge} sends answers to {host}, but this Plumbline was built without network access. Use one that was built with the feature hub (it is on by default), or choose a judge that runs on this machine."
    )]
    NoNetwork {
        /// The judge.
        judge: String,
        /// Where it would send answers.
        host: String,
    },
    /// There is no key where the spec says that there is one.
    #[error("there is no key for {host}: {reason}.")]
    NoKey {
        /// The host that the key is for.
        host: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// The endpoint refuses the request.
    #[error("{host} refuses to judge (HTTP {status}): {reason}. {advice}")]
    Refused {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the endpoint says.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The endpoint does not answer in time.
    #[error(
        "{host} did not answer within {seconds} s, {attempts} times in a row. Try again later, ask fewer at a time, or allow more seconds."
    )]
    Silent {
        /// The host.
        host: String,
        /// How long it may take.
        seconds: f64,
        /// How often it was asked.
        attempts: u32,
    },
    /// The endpoint cannot be reached.
    #[error(
        "{host} cannot be reached: {reason}. Check the address and the connection; a server on this machine must be running."
    )]
    Unreachable {
        /// The host.
        host: String,
        /// What the network says.
        reason: String,
    },
    /// The endpoint fails again and again.
    #[error(
        "{host} failed {attempts} times in a row (HTTP {status}): {reason}. The fault is on its side: try again later."
    )]
    Failing {
        /// The host.
        host: String,
        /// The last HTTP status.
        status: u16,
        /// How often it was asked.
        attempts: u32,
        /// What it says.
        reason: String,
    },
    /// The endpoint asks for a longer pause than is waited for.
    #[error(
        "{host} takes no more requests for now{}. Try again later, or set a limit of requests per minute that your account allows.",
        seconds.map_or(String::new(), |s| format!(" and asks for a pause of {s} s"))
    )]
    RateLimited {
        /// The host.
        host: String,
        /// The pause it asks for, in seconds.
        seconds: Option<u64>,
    },
    /// The endpoint sends elsewhere.
    #[error(
        "{host} sends to another address ({to}). Answers and keys go only where the judge says: if you trust that address, write it into the judge."
    )]
    Redirected {
        /// The host.
        host: String,
        /// Where it sends: the host, or what could not be read as one.
        to: String,
    },
    /// What came back is no answer of a chat-completions endpoint.
    #[error(
        "{host} answered something that is not a chat completion: {reason}. Check the address: it usually ends in /v1, and Plumbline adds /chat/completions."
    )]
    NotACompletion {
        /// The host.
        host: String,
        /// What is wrong with it, and how it begins.
        reason: String,
    },
    /// The budget is used up.
    #[error(
        "the budget of {budget} for {host} is used up: {spent:.4} is spent, and {left} answers are not judged. Have the rest judged with a larger budget by a job of its own (job = \"judge\" on this evaluation); what was judged costs nothing again."
    )]
    Budget {
        /// The host.
        host: String,
        /// What may be spent.
        budget: f64,
        /// What was spent.
        spent: f64,
        /// Answers that were not judged.
        left: usize,
    },
    /// The cache cannot be read or written.
    #[error(
        "{file} cannot be used to keep what the judge said: {reason}. Free the space or the permission; without it, every answer would be paid for again."
    )]
    Cache {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// There is no such model to judge with.
    #[error("there is no model {model} to judge with. Add it to the project, or choose another.")]
    NoModel {
        /// Its id.
        model: String,
    },
    /// A file of the judging model cannot be read.
    #[error("{file} of the judging model cannot be read: {reason}. Copy the model again.")]
    ModelFile {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The model cannot give the verdicts that the spec names.
    #[error("the model {model} cannot tell the verdicts apart: {reason}.")]
    VerdictWords {
        /// Its id.
        model: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The judging model failed.
    #[error("the judging model {model}: {source}")]
    Model {
        /// Its id.
        model: String,
        /// What happened.
        source: ModelError,
    },
    /// The work was stopped before there was a verdict.
    #[error("the judge {judge} was stopped before it had judged.")]
    Stopped {
        /// The judge.
        judge: String,
    },
    /// Something that must not happen.
    #[error("the judge {judge} failed inside: {reason}. Please report it.")]
    Internal {
        /// The judge.
        judge: String,
        /// What happened.
        reason: String,
    },
}
