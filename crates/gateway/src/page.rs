//! The metrics page, in Prometheus' text format.

use std::fmt::Write as _;

use crate::failure::Cause;
use crate::metrics::{BOUNDS, RouteTotals, StatusLabel};
use crate::shard::Shared;

/// Writes every metric.
pub(crate) fn render(shared: &Shared) -> String {
    let snapshot = shared.snapshot.load();
    let mut out = String::new();
    let routes: Vec<(String, RouteTotals)> = snapshot
        .routes()
        .iter()
        .map(|route| (escape(&route.name), route.metrics.totals()))
        .collect();
    // Writing to a string cannot fail.
    let _infallible = render_routes(&mut out, &routes);
    let _infallible = render_rest(&mut out, shared);
    out
}

fn render_routes(out: &mut String, routes: &[(String, RouteTotals)]) -> std::fmt::Result {
    describe(out, "requests_total", "counter", "Requests answered.")?;
    for (name, totals) in routes {
        for (label, count) in &totals.codes {
            let code = match label {
                StatusLabel::Exact(status) => status.to_string(),
                StatusLabel::Class(class) => format!("{class}xx"),
            };
            writeln!(
                out,
                "mainstay_gateway_requests_total{{route=\"{name}\",code=\"{code}\"}} {count}"
            )?;
        }
    }
    let metric = "request_duration_seconds";
    describe(out, metric, "histogram", "From the request's head to the response's last byte.")?;
    for (name, totals) in routes {
        let mut cumulative = 0;
        let metric = format!("mainstay_gateway_{metric}");
        for (bound, count) in BOUNDS.iter().zip(&totals.buckets) {
            cumulative += count;
            let bound = seconds(*bound);
            writeln!(out, "{metric}_bucket{{route=\"{name}\",le=\"{bound}\"}} {cumulative}")?;
        }
        let finished = totals.finished;
        writeln!(out, "{metric}_bucket{{route=\"{name}\",le=\"+Inf\"}} {finished}")?;
        writeln!(out, "{metric}_sum{{route=\"{name}\"}} {}", seconds(totals.micros))?;
        writeln!(out, "{metric}_count{{route=\"{name}\"}} {finished}")?;
    }
    describe(out, "requests_in_flight", "gauge", "Requests being answered.")?;
    for (name, totals) in routes {
        let in_flight = totals.started.saturating_sub(totals.finished);
        writeln!(out, "mainstay_gateway_requests_in_flight{{route=\"{name}\"}} {in_flight}")?;
    }
    describe(out, "errors_total", "counter", "Requests that failed, by whose side caused it.")?;
    for (name, totals) in routes {
        let causes = [Cause::Client, Cause::Upstream, Cause::Gateway];
        for (cause, count) in causes.iter().zip(&totals.causes) {
            let cause = cause.label();
            writeln!(
                out,
                "mainstay_gateway_errors_total{{route=\"{name}\",cause=\"{cause}\"}} {count}"
            )?;
        }
    }
    describe(out, "retries_total", "counter", "Attempts beyond the first.")?;
    for (name, totals) in routes {
        let retries = totals.retries;
        writeln!(out, "mainstay_gateway_retries_total{{route=\"{name}\"}} {retries}")?;
    }
    Ok(())
}

fn render_rest(out: &mut String, shared: &Shared) -> std::fmt::Result {
    let snapshot = shared.snapshot.load();
    let endpoints: Vec<(String, String, _)> = snapshot
        .upstreams()
        .iter()
        .flat_map(|upstream| {
            let name = escape(&upstream.name);
            upstream.endpoints.iter().map(move |endpoint| {
                (name.clone(), escape(&endpoint.plan.instance), endpoint.counts())
            })
        })
        .collect();
    describe(out, "upstream_requests_total", "counter", "Requests sent to an instance.")?;
    for (service, instance, counts) in &endpoints {
        let labels = format!("service=\"{service}\",instance=\"{instance}\"");
        writeln!(out, "mainstay_gateway_upstream_requests_total{{{labels}}} {}", counts.requests)?;
    }
    describe(out, "upstream_in_flight", "gauge", "Requests an instance is working on.")?;
    for (service, instance, counts) in &endpoints {
        let labels = format!("service=\"{service}\",instance=\"{instance}\"");
        writeln!(out, "mainstay_gateway_upstream_in_flight{{{labels}}} {}", counts.in_flight)?;
    }
    let metric = "upstream_connect_failures_total";
    describe(out, metric, "counter", "Connections to an instance that could not be made.")?;
    for (service, instance, counts) in &endpoints {
        let labels = format!("service=\"{service}\",instance=\"{instance}\"");
        writeln!(out, "mainstay_gateway_{metric}{{{labels}}} {}", counts.connect_failures)?;
    }
    describe(out, "rejected_requests_total", "counter", "Requests that reached no route.")?;
    for (rejection, count) in shared.metrics.rejections() {
        let reason = rejection.label();
        writeln!(out, "mainstay_gateway_rejected_requests_total{{reason=\"{reason}\"}} {count}")?;
    }
    describe(out, "connections", "gauge", "Open connections of clients.")?;
    let listeners = shared.metrics.listeners();
    for listener in &listeners {
        let (name, open) = (escape(&listener.name), listener.open);
        writeln!(out, "mainstay_gateway_connections{{listener=\"{name}\"}} {open}")?;
    }
    describe(out, "connections_total", "counter", "Connections accepted.")?;
    for listener in &listeners {
        let (name, accepted) = (escape(&listener.name), listener.accepted);
        writeln!(out, "mainstay_gateway_connections_total{{listener=\"{name}\"}} {accepted}")?;
    }
    describe(out, "generation", "gauge", "The generation of the plan in force.")?;
    writeln!(out, "mainstay_gateway_generation {}", snapshot.plan.generation)
}

fn describe(out: &mut String, metric: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP mainstay_gateway_{metric} {help}")?;
    writeln!(out, "# TYPE mainstay_gateway_{metric} {kind}")
}

/// Microseconds as seconds, exactly and without trailing zeros.
fn seconds(micros: u64) -> String {
    let whole = micros / 1_000_000;
    let rest = format!("{:06}", micros % 1_000_000);
    match rest.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        for (micros, expected) in
            [(0, "0"), (500, "0.0005"), (1_000_000, "1"), (2_500_001, "2.500001")]
        {
            assert_eq!(seconds(micros), expected);
        }
    }
}
