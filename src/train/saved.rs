//! The state of a training on disk, from which it goes on as if nothing had happened.
//!
//! ```text
//! step-000050/
//!   trained.safetensors     what is trained, in f32
//!   optimiser.safetensors   AdamW's two running means of each of them
//!   state.json              steps done, and sums that go on
//! ```
//!
//! Nothing else is needed: order, depths and anchors come from streams that are keyed by seed, example and epoch.

use super::TrainError;
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const TRAINED: &str = "trained.safetensors";
pub(super) const OPTIMISER: &str = "optimiser.safetensors";
const STATE: &str = "state.json";
const PREFIX: &str = "step-";
/// What a checkpoint is called until all of it is on the disk.
const WRITING: &str = ".writing-";

/// What a checkpoint knows besides weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    /// Steps done.
    pub step: usize,
    /// Loss of the first step, by which a loss that explodes is known.
    pub first_loss: Option<f64>,
    /// Tokens that went through the model so far.
    pub tokens: u64,
    /// Seconds of work so far.
    pub seconds: f64,
}

/// Values that are written into a safetensors file.
pub(super) struct Values<'a> {
    pub shape: Vec<usize>,
    pub values: Cow<'a, [f32]>,
}

impl View for &Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        bytemuck::cast_slice(&self.values).into()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes a safetensors file and flushes it to the disk.
pub(super) fn write(path: &Path, values: &[(String, Values<'_>)]) -> Result<(), TrainError> {
    let views = values.iter().map(|(name, values)| (name.as_str(), values));
    safetensors::serialize_to_file(views, None, path)
        .map_err(io::Error::other)
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(|e| unwritable(path, &e))
}

/// A safetensors file of a checkpoint, mapped.
pub(super) struct Reader {
    path: PathBuf,
    bytes: memmap2::Mmap,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, TrainError> {
        let file = File::open(path).map_err(|e| damaged(path, e))?;
        // Sound as long as nobody changes the file meanwhile, which checkpoints never are once they have their name.
        #[allow(unsafe_code, reason = "mapping a file that is written once")]
        let bytes = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| damaged(path, e))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The values of a tensor of this shape.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, TrainError> {
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|e| damaged(&self.path, e))?;
        let view = tensors.tensor(name).map_err(|e| damaged(&self.path, e))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let found = format!("{name} is {:?} {:?}, not F32 {shape:?}", view.dtype(), view.shape());
            return Err(damaged(&self.path, found));
        }
        Ok(bytemuck::pod_collect_to_vec(view.data()))
    }
}

/// A checkpoint among those of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// Its folder.
    pub folder: PathBuf,
    /// What it knows besides weights.
    pub state: SavedState,
}

impl Saved {
    /// Whether its files are whole.
    pub fn check(&self) -> Result<(), TrainError> {
        for name in [TRAINED, OPTIMISER] {
            let reader = Reader::open(&self.folder.join(name))?;
            SafeTensors::deserialize(&reader.bytes).map_err(|e| damaged(&reader.path, e))?;
        }
        Ok(())
    }
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// Those in `folder`, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Adds one: `fill` writes its weights into a folder. It gets its name only when all of it is on the disk, so that
    /// one that is there is whole. The last two stay; older ones are removed.
    pub fn add(
        &self,
        state: &SavedState,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        std::fs::create_dir_all(&self.folder).map_err(|e| unwritable(&self.folder, &e))?;
        self.sweep();
        let name = format!("{PREFIX}{:06}", state.step);
        let (partial, whole) = (self.folder.join(format!("{WRITING}{name}")), self.folder.join(name));
        let written = self.write(&partial, &whole, state, fill);
        if written.is_err() {
            // On a full disk the half of a checkpoint would only stand in the way.
            self.sweep();
        }
        written?;
        // Those of later steps were passed over when the run went on from here: they cannot be used.
        for late in self.all().into_iter().filter(|saved| saved.state.step > state.step) {
            if let Err(e) = std::fs::remove_dir_all(&late.folder) {
                log::warn!("{} cannot be removed: {e}", late.folder.display());
            }
        }
        for old in self.all().into_iter().skip(2) {
            if let Err(e) = std::fs::remove_dir_all(&old.folder) {
                log::warn!("{} cannot be removed: {e}", old.folder.display());
            }
        }
        Ok(whole)
    }

