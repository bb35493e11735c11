//! `mainstay restart`: every instance of a service anew, one after the other.

use clap::Args;
use control::Answer;

use super::Context;
use crate::client::{Client, encoded};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::place;
use crate::wait;

/// Start every instance of a service anew, one after the other
#[derive(Args, Debug)]
pub(crate) struct RestartArgs {
    /// The service's or database's name
    service: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &RestartArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let path = format!("/api/restart/{}", encoded(&args.service));
    let client = Client::new(&place.location);
    let answer: Answer = wait::block_on_until_interrupted(client.post(&path, &()))?;
    super::tell(context, &answer)?;
    Ok(Exit::Done)
}
