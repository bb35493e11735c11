//! The gateway from outside: real sockets, real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "deadlines of tests are real time")]

mod balancing;
mod changes;
mod deadlines;
mod framing;
mod lives;
mod origin;
mod rig;
mod routing;
mod streaming;
