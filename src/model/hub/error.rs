//! What can go wrong between here and the Hub.

use std::path::PathBuf;

/// Where a token is looked for, in the order in which it is.
pub(super) const TOKEN_PLACES: &str = "the environment variable HF_TOKEN, the system's keyring (service plumbline, user: the Hub's host name), or the file that `hf auth login` writes (HF_TOKEN_PATH, or token in HF_HOME)";

/// What can go wrong when a model is fetched. No message holds a token or a signed address.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name of the repository cannot be one.
    #[error(
        "\"{repo}\" is not a model of the Hub: write owner/name, such as HuggingFaceTB/SmolLM2-135M-Instruct, or the address of its page."
    )]
    BadRepo {
        /// What was given.
        repo: String,
    },
    /// The revision cannot be one.
    #[error(
        "\"{revision}\" cannot be a revision. Use a branch such as main, a tag, or the 40 characters of a commit."
    )]
    BadRevision {
        /// What was given.
        revision: String,
    },
    /// The file asked for is not one that is fetched.
    #[error(
        "\"{file}\" is not fetched: name a .gguf or .safetensors file by its path in the repository. Pickles (.bin, .pt, .pth) can run programs when they are opened."
    )]
    BadFile {
        /// What was given.
        file: String,
    },
    /// The Hub's address is not safe or not an address.
    #[error(
        "the Hub's address {endpoint} is not an https address. Set HF_ENDPOINT to one, or unset it; http is for servers on this machine alone."
    )]
    BadEndpoint {
        /// What was given.
        endpoint: String,
    },
    /// The token holds characters that no token has.
    #[error(
        "the token from {origin} is empty or has spaces or line breaks in it. Copy it again, as one line."
    )]
    BadToken {
        /// Where it was found.
        origin: String,
    },
    /// Offline, and not everything is in the cache.
    #[error(
        "{repo} ({revision}) is not whole in {cache}, and Plumbline is offline. Missing: {}.{} Fetch it once with a connection: not offline (--offline on the command line), and with HF_HUB_OFFLINE unset.",
        missing.join(", "),
        held_revisions(held)
    )]
    Offline {
        /// The repository.
        repo: String,
        /// The revision asked for.
        revision: String,
        /// The cache.
        cache: PathBuf,
        /// The files that are not there.
        missing: Vec<String>,
        /// The revisions of it that the cache does hold.
        held: Vec<String>,
    },
    /// There is no such repository.
    #[error(
        "{endpoint} has no model {repo} that may be seen from here. Check owner and name on its page; if it is private, a token of somebody who may read it is needed, in {TOKEN_PLACES}."
    )]
    NoRepo {
        /// The repository.
        repo: String,
        /// The Hub.
        endpoint: String,
    },
    /// There is no such revision.
    #[error(
        "{repo} has no revision \"{revision}\". Its page lists branches, tags and commits under \"Files and versions\"; without a revision, main is fetched."
    )]
    NoRevision {
        /// The repository.
        repo: String,
        /// The revision asked for.
        revision: String,
    },
    /// There is no such file.
    #[error("{repo} has no file {file} at {commit}.{}", files_there(found))]
    NoFile {
        /// The repository.
        repo: String,
        /// The commit.
        commit: String,
        /// The file.
        file: String,
        /// Files of the kind that there are.
        found: Vec<String>,
    },
    /// The Hub does not say anything about this repository without a token that it accepts (401).
    #[error("the Hub does not let {repo} be read: {}", who(token.as_deref()))]
    Unauthorized {
        /// The repository.
        repo: String,
        /// Where the token that was refused comes from; `None` if none was sent.
        token: Option<String>,
    },
    /// The repository is gated and its owners have not given access (403).
    #[error(
        "{repo} is gated: its owners want to know who uses it. Open {page} in a browser, sign in, and click \"Agree and access repository\" (where it says \"Request access\", wait until the owners grant it). {}",
        gate_key(token.as_deref(), endpoint)
    )]
    Gated {
        /// The repository.
        repo: String,
        /// Its page.
        page: String,
        /// The Hub.
        endpoint: String,
        /// Where the token that was sent comes from.
        token: Option<String>,
    },
    /// Access is denied for another reason (403).
    #[error(
        "the Hub denies access to {repo} ({}). Open {page} in a browser to see whether your account may read it, and at {endpoint}/settings/tokens whether the token may read this repository.",
        sent(token.as_deref())
    )]
    Forbidden {
        /// The repository.
        repo: String,
        /// Its page.
        page: String,
        /// The Hub.
        endpoint: String,
        /// Where the token that was sent comes from.
        token: Option<String>,
    },
    /// There are no weights in the safetensors format.
    #[error(
        "{repo} holds no safetensors weights{found}. Plumbline opens safetensors only; convert other files with `transformers`: AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)."
    )]
    NoWeights {
        /// The repository.
        repo: String,
        /// " (but `pytorch_model.bin`)" or nothing.
        found: String,
    },
    /// There are GGUF files, of which one has to be chosen.
    #[error("{repo} holds GGUF files instead of safetensors. Choose one of them as the one file to fetch (--file on the command line): {}.", found.join(", "))]
    OnlyGguf {
        /// The repository.
        repo: String,
        /// The GGUF files.
        found: Vec<String>,
    },
    /// No connection.
    #[error(
        "{host} cannot be reached: {reason}. Check the connection; a model that was fetched before opens offline too (--offline on the command line)."
    )]
    Unreachable {
        /// The host.
        host: String,
        /// What the network says.
        reason: String,
    },
    /// Nothing came for too long.
    #[error(
        "{host} has sent nothing for {seconds} seconds. Fetch again: what has arrived is kept, and the rest is fetched."
    )]
    Silent {
        /// The host.
        host: String,
        /// How long was waited.
        seconds: f64,
    },
    /// The connection broke in the middle of a file.
    #[error(
        "{file} was cut off after {done} of {total} bytes: {reason}. Fetch again: what has arrived is kept, and the rest is fetched."
    )]
    CutOff {
        /// The file.
        file: String,
        /// Bytes that are kept.
        done: u64,
        /// Size of the file.
        total: u64,
        /// What the network says.
        reason: String,
    },
    /// What arrived is not what the Hub announced.
    #[error(
        "{file} is not what the Hub says it is: {kind} {found} instead of {expected}. It was deleted; fetch again. If this happens twice, something between here and the Hub changes files."
    )]
    WrongHash {
        /// The file.
        file: String,
        /// Name of the hash.
        kind: &'static str,
        /// The hash of what arrived.
        found: String,
        /// The hash announced.
        expected: String,
    },
    /// Too many requests.
    #[error("the Hub asks to wait{}. Fetch again later; with a token the limit is higher.", wait(*seconds))]
    RateLimited {
        /// How long to wait, if the Hub says so.
        seconds: Option<u64>,
    },
    /// Another answer than those that are understood.
    #[error(
        "{host} answered with status {status} for {what}. This is usually over in a few minutes; fetch again then."
    )]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// The answer makes no sense.
    #[error(
        "{host} does not answer as the Hub does: {reason}. Check that HF_ENDPOINT names the Hub or a mirror of it."
    )]
    BadAnswer {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "the disk of {folder} is full: {file} needs {needed} more bytes. Free that much, or set HF_HUB_CACHE to a folder on another disk; what has arrived is kept."
    )]
    DiskFull {
        /// The cache.
        folder: PathBuf,
        /// The file being written.
        file: String,
        /// Bytes that are still to come.
        needed: u64,
    },
    /// The cache cannot be written or read.
    #[error(
        "{path} cannot be used: {reason}. The cache of models has to be writable; set HF_HUB_CACHE to a folder that is."
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Somebody stopped it.
    #[error("fetching {repo} was stopped. What has arrived is kept; fetch again to go on.")]
    Stopped {
        /// The repository.
        repo: String,
    },
}

