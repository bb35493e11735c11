//! The whole application at a glance: what `status` prints, the live view draws and the console
//! shows. One value, always complete, made anew by the loop.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything worth knowing now.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AppStatus {
    /// The application's name.
    pub app: String,
    /// The environment that runs.
    pub environment: String,
    /// What the application as a whole is doing.
    pub state: State,
    /// Whether it is well, why not, and since when.
    pub health: Health,
    /// When this was made, in milliseconds since the Unix epoch.
    pub at: i64,
    /// When `up` began, in milliseconds since the Unix epoch.
    pub started_at: i64,
    /// Increases with every applied change of the plan.
    pub generation: u64,
    /// Where a browser reaches the application.
    pub urls: Vec<String>,
    /// The topology's nodes, in the manifest's order: routes' listeners, services, databases.
    pub nodes: Vec<Node>,
    /// Who calls whom, as the manifest says it.
    pub edges: Vec<Edge>,
    /// What the gateway measured per route.
    pub routes: Vec<RouteView>,
    /// Jobs, with their last end.
    pub jobs: Vec<JobView>,
    /// Mainstay's own processes.
    pub platform: Vec<PlatformView>,
    /// Manifest parts that have no effect yet, limits that could not be set, and the like.
    pub notices: Vec<String>,
}

/// What the application as a whole is doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Coming up.
    Starting,
    /// Up; `health` says how well.
    Running,
    /// Going down.
    Stopping,
}

/// One of five words, with its reason and its age.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Ok {
        /// Since when, in milliseconds since the Unix epoch.
        since: i64,
    },
    /// Not as it should be.
    Failing {
        /// Why.
        reason: String,
        /// Since when.
        since: i64,
    },
    /// Waiting for something that must come first.
    Held {
        /// For what.
        reason: String,
        /// Since when.
        since: i64,
    },
    /// Known once, but too old to be relied on.
    Stale {
        /// Why nothing newer is known.
        reason: String,
        /// Since when.
        since: i64,
    },
    /// Never known.
    NotMeasured {
        /// Why not.
        reason: String,
        /// Since when.
        since: i64,
    },
}

/// One box of the topology.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Node {
    /// Its name in the manifest.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// `cargo`, `nextjs`, `postgres`, `redis`, an address, ...
    pub detail: String,
    /// How it is.
    pub health: Health,
    /// What is being done to it now: `building`, `migrating`, `starting`; empty when nothing.
    pub activity: String,
    /// How many instances should run.
    pub wanted: u32,
    /// Its instances.
    pub instances: Vec<InstanceView>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A listener of the gateway.
    Listener,
    /// A service that answers requests.
    Service,
    /// A service that nothing is routed to.
    Worker,
    /// A database.
    Database,
    /// A cache.
    Cache,
    /// A database elsewhere, connected to but not run.
    External,
}

/// One running copy.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct InstanceView {
    /// `api-1`.
    pub id: String,
    /// `starting`, `ready`, `unready`, `back-off`, `crash-loop`, ...
    pub phase: String,
    /// Why, when it is not ready.
    pub reason: Option<String>,
    /// For databases: `primary` or `replica`.
    pub role: Option<String>,
    /// Process id.
    pub pid: Option<u32>,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// When it was started, in milliseconds since the Unix epoch.
    pub started_at: Option<i64>,
    /// How often it was started again.
    pub restarts: u32,
    /// Thousandths of a core over the last seconds.
    pub cpu_millis: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes, when limited.
    pub memory_limit: Option<u64>,
}

/// Who calls whom.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Edge {
    /// The calling node.
    pub from: String,
    /// The called node.
    pub to: String,
    /// A path for routes (`/api/`), a variable for references (`DATABASE_URL`).
    pub label: String,
}

/// What the gateway measured for one path of one route, over the last ten seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RouteView {
    /// `app/api/`.
    pub name: String,
    /// The host, when the route has one.
    pub host: Option<String>,
    /// The path prefix.
    pub path: String,
    /// The service.
    pub to: String,
    /// Requests since the gateway started.
    pub requests: u64,
    /// Of those, answers of 500 and above.
    pub errors: u64,
    /// Requests per second.
    pub per_second: f64,
    /// Answers of 500 and above per second.
    pub errors_per_second: f64,
    /// Milliseconds; absent without traffic.
    pub p50_ms: Option<f64>,
    /// Milliseconds; absent without traffic.
    pub p95_ms: Option<f64>,
    /// The endpoints it is balanced over.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint as the gateway sees it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct EndpointStatus {
    /// The instance's id.
    pub instance: String,
    /// Requests under way.
    pub in_flight: u64,
    /// Connections that failed.
    pub failures: u64,
    /// Left out for now because connections failed.
    pub ejected: bool,
}

/// A job and its last end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// Its schedule as written, if it has one.
    pub schedule: Option<String>,
    /// Whether it runs now.
    pub running: bool,
    /// When it runs next, in milliseconds since the Unix epoch.
    pub next_at: Option<i64>,
    /// When it last ended.
    pub last_at: Option<i64>,
    /// How it last ended: `ok`, or why not.
    pub last_end: Option<String>,
}

/// One of Mainstay's own processes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PlatformView {
    /// `supervisor`, `control`, `gateway`.
    pub name: String,
    /// Process id.
    pub pid: Option<u32>,
    /// Thousandths of a core over the last seconds.
    pub cpu_millis: u32,
    /// Proportional set size in bytes.
    pub memory: u64,
    /// How often it was started again.
    pub restarts: u32,
}

/// A measured series of the last hour.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Series {
    /// What is measured: `requests_per_second`, `errors_per_second`, `cpu_millis`, `memory_bytes`,
    /// `p95_ms`.
    pub metric: String,
    /// A route's or an instance's name.
    pub subject: String,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// One point.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// The value.
    pub value: f64,
}