    fn write(
        &self,
        partial: &Path,
        whole: &Path,
        state: &SavedState,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        std::fs::create_dir(partial).map_err(|e| unwritable(partial, &e))?;
        fill(partial)?;
        let path = partial.join(STATE);
        let bytes = serde_json::to_vec_pretty(state).map_err(|e| unwritable(&path, &e.into()))?;
        crate::files::write_atomic(&path, &bytes).map_err(|e| unwritable(&path, &e))?;
        if whole.exists() {
            // The step was reached twice, after going on from an earlier checkpoint: both are the same.
            std::fs::remove_dir_all(whole).map_err(|e| unwritable(whole, &e))?;
        }
        std::fs::rename(partial, whole).map_err(|e| unwritable(whole, &e))?;
        if let Ok(folder) = File::open(&self.folder) {
            // Not every system lets one flush a folder.
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Those whose state can be read, the latest first.
    #[must_use]
    pub fn all(&self) -> Vec<Saved> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let mut all: Vec<Saved> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| {
                let folder = entry.path();
                let bytes = std::fs::read(folder.join(STATE)).ok()?;
                Some(Saved { state: serde_json::from_slice(&bytes).ok()?, folder })
            })
            .collect();
        all.sort_by_key(|saved| std::cmp::Reverse(saved.state.step));
        all
    }

    /// Removes all of them.
    pub fn clear(&self) {
        if let Err(e) = std::fs::remove_dir_all(&self.folder)
            && e.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{} cannot be removed: {e}", self.folder.display());
        }
    }

    /// Removes what was not written to its end.
    fn sweep(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(WRITING) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> TrainError {
    TrainError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

fn damaged(path: &Path, reason: impl ToString) -> TrainError {
    TrainError::DamagedCheckpoint { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: usize) -> SavedState {
        SavedState { step, first_loss: Some(2.5), tokens: 7, seconds: 0.5 }
    }

    #[test]
    fn the_last_two_stay_and_half_written_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(&folder.path().join("checkpoints"));
        assert!(checkpoints.all().is_empty());
        for step in [10, 20, 30] {
            checkpoints.add(&at(step), |_| Ok(())).unwrap();
        }
        std::fs::create_dir(folder.path().join("checkpoints/.writing-step-000035")).unwrap();
        let fail = |_: &Path| Err(TrainError::NoRows);
        assert!(checkpoints.add(&at(40), fail).is_err(), "what cannot be filled is not there");
        assert_eq!(checkpoints.all().iter().map(|s| s.state).collect::<Vec<_>>(), [at(30), at(20)]);
        assert_eq!(std::fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 2);
        checkpoints.add(&at(30), |_| Ok(())).unwrap();
        checkpoints.clear();
        assert!(checkpoints.all().is_empty());
    }

    #[test]
    fn values_survive_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let values = [1.0, -0.0, f32::MIN_POSITIVE];
        write(&path, &[("a".into(), Values { shape: vec![3], values: values.as_slice().into() })]).unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.values("a", &[3]).unwrap().map_bits(), values.map(f32::to_bits));
        assert!(reader.values("a", &[1, 3]).unwrap_err().to_string().contains("not F32 [1, 3]"));
        assert!(reader.values("b", &[3]).is_err());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = Reader::open(&path).unwrap().values("a", &[3]).unwrap_err().to_string();
        assert!(error.contains("x.safetensors"), "{error}");
        assert!(Reader::open(&folder.path().join("none")).is_err());
    }

    trait Bits {
        fn map_bits(&self) -> [u32; 3];
    }

    impl Bits for Vec<f32> {
        fn map_bits(&self) -> [u32; 3] {
            [self[0].to_bits(), self[1].to_bits(), self[2].to_bits()]
        }
    }
}
