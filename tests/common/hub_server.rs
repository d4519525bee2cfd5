//! A server on this machine that plays the Hub: the model's listing, metadata and files, small ones by itself and
//! large ones from its storage under another name, as the Hub does; with faults on request.

#![allow(dead_code, reason = "each test binary uses its part")]

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const REPO: &str = "fairy/tale";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whether it reached the storage instead of the Hub.
    pub storage: bool,
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub range: Option<String>,
}

impl Request {
    /// Whether it asks for the contents of this file.
    pub fn gets(&self, file: &str) -> bool {
        self.method == "GET" && self.path.ends_with(&format!("/{file}"))
    }
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// This status, with the Hub's code for it.
    Status(u16, Option<&'static str>),
    /// The connection closes after this many bytes of the body.
    Cut(usize),
    /// This many bytes at a time, with a pause after each.
    Slow(usize, Duration),
    /// Nothing is sent.
    Silent,
    /// The last byte is another one.
    Corrupt,
    /// More than was announced.
    TooLong,
    /// The whole is sent, whatever range is asked for.
    IgnoreRange,
}

/// A file of the repository.
#[derive(Clone)]
pub struct HubFile {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Large files lie in the storage.
    pub large: bool,
}

impl HubFile {
    /// The hash that names its contents.
    pub fn etag(&self) -> String {
        let mut text = String::new();
        let bytes: Vec<u8> = if self.large {
            Sha256::digest(&self.bytes).to_vec()
        } else {
            let prefix = format!("blob {}\0", self.bytes.len());
            Sha1::new_with_prefix(prefix).chain_update(&self.bytes).finalize().to_vec()
        };
        for byte in bytes {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }
}

/// The playing Hub.
pub struct Hub {
    pub endpoint: String,
    pub files: Vec<HubFile>,
    log: Arc<Mutex<Vec<Request>>>,
}

struct Stage {
    files: Vec<HubFile>,
    gated: bool,
    storage: String,
    fault: Box<dyn Fn(&Request) -> Fault + Send + Sync>,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Hub {
    /// A Hub with these files, without faults.
    pub fn new(files: Vec<HubFile>) -> Self {
        Self::with(files, false, |_| Fault::None)
    }

    /// A Hub with these files in a repository that may be gated, and with a fault for each request.
    pub fn with(
        files: Vec<HubFile>,
        gated: bool,
        fault: impl Fn(&Request) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let (hub, storage) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let endpoint = format!("http://127.0.0.1:{}", port(&hub));
        let log = Arc::default();
        let stage = Arc::new(Stage {
            files: files.clone(),
            gated,
            // Another host by name and by port.
            storage: format!("http://localhost:{}", port(&storage)),
            fault: Box::new(fault),
            log: Arc::clone(&log),
        });
        for (listener, is_storage) in [(hub, false), (storage, true)] {
            let stage = Arc::clone(&stage);
            start(move || {
                for stream in listener.incoming().flatten() {
                    let stage = Arc::clone(&stage);
                    // A client that hangs up is no concern of the Hub.
                    start(move || drop(stage.answer(&stream, is_storage)));
                }
            });
        }
        Self { endpoint, files, log }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// The requests that match.
    pub fn count(&self, matches: impl Fn(&Request) -> bool) -> usize {
        self.requests().iter().filter(|request| matches(request)).count()
    }

    pub fn file(&self, name: &str) -> &HubFile {
        self.files.iter().find(|file| file.name == name).unwrap()
    }
}

fn start(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("hub".into()).spawn(work).unwrap();
}

impl Stage {
    fn answer(&self, stream: &TcpStream, storage: bool) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let mut words = first.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut request = Request { storage, method, path, token: None, range: None };
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match &*name.to_lowercase() {
                "authorization" => request.token = Some(value.to_owned()),
                "range" => request.range = Some(value.to_owned()),
                _ => {}
            }
        }
        self.log.lock().unwrap().push(request.clone());
        let fault = (self.fault)(&request);
        match fault {
            Fault::Silent => {
                std::thread::sleep(Duration::from_mins(1));
                return Ok(());
            }
            Fault::Status(status, code) => {
                let code = code.map_or_else(String::new, |code| format!("X-Error-Code: {code}\r\n"));
                return respond(stream, &request, status, &code, b"{\"error\": \"no\"}", Fault::None);
            }
            _ => {}
        }
        if storage {
            let file = request.path.trim_start_matches('/');
            return match self.files.iter().find(|f| f.name == file) {
                Some(file) => Self::contents(stream, &request, file, fault),
                None => respond(stream, &request, 404, "", b"", Fault::None),
            };
        }
        self.hub(stream, &request, fault)
    }

