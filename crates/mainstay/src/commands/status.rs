//! `mainstay status`: how everything is now.

use clap::Args;
use control::{AppStatus, Health, State};

use super::Context;
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::live;
use crate::place;
use crate::server::ConsoleAddress;
use crate::wait;

/// Say how everything is now; exits with 0 when well, 1 when failing, 69 when nothing runs
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {}

/// Runs the command.
pub(crate) fn run(context: &Context, _args: &StatusArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let client = Client::new(&place.location);
    let (status, console) = wait::block_on_until_interrupted(async {
        let status: AppStatus = client.get("/api/status").await?;
        let console: ConsoleAddress = client.get("/api/console").await?;
        Ok((status, console))
    })?;
    if context.output.is_json() {
        context.output.document(&status)?;
    } else {
        print(context, &status, &console.url)?;
    }
    Ok(exit(&status))
}

fn exit(status: &AppStatus) -> Exit {
    match (&status.health, status.state) {
        (Health::Ok { .. } | Health::Held { .. } | Health::NotMeasured { .. }, _) => Exit::Done,
        (Health::Failing { .. } | Health::Stale { .. }, _) => Exit::No,
    }
}

fn print(context: &Context, status: &AppStatus, console: &str) -> Result<(), Failure> {
    let out = &context.output;
    let columns = live::Screen::columns(out);
    for line in live::table(status, console, columns, out.has_colour()) {
        out.line(&line)?;
    }
    if status.state == State::Starting {
        out.note("it is still coming up; `mainstay events -f` shows how far it is");
    }
    Ok(())
}
