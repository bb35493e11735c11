//! `mainstay down`: stops everything, and proves that nothing is left.
//!
//! The proof does not rely on whoever was asked to stop: processes, ports and sockets are looked
//! for afterwards, so that it also holds when everything was killed.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use base::Bytes;
use clap::Args;
use serde_json::json;

use super::Context;
use crate::ending::{self, Ended};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::place::{self, Place};
use crate::wait;

/// Stop everything and prove that nothing is left
#[derive(Args, Debug)]
pub(crate) struct DownArgs {
    /// Also delete the data of databases, caches and volumes, and the history
    #[arg(long)]
    data: bool,
    /// Do not ask before deleting
    #[arg(long, requires = "data")]
    yes: bool,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DownArgs) -> Outcome {
    let place = place::of_running(context)?;
    let doomed = if args.data { doomed(&place) } else { Vec::new() };
    if args.data && !args.yes && !doomed.is_empty() {
        confirm(context, &place, &doomed)?;
    }
    let ended = wait::block_on(ending::stop(context, &place))?;
    let deleted = if ended.proof.clean() { delete(&place, &doomed)? } else { Vec::new() };
    if context.output.is_json() {
        context.output.document(&json!({
            "environment": place.environment,
            "was_running": ended.was_running,
            "proof": ended.proof,
            "deleted": deleted,
        }))?;
    } else {
        for path in &deleted {
            context.output.line(&format!("deleted {path}"))?;
        }
        context.output.line(&sentence(&ended, &place))?;
        if deleted.is_empty() && !doomed.is_empty() {
            context.output.note("nothing was deleted: what is left may still use the data");
        }
    }
    Ok(if ended.proof.clean() { Exit::Done } else { Exit::No })
}

fn sentence(ended: &Ended, place: &Place) -> String {
    if ended.was_running || !ended.proof.killed.is_empty() {
        return ended.to_string();
    }
    format!("nothing ran in `{}`; {ended}", place.environment)
}

/// What holds data, and how much.
fn doomed(place: &Place) -> Vec<(PathBuf, Bytes)> {
    let state = &place.location.state;
    let mut paths = Vec::new();
    if let Ok(entries) = fs::read_dir(state.join("data")) {
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    let database = place.location.database();
    let beside = ["", "-wal", "-shm"].map(|suffix| {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    });
    paths.extend(beside.into_iter().filter(|path| path.exists()));
    paths.into_iter().map(|path| (path.clone(), Bytes(size(&path)))).collect()
}

fn size(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

fn confirm(context: &Context, place: &Place, doomed: &[(PathBuf, Bytes)]) -> Result<(), Failure> {
    let out = &context.output;
    out.note(&format!("this deletes, for ever, from `{}`:", place.environment));
    for (path, size) in doomed {
        out.note(&format!("  {:>8}  {}", size.to_string(), path.display()));
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Refused, "nobody is there who could agree")
            .help("add `--yes` if that is what you want; nothing was stopped or deleted"));
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "type the environment's name to go on: ");
    asked.and_then(|()| io::stdin().read_line(&mut answer)).map_err(|error| {
        Failure::new(Exit::Refused, "nobody is there who could agree").because(&error)
    })?;
    if answer.trim() == place.environment {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "not agreed to; nothing was stopped or deleted"))
}

/// Nobody can start here until it returns.
fn delete(place: &Place, doomed: &[(PathBuf, Bytes)]) -> Result<Vec<String>, Failure> {
    if doomed.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = place.lock()?;
    let mut deleted = Vec::new();
    for (path, size) in doomed {
        let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Ok(()) => deleted.push(format!("{} ({size})", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let title = format!("cannot delete `{}`", path.display());
                let failure = Failure::new(Exit::No, title).because(&error);
                return Err(failure.help("everything is stopped; delete it by hand, then go on"));
            }
        }
    }
    Ok(deleted)
}
