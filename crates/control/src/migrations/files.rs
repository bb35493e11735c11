//! The files: `NNN_name.up.sql` and `NNN_name.down.sql` in one directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Larger than any schema change; a dump is loaded otherwise.
const LARGEST: u64 = 16 << 20;

/// One migration as it is written.
#[derive(Debug)]
pub(super) struct MigrationFile {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) up: String,
    pub(super) down: Option<String>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFileError {
    /// A file or the directory cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Names, numbers or pairs that do not fit; every one found.
    #[error("{}", .0.join("; "))]
    Order(Vec<String>),
}

impl MigrationFile {
    pub(super) fn checksum(&self) -> String {
        checksum(&self.up)
    }

    pub(super) fn up_name(&self) -> String {
        format!("{:03}_{}.up.sql", self.number, self.name)
    }

    pub(super) fn down_name(&self) -> String {
        format!("{:03}_{}.down.sql", self.number, self.name)
    }
}

/// Reads a directory, in order of number.
pub(super) fn read(
    directory: &Path,
    undo_required: bool,
) -> Result<Vec<MigrationFile>, MigrationFileError> {
    let fail = |source| MigrationFileError::Read { path: directory.to_owned(), source };
    let mut problems = Vec::new();
    let mut ups: BTreeMap<u32, (String, String)> = BTreeMap::new();
    let mut downs: BTreeMap<u32, (String, String)> = BTreeMap::new();
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = file.strip_suffix(".sql") else { continue };
        let Some((number, name, is_up)) = split(stem) else {
            problems
                .push(format!("`{file}` is not called `NNN_name.up.sql` or `NNN_name.down.sql`"));
            continue;
        };
        let side = if is_up { &mut ups } else { &mut downs };
        let text = read_text(&path)?;
        if let Some((other, _)) = side.insert(number, (name.to_owned(), text)) {
            problems.push(format!("`{file}` has the number of `{number:03}_{other}`"));
        }
    }
    for (number, (name, _)) in &downs {
        if ups.get(number).is_none_or(|(up, _)| up != name) {
            problems.push(format!("`{number:03}_{name}.down.sql` has no `.up.sql`"));
        }
    }
    let files: Vec<MigrationFile> = ups
        .into_iter()
        .map(|(number, (name, up))| {
            let down = downs.remove(&number).map(|(_, down)| down);
            MigrationFile { number, name, up, down }
        })
        .collect();
    for file in files.iter().filter(|file| undo_required && file.down.is_none()) {
        problems.push(format!("`{}` has no `.down.sql`, and `undo` is required", file.up_name()));
    }
    if problems.is_empty() { Ok(files) } else { Err(MigrationFileError::Order(problems)) }
}

/// Splits `007_add_users.up` into its parts.
fn split(stem: &str) -> Option<(u32, &str, bool)> {
    let (rest, is_up) = match stem.strip_suffix(".up") {
        Some(rest) => (rest, true),
        None => (stem.strip_suffix(".down")?, false),
    };
    let (number, name) = rest.split_once('_')?;
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let number: u32 = number.parse().ok().filter(|number| *number <= 99_999_999)?;
    (!name.is_empty() && name.bytes().all(simple)).then_some((number, name, is_up))
}

pub(super) fn read_text(path: &Path) -> Result<String, MigrationFileError> {
    let fail = |source| MigrationFileError::Read { path: path.to_owned(), source };
    if LARGEST < fs::metadata(path).map_err(fail)?.len() {
        return Err(fail(io::ErrorKind::FileTooLarge.into()));
    }
    fs::read_to_string(path).map_err(fail)
}

/// Of the text without trailing white space on its lines, so that editors do not change it.
pub(super) fn checksum(text: &str) -> String {
    let mut hasher = Sha256::new();
    for line in text.trim_end().lines() {
        hasher.update(line.trim_end());
        hasher.update("\n");
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn without_transaction(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim() == "-- mainstay: no transaction")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], undo_required: bool) -> Result<Vec<u32>, String> {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            runtime::StateFile::public(directory.path().join(name)).write(b"select 1;").unwrap();
        }
        read(directory.path(), undo_required)
            .map(|files| files.iter().map(|file| file.number).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_ordered_by_number_whatever_their_width() {
        assert_eq!(check(&["10_b.up.sql", "002_a.up.sql", "README.md"], false), Ok(vec![2, 10]));
    }

    #[test]
    fn every_mistake_is_named() {
        let found = check(&["1_a.up.sql", "001_b.up.sql", "x.sql", "3_c.down.sql"], true);
        let text = found.unwrap_err();
        for part in ["`x.sql`", "`3_c", "has the number of", "`undo` is required"] {
            assert!(text.contains(&part.replace("`3_c", "`003_c")), "{part} in {text}");
        }
    }

    #[test]
    fn trailing_white_space_does_not_change_the_checksum() {
        assert_eq!(checksum("a  \r\nb\n\n"), checksum("a\nb"));
        assert_ne!(checksum("a\nb"), checksum("a b"));
    }
}
