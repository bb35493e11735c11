//! Database migrations: numbered files up and down, each applied once, in order, by one runner.
//!
//! What was applied is recorded in the database itself, in the schema `mainstay`, with a checksum
//! of the file: a file that is changed after it was applied is an error, never silently different.
//! One transaction holds a file and its record, so that a failing one leaves nothing behind; a file
//! whose first line is `-- mainstay: no transaction` (for `create index concurrently`) gives that
//! up. A session-level advisory lock keeps a second runner waiting.

mod files;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Secret;
use plan::MigrationPlan;
use runtime::TaskGroup;
use tokio_postgres::{Client, NoTls};

use crate::MigrationView;
use files::MigrationFile;
pub use files::MigrationFileError;

/// "mainstay" as a number; any constant that others do not use.
const LOCK: i64 = 0x6d61_696e_7374_6179;

/// A runner waits so long for another before it gives up.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

const TABLE: &str = "
    CREATE SCHEMA IF NOT EXISTS mainstay;
    CREATE TABLE IF NOT EXISTS mainstay.migrations (
        number integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS mainstay.seeds (
        checksum text PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
";

/// Why migrations were not read, applied or undone.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The files are not in order.
    #[error(transparent)]
    Files(#[from] MigrationFileError),
    /// The database cannot be reached.
    #[error("cannot connect to the database: {}", said(source))]
    Connect {
        /// Why not.
        source: tokio_postgres::Error,
    },
    /// A statement of ours failed.
    #[error("cannot {attempt}: {}", said(source))]
    Statement {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        source: tokio_postgres::Error,
    },
    /// Somebody else is migrating.
    #[error("another runner has been migrating this database for {} s", LOCK_PATIENCE.as_secs())]
    Locked,
    /// An applied file is not what it was.
    #[error("{}", .0.join("; "))]
    Changed(Vec<String>),
    /// A file of the user's failed.
    #[error("`{file}`{}: {}", line.map(|line| format!(" line {line}")).unwrap_or_default(), said(source))]
    Failed {
        /// The file's name.
        file: String,
        /// Where in it, when the server says.
        line: Option<usize>,
        /// What the server says.
        source: tokio_postgres::Error,
    },
    /// There is no way back.
    #[error("`{number:03}_{name}` cannot be undone: it has no `.down.sql`")]
    NoWayBack {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
    },
}

/// The server's own words, which the library's message leaves out.
fn said(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || {
            let cause = std::error::Error::source(error);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        },
        |database| match database.hint() {
            Some(hint) => format!("{} ({hint})", database.message()),
            None => database.message().to_owned(),
        },
    )
}

/// One applied migration as the database records it.
struct Applied {
    number: u32,
    name: String,
    checksum: String,
    at: i64,
}

/// A connection and the task that serves it.
struct Session {
    client: Client,
    _connection: TaskGroup<Result<(), tokio_postgres::Error>>,
}

/// Tells which migrations are applied, and what is wrong with any.
///
/// # Errors
///
/// When the files are not in order or the database cannot be read.
pub async fn status(
    url: &Secret,
    plan: &MigrationPlan,
) -> Result<Vec<MigrationView>, MigrationError> {
    let files = files::read(&plan.directory, plan.undo_required)?;
    let session = connect(url).await?;
    let applied = applied(&session.client).await?;
    Ok(views(&files, &applied))
}

/// Applies what is not applied yet; returns what was done, or with `dry_run` would be.
///
/// # Errors
///
/// When the files are not in order, an applied file was changed, or a migration fails; those before
/// it stay applied.
///
/// # Cancellation
///
/// Safe to drop: the server rolls back the file under way.
pub async fn up(
    url: &Secret,
    plan: &MigrationPlan,
    dry_run: bool,
) -> Result<Vec<String>, MigrationError> {
    let files = files::read(&plan.directory, plan.undo_required)?;
    let mut session = connect(url).await?;
    lock(&session.client).await?;
    let applied = applied(&session.client).await?;
    let problems: Vec<String> = views(&files, &applied)
        .into_iter()
        .filter_map(|view| Some(format!("`{:03}_{}` {}", view.number, view.name, view.problem?)))
        .collect();
    if !problems.is_empty() {
        return Err(MigrationError::Changed(problems));
    }
    let newest = applied.iter().map(|applied| applied.number).max().unwrap_or_default();
    let mut done = Vec::new();
    for file in files.iter().filter(|file| newest < file.number || applied.is_empty()) {
        if !dry_run {
            let record = format!(
                "INSERT INTO mainstay.migrations (number, name, checksum) VALUES ({}, '{}', '{}')",
                file.number,
                file.name,
                file.checksum()
            );
            execute(&mut session.client, &file.up_name(), &file.up, &record).await?;
        }
        done.push(format!("{:03}_{}", file.number, file.name));
    }
    Ok(done)
}

/// Undoes the newest `count`; returns what was undone, or with `dry_run` would be.
///
/// # Errors
///
/// When one has no way back or its file fails; those after it stay undone.
pub async fn down(
    url: &Secret,
    plan: &MigrationPlan,
    count: u32,
    dry_run: bool,
) -> Result<Vec<String>, MigrationError> {
    let files = files::read(&plan.directory, false)?;
    let mut session = connect(url).await?;
    lock(&session.client).await?;
    let applied = applied(&session.client).await?;
    let mut done = Vec::new();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let views = views(&files, &applied);
    for migration in applied.iter().rev().take(count) {
        let view = views.iter().find(|view| view.number == migration.number);
        if let Some(problem) = view.and_then(|view| view.problem.clone()) {
            let named = format!("`{:03}_{}` {problem}", migration.number, migration.name);
            return Err(MigrationError::Changed(vec![named]));
        }
        let (number, name) = (migration.number, &migration.name);
        let file = files.iter().find(|file| file.number == number);
        let Some((file, down)) = file.and_then(|file| Some((file, file.down.as_ref()?))) else {
            return Err(MigrationError::NoWayBack { number, name: name.clone() });
        };
        if !dry_run {
            let record = format!("DELETE FROM mainstay.migrations WHERE number = {number}");
            execute(&mut session.client, &file.down_name(), down, &record).await?;
        }
        done.push(format!("{number:03}_{name}"));
    }
    Ok(done)
}

/// Runs a seed file once for each content it has had; says whether it ran.
///
/// # Errors
///
/// When the file cannot be read or fails.
pub async fn seed(url: &Secret, file: &Path) -> Result<bool, MigrationError> {
    let text = files::read_text(file)?;
    let checksum = files::checksum(&text);
    let mut session = connect(url).await?;
    lock(&session.client).await?;
    prepare_tables(&session.client).await?;
    let known = session
        .client
        .query_opt("SELECT 1 FROM mainstay.seeds WHERE checksum = $1", &[&checksum])
        .await
        .map_err(|source| MigrationError::Statement { attempt: "read the seeds", source })?;
    if known.is_some() {
        return Ok(false);
    }
    let record = format!("INSERT INTO mainstay.seeds (checksum) VALUES ('{checksum}')");
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    execute(&mut session.client, &name, &text, &record).await?;
    Ok(true)
}

/// Waits until a database answers.
///
/// # Errors
///
/// The last failure, when it does not answer `within`.
pub async fn reach(url: &Secret, within: Duration) -> Result<(), MigrationError> {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        match connect(url).await {
            Ok(_session) => return Ok(()),
            Err(error) if deadline <= tokio::time::Instant::now() => return Err(error),
            Err(_not_yet) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

async fn connect(url: &Secret) -> Result<Session, MigrationError> {
    let fail = |source| MigrationError::Connect { source };
    let mut config: tokio_postgres::Config = url.reveal().parse().map_err(fail)?;
    config.application_name("mainstay").connect_timeout(Duration::from_secs(10));
    let (client, connection) = config.connect(NoTls).await.map_err(fail)?;
    let mut tasks = TaskGroup::new();
    tasks.spawn("postgres connection", connection);
    Ok(Session { client, _connection: tasks })
}

async fn lock(client: &Client) -> Result<(), MigrationError> {
    let fail = |source| MigrationError::Statement { attempt: "take the migration lock", source };
    // The server does the waiting; the session's end releases the lock.
    let patience = format!("SET lock_timeout = '{}ms'", LOCK_PATIENCE.as_millis());
    client.batch_execute(&patience).await.map_err(fail)?;
    match client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await {
        Ok(_) => {}
        Err(error) if error.code().is_some_and(|code| code.code() == "55P03") => {
            return Err(MigrationError::Locked);
        }
        Err(error) => return Err(fail(error)),
    }
    client.batch_execute("RESET lock_timeout").await.map_err(fail)
}

async fn prepare_tables(client: &Client) -> Result<(), MigrationError> {
    let quiet = format!("SET client_min_messages = warning; {TABLE}; RESET client_min_messages");
    client
        .batch_execute(&quiet)
        .await
        .map_err(|source| MigrationError::Statement { attempt: "prepare the record", source })
}

async fn applied(client: &Client) -> Result<Vec<Applied>, MigrationError> {
    prepare_tables(client).await?;
    let rows = client
        .query(
            "SELECT number, name, checksum, applied_at FROM mainstay.migrations ORDER BY number",
            &[],
        )
        .await
        .map_err(|source| MigrationError::Statement { attempt: "read the record", source })?;
    let read = |row: &tokio_postgres::Row| -> Result<Applied, tokio_postgres::Error> {
        let number: i32 = row.try_get(0)?;
        let at: SystemTime = row.try_get(3)?;
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(Applied {
            number: number.unsigned_abs(),
            name: row.try_get(1)?,
            checksum: row.try_get(2)?,
            at: i64::try_from(at).unwrap_or(i64::MAX),
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|source| MigrationError::Statement { attempt: "read the record", source })
}

fn views(files: &[MigrationFile], applied: &[Applied]) -> Vec<MigrationView> {
    let newest = applied.iter().map(|applied| applied.number).max().unwrap_or_default();
    let mut views: Vec<MigrationView> = applied
        .iter()
        .map(|applied| {
            let file = files.iter().find(|file| file.number == applied.number);
            let problem = match file {
                None => Some("is applied but its file is missing".to_owned()),
                Some(file) if file.checksum() != applied.checksum => {
                    Some("was changed after it was applied; write a new one instead".to_owned())
                }
                Some(_) => None,
            };
            MigrationView {
                number: applied.number,
                name: applied.name.clone(),
                applied_at: Some(applied.at),
                problem,
            }
        })
        .collect();
    let is_applied = |number| applied.iter().any(|applied| applied.number == number);
    views.extend(files.iter().filter(|file| !is_applied(file.number)).map(|file| MigrationView {
        number: file.number,
        name: file.name.clone(),
        applied_at: None,
        problem:
            (file.number < newest).then(|| {
                format!("is older than {newest:03}, which is applied; give it a new number")
            }),
    }));
    views.sort_by_key(|view| view.number);
    views
}

async fn execute(
    client: &mut Client,
    name: &str,
    text: &str,
    record: &str,
) -> Result<(), MigrationError> {
    let failed = |source: tokio_postgres::Error| MigrationError::Failed {
        file: name.to_owned(),
        line: line_of(text, &source),
        source,
    };
    let recorded =
        |source| MigrationError::Statement { attempt: "record what was applied", source };
    // A file may leave a search path or a role behind that the next one does not expect.
    client
        .batch_execute("RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL")
        .await
        .map_err(|source| MigrationError::Statement { attempt: "begin", source })?;
    if files::without_transaction(text) {
        client.batch_execute(text).await.map_err(failed)?;
        return client.batch_execute(record).await.map_err(recorded);
    }
    let transaction = client
        .transaction()
        .await
        .map_err(|source| MigrationError::Statement { attempt: "begin", source })?;
    transaction.batch_execute(text).await.map_err(failed)?;
    transaction.batch_execute(record).await.map_err(recorded)?;
    transaction
        .commit()
        .await
        .map_err(|source| MigrationError::Statement { attempt: "commit", source })
}

fn line_of(text: &str, error: &tokio_postgres::Error) -> Option<usize> {
    use tokio_postgres::error::ErrorPosition;
    let Some(ErrorPosition::Original(position)) = error.as_db_error()?.position() else {
        return None;
    };
    let before = usize::try_from(*position).ok()?.saturating_sub(1);
    Some(text.chars().take(before).filter(|character| *character == '\n').count() + 1)
}
