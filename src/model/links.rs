//! Symlinks in a checkpoint folder: they may lead into the Hub's cache, and nowhere else.

use super::ModelError;
use std::path::{Path, PathBuf};

/// Refuses a checkpoint folder in which a symlink leads out of it.
///
/// The Hub's cache is the exception: its snapshot folders (`models--owner--name/snapshots/<commit>`) hold links into
/// `blobs/` of the same `models--owner--name`, and nothing else may be reached from there. A folder that came from
/// somebody else can therefore not make Plumbline read other files of this machine as weights or texts.
pub fn check_links(folder: &Path) -> Result<(), ModelError> {
    let root = std::fs::canonicalize(folder).map_err(|e| unreadable(folder, &e))?;
    let blobs = blobs_of(&root);
    let mut waiting = vec![root.clone()];
    while let Some(inner) = waiting.pop() {
        for entry in std::fs::read_dir(&inner).map_err(|e| unreadable(&inner, &e))? {
            let entry = entry.map_err(|e| unreadable(&inner, &e))?;
            let file = entry.path();
            let kind = entry.file_type().map_err(|e| unreadable(&file, &e))?;
            if kind.is_dir() {
                waiting.push(file);
            } else if kind.is_symlink() {
                // Resolved to its end: a link to a link must not lead out either.
                let target = std::fs::canonicalize(&file).map_err(|e| unreadable(&file, &e))?;
                let inside = target.starts_with(&root);
                if !inside && !blobs.as_ref().is_some_and(|blobs| target.starts_with(blobs)) {
                    return Err(ModelError::LeadsOut { file, target });
                }
            }
        }
    }
    Ok(())
}

/// The folder `blobs` beside the `snapshots` that a resolved folder stands in, if it stands in a Hub cache.
///
/// It is not resolved itself: were `blobs` a link, what it leads to would be outside the cache.
fn blobs_of(root: &Path) -> Option<PathBuf> {
    let snapshots = root.parent()?;
    let model = snapshots.parent()?;
    let name = model.file_name()?.to_str()?;
    (snapshots.file_name()? == "snapshots" && name.starts_with("models--")).then(|| model.join("blobs"))
}

/// Repository and commit of a folder in the Hub's cache, or of a file in it: what was pinned when it was fetched.
#[must_use]
pub fn hub_source(path: &Path) -> Option<(String, String)> {
    path.ancestors().find_map(|folder| {
        let snapshots = folder.parent().filter(|parent| parent.ends_with("snapshots"))?;
        let repo = snapshots.parent()?.file_name()?.to_str()?.strip_prefix("models--")?;
        Some((repo.replacen("--", "/", 1), folder.file_name()?.to_str()?.to_owned()))
    })
}

fn unreadable(file: &Path, error: &std::io::Error) -> ModelError {
    ModelError::Unreadable { file: file.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod sources {
    use super::*;

    #[test]
    fn a_folder_of_the_hubs_cache_tells_repository_and_commit() {
        let folder = Path::new("/cache/hub/models--fairy--tale-2/snapshots/0123abc");
        let wanted = Some(("fairy/tale-2".to_owned(), "0123abc".to_owned()));
        assert_eq!(hub_source(folder), wanted);
        assert_eq!(hub_source(&folder.join("q4/tale.gguf")), wanted);
        assert_eq!(hub_source(Path::new("/home/me/snapshots/mine")), None);
        assert_eq!(hub_source(Path::new("models/base")), None);
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A cache with one snapshot, `config.json` in it linked to its blob.
    fn snapshot(cache: &Path) -> PathBuf {
        let model = cache.join("models--owner--name");
        let folder = model.join("snapshots").join("0".repeat(40));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(model.join("blobs")).unwrap();
        fs::write(model.join("blobs/aa"), "{}").unwrap();
        symlink("../../blobs/aa", folder.join("config.json")).unwrap();
        folder
    }

    fn refused(folder: &Path, name: &str) {
        match check_links(folder) {
            Err(ModelError::LeadsOut { file, .. }) => assert!(file.ends_with(name), "{}", file.display()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn links_into_the_blobs_of_the_same_cache_folder_are_followed() {
        let cache = tempfile::tempdir().unwrap();
        let folder = snapshot(cache.path());
        check_links(&folder).unwrap();
        // The same through a link to the folder, as somebody may put it beside other models.
        symlink(&folder, cache.path().join("short")).unwrap();
        check_links(&cache.path().join("short")).unwrap();
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("secret"), "x").unwrap();
        let plain = place.path().join("checkpoint");
        fs::create_dir(&plain).unwrap();
        fs::write(plain.join("config.json"), "{}").unwrap();
        symlink("config.json", plain.join("copy.json")).unwrap();
        check_links(&plain).unwrap();
        symlink("../secret", plain.join("model.safetensors")).unwrap();
        refused(&plain, "model.safetensors");
        let error = check_links(&plain).unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("secret"), "{error}");

        let folder = snapshot(place.path());
        fs::create_dir(folder.join("inner")).unwrap();
        symlink(place.path().join("secret"), folder.join("inner/tokenizer.json")).unwrap();
        refused(&folder, "tokenizer.json");
    }

    #[test]
    fn a_way_out_through_other_links_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("secret"), "x").unwrap();
        let folder = snapshot(place.path());
        // A blob that is itself a link, the blobs of another model, and a link that leads to the folder above.
        let blobs = place.path().join("models--owner--name/blobs");
        symlink("../../secret", blobs.join("bb")).unwrap();
        symlink("../../blobs/bb", folder.join("bb.json")).unwrap();
        refused(&folder, "bb.json");
        fs::remove_file(folder.join("bb.json")).unwrap();
        fs::create_dir_all(place.path().join("models--owner--other/blobs")).unwrap();
        fs::write(place.path().join("models--owner--other/blobs/cc"), "x").unwrap();
        symlink("../../../models--owner--other/blobs/cc", folder.join("cc.json")).unwrap();
        refused(&folder, "cc.json");
        fs::remove_file(folder.join("cc.json")).unwrap();
        symlink("../..", folder.join("up")).unwrap();
        refused(&folder, "up");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let place = tempfile::tempdir().unwrap();
        symlink("not-there", place.path().join("config.json")).unwrap();
        let error = check_links(place.path()).unwrap_err().to_string();
        assert!(error.contains("config.json cannot be read"), "{error}");
    }
}
