//! What `resolve` makes of manifests on machines that are described, not had.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, also where a function is not marked as one"
)]

mod catalogue;
mod machine;
mod resolution;
