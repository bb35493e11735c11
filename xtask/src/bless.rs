//! Writing `docs/reference` anew from the code; a test of the binary compares the two.

use std::fs;
use std::path::Path;

use crate::arguments::Arguments;
use crate::{Result, demo, programs};

/// Each page and the arguments that print it.
const PAGES: &[(&str, &[&str])] = &[("docs/reference/mainstay.schema.json", &["schema"])];

/// The command `bless`.
pub(crate) fn run(arguments: &mut Arguments) -> Result {
    arguments.finish()?;
    let binary = demo::binary()?;
    for (page, arguments) in PAGES {
        let mut line = vec![binary.to_str().ok_or("the target directory is not UTF-8")?];
        line.extend(*arguments);
        let text = programs::capture(&mut programs::command("", &line))?;
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
