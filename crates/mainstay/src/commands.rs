//! The catalogue of commands: one file each, with its arguments and `run`.

pub(crate) mod check;
mod completions;
mod diff;
mod env;
mod init;
mod man;
mod schema;
mod secret;
mod why;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::{Cli, Globals};
use crate::env::Env;
use crate::failure::Failure;
use crate::output::Output;
use crate::processes::{self, Process};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a manifest from what is in a directory
    Init(init::InitArgs),
    /// Find every mistake of the manifest at once
    Check(check::CheckArgs),
    /// Say what holds for a path of the manifest, and what decided
    Why(why::WhyArgs),
    /// Say what two environments do differently
    Diff(diff::DiffArgs),
    /// Print the variables that programs are given
    Env(env::EnvArgs),
    /// Set, list and remove secrets
    Secret(secret::SecretArgs),
    /// Print the manifest's JSON Schema, for editors
    Schema(schema::SchemaArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(man::ManArgs),
    /// What this binary becomes when another process of its own starts it
    #[command(flatten)]
    Process(Process),
}

/// What a command is given besides its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The flags that every command takes.
    pub(crate) globals: Globals,
    /// What was read of the environment.
    pub(crate) env: Env,
    /// Where to print.
    pub(crate) output: Output,
}

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli, env: Env, output: Output) -> Result<ExitCode, Failure> {
    let context = Context { globals: cli.globals, env, output };
    let outcome = match cli.command {
        Command::Init(args) => init::run(&context, &args),
        Command::Check(args) => check::run(&context, &args),
        Command::Why(args) => why::run(&context, &args),
        Command::Diff(args) => diff::run(&context, &args),
        Command::Env(args) => env::run(&context, &args),
        Command::Secret(args) => secret::run(&context, args),
        Command::Schema(args) => schema::run(&context, &args),
        Command::Completions(args) => completions::run(&context, &args),
        Command::Man(args) => man::run(&context, &args),
        Command::Process(process) => return processes::run(&context, process),
    };
    outcome.map(ExitCode::from)
}
