//! `mainstay migrate`: changes to a database's schema, applied and undone by control.

use clap::{Args, Subcommand};
use control::Answer;

use super::Context;
use crate::client::{Client, encoded};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::place;
use crate::server::MigrateRequest;
use crate::wait;

/// Look at, apply and undo database migrations
#[derive(Args, Debug)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    action: Action,
}

/// What to do with migrations.
#[derive(Debug, Subcommand)]
enum Action {
    /// Say which are applied; exits with 1 when one has a problem
    Status {
        /// The database; left out: the only one that has migrations
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// Apply those that are not
    Up {
        /// The database; left out: the only one that has migrations
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// Say what would be done and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Undo the newest
    Down {
        /// The database; left out: the only one that has migrations
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
        /// Say what would be done and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: MigrateArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let client = Client::new(&place.location);
    let answer: Answer = wait::block_on_until_interrupted(async {
        match args.action {
            Action::Status { database } => {
                let query = database.map(|name| format!("?database={}", encoded(&name)));
                client.get(&format!("/api/migrations{}", query.unwrap_or_default())).await
            }
            Action::Up { database, dry_run } => {
                let request = MigrateRequest { database, count: None, dry_run };
                client.post("/api/migrations/up", &request).await
            }
            Action::Down { database, count, dry_run } => {
                let request = MigrateRequest { database, count: Some(count), dry_run };
                client.post("/api/migrations/down", &request).await
            }
        }
    })?;
    super::tell(context, &answer)?;
    Ok(match &answer {
        Answer::Migrations { migrations, .. }
            if migrations.iter().any(|one| one.problem.is_some()) =>
        {
            Exit::No
        }
        _ => Exit::Done,
    })
}
