//! One file says what your application needs; this binary carries it.
//!
//! The top layer: it reads the command line and the environment, prints, and answers the admin API.
//! How anything works is known below.

mod cli;
mod client;
mod commands;
mod console;
mod detect;
mod draft;
mod ending;
mod env;
mod environment;
mod exit;
mod failure;
mod front;
mod live;
mod machine;
mod output;
mod place;
mod processes;
mod project;
mod reference;
mod server;
mod text;
mod wait;

use std::panic;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::env::Env;
use crate::exit::Exit;
use crate::output::Output;

fn main() -> ExitCode {
    let env = Env::read();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let output = Output::new(cli.globals.json, !(env.plain || cli.globals.no_color));
    say_so_when_it_is_our_fault(output);
    let ended = panic::catch_unwind(|| {
        commands::run(cli, env, output).unwrap_or_else(|failure| failure.tell(&output).into())
    });
    // The hook has told it.
    ended.unwrap_or_else(|_told| Exit::Bug.into())
}

/// A command line that makes no sense, or one that asks for help.
fn refuse(error: &clap::Error) -> ExitCode {
    // A reader that has gone does not care.
    drop(error.print());
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// One line instead of a dump: what broke, where, and that the user is not to blame.
fn say_so_when_it_is_our_fault(output: Output) {
    panic::set_hook(Box::new(move |info| {
        crate::text::restore_terminal();
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let message = info.payload_as_str().unwrap_or("no message");
        output.note(&format!(
            "error: this is a bug in Mainstay {}: {message} (at {})",
            env!("CARGO_PKG_VERSION"),
            place.as_deref().unwrap_or("an unknown place")
        ));
        output.note(
            "help: report it with this line and the command you typed; your data is untouched",
        );
    }));
}
