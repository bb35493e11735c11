//! `mainstay run`: a job of the manifest's, to its end.

use clap::Args;
use control::Answer;

use super::Context;
use crate::client::{Client, encoded};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::place;
use crate::wait;

/// Run a job to its end; exits with 1 when it fails
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The job's name
    job: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    if !context.output.is_json() {
        context.output.note(&format!("running `{}` ...", crate::text::sanitized(&args.job, false)));
    }
    let path = format!("/api/run/{}", encoded(&args.job));
    let client = Client::new(&place.location);
    let answer: Answer = wait::block_on_until_interrupted(client.post(&path, &()))?;
    super::tell(context, &answer)?;
    Ok(match answer {
        Answer::Job { ok: false, .. } => Exit::No,
        _ => Exit::Done,
    })
}
