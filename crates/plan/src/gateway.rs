//! The gateway's slice: what listens, what is routed where, and to which endpoints.
//!
//! It is complete by itself: kept on disk, it lets the gateway start and serve alone. Endpoints
//! also arrive as deltas between generations.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything the gateway should be serving.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatewayPlan {
    /// Increases with every change; an older one is ignored.
    pub generation: u64,
    /// What each listening socket is for; sockets come from the supervisor by the same name.
    pub listeners: Vec<GatewayListener>,
    /// All routes; the order does not matter, the longest path of the host wins.
    pub routes: Vec<RoutePlan>,
    /// Services that requests can be sent to.
    pub upstreams: Vec<UpstreamPlan>,
}

/// A listening socket's purpose.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatewayListener {
    /// The name the supervisor gave the socket.
    pub name: String,
    /// What connections to it get.
    pub purpose: GatewayPurpose,
}

/// What connections to a listener get.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayPurpose {
    /// The routes whose `listener` is this one or none.
    Public,
    /// One upstream, whatever host and path say: the address of `@service`.
    Internal {
        /// The upstream's name.
        upstream: String,
    },
    /// The gateway's own metrics in Prometheus' text format at `/metrics`.
    Metrics,
}

/// One path of one route.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RoutePlan {
    /// How metrics and pages call it: route name and path, `app/api/`.
    pub name: String,
    /// The listener it is served on; left out: every public one.
    pub listener: Option<String>,
    /// The host it answers, lowercase, without port; left out: any host.
    pub host: Option<String>,
    /// A path prefix that starts with `/`. One that ends in `/` matches everything below it; one
    /// that does not matches itself and what continues with `/`.
    pub path: String,
    /// The upstream's name.
    pub upstream: String,
    /// Whether `path` is removed before the request goes on; a `/` always remains.
    pub strip: bool,
    /// From the request's last byte sent upstream to the response's head.
    pub timeout: Duration,
    /// Attempts beyond the first, for idempotent requests whose connection failed.
    pub retries: u32,
}

/// A service that requests can be sent to.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UpstreamPlan {
    /// The service's name.
    pub name: String,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// The ready instances, at the time of writing.
    pub endpoints: Vec<EndpointPlan>,
}

/// One ready instance.
#[derive(
    Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct EndpointPlan {
    /// The instance's id, `api-1`.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
}
