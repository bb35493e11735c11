//! Writing `docs/reference` anew from the code; tests compare the two.

use std::fs;
use std::path::Path;

use crate::arguments::Arguments;
use crate::{Result, programs};

/// Each page, and the arguments of cargo that print it.
const PAGES: &[(&str, &[&str])] = &[
    (
        "docs/reference/manifest.md",
        &["run", "--quiet", "--package", "manifest", "--example", "reference"],
    ),
    (
        "docs/reference/mainstay.schema.json",
        &["run", "--quiet", "--bin", "mainstay", "--", "schema"],
    ),
    ("docs/reference/kinds.md", &["run", "--quiet", "--bin", "mainstay", "--", "schema", "kinds"]),
    (
        "docs/reference/openapi.json",
        &["run", "--quiet", "--bin", "mainstay", "--", "schema", "api"],
    ),
    ("docs/reference/cli.md", &["run", "--quiet", "--bin", "mainstay", "--", "schema", "cli"]),
];

/// The command `bless`.
pub(crate) fn run(arguments: &mut Arguments) -> Result {
    arguments.finish()?;
    for (page, line) in PAGES {
        let text = programs::capture(&mut programs::cargo(line))?;
        write(&programs::root().join(page), &text)?;
        println!("{page}");
    }
    Ok(())
}

fn write(page: &Path, text: &str) -> Result {
    let failed = |error| format!("{}: {error}", page.display());
    if let Some(directory) = page.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    fs::write(page, text).map_err(failed)
}
