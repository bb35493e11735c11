//! The parts that the actor plays, as tests hand them over: JSON in its only argument.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What this process is to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Role {
    Supervisor(Setting),
    Gateway,
    Control,
    Keeper { state: PathBuf },
}

/// The supervisor's options, as far as tests vary them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, each named where it is set"
)]
pub(crate) struct Setting {
    pub(crate) state: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) run: String,
    pub(crate) cgroups: bool,
    pub(crate) platform: bool,
    pub(crate) second_keeper: bool,
    pub(crate) leash: bool,
}

/// The actor's argument.
pub(crate) fn argument(role: &Role) -> String {
    serde_json::to_string(role).expect("a role is plain data")
}
