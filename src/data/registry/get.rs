//! A benchmark's file over the network, when a person asks for it.
//!
//! As with models: https only (http for this machine alone, in tests), no redirect to anything less, nothing is kept that
//! did not arrive whole, and what is known of the file is compared before it gets its name.

use super::check::{digest, hex};
use super::{Benchmark, BenchmarkPart};
use crate::net::{cause, is_loopback, is_safe};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The largest file that is fetched: no benchmark here is near it.
const MOST: u64 = 256 * 1024 * 1024;
/// How often the watcher is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long nothing may arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far a download is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetProgress {
    /// The file.
    pub file: String,
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes in all, where the server says so.
    pub total: Option<u64>,
}

/// A file that was fetched, or was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether it is a version that was compared; `None` where none was.
    pub known: Option<bool>,
    /// Whether it came over the network this time.
    pub downloaded: bool,
}

/// What can go wrong on the way. Every message says how to do without the network.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It is not fetched at all.
    #[error("{title} is not fetched. {by_hand}")]
    ByHand {
        /// The benchmark.
        title: String,
        /// How to get it.
        by_hand: String,
    },
    /// The address is not safe.
    #[error("{url} is not an https address, so nothing was asked of it. {by_hand}")]
    BadAddress {
        /// The address.
        url: String,
        /// How to get it.
        by_hand: String,
    },
    /// Nobody answers.
    #[error("{host} cannot be reached: {reason}. Check the connection. {by_hand}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the network says.
        reason: String,
        /// How to get it.
        by_hand: String,
    },
    /// The server refuses.
    #[error("{host} answered with status {status}. {by_hand}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
        /// How to get it.
        by_hand: String,
    },
    /// The file is larger than any benchmark.
    #[error(
        "{file} is larger than {most} bytes, so it is not what was expected, and nothing was kept. {by_hand}"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        most: u64,
        /// How to get it.
        by_hand: String,
    },
    /// It broke off.
    #[error("{file} broke off after {done} bytes: {reason}. Nothing was kept. Try again. {by_hand}")]
    CutOff {
        /// The file.
        file: String,
        /// Bytes that had arrived.
        done: u64,
        /// Why.
        reason: String,
        /// How to get it.
        by_hand: String,
    },
    /// It is another file than the address names for good.
    #[error(
        "{file} is not the file that this address stands for (sha256 {found}, expected {expected}), and was not kept. Somebody on the way changed it, or it is an error page. {by_hand}"
    )]
    Changed {
        /// The file.
        file: String,
        /// Its hash.
        found: String,
        /// The expected one.
        expected: String,
        /// How to get it.
        by_hand: String,
    },
    /// Something else is already there.
    #[error(
        "{path} is there already and is another file, or another version. Move it away, choose another folder, or import it as it is."
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: {reason}. Choose a folder that you may write to, or free some space.")]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The watcher said so.
    #[error("{file} was stopped; nothing was kept.")]
    Stopped {
        /// The file.
        file: String,
    },
}

/// Fetches the file of a part into `folder`, which is made where it is missing. A file that is there already and is a
/// known version is not fetched again; another one is never overwritten. `watch` is asked at least ten times a second
/// whether to go on.
///
/// Not to be called from inside a tokio runtime: it waits on one of its own.
pub fn get(
    benchmark: &Benchmark,
    part: &BenchmarkPart,
    folder: &Path,
    watch: &mut dyn FnMut(&GetProgress) -> ControlFlow<()>,
) -> Result<Got, GetError> {
    let by_hand = || benchmark.by_hand();
    let url = part
        .url
        .as_ref()
        .ok_or_else(|| GetError::ByHand { title: benchmark.title.clone(), by_hand: by_hand() })?;
    let bad = || GetError::BadAddress { url: url.clone(), by_hand: by_hand() };
    let address = Url::parse(url).map_err(|_| bad())?;
    let local = is_loopback(&address);
    if !is_safe(&address, local) {
        return Err(bad());
    }
    let path = folder.join(&part.file);
    let unwritable = |path: &Path, e: &dyn std::fmt::Display| GetError::Unwritable {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    if path.exists() {
        let (sha256, bytes) = digest(&path).map_err(|e| unwritable(&path, &e))?;
        let known = part.sha256.contains(&sha256);
        return if known {
            Ok(Got { path, bytes, sha256, known: Some(true), downloaded: false })
        } else {
            Err(GetError::Exists { path })
        };
    }
    std::fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
    let mut partial = tempfile::Builder::new()
        .prefix(".plumbline-")
        .tempfile_in(folder)
        .map_err(|e| unwritable(folder, &e))?;
    let mut hash = Sha256::new();
    let mut fetch = Fetch { benchmark, part, host: address.host_str().unwrap_or_default().to_owned(), watch };
    let bytes = fetch.stream(address, local, &mut |piece| {
        hash.update(piece);
        partial.write_all(piece).map_err(|e| unwritable(&path, &e))
    })?;
    let sha256 = hex(&hash.finalize());
    let known = (!part.sha256.is_empty()).then(|| part.sha256.contains(&sha256));
    if let (true, Some(false), Some(expected)) = (part.pinned, known, part.sha256.first()) {
        let file = part.file.clone();
        return Err(GetError::Changed {
            file,
            found: sha256,
            expected: expected.clone(),
            by_hand: by_hand(),
        });
    }
    partial.as_file().sync_all().map_err(|e| unwritable(&path, &e))?;
    partial.persist_noclobber(&path).map_err(|e| unwritable(&path, &e.error))?;
    Ok(Got { path, bytes, sha256, known, downloaded: true })
}

/// One download and whoever watches it.
struct Fetch<'a> {
    benchmark: &'a Benchmark,
    part: &'a BenchmarkPart,
    host: String,
    watch: &'a mut dyn FnMut(&GetProgress) -> ControlFlow<()>,
}

