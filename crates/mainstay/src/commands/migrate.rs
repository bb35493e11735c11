//! `mainstay migrate`: changes to a database's schema, applied and undone by control.

use clap::{Args, Subcommand};
use control::{Answer, MigrationView};

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

impl Action {
    /// What is done to a migration, for those that do something.
    const fn verb(&self) -> Option<&'static str> {
        match self {
            Self::Status { .. } => None,
            Self::Up { dry_run: false, .. } => Some("applied"),
            Self::Up { dry_run: true, .. } => Some("would apply"),
            Self::Down { dry_run: false, .. } => Some("undone"),
            Self::Down { dry_run: true, .. } => Some("would undo"),
        }
    }
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: MigrateArgs) -> Outcome {
    let place = place::of_running(context)?;
    place.require_running()?;
    let client = Client::new(&place.location);
    let verb = args.action.verb();
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
    match (verb, &answer) {
        (Some(verb), Answer::Migrations { migrations, done, .. }) if !context.output.is_json() => {
            for line in account(verb, migrations, done) {
                context.output.line(&line)?;
            }
        }
        _ => super::tell(context, &answer)?,
    }
    Ok(match &answer {
        Answer::Migrations { migrations, .. }
            if migrations.iter().any(|one| one.problem.is_some()) =>
        {
            Exit::No
        }
        _ => Exit::Done,
    })
}

/// What was done, and what is wrong all the same.
fn account(verb: &str, migrations: &[MigrationView], done: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = done.iter().map(|name| format!("{verb} {name}")).collect();
    if lines.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    let problems = migrations.iter().filter_map(|one| {
        let problem = one.problem.as_ref()?;
        Some(format!("{:03}_{} {problem}", one.number, one.name))
    });
    lines.extend(problems);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(action: &Action, done: &[&str], expected: &[&str]) {
        let done: Vec<String> = done.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(account(action.verb().unwrap(), &[], &done), expected);
    }

    #[test]
    fn every_migration_that_is_touched_is_named() {
        let up = |dry_run| Action::Up { database: None, dry_run };
        let down = |dry_run| Action::Down { database: None, count: 1, dry_run };
        check(&up(false), &["001_x", "002_y"], &["applied 001_x", "applied 002_y"]);
        check(&up(true), &["001_x"], &["would apply 001_x"]);
        check(&down(false), &["001_x"], &["undone 001_x"]);
        check(&down(true), &["001_x"], &["would undo 001_x"]);
        check(&up(false), &[], &["nothing to do"]);
    }
}
