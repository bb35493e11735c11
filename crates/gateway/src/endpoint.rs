//! One instance of a service as the gateway sees it: how busy, how healthy, and the idle
//! connections to it.
//!
//! Shared by all threads, and it outlives the plan that named it: counters and connections go on
//! through a change of configuration. The pool is one list per thread behind a lock that only this
//! thread takes, but for the moment in which the endpoint is removed; so it costs nothing, and a
//! removed endpoint's connections can be closed at once.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use plan::EndpointPlan;
use tokio::net::TcpStream;

/// Idle connections kept per thread and endpoint.
const MOST_IDLE: usize = 1024;
/// The first ejection; each further failure doubles it.
const FIRST_EJECTION: Duration = Duration::from_millis(250);
/// Longer than this nobody is left out, since the next attempt is how recovery is noticed.
const LONGEST_EJECTION: Duration = Duration::from_secs(10);

/// A connection that waits for its next request.
#[derive(Debug)]
pub(crate) struct Idle {
    /// The connection; what it sends now is a violation.
    pub(crate) stream: TcpStream,
    /// The tick of its thread at which it became idle.
    pub(crate) since: u32,
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Which instance, and where.
    pub(crate) plan: EndpointPlan,
    in_flight: AtomicU32,
    requests: AtomicU64,
    connect_failures: AtomicU64,
    /// Consecutive connect failures.
    streak: AtomicU32,
    /// Milliseconds of the process's clock.
    ejected_until: AtomicU64,
    retired: AtomicBool,
    pools: Box<[Mutex<Vec<Idle>>]>,
}

/// What is counted of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointCounts {
    pub(crate) in_flight: u32,
    pub(crate) requests: u64,
    pub(crate) connect_failures: u64,
}

impl Endpoint {
    /// An endpoint that nothing is known of yet.
    pub(crate) fn new(plan: EndpointPlan, threads: usize) -> Self {
        Self {
            plan,
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            pools: (0..threads).map(|_| Mutex::default()).collect(),
        }
    }

    /// Requests that it is working on.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it is left out for now because it could not be reached.
    pub(crate) fn ejected(&self, now: Duration) -> bool {
        millis(now) < self.ejected_until.load(Ordering::Relaxed)
    }

    /// Counts a request in.
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request out.
    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that it could not be reached, and leaves it out for a while.
    pub(crate) fn connect_failed(&self, now: Duration) {
        self.connect_failures.fetch_add(1, Ordering::Relaxed);
        let streak = self.streak.fetch_add(1, Ordering::Relaxed);
        let pause = FIRST_EJECTION.saturating_mul(1 << streak.min(16)).min(LONGEST_EJECTION);
        self.ejected_until.store(millis(now + pause), Ordering::Relaxed);
    }

    /// Notes that it was reached.
    pub(crate) fn connected(&self) {
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
            self.ejected_until.store(0, Ordering::Relaxed);
        }
    }

    /// The most recently used idle connection of a thread that is still open. One that became idle
    /// before `oldest` is closed instead.
    pub(crate) fn take(
        &self,
        thread: usize,
        oldest: u32,
        cx: &mut Context<'_>,
    ) -> Option<TcpStream> {
        let mut idle = self.pool(thread)?.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Idle { stream, since }) = idle.pop() {
            // Readiness is remembered, so this asks nobody: ready means closed, or a violation.
            if oldest <= since && stream.poll_read_ready(cx).is_pending() {
                return Some(stream);
            }
            if since < oldest {
                // The list is in the order of time; all others are older still.
                idle.clear();
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, thread: usize, idle: Idle) {
        let Some(pool) = self.pool(thread) else { return };
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < MOST_IDLE && !self.retired.load(Ordering::Acquire) {
            pool.push(idle);
        }
    }

    /// Closes what was closed by the other side or became idle before `oldest`.
    pub(crate) fn sweep(&self, thread: usize, oldest: u32, cx: &mut Context<'_>) {
        let Some(pool) = self.pool(thread) else { return };
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.retain(|idle| {
            oldest <= idle.since && matches!(idle.stream.poll_read_ready(cx), Poll::Pending)
        });
        if pool.is_empty() {
            pool.shrink_to_fit();
        }
    }

    /// Closes its idle connections, and those in use as they become idle.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        for pool in &self.pools {
            pool.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// What was counted.
    pub(crate) fn counts(&self) -> EndpointCounts {
        EndpointCounts {
            in_flight: self.in_flight(),
            requests: self.requests.load(Ordering::Relaxed),
            connect_failures: self.connect_failures.load(Ordering::Relaxed),
        }
    }

    fn pool(&self, thread: usize) -> Option<&Mutex<Vec<Idle>>> {
        self.pools.get(thread)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
