//! The conversation with the Hub: what a repository holds, what a file is, and its bytes.

use super::{HubError, HubOptions, HubToken, Watch};
use crate::net::{cause, is_loopback, is_safe};
use futures_util::StreamExt;
use hf_hub::{HFClient, HFError, HFRepository, RepoTypeModel};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, StatusCode, Url};
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How often the watcher is asked while nothing arrives.
const TICK: Duration = Duration::from_millis(100);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);

/// What stands for "no token" towards hf-hub, which would otherwise look for one by itself: a line break cannot stand
/// in a header, so that none is sent.
const NO_TOKEN: &str = "\n";

/// What a repository is at one revision.
pub(super) struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// The paths of its files.
    pub files: Vec<String>,
    /// Whether its owners grant access one by one.
    pub gated: bool,
}

/// What a file is, before its bytes are fetched.
pub(super) struct RemoteFile {
    /// Its path in the repository.
    pub name: String,
    /// The name of its contents: their hash.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A line to the Hub about one repository.
pub(super) struct Connection {
    runtime: Option<Runtime>,
    repository: HFRepository<RepoTypeModel>,
    /// For metadata: stops where the Hub hands over to its storage, whose answers no longer carry it.
    heads: Client,
    base: Url,
    options: HubOptions,
    repo: String,
}

impl Connection {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(repo: &str, options: &HubOptions) -> Result<Self, HubError> {
        let bad_endpoint = || HubError::BadEndpoint { endpoint: options.endpoint.clone() };
        let base = Url::parse(&options.endpoint).map_err(|_| bad_endpoint())?;
        let local = is_loopback(&base);
        if !is_safe(&base, local) {
            return Err(bad_endpoint());
        }
        let broken = |e: &dyn std::fmt::Display| HubError::Unreachable {
            host: options.endpoint.clone(),
            reason: e.to_string(),
        };
        let client = |policy: Policy| {
            // Compressed, a file would have another length than its metadata says.
            let plain = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
            let builder = Client::builder()
                .user_agent(concat!("plumbline/", env!("CARGO_PKG_VERSION")))
                .default_headers(plain)
                .connect_timeout(CONNECT)
                .read_timeout(options.patience)
                .redirect(policy);
            // What is on this machine is not asked for through a proxy.
            let builder = if local { builder.no_proxy() } else { builder };
            builder.build().map_err(|e| broken(&e))
        };
        // On the way to another host, reqwest drops the token.
        let fetches = client(Policy::custom(move |attempt| follow(attempt, local)))?;
        let heads = client(Policy::custom(move |attempt| {
            if same_origin(&attempt) { follow(attempt, local) } else { attempt.stop() }
        }))?;
        let (owner, name) = repo.split_once('/').unwrap_or(("", repo));
        let repository = HFClient::builder()
            .endpoint(&options.endpoint)
            .cache_dir(&options.cache)
            .token(options.token.as_ref().map_or(NO_TOKEN, HubToken::secret))
            .client(fetches)
            .retry_max_attempts(2)
            .build()
            .map_err(|e| broken(&e))?
            .model(owner, name);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| broken(&e))?;
        let runtime = Some(runtime);
        Ok(Self { runtime, repository, heads, base, options: options.clone(), repo: repo.to_owned() })
    }

    /// Asks what the repository holds at a revision.
    pub fn list(&self, revision: &str, watch: &mut Watch) -> Result<Listing, HubError> {
        let asked = self.repository.info().revision(revision).send();
        let info = self.wait(asked, watch)?.map_err(|e| self.refused(e, Some(revision)))?;
        let commit = info.sha.filter(|sha| super::cache::is_commit(sha));
        let commit = commit.ok_or_else(|| self.bad_answer("it names no commit".to_owned()))?;
        if super::cache::is_commit(revision) && revision != commit {
            return Err(self.bad_answer(format!("asked for commit {revision}, it names {commit}")));
        }
        let gated = info.gated.is_some_and(|gated| gated != false);
        let files = info.siblings.unwrap_or_default().into_iter().map(|file| file.rfilename).collect();
        Ok(Listing { commit, files, gated })
    }

