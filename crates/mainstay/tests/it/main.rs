//! The real binary in real directories: what people and scripts see of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and waits for real processes"
)]

mod check;
mod cli;
mod databases;
mod init;
mod reference;
mod secret;
mod stage;
mod up;
