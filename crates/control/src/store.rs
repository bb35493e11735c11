//! Decisions and events, in SQLite. Control is the only writer.
//!
//! The journal is a write-ahead log with `synchronous = NORMAL`: a crash of the process loses
//! nothing, a loss of power may lose the last moments but never consistency. What is lost then is
//! found again by observation (a data directory that exists need not be recorded as prepared).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use plan::SupervisorPlan;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{Event, EventKind, Level};

/// Events beyond this many are forgotten, oldest first.
const MOST_EVENTS: i64 = 20_000;

/// Each entry takes the database from its index to the next version.
const SCHEMA: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE ports (slot TEXT PRIMARY KEY, port INTEGER NOT NULL UNIQUE) STRICT;
    CREATE TABLE prepared (unit TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
    CREATE TABLE job_ends (
        job TEXT PRIMARY KEY, at INTEGER NOT NULL, ok INTEGER NOT NULL, text TEXT NOT NULL
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, level TEXT NOT NULL,
        subject TEXT NOT NULL, instance TEXT, kind TEXT NOT NULL, text TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
"];

/// The database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or is damaged.
    #[error("cannot open the state database `{}`", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// Written by a newer Mainstay.
    #[error("the state database `{}` was written by a newer version of Mainstay", path.display())]
    Newer {
        /// Where it is.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("cannot {attempt} in the state database")]
    Statement {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// A value in it cannot be understood.
    #[error("the state database holds a value that cannot be understood")]
    Malformed(#[from] serde_json::Error),
}

/// How a job last ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobEnd {
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Whether it exited with 0.
    pub ok: bool,
    /// How.
    pub text: String,
}

impl Store {
    /// Opens it, making or upgrading it as needed.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is damaged, or is newer than this program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Open { path: path.to_owned(), source };
        private(path)
            .map_err(|error| fail(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        connection.pragma_update(None, "cache_size", -512).map_err(fail)?;
        let version: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
        let Some(missing) = usize::try_from(version).ok().and_then(|done| SCHEMA.get(done..))
        else {
            return Err(StoreError::Newer { path: path.to_owned() });
        };
        for (number, statements) in (version + 1..).zip(missing) {
            let change = connection.transaction().map_err(fail)?;
            change.execute_batch(statements).map_err(fail)?;
            change.pragma_update(None, "user_version", number).map_err(fail)?;
            change.commit().map_err(fail)?;
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// The generation of the last applied plan; 0 when there was none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn generation(&self) -> Result<u64, StoreError> {
        let text: Option<String> = self
            .lock()
            .query_row("SELECT value FROM meta WHERE key = 'generation'", [], |row| row.get(0))
            .optional()
            .map_err(failed("read the generation"))?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// Records the generation before it is applied, so that it never goes back.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn set_generation(&self, generation: u64) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "INSERT INTO meta VALUES ('generation', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [generation.to_string()],
            )
            .map(drop)
            .map_err(failed("record the generation"))
    }

    /// What the supervisor was told last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn told(&self) -> Result<Option<SupervisorPlan>, StoreError> {
        let text: Option<String> = self
            .lock()
            .query_row("SELECT value FROM meta WHERE key = 'told'", [], |row| row.get(0))
            .optional()
            .map_err(failed("read the last plan"))?;
        // A plan of another version of Mainstay is as good as none: everything is started anew.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Records what the supervisor is told, before it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn set_told(&self, plan: &SupervisorPlan) -> Result<(), StoreError> {
        let text = serde_json::to_string(plan)?;
        self.lock()
            .execute(
                "INSERT INTO meta VALUES ('told', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [text],
            )
            .map(drop)
            .map_err(failed("record a plan"))
    }

    /// Every slot and its port.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn ports(&self) -> Result<Vec<(String, u16)>, StoreError> {
        let connection = self.lock();
        let attempt = "read the ports";
        let mut statement =
            connection.prepare("SELECT slot, port FROM ports").map_err(failed(attempt))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(failed(attempt))
    }

    /// Gives a slot its port, in place of any it had.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn set_port(&self, slot: &str, port: u16) -> Result<(), StoreError> {
        self.lock()
            .execute("INSERT OR REPLACE INTO ports VALUES (?1, ?2)", params![slot, port])
            .map(drop)
            .map_err(failed("record a port"))
    }

    /// The digest that a unit was last prepared with.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn prepared(&self, unit: &str) -> Result<Option<String>, StoreError> {
        self.lock()
            .query_row("SELECT digest FROM prepared WHERE unit = ?1", [unit], |row| row.get(0))
            .optional()
            .map_err(failed("read a preparation"))
    }

    /// Records that a unit was prepared.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn set_prepared(&self, unit: &str, digest: &str) -> Result<(), StoreError> {
        self.lock()
            .execute("INSERT OR REPLACE INTO prepared VALUES (?1, ?2)", [unit, digest])
            .map(drop)
            .map_err(failed("record a preparation"))
    }

    /// How a job last ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn job_end(&self, job: &str) -> Result<Option<JobEnd>, StoreError> {
        self.lock()
            .query_row("SELECT at, ok, text FROM job_ends WHERE job = ?1", [job], |row| {
                Ok(JobEnd { at: row.get(0)?, ok: row.get(1)?, text: row.get(2)? })
            })
            .optional()
            .map_err(failed("read a job's end"))
    }

    /// Records how a job ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn set_job_end(&self, job: &str, end: &JobEnd) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "INSERT OR REPLACE INTO job_ends VALUES (?1, ?2, ?3, ?4)",
                params![job, end.at, end.ok, end.text],
            )
            .map(drop)
            .map_err(failed("record a job's end"))
    }

    /// Appends an event and returns it with its number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn append(&self, mut event: Event) -> Result<Event, StoreError> {
        let connection = self.lock();
        let attempt = "record an event";
        connection
            .execute(
                "INSERT INTO events (at, level, subject, instance, kind, text, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    event.at,
                    serde_json::to_string(&event.level)?,
                    event.subject,
                    event.instance,
                    serde_json::to_string(&event.kind)?,
                    event.text,
                    serde_json::to_string(&event.detail)?,
                ],
            )
            .map_err(failed(attempt))?;
        event.id = connection.last_insert_rowid();
        if event.id % 100 == 0 {
            connection
                .execute("DELETE FROM events WHERE id <= ?1", [event.id - MOST_EVENTS])
                .map_err(failed(attempt))?;
        }
        Ok(event)
    }

    /// At most `limit` events above `after`, in order; the newest when there are more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn events(&self, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let connection = self.lock();
        let attempt = "read events";
        let mut statement = connection
            .prepare(
                "SELECT id, at, level, subject, instance, kind, text, detail FROM events
                 WHERE ?1 < id ORDER BY id DESC LIMIT ?2",
            )
            .map_err(failed(attempt))?;
        let rows = statement.query_map(params![after, limit], read_event);
        let mut events: Vec<Event> = rows
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(failed(attempt))?
            .into_iter()
            .collect::<Result<_, serde_json::Error>>()?;
        events.reverse();
        Ok(events)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no holder of the lock panics")
    }
}

