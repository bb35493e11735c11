//! The small preparations of a job: directories, files, copies, renames, removals.
//!
//! Files are written beside their place and renamed, so that nobody ever reads half of one. Nothing
//! here follows a symbolic link that it did not make: trees are copied and removed as they are.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use base::Secret;
use plan::{Step, UserPlan};

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("cannot {attempt} `{}`", path.display())]
    Failed {
        attempt: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot copy `{}`: it is neither a file, nor a directory, nor a symbolic link", .0.display())]
    Special(PathBuf),
    #[error("given up")]
    Abandoned,
    #[error("the step broke off: {0}")]
    Broken(String),
}

impl StepError {
    /// The step's thread ended without a result.
    pub(crate) fn broken(error: &tokio::task::JoinError) -> Self {
        Self::Broken(error.to_string())
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Failed { attempt, path, source }
}

/// Carries out a step that is no command. Blocks.
pub(crate) fn carry_out(
    step: &Step,
    content: &Secret,
    abandoned: &AtomicBool,
) -> Result<(), StepError> {
    match step {
        // Commands are run by whoever owns the processes.
        Step::Run { .. } => Ok(()),
        Step::Directory { path, mode, owner } => directory(path, *mode, owner.as_ref()),
        Step::File { path, mode, owner, .. } => file(path, content, *mode, owner.as_ref()),
        Step::Copy { from, to } => {
            let partial = beside(to);
            remove(&partial)?;
            copy(from, &partial, abandoned)?;
            // A directory cannot be replaced by a rename unless it is empty.
            if to.is_dir() && !to.is_symlink() {
                remove(to)?;
            }
            fs::rename(&partial, to).map_err(failed("replace", to))
        }
        Step::Rename { from, to } => fs::rename(from, to).map_err(failed("rename to", to)),
        Step::Remove { path } => remove(path),
    }
}

fn directory(path: &Path, mode: u32, owner: Option<&UserPlan>) -> Result<(), StepError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed("create directory", parent))?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other.map_err(failed("create directory", path))?,
    }
    give(path, owner)?;
    // The mask of this process may have taken bits away.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

fn file(
    path: &Path,
    content: &Secret,
    mode: u32,
    owner: Option<&UserPlan>,
) -> Result<(), StepError> {
    let partial = beside(path);
    remove(&partial)?;
    // Closed to everybody until it has its owner.
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(failed("create", path))?;
    let written = file.write_all(content.reveal().as_bytes()).and_then(|()| file.sync_all());
    let placed = written
        .map_err(failed("write", path))
        .and_then(|()| give(&partial, owner))
        .and_then(|()| {
            let permissions = Permissions::from_mode(mode);
            fs::set_permissions(&partial, permissions).map_err(failed("set the mode of", path))
        })
        .and_then(|()| fs::rename(&partial, path).map_err(failed("replace", path)));
    if placed.is_err() {
        // Useless as it is; the first error is the one that matters.
        fs::remove_file(&partial).ok();
    }
    placed
}

fn give(path: &Path, owner: Option<&UserPlan>) -> Result<(), StepError> {
    let Some(owner) = owner else { return Ok(()) };
    std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid))
        .map_err(failed("change the owner of", path))
}

/// A name in the same directory, so that a rename stays within one file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}

fn copy(from: &Path, to: &Path, abandoned: &AtomicBool) -> Result<(), StepError> {
    if abandoned.load(Ordering::Relaxed) {
        return Err(StepError::Abandoned);
    }
    let kind = fs::symlink_metadata(from).map_err(failed("read", from))?;
    if kind.is_symlink() {
        let target = fs::read_link(from).map_err(failed("read", from))?;
        return std::os::unix::fs::symlink(target, to).map_err(failed("create", to));
    }
    if kind.is_file() {
        return fs::copy(from, to).map(drop).map_err(failed("copy to", to));
    }
    if !kind.is_dir() {
        return Err(StepError::Special(from.to_owned()));
    }
    fs::create_dir(to).map_err(failed("create directory", to))?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        copy(&entry.path(), &to.join(entry.file_name()), abandoned)?;
    }
    fs::set_permissions(to, kind.permissions()).map_err(failed("set the mode of", to))
}

fn remove(path: &Path) -> Result<(), StepError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: &Step) -> Result<(), StepError> {
        carry_out(step, &Secret::new("content".to_owned()), &AtomicBool::new(false))
    }

    #[test]
    fn a_tree_is_copied_as_it_is_and_replaces_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::copy("/proc/self/comm", to.join("old")).unwrap();
        fs::copy("/proc/self/comm", from.join("sub/file")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        check(&Step::Copy { from, to: to.clone() }).unwrap();
        assert!(to.join("link").is_symlink());
        assert!(to.join("sub/file").is_file());
        assert!(!to.join("old").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_has_its_mode_and_content_and_leaves_no_trace_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let content = plan::Template::text("unused: it is filled in by the caller");
        check(&Step::File { path: path.clone(), content, mode: 0o640, owner: None }).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "content");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_failed_says_what_was_attempted() {
        let missing = PathBuf::from("/nonexistent/a");
        let to = PathBuf::from("/nonexistent/b");
        let error = check(&Step::Rename { from: missing.clone(), to }).unwrap_err();
        assert_eq!(error.to_string(), "cannot rename to `/nonexistent/b`");
        assert!(check(&Step::Remove { path: missing }).is_ok());
    }
}
