//! What is so now: the answer to `status`.

use std::net::SocketAddr;

use base::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything the supervisor sees.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SupervisorStatus {
    /// The run's name.
    pub run: String,
    /// The generation of the plan that was applied last; 0 before the first.
    pub generation: u64,
    /// The sequence number of the last event that this status includes.
    pub sequence: u64,
    /// Whether everything is being stopped.
    pub stopping: bool,
    /// The supervisor itself, its keeper, and the platform's processes.
    pub platform: Vec<PlatformStatus>,
    /// The instances, by id.
    pub instances: Vec<InstanceStatus>,
    /// The jobs that are running.
    pub jobs: Vec<JobStatus>,
    /// The sockets held for the gateway.
    pub listeners: Vec<ListenerStatus>,
    /// What this machine cannot do, and what that means.
    pub notices: Vec<String>,
}

/// One instance.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InstanceStatus {
    /// Its id.
    pub id: String,
    /// The service it is an instance of.
    pub service: String,
    /// Where in its life it is.
    pub phase: Phase,
    /// Why it is not ready, in words.
    pub reason: Option<String>,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// When the current process was started.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// How often it was started again after an exit nobody asked for.
    pub restarts: u64,
    /// How it last ended.
    pub last_exit: Option<Exit>,
    /// Thousandths of a core, over the last seconds.
    pub cpu_millis: Option<u32>,
    /// Seconds of CPU time of the current process and its descendants.
    pub cpu_seconds_total: Option<f64>,
    /// Memory of the process and its descendants.
    pub memory: Option<Memory>,
    /// The declared limit.
    pub memory_limit: Option<Bytes>,
}

/// Where in its life an instance is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is about to be started.
    Waiting,
    /// It runs; its startup probe (or the first readiness) has not passed.
    Starting,
    /// It can be given work.
    Ready,
    /// It runs, but its readiness probe fails.
    Unready,
    /// It ended and is started again in a moment.
    BackOff,
    /// It keeps ending; it is tried again at the longest interval.
    CrashLoop,
    /// It was asked to stop.
    Stopping,
    /// It ended, and its restart policy leaves it at that.
    Exited,
    /// It could not be started; it is tried again when what was missing arrives or later.
    Failed,
}

/// How a process ended.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Exit {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// In words, with the cause where it is known: `killed: memory limit of 64Mi reached`.
    pub reason: String,
}

/// An amount of memory and how it was measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Memory {
    /// How much.
    pub bytes: Bytes,
    /// How it was measured.
    pub source: MemorySource,
}

/// How memory was measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemorySource {
    /// By the cgroup: anonymous and shared memory of all its processes, without page cache.
    Cgroup,
    /// The proportional set size of all processes together.
    Pss,
    /// The resident size of all processes together; counts what they share several times.
    Rss,
}

/// The supervisor, its keeper, or one of the platform's processes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PlatformStatus {
    /// `supervisor`, `keeper`, `control`, `gateway`.
    pub name: String,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// When it was started.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// How often it was started again.
    pub restarts: u64,
    /// How it last ended.
    pub last_exit: Option<Exit>,
    /// Thousandths of a core, over the last seconds.
    pub cpu_millis: Option<u32>,
    /// Its memory.
    pub memory: Option<Memory>,
}

/// A job that is running.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct JobStatus {
    /// Its id.
    pub id: String,
    /// What it belongs to.
    pub service: String,
    /// The step it is at, from 0.
    pub step: usize,
    /// That step's process, while there is one.
    pub pid: Option<u32>,
    /// When the job was started.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
}

/// Sockets held for the gateway.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Where.
    pub address: SocketAddr,
}