    /// Asks for hash and size of a file.
    ///
    /// hf-hub keeps these to itself (its `get_file_metadata` reads them after the redirect, where they are no longer),
    /// so this request is made here, as Python's client makes it.
    pub fn describe(&self, file: &str, listing: &Listing, watch: &mut Watch) -> Result<RemoteFile, HubError> {
        let url = self.resolve_url(&listing.commit, file);
        let mut request = self.heads.head(url);
        if let Some(token) = &self.options.token
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let answer = self.wait(async { request.send().await }, watch)?.map_err(|e| self.transport(e))?;
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if !status.is_success() && !status.is_redirection() {
            let retry = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
            if status == StatusCode::NOT_FOUND {
                return Err(HubError::NoFile {
                    repo: self.repo.clone(),
                    commit: listing.commit.clone(),
                    file: file.to_owned(),
                    found: Vec::new(),
                });
            }
            return Err(self.status(status, header("x-error-code"), retry, listing.gated, file));
        }
        let etag = header("x-linked-etag")
            .or_else(|| header(ETAG.as_str()))
            .map(|etag| etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned());
        // The ETag becomes the name of a file.
        let harmless = |etag: &String| {
            !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let etag = etag.filter(harmless).ok_or_else(|| self.bad_answer(format!("{file} has no ETag")))?;
        let size = header("x-linked-size")
            .or_else(|| header(CONTENT_LENGTH.as_str()))
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| self.bad_answer(format!("{file} has no size")))?;
        if header("x-repo-commit").is_some_and(|commit| commit != listing.commit) {
            return Err(self.bad_answer(format!("{file} is of another commit than was asked for")));
        }
        Ok(RemoteFile { name: file.to_owned(), etag, size })
    }

    /// Fetches a file from byte `from` on and gives each piece to `take`. `Ok(false)`: the Hub would send it from the
    /// beginning, and nothing was taken.
    pub fn stream(
        &self,
        commit: &str,
        file: &RemoteFile,
        from: u64,
        watch: &mut Watch,
        mut take: impl FnMut(&[u8], &mut Watch) -> Result<(), HubError>,
    ) -> Result<bool, HubError> {
        let range = (from > 0).then_some(from..file.size);
        let asked = self
            .repository
            .download_file_stream()
            .filename(&file.name)
            .revision(commit)
            .maybe_range(range)
            .send();
        let (length, mut bytes) = self.wait(asked, watch)?.map_err(|e| self.refused(e, None))?;
        if from > 0 && length != Some(file.size - from) {
            return Ok(false);
        }
        let mut done = from;
        while let Some(piece) = self.wait(bytes.next(), watch)? {
            let piece = piece.map_err(|e| self.cut_off(e, file, done))?;
            done += piece.len() as u64;
            take(&piece, watch)?;
        }
        if done < file.size {
            return Err(HubError::CutOff {
                file: file.name.clone(),
                done,
                total: file.size,
                reason: "the connection was closed".to_owned(),
            });
        }
        Ok(true)
    }

    /// Waits for an answer, and asks the watcher meanwhile whether to go on. A future that is dropped closes its
    /// connection.
    fn wait<T>(&self, future: impl Future<Output = T>, watch: &mut Watch) -> Result<T, HubError> {
        let Some(runtime) = &self.runtime else {
            return Err(HubError::Stopped { repo: self.repo.clone() });
        };
        runtime.block_on(async {
            let mut future = pin!(future);
            loop {
                match tokio::time::timeout(TICK, &mut future).await {
                    Ok(value) => return Ok(value),
                    Err(_) => watch.tick()?,
                }
            }
        })
    }

