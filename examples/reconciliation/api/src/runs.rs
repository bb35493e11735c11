//! Runs: the matching of one reconciliation, in the background, on some instance.
//!
//! The table is the queue. An instance claims a row by writing its name and a heartbeat into it;
//! a row whose heartbeat is old is claimed by another, because its owner has died. Input and result
//! are in the database, and the result is stored in one transaction together with the status, so
//! that a run that starts again starts from the beginning and leaves nothing behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::pin_mut;
use time::Date;
use tokio::sync::{Notify, mpsc, watch};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::App;
use crate::cache::Progress;
use crate::database::DatabaseError;
use crate::flags;
use crate::log;
use crate::matching::{self, Entry, Match, MatchKind, Similarity};

/// How often an idle instance looks for work that others left behind.
const POLL: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Several missed heartbeats, so that a busy machine is not taken for a dead one.
const CLAIM: &str = "
    update reconciliations
    set status = 'running', owner = $1, heartbeat = now(), attempts = attempts + 1
    where id = (
        select id from reconciliations
        where status = 'queued'
           or (status = 'running' and heartbeat < now() - interval '15 seconds')
        order by id limit 1 for update skip locked
    )
    returning id, trace_id, attempts";
/// A run that ended this many processes is not given to a fourth.
const MAX_ATTEMPTS: i32 = 3;
/// Reports of progress that wait for Redis, at most; more are dropped.
const PROGRESS_LENGTH: usize = 256;

/// Takes runs one after the other.
pub struct Runner {
    app: Arc<App>,
    /// Names this process among all that ever ran.
    owner: String,
}

struct Run {
    id: i64,
    attempt: i32,
}

/// Why a run ended without a result.
enum RunError {
    Database(DatabaseError),
    /// Another instance believed this one dead.
    Lost,
    /// The matcher panicked.
    Matcher,
    /// Its processes ended, several times, without a word.
    Abandoned,
}

