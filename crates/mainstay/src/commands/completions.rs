//! `mainstay completions`: what a shell needs to complete command lines.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Context;
use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Print completions for a shell
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mainstay", &mut script);
    if context.output.is_json() {
        let script = String::from_utf8_lossy(&script);
        context
            .output
            .document(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }))?;
    } else {
        context.output.bytes(&script)?;
    }
    Ok(Exit::Done)
}
