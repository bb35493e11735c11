//! Where an application's state and sockets are on this machine.
//!
//! A Unix socket's path holds 108 bytes and an unprivileged user cannot enter a home directory, so
//! sockets go into a short runtime directory, and root's data to `/var/lib/mainstay`. The project's
//! own `.mainstay/` then holds only the note that says where, so that every command finds it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use runtime::{StateFile, StateFileError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Less room than this on the state's disk, and not even a first start could be recorded.
const ROOM: usize = 1 << 20;

/// Where one environment of one application lives.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Location {
    /// The manifest's directory, absolute.
    pub project: PathBuf,
    /// Data, logs, builds, decisions.
    pub state: PathBuf,
    /// Sockets; lost when the machine restarts.
    pub runtime: PathBuf,
}

/// Why there is no place for the state.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// A directory cannot be made or read.
    #[error("cannot use the directory `{}`", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A directory belongs to somebody else, who could then answer in our place.
    #[error("the directory `{}` belongs to another user", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// The note cannot be read or written.
    #[error(transparent)]
    Note(#[from] StateFileError),
}

/// What the location depends on besides the project.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `--state DIR`.
    pub state: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
}

impl Location {
    /// Decides where things are; makes nothing.
    ///
    /// # Errors
    ///
    /// When the project's directory cannot be resolved.
    pub fn of(
        project: &Path,
        app: &str,
        environment: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, LocationError> {
        let project = fs::canonicalize(project)
            .map_err(|source| LocationError::Directory { path: project.to_owned(), source })?;
        let uid = rustix::process::geteuid();
        let state = match &surroundings.state {
            Some(directory) => absolute(directory)?.join(environment),
            None if uid.is_root() => Path::new("/var/lib/mainstay")
                .join(format!("{app}-{}", short_digest(&project)))
                .join(environment),
            None => project.join(".mainstay").join(environment),
        };
        let root = match &surroundings.runtime {
            _ if uid.is_root() => PathBuf::from("/run/mainstay"),
            Some(directory) => directory.join("mainstay"),
            None => PathBuf::from(format!("/tmp/mainstay-{}", uid.as_raw())),
        };
        let runtime = root.join(short_digest(&state));
        Ok(Self { project, state, runtime })
    }

    /// Makes the directories and the note, with the permissions that keep others out.
    ///
    /// # Errors
    ///
    /// When something cannot be made, or exists and belongs to somebody else.
    pub fn create(&self, environment: &str) -> Result<(), LocationError> {
        // Others may pass through, to the parts that are theirs, but not look around.
        let shared = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        for part in ["", "data", "builds", "logs"] {
            directory(&self.state.join(part), shared)?;
        }
        if let Some(parent) = self.runtime.parent() {
            directory(parent, shared)?;
        }
        directory(&self.runtime, shared)?;
        let note = self.project.join(".mainstay");
        directory(&note, 0o755)?;
        StateFile::public(note.join(".gitignore")).write(b"*\n")?;
        // A full disk is found here, where it can be said, and not by processes that cannot log it.
        let probe = StateFile::private(self.state.join("room"));
        probe.write(&[0; ROOM])?;
        probe.remove()?;
        let text = serde_json::to_vec_pretty(self).expect("paths of a location are UTF-8 or fail");
        Ok(StateFile::public(note.join(format!("{environment}.json"))).write(&text)?)
    }

    /// The environments that were brought up from this project, and where they are.
    #[must_use]
    pub fn known(project: &Path) -> Vec<(String, Self)> {
        let Ok(entries) = fs::read_dir(project.join(".mainstay")) else { return Vec::new() };
        let mut known: Vec<(String, Self)> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                // Whoever can write the note decides what `down --data` deletes.
                let metadata = fs::symlink_metadata(&path).ok()?;
                let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
                if !metadata.is_file() || !is_ours {
                    return None;
                }
                let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
                let text = StateFile::public(&path).read(64 << 10).ok()??;
                Some((name, serde_json::from_slice(&text).ok()?))
            })
            .collect();
        known.sort_by(|a, b| a.0.cmp(&b.0));
        known
    }

    /// The admin API's socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The supervisor's socket.
    #[must_use]
    pub fn supervisor_socket(&self) -> PathBuf {
        self.runtime.join("supervisor.sock")
    }

    /// The gateway's socket.
    #[must_use]
    pub fn gateway_socket(&self) -> PathBuf {
        self.runtime.join("gateway.sock")
    }

    /// The last slice of the gateway.
    #[must_use]
    pub fn gateway_snapshot(&self) -> PathBuf {
        self.state.join("gateway.json")
    }

    /// The state database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.state.join("control.db")
    }

    /// The file services read their flags from.
    #[must_use]
    pub fn flags(&self) -> PathBuf {
        self.state.join("flags.json")
    }
}

fn absolute(path: &Path) -> Result<PathBuf, LocationError> {
    std::path::absolute(path)
        .map_err(|source| LocationError::Directory { path: path.to_owned(), source })
}

/// Enough of a digest that two projects on one machine do not meet, and short for a socket's path.
fn short_digest(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

fn directory(path: &Path, mode: u32) -> Result<(), LocationError> {
    let fail = |source| LocationError::Directory { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(fail)?;
    let metadata = fs::symlink_metadata(path).map_err(fail)?;
    if !metadata.is_dir() {
        return Err(fail(io::ErrorKind::NotADirectory.into()));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() && mode != 0o755 {
        return Err(LocationError::Foreign { path: path.to_owned() });
    }
    if mode != 0o755 && metadata.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_found_again_by_its_note() {
        let project = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            state: Some(project.path().join("state")),
            runtime: Some(project.path().join("run")),
        };
        let location = Location::of(project.path(), "app", "dev", &surroundings).unwrap();
        location.create("dev").unwrap();
        location.create("dev").unwrap();
        assert_eq!(Location::known(project.path()), [("dev".to_owned(), location.clone())]);
        assert!(location.state.join("logs").is_dir());
        assert!(location.control_socket().as_os_str().len() < 108);
    }
}
