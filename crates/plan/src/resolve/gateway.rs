//! The gateway's slice: listeners, routes, upstreams without endpoints.

use std::net::SocketAddr;
use std::time::Duration;

use manifest::Manifest;

use super::Resolver;
use super::references::{DEFAULT_LISTENER, METRICS, internal, listens, referenced};
use crate::{GatewayListener, GatewayPlan, GatewayPurpose, ListenerPlan, RoutePlan, UpstreamPlan};

/// Loopback answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

impl<'a> Resolver<'a> {
    pub(super) fn resolve_gateway(&mut self) {
        let manifest: &'a Manifest = self.manifest;
        let upstreams: Vec<UpstreamPlan> = manifest
            .services
            .iter()
            .filter(|service| listens(manifest, service))
            .map(|service| UpstreamPlan {
                name: service.name.to_string(),
                connect_timeout: CONNECT_TIMEOUT,
                endpoints: Vec::new(),
            })
            .collect();
        if upstreams.is_empty() {
            return;
        }
        let mut listeners = self.public_listeners();
        self.plan.urls = urls(manifest, &listeners);
        for upstream in upstreams.iter().filter(|one| referenced(manifest, &one.name)) {
            let name = internal(&upstream.name);
            let purpose = GatewayPurpose::Internal { upstream: upstream.name.clone() };
            listeners.push((name.clone(), self.loopback(&name), purpose));
        }
        listeners.push((METRICS.to_owned(), self.loopback(METRICS), GatewayPurpose::Metrics));
        self.plan.listeners = listeners
            .iter()
            .map(|(name, address, _)| ListenerPlan { name: name.clone(), address: *address })
            .collect();
        self.plan.gateway = GatewayPlan {
            generation: 0,
            listeners: listeners
                .into_iter()
                .map(|(name, _, purpose)| GatewayListener { name, purpose })
                .collect(),
            routes: routes(manifest),
            upstreams,
        };
    }

    fn loopback(&self, slot: &str) -> SocketAddr {
        ([127, 0, 0, 1], self.port(slot)).into()
    }

    fn public_listeners(&self) -> Vec<(String, SocketAddr, GatewayPurpose)> {
        if self.manifest.routes.is_empty() {
            return Vec::new();
        }
        if self.manifest.listeners.is_empty() {
            let name = DEFAULT_LISTENER.to_owned();
            return vec![(name, self.loopback(DEFAULT_LISTENER), GatewayPurpose::Public)];
        }
        let declared = self.manifest.listeners.iter();
        declared
            .map(|one| (one.name.to_string(), one.address.value, GatewayPurpose::Public))
            .collect()
    }
}

fn routes(manifest: &Manifest) -> Vec<RoutePlan> {
    let mut routes = Vec::new();
    for route in &manifest.routes {
        for path in &route.paths {
            routes.push(RoutePlan {
                name: format!("{}{}", route.name.value, path.path.value),
                listener: route.listener.as_ref().map(|listener| listener.value.clone()),
                host: route.host.as_ref().map(|host| host.value.to_lowercase()),
                path: path.path.value.clone(),
                upstream: path.to.value.clone(),
                strip: path.strip.value,
                timeout: path
                    .timeout
                    .map_or(manifest::route::DEFAULT_TIMEOUT, |timeout| timeout.value),
                retries: path.retries.value,
            });
        }
    }
    routes
}

/// Where a browser on this machine reaches each route.
fn urls(manifest: &Manifest, listeners: &[(String, SocketAddr, GatewayPurpose)]) -> Vec<String> {
    let mut urls = Vec::new();
    for route in &manifest.routes {
        let wanted = route.listener.as_ref().map(|listener| listener.value.as_str());
        let listener = listeners.iter().find(|(name, ..)| wanted.is_none_or(|one| one == name));
        let Some((_, address, _)) = listener else { continue };
        let own = address.ip().to_string();
        let host = match &route.host {
            Some(host) => host.value.trim_start_matches("*.").to_owned(),
            None if address.ip().is_unspecified() => "localhost".to_owned(),
            None if address.is_ipv6() => format!("[{own}]"),
            None => own,
        };
        let port =
            if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
        urls.push(format!("http://{host}{port}/"));
    }
    urls.sort();
    urls.dedup();
    urls
}
