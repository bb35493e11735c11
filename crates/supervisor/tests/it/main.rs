//! Real processes, real signals: what happens when anything dies.
//!
//! The supervisor, and the platform's processes beside it, are played by the `actor` program;
//! instances are shell scripts.

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
