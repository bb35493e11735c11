//! Work that control does itself, because it is about decisions and not about processes:
//! migrations, seeds, waiting for a database that is elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Secret;
use plan::{MigrationPlan, Reach, Template, UnitPlan, Work};

use crate::input::Input;
use crate::migrations::{self, MigrationError};
use crate::progress::Failure;
use crate::{Answer, Refusal, RefusalKind, Request};

/// Does a unit's work and tells how it ended.
pub(super) async fn work(unit: UnitPlan, secrets: &BTreeMap<String, Secret>) -> Input {
    let result = match &unit.work {
        Work::Migrate { migration } => migrate(migration, secrets).await,
        Work::Seed { url, file } => match fill(url, secrets) {
            Ok(url) => migrations::seed(&url, file)
                .await
                .map(|ran| if ran { vec!["seeded".to_owned()] } else { Vec::new() })
                .map_err(|error| failed("seeding failed", &error)),
            Err(failure) => Err(failure),
        },
        Work::Reach { url, by: Reach::Postgres, within } => match fill(url, secrets) {
            Ok(url) => migrations::reach(&url, *within)
                .await
                .map(|()| vec!["reached".to_owned()])
                .map_err(|error| failed("it does not answer", &error)),
            Err(failure) => Err(failure),
        },
        Work::Reach { url, by: Reach::Tcp, within } => match fill(url, secrets) {
            Ok(url) => connects(&url, *within).await,
            Err(failure) => Err(failure),
        },
        Work::Prepare { .. } | Work::Run { .. } => Ok(Vec::new()),
    };
    Input::Worked { unit: unit.id, result }
}

/// Waits until the host and port of a URL accept a connection.
async fn connects(url: &Secret, within: Duration) -> Result<Vec<String>, Failure> {
    let fail = |reason: String| Failure { reason, detail: Vec::new() };
    let Some(address) = address(url.reveal()) else {
        return Err(fail("its URL names no host and port".to_owned()));
    };
    let deadline = tokio::time::Instant::now() + within;
    loop {
        match tokio::net::TcpStream::connect(&address).await {
            Ok(_stream) => return Ok(vec!["reached".to_owned()]),
            Err(error) if deadline <= tokio::time::Instant::now() => {
                return Err(fail(format!("{address} does not answer: {error}")));
            }
            Err(_not_yet) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// The host and port of `scheme://user:password@host:port/path`; Redis' port when there is none.
fn address(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:6379") })
}

async fn migrate(
    migration: &MigrationPlan,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Vec<String>, Failure> {
    let url = fill(&migration.url, secrets)?;
    match migrations::up(&url, migration, false).await {
        Ok(done) => Ok(done.iter().map(|name| format!("applied {name}")).collect()),
        Err(error) => Err(failed("migrating failed", &error)),
    }
}

/// Answers a request about migrations.
pub(super) async fn migrations(
    plan: &MigrationPlan,
    request: &Request,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Answer, Refusal> {
    let refused = |failure: Failure| Refusal {
        kind: RefusalKind::Failed,
        title: failure.reason,
        detail: failure.detail,
        help: None,
    };
    let url = fill(&plan.url, secrets).map_err(refused)?;
    let done = match request {
        Request::MigrateUp { dry_run, .. } => migrations::up(&url, plan, *dry_run).await,
        Request::MigrateDown { count, dry_run, .. } => {
            migrations::down(&url, plan, *count, *dry_run).await
        }
        _ => Ok(Vec::new()),
    };
    let done = done.map_err(|error| refused(failed("migrating failed", &error)))?;
    let all = migrations::status(&url, plan).await;
    let migrations = all.map_err(|error| refused(failed("migrating failed", &error)))?;
    Ok(Answer::Migrations { database: plan.database.clone(), migrations, done })
}

fn fill(url: &Template, secrets: &BTreeMap<String, Secret>) -> Result<Secret, Failure> {
    url.fill(secrets).map_err(|missing| Failure {
        reason: format!("the secret `{missing}` has no value"),
        detail: Vec::new(),
    })
}

fn failed(what: &str, error: &MigrationError) -> Failure {
    Failure { reason: format!("{what}: {error}"), detail: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_port_of_a_url_are_found() {
        let check = |url, expected: Option<&str>| {
            assert_eq!(address(url), expected.map(str::to_owned), "{url}");
        };
        check("redis://:p@ss@cache.example.com:7000/0", Some("cache.example.com:7000"));
        check("redis://localhost", Some("localhost:6379"));
        check("rediss://[::1]:6380?x=1", Some("[::1]:6380"));
        check("localhost:1", None);
        check("redis:///0", None);
    }
}