/// Makes the file so that only its owner reads it; SQLite gives its companions the same mode.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path).map(drop)
}

fn failed(attempt: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Statement { attempt, source }
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<Result<Event, serde_json::Error>> {
    let (id, at) = (row.get(0)?, row.get(1)?);
    let (level, kind, detail): (String, String, String) = (row.get(2)?, row.get(5)?, row.get(7)?);
    let (subject, instance, text) = (row.get(3)?, row.get(4)?, row.get(6)?);
    let parsed = || -> Result<(Level, EventKind, Vec<String>), serde_json::Error> {
        let level = serde_json::from_str(&level)?;
        Ok((level, serde_json::from_str(&kind)?, serde_json::from_str(&detail)?))
    };
    Ok(parsed().map(|(level, kind, detail)| Event {
        id,
        at,
        level,
        subject,
        instance,
        kind,
        text,
        detail,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event {
            id: 0,
            at: 1,
            level: Level::Info,
            subject: "api".into(),
            instance: Some("api-1".into()),
            kind: EventKind::Instance,
            text: text.into(),
            detail: vec!["line".into()],
        }
    }

    #[test]
    fn what_was_recorded_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.db");
        let store = Store::open(&path).unwrap();
        store.set_generation(7).unwrap();
        store.set_port("api-1", 12_345).unwrap();
        store.set_prepared("db/init", "abc").unwrap();
        let first = store.append(event("one")).unwrap();
        store.append(event("two")).unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.generation().unwrap(), 7);
        assert_eq!(store.ports().unwrap(), [("api-1".to_owned(), 12_345)]);
        assert_eq!(store.prepared("db/init").unwrap().unwrap(), "abc");
        assert_eq!(store.events(0, 10).unwrap().len(), 2);
        assert_eq!(store.events(first.id, 10).unwrap().first().unwrap().text, "two");
        assert_eq!(store.events(0, 1).unwrap().first().unwrap().text, "two");
    }

    #[test]
    fn a_newer_or_damaged_database_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.db");
        drop(Store::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Newer { .. })));
        let broken = directory.path().join("broken.db");
        runtime::StateFile::private(&broken).write(&[7; 4_096]).unwrap();
        assert!(matches!(Store::open(&broken), Err(StoreError::Open { .. })));
    }
}
