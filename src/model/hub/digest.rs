//! The hash of a file's contents, by which the Hub names them.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The hash that an ETag of the Hub is.
pub(super) enum Digest {
    /// Large files: the sha256 of the contents, 64 digits.
    Sha256(Sha256),
    /// Small files: git's hash of a blob, sha1 of `blob <size>\0` and the contents, 40 digits.
    Git(Sha1),
    /// Mirrors may name contents otherwise; then only the size can be checked.
    Unknown,
}

impl Digest {
    /// The hash that `etag` is of contents with `size` bytes.
    pub fn new(etag: &str, size: u64) -> Self {
        match etag.len() {
            64 if super::cache::is_hex(etag) => Self::Sha256(Sha256::new()),
            40 if super::cache::is_hex(etag) => Self::Git(Sha1::new_with_prefix(format!("blob {size}\0"))),
            _ => Self::Unknown,
        }
    }

    /// Adds what has arrived.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
            Self::Unknown => {}
        }
    }

    /// Compares with the ETag; where they differ, the name of the hash, the one found and the one expected.
    pub fn check(self, etag: &str) -> Result<(), (&'static str, String, String)> {
        let (kind, found) = match self {
            Self::Sha256(hash) => ("sha256", hex(&hash.finalize())),
            Self::Git(hash) => ("git sha1", hex(&hash.finalize())),
            Self::Unknown => return Ok(()),
        };
        if found == etag { Ok(()) } else { Err((kind, found, etag.to_owned())) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_are_those_of_git_and_of_large_files() {
        // `printf 'hello\n' | git hash-object --stdin` and `printf 'hello\n' | sha256sum`
        for etag in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let hash = |text: &str| {
                let mut digest = Digest::new(etag, 6);
                digest.update(text.as_bytes());
                digest.check(etag)
            };
            assert!(hash("hello\n").is_ok());
            let (_, found, expected) = hash("hallo\n").unwrap_err();
            assert_eq!(expected, etag);
            assert_eq!(found.len(), etag.len());
        }
    }
}
