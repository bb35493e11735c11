//! Finding and reading the manifest.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "mainstay.toml";

/// A manifest of ten thousand lines has a few hundred kilobytes; this is no manifest.
const LARGEST_MANIFEST: u64 = 2 << 20;

/// A manifest that was found and read, but not yet judged.
#[derive(Debug)]
pub(crate) struct Project {
    /// The directory it is in, absolute.
    pub(crate) directory: PathBuf,
    /// Its file, as it is shown.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

impl Project {
    /// Finds the manifest in the directory that is meant or above, and reads it.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        let directory = find(context)?;
        let name = shown(&directory);
        let text = read(&directory.join(MANIFEST), &name)?;
        Ok(Self { directory, name, text })
    }

    /// Line and column of a byte of the text, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

/// The directory of the manifest: the one that is meant, or above.
pub(crate) fn find(context: &Context) -> Result<PathBuf, Failure> {
    let start = directory(context)?;
    if let Some(found) = start.ancestors().find(|above| above.join(MANIFEST).exists()) {
        return Ok(found.to_owned());
    }
    let title = format!("there is no {MANIFEST} in `{}` or above", start.display());
    let help = "run `mainstay init` to have one written from what is in this directory";
    Err(Failure::new(Exit::Unreadable, title).help(help))
}

/// The directory that is meant: `-C`, or the current one; absolute.
pub(crate) fn directory(context: &Context) -> Result<PathBuf, Failure> {
    let given = context.globals.directory.as_deref().unwrap_or(Path::new("."));
    let absolute = std::fs::canonicalize(given).map_err(|error| {
        let title = format!("cannot use the directory `{}`", given.display());
        Failure::new(Exit::Unreadable, title).because(&error)
    })?;
    if absolute.is_dir() {
        return Ok(absolute);
    }
    let title = format!("`{}` is not a directory", given.display());
    Err(Failure::new(Exit::Unreadable, title).help("name the directory that holds mainstay.toml"))
}

/// The file's name as the user would type it from where they are.
fn shown(directory: &Path) -> String {
    let here = std::env::current_dir().and_then(std::fs::canonicalize).ok();
    let path = directory.join(MANIFEST);
    let inside = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    inside.unwrap_or(&path).display().to_string()
}

fn read(path: &Path, name: &str) -> Result<String, Failure> {
    let unreadable = |error: &io::Error| {
        Failure::new(Exit::Unreadable, format!("cannot read `{name}`")).because(error)
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Failure::new(Exit::Unreadable, format!("`{name}` is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if LARGEST_MANIFEST < bytes.len() as u64 {
        let size = base::Bytes(metadata.len());
        let limit = base::Bytes(LARGEST_MANIFEST);
        let title = format!("`{name}` has {size}; a manifest has at most {limit}");
        return Err(Failure::new(Exit::Invalid, title).help("look at what was written into it"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let title = format!("`{name}` is not text: line {line} is not UTF-8");
        Failure::new(Exit::Invalid, title)
            .help("save it as UTF-8; if it is not a manifest at all, put it elsewhere")
    })
}
