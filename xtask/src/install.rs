//! Installing what is missing through the machine's package manager, after saying what and why.

use std::io::{IsTerminal as _, Write as _, stdin, stdout};
use std::process::{Command, Stdio};

use crate::needs::Need;
use crate::{Result, programs};

/// Runs as root; removes its traces even when it is interrupted.
const SCRIPT: &str = include_str!("install.sh");

/// Says what is missing and why, asks if somebody is there to answer, and installs it.
pub(crate) fn offer(missing: &[&Need], yes: bool) -> Result {
    println!("{}", advice(missing));
    if let Some(need) = missing.iter().find(|need| need.packages.is_empty()) {
        return Err(format!("install {} first; this command leaves that to you", need.name));
    }
    if programs::find("apt-get", &[]).is_none() {
        return Err("no apt-get here; install these with the package manager you use".to_owned());
    }
    if !yes && on_a_terminal() && !agreed()? {
        return Err("nothing was installed".to_owned());
    }
    programs::run(&mut as_root(missing)?)
}

/// Whether somebody is there to answer a question.
pub(crate) fn on_a_terminal() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// What is missing, why it is needed, and the packages that contain it.
pub(crate) fn advice(missing: &[&Need]) -> String {
    let lines = missing.iter().map(|need| format!("  {:<11} {}", need.name, need.why));
    let mut lines: Vec<String> =
        std::iter::once("this machine lacks:".to_owned()).chain(lines).collect();
    let packages = words(missing, |need| need.packages);
    if !packages.is_empty() {
        lines.push(format!(
            "packages of Debian and Ubuntu: {packages} (no service is left running)"
        ));
    }
    lines.join("\n")
}

fn agreed() -> Result<bool> {
    print!("install them with apt-get? [Y/n] ");
    let mut answer = String::new();
    stdout().flush().map_err(|error| format!("asking: {error}"))?;
    let read = stdin().read_line(&mut answer).map_err(|error| format!("asking: {error}"))?;
    Ok(0 < read && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}

fn as_root(missing: &[&Need]) -> Result<Command> {
    let packages = format!("PACKAGES={}", words(missing, |need| need.packages));
    let services = format!("SERVICES={}", words(missing, |need| need.services));
    let line = ["env", packages.as_str(), services.as_str(), "sh", "-c", SCRIPT];
    let root = programs::capture(&mut programs::command("", &["id", "-u"]))?.trim() == "0";
    if root {
        return Ok(programs::command("", &line));
    }
    if programs::find("sudo", &[]).is_none() {
        return Err("installing packages needs root, and there is no sudo".to_owned());
    }
    let mut command = programs::command("", &["sudo"]);
    command.args(line).stdin(Stdio::inherit());
    Ok(command)
}

fn words(needs: &[&Need], of: fn(&Need) -> &'static [&'static str]) -> String {
    let all: Vec<&str> = needs.iter().flat_map(|need| of(need)).copied().collect();
    all.join(" ")
}
