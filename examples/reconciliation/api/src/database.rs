//! Connections to PostgreSQL: a primary that takes writes, and a replica for reads that may lag.
//!
//! Connections are opened when they are needed, so that the process starts without a database and
//! `/ready` tells the difference. Reads that find the replica gone go to the primary: counted and
//! logged, because it is right for a minute and wrong for a day.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Timeouts,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::config::Config;
use crate::log;
use crate::metrics::Metrics;

/// Waiting longer for a connection than this only builds a queue.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

pub struct Database {
    primary: Pool,
    replica: Pool,
    /// Whether the last read of the replica failed, so that the log says it once.
    replica_failing: AtomicBool,
}

/// Why a database operation failed.
#[derive(Debug)]
pub enum DatabaseError {
    /// No connection, or none in time.
    Connect(PoolError),
    Query(tokio_postgres::Error),
}

/// Which of the two answers a read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The replica: the answer may be some milliseconds old.
    MayLag,
    /// The primary: the caller reads what it just wrote.
    ReadsOwnWrite,
}

impl Database {
    pub fn new(config: &Config) -> Self {
        Self {
            primary: pool(&config.primary, config.pool),
            replica: pool(&config.replica, config.pool),
            replica_failing: AtomicBool::new(false),
        }
    }

    /// A connection to the primary.
    pub async fn primary(&self) -> Result<Object, DatabaseError> {
        Ok(self.primary.get().await?)
    }

    /// Runs one reading statement.
    pub async fn read(
        &self,
        freshness: Freshness,
        sql: &str,
        parameters: Parameters<'_>,
        metrics: &Metrics,
    ) -> Result<Vec<Row>, DatabaseError> {
        if freshness == Freshness::ReadsOwnWrite {
            return query(&self.primary, sql, parameters).await;
        }
        match query(&self.replica, sql, parameters).await {
            Err(error) if error.is_about_the_server() => {
                metrics.replica_fallbacks.inc();
                if !self.replica_failing.swap(true, Ordering::Relaxed) {
                    let fields = [("reason", error.to_string().into())];
                    log::warn("replica failed, reading from the primary", &fields);
                }
                query(&self.primary, sql, parameters).await
            }
            result => {
                if self.replica_failing.swap(false, Ordering::Relaxed) {
                    log::info("replica is back", &[]);
                }
                result
            }
        }
    }

    pub async fn ping_primary(&self) -> Result<(), DatabaseError> {
        query(&self.primary, "select 1", &[]).await.map(drop)
    }

    pub async fn ping_replica(&self) -> Result<(), DatabaseError> {
        query(&self.replica, "select 1", &[]).await.map(drop)
    }
}

async fn query(
    pool: &Pool,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, DatabaseError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}

fn pool(config: &tokio_postgres::Config, size: usize) -> Pool {
    let mut config = config.clone();
    config.application_name("reconciliation-api").connect_timeout(CONNECT_TIMEOUT);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, recycling);
    let timeouts = Timeouts {
        wait: Some(ACQUIRE_TIMEOUT),
        create: Some(ACQUIRE_TIMEOUT),
        recycle: Some(ACQUIRE_TIMEOUT),
    };
    Pool::builder(manager)
        .max_size(size)
        .timeouts(timeouts)
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .build()
        .expect("a runtime is set, which is all that timeouts need")
}

impl DatabaseError {
    /// Whether another server could have answered: no connection, shutting down, or a replica
    /// that had to cancel the query.
    pub fn is_about_the_server(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Query(error) => match error.code() {
                None => error.is_closed() || std::error::Error::source(error).is_some(),
                Some(code) => code.code().starts_with("57P") || code.code() == "40001",
            },
        }
    }

    /// Whether a unique constraint refused the row.
    pub fn is_duplicate(&self) -> bool {
        use tokio_postgres::error::SqlState;
        matches!(self, Self::Query(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(PoolError::Backend(error)) => {
                write!(f, "cannot connect: {}", Cause(error))
            }
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Query(error) => write!(f, "{}", Cause(error)),
        }
    }
}

/// PostgreSQL's own words, which `tokio_postgres::Error` keeps in its source.
struct Cause<'a>(&'a tokio_postgres::Error);

impl std::fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.as_db_error(), std::error::Error::source(self.0)) {
            (Some(error), _) => write!(f, "{}", error.message()),
            (None, Some(source)) => write!(f, "{source}"),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        Self::Connect(error)
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error)
    }
}
