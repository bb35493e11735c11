//! Counters. Each thread has its own and is their only writer, so counting is a load and a store,
//! no locked instruction; readers add the threads up.
//!
//! Counters belong to names, not to generations of the plan: a route that stays keeps its numbers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::{Cause, Rejection};

/// Upper bounds of the duration histogram, in microseconds; above the last there is one more.
pub(crate) const BOUNDS: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Every status of the IANA registry and 499, under which clients that left are counted. Others
/// are counted under their class.
pub(crate) const STATUSES: [u16; 64] = [
    100, 101, 102, 103, 104, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303,
    304, 305, 306, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
    414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502,
    503, 504, 505, 506, 507, 508, 511,
];

const SLOTS: usize = STATUSES.len() + 5;

/// From status minus 100 to the slot it is counted in.
static SLOT_OF: [u8; 500] = slots();

const fn slots() -> [u8; 500] {
    let mut table = [0; 500];
    let mut status = 0;
    while status < 500 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 68")]
        let class = (STATUSES.len() + status / 100) as u8;
        table[status] = class;
        status += 1;
    }
    let mut slot = 0;
    while slot < STATUSES.len() {
        #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
        let counted = slot as u8;
        table[STATUSES[slot] as usize - 100] = counted;
        slot += 1;
    }
    table
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds; only by the thread that owns it.
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Reads; by anybody.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one thread counts of one route. Its own cache lines, so that threads do not meet.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct RouteCounters {
    started: Counter,
    codes: [Counter; SLOTS],
    buckets: [Counter; BOUNDS.len() + 1],
    micros: Counter,
    causes: [Counter; 3],
    retries: Counter,
}

impl RouteCounters {
    fn new() -> Self {
        Self {
            started: Counter::default(),
            codes: [const { Counter(AtomicU64::new(0)) }; SLOTS],
            buckets: [const { Counter(AtomicU64::new(0)) }; BOUNDS.len() + 1],
            micros: Counter::default(),
            causes: [const { Counter(AtomicU64::new(0)) }; 3],
            retries: Counter::default(),
        }
    }

    /// A request was routed.
    pub(crate) fn start(&self) {
        self.started.add(1);
    }

    /// A request is over.
    pub(crate) fn finish(&self, status: u16, duration: Duration, cause: Option<Cause>) {
        let offset = usize::from(status.clamp(100, 599) - 100);
        let slot = SLOT_OF.get(offset).copied().unwrap_or_default();
        if let Some(code) = self.codes.get(usize::from(slot)) {
            code.add(1);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.add(1);
        }
        self.micros.add(micros);
        match cause {
            None => {}
            Some(Cause::Client) => self.causes[0].add(1),
            Some(Cause::Upstream) => self.causes[1].add(1),
            Some(Cause::Gateway) => self.causes[2].add(1),
        }
    }

    /// A request is tried again.
    pub(crate) fn retry(&self) {
        self.retries.add(1);
    }
}

/// A route's counters, of all threads.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    threads: Box<[RouteCounters]>,
}

/// A route's counters, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteTotals {
    pub(crate) started: u64,
    pub(crate) finished: u64,
    /// Only statuses that occurred, with `None` for the odd ones of a class.
    pub(crate) codes: Vec<(StatusLabel, u64)>,
    pub(crate) buckets: [u64; BOUNDS.len() + 1],
    pub(crate) micros: u64,
    /// Client, upstream, gateway.
    pub(crate) causes: [u64; 3],
    pub(crate) retries: u64,
}

/// How a status is called in metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StatusLabel {
    /// By itself.
    Exact(u16),
    /// By its class, 1 to 5.
    Class(u16),
}

impl StatusLabel {
    /// The first digit.
    pub(crate) const fn class(self) -> u16 {
        match self {
            Self::Exact(status) => status / 100,
            Self::Class(class) => class,
        }
    }
}

impl RouteMetrics {
    fn new(threads: usize) -> Self {
        Self { threads: (0..threads).map(|_| RouteCounters::new()).collect() }
    }

    /// The counters that this thread writes.
    pub(crate) fn thread(&self, index: usize) -> &RouteCounters {
        self.threads.get(index).expect("metrics have one set per thread")
    }

    /// Adds the threads up.
    pub(crate) fn totals(&self) -> RouteTotals {
        let mut totals = RouteTotals::default();
        let mut codes = [0_u64; SLOTS];
        for thread in &self.threads {
            // Finished first: a request in between then counts as in flight, never as negative.
            for (sum, bucket) in totals.buckets.iter_mut().zip(&thread.buckets) {
                *sum += bucket.get();
            }
            totals.micros += thread.micros.get();
            for (sum, code) in codes.iter_mut().zip(&thread.codes) {
                *sum += code.get();
            }
            for (sum, cause) in totals.causes.iter_mut().zip(&thread.causes) {
                *sum += cause.get();
            }
            totals.retries += thread.retries.get();
            totals.started += thread.started.get();
        }
        totals.finished = totals.buckets.iter().sum();
        let exact = STATUSES.iter().map(|status| StatusLabel::Exact(*status));
        let labels = exact.chain((1..=5).map(StatusLabel::Class));
        totals.codes = labels.zip(codes).filter(|(_, count)| 0 < *count).collect();
        totals
    }
}

