//! The example application, run by the binary under test with a state directory of its own, so that
//! what a developer keeps beside the manifest is not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, programs};

/// The example, as a directory of the repository.
pub(crate) const DIRECTORY: &str = "examples/reconciliation";

/// Its front door in the `dev` environment.
pub(crate) const URL: &str = "http://reconciliation.localhost:8000";

/// The address behind [`URL`], and the name that requests carry.
pub(crate) const ADDRESS: &str = "127.0.0.1:8000";

/// See [`ADDRESS`].
pub(crate) const HOST: &str = "reconciliation.localhost:8000";

/// The example and whoever runs it.
pub(crate) struct Example {
    binary: PathBuf,
    state: PathBuf,
}

impl Example {
    /// Nothing is started yet.
    pub(crate) fn new(binary: PathBuf) -> Self {
        // Not in the target directory: users that Mainstay gives privileges up for may be kept out.
        let state = std::env::temp_dir().join(format!("mainstay-xtask-{}", std::process::id()));
        Self { binary, state }
    }

    /// A command of Mainstay's on this example.
    pub(crate) fn mainstay(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--state").arg(&self.state).stdin(Stdio::null());
        command.current_dir(programs::root().join(DIRECTORY));
        command
    }

    /// Where its data, logs and decisions are.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Mainstay's own processes, wherever they were started from.
    pub(crate) fn platform(&self) -> Vec<PathBuf> {
        let ours = |process: &PathBuf| {
            fs::read_link(process.join("exe")).is_ok_and(|exe| exe == self.binary)
        };
        processes().filter(ours).collect()
    }

    /// The processes whose command line or environment names the state directory: an answer that
    /// does not come from the program under test.
    pub(crate) fn processes(&self) -> Vec<PathBuf> {
        let needle = self.state.to_string_lossy().into_owned();
        let names_state = |process: &PathBuf| {
            // Processes end while we look, and others' environments are not ours to read.
            ["cmdline", "environ"].iter().any(|file| {
                let bytes = fs::read(process.join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(&needle)
            })
        };
        processes().filter(names_state).collect()
    }

    /// Deletes the state directory.
    pub(crate) fn remove(&self) -> Result {
        let failed = |error| format!("removing {}: {error}", self.state.display());
        if !self.state.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&self.state).map_err(failed)
    }
}

/// The directory in `/proc` of every process.
fn processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    all.map(|entry| entry.path())
        .filter(move |path| path.file_name().and_then(|name| name.to_str()).is_some_and(numbered))
}
