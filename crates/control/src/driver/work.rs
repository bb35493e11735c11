//! Work that control does itself, because it is about decisions and not about processes:
//! migrations, seeds, waiting for a database that is elsewhere.

use std::collections::BTreeMap;

use base::Secret;
use plan::{MigrationPlan, Template, UnitPlan, Work};

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
        Work::Reach { url, within } => match fill(url, secrets) {
            Ok(url) => migrations::reach(&url, *within)
                .await
                .map(|()| vec!["reached".to_owned()])
                .map_err(|error| failed("it does not answer", &error)),
            Err(failure) => Err(failure),
        },
        Work::Prepare { .. } | Work::Run { .. } => Ok(Vec::new()),
    };
    Input::Worked { unit: unit.id, result }
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
