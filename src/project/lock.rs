//! Who may write: the first opener of a folder, and the jobs of the same process.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Held as long as somebody in this process may write to the project.
#[derive(Debug)]
pub(super) struct Lock {
    /// Holds the operating system's lock.
    file: File,
    turn: Mutex<()>,
}

/// Why somebody may not write.
pub(super) const HELD_ELSEWHERE: &str = "it is open in another window";

/// The locks that this process holds, by the real path of the project.
static HELD: Mutex<BTreeMap<PathBuf, Weak<Lock>>> = Mutex::new(BTreeMap::new());

impl Lock {
    /// Takes the lock of a project. The error says why not: anybody else has it, or the folder cannot be written.
    pub(super) fn take(root: &Path) -> Result<Arc<Self>, String> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        Self::fresh(root, &mut held)
    }

    /// Joins the lock that this process holds, or takes it.
    pub(super) fn share(root: &Path) -> Result<Arc<Self>, String> {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let real = root.canonicalize().map_err(|e| e.to_string())?;
        match held.get(&real).and_then(Weak::upgrade) {
            Some(lock) => Ok(lock),
            None => Self::fresh(root, &mut held),
        }
    }

    /// Waits for one's turn to change `project.toml`.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(root: &Path, held: &mut BTreeMap<PathBuf, Weak<Self>>) -> Result<Arc<Self>, String> {
        let real = root.canonicalize().map_err(|e| e.to_string())?;
        let path = real.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| format!("{} cannot be written ({e})", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HELD_ELSEWHERE.to_owned()),
            Err(TryLockError::Error(e)) => {
                // Some network drives know no locks. Refusing to write there would lock people out of their work.
                log::warn!(
                    "{} cannot be locked ({e}); two windows on it would not notice each other",
                    path.display()
                );
            }
        }
        let lock = Arc::new(Self { file, turn: Mutex::new(()) });
        held.retain(|_, lock| lock.strong_count() > 0);
        held.insert(real, Arc::downgrade(&lock));
        Ok(lock)
    }
}

impl Drop for Lock {
    /// Gives the lock back by name. Closing the file is not enough: a program that another thread starts at this moment has a
    /// copy of it until it runs, and the lock lives as long as any copy.
    fn drop(&mut self) {
        if let Err(e) = self.file.unlock() {
            log::debug!("a project cannot be unlocked: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_is_free_whoever_has_a_copy_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        assert_eq!(Lock::take(folder.path()).unwrap_err(), HELD_ELSEWHERE);
        let _copy = lock.file.try_clone().unwrap();
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
