//! Which endpoint a request goes to: the one with the fewest requests in progress.
//!
//! All threads see the same counts, so two gateways' worth of threads do not pile onto one
//! instance. Ties go to a random one, or the first would get everything while there is little to
//! do. Endpoints that could not be reached lately are left out, unless all are: then trying is
//! better than refusing.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// The endpoints that this request has tried, by index; beyond 64 they may be tried again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried(u64);

impl Tried {
    /// Notes one.
    pub(crate) fn add(&mut self, index: usize) {
        if index < 64 {
            self.0 |= 1 << index;
        }
    }

    fn has(self, index: usize) -> bool {
        index < 64 && self.0 & (1 << index) != 0
    }
}

/// Picks an endpoint that was not tried; `None` when there is none left.
pub(crate) fn pick(
    endpoints: &[Arc<Endpoint>],
    tried: Tried,
    random: u64,
    now: Duration,
) -> Option<usize> {
    if let [only] = endpoints {
        // The common small case, and the only one in which nothing needs to be compared.
        let _ = only;
        return (!tried.has(0)).then_some(0);
    }
    let count = endpoints.len();
    let start = usize::try_from(random % (count.max(1) as u64)).unwrap_or(0);
    let mut best: Option<(bool, u32, usize)> = None;
    for step in 0..count {
        let index = (start + step) % count;
        let Some(endpoint) = endpoints.get(index) else { continue };
        if tried.has(index) {
            continue;
        }
        let rank = (endpoint.ejected(now), endpoint.in_flight(), index);
        let better = best.is_none_or(|best| (rank.0, rank.1) < (best.0, best.1));
        if better {
            best = Some(rank);
        }
    }
    best.map(|(.., index)| index)
}

#[cfg(test)]
mod tests {
    use plan::EndpointPlan;

    use super::*;

    fn endpoints(count: u16) -> Vec<Arc<Endpoint>> {
        let plan = |port| EndpointPlan {
            instance: format!("api-{port}"),
            address: ([127, 0, 0, 1], port).into(),
        };
        (1..=count).map(|port| Arc::new(Endpoint::new(plan(port), 1))).collect()
    }

    fn picks(endpoints: &[Arc<Endpoint>], tried: Tried) -> Vec<usize> {
        let mut seen: Vec<usize> =
            (0..12).filter_map(|random| pick(endpoints, tried, random, Duration::ZERO)).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn the_least_busy_wins_and_ties_are_spread() {
        let endpoints = endpoints(3);
        assert_eq!(picks(&endpoints, Tried::default()), [0, 1, 2]);
        endpoints[1].begin();
        assert_eq!(picks(&endpoints, Tried::default()), [0, 2]);
        endpoints[1].end();
        assert_eq!(picks(&endpoints, Tried::default()), [0, 1, 2]);
    }

    #[test]
    fn an_unreachable_one_is_left_out_until_it_is_the_only_one_left() {
        let endpoints = endpoints(2);
        endpoints[0].connect_failed(Duration::ZERO);
        assert_eq!(picks(&endpoints, Tried::default()), [1]);
        endpoints[1].connect_failed(Duration::ZERO);
        assert_eq!(picks(&endpoints, Tried::default()), [0, 1]);
        endpoints[0].connected();
        assert_eq!(picks(&endpoints, Tried::default()), [0]);
        let mut tried = Tried::default();
        tried.add(0);
        assert_eq!(picks(&endpoints, tried), [1]);
        tried.add(1);
        assert_eq!(picks(&endpoints, tried), [] as [usize; 0]);
    }

    #[test]
    fn an_ejection_ends_by_itself_and_grows_with_each_failure() {
        let endpoint = &endpoints(1)[0];
        endpoint.connect_failed(Duration::ZERO);
        assert!(endpoint.ejected(Duration::from_millis(249)));
        assert!(!endpoint.ejected(Duration::from_millis(250)));
        for _ in 0..20 {
            endpoint.connect_failed(Duration::ZERO);
        }
        assert!(endpoint.ejected(Duration::from_millis(9_999)));
        assert!(!endpoint.ejected(Duration::from_secs(10)));
    }
}
