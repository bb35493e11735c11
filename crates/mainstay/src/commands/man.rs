//! `mainstay man`: manual pages made from the command line's own description.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;
use runtime::StateFile;
use serde_json::json;

use super::Context;
use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};

/// Write manual pages
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write a page for each command into DIR; left out: print the main page
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ManArgs) -> Outcome {
    let command = Cli::command();
    let Some(directory) = &args.directory else {
        let page = page(command)?;
        if context.output.is_json() {
            context.output.document(&json!({ "page": String::from_utf8_lossy(&page) }))?;
        } else {
            context.output.bytes(&page)?;
        }
        return Ok(Exit::Done);
    };
    let mut pages = Vec::new();
    collect("mainstay", &command, &mut pages)?;
    fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
    let mut written = Vec::new();
    for (name, page) in pages {
        let path = directory.join(format!("{name}.1"));
        StateFile::public(&path).write(&page).map_err(|error| Failure::of(Exit::No, &error))?;
        written.push(path.display().to_string());
    }
    if context.output.is_json() {
        context.output.document(&json!({ "written": written }))?;
    } else {
        for path in &written {
            context.output.line(path)?;
        }
    }
    Ok(Exit::Done)
}

fn collect(
    name: &str,
    command: &clap::Command,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Failure> {
    let own: &'static str = Box::leak(name.to_owned().into_boxed_str());
    pages.push((name.to_owned(), page(command.clone().name(own))?));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        collect(&format!("{name}-{}", below.get_name()), below, pages)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Failure::output(&error))?;
    Ok(page)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::No, format!("cannot make the directory `{}`", path.display())).because(error)
}
