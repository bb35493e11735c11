//! What the admin API may ask of control. Reading never waits for the loop; changing is a request
//! that the loop answers.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::samples::Samples;
use crate::store::{Store, StoreError};
use crate::{AppStatus, Event, Series};

/// A way to the loop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) status: watch::Receiver<Arc<AppStatus>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) requests: mpsc::Sender<(Request, oneshot::Sender<Result<Answer, Refusal>>)>,
    pub(crate) samples: Arc<dyn Samples>,
    pub(crate) store: Store,
    pub(crate) logs: std::path::PathBuf,
}

/// Something that changes what runs.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Starts every instance of a service or database anew, one after the other.
    Restart {
        /// The service's or database's name.
        service: String,
    },
    /// Runs a job of the manifest's to its end.
    Run {
        /// The job's name.
        job: String,
    },
    /// Reads the manifest again and applies what changed.
    Reload,
    /// Tells which migrations are applied.
    MigrationStatus {
        /// The database; left out: the only one that has migrations.
        database: Option<String>,
    },
    /// Applies migrations.
    MigrateUp {
        /// The database; left out: the only one that has migrations.
        database: Option<String>,
        /// Says what would be done and does nothing.
        dry_run: bool,
    },
    /// Undoes the newest migrations.
    MigrateDown {
        /// The database; left out: the only one that has migrations.
        database: Option<String>,
        /// How many.
        count: u32,
        /// Says what would be done and does nothing.
        dry_run: bool,
    },
    /// How to start an interactive client; holds a password and is given to the owner only.
    Connect {
        /// The database's name, `db` or `db.replica`.
        name: String,
    },
    /// Stops everything in order, control last; the answer comes when it has begun.
    Down,
}

/// What became of a request.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// Done, or begun where the request says so.
    Done {
        /// One line.
        text: String,
    },
    /// How a job ended.
    Job {
        /// Whether it exited with 0.
        ok: bool,
        /// How it ended: `exited with 0 after 1.2s`.
        text: String,
        /// Its last lines.
        lines: Vec<String>,
    },
    /// The migrations of a database.
    Migrations {
        /// The database.
        database: String,
        /// In order.
        migrations: Vec<MigrationView>,
        /// What was done, or would be.
        done: Vec<String>,
    },
    /// A client to be started.
    Client {
        /// Absolute path.
        program: String,
        /// Arguments.
        arguments: Vec<String>,
        /// Variables; one of them is the password.
        environment: Vec<(String, String)>,
    },
}

/// One migration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct MigrationView {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub applied_at: Option<i64>,
    /// What is wrong with it: changed after it was applied, its file is missing, no way back.
    pub problem: Option<String>,
}

/// Why a request was not carried out; nothing was changed unless the text says so.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, thiserror::Error)]
#[error("{title}")]
pub struct Refusal {
    /// What decides the exit code and the HTTP status.
    pub kind: RefusalKind,
    /// A lowercase fragment that fits after "error: ".
    pub title: String,
    /// More lines.
    pub detail: Vec<String>,
    /// An imperative sentence.
    pub help: Option<String>,
}

/// What decides the exit code and the HTTP status.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// There is nothing by that name: 404, exit code 2.
    Unknown,
    /// Not in this state of things: 409, exit code 12.
    Conflict,
    /// It was tried and failed: 422, exit code 1.
    Failed,
    /// Not now; try again: 503, exit code 75.
    Unavailable,
}

impl Handle {
    /// The newest status, and a way to wait for the next.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Arc<AppStatus>> {
        self.status.clone()
    }

    /// Events as they happen. Subscribe first, then read the past, so that none is missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// At most `limit` events with an id above `after`; the newest ones when there are more.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let store = self.store.clone();
        // A read of the disk does not belong on a thread that others wait for.
        let read = tokio::task::spawn_blocking(move || store.events(after, limit));
        read.await.expect("reading events does not panic")
    }

    /// What was measured in the last `window_seconds`, by metric.
    #[must_use]
    pub fn samples(&self, metric: &str, window_seconds: u32) -> Vec<Series> {
        self.samples.query(metric, window_seconds)
    }

    /// The directory that the supervisor keeps logs in.
    #[must_use]
    pub fn logs(&self) -> &std::path::Path {
        &self.logs
    }

    /// Asks the loop and waits for its answer. Safe to drop; what was begun goes on.
    ///
    /// # Errors
    ///
    /// The loop's refusal, or that control is stopping.
    pub async fn request(&self, request: Request) -> Result<Answer, Refusal> {
        let stopping = || Refusal {
            kind: RefusalKind::Unavailable,
            title: "control is stopping".to_owned(),
            detail: Vec::new(),
            help: None,
        };
        let (answer, wait) = oneshot::channel();
        self.requests.send((request, answer)).await.map_err(|_closed| stopping())?;
        wait.await.map_err(|_closed| stopping())?
    }
}
