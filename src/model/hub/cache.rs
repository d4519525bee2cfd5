//! The cache folder of one model, laid out as Python's client does, so that both find each other's files.
//!
//! ```text
//! <cache>/models--owner--name/
//!   blobs/<etag>                 contents, named by their hash: sha256 of large files, git's of small ones
//!   blobs/<etag>.incomplete      what has arrived so far
//!   refs/<revision>              the commit that a branch or tag stood for when it was last asked
//!   snapshots/<commit>/<file>    symlinks into blobs
//! <cache>/.locks/models--owner--name/<etag>.lock
//! ```

use super::HubError;
use super::digest::Digest;
use crate::files::write_atomic;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The cache folder of one model.
pub(super) struct ModelCache {
    cache: PathBuf,
    name: String,
}

impl ModelCache {
    /// The folder of `owner/name` in a cache; it need not exist.
    pub fn new(cache: &Path, repo: &str) -> Self {
        Self { cache: cache.to_owned(), name: format!("models--{}", repo.replace('/', "--")) }
    }

    fn root(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    /// The folder of a commit.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    /// Where the contents with this hash are, or will be.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root().join("blobs").join(etag)
    }

    /// The commit that a revision stands for, as far as the cache knows.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = std::fs::read_to_string(self.root().join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes which commit a branch or tag stands for.
    pub fn note_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.root().join("refs").join(revision);
        make_parent(&path)?;
        write_atomic(&path, commit.as_bytes()).map_err(|e| unusable(&path, &e))
    }

    /// The commits of which the cache holds something.
    pub fn commits(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root().join("snapshots")).into_iter().flatten().flatten();
        let mut commits: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        commits.sort();
        commits
    }

    /// Links a file of a snapshot to its contents.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let pointer = self.snapshot(commit).join(file);
        make_parent(&pointer)?;
        match std::fs::remove_file(&pointer) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unusable(&pointer, &e)),
            _ => {}
        }
        // Relative, so that the cache can be moved: two folders up from the snapshot, more from folders in it.
        let up = "../".repeat(2 + file.matches('/').count());
        place(&self.blob(etag), &format!("{up}blobs/{etag}"), &pointer).map_err(|e| unusable(&pointer, &e))
    }

    /// Tries to become the only one who writes the contents with this hash. `None`: somebody else does.
    ///
    /// Python's client takes the same locks. Where the file system has none, the hash alone guards the contents.
    pub fn lock(&self, etag: &str) -> Result<Option<Lock>, HubError> {
        let path = self.cache.join(".locks").join(&self.name).join(format!("{etag}.lock"));
        make_parent(&path)?;
        let file = File::create(&path).map_err(|e| unusable(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => {
                log::debug!("{} cannot be locked: {e}", path.display());
                Ok(Some(Lock { _file: file }))
            }
        }
    }
}

/// The right to write one blob; given back when dropped.
pub(super) struct Lock {
    _file: File,
}

/// A blob on its way: what arrives is appended and hashed, and kept if the connection breaks.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    digest: Digest,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of the whole.
    pub size: u64,
}

impl Partial {
    /// Goes on with what an earlier fetch left, or begins. `hashed` is called while what is there is read.
    pub fn open(
        blob: &Path,
        etag: &str,
        size: u64,
        mut hashed: impl FnMut() -> Result<(), HubError>,
    ) -> Result<Self, HubError> {
        let path = blob.with_file_name(format!("{etag}.incomplete"));
        make_parent(&path)?;
        let wrong = |e: io::Error| unusable(&path, &e);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(wrong)?;
        let mut digest = Digest::new(etag, size);
        let mut done = file.metadata().map_err(wrong)?.len();
        if done > size {
            file.set_len(0).map_err(wrong)?;
            done = 0;
        }
        let mut left = done;
        let mut block = vec![0; 1 << 20];
        while left > 0 {
            let part = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            io::Read::read_exact(&mut file, &mut block[..part]).map_err(wrong)?;
            digest.update(&block[..part]);
            left -= part as u64;
            hashed()?;
        }
        Ok(Self { file, path, digest, done, size })
    }

    /// Forgets what is there: the Hub sends the whole again.
    pub fn restart(&mut self, etag: &str) -> Result<(), HubError> {
        self.file.set_len(0).map_err(|e| unusable(&self.path, &e))?;
        self.digest = Digest::new(etag, self.size);
        self.done = 0;
        Ok(())
    }

    /// Appends what has arrived of `file`. More than was announced is not taken.
    pub fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), HubError> {
        let needed = self.size - self.done;
        if bytes.len() as u64 > needed {
            self.file.set_len(0).map_err(|e| unusable(&self.path, &e))?;
            return Err(HubError::WrongHash {
                file: file.to_owned(),
                kind: "size",
                found: format!("more than {}", self.size),
                expected: self.size.to_string(),
            });
        }
        self.file.write_all(bytes).map_err(|e| unwritten(&self.path, file, needed, &e))?;
        self.digest.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Makes a blob of what is whole, if it is what the Hub announced; otherwise deletes it.
    pub fn finish(self, file: &str, etag: &str, blob: &Path) -> Result<(), HubError> {
        let Self { file: handle, path, digest, .. } = self;
        if let Err((kind, found, expected)) = digest.check(etag) {
            drop(handle);
            std::fs::remove_file(&path).map_err(|e| unusable(&path, &e))?;
            return Err(HubError::WrongHash { file: file.to_owned(), kind, found, expected });
        }
        handle.sync_all().map_err(|e| unwritten(&path, file, 0, &e))?;
        drop(handle);
        std::fs::rename(&path, blob).map_err(|e| unusable(blob, &e))
    }
}

/// Whether a revision is a whole commit hash.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && is_hex(revision)
}

/// Whether a text is lower-case hexadecimal.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The error of a file or folder of the cache.
pub(super) fn unusable(path: &Path, error: &io::Error) -> HubError {
    HubError::Cache { path: path.to_owned(), reason: error.to_string() }
}

/// The error of a write that failed: a full disk has its own words.
fn unwritten(path: &Path, file: &str, needed: u64, error: &io::Error) -> HubError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => HubError::DiskFull {
            folder: path.parent().unwrap_or(path).to_owned(),
            file: file.to_owned(),
            needed,
        },
        _ => unusable(path, error),
    }
}

fn make_parent(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| unusable(folder, &e))
}

#[cfg(unix)]
fn place(_blob: &Path, link: &str, pointer: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(link, pointer)
}

/// Without the right to make symlinks, which Windows gives to few, the snapshot holds the file itself.
#[cfg(not(unix))]
fn place(blob: &Path, _link: &str, pointer: &Path) -> io::Result<()> {
    std::fs::copy(blob, pointer).map(drop)
}
