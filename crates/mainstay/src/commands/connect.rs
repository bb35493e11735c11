//! `mainstay connect`: becomes a psql or redis-cli that is connected to a database.
//!
//! The password goes into the client's environment, which only its user can read, and not onto its
//! command line, which everybody can.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use control::Answer;
use serde_json::json;

use super::Context;
use crate::client::{Client, encoded};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::place;
use crate::wait;

/// Open a client of a database, such as psql or redis-cli
#[derive(Args, Debug)]
pub(crate) struct ConnectArgs {
    /// The database's name, such as db or db.replica
    name: String,
    /// Arguments for the client, such as -c 'select 1'
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the command; on success it does not return.
pub(crate) fn run(context: &Context, args: &ConnectArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let path = format!("/api/connect/{}", encoded(&args.name));
    let client = Client::new(&place.location);
    let answer: Answer = wait::block_on_until_interrupted(client.post(&path, &()))?;
    let Answer::Client { program, arguments, environment } = answer else {
        return Err(Failure::new(Exit::Unavailable, "control did not say how to connect"));
    };
    if context.output.is_json() {
        // Who is told the command is not told the password.
        let names: Vec<&String> = environment.iter().map(|(name, _)| name).collect();
        let value = json!({ "program": program, "arguments": arguments, "environment": names });
        context.output.document(&value)?;
        return Ok(Exit::Done);
    }
    let mut command = Command::new(&program);
    command.args(arguments).args(&args.arguments).envs(environment);
    let error = command.exec();
    Err(Failure::new(Exit::No, format!("cannot start `{program}`")).because(&error))
}