    fn hub(&self, stream: &TcpStream, request: &Request, fault: Fault) -> std::io::Result<()> {
        let not_found = |code: &str| {
            respond(stream, request, 404, &format!("X-Error-Code: {code}\r\n"), b"", Fault::None)
        };
        let known = |revision: &str| [COMMIT, "main", "v1"].contains(&revision);
        if let Some(path) = request.path.strip_prefix("/api/models/") {
            return match path.split_once("/revision/") {
                Some((REPO, revision)) if known(revision) => {
                    let names: Vec<_> =
                        self.files.iter().map(|file| serde_json::json!({"rfilename": file.name})).collect();
                    let gated = if self.gated { serde_json::json!("manual") } else { false.into() };
                    let info =
                        serde_json::json!({"id": REPO, "sha": COMMIT, "gated": gated, "siblings": names});
                    respond(stream, request, 200, "", info.to_string().as_bytes(), fault)
                }
                Some((REPO, _)) => not_found("RevisionNotFound"),
                _ => not_found("RepoNotFound"),
            };
        }
        let Some((revision, name)) = request
            .path
            .strip_prefix(&format!("/{REPO}/resolve/"))
            .and_then(|path| path.split_once('/'))
            .filter(|(revision, _)| known(revision))
        else {
            return not_found("RepoNotFound");
        };
        assert_eq!(revision, COMMIT, "files are asked for at the pinned commit");
        match self.files.iter().find(|file| file.name == name) {
            None => not_found("EntryNotFound"),
            Some(file) if file.large => {
                let headers = format!(
                    "X-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{}\"\r\nX-Linked-Size: {}\r\nETag: \"pointer\"\r\nLocation: {}/{name}\r\n",
                    file.etag(),
                    file.bytes.len(),
                    self.storage
                );
                respond(stream, request, 302, &headers, b"moved", Fault::None)
            }
            Some(file) => Self::contents(stream, request, file, fault),
        }
    }

    fn contents(stream: &TcpStream, request: &Request, file: &HubFile, fault: Fault) -> std::io::Result<()> {
        let range = request.range.as_deref().filter(|_| fault != Fault::IgnoreRange);
        let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let mut headers = String::new();
        if !request.storage {
            headers = format!("X-Repo-Commit: {COMMIT}\r\nETag: W/\"{}\"\r\n", file.etag());
        }
        match bounds {
            Some((from, to)) => {
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                write!(headers, "Content-Range: bytes {from}-{to}/{}\r\n", file.bytes.len()).unwrap();
                respond(stream, request, 206, &headers, &file.bytes[from..=to], fault)
            }
            None => respond(stream, request, 200, &headers, &file.bytes, fault),
        }
    }
}

fn respond(
    mut stream: &TcpStream,
    request: &Request,
    status: u16,
    headers: &str,
    body: &[u8],
    fault: Fault,
) -> std::io::Result<()> {
    let mut body = body.to_vec();
    let announced = body.len();
    match fault {
        Fault::Corrupt => *body.last_mut().unwrap() ^= 1,
        Fault::Cut(length) => body.truncate(length),
        Fault::TooLong => body.push(0),
        _ => {}
    }
    // Without a length the end of the connection ends the body, so that nothing but the client checks it.
    let length = match fault {
        Fault::TooLong if request.method == "GET" => String::new(),
        _ => format!("Content-Length: {announced}\r\n"),
    };
    write!(stream, "HTTP/1.1 {status} Told\r\nConnection: close\r\n{length}{headers}\r\n")?;
    if request.method == "HEAD" {
        return Ok(());
    }
    match fault {
        Fault::Slow(size, pause) => {
            for piece in body.chunks(size) {
                stream.write_all(piece)?;
                stream.flush()?;
                std::thread::sleep(pause);
            }
        }
        _ => stream.write_all(&body)?,
    }
    stream.flush()
}
