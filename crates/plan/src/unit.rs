//! The plan's unit of progress: something that must be done, and what must be done before it.
//!
//! Databases, builds, migrations, services are all units; what differs is the work. Control walks
//! the graph and knows no kind of database or language.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InstancePlan, JobPlan, Template};

/// One node of the graph of work.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct UnitPlan {
    /// Unique: `db`, `db/init`, `build/api`, `migrate/db`, `api`.
    pub id: String,
    /// The service or database it belongs to.
    pub node: String,
    /// What people see while it is under way: `building`, `migrating`.
    pub activity: String,
    /// Units that must be done or ready first.
    pub needs: Vec<String>,
    /// What is to be done.
    pub work: Work,
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A job of the supervisor's, once.
    Prepare {
        /// The job.
        job: JobPlan,
        /// How it is known that it need not run.
        done: Done,
    },
    /// Instances that are kept running; ready when at least one is, whole when all are.
    Run {
        /// The instances.
        instances: Vec<InstancePlan>,
    },
    /// Database migrations.
    Migrate {
        /// What to migrate with what.
        migration: MigrationPlan,
    },
    /// A file of SQL, run once for each content it has had.
    Seed {
        /// Where.
        url: Template,
        /// The file, absolute.
        file: PathBuf,
    },
    /// A database elsewhere that must answer.
    Reach {
        /// Its URL.
        url: Template,
        /// How it is asked.
        by: Reach,
        /// How long to wait for it.
        within: Duration,
    },
}

/// How a database elsewhere is asked whether it is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// By logging in as PostgreSQL's clients do.
    Postgres,
    /// By a connection that is accepted.
    Tcp,
}

/// How it is known that a preparation need not run.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Done {
    /// This path exists; it appears by a rename at the end.
    pub exists: Option<PathBuf>,
    /// The preparation was recorded as done with this digest.
    pub digest: Option<String>,
}

/// What to migrate with what.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct MigrationPlan {
    /// The database's name in the manifest.
    pub database: String,
    /// Where it is reached, as its owner.
    pub url: Template,
    /// The directory of `NNN_name.up.sql` files, absolute.
    pub directory: PathBuf,
    /// Digest of the files, so that new ones are applied while it runs.
    pub digest: String,
    /// Whether each `up` needs its `down`.
    pub undo_required: bool,
}
