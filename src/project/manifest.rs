//! What a job was done with, and how it ended: frozen beside its results.

use super::{ProjectError, unreadable, write};
use crate::model::device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// [`Manifest::ended`] of a job that runs, or was cut off by a crash.
pub const RUNNING: &str = "running";
/// [`Manifest::ended`] of a job that did all it was asked.
pub const DONE: &str = "done";
/// [`Manifest::ended`] of a job that somebody stopped.
pub const STOPPED: &str = "stopped";

/// `manifest.json` of a run or evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Version of Plumbline that did the job.
    pub plumbline: String,
    /// What kind of job it was.
    pub job: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// `running`, `done`, `stopped`, or `failed: ` and why.
    pub ended: String,
    /// Seed of every draw.
    pub seed: u64,
    /// What computed it, by its name for people ([`device::name`]).
    pub device: String,
    /// Threads of the compute pool.
    pub threads: usize,
    /// Rows in a batch.
    pub batch: usize,
    /// SHA-256 of data and weights, by name.
    pub hashes: BTreeMap<String, String>,
    /// Tokens that went through the model in training, or were generated in an evaluation.
    pub tokens: u64,
    /// What the machine decided that results may hang on, by what it is: how much is computed at once, for example.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decided: BTreeMap<String, String>,
    /// When it went on after it had been stopped or cut off, and after how many steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
    /// What came out, relative to the job's folder: a model of its own, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// A job that went on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// When (RFC 3339).
    pub at: String,
    /// Steps of a run, or answers of an evaluation, that were kept.
    pub step: usize,
    /// Threads of the compute pool from there on.
    pub threads: usize,
}

impl Manifest {
    /// The manifest of a job that begins now.
    #[must_use]
    pub fn begin(job: &str, seed: u64, batch: usize) -> Self {
        Self {
            plumbline: env!("CARGO_PKG_VERSION").to_owned(),
            job: job.to_owned(),
            started: jiff::Timestamp::now().to_string(),
            ended: RUNNING.to_owned(),
            seed,
            device: device::name(&device::pick()),
            threads: rayon::current_num_threads(),
            batch,
            ..Self::default()
        }
    }

    /// Whether the job did all it was asked.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended == DONE
    }

    /// Writes it into the folder of its job.
    pub fn save(&self, folder: &Path) -> Result<(), ProjectError> {
        let path = folder.join("manifest.json");
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| ProjectError::Unwritable { path: path.clone(), reason: e.to_string() })?;
        text.push(b'\n');
        write(&path, &text)
    }

    /// Reads that of the job in `folder`.
    pub fn load(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join("manifest.json");
        let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| ProjectError::Malformed { file: path, reason: e.to_string() })
    }
}

/// SHA-256 of a file, in hexadecimal.
pub fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0u8; 1 << 20];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(
            hash_file(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_manifest_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest { ended: "failed: why".into(), ..Manifest::begin("train", 7, 16) };
        manifest.save(folder.path()).unwrap();
        assert_eq!(Manifest::load(folder.path()).unwrap(), manifest);
        std::fs::write(folder.path().join("manifest.json"), "{").unwrap();
        let error = Manifest::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.json is damaged"), "{error}");
    }
}
