//! A plan made ready for the data path: names resolved to indexes, tables sorted, endpoints and
//! counters carried over from the snapshot before.
//!
//! Immutable. A request holds the one it began with until it ends, so applying a plan disturbs
//! nobody. The plan itself is kept on disk, so that the gateway starts and serves without control.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plan::{EndpointPlan, GatewayPlan, GatewayPurpose, RoutePlan, UpstreamPlan};
use runtime::{StateFile, StateFileError};
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::metrics::{Metrics, RouteMetrics};
use crate::route::RouteTable;
use crate::timer::Ticks;

/// What calls between services get, whose plan names no timeout.
const INTERNAL_TIMEOUT: Duration = Duration::from_secs(60);
const INTERNAL_RETRIES: u32 = 1;

/// The stored format's version; a file of another one is not read.
const VERSION: u32 = 1;
/// No larger file is read back.
const LARGEST_FILE: u64 = 64 << 20;

/// A plan made ready.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Where it comes from.
    pub(crate) plan: GatewayPlan,
    /// By the number that [`Metrics::listener`] gave the name.
    listeners: Vec<Option<Listener>>,
    routes: Vec<Route>,
    upstreams: Vec<Upstream>,
}

/// What connections to a listener get.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Routes.
    Public(RouteTable),
    /// One route, whatever is asked for.
    Internal(usize),
    /// The metrics page.
    Metrics,
}

/// A route made ready.
#[derive(Debug)]
pub(crate) struct Route {
    /// How metrics call it.
    pub(crate) name: String,
    /// The index of its upstream.
    pub(crate) upstream: usize,
    /// What is removed from the front of the path.
    pub(crate) strip: Box<[u8]>,
    /// Until the response's head.
    pub(crate) timeout: Ticks,
    /// Attempts beyond the first.
    pub(crate) retries: u32,
    /// Its counters.
    pub(crate) metrics: Arc<RouteMetrics>,
}

/// An upstream made ready.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The service's name.
    pub(crate) name: String,
    /// How long a connection may take to open.
    pub(crate) connect_timeout: Ticks,
    /// The ready instances.
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
}

/// Why the stored plan could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] StateFileError),
    /// The file is not what this version writes.
    #[error("the stored plan is malformed")]
    Malformed(#[from] serde_json::Error),
    /// The file was written by a version with another format.
    #[error("the stored plan has version {0}, but this gateway reads version {VERSION}")]
    Version(u32),
    /// The writer was stopped.
    #[error("storing the plan was interrupted")]
    Interrupted,
}

#[derive(Deserialize, Serialize)]
struct Stored<P> {
    version: u32,
    plan: P,
}

