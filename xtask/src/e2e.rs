//! The example through `mainstay up`, used in a real browser, and taken down without a trace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::demo::EXAMPLE;
use crate::tally::Tally;
use crate::{Result, console, demo, needs, programs};

/// Where the example's manifest puts the application in its `dev` environment.
const URL: &str = "http://reconciliation.localhost:8000";

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
    let binary = demo::binary()?;
    let data = generate()?;
    // A state directory of its own: what a developer keeps beside the manifest is not touched. Not
    // in the target directory, which users that Mainstay gives privileges up for may not enter.
    let state = std::env::temp_dir().join(format!("mainstay-e2e-{}", std::process::id()));
    let app = App { binary, state };
    let mut tally = app.used_in_a_browser(&data);
    if 0 < tally.failed {
        app.explain();
    }
    tally += app.taken_down();
    if tally.failed == 0 {
        remove(&app.state)?;
    } else {
        println!("kept: {}", app.state.display());
    }
    Ok(tally)
}

/// Writes the two files of 10,000 lines and the right answer, and says where.
///
/// The API's own target directory, where `mainstay up` builds as well.
fn generate() -> Result<String> {
    let data = programs::target().join("e2e-data").display().to_string();
    let api = format!("{EXAMPLE}/api");
    let bin = "reconciliation-api";
    let line = ["run", "--quiet", "--bin", bin, "--", "generate", "--out", &data];
    let mut command = programs::cargo(&line);
    command.env_remove("CARGO_TARGET_DIR").current_dir(programs::root().join(api));
    programs::run(&mut command)?;
    Ok(data)
}

fn remove(directory: &Path) -> Result {
    let failed = |error| format!("removing {}: {error}", directory.display());
    if directory.exists() { fs::remove_dir_all(directory).map_err(failed) } else { Ok(()) }
}

/// The example with its own state directory.
struct App {
    binary: PathBuf,
    state: PathBuf,
}

impl App {
    fn mainstay(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--state").arg(&self.state).stdin(Stdio::null());
        command.current_dir(programs::root().join(EXAMPLE));
        command
    }

    fn used_in_a_browser(&self, data: &str) -> Tally {
        if let Err(message) = self.up() {
            eprintln!("error: {message}");
            return Tally { passed: 0, failed: 1 };
        }
        let pictures = programs::target().join("e2e-screenshots").display().to_string();
        let line =
            ["node", "e2e/run.mjs", "--url", URL, "--data", data, "--screenshots", &pictures];
        programs::count(with_browser(&mut programs::command(EXAMPLE, &line)))
    }

    fn up(&self) -> Result {
        console::install_modules(&format!("{EXAMPLE}/e2e"))?;
        programs::run(&mut self.mainstay(&["up", "--detach"]))
    }

    /// Shows what whoever reads the failed test would ask for next.
    fn explain(&self) {
        for arguments in [["status"].as_slice(), &["events"], &["logs", "--since", "10m"]] {
            if let Err(message) = programs::run(&mut self.mainstay(arguments)) {
                eprintln!("error: {message}");
            }
        }
    }

    fn taken_down(&self) -> Tally {
        let mut tally = programs::count(&mut self.mainstay(&["down"]));
        let left = processes_naming(&self.state);
        for process in &left {
            eprintln!("error: still running after `mainstay down`: {process}");
        }
        tally += Tally::default().ended(left.is_empty());
        tally
    }
}

/// The processes whose command line or environment names a path: an answer that does not come from
/// the program under test.
fn processes_naming(path: &Path) -> Vec<String> {
    let needle = path.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = process.path();
        // Processes end while we look at them, and others' environments are not ours to read.
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&needle) || String::from_utf8_lossy(&environment).contains(&needle) {
            found.push(format!("{} {line}", process.display()));
        }
    }
    found
}
