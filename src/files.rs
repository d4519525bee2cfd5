//! Writing so that a crash, a full disk or a second reader never meets half a file.

use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Writes a whole file: to a temporary name in the same folder, flushed to the disk, then renamed over `path`.
/// Where it fails, the old file is unchanged and nothing is left behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(WRITING);
    #[cfg(unix)]
    {
        // A temporary file is private; what stands in a project is as readable as any other file of the person.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself is safe only once the folder is on the disk; not every system lets one flush a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// What a file is called until all of it is on the disk.
const WRITING: &str = ".writing-";

/// Removes the files of a folder that a killed process had begun to write.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(WRITING) && entry.path().is_file() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// An append-only log: one line per entry, each written with one call. Opening drops a torn last line.
#[derive(Debug)]
pub struct AppendLog {
    file: File,
    path: PathBuf,
}

impl AppendLog {
    /// Opens or creates the log. What follows the last line break was torn by a crash and is cut off.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        let whole = end_of_last_line(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends one line. Line breaks inside `text` become spaces.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let mut line: String = text.replace("\r\n", " ").replace(['\n', '\r'], " ");
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }

    /// Appends one value as a line of JSON.
    pub fn json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Flushes to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Appends one line to a log; see [`AppendLog`] for many lines.
pub fn append_line(path: &Path, text: &str) -> io::Result<()> {
    AppendLog::open(path)?.line(text)
}

/// The whole lines of a log. A torn last line is left out; a log that is not there has no lines.
pub fn read_lines_dropping_torn(path: &Path) -> io::Result<Vec<String>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect())
}

/// Cuts a log back to the lines before the first one that is not wanted. A log that is not there stays away.
pub fn cut_back(path: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    let lines = read_lines_dropping_torn(path)?;
    let kept: String = lines.iter().take_while(|line| wanted(line)).flat_map(|line| [line, "\n"]).collect();
    if path.exists() { write_atomic(path, kept.as_bytes()) } else { Ok(()) }
}

/// Offset behind the last line break, read backwards in blocks.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut block = vec![0u8; 8192];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_dropped_on_reading_and_cut_off_before_appending() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let torn = format!("{{\"a\":1}}\n{{\"a\":2}}\n{{\"a\":{}", "3".repeat(20_000));
        std::fs::write(&path, torn).unwrap();
        assert_eq!(read_lines_dropping_torn(&path).unwrap(), ["{\"a\":1}", "{\"a\":2}"]);
        append_line(&path, "new\nline").unwrap();
        assert_eq!(read_lines_dropping_torn(&path).unwrap(), ["{\"a\":1}", "{\"a\":2}", "new line"]);
        std::fs::write(&path, "no line break at all").unwrap();
        append_line(&path, "first").unwrap();
        assert_eq!(read_lines_dropping_torn(&path).unwrap(), ["first"]);
        assert!(read_lines_dropping_torn(&folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_log_is_cut_back_to_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        cut_back(&path, |_| true).unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "1\n2\n3\n1\n4").unwrap();
        cut_back(&path, |line| line != "3").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_whole_file_is_replaced_or_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.toml");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        std::fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_atomic(&folder.path().join("taken"), b"x").is_err());
        assert!(write_atomic(&path.join("below-a-file"), b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
    }
}
