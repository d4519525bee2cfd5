//! The bytes of a file from elsewhere: read in pieces so that whoever waits can be told and can stop, unpacked, and hashed.

use super::super::DataError;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// The longest text that is read at once. Beyond it, a file is taken apart first; it also bounds what a small packed file can
/// unfold to.
pub(super) const MOST: u64 = 1 << 30;
/// Whoever waits is asked after each such piece.
const PIECE: usize = 1 << 20;
/// The share of the way that reading takes; the rest is making rows of the text.
const READING: f32 = 0.3;

/// Who waits while a file is read: is told how far it is, from 0 to 1, and may break it off.
pub type Watch<'a> = &'a mut dyn FnMut(f32) -> ControlFlow<()>;

/// What a file holds.
pub(super) struct FileBytes {
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
    /// SHA-256 of the file as it lies on the disk.
    pub sha256: String,
    /// What the file's name ends with, packing aside, in lower case.
    pub ending: String,
}

/// Tells the watcher of the second part of the way.
pub(super) struct Progress<'a> {
    watch: Watch<'a>,
    length: usize,
    next: usize,
    stopped: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(watch: Watch<'a>, length: usize) -> Self {
        Self { watch, length: length.max(1), next: PIECE, stopped: false }
    }

    /// Counts the rest of the way in other steps than bytes, of which there are `length`.
    pub(super) fn count_in(&mut self, length: usize) {
        (self.length, self.next) = (length.max(1), 0);
    }

    /// Whether reading may go on, `at` bytes into the text.
    pub(super) fn go_on(&mut self, at: usize) -> bool {
        if at >= self.next && !self.stopped {
            self.next = at + PIECE;
            let share = at as f32 / self.length as f32;
            self.stopped = (self.watch)(READING + (1.0 - READING) * share.min(1.0)).is_break();
        }
        !self.stopped
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }
}

/// A text that is read piece by piece, for readers that cannot be asked in between.
pub(super) struct Watched<'t, 'p, 'w> {
    pub text: &'t [u8],
    pub at: usize,
    pub progress: &'p mut Progress<'w>,
}

impl Read for Watched<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.progress.go_on(self.at) {
            return Err(io::Error::other("stopped"));
        }
        let rest = &self.text[self.at.min(self.text.len())..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// Counts and hashes what passes, and asks the watcher.
struct Passing<'a> {
    file: std::fs::File,
    hash: Sha256,
    done: u64,
    total: u64,
    asked: u64,
    watch: Watch<'a>,
    stopped: bool,
}

impl Read for Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done >= self.asked {
            self.asked = self.done + PIECE as u64;
            let share = self.done as f32 / self.total.max(1) as f32;
            if (self.watch)(READING * share.min(1.0)).is_break() {
                self.stopped = true;
                return Err(io::Error::other("stopped"));
            }
        }
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.done += count as u64;
        Ok(count)
    }
}

/// Reads a file whole; what is packed with gzip is unpacked.
pub(super) fn read_bytes(file: &Path, watch: Watch<'_>) -> Result<FileBytes, DataError> {
    let unreadable = |reason: String| DataError::Unreadable { file: file.to_owned(), reason };
    let about = std::fs::metadata(file).map_err(|e| unreadable(e.to_string()))?;
    if about.is_dir() {
        return Err(unreadable("it is a folder, and one file is wanted".to_owned()));
    }
    let too_large = || unreadable(too_large());
    let ending = |path: &Path| path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let mut end = ending(file).unwrap_or_default();
    let packed = end == "gz";
    if packed {
        end = file.file_stem().and_then(|stem| ending(Path::new(stem))).unwrap_or_default();
    } else if about.len() > MOST {
        return Err(too_large());
    }
    let mut passing = Passing {
        file: std::fs::File::open(file).map_err(|e| unreadable(e.to_string()))?,
        hash: Sha256::new(),
        done: 0,
        total: about.len(),
        asked: 0,
        watch,
        stopped: false,
    };
    let mut bytes = Vec::new();
    let read = if packed {
        MultiGzDecoder::new(&mut passing).take(MOST + 1).read_to_end(&mut bytes)
    } else {
        (&mut passing).take(MOST + 1).read_to_end(&mut bytes)
    };
    if passing.stopped {
        return Err(DataError::Stopped { file: file.to_owned() });
    }
    read.map_err(|e| unreadable(if packed { format!("it cannot be unpacked: {e}") } else { e.to_string() }))?;
    if bytes.len() as u64 > MOST {
        return Err(too_large());
    }
    // The hash is that of the whole file, also of what may follow behind the packed text.
    io::copy(&mut passing, &mut io::sink()).map_err(|e| unreadable(e.to_string()))?;
    let sha256 = passing.hash.finalize().iter().fold(String::new(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    });
    Ok(FileBytes { bytes, sha256, ending: end })
}

/// Why a file is not read.
pub(super) fn too_large() -> String {
    format!(
        "it holds more than {} MB of text, which is more than is read at once. Split it first",
        MOST >> 20
    )
}

/// Bytes as text, without a byte order mark; or why they are none.
pub(super) fn as_text(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(reason) = foreign(&bytes) {
        return Err(reason.to_owned());
    }
    let mut text = String::from_utf8(bytes).map_err(|e| {
        format!("byte {} is not UTF-8. Save it as UTF-8 first", e.utf8_error().valid_up_to() + 1)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Files that people bring and that are no text, by their first bytes.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    if begins(b"PK\x03\x04") {
        Some(
            "it is a ZIP archive or an Excel file. Unpack the archive, or save the sheet as CSV in UTF-8, and take that file",
        )
    } else if begins(b"\x1f\x8b") {
        Some("it is packed with gzip. Let its name end in .gz, such as rows.jsonl.gz")
    } else if begins(b"\xff\xfe") || begins(b"\xfe\xff") {
        Some("it is UTF-16. Save it as UTF-8 first")
    } else {
        None
    }
}
