//! Running other programs: where they stand, what they print, what it means when they fail.
//!
//! Children stay in our process group: one Ctrl-C in the terminal reaches all of them, and none
//! outlives the command that a person typed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::tally::Tally;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a directory of the repository")
}

/// Where cargo puts what it builds here: the directory that this very program was built into.
pub(crate) fn target() -> PathBuf {
    let own = std::env::current_exe().ok();
    match own.as_deref().and_then(Path::parent).and_then(Path::parent) {
        Some(directory) => directory.to_owned(),
        None => root().join("target"),
    }
}

/// A program with its arguments, to be run in `directory` of the repository.
pub(crate) fn command(directory: &str, line: &[&str]) -> Command {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).current_dir(root().join(directory)).stdin(Stdio::null());
    command
}

/// Cargo, in the root of the repository, building into the directory that we were built into.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", target());
    command
}

/// Runs a program to its end with its output passed on.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| unstartable(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| unstartable(command, &error))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.trim();
        return Err(format!("{} ended with {}: {complaint}", shown(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program to its end with its output passed on, and counts the tests that it reports.
///
/// A program that fails without naming a failed test counts as one failure itself, and one that
/// succeeds without naming any as one test that passed.
pub(crate) fn count(command: &mut Command) -> Tally {
    match count_lines(command) {
        Ok(tally) => tally,
        Err(message) => {
            eprintln!("error: {message}");
            Tally { passed: 0, failed: 1 }
        }
    }
}

fn count_lines(command: &mut Command) -> Result<Tally> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| unstartable(command, &error))?;
    let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.map_err(|error| format!("reading from {}: {error}", shown(command)))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally += Tally::read(&line);
    }
    let status =
        child.wait().map_err(|error| format!("waiting for {}: {error}", shown(command)))?;
    Ok(tally.ended(status.success()))
}

/// Where a program of this name is, looking through PATH and then through `directories`.
pub(crate) fn find(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(directories.iter().cloned());
    all.map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    if let Some(name) = Path::new(&text).file_name() {
        text = name.to_string_lossy().into_owned();
    }
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    format!("`{text}`")
}

fn unstartable(command: &Command, error: &std::io::Error) -> String {
    format!("{} cannot be started: {error}", shown(command))
}
