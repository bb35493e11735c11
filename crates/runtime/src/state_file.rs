//! A small file that is either the old content or the new, whatever happens in between:
//! temporary file, fsync, rename, fsync of the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A path that is only written whole.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    mode: u32,
}

/// Why a state file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} `{}`", path.display())]
pub struct StateFileError {
    attempt: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl StateFile {
    /// A file that only its owner can read.
    pub fn private(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), mode: 0o600 }
    }

    /// A file that everybody can read.
    pub fn public(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), mode: 0o644 }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it exists but cannot be read, or is larger than `limit` bytes.
    pub fn read(&self, limit: u64) -> Result<Option<Vec<u8>>, StateFileError> {
        let fail = |source| StateFileError { attempt: "read", path: self.path.clone(), source };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mut content = Vec::new();
        file.take(limit + 1).read_to_end(&mut content).map_err(fail)?;
        if usize::try_from(limit).is_ok_and(|limit| limit < content.len()) {
            return Err(fail(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(content))
    }

    /// Replaces its content.
    ///
    /// # Errors
    ///
    /// When a step fails; the old content is then still there.
    pub fn write(&self, content: &[u8]) -> Result<(), StateFileError> {
        let fail = |source| StateFileError { attempt: "write", path: self.path.clone(), source };
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = directory.join(name);
        let written = write_synced(&temporary, content, self.mode)
            .and_then(|()| fs::rename(&temporary, &self.path))
            .and_then(|()| File::open(directory)?.sync_all());
        written.map_err(|error| {
            // The temporary file is useless; that it may not be removable changes nothing.
            drop(fs::remove_file(&temporary));
            fail(error)
        })
    }

    /// Removes it; nothing there is fine.
    ///
    /// # Errors
    ///
    /// When it exists but cannot be removed.
    pub fn remove(&self) -> Result<(), StateFileError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => {
                Err(StateFileError { attempt: "remove", path: self.path.clone(), source })
            }
        }
    }
}

fn write_synced(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // What a process of the same number left, or somebody put there to be followed, is not used.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_back_by_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::private(directory.path().join("state.json"));
        assert!(file.read(10).unwrap().is_none());
        file.write(b"one").unwrap();
        file.write(b"two").unwrap();
        assert_eq!(file.read(3).unwrap().unwrap(), b"two");
        assert!(file.read(2).is_err());
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        file.remove().unwrap();
        file.remove().unwrap();
    }
}