impl Snapshot {
    /// Makes a plan ready. `previous` lends its endpoints.
    pub(crate) fn new(plan: GatewayPlan, previous: Option<&Self>, metrics: &Metrics) -> Self {
        let mut known: HashMap<(&str, &EndpointPlan), &Arc<Endpoint>> = HashMap::new();
        for upstream in previous.map(|previous| &previous.upstreams).into_iter().flatten() {
            for endpoint in &upstream.endpoints {
                known.insert((&upstream.name, &endpoint.plan), endpoint);
            }
        }
        let endpoint = |service: &str, plan: &EndpointPlan| match known.get(&(service, plan)) {
            Some(endpoint) => Arc::clone(endpoint),
            None => Arc::new(Endpoint::new(plan.clone(), metrics.threads())),
        };
        let ready = |plan: &UpstreamPlan| Upstream {
            name: plan.name.clone(),
            connect_timeout: Ticks::at_least(plan.connect_timeout),
            endpoints: plan.endpoints.iter().map(|one| endpoint(&plan.name, one)).collect(),
        };
        let upstreams: Vec<Upstream> = plan.upstreams.iter().map(ready).collect();
        let position = |name: &str| upstreams.iter().position(|upstream| upstream.name == name);
        let mut routes: Vec<Route> = Vec::new();
        let mut planned: Vec<(usize, &RoutePlan)> = Vec::new();
        for plan in &plan.routes {
            // `check` has reported a route whose upstream does not exist.
            let Some(upstream) = position(&plan.upstream) else { continue };
            planned.push((routes.len(), plan));
            routes.push(Route {
                name: plan.name.clone(),
                upstream,
                strip: if plan.strip { plan.path.as_bytes().into() } else { Box::default() },
                timeout: Ticks::at_least(plan.timeout),
                retries: plan.retries,
                metrics: metrics.route(&plan.name),
            });
        }
        let mut listeners: Vec<Option<Listener>> = Vec::new();
        for plan in &plan.listeners {
            let (number, _) = metrics.listener(&plan.name);
            let listener = match &plan.purpose {
                GatewayPurpose::Metrics => Some(Listener::Metrics),
                GatewayPurpose::Public => {
                    let here = |route: &RoutePlan| {
                        route.listener.as_ref().is_none_or(|name| *name == plan.name)
                    };
                    let routes = planned.iter().filter(|(_, route)| here(route)).copied();
                    Some(Listener::Public(RouteTable::new(routes)))
                }
                GatewayPurpose::Internal { upstream } => position(upstream).map(|index| {
                    routes.push(Route::internal(upstream, index, metrics));
                    Listener::Internal(routes.len() - 1)
                }),
            };
            if listeners.len() <= number {
                listeners.resize_with(number + 1, || None);
            }
            if let Some(slot) = listeners.get_mut(number) {
                *slot = listener;
            }
        }
        Self { plan, listeners, routes, upstreams }
    }

    /// What connections to a listener get, when it is configured.
    pub(crate) fn listener(&self, number: usize) -> Option<&Listener> {
        self.listeners.get(number)?.as_ref()
    }

    /// A route that this snapshot's tables named.
    pub(crate) fn route(&self, index: usize) -> &Route {
        self.routes.get(index).expect("tables and routes were built together")
    }

    /// An upstream that this snapshot's routes named.
    pub(crate) fn upstream(&self, index: usize) -> &Upstream {
        self.upstreams.get(index).expect("routes and upstreams were built together")
    }

    /// All routes, the internal ones included.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// All upstreams.
    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Closes the idle connections to the endpoints that `next` no longer has.
    pub(crate) fn retire_missing(&self, next: &Self) {
        let kept = |endpoint: &Arc<Endpoint>| {
            let mut all = next.upstreams.iter().flat_map(|upstream| &upstream.endpoints);
            all.any(|other| Arc::ptr_eq(other, endpoint))
        };
        for endpoint in self.upstreams.iter().flat_map(|upstream| &upstream.endpoints) {
            if !kept(endpoint) {
                endpoint.retire();
            }
        }
    }
}

impl Route {
    fn internal(service: &str, upstream: usize, metrics: &Metrics) -> Self {
        let name = format!("@{service}");
        Self {
            upstream,
            strip: Box::default(),
            timeout: Ticks::at_least(INTERNAL_TIMEOUT),
            retries: INTERNAL_RETRIES,
            metrics: metrics.route(&name),
            name,
        }
    }
}

/// Reads the stored plan; `None` when there is none yet.
pub(crate) fn load(file: &StateFile) -> Result<Option<GatewayPlan>, SnapshotError> {
    let Some(content) = file.read(LARGEST_FILE)? else { return Ok(None) };
    // The version first: the rest of another version's file need not make sense.
    let version = serde_json::from_slice::<Stored<serde::de::IgnoredAny>>(&content)?.version;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    Ok(Some(serde_json::from_slice::<Stored<GatewayPlan>>(&content)?.plan))
}

/// Stores a plan.
pub(crate) fn store(file: &StateFile, plan: &GatewayPlan) -> Result<(), SnapshotError> {
    file.write(&serde_json::to_vec(&Stored { version: VERSION, plan })?)?;
    Ok(())
}