impl Fetch<'_> {
    /// Gives each piece of the file to `take`, and answers with its size.
    fn stream(
        &mut self,
        address: Url,
        local: bool,
        take: &mut dyn FnMut(&[u8]) -> Result<(), GetError>,
    ) -> Result<u64, GetError> {
        // Compressed, a file would have another length than its headers say.
        let plain = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let builder = Client::builder()
            .user_agent(concat!("plumbline/", env!("CARGO_PKG_VERSION")))
            .default_headers(plain)
            .connect_timeout(CONNECT)
            .read_timeout(PATIENCE)
            .redirect(Policy::custom(move |attempt| {
                if attempt.previous().len() > 10 {
                    attempt.error("it sends from one address to the next without end")
                } else if is_safe(attempt.url(), local) {
                    attempt.follow()
                } else {
                    attempt.error("it hands over to an address that is not https")
                }
            }));
        // What is on this machine is not asked for through a proxy.
        let builder = if local { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|e| self.unreachable(&e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| GetError::Unreachable {
            host: self.host.clone(),
            reason: e.to_string(),
            by_hand: self.benchmark.by_hand(),
        })?;
        let done = self.run(&runtime, &client, address, take);
        // Does not wait for what a stop leaves behind.
        runtime.shutdown_background();
        done
    }

    fn run(
        &mut self,
        runtime: &Runtime,
        client: &Client,
        address: Url,
        take: &mut dyn FnMut(&[u8]) -> Result<(), GetError>,
    ) -> Result<u64, GetError> {
        let mut progress = GetProgress { file: self.part.file.clone(), done: 0, total: self.part.bytes };
        // Made inside the runtime: reqwest sets its timers when a request is made.
        let asked = async { client.get(address).send().await };
        let mut answer = self.wait(runtime, asked, &progress)?.map_err(|e| self.unreachable(&e))?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(GetError::Status {
                host: self.host.clone(),
                status,
                by_hand: self.benchmark.by_hand(),
            });
        }
        let length = answer.content_length();
        progress.total = length.or(progress.total);
        if length.is_some_and(|length| length > MOST) {
            return Err(self.too_large());
        }
        loop {
            let piece = match self.wait(runtime, answer.chunk(), &progress)? {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(e) => return Err(self.cut_off(progress.done, cause(&e.without_url()))),
            };
            progress.done += piece.len() as u64;
            if progress.done > MOST {
                return Err(self.too_large());
            }
            take(&piece)?;
        }
        if length.is_some_and(|length| length != progress.done) {
            return Err(self.cut_off(progress.done, "the connection was closed".to_owned()));
        }
        Ok(progress.done)
    }

    /// Waits for an answer, and asks the watcher meanwhile whether to go on.
    fn wait<T>(
        &mut self,
        runtime: &Runtime,
        future: impl Future<Output = T>,
        progress: &GetProgress,
    ) -> Result<T, GetError> {
        runtime.block_on(async {
            let mut future = pin!(future);
            loop {
                if (self.watch)(progress).is_break() {
                    return Err(GetError::Stopped { file: self.part.file.clone() });
                }
                if let Ok(value) = tokio::time::timeout(TICK, &mut future).await {
                    return Ok(value);
                }
            }
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> GetError {
        GetError::Unreachable {
            host: self.host.clone(),
            reason: cause(error),
            by_hand: self.benchmark.by_hand(),
        }
    }

    fn too_large(&self) -> GetError {
        GetError::TooLarge { file: self.part.file.clone(), most: MOST, by_hand: self.benchmark.by_hand() }
    }

    fn cut_off(&self, done: u64, reason: String) -> GetError {
        GetError::CutOff { file: self.part.file.clone(), done, reason, by_hand: self.benchmark.by_hand() }
    }
}
