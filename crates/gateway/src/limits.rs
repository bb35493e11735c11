//! What a client, an upstream and the machine may cost at most. One place, so that no wait and no
//! buffer is without a bound.

use std::time::Duration;

/// Bounds of one gateway process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests on one connection.
    pub idle: Duration,
    /// Between two pieces of a request's body, and until a client takes a piece of a response.
    pub stall: Duration,
    /// Between two pieces of a response's body, or of a tunnel, in either direction. Generous: an
    /// event stream may be silent for long.
    pub silence: Duration,
    /// How long an upstream's idle connection is kept.
    pub pooled: Duration,
    /// From the request to stop to cutting what is still in progress.
    pub drain: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// Connections per thread; left out: what the limit of open files allows.
    pub connections: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(60),
            silence: Duration::from_secs(3600),
            pooled: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            head_bytes: 32 << 10,
            body_bytes: 1 << 30,
            connections: None,
        }
    }
}
