//! The example application, run by the binary under test with a state directory of its own, so that
//! what a developer keeps beside the manifest is not touched.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Result, programs};

/// The example, as a directory of the repository.
pub(crate) const DIRECTORY: &str = "examples/reconciliation";

/// Its front door in the `dev` environment.
pub(crate) const URL: &str = "http://reconciliation.localhost:8000";

/// The address behind [`URL`], and the name that requests carry.
pub(crate) const ADDRESS: &str = "127.0.0.1:8000";

/// See [`ADDRESS`].
pub(crate) const HOST: &str = "reconciliation.localhost:8000";

/// Takes the example down when we end without having done so, however we end.
const GUARD: &str = "read -r _ || exec \"$@\" >/dev/null 2>&1";

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

    /// Brings it up in the background. It is down at the latest when the guard is gone.
    pub(crate) fn up(&self, arguments: &[&str]) -> Result<Guard> {
        let guard = self.guard()?;
        let line = [&["up", "--detach"], arguments].concat();
        programs::run(&mut self.mainstay(&line))?;
        Ok(guard)
    }

    /// Takes it down, which is part of what is tested and measured.
    pub(crate) fn down(&self, guard: Guard) -> Result {
        programs::run(&mut self.mainstay(&["down"]))?;
        guard.dismiss()
    }

    fn guard(&self) -> Result<Guard> {
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "guard"]).arg(&self.binary).arg("down");
        shell.arg("--state").arg(&self.state);
        shell.current_dir(programs::root().join(DIRECTORY)).stdin(Stdio::piped());
        // Out of reach of the Ctrl-C that ends us.
        let child = shell.process_group(0).spawn();
        child.map(Guard).map_err(|error| format!("starting a shell: {error}"))
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

/// A shell that waits for us to say that all is well, or to die: then its input ends.
pub(crate) struct Guard(Child);

impl Guard {
    fn dismiss(mut self) -> Result {
        let input = self.0.stdin.as_mut().expect("the guard's input is a pipe");
        input.write_all(b"well\n").map_err(|error| format!("dismissing the guard: {error}"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has nobody to report to: whoever drops it undismissed has failed already.
        drop(self.0.wait());
    }
}

/// The directory in `/proc` of every process.
fn processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    all.map(|entry| entry.path())
        .filter(move |path| path.file_name().and_then(|name| name.to_str()).is_some_and(numbered))
}
