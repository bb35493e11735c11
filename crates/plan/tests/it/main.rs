//! What `resolve` makes of manifests on machines that are described, not had.

mod catalogue;
mod machine;
mod resolution;
