//! Requests: where they go, how many, how long.

use std::collections::{HashMap, HashSet};

use base::{Diagnostic, Span, Spanned, format_duration};

use super::Context;
use crate::listener::Tls;
use crate::probe::{Probe, ProbeCheck};
use crate::route::{Route, RoutePath};
use crate::slo::{Good, RouteRef};

/// A service that is asked over the network has a port: its own, or one because of a route or
/// because somebody uses its address.
pub(super) fn what_is_asked_listens(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let routes = context.manifest.routes.iter().flat_map(|route| &route.paths);
    let mut listening: HashSet<&str> = routes.map(|path| path.to.as_str()).collect();
    listening.extend(context.addresses().map(|address| address.section));
    for service in &context.manifest.services {
        if service.port.is_some() || listening.contains(service.name.as_str()) {
            continue;
        }
        let probes = [&service.probe.startup, &service.probe.readiness, &service.probe.liveness];
        let of_network = |probe: &&Spanned<Probe>| !matches!(probe.check, ProbeCheck::Command(_));
        let asked = probes.into_iter().flatten().filter(of_network).map(|probe| probe.span);
        let pages = [&service.metrics, &service.openapi].into_iter().flatten().map(|p| p.span);
        let Some(span) = asked.chain(pages).next() else { continue };
        let message =
            format!("`{}` is asked over the network, and has no port", service.name.value);
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(span, "")
            .at(service.span, "no route leads here, nobody uses its address, and it has no `port`")
            .help("add `port = 3000` or a route; a worker is asked with `command: PROGRAM`");
        diagnostics.push(diagnostic);
    }
}

/// The routes that take a path of a host, and where they say so.
type Taken<'a> = Vec<(&'a Route, Span)>;

/// Two paths of one host on one listener are not the same.
pub(super) fn no_two_routes_match_alike(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<(Option<&str>, &str), Taken<'_>> = HashMap::new();
    for route in &context.manifest.routes {
        let host = route.host.as_ref().map(|host| host.as_str());
        for path in &route.paths {
            let others = seen.entry((host, &path.path)).or_default();
            let same = others.iter().find(|(other, _)| share_listener(other, route));
            if let Some((other, first)) = same {
                let host = host.map_or_else(|| "any host".to_owned(), |host| format!("`{host}`"));
                let message = format!(
                    "routes `{}` and `{}` both take `{}` of {host}",
                    other.name.value, route.name.value, path.path.value
                );
                let diagnostic = Diagnostic::error("route-twice", message)
                    .at(path.path.span, "")
                    .at(*first, "also here")
                    .help("remove one, or give one of the routes another `host` or `listener`");
                diagnostics.push(diagnostic);
            } else {
                others.push((route, path.path.span));
            }
        }
    }
}

fn share_listener(a: &Route, b: &Route) -> bool {
    match (&a.listener, &b.listener) {
        (Some(a), Some(b)) => a.value == b.value,
        _ => true,
    }
}

/// A certificate is issued for a host.
pub(super) fn certificates_have_a_host(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    for listener in &manifest.listeners {
        let Some(tls) = listener.tls.filter(|tls| tls.value == Tls::Acme) else {
            continue;
        };
        let arrives = |route: &&Route| {
            route.listener.as_ref().is_none_or(|name| name.value == listener.name.value)
        };
        let Some(route) = manifest.routes.iter().filter(arrives).find(|r| r.host.is_none()) else {
            continue;
        };
        let message = format!(
            "route `{}` has no host, and a certificate is issued for one",
            route.name.value
        );
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(route.span, "")
            .at(tls.span, "certificates of a public authority")
            .help("add `host = \"www.example.com\"` to the route, or write `tls = \"internal\"`");
        diagnostics.push(diagnostic);
    }
}

/// A service that ends has time to finish the longest request.
pub(super) fn a_drain_outlasts_requests(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for path in context.manifest.routes.iter().flat_map(|route| &route.paths) {
        let (Some(timeout), Some(service)) = (path.timeout, context.services.get(path.to.as_str()))
        else {
            continue;
        };
        let drain = service.drain;
        if timeout.value <= drain.value {
            continue;
        }
        let message = format!(
            "`{}` may take {} for a request, but has {} to finish when it ends",
            service.name.value,
            format_duration(timeout.value),
            format_duration(drain.value)
        );
        let label = if drain.span == service.span {
            "no `drain` here, so 10s"
        } else {
            "ended by force after this"
        };
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(timeout.span, "a request may take this long")
            .at(drain.span, label)
            .help(format!(
                "write `drain = \"{}\"` in [service.{}], or shorten the timeout",
                format_duration(timeout.value + std::time::Duration::from_secs(5)),
                service.name.value
            ));
        diagnostics.push(diagnostic);
    }
}

/// The paths of a route that a reference means.
fn paths<'a>(context: &Context<'a>, of: &RouteRef) -> Vec<&'a RoutePath> {
    let Some(route) = context.manifest.route(&of.route) else {
        return Vec::new();
    };
    let meant =
        |path: &&RoutePath| of.path.as_ref().is_none_or(|wanted| *wanted == path.path.value);
    route.paths.iter().filter(meant).collect()
}

/// A request that runs into its timeout and is tried again can still be answered in time.
pub(super) fn a_retried_request_can_be_good(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for slo in &context.manifest.slos {
        let Good::Under(limit) = slo.good.value else { continue };
        for path in paths(context, &slo.of) {
            let (retries, Some(timeout)) = (path.retries, path.timeout) else {
                continue;
            };
            let written = retries.span != path.path.span;
            let longest = timeout.value.saturating_mul(retries.value.saturating_add(1));
            if !written || retries.value == 0 || longest <= limit {
                continue;
            }
            let message = format!(
                "{} tries of {} take {}, but objective `{}` wants an answer within {}",
                retries.value + 1,
                format_duration(timeout.value),
                format_duration(longest),
                slo.name.value,
                format_duration(limit)
            );
            let diagnostic = Diagnostic::warning("contradiction", message)
                .at(retries.span, "tried again so often")
                .at(timeout.span, "each this long")
                .at(slo.good.span, "wanted")
                .help("shorten the timeout: a retry after it comes too late to be good");
            diagnostics.push(diagnostic);
        }
    }
}

/// A load test is not stopped by the limits of the routes that it judges.
pub(super) fn a_load_fits_its_limit(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for load in &context.manifest.loads {
        let peak = load
            .phases
            .iter()
            .max_by(|a, b| a.peak().per_second().total_cmp(&b.peak().per_second()));
        let Some(peak) = peak else { continue };
        let judged = load.judge.iter().filter_map(|name| context.manifest.slo(name));
        let mut limits = judged
            .flat_map(|slo| paths(context, &slo.of))
            .filter_map(|path| path.limit.map(|limit| (path, limit)));
        let below = limits.find(|(_, limit)| limit.rate.per_second() < peak.peak().per_second());
        let Some((path, limit)) = below else { continue };
        let message = format!(
            "load `{}` reaches {}, but `{}` lets {} through",
            load.name.value,
            peak.peak(),
            path.path.value,
            limit.rate
        );
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(peak.span, "arrivals")
            .at(limit.span, "the limit that they meet")
            .help(
                "raise the limit, or lower the load; more is answered with 429 and judged as \
                failed",
            );
        diagnostics.push(diagnostic);
    }
}
