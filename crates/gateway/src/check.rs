//! Contradictions in a plan: what would be served differently from what it says, or not at all.

use std::collections::HashSet;

use base::Diagnostic;
use plan::{GatewayPlan, GatewayPurpose, RoutePlan};

use crate::http1::{self, NormalPath};

/// Finds every contradiction. Pure; a plan without errors can be applied.
#[must_use]
pub fn check(plan: &GatewayPlan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    check_listeners(plan, &mut found);
    check_upstreams(plan, &mut found);
    let mut taken = HashSet::new();
    for route in &plan.routes {
        check_route(plan, route, &mut found);
        if !taken.insert((&route.listener, &route.host, &route.path)) {
            found.push(Diagnostic::error(
                "duplicate-route",
                format!("route `{}` has the host and path of another route", route.name),
            ));
        }
    }
    found
}

fn check_listeners(plan: &GatewayPlan, found: &mut Vec<Diagnostic>) {
    let mut names = HashSet::new();
    for listener in &plan.listeners {
        let name = &listener.name;
        if !names.insert(name) {
            let message = format!("listener `{name}` is there twice");
            found.push(Diagnostic::error("duplicate-listener", message));
        }
        if let GatewayPurpose::Internal { upstream } = &listener.purpose
            && !plan.upstreams.iter().any(|known| known.name == *upstream)
        {
            let message = format!("listener `{name}` leads to `{upstream}`, which does not exist");
            found.push(Diagnostic::error("unknown-upstream", message));
        }
    }
}

fn check_upstreams(plan: &GatewayPlan, found: &mut Vec<Diagnostic>) {
    let mut names = HashSet::new();
    for upstream in &plan.upstreams {
        let name = &upstream.name;
        if !names.insert(name) {
            let message = format!("upstream `{name}` is there twice");
            found.push(Diagnostic::error("duplicate-upstream", message));
        }
        if upstream.connect_timeout.is_zero() {
            let message = format!("upstream `{name}` allows no time to connect");
            found.push(Diagnostic::error("zero-timeout", message));
        }
        let mut endpoints = HashSet::new();
        for endpoint in &upstream.endpoints {
            if !endpoints.insert(endpoint) {
                let message = format!("`{}` is there twice in `{name}`", endpoint.instance);
                found.push(Diagnostic::error("duplicate-endpoint", message));
            }
        }
    }
}

fn check_route(plan: &GatewayPlan, route: &RoutePlan, found: &mut Vec<Diagnostic>) {
    let name = &route.name;
    if !plan.upstreams.iter().any(|known| known.name == route.upstream) {
        let upstream = &route.upstream;
        let message = format!("route `{name}` leads to `{upstream}`, which does not exist");
        found.push(Diagnostic::error("unknown-upstream", message));
    }
    if let Some(listener) = &route.listener {
        let purpose = plan.listeners.iter().find(|known| known.name == *listener);
        if !purpose.is_some_and(|known| known.purpose == GatewayPurpose::Public) {
            let message = format!("route `{name}` is on `{listener}`, which serves no routes");
            found.push(Diagnostic::error("unknown-listener", message));
        }
    }
    match http1::normalise(route.path.as_bytes()) {
        Ok(NormalPath::Same) => {}
        _ => {
            let message = format!("route `{name}` has the path `{}`", route.path);
            let help = "begin it with `/` and leave out `.`, `..`, `//` and percent-encoding";
            found.push(Diagnostic::error("bad-path", message).help(help));
        }
    }
    if let Some(host) = &route.host
        && (host.is_empty()
            || http1::without_port(host.as_bytes()) != host.as_bytes()
            || host.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii_graphic()))
    {
        let message = format!("route `{name}` has the host `{host}`");
        let help = "write it in lowercase, without port and trailing dot";
        found.push(Diagnostic::error("bad-host", message).help(help));
    }
    if route.timeout.is_zero() {
        let message = format!("route `{name}` allows no time to answer");
        found.push(Diagnostic::error("zero-timeout", message));
    }
}
