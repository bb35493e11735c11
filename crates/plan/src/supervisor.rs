//! The supervisor's slice: which instances run, how they are started, probed, limited and stopped,
//! and which jobs it is asked to run.
//!
//! Everything is spelled out (absolute paths, resolved ports, templates); the supervisor decides
//! nothing. An instance is replaced when its plan differs from the one it was started with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Template;

/// Everything the supervisor should be running.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SupervisorPlan {
    /// Increases with every change; an older one is ignored.
    pub generation: u64,
    /// The instances that should run, by id.
    pub instances: Vec<InstancePlan>,
    /// The sockets the gateway is given; the supervisor keeps them open across its deaths.
    pub listeners: Vec<ListenerPlan>,
}

/// One process (and its descendants) to keep running.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct InstancePlan {
    /// Unique and stable: `api-1`, `db-primary`, `cache`.
    pub id: String,
    /// The service or database it is an instance of.
    pub service: String,
    /// How it is started.
    pub command: CommandPlan,
    /// Where it listens, if it does: what HTTP and TCP probes connect to.
    pub address: Option<SocketAddr>,
    /// How its health is known.
    pub probes: ProbesPlan,
    /// What it may use at most.
    pub limits: LimitsPlan,
    /// When it is started again after it exits.
    pub restart: RestartPolicy,
    /// How it is stopped.
    pub stop: StopPlan,
    /// Stopping goes from the highest tier to the lowest; one tier at a time.
    pub tier: u32,
}

/// A program with everything it is given.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CommandPlan {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments; never a secret, since any user can read them.
    pub arguments: Vec<String>,
    /// Its whole environment besides `PATH`, `HOME`, `LANG`, `TZ`, which are passed on.
    pub environment: BTreeMap<String, Template>,
    /// Its working directory, absolute.
    pub directory: PathBuf,
    /// Who runs it; left out: whoever runs the supervisor.
    pub user: Option<UserPlan>,
}

/// An unprivileged user, resolved to numbers.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub struct UserPlan {
    /// The name, for messages and `HOME` look-ups.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// The three probes of Kubernetes, each optional.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ProbesPlan {
    /// Passed once: the instance has started. Until then the others wait.
    pub startup: Option<ProbePlan>,
    /// While it fails, the instance is given no traffic.
    pub readiness: Option<ProbePlan>,
    /// When it fails, the instance is restarted.
    pub liveness: Option<ProbePlan>,
}

/// How to ask, how often, how patiently.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ProbePlan {
    /// What is asked.
    pub check: ProbeCheck,
    /// The interval once started; while starting it is 100 ms.
    pub every: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// For a startup probe: how long the instance may take in all.
    pub within: Duration,
    /// So many failures in a row count as failing.
    pub failures: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeCheck {
    /// A GET that must answer 200 to 399.
    Http {
        /// The path asked for.
        path: String,
    },
    /// A connection that must be accepted.
    Tcp,
    /// A command that must exit with 0; run as the instance's user in its directory.
    Command {
        /// The command; its environment is added to the instance's.
        command: CommandPlan,
    },
}

/// What an instance may use at most.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LimitsPlan {
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Resident memory.
    pub memory: Option<Bytes>,
}

/// When an instance is started again after it exits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Whatever its exit.
    #[default]
    Always,
    /// Only after a failure.
    OnFailure,
    /// Not at all.
    Never,
}

/// How an instance is stopped: a signal, patience, then kill.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct StopPlan {
    /// The signal's number: 15 for most, 2 for PostgreSQL's fast shutdown.
    pub signal: i32,
    /// After this it is killed.
    pub deadline: Duration,
}

/// One address of the gateway.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct ListenerPlan {
    /// Unique: `web`, `internal:api`, `metrics`. The gateway's slice names the same.
    pub name: String,
    /// Where.
    pub address: SocketAddr,
}

/// A command that runs to its end, or a list of small preparations.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct JobPlan {
    /// Unique among running jobs: `db-primary/init`, `build/api`, `nightly-report`.
    pub id: String,
    /// What it belongs to, for logs: `db`, `api`.
    pub service: String,
    /// Run in order; the first that fails ends the job.
    pub steps: Vec<Step>,
    /// The whole job is killed after this.
    pub deadline: Duration,
}

/// One preparation.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Runs a command until it exits with 0; its output goes to the job's log.
    Run {
        /// The command.
        command: CommandPlan,
        /// What it reads; the way to hand over secrets.
        input: Option<Template>,
        /// What it may use.
        limits: LimitsPlan,
    },
    /// Makes a directory and its parents; an existing one gets mode and owner.
    Directory {
        /// Absolute path.
        path: PathBuf,
        /// Permission bits, such as 0o700.
        mode: u32,
        /// Its owner; left out: whoever runs the supervisor.
        owner: Option<UserPlan>,
    },
    /// Writes a file atomically.
    File {
        /// Absolute path.
        path: PathBuf,
        /// Its content.
        content: Template,
        /// Permission bits, such as 0o600.
        mode: u32,
        /// Its owner.
        owner: Option<UserPlan>,
    },
    /// Copies a file or a directory tree, following no symbolic link out of it.
    Copy {
        /// From here.
        from: PathBuf,
        /// To here; replaced if it exists.
        to: PathBuf,
    },
    /// Renames within one file system; the last step of making something whole.
    Rename {
        /// The finished thing.
        from: PathBuf,
        /// Where it belongs.
        to: PathBuf,
    },
    /// Removes a file or a directory tree; nothing there is fine.
    Remove {
        /// Absolute path.
        path: PathBuf,
    },
}
