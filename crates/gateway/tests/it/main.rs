//! The gateway from outside: real sockets, real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod framing;
mod origin;
mod rig;
mod routing;