fn held_revisions(held: &[String]) -> String {
    if held.is_empty() { String::new() } else { format!(" The cache holds revision {}.", held.join(", ")) }
}

fn files_there(found: &[String]) -> String {
    if found.is_empty() {
        " Look under \"Files and versions\" on its page.".to_owned()
    } else {
        format!(" There are: {}.", found.join(", "))
    }
}

fn who(token: Option<&str>) -> String {
    match token {
        Some(origin) => format!(
            "it does not accept the token from {origin}. The token may have expired or been copied in part: make a new one with read access. A token is looked for in {TOKEN_PLACES}."
        ),
        None => format!(
            "it is private or gated, or there is no such model, and no token was sent. Check owner and name; a token with read access is looked for in {TOKEN_PLACES}."
        ),
    }
}

fn gate_key(token: Option<&str>, endpoint: &str) -> String {
    match token {
        Some(origin) => format!(
            "Then fetch again: the token from {origin} has to be of that account, and may need the permission to read gated repositories ({endpoint}/settings/tokens)."
        ),
        None => format!(
            "Then make a token with read access at {endpoint}/settings/tokens and put it into {TOKEN_PLACES}."
        ),
    }
}

fn sent(token: Option<&str>) -> String {
    token.map_or_else(|| "no token was sent".to_owned(), |origin| format!("with the token from {origin}"))
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |s| format!(" {s} seconds"))
}