impl Runner {
    pub fn new(app: Arc<App>) -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("the system gives random numbers");
        let owner = format!("{}-{:016x}", std::process::id(), u64::from_ne_bytes(random));
        Self { app, owner }
    }

    /// Works until `stopping`, and then finishes the run at hand.
    pub async fn work(&self, wake: &Notify, mut stopping: watch::Receiver<bool>) {
        let mut failing = false;
        while !*stopping.borrow() {
            match self.claim().await {
                Ok(Some((run, trace))) => {
                    log::with_trace(trace, self.execute(&run)).await;
                    continue;
                }
                Ok(None) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    log::warn("cannot look for runs", &[("reason", error.to_string().into())]);
                }
                Err(_) => {}
            }
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Gives back what this instance could not finish, so that another need not wait.
    pub async fn release(&self) -> Result<u64, DatabaseError> {
        let sql = "update reconciliations set status = 'queued', attempts = attempts - 1
                   where owner = $1 and status = 'running'";
        Ok(self.app.database.primary().await?.execute(sql, &[&self.owner]).await?)
    }

    async fn claim(&self) -> Result<Option<(Run, String)>, DatabaseError> {
        let client = self.app.database.primary().await?;
        let statement = client.prepare_cached(CLAIM).await?;
        let row = client.query_opt(&statement, &[&self.owner]).await?;
        Ok(row.map(|row| (Run { id: row.get(0), attempt: row.get(2) }, row.get(1))))
    }

    async fn execute(&self, run: &Run) {
        let started = Instant::now();
        log::info("run started", &[("id", run.id.into()), ("attempt", run.attempt.into())]);
        let (reports, mut reported) = mpsc::channel::<Progress>(PROGRESS_LENGTH);
        let publish = async {
            while let Some(progress) = reported.recv().await {
                // Progress is a courtesy; whoever watches also asks for the status.
                if let Err(error) = self.app.cache.publish(&progress).await {
                    log::warn("progress not published", &[("reason", error.to_string().into())]);
                }
            }
        };
        let reporter = Reporter::new(run, reports);
        let work = async {
            let result = tokio::select! {
                biased;
                error = async { RunError::Abandoned }, if MAX_ATTEMPTS < run.attempt => Err(error),
                result = self.match_and_store(run, reporter.clone()) => result,
                lost = self.keep_alive(run) => Err(lost),
            };
            match result {
                Ok(pairs) => {
                    self.app.metrics.duration.observe(started.elapsed().as_secs_f64());
                    let milliseconds = started.elapsed().as_millis() as u64;
                    let fields = [("pairs", pairs.into()), ("milliseconds", milliseconds.into())];
                    log::info("run done", &fields);
                    reporter.say("done", 1, 1).await;
                }
                Err(error) => {
                    log::error("run failed", &[("reason", error.to_string().into())]);
                    if self.give_up(run, &error).await {
                        reporter.say("failed", 1, 1).await;
                    }
                }
            }
            drop(reporter);
        };
        tokio::join!(work, publish);
    }

    async fn match_and_store(&self, run: &Run, reporter: Reporter) -> Result<usize, RunError> {
        reporter.say("loading", 0, 2).await;
        let (bank_ids, bank) = self.load("bank_lines", run).await?;
        reporter.say("loading", 1, 2).await;
        let (ledger_ids, ledger) = self.load("ledger_entries", run).await?;
        reporter.say("loading", 2, 2).await;

        let similarity = match flags::new_matcher(&self.app.flags) {
            true => Similarity::TrigramsAndWords,
            false => Similarity::Trigrams,
        };
        let listener = reporter.clone();
        let lines = (bank.len(), ledger.len());
        let matches = tokio::task::spawn_blocking(move || {
            matching::reconcile(&bank, &ledger, similarity, &mut |kind, done, total| {
                listener.mention(kind.name(), done, total);
            })
        });
        let matches = matches.await.map_err(|_| RunError::Matcher)?;

        reporter.say("storing", 0, matches.len()).await;
        let ids = (bank_ids.as_slice(), ledger_ids.as_slice());
        self.store(run, &matches, ids, lines, similarity).await?;
        reporter.say("storing", matches.len(), matches.len()).await;
        for found in &matches {
            self.app.metrics.matches.with_label_values(&[found.kind.name()]).inc();
        }
        Ok(matches.len())
    }

    async fn load(&self, table: &str, run: &Run) -> Result<(Vec<i64>, Vec<Entry>), RunError> {
        let client = self.app.database.primary().await?;
        let sql = format!(
            "select id, booked_on, cents, reference, description from {table}
             where reconciliation_id = $1 order by line"
        );
        let statement = client.prepare_cached(&sql).await?;
        let rows = client.query(&statement, &[&run.id]).await?;
        let ids = rows.iter().map(|row| row.get(0)).collect();
        let entries = rows.iter().map(|row| Entry {
            day: row.get::<_, Date>(1).to_julian_day(),
            cents: row.get(2),
            reference: row.get(3),
            description: row.get(4),
        });
        Ok((ids, entries.collect()))
    }

    async fn store(
        &self,
        run: &Run,
        matches: &[Match],
        (bank_ids, ledger_ids): (&[i64], &[i64]),
        (bank, ledger): (usize, usize),
        similarity: Similarity,
    ) -> Result<(), RunError> {
        let mut client = self.app.database.primary().await?;
        let transaction = client.transaction().await?;
        let sink = transaction
            .copy_in(
                "copy matches (reconciliation_id, bank_line_id, ledger_entry_id, kind, similarity)
                 from stdin binary",
            )
            .await?;
        let types = [Type::INT8, Type::INT8, Type::INT8, Type::TEXT, Type::FLOAT4];
        let writer = BinaryCopyInWriter::new(sink, &types);
        pin_mut!(writer);
        for found in matches {
            let (bank, ledger) = (&bank_ids[found.bank], &ledger_ids[found.ledger]);
            let kind = found.kind.name();
            writer.as_mut().write(&[&run.id, bank, ledger, &kind, &found.similarity]).await?;
        }
        writer.finish().await?;

        let count = |kind| matches.iter().filter(|m| m.kind == kind).count() as i32;
        let updated = transaction
            .execute(
                "update reconciliations
                 set status = 'done', finished_at = now(), error = null, matcher = $3, exact = $4,
                     amount_date = $5, fuzzy = $6, unmatched_bank = $7, unmatched_ledger = $8
                 where id = $1 and owner = $2 and status = 'running'",
                &[
                    &run.id,
                    &self.owner,
                    &similarity.name(),
                    &count(MatchKind::Exact),
                    &count(MatchKind::AmountDate),
                    &count(MatchKind::Fuzzy),
                    &((bank - matches.len()) as i32),
                    &((ledger - matches.len()) as i32),
                ],
            )
            .await?;
        if updated == 0 {
            return Err(RunError::Lost);
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes heartbeats; returns only when the run belongs to somebody else.
    async fn keep_alive(&self, run: &Run) -> RunError {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let sql = "update reconciliations set heartbeat = now()
                       where id = $1 and owner = $2 and status = 'running'";
            let written = async {
                let client = self.app.database.primary().await?;
                Ok::<u64, DatabaseError>(client.execute(sql, &[&run.id, &self.owner]).await?)
            };
            match written.await {
                Ok(0) => return RunError::Lost,
                Ok(_) => {}
                Err(error) => log::warn("no heartbeat", &[("reason", error.to_string().into())]),
            }
        }
    }

    /// Puts the run back, or marks it failed after the last attempt; says whether it failed.
    async fn give_up(&self, run: &Run, error: &RunError) -> bool {
        let last = MAX_ATTEMPTS <= run.attempt;
        let status = if last { "failed" } else { "queued" };
        let sql = "update reconciliations set status = $3, error = $4,
                       finished_at = case when $3 = 'failed' then now() end
                   where id = $1 and owner = $2 and status = 'running'";
        let written = async {
            let client = self.app.database.primary().await?;
            let reason = error.to_string();
            let updated = client.execute(sql, &[&run.id, &self.owner, &status, &reason]).await?;
            Ok::<u64, DatabaseError>(updated)
        };
        match written.await {
            Ok(updated) => last && updated == 1,
            // The heartbeat stops, so another instance finds the run.
            Err(error) => {
                log::warn("run not given back", &[("reason", error.to_string().into())]);
                false
            }
        }
    }
}

/// Reports the progress of one run.
#[derive(Clone)]
struct Reporter {
    reconciliation: i64,
    next: Arc<std::sync::atomic::AtomicI64>,
    reports: mpsc::Sender<Progress>,
}

impl Reporter {
    fn new(run: &Run, reports: mpsc::Sender<Progress>) -> Self {
        // A later attempt continues above every number of the one before.
        let first = i64::from(run.attempt) * 1_000_000;
        Self { reconciliation: run.id, next: Arc::new(first.into()), reports }
    }

    /// Reports and waits for room.
    async fn say(&self, phase: &str, done: usize, total: usize) {
        // The receiver outlives every sender.
        let _ = self.reports.send(self.progress(phase, done, total)).await;
    }

    /// Reports if there is room: the matcher does not wait for Redis.
    fn mention(&self, phase: &str, done: usize, total: usize) {
        let _ = self.reports.try_send(self.progress(phase, done, total));
    }

    fn progress(&self, phase: &str, done: usize, total: usize) -> Progress {
        Progress {
            reconciliation: self.reconciliation,
            n: self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            phase: phase.to_owned(),
            done,
            total,
        }
    }
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => write!(f, "{error}"),
            Self::Lost => write!(f, "another instance took the run over"),
            Self::Matcher => write!(f, "the matcher stopped unexpectedly"),
            Self::Abandoned => write!(f, "it ended the process each time it was tried"),
        }
    }
}

impl<E: Into<DatabaseError>> From<E> for RunError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}
