//! The example through `mainstay up`, used in a real browser, and taken down without a trace.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::example::{self, Example};
use crate::tally::Tally;
use crate::{Result, console, needs, programs};

/// The stage `e2e`.
pub(crate) fn count() -> Tally {
    match run() {
        Ok(tally) => tally,
        Err(message) => {
            eprintln!("error: {message}");
            Tally { passed: 0, failed: 1 }
        }
    }
}

/// Tells a script which browser to drive.
pub(crate) fn with_browser(command: &mut Command) -> &mut Command {
    match needs::browser() {
        Some(browser) => command.env("CHROMIUM", browser),
        None => command,
    }
}

fn run() -> Result<Tally> {
    let example = Example::new(binary()?);
    let data = generate()?;
    console::install_modules(&format!("{}/e2e", example::DIRECTORY))?;
    let guard = example.up(&[]).inspect_err(|_| explain(&example))?;
    let mut tally = used_in_a_browser(&data);
    if 0 < tally.failed {
        explain(&example);
    }
    let down = example.down(guard).inspect_err(|message| eprintln!("error: {message}"));
    tally += Tally::default().ended(down.is_ok());
    tally += nothing_is_left(&example);
    if tally.failed == 0 {
        example.remove()?;
    } else {
        println!("kept: {}", example.state().display());
    }
    Ok(tally)
}

/// The binary with the features that the tests' own dependencies turn on in what both share: asked
/// for by itself, tokio and all that stands on it would be compiled once more.
fn binary() -> Result<PathBuf> {
    programs::run(&mut programs::cargo(&["build", "--workspace", "--bins", "--tests"]))?;
    Ok(programs::target().join("debug/mainstay"))
}

/// Writes the two files of 10,000 lines and the right answer, and says where.
///
/// Built in the API's own target directory, where `mainstay up` builds it as well.
fn generate() -> Result<String> {
    let data = programs::target().join("e2e-data").display().to_string();
    let bin = "reconciliation-api";
    let line = ["run", "--quiet", "--bin", bin, "--", "generate", "--out", &data];
    let mut command = programs::cargo(&line);
    command.env_remove("CARGO_TARGET_DIR");
    command.current_dir(programs::root().join(example::DIRECTORY).join("api"));
    programs::run(&mut command)?;
    Ok(data)
}

fn used_in_a_browser(data: &str) -> Tally {
    let pictures = programs::target().join("e2e-screenshots").display().to_string();
    let url = example::URL;
    let line = ["node", "e2e/run.mjs", "--url", url, "--data", data, "--screenshots", &pictures];
    programs::count(with_browser(&mut programs::command(example::DIRECTORY, &line)))
}

/// Shows what whoever reads of the failure would ask for next.
fn explain(example: &Example) {
    for arguments in [["status"].as_slice(), &["events"], &["logs", "--since", "10m"]] {
        if let Err(message) = programs::run(&mut example.mainstay(arguments)) {
            eprintln!("error: {message}");
        }
    }
}

fn nothing_is_left(example: &Example) -> Tally {
    let left = example.processes();
    for process in &left {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        eprintln!("error: still there after `mainstay down`: {} {line}", process.display());
    }
    Tally::default().ended(left.is_empty())
}
