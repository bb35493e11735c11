//! What the gateway counted, in control's own words, and what follows over the last ten seconds.

use std::collections::{BTreeMap, VecDeque};

use crate::EndpointStatus;

/// Rates are taken over this many milliseconds.
const WINDOW: i64 = 10_000;

/// Everything the gateway counted since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// When it was asked, in milliseconds since the Unix epoch.
    pub at: i64,
    /// By the route's name.
    pub routes: BTreeMap<String, RouteTotals>,
    /// By the service's name.
    pub upstreams: BTreeMap<String, Vec<EndpointStatus>>,
}

/// What was counted for one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTotals {
    /// Requests answered.
    pub requests: u64,
    /// Of those, with 500 and above.
    pub errors: u64,
    /// How many took at most how long: upper bounds in milliseconds, in order, each with the
    /// number of requests between it and the bound before.
    pub durations: Vec<(f64, u64)>,
}

/// What the last ten seconds were like for one route.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RouteRates {
    pub(crate) per_second: f64,
    pub(crate) errors_per_second: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
}

/// The last few answers of the gateway.
#[derive(Debug, Default)]
pub(crate) struct TrafficWindow {
    taken: VecDeque<Traffic>,
}

impl TrafficWindow {
    /// Adds an answer; `None` means that the gateway could not be asked.
    pub(crate) fn push(&mut self, traffic: Option<Traffic>) {
        let Some(traffic) = traffic else {
            self.taken.clear();
            return;
        };
        let oldest = traffic.at - WINDOW;
        self.taken.push_back(traffic);
        while self.taken.get(1).is_some_and(|second| second.at <= oldest) {
            self.taken.pop_front();
        }
    }

    /// The newest answer.
    pub(crate) fn last(&self) -> Option<&Traffic> {
        self.taken.back()
    }

    /// What the window was like for a route.
    pub(crate) fn rates(&self, route: &str) -> RouteRates {
        let (Some(first), Some(last)) = (self.taken.front(), self.taken.back()) else {
            return RouteRates::default();
        };
        #[expect(clippy::cast_precision_loss, reason = "a window of seconds")]
        let seconds = (last.at - first.at) as f64 / 1e3;
        let (Some(new), true) = (last.routes.get(route), 0.0 < seconds) else {
            return RouteRates::default();
        };
        let nothing = RouteTotals::default();
        let old = first.routes.get(route).unwrap_or(&nothing);
        // Counters that went back belong to a gateway that was started anew.
        let requests = new.requests.saturating_sub(old.requests);
        let errors = new.errors.saturating_sub(old.errors);
        let durations: Vec<(f64, u64)> = new
            .durations
            .iter()
            .enumerate()
            .map(|(index, (upper, count))| {
                let before = old.durations.get(index).map_or(0, |(_, count)| *count);
                (*upper, count.saturating_sub(before))
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are far below 2^53")]
        let rate = |count: u64| count as f64 / seconds;
        RouteRates {
            per_second: rate(requests),
            errors_per_second: rate(errors),
            p50_ms: percentile(&durations, 0.50),
            p95_ms: percentile(&durations, 0.95),
        }
    }
}

/// The value below which a share of the requests lies, linear within its bucket, as Prometheus'
/// `histogram_quantile` has it.
fn percentile(durations: &[(f64, u64)], share: f64) -> Option<f64> {
    let total: u64 = durations.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are far below 2^53")]
    let rank = total as f64 * share;
    let mut below = 0.0;
    let mut lower = 0.0;
    for (upper, count) in durations {
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let count = *count as f64;
        if rank <= below + count && 0.0 < count {
            let end = if upper.is_finite() { *upper } else { lower };
            return Some(lower + (end - lower) * ((rank - below) / count));
        }
        below += count;
        lower = *upper;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(at: i64, requests: u64, errors: u64) -> Traffic {
        let durations = vec![(10.0, requests), (f64::INFINITY, 0)];
        let totals = RouteTotals { requests, errors, durations };
        Traffic { at, routes: BTreeMap::from([("app/".into(), totals)]), ..Traffic::default() }
    }

    #[test]
    fn rates_are_of_the_window_and_not_of_the_whole_time() {
        let mut window = TrafficWindow::default();
        for second in 0..60 {
            window.push(Some(traffic(second * 1_000, 1_000 + 5 * second.unsigned_abs(), 0)));
        }
        let rates = window.rates("app/");
        assert!((rates.per_second - 5.0).abs() < 1e-9, "{rates:?}");
        assert_eq!(rates.p50_ms, Some(5.0));
        assert_eq!(window.rates("other"), RouteRates::default());
    }

    #[test]
    fn counters_that_went_back_give_no_negative_rate() {
        let mut window = TrafficWindow::default();
        window.push(Some(traffic(0, 1_000, 10)));
        window.push(Some(traffic(1_000, 5, 0)));
        assert!(window.rates("app/").per_second.abs() < 1e-9);
    }
}
