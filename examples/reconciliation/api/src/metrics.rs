//! What this instance counts, in Prometheus' text format.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use crate::matching::MatchKind;

pub struct Metrics {
    registry: Registry,
    pub http_requests: IntCounterVec,
    pub uploads: IntCounterVec,
    pub duration: Histogram,
    pub matches: IntCounterVec,
    pub replica_fallbacks: IntCounter,
}

impl Metrics {
    pub fn new() -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric")
        };
        let buckets = vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
        let duration = HistogramOpts::new(
            "reconciliation_duration_seconds",
            "Time from the start of a run until its result is stored.",
        );
        let metrics = Self {
            registry: Registry::new(),
            http_requests: counters(
                "http_requests_total",
                "Requests answered.",
                &["method", "route", "status"],
            ),
            uploads: counters("file_uploads_total", "Uploads by result.", &["result"]),
            duration: Histogram::with_opts(duration.buckets(buckets)).expect("a valid metric"),
            matches: counters(
                "reconciliation_matches_total",
                "Pairs by how they were found.",
                &["kind"],
            ),
            replica_fallbacks: IntCounter::new(
                "database_replica_fallbacks_total",
                "Reads that went to the primary because the replica failed.",
            )
            .expect("a valid metric"),
        };
        metrics.register();
        metrics
    }

    pub fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("a vector takes any text");
        String::from_utf8(text).expect("the format is text")
    }

    fn register(&self) {
        let registered = [
            self.registry.register(Box::new(self.http_requests.clone())),
            self.registry.register(Box::new(self.uploads.clone())),
            self.registry.register(Box::new(self.duration.clone())),
            self.registry.register(Box::new(self.matches.clone())),
            self.registry.register(Box::new(self.replica_fallbacks.clone())),
        ];
        for result in registered {
            result.expect("each name is used once");
        }
        // A rate over a counter that does not exist yet is no number: begin at zero.
        for result in ["ok", "rejected", "error"] {
            self.uploads.with_label_values(&[result]);
        }
        for kind in [MatchKind::Exact, MatchKind::AmountDate, MatchKind::Fuzzy] {
            self.matches.with_label_values(&[kind.name()]);
        }
        self.matches.with_label_values(&["resolved"]);
    }
}
