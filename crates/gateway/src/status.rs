//! What the gateway observes of itself, as it tells control.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{BOUNDS, RouteTotals};
use crate::shard::Shared;

/// The whole gateway at one moment. Counters begin with the process.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GatewayStatus {
    /// The generation of the plan in force.
    pub generation: u64,
    /// Whether it takes new connections.
    pub phase: GatewayPhase,
    /// Threads that serve.
    pub threads: usize,
    /// Why the plan could not be stored or read back, when it could not.
    pub problem: Option<String>,
    /// Each listening socket.
    pub listeners: Vec<GatewayListenerStatus>,
    /// Each route, the internal ones as `@service`.
    pub routes: Vec<RouteStatus>,
    /// Each service.
    pub upstreams: Vec<UpstreamStatus>,
    /// Requests that reached no route, by reason; only reasons that occurred.
    pub rejected: BTreeMap<String, u64>,
    /// Everything added up.
    pub totals: GatewayTotals,
}

/// Where the gateway is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayPhase {
    /// Takes connections.
    Serving,
    /// Finishes what it has.
    Draining,
}

/// One listening socket.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatewayListenerStatus {
    /// The name the supervisor gave it.
    pub name: String,
    /// Where it is bound, once the supervisor has handed it over.
    pub address: Option<SocketAddr>,
    /// Open connections.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
}

/// One route.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RouteStatus {
    /// The plan's name for it.
    pub name: String,
    /// Requests being answered.
    pub in_flight: u64,
    /// Requests answered, by class of status.
    pub responses: StatusClasses,
    /// Requests that failed, by whose side caused it.
    pub errors: ErrorCauses,
    /// Attempts beyond the first.
    pub retries: u64,
    /// From the request's head to the response's last byte.
    pub durations: DurationHistogram,
}

/// Responses by the first digit of their status.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct StatusClasses {
    /// 1xx: connections that became tunnels.
    pub informational: u64,
    /// 2xx.
    pub success: u64,
    /// 3xx.
    pub redirection: u64,
    /// 4xx; clients that left count as 499.
    pub client_error: u64,
    /// 5xx.
    pub server_error: u64,
}

/// Failures by whose side caused them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ErrorCauses {
    /// The request was wrong, or the client left.
    pub client: u64,
    /// The service was not there, too slow, or wrong.
    pub upstream: u64,
    /// The gateway or its configuration.
    pub gateway: u64,
}

/// How long requests took.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DurationHistogram {
    /// Upper bounds of all buckets but the last, in seconds.
    pub bounds: Vec<f64>,
    /// Requests in each bucket, not cumulative; one more than bounds.
    pub counts: Vec<u64>,
    /// All durations added up, in seconds.
    pub sum: f64,
}

/// One service.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct UpstreamStatus {
    /// The service's name.
    pub name: String,
    /// Its ready instances.
    pub endpoints: Vec<EndpointStatus>,
}

/// One instance.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct EndpointStatus {
    /// The instance's id.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Requests it is working on.
    pub in_flight: u64,
    /// Requests sent to it.
    pub requests: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Whether it is left out for now because of them.
    pub ejected: bool,
}

/// Everything added up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GatewayTotals {
    /// Requests that took a route.
    pub requests: u64,
    /// Of these, the ones being answered.
    pub in_flight: u64,
    /// Answers of 500 and above.
    pub server_errors: u64,
    /// Requests that reached no route.
    pub rejected: u64,
    /// Open connections.
    pub connections: u64,
}

/// Looks at everything.
pub(crate) fn observe(
    shared: &Shared,
    phase: GatewayPhase,
    problem: Option<String>,
) -> GatewayStatus {
    let snapshot = shared.snapshot.load();
    let routes: Vec<RouteStatus> = snapshot
        .routes()
        .iter()
        .map(|route| RouteStatus::new(route.name.clone(), &route.metrics.totals()))
        .collect();
    let now = base::Clock::now(&shared.clock);
    let upstreams = snapshot.upstreams().iter().map(|upstream| UpstreamStatus {
        name: upstream.name.clone(),
        endpoints: upstream
            .endpoints
            .iter()
            .map(|endpoint| {
                let counts = endpoint.counts();
                EndpointStatus {
                    instance: endpoint.plan.instance.clone(),
                    address: endpoint.plan.address,
                    in_flight: counts.in_flight.into(),
                    requests: counts.requests,
                    connect_failures: counts.connect_failures,
                    ejected: endpoint.ejected(now),
                }
            })
            .collect(),
    });
    let listeners: Vec<GatewayListenerStatus> = shared
        .metrics
        .listeners()
        .into_iter()
        .map(|totals| GatewayListenerStatus {
            name: totals.name,
            address: totals.address,
            connections: totals.open,
            accepted: totals.accepted,
        })
        .collect();
    let rejected: BTreeMap<String, u64> = shared
        .metrics
        .rejections()
        .filter(|(_, count)| 0 < *count)
        .map(|(rejection, count)| (rejection.label().to_owned(), count))
        .collect();
    let totals = GatewayTotals {
        requests: routes.iter().map(|route| route.durations.count() + route.in_flight).sum(),
        in_flight: routes.iter().map(|route| route.in_flight).sum(),
        server_errors: routes.iter().map(|route| route.responses.server_error).sum(),
        rejected: rejected.values().sum(),
        connections: listeners.iter().map(|listener| listener.connections).sum(),
    };
    GatewayStatus {
        generation: snapshot.plan.generation,
        phase,
        threads: shared.metrics.threads(),
        problem,
        listeners,
        routes,
        upstreams: upstreams.collect(),
        rejected,
        totals,
    }
}

impl RouteStatus {
    fn new(name: String, totals: &RouteTotals) -> Self {
        let mut responses = StatusClasses::default();
        for (label, count) in &totals.codes {
            let class = match label.class() {
                1 => &mut responses.informational,
                2 => &mut responses.success,
                3 => &mut responses.redirection,
                4 => &mut responses.client_error,
                _ => &mut responses.server_error,
            };
            *class += count;
        }
        let [client, upstream, gateway] = totals.causes;
        Self {
            name,
            in_flight: totals.started.saturating_sub(totals.finished),
            responses,
            errors: ErrorCauses { client, upstream, gateway },
            retries: totals.retries,
            durations: DurationHistogram {
                bounds: BOUNDS.iter().map(|bound| seconds(*bound)).collect(),
                counts: totals.buckets.to_vec(),
                sum: seconds(totals.micros),
            },
        }
    }
}

impl DurationHistogram {
    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "2⁵³ microseconds are 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
