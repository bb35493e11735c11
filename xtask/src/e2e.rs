//! The example through `mainstay up`, used in a real browser, and taken down without a trace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::demo::EXAMPLE;
use crate::tally::Tally;
use crate::{Result, console, demo, needs, programs};

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
    // A state directory of its own: what a developer keeps in the example's is not touched.
    let state = programs::target().join("e2e-state");
    if state.exists() {
        fs::remove_dir_all(&state).map_err(|error| format!("{}: {error}", state.display()))?;
    }
    let app = App { binary, state };
    let mut tally = app.used_in_a_browser();
    tally += app.taken_down();
    Ok(tally)
}

/// The example with its own state directory.
struct App {
    binary: PathBuf,
    state: PathBuf,
}

impl App {
    fn mainstay(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--state").arg(&self.state);
        command.current_dir(programs::root().join(EXAMPLE));
        command
    }

    fn used_in_a_browser(&self) -> Tally {
        let failed = Tally { passed: 0, failed: 1 };
        if let Err(message) = self.up() {
            eprintln!("error: {message}");
            return failed;
        }
        let mut script = programs::command(EXAMPLE, &["node", "e2e/run.mjs"]);
        programs::count(with_browser(&mut script))
    }

    fn up(&self) -> Result {
        let scripts = format!("{EXAMPLE}/e2e");
        if programs::root().join(&scripts).join("package-lock.json").exists() {
            console::install_modules(&scripts)?;
        }
        programs::run(&mut self.mainstay(&["up", "--detach"]))
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
