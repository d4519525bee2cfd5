//! A checkpoint folder to hand on: copied byte by byte, or an adapter merged into its base.

use super::checkpoint::{self, Precision};
use super::{Control, ModelError};
use crate::model::companions::COMPANIONS;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// What an export takes along besides the companions: how the weights are cut into files, and what they may be used for.
const ALSO: [&str; 3] = ["model.safetensors.index.json", "LICENSE", "README.md"];

/// Copied at once.
const BLOCK: usize = 1 << 22;

/// What an export is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportStage {
    /// Files are copied as they are.
    Copying {
        /// Bytes that are written.
        done: u64,
        /// Bytes in all.
        of: u64,
    },
    /// Base and adapter are read.
    Loading,
    /// Their sum is written.
    Writing,
}

/// Writes the model in `from` as a whole checkpoint that `transformers` opens into `to`, a folder that does not exist
/// yet: a checkpoint byte by byte, an adapter merged into its base, in 32-bit floats, so that nothing is lost.
///
/// It is written beside its place and gets its name when all of it is there. `observe` may stop it between two
/// pieces: then nothing is left of it, and the answer is `false`.
pub fn export(
    from: &Path,
    to: &Path,
    observe: &mut dyn FnMut(ExportStage) -> Control,
) -> Result<bool, ModelError> {
    if let Some(file) = super::open::gguf_file(from) {
        return Err(ModelError::OnlyAnswers { file });
    }
    if to.exists() {
        return Err(ModelError::Taken { folder: to.to_owned() });
    }
    let base = checkpoint::base_folder(from)?;
    let unwritable =
        |e: std::io::Error| ModelError::Unwritable { file: to.to_owned(), reason: e.to_string() };
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(unwritable)?;
    let beside = tempfile::Builder::new().prefix(".writing-").tempdir_in(parent).map_err(unwritable)?;
    let made = beside.path().join("model");
    let whole = if base == from {
        copy(from, &made, observe)?
    } else {
        observe(ExportStage::Loading) == Control::Continue && {
            let checkpoint = checkpoint::load(from)?;
            let go_on = observe(ExportStage::Writing) == Control::Continue;
            if go_on {
                checkpoint::save(&made, &checkpoint.decoder, &base, Precision::F32)?;
            }
            go_on && observe(ExportStage::Writing) == Control::Continue
        }
    };
    if whole {
        std::fs::rename(&made, to).map_err(unwritable)?;
    }
    Ok(whole)
}

/// Copies a checkpoint's files, those of its weights last.
fn copy(from: &Path, to: &Path, observe: &mut dyn FnMut(ExportStage) -> Control) -> Result<bool, ModelError> {
    // Refuses what is no whole checkpoint, and links that lead out of it.
    checkpoint::inspect(from)?;
    let companions = COMPANIONS.iter().chain(&ALSO).map(|name| from.join(name)).filter(|file| file.is_file());
    let files: Vec<PathBuf> = companions.chain(checkpoint::weight_files(from)?).collect();
    let unreadable = |file: &Path, e: &std::io::Error| ModelError::Unreadable {
        file: file.to_owned(),
        reason: e.to_string(),
    };
    let unwritable = |file: &Path, e: &std::io::Error| ModelError::Unwritable {
        file: file.to_owned(),
        reason: e.to_string(),
    };
    let mut of = 0;
    for file in &files {
        of += std::fs::metadata(file).map_err(|e| unreadable(file, &e))?.len();
    }
    std::fs::create_dir_all(to).map_err(|e| unwritable(to, &e))?;
    let mut done = 0;
    let mut block = vec![0; BLOCK];
    for file in &files {
        let target = to.join(file.file_name().unwrap_or_default());
        let mut source = File::open(file).map_err(|e| unreadable(file, &e))?;
        let mut written = File::create(&target).map_err(|e| unwritable(&target, &e))?;
        loop {
            if observe(ExportStage::Copying { done, of }) == Control::Stop {
                return Ok(false);
            }
            let piece = source.read(&mut block).map_err(|e| unreadable(file, &e))?;
            if piece == 0 {
                break;
            }
            written.write_all(&block[..piece]).map_err(|e| unwritable(&target, &e))?;
            done += piece as u64;
        }
        written.sync_all().map_err(|e| unwritable(&target, &e))?;
    }
    Ok(observe(ExportStage::Copying { done, of }) == Control::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        crate::demo::unpack_pair(folder.path()).unwrap();
        let base = folder.path().join("models/base");
        (folder, base)
    }

    #[test]
    fn a_checkpoint_is_copied_byte_by_byte_and_nothing_is_overwritten() {
        let (folder, base) = demo();
        let to = folder.path().join("out/copy");
        let mut last = (0, 0);
        let whole = export(&base, &to, &mut |stage| {
            if let ExportStage::Copying { done, of } = stage {
                assert!(done >= last.0);
                last = (done, of);
            }
            Control::Continue
        });
        assert!(whole.unwrap());
        assert!(last.0 == last.1 && last.1 > 1_000_000, "{last:?}");
        for entry in std::fs::read_dir(&base).unwrap() {
            let file = entry.unwrap().path();
            let copy = to.join(file.file_name().unwrap());
            assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(copy).unwrap(), "{}", file.display());
        }
        assert_eq!(
            std::fs::read_dir(folder.path().join("out")).unwrap().count(),
            1,
            "nothing half made stays"
        );
        let again = export(&base, &to, &mut |_| Control::Continue).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
    }

    #[test]
    fn what_is_stopped_leaves_nothing() {
        let (folder, base) = demo();
        let to = folder.path().join("out/copy");
        let mut pieces = 0;
        let whole = export(&base, &to, &mut |_| {
            pieces += 1;
            if pieces > 3 { Control::Stop } else { Control::Continue }
        });
        assert!(!whole.unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("out")).unwrap().count(), 0);
    }
}
