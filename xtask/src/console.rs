//! Building the web console, which the binary embeds. Cargo never does it: a reader who only wants
//! the binary needs no npm.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::arguments::Arguments;
use crate::{Result, programs};

/// Where the console's sources are.
pub(crate) const DIRECTORY: &str = "crates/mainstay/console";

/// What the build reads, besides `src` and `public`.
const INPUTS: &[&str] =
    &["index.html", "package-lock.json", "svelte.config.js", "tsconfig.json", "vite.config.ts"];

/// The command `console`.
pub(crate) fn run(arguments: &mut Arguments) -> Result {
    arguments.finish()?;
    build()
}

/// Builds the console unless it is newer than everything it is made from.
pub(crate) fn build() -> Result {
    let directory = programs::root().join(DIRECTORY);
    install_modules(DIRECTORY)?;
    let built = modified(&directory.join("dist/index.html"));
    let inputs = INPUTS.iter().map(|name| modified(&directory.join(name)));
    let trees = ["src", "public"].map(|name| newest(&directory.join(name)));
    if built.is_some() && inputs.chain(trees).max().flatten() <= built {
        println!("console: already built");
        return Ok(());
    }
    println!("console: building");
    programs::run(&mut npm(DIRECTORY, &["run", "--silent", "build"]))
}

/// Brings `node_modules` to what the lock file of `directory` says, unless it is that already.
pub(crate) fn install_modules(directory: &str) -> Result {
    let place = programs::root().join(directory);
    let installed = modified(&place.join("node_modules/.package-lock.json"));
    if installed.is_some() && modified(&place.join("package-lock.json")) <= installed {
        return Ok(());
    }
    println!("{directory}: installing npm packages");
    programs::run(&mut npm(directory, &["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
}

/// npm in a directory of the repository.
pub(crate) fn npm(directory: &str, arguments: &[&str]) -> Command {
    let mut command = programs::command(directory, &["npm"]);
    command.args(arguments).env("NO_UPDATE_NOTIFIER", "1");
    command
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    // A directory's own time changes when a file in it is removed.
    let times = entries.map(|path| if path.is_dir() { newest(&path) } else { modified(&path) });
    times.max().flatten().max(modified(directory))
}
