//! Control's parts against the real thing: a PostgreSQL server of the test's own.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests, also where a function is not marked as one"
)]

mod migrations;
mod server;
