//! Real processes, real signals: what happens when anything dies.
//!
//! The supervisor, and the platform's processes beside it, are played by the `actor` program;
//! instances are shell scripts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, also where a function is not marked as one; times are of interest"
)]

mod death;
mod gateway;
mod instances;
mod jobs;
mod leftovers;
mod limits;
mod output;
#[path = "../actor/role.rs"]
mod role;
mod stage;