    fn resolve_url(&self, commit: &str, file: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(self.repo.split('/'))
                .push("resolve")
                .push(commit)
                .extend(file.split('/'));
        }
        url
    }

    fn host(&self) -> String {
        self.base.host_str().unwrap_or(&self.options.endpoint).to_owned()
    }

    fn bad_answer(&self, reason: String) -> HubError {
        HubError::BadAnswer { host: self.host(), reason }
    }

    /// An HTTP status in words. The Hub says in `X-Error-Code` what it means by it.
    fn status(
        &self,
        status: StatusCode,
        code: Option<&str>,
        retry: Option<u64>,
        gated: bool,
        what: &str,
    ) -> HubError {
        let repo = self.repo.clone();
        let token = self.options.token.as_ref().map(|token| token.origin().to_owned());
        let endpoint = self.options.endpoint.clone();
        let page = format!("{endpoint}/{repo}");
        match (status.as_u16(), code) {
            (401 | 403, Some("GatedRepo")) => HubError::Gated { repo, page, endpoint, token },
            // A Hub that gives no code has said before that the repository is gated; 401 with a token means the token.
            (403, _) if gated => HubError::Gated { repo, page, endpoint, token },
            (401, _) if gated && token.is_none() => HubError::Gated { repo, page, endpoint, token },
            (401, _) => HubError::Unauthorized { repo, token },
            (403, _) => HubError::Forbidden { repo, page, endpoint, token },
            (429, _) => HubError::RateLimited { seconds: retry },
            (status, _) => HubError::Status { host: self.host(), status, what: what.to_owned() },
        }
    }

    /// What hf-hub reports, in our words. `revision` is what a 404 would be about.
    fn refused(&self, error: HFError, revision: Option<&str>) -> HubError {
        let no_repo =
            || HubError::NoRepo { repo: self.repo.clone(), endpoint: self.options.endpoint.clone() };
        match error {
            HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Http { context } => {
                self.status(context.status, context.error_code.as_deref(), None, false, &self.repo)
            }
            HFError::RateLimited { retry_after, .. } => {
                HubError::RateLimited { seconds: retry_after.map(|wait| wait.as_secs()) }
            }
            HFError::RepoNotFound { .. } => no_repo(),
            // hf-hub calls every 404 of a revision by this name; the Hub's own code tells them apart.
            HFError::RevisionNotFound { context, .. } => {
                let code = context.and_then(|context| context.error_code);
                match (code.as_deref(), revision) {
                    (Some("RevisionNotFound"), Some(revision)) => self.no_revision(revision),
                    (None, Some(revision)) if revision != super::DEFAULT_REVISION => {
                        self.no_revision(revision)
                    }
                    _ => no_repo(),
                }
            }
            HFError::Request { source, .. } => self.transport(source),
            other => self.bad_answer(other.to_string()),
        }
    }

    fn no_revision(&self, revision: &str) -> HubError {
        HubError::NoRevision { repo: self.repo.clone(), revision: revision.to_owned() }
    }

    /// An error in the middle of a file: what has arrived is worth keeping.
    fn cut_off(&self, error: HFError, file: &RemoteFile, done: u64) -> HubError {
        let reason = match error {
            HFError::Request { source, .. } if source.is_timeout() => return self.transport(source),
            HFError::Request { source, .. } => cause(&source.without_url()),
            other => other.to_string(),
        };
        HubError::CutOff { file: file.name.clone(), done, total: file.size, reason }
    }

    /// An error of the network. Addresses are left out: those of the storage are signed.
    fn transport(&self, error: reqwest::Error) -> HubError {
        let host = error.url().and_then(Url::host_str).map_or_else(|| self.host(), str::to_owned);
        if error.is_timeout() && !error.is_connect() {
            return HubError::Silent { host, seconds: self.options.patience.as_secs_f64() };
        }
        HubError::Unreachable { host, reason: cause(&error.without_url()) }
    }
}

impl Drop for Connection {
    /// Does not wait for what a stop leaves behind, such as the look-up of a name in a network that does not answer.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn same_origin(attempt: &Attempt) -> bool {
    attempt.previous().last().is_some_and(|previous| previous.origin() == attempt.url().origin())
}

fn follow(attempt: Attempt, local: bool) -> Action {
    if attempt.previous().len() > 10 {
        attempt.error("it sends from one address to the next without end")
    } else if is_safe(attempt.url(), local) {
        attempt.follow()
    } else {
        attempt.error("it hands over to an address that is not https")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine_is_safe() {
        let safe = |url: &str| {
            let url = Url::parse(url).unwrap();
            is_safe(&url, is_loopback(&url))
        };
        for good in
            ["https://huggingface.co", "http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:2"]
        {
            assert!(safe(good), "{good}");
        }
        for bad in ["http://huggingface.co", "http://127.0.0.1.example", "ftp://127.0.0.1", "file:///etc"] {
            assert!(!safe(bad), "{bad}");
        }
        assert!(!is_safe(&Url::parse("http://127.0.0.1").unwrap(), false), "not on the way from elsewhere");
    }
}
