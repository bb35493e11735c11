//! What was seen of the machine and of the state directory: the second argument of `resolve`.
//!
//! Ports stand here rather than in the manifest: a slot keeps the port it was given, so that adding
//! a database moves nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base::Bytes;
use serde::{Deserialize, Serialize};

use crate::UserPlan;

/// Everything `resolve` may know besides the manifest.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Observed {
    /// Processor, memory and installed programs.
    pub machine: Machine,
    /// Who runs Mainstay, and who may run what it starts.
    pub users: Users,
    /// Where things are.
    pub paths: Paths,
    /// The port of each slot (`api-1`, `internal:api`).
    pub ports: BTreeMap<String, u16>,
    /// The data directories that exist, by instance id.
    pub data: BTreeMap<String, DataDirectory>,
    /// Digest of each service's sources, for those that are built.
    pub sources: BTreeMap<String, SourceDigest>,
    /// Variables that builds need to find their tools: `CARGO_HOME`, proxies.
    pub build_environment: BTreeMap<String, String>,
    /// Names of the secrets that have a value.
    pub secrets: BTreeSet<String>,
}

/// The machine.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Machine {
    /// Cores that may be used.
    pub cores: u32,
    /// Memory that may be used.
    pub memory: Bytes,
    /// Programs by name, absolute; looked up in `PATH` and in the places that distributions use.
    pub programs: BTreeMap<String, PathBuf>,
    /// Installed database engines, best version first.
    pub engines: BTreeMap<String, Vec<Installed>>,
}

/// One installed version of a database engine.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Installed {
    /// The version that matters for its data: `15` for PostgreSQL, `7` for Redis.
    pub major: String,
    /// The whole version.
    pub version: String,
    /// Where its programs are.
    pub directory: PathBuf,
}

/// Who runs what.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Users {
    /// Whether Mainstay runs as root and must therefore give privileges up.
    pub root: bool,
    /// Who services run as; absent when Mainstay is not root and nothing is changed.
    pub services: Option<UserPlan>,
    /// Who builds run as; absent: whoever runs Mainstay.
    pub builds: Option<UserPlan>,
    /// Accounts by name, for `user = "..."` and for engines that have their own.
    pub accounts: BTreeMap<String, UserPlan>,
}

/// Where things are; all absolute.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Paths {
    /// The directory of the manifest.
    pub project: PathBuf,
    /// The state directory of this application and environment.
    pub state: PathBuf,
    /// The short private directory for sockets.
    pub runtime: PathBuf,
}

/// A data directory that exists.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct DataDirectory {
    /// The engine's major version that wrote it, where that can be known.
    pub major: Option<String>,
}

/// What a build would be made of.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SourceDigest {
    /// Of everything the build reads.
    pub sources: String,
    /// Of the files that name its dependencies, such as a lock file.
    pub dependencies: String,
}