/// What one thread counts of one listener.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ListenerCounters {
    /// Connections taken.
    pub(crate) accepted: Counter,
    /// Connections that ended.
    pub(crate) closed: Counter,
}

/// What one thread counts beside routes and listeners.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ThreadCounters {
    rejected: [Counter; Rejection::COUNT],
}

impl ThreadCounters {
    /// A request that reached no route.
    pub(crate) fn reject(&self, rejection: Rejection) {
        if let Some(counter) = self.rejected.get(rejection.index()) {
            counter.add(1);
        }
    }
}

/// A listener's counters, of all threads.
#[derive(Debug)]
struct ListenerMetrics {
    name: String,
    /// Known once its sockets are here.
    address: Option<SocketAddr>,
    threads: Arc<[ListenerCounters]>,
}

/// A listener's counters, added up.
#[derive(Clone, Debug)]
pub(crate) struct ListenerTotals {
    pub(crate) name: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) accepted: u64,
    pub(crate) open: u64,
}

/// All counters of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Mutex<HashMap<String, Arc<RouteMetrics>>>,
    listeners: Mutex<Vec<ListenerMetrics>>,
    threads: Box<[ThreadCounters]>,
}

impl Metrics {
    /// Counters for that many threads, all zero.
    pub(crate) fn new(threads: usize) -> Self {
        let counters = || ThreadCounters {
            rejected: [const { Counter(AtomicU64::new(0)) }; Rejection::COUNT],
        };
        Self {
            routes: Mutex::default(),
            listeners: Mutex::default(),
            threads: (0..threads).map(|_| counters()).collect(),
        }
    }

    /// How many threads count.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The counters of a route, created when new.
    pub(crate) fn route(&self, name: &str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(RouteMetrics::new(self.threads.len()));
        Arc::clone(routes.entry(name.to_owned()).or_insert_with(new))
    }

    /// Forgets the routes that `keep` does not know.
    pub(crate) fn retain_routes(&self, keep: impl Fn(&str) -> bool) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }

    /// The counters of a listener, created when new, and its number.
    pub(crate) fn listener(&self, name: &str) -> (usize, Arc<[ListenerCounters]>) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let at = listeners.iter().position(|known| known.name == name);
        if let Some((at, known)) = at.and_then(|at| Some((at, listeners.get(at)?))) {
            return (at, Arc::clone(&known.threads));
        }
        let threads: Arc<[ListenerCounters]> =
            (0..self.threads.len()).map(|_| ListenerCounters::default()).collect();
        let name = name.to_owned();
        listeners.push(ListenerMetrics { name, address: None, threads: Arc::clone(&threads) });
        (listeners.len() - 1, threads)
    }

    /// Notes where a listener's sockets are bound.
    pub(crate) fn bound(&self, name: &str, address: SocketAddr) {
        let (at, _) = self.listener(name);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listeners.get_mut(at) {
            listener.address = Some(address);
        }
    }

    /// What was counted of each listener.
    pub(crate) fn listeners(&self) -> Vec<ListenerTotals> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |listener: &ListenerMetrics| {
            let closed: u64 = listener.threads.iter().map(|thread| thread.closed.get()).sum();
            let accepted: u64 = listener.threads.iter().map(|thread| thread.accepted.get()).sum();
            let open = accepted.saturating_sub(closed);
            ListenerTotals {
                name: listener.name.clone(),
                address: listener.address,
                accepted,
                open,
            }
        };
        listeners.iter().map(total).collect()
    }

    /// The counters that this thread writes.
    pub(crate) fn thread(&self, index: usize) -> &ThreadCounters {
        self.threads.get(index).expect("metrics have one set per thread")
    }

    /// Requests that reached no route, by reason.
    pub(crate) fn rejections(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::all().map(|rejection| {
            let count = |thread: &ThreadCounters| {
                thread.rejected.get(rejection.index()).map_or(0, Counter::get)
            };
            (rejection, self.threads.iter().map(count).sum())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up_and_odd_statuses_count_in_their_class() {
        let metrics = Metrics::new(2);
        let route = metrics.route("app/");
        for (thread, status) in [(0, 200), (1, 200), (0, 299), (1, 504)] {
            route.thread(thread).start();
            route.thread(thread).finish(status, Duration::from_millis(3), None);
        }
        metrics.route("app/").thread(0).start();
        let totals = metrics.route("app/").totals();
        assert_eq!((totals.started, totals.finished), (5, 4));
        let expected = [
            (StatusLabel::Exact(200), 2),
            (StatusLabel::Exact(504), 1),
            (StatusLabel::Class(2), 1),
        ];
        assert_eq!(totals.codes, expected);
        assert_eq!(totals.buckets[3], 4);
    }
}
