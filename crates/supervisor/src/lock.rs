//! One supervisor per state directory, by a lock that dies with its holder.
//!
//! The keeper shares the lock through the fork, so that a killed supervisor's successor cannot
//! start before the keeper has removed what was left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("`{}` is in use by process {holder}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it.
        holder: u32,
    },
    /// The file could not be opened or locked.
    #[error("cannot lock `{}`", path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The lock; released when the last process that inherited it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a state directory, waiting while its holder is only cleaning up.
    pub(crate) fn take(state: &Path, patience: Duration) -> Result<Self, LockError> {
        let path = state.join("lock");
        let fail = |source| LockError::Unusable { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(fail)?;
        let mut waited = Duration::ZERO;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(fail(error.into())),
            }
            let holder = holder(&mut file).map_err(fail)?;
            let lives = crate::process_table::process(holder).is_some_and(|holder| holder.alive());
            if lives || patience <= waited {
                return Err(LockError::Held { path, holder });
            }
            let pause = Duration::from_millis(10);
            pause_for(pause);
            waited += pause;
        }
    }

    /// Writes down who is to be named when somebody else finds the lock taken.
    pub(crate) fn name_holder(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        write!(self.file, "{}", std::process::id())
    }

    /// Nothing is done any more but to end: whoever wants the lock now is to wait for it.
    pub(crate) fn forget_holder(&self) {
        // At worst somebody is told that it is held by a process which is about to end.
        self.file.set_len(0).ok();
    }
}

/// Blocks the thread; for the few places that wait for the kernel outside of a runtime.
pub(crate) fn pause_for(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "waits for the kernel, not for a decision")]
    std::thread::sleep(duration);
}

fn holder(file: &mut File) -> io::Result<u32> {
    let mut text = String::new();
    file.rewind()?;
    file.take(20).read_to_string(&mut text)?;
    Ok(text.trim().parse().unwrap_or(0))
}

/// Makes a directory that only its owner can enter, and its parents.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        }
        other => other,
    }
}
