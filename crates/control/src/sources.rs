//! What a build is made of, as one digest: names and contents of every file below its directories,
//! without what version control ignores.
//!
//! Contents rather than modification times, so that switching a branch there and back rebuilds
//! nothing. Path dependencies of Cargo and npm packages are followed, since a build that misses a
//! change is worse than one too many.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use plan::SourceDigest;
use sha2::{Digest as _, Sha256};

/// Directories that hold results, whether or not they are ignored by version control.
pub(crate) const RESULTS: &[&str] =
    &["target", "node_modules", ".next", ".git", ".mainstay", "dist"];

/// A tree with more files than this is not a service's sources but a mistake in `path`.
const MOST_FILES: usize = 200_000;

/// Why sources could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A file or directory cannot be read.
    #[error("cannot read the sources at `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Far more files than sources have.
    #[error("more than {MOST_FILES} files below `{}`", path.display())]
    TooMany {
        /// Where.
        path: PathBuf,
    },
}

/// Digests a directory, what else it depends on, and its lock files apart.
///
/// # Errors
///
/// When something cannot be read.
pub(crate) fn digest(
    directory: &Path,
    also: &[PathBuf],
    locks: &[&str],
) -> Result<SourceDigest, SourcesError> {
    let mut sources = Sha256::new();
    for root in roots(directory, also) {
        for file in files(&root)? {
            sources.update(file.as_os_str().as_encoded_bytes());
            sources.update([0]);
            sources.update(content_digest(&file)?);
        }
    }
    let mut dependencies = Sha256::new();
    for lock in locks {
        let path = directory.join(lock);
        if path.exists() {
            dependencies.update(content_digest(&path)?);
        }
    }
    Ok(SourceDigest {
        sources: hex(&sources.finalize()),
        dependencies: hex(&dependencies.finalize()),
    })
}

/// The directories whose change means a rebuild: the given ones and what their packages point to.
#[must_use]
pub(crate) fn roots(directory: &Path, also: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = also.to_vec();
    open.push(directory.to_owned());
    while let Some(path) = open.pop() {
        let Ok(path) = fs::canonicalize(&path) else { continue };
        if found.iter().any(|root: &PathBuf| path.starts_with(root)) {
            continue;
        }
        open.extend(path_dependencies(&path));
        found.insert(path);
    }
    let all: Vec<PathBuf> = found.into_iter().collect();
    let inside = |path: &PathBuf| all.iter().any(|root| root != path && path.starts_with(root));
    all.iter().filter(|path| !inside(path)).cloned().collect()
}

fn path_dependencies(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(text) = fs::read_to_string(directory.join("Cargo.toml"))
        && let Ok(table) = text.parse::<toml::Table>()
    {
        cargo_paths(&toml::Value::Table(table), directory, &mut found);
    }
    if let Ok(text) = fs::read(directory.join("package.json"))
        && let Ok(package) = serde_json::from_slice::<serde_json::Value>(&text)
    {
        for kind in ["dependencies", "devDependencies"] {
            let entries = package.get(kind).and_then(serde_json::Value::as_object);
            let versions = entries.into_iter().flat_map(serde_json::Map::values);
            found.extend(versions.filter_map(|version| {
                let version = version.as_str()?;
                let path =
                    version.strip_prefix("file:").or_else(|| version.strip_prefix("link:"))?;
                Some(directory.join(path))
            }));
        }
    }
    found
}

fn cargo_paths(value: &toml::Value, directory: &Path, found: &mut Vec<PathBuf>) {
    let toml::Value::Table(table) = value else { return };
    for (key, value) in table {
        let is_dependency_list = key.ends_with("dependencies");
        if is_dependency_list && let toml::Value::Table(dependencies) = value {
            let paths = dependencies.values().filter_map(|dependency| dependency.get("path"));
            found.extend(paths.filter_map(toml::Value::as_str).map(|path| directory.join(path)));
        } else {
            cargo_paths(value, directory, found);
        }
    }
}

fn files(root: &Path) -> Result<Vec<PathBuf>, SourcesError> {
    if root.is_file() {
        return Ok(vec![root.to_owned()]);
    }
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| !RESULTS.iter().any(|name| entry.file_name() == *name))
        .build();
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| SourcesError::Read {
            path: root.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()),
        })?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            files.push(entry.into_path());
        }
        if MOST_FILES < files.len() {
            return Err(SourcesError::TooMany { path: root.to_owned() });
        }
    }
    files.sort();
    Ok(files)
}

fn content_digest(path: &Path) -> Result<[u8; 32], SourcesError> {
    let fail = |source| SourcesError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fail)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(fail)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
            return Ok(hasher.finalize().into());
        };
        hasher.update(read);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        runtime::StateFile::public(path).write(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_change_in_a_path_dependency_changes_the_digest_and_a_result_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let api = directory.path().join("api");
        write(&api.join("Cargo.toml"), "[dependencies]\nshared = { path = \"../shared\" }\n");
        write(&directory.path().join("shared/src/lib.rs"), "one");
        let first = digest(&api, &[], &[]).unwrap();
        write(&api.join("target/debug/api"), "binary");
        assert_eq!(digest(&api, &[], &[]).unwrap(), first);
        write(&directory.path().join("shared/src/lib.rs"), "two");
        assert_ne!(digest(&api, &[], &[]).unwrap(), first);
    }

    #[test]
    fn a_lock_file_has_its_own_digest() {
        let directory = tempfile::tempdir().unwrap();
        let digest = |text| {
            write(&directory.path().join("package-lock.json"), text);
            super::digest(directory.path(), &[], &["package-lock.json"]).unwrap().dependencies
        };
        assert_ne!(digest("1"), digest("2"));
        assert_eq!(digest("1"), digest("1"));
    }
}
