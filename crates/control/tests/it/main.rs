//! Control's parts against the real thing: a PostgreSQL server of the test's own.

mod migrations;
mod server;
