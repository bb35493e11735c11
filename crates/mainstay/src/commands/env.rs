//! `mainstay env`: what programs are given, for people who run one by hand.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::project::Project;

/// Print the variables that programs are given
#[derive(Args, Debug)]
pub(crate) struct EnvArgs {
    #[command(subcommand)]
    form: Form,
}

/// How they are printed.
#[derive(Debug, Subcommand)]
enum Form {
    /// As .env.example: secrets are named and left empty
    Example,
    /// As a reference in Markdown
    Reference,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &EnvArgs) -> Outcome {
    let project = Project::read(context)?;
    let manifest = super::check::require_valid(context, &project)?;
    let text = match args.form {
        Form::Example => manifest::env_example(&manifest),
        Form::Reference => manifest::variables(&manifest),
    };
    if context.output.is_json() {
        context.output.document(&json!({ "environment": manifest.environment, "text": text }))?;
    } else {
        context.output.text(&text)?;
    }
    Ok(Exit::Done)
}
