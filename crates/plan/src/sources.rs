//! What of the project each build reads: what must be digested before a plan can be made.

use manifest::{BuildIntent, Manifest};

use crate::resolve;

/// The sources of one service's or job's build, or a database's migrations; paths are relative to
/// the manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourcePlan {
    /// The service or job.
    pub name: String,
    /// The directory.
    pub path: String,
    /// Other files and directories.
    pub also: Vec<String>,
    /// Files that name dependencies, relative to `path`.
    pub locks: Vec<String>,
}

/// Every build's sources; builds with mistakes in their keys are left out.
#[must_use]
pub fn sources(manifest: &Manifest) -> Vec<SourcePlan> {
    let services = manifest.services.iter().map(|one| (one.name.as_str(), one.build.as_ref()));
    let jobs = manifest.jobs.iter().map(|one| (one.name.as_str(), one.build.as_ref()));
    let migrations = manifest.databases.iter().filter_map(|database| {
        Some(SourcePlan {
            name: of_migrations(&database.name),
            path: database.migrations.as_ref()?.path.value.clone(),
            also: Vec::new(),
            locks: Vec::new(),
        })
    });
    let builds = services.chain(jobs).filter_map(|(name, build)| source(name, build?));
    builds.chain(migrations).collect()
}

/// The name under which a database's migrations are digested.
pub(crate) fn of_migrations(database: &str) -> String {
    format!("{database}/migrate")
}

fn source(name: &str, build: &BuildIntent) -> Option<SourcePlan> {
    let recipe = resolve::recipe(build)?;
    Some(SourcePlan {
        name: name.to_owned(),
        path: recipe.path().to_owned(),
        also: recipe.also(),
        locks: recipe.locks().iter().map(|&lock| lock.to_owned()).collect(),
    })
}
